"""Variables of a fingerprint that was written by hand: ``{{ default }}``, ``{{ type }}``, ``{{ tags.region }}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pipeline.fingerprint.result import Read
from schemas.event import Event, ExceptionValue, tag_text

_VARIABLE = re.compile(r"\{\{\s*([^\s{}]+)\s*\}\}")


def _main(event: Event) -> ExceptionValue | None:
    exceptions = event.exceptions
    return exceptions[-1] if exceptions else None


def _type(event: Event, _read: Read) -> str:
    main = _main(event)
    return (main.type if main is not None else None) or "<no-type>"


def _value(event: Event, _read: Read) -> str:
    main = _main(event)
    return "<no-value>" if main is None or main.value is None else str(main.value)


def _message(event: Event, _read: Read) -> str:
    entry = event.log_entry
    text = (entry.formatted or entry.message) if entry is not None else None
    if text:
        return text
    main = _main(event)
    return "<no-message>" if main is None or main.value is None else str(main.value)


_VALUES: dict[str, Callable[[Event, Read], str]] = {
    "type": _type,
    "value": _value,
    "message": _message,
    "transaction": lambda event, _read: event.transaction or "<no-transaction>",
    "level": lambda event, _read: event.level or "<no-level>",
    "logger": lambda event, _read: event.logger or "<no-logger>",
    "environment": lambda event, _read: event.environment or "<no-environment>",
    "release": lambda event, _read: "<no-release>" if event.release is None else str(event.release),
    "platform": lambda event, _read: event.platform or "<no-platform>",
    "module": lambda _event, read: read.module or "<no-module>",
    "function": lambda _event, read: read.function or "<no-function>",
}
_ALIASES = {
    "error.type": "type",
    "error.value": "value",
    "stack.module": "module",
    "stack.function": "function",
}


def is_variable(name: str) -> bool:
    """Whether a name can stand between the braces, ``default`` aside."""
    return name in _VALUES or name in _ALIASES or (name.startswith("tags.") and len(name) > len("tags."))


def names_in(text: str) -> list[str]:
    """Return the names of the variables in one part of a fingerprint."""
    return _VARIABLE.findall(text)


def _lookup(name: str, event: Event, read: Read) -> str | None:
    known = _VALUES.get(_ALIASES.get(name, name))
    if known is not None:
        return known(event, read)
    if name.startswith("tags.") and len(name) > len("tags."):
        wanted = name[len("tags.") :]
        return next((value for key, value in event.tag_items if key == wanted), "<no-tag>")
    return None


def expand(parts: Sequence[object], event: Event, read: Read) -> list[str]:
    """Return a fingerprint's components with every variable replaced.

    ``{{ default }}`` alone stands for all components that the algorithm found. Text around a variable stays, and so
    does a variable that nobody knows: what a client wrote is honoured as it is.
    """
    components: list[str] = []
    for part in parts:
        text = tag_text(part) if isinstance(part, str | int | float | bool) else "null"
        if "{{" not in text:
            components.append(text)
            continue
        found = _VARIABLE.fullmatch(text.strip())
        if found and found[1] == "default":
            components.extend(read.components)
            continue
        components.append(_VARIABLE.sub(lambda one: _value_or_self(one, event, read), text))
    return components


def _value_or_self(found: re.Match[str], event: Event, read: Read) -> str:
    value = _lookup(found[1], event, read)
    return found[0] if value is None else value


def only_default(parts: Sequence[object]) -> bool:
    """Whether a fingerprint asks for nothing but the algorithm's own."""
    return all(isinstance(part, str) and _is_default(part) for part in parts)


def _is_default(part: str) -> bool:
    found = _VARIABLE.fullmatch(part.strip())
    return found is not None and found[1] == "default"
