"""Decode: the bytes of a message become an event, or are refused with a reason.

What can be mended is mended, and named in :attr:`Decoded.mended`:

* a field of the wrong type is left out of the view (or turned into text, where text is expected and a number
  was sent); the payload that is stored keeps it as it was sent;
* ``NaN`` and ``Infinity`` become ``null``, bytes that are not UTF-8 and lone surrogates become U+FFFD.

Everything else is refused: an empty message, one that is too large, one that is not JSON, and JSON that is not an
object. Reasons hold byte positions and field names, never the message's own text.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.errors import Refused
from pipeline.payload.surrogates import escapes_surrogate
from schemas.event import Event
from schemas.topics import MAX_EVENT_BYTES

STAGE = "decode"
MOST_MENDS = 32
"""After so many fields of the wrong type it is not an event any more."""

_DECODER = msgspec.json.Decoder(Event)
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_KEY_AT = re.compile(r" - at `key in \$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_LONE = re.compile(r"[\ud800-\udfff]")


class Decoded(Struct, gc=False):
    """An event that was decoded: the view of it, the payload as JSON, and the fields that had to be mended."""

    event: Event
    payload: bytes
    mended: tuple[str, ...] = ()


def decode(raw: bytes | None) -> Decoded:
    """Decode one message.

    Raises:
        Refused: it cannot be decoded, with the reason.
    """
    if not raw:
        raise Refused(STAGE, "the message is empty: send one event as a JSON object")
    if len(raw) > MAX_EVENT_BYTES:
        raise Refused(STAGE, f"the message has {len(raw)} bytes: send at most {MAX_EVENT_BYTES}")
    try:
        return _decode(raw)
    except RecursionError:
        raise Refused(STAGE, "the JSON is nested too deeply: send at most 500 levels") from None


def _decode(raw: bytes) -> Decoded:
    payload, mended = as_text(raw)
    try:
        return Decoded(_DECODER.decode(payload), payload, mended)
    except msgspec.DecodeError:
        # A field of the wrong type is noticed before what may be wrong with the JSON behind it.
        pass
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        payload, mended = strict_json(payload, error), (*mended, "not-a-number")
    event, fields = _decode_mended(payload)
    return Decoded(event, payload, (*mended, *fields))


def decode_again(payload: bytes) -> Event:
    """Decode a payload that was decoded before, after the scrubber has replaced values in it."""
    try:
        return _DECODER.decode(payload)
    except msgspec.ValidationError:
        return _decode_mended(payload)[0]


def as_text(raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the message as valid UTF-8 without lone surrogates, and what had to be mended for that."""
    mended: tuple[str, ...] = ()
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            raw, mended = raw.decode("utf-8", "replace").encode(), ("utf-8",)
    if escapes_surrogate(raw):
        try:
            msgspec.json.decode(raw)
        except msgspec.DecodeError:
            replaced = _replace_surrogates(raw)
            if replaced is not None:
                raw, mended = replaced, (*mended, "surrogates")
    return raw, mended


def _replace_surrogates(raw: bytes) -> bytes | None:
    """Return the message with U+FFFD for lone surrogates; ``None`` when there are none, or it is not JSON."""
    try:
        document = json.loads(raw)
    except ValueError:
        return None
    text, found = _LONE.subn("\ufffd", json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    return text.encode() if found else None


def strict_json(payload: bytes, error: msgspec.DecodeError) -> bytes:
    """Return the payload with NaN and infinities as null; refuse it when that was not what is wrong with it."""
    try:
        document = json.loads(payload, parse_constant=lambda _name: None)
    except ValueError:
        raise Refused(STAGE, f"not JSON ({error}): send one event as a JSON object") from None
    return msgspec.json.encode(document)


def _decode_mended(payload: bytes) -> tuple[Event, tuple[str, ...]]:
    """Decode a payload with fields of the wrong type, leaving those out of the view."""
    document = msgspec.json.decode(payload)
    if not isinstance(document, dict):
        raise Refused(STAGE, "the message is JSON but not an object: send one event as a JSON object")
    mended: list[str] = []
    for _ in range(MOST_MENDS):
        try:
            return _DECODER.decode(msgspec.json.encode(document)), tuple(dict.fromkeys(mended))
        except msgspec.ValidationError as error:
            text = str(error)
            found = _AT.search(text) or _KEY_AT.search(text)
            if found is None:
                break
            path = found["path"]
            _mend(document, path, wants_text="`str" in text.split(", got ")[0])
            mended.append(re.sub(r"\[[^\]]*\]", "", path).strip("."))
    raise Refused(STAGE, f"more than {MOST_MENDS} fields have the wrong type: see schemas/json/event.schema.json")


def _mend(document: dict[str, Any], path: str, *, wants_text: bool) -> None:
    """Turn the value at a path into text where that is what was wanted, else into null.

    Values of the same wrong type in the other elements of the lists along the path go with it: what is wrong with
    one frame is mostly wrong with all of them.
    """
    steps: list[str | int | None] = [
        None if step["any"] else int(step["index"]) if step["index"] else step["key"] for step in _STEP.finditer(path)
    ]
    around: Any = document
    for step in steps[:-1]:
        around = _deeper(around, step)
    last = steps[-1]
    if last is None:
        _drop_structures(around)
        return
    wrong = type(around[last])
    text = wants_text and wrong in (int, float)
    for holder in _holders(document, steps[:-1]):
        if isinstance(holder, dict) and type(holder.get(str(last))) is wrong:
            holder[str(last)] = str(holder[str(last)]) if text else None
        elif isinstance(holder, list) and isinstance(last, int):
            holder[:] = [(str(value) if text else None) if type(value) is wrong else value for value in holder]


def _holders(document: Any, steps: list[str | int | None]) -> list[Any]:
    """Return what the steps lead to, in every element of the lists on the way, as far as it is there."""
    found = [document]
    for step in steps:
        if isinstance(step, str):
            found = [around[step] for around in found if isinstance(around, dict) and step in around]
        elif step is None:
            found = [value for around in found if isinstance(around, dict) for value in around.values()]
        else:
            found = [value for around in found if isinstance(around, list) for value in around]
    return found


def _deeper(around: Any, step: str | int | None) -> Any:
    """Follow one step; ``None`` stands for "some value of this object", of which the first structure is meant."""
    if step is not None:
        return around[step]
    return next(value for value in around.values() if isinstance(value, (dict, list)))


def _drop_structures(around: Any) -> None:
    """Take objects and arrays out of an object or array of scalars."""
    if isinstance(around, dict):
        for key in [key for key, value in around.items() if isinstance(value, (dict, list))]:
            del around[key]
    else:
        around[:] = [value for value in around if not isinstance(value, (dict, list))]
