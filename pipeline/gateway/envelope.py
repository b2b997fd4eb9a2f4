r"""Envelopes: the framing of what SDKs send. Pure, and strict about nothing but the framing.

An envelope is a line with a JSON object (its header), then items: a line with a JSON object (the item's header), a
line break, the payload. The payload has the ``length`` of the item's header, or ends at the next line break. Lines end
with ``\n`` alone; the last one may be missing. See https://develop.sentry.dev/sdk/foundations/transport/envelopes/.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from pipeline.gateway.rejection import bad, too_large

MOST_ITEMS = 1000
LINE_FEED = 10

_EVENT_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Header(Struct, frozen=True):
    """What is read of an envelope's header. ``event_id`` is 32 lower-case hex digits, or ``None``."""

    event_id: str | None = None
    dsn: str | None = None
    sent_at: Any = None


class ItemHeader(Struct, frozen=True):
    """What is read of an item's header."""

    type: str
    length: int | None = None


class Item(Struct, frozen=True):
    """One item: its type, and its payload as it came."""

    type: str
    payload: bytes


class Envelope(Struct, frozen=True):
    """A parsed envelope; legal without items."""

    header: Header
    items: tuple[Item, ...] = ()


_HEADER = msgspec.json.Decoder(Header)
_ITEM_HEADER = msgspec.json.Decoder(ItemHeader)


def parse(body: bytes) -> Envelope:
    """Take an envelope apart.

    Raises:
        Rejected: the framing is broken or there are more than 1000 items; nothing of the envelope can be used.
    """
    end = _line_end(body, 0)
    header = _decode(_HEADER, body[:end], "the envelope's header")
    if header.event_id is not None:
        header = msgspec.structs.replace(header, event_id=event_id_of(header.event_id))
    items: list[Item] = []
    at = end + 1
    while at < len(body):
        end = _line_end(body, at)
        line = body[at:end]
        if not line or line.isspace():
            at = end + 1
            continue
        if len(items) == MOST_ITEMS:
            raise too_large(f"the envelope has more than {MOST_ITEMS} items")
        item = _decode(_ITEM_HEADER, line, f"the header of item {len(items) + 1}")
        start = min(end + 1, len(body))
        stop = _payload_end(body, start, item.length, len(items) + 1)
        items.append(Item(item.type, body[start:stop]))
        at = stop + 1
    return Envelope(header, tuple(items))


def event_id_of(text: str) -> str:
    """Return an event id as 32 lower-case hex digits.

    Raises:
        Rejected: it is not a UUID.
    """
    if not _EVENT_ID.fullmatch(text):
        raise bad("the event_id is not a UUID")
    return text.replace("-", "").lower()


def _payload_end(body: bytes, start: int, length: int | None, number: int) -> int:
    if length is None:
        return _line_end(body, start)
    stop = start + length
    if length < 0 or stop > len(body):
        raise bad(f"item {number} is shorter than its length says")
    if stop < len(body) and body[stop] != LINE_FEED:
        raise bad(f"item {number} is longer than its length says, or no line break follows it")
    return stop


def _line_end(body: bytes, start: int) -> int:
    end = body.find(b"\n", start)
    return len(body) if end < 0 else end


def _decode(decoder: msgspec.json.Decoder[Any], line: bytes, what: str) -> Any:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError:
        _refuse(f"{what} lacks a field or has one of the wrong type")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(f"{what} is not a JSON object on one line")


def _refuse(reason: str) -> NoReturn:
    raise bad(reason) from None
