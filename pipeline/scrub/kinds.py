"""What the scrubber looks for: the kinds of personal data and secrets, by the names that settings and counts use."""

from __future__ import annotations

EMAIL = "email"
CARD = "creditcard"
SSN = "ssn"
PHONE = "phone"
IP = "ip"
IBAN = "iban"
MAC = "mac"
IMEI = "imei"
TOKEN = "token"  # noqa: S105 - the name of a kind
PASSWORD = "password"  # noqa: S105 - the name of a kind
COOKIE = "cookie"
SESSION = "session"
SECRET = "secret"  # noqa: S105 - the name of a kind
PRIVATE_KEY = "privatekey"
USER = "user"
UUID = "uuid"
VARIABLES = "variables"
"""A frame's local variables, where a policy does not keep them."""
BODY = "body"
"""A request's body, where a policy does not keep it."""

KINDS = (
    EMAIL, CARD, SSN, PHONE, IP, IBAN, MAC, IMEI, TOKEN, PASSWORD, COOKIE, SESSION, SECRET, PRIVATE_KEY, USER, UUID,
)  # fmt: skip
"""Every kind that a policy can switch on or off. ``user`` is the user's name in a home directory's path."""

OFF_BY_DEFAULT = frozenset({UUID})
"""Kinds that identify things more often than people, and so are looked for on request only."""

Span = tuple[int, int, str]
"""One finding: start offset, stop offset (bytes, half open) and kind."""
