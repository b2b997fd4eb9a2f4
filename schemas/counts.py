"""The ``counts`` contract, version 1: what a worker has counted in one batch of events, one message a partition.

A batch is a contiguous range of offsets of one source topic-partition. Everything it adds to the windows of one
counts partition travels in one message, in msgpack with structs as arrays, so a message names every source batch
exactly once and the counting side can tell a repeated message from a new one by the source's last offset.

A field is added only at the end of a struct, with a default: older readers skip it, newer readers fill it in. A
change of any other kind raises :data:`COUNTS_VERSION`.
"""

from __future__ import annotations

import msgspec
import xxhash
from msgspec import Struct

COUNTS_VERSION = 1

MAX_EVENT_IDS = 3
"""How many sample event ids a group carries at most."""

Count = int | float
"""A weighted number of events: whole for unsampled streams, fractional where a sample stands for several."""


class PartialCount(Struct, array_like=True, gc=False):
    """What one batch adds to one group. A group (its first four fields) appears at most once in a batch.

    * ``rule``: empty for an issue's own entry, which carries every event of the issue in this environment and is
      read by the rules that need no more than project and environment; otherwise the name of the rule whose
      matching events were counted.
    * ``fingerprint``: hexadecimal; empty where a rule counts all that match, whatever the issue.
    * ``panes``: (start in whole seconds since the epoch, weighted count), in event time, oldest first.
    * ``first_timestamp_ms``, ``last_timestamp_ms``: the earliest and the latest event, milliseconds since the epoch.
    * ``event_ids``: up to :data:`MAX_EVENT_IDS` samples.
    * ``title``, ``culprit``, ``level``, ``release``: of the first event of the group in this batch.
    * ``matched``: on an issue's own entry, the rules about issues (new, regressed, unignored) that look at more than
      project and environment and that the first event of the group in this batch matches.
    * ``releases``: on an issue's own entry, every release with the time of its latest event, as above.
    * ``users``: on an issue's own entry, the hashes of those it happened to, where the issue is ignored until it has
      happened to so many.
    """

    rule: str
    project: str
    environment: str
    fingerprint: str
    panes: list[tuple[int, Count]]
    first_timestamp_ms: int
    last_timestamp_ms: int
    event_ids: list[str] = []
    title: str = ""
    culprit: str = ""
    level: str = ""
    release: str = ""
    matched: list[str] = []
    releases: list[tuple[str, int]] = []
    users: list[int] = []


class CountsBatch(Struct, array_like=True):
    """One message: all that the source range ``[first, last]`` adds to one counts partition.

    ``incarnation`` is the UUID of the source topic as text, so that a topic deleted and created again, whose
    offsets start from 0 once more, is a new source.
    """

    version: int
    topic: str
    incarnation: str
    partition: int
    first: int
    last: int
    groups: list[PartialCount]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CountsBatch)


def encode_counts(batch: CountsBatch) -> bytes:
    """Return the message's bytes."""
    return _encoder.encode(batch)


def decode_counts(data: bytes) -> CountsBatch:
    """Return the batch in a message's bytes.

    Raises :class:`ValueError`, without any of the content, when the bytes are not a batch or when their version is
    not :data:`COUNTS_VERSION`.
    """
    try:
        batch = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("not a counts message: the msgpack does not decode to a CountsBatch") from None
    if batch.version != COUNTS_VERSION:
        raise ValueError(f"counts message of version {batch.version}; this worker reads version {COUNTS_VERSION}")
    return batch


def partition_of(rule: str, project: str, environment: str, fingerprint: str, partitions: int) -> int:
    """Return the counts partition (0-based) where all counts of a group meet.

    Everything about one issue meets in one partition, in whichever environment and for whichever rule, because
    whether an issue is new can be said in one place only. Groups without an issue are placed by rule, project and
    environment.
    """
    key = ("i", project, fingerprint) if fingerprint else ("a", rule, project, environment)
    return xxhash.xxh3_64_intdigest(_encoder.encode(key)) % partitions
