# Written by `python -m schemas.export` from schemas/alert.py: edit that one.
"""The alert contract, version 1: JSON on the alert topic, one message each time a rule's state changes for a group.

Times are RFC 3339 in UTC. A message may arrive more than once, always with the same ``id``: what was seen before is
dropped by it. ``dedup_key`` names the rule and the group, so it joins a ``resolved`` to its ``firing``.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

ALERT_VERSION = 1

Kind = Literal["count", "new_issue", "regressed", "unignored"]
Severity = Literal["info", "warning", "error", "critical"]
State = Literal["firing", "resolved", "test"]


class Alert(Struct, kw_only=True, frozen=True):
    """One change of state of one rule for one group.

    * ``id``: 32 hexadecimal digits; the same change always has the same id.
    * ``version``: :data:`ALERT_VERSION`.
    * ``rule``, ``kind``, ``severity``: the rule as it is configured.
    * ``state``: ``firing`` once when the rule's condition becomes true, ``resolved`` once when a count has fallen
      below the threshold; the other kinds only fire. ``test`` is sent by a person who tries a delivery.
    * ``project``, ``environment``: where the events happened. ``fingerprint``: the issue, hexadecimal; empty when the
      rule counts all events that match.
    * ``title``, ``culprit``, ``level``, ``release``: of a sample event, scrubbed.
    * ``value``: the weighted number of events in the window; ``threshold``: what it had to reach.
    * ``window_start``, ``window_end``: the window, start included, end excluded. For a kind that only fires: from
      the issue's first event in the batch to just after its last.
    * ``event_ids``: up to three events of the window.
    * ``query``: a SELECT that shows the evidence in ClickHouse.
    * ``dedup_key``: 32 hexadecimal digits, the same for every alert of this rule and group.
    * ``created_at``: when the change was noticed.
    """

    id: str
    version: int = ALERT_VERSION
    rule: str
    kind: Kind
    severity: Severity
    state: State
    project: str
    environment: str
    fingerprint: str
    title: str
    culprit: str
    level: str
    release: str
    value: float
    threshold: float
    window_start: datetime
    window_end: datetime
    event_ids: list[str]
    query: str
    dedup_key: str
    created_at: datetime


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TO_ESCAPE = re.compile("[" + "".join(re.escape(character) for character in _ESCAPES) + "]")


def quote(text: str) -> str:
    """Return a text as a ClickHouse string literal that nothing in it can end.

    Source: https://clickhouse.com/docs/sql-reference/syntax#string
    """
    return "'" + _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text) + "'"


def encode_alert(alert: Alert) -> bytes:
    """Return the alert as UTF-8 JSON, keys in the order of the fields."""
    return _encoder.encode(alert)


def decode_alert(data: bytes | str) -> Alert:
    """Return the alert in a message of the alert topic; unknown fields are skipped.

    Raises :class:`ValueError`, without any of the content, when it is not an alert of version 1.
    """
    try:
        alert = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("not an alert: the JSON does not have the fields of schemas/alert.py") from None
    if alert.version != ALERT_VERSION:
        raise ValueError(f"alert of version {alert.version}; this program reads version {ALERT_VERSION}")
    return alert
