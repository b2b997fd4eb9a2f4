"""The outcome contract, version 1: how many items a gateway did not take in some second, and why.

A message holds many counts, because one message an item would let whoever sends too much fill the topic as well.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

SCHEMA_VERSION = 1


class Count(Struct, frozen=True):
    """How many items of one kind met the same fate.

    * ``project``: empty where the request was refused before it was known.
    * ``key``: the first eight digits of the public key that they came with; empty where it was not known.
    * ``category``: the data category, as rate limits and client reports name it: error, transaction, session...
    * ``reason``: one word, or a word and a detail: ``rate_limited``, ``filtered:localhost``, ``sampled``,
      ``invalid:too_large``, ``no_topic``, ``client_before_send`` for what an SDK reports to have discarded itself.
    * ``quantity``: how many.
    """

    project: str
    key: str
    category: str
    reason: str
    quantity: Annotated[int, Meta(ge=0, lt=2**53)]


class Outcomes(Struct, frozen=True):
    """One message.

    * ``id``: 32 hexadecimal digits, no two messages have the same.
    * ``time``: when they were counted, in seconds since 1970.
    * ``counts``: the counts.
    """

    id: str
    time: float
    counts: list[Count]
    version: int = SCHEMA_VERSION
