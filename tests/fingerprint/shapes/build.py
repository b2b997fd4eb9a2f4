"""The little language in which the shaped corpus is written."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def frame(text: str, **more: Any) -> dict[str, Any]:
    """Return a frame of ``function @ module @ file``."""
    parts = [part.strip() for part in text.split(" @ ")]
    found: dict[str, Any] = {
        key: part for key, part in zip(("function", "module", "filename"), parts, strict=False) if part
    }
    return found | more


def thrown(type_: str, value: str, *frames: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an exception whose frames run from the oldest call to the newest."""
    found: dict[str, Any] = {"type": type_, "value": value, **more}
    if frames:
        lines = [frame(one) if isinstance(one, str) else one for one in frames]
        found["stacktrace"] = {"frames": [{"lineno": 10 * at + 7, **one} for at, one in enumerate(lines)]}
    return found


def event(platform: str, *exceptions: dict[str, Any], **more: Any) -> Event:
    """Return an event with a chain of exceptions, the cause first."""
    found: Event = {"platform": platform, **more}
    if exceptions:
        found["exception"] = {"values": list(exceptions)}
    return found


def one(platform: str, type_: str, value: str, *frames: str | dict[str, Any], **more: Any) -> Event:
    """Return an event with one exception."""
    return event(platform, thrown(type_, value, *frames), **more)


def messages(*texts: str, **more: Any) -> list[Event]:
    """Return events that are nothing but a message."""
    return [{"message": text, **more} for text in texts]
