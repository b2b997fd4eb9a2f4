"""What the scrubber looks for: the kinds of personal data and secrets, by the names that settings and counts use."""

from __future__ import annotations

from typing import Final

EMAIL: Final = "email"
CARD: Final = "creditcard"
SSN: Final = "ssn"
PHONE: Final = "phone"
IP: Final = "ip"
IBAN: Final = "iban"
MAC: Final = "mac"
IMEI: Final = "imei"
TOKEN: Final = "token"  # noqa: S105 - the name of a kind
PASSWORD: Final = "password"  # noqa: S105 - the name of a kind
COOKIE: Final = "cookie"
SESSION: Final = "session"
SECRET: Final = "secret"  # noqa: S105 - the name of a kind
PRIVATE_KEY: Final = "privatekey"
USER: Final = "user"
UUID: Final = "uuid"
VARIABLES: Final = "variables"
"""A frame's local variables, where a policy does not keep them."""
BODY: Final = "body"
"""A request's body, where a policy does not keep it."""

KINDS: Final = (
    EMAIL, CARD, SSN, PHONE, IP, IBAN, MAC, IMEI, TOKEN, PASSWORD, COOKIE, SESSION, SECRET, PRIVATE_KEY, USER, UUID,
)  # fmt: skip
"""Every kind that a policy can switch on or off. ``user`` is the user's name in a home directory's path."""

OFF_BY_DEFAULT: Final = frozenset({UUID})
"""Kinds that identify things more often than people, and so are looked for on request only."""

Span = tuple[int, int, str]
"""One finding: start offset, stop offset (bytes, half open) and kind."""
