"""Which keys say that their value is a secret, in whatever case and with whatever separators they are written."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from pipeline.scrub.kinds import CARD, COOKIE, IBAN, IMEI, PASSWORD, PRIVATE_KEY, SECRET, SESSION, SSN, TOKEN

_WORDS: Final = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SENSITIVE_WORDS: Final = {
    "password": PASSWORD, "passwords": PASSWORD, "passwd": PASSWORD, "pwd": PASSWORD, "passphrase": PASSWORD,
    "passcode": PASSWORD, "passwort": PASSWORD, "kennwort": PASSWORD, "pgpassword": PASSWORD,
    "secret": SECRET, "secrets": SECRET, "credential": SECRET, "credentials": SECRET, "creds": SECRET,
    "token": TOKEN, "tokens": TOKEN, "authorization": TOKEN, "bearer": TOKEN, "jwt": TOKEN, "apikey": TOKEN,
    "apikeys": TOKEN, "authtoken": TOKEN, "accesstoken": TOKEN,
    "csrf": TOKEN, "xsrf": TOKEN, "csrftoken": TOKEN, "xsrftoken": TOKEN, "csrfmiddlewaretoken": TOKEN,
    "sessionid": SESSION, "sessid": SESSION, "phpsessid": SESSION, "jsessionid": SESSION, "sessionkey": SESSION,
    "setcookie": COOKIE, "aspxauth": TOKEN, "pgpass": PASSWORD, "userpass": PASSWORD, "rootpw": PASSWORD,
    "senha": PASSWORD, "contrasena": PASSWORD, "contrase": PASSWORD, "wachtwoord": PASSWORD, "motdepasse": PASSWORD,
    "mnemonic": SECRET, "ccnum": CARD,
    "cvv": CARD, "cvc": CARD, "cvv2": CARD, "cvc2": CARD, "ssn": SSN, "totp": PASSWORD,
}  # fmt: skip
"""Words that make a key sensitive wherever they stand in it."""

_SENSITIVE_LAST_WORDS: Final = {
    "auth": SECRET, "session": SESSION, "cookie": COOKIE, "cookies": COOKIE, "sid": SESSION, "pass": PASSWORD,
    "pin": PASSWORD, "otp": PASSWORD, "sig": TOKEN, "pan": CARD, "iban": IBAN, "imei": IMEI, "pw": PASSWORD,
    "passport": SECRET,
}  # fmt: skip
"""Words that make a key sensitive as its last word; in front of others they often mean something harmless."""

_SENSITIVE_PAIRS: Final = {
    ("api", "key"): TOKEN, ("api", "keys"): TOKEN, ("access", "key"): TOKEN, ("access", "keys"): TOKEN,
    ("private", "key"): PRIVATE_KEY, ("secret", "key"): SECRET, ("account", "key"): TOKEN, ("auth", "key"): TOKEN,
    ("encryption", "key"): SECRET, ("signing", "key"): SECRET, ("master", "key"): SECRET, ("shared", "key"): SECRET,
    ("ssh", "key"): PRIVATE_KEY, ("subscription", "key"): TOKEN, ("license", "key"): SECRET, ("licence", "key"): SECRET,
    ("functions", "key"): TOKEN, ("function", "key"): TOKEN, ("consumer", "key"): TOKEN, ("service", "key"): TOKEN,
    ("session", "key"): SESSION, ("session", "id"): SESSION, ("session", "token"): SESSION, ("shared", "access"): TOKEN,
    ("credit", "card"): CARD, ("card", "number"): CARD, ("card", "num"): CARD, ("card", "no"): CARD, ("cc",
    "number"): CARD,
    ("cc", "num"): CARD, ("debit", "card"): CARD, ("security", "code"): CARD, ("card", "code"): CARD,
    ("social", "security"): SSN, ("pin", "code"): PASSWORD, ("auth", "code"): TOKEN, ("mfa", "code"): PASSWORD,
    ("verification", "code"): PASSWORD,
    ("confirmation", "code"): PASSWORD, ("recovery", "code"): PASSWORD, ("recovery", "codes"): PASSWORD,
    ("backup", "code"): PASSWORD, ("backup", "codes"): PASSWORD, ("otp", "code"): PASSWORD, ("security",
    "answer"): SECRET,
    ("passport", "number"): SECRET, ("passport", "no"): SECRET, ("driver", "license"): SECRET, ("drivers",
    "license"): SECRET,
    ("tax", "id"): SECRET, ("bank", "account"): SECRET, ("account", "number"): SECRET, ("routing", "number"): SECRET,
    ("amz", "signature"): TOKEN, ("goog", "signature"): TOKEN, ("hub", "signature"): TOKEN, ("stripe",
    "signature"): TOKEN,
    ("auth", "user"): SECRET, ("auth", "data"): SECRET, ("auth", "header"): TOKEN, ("set", "cookie"): COOKIE,
    ("mysql", "pwd"): PASSWORD, ("pass", "word"): PASSWORD, ("pass", "phrase"): PASSWORD, ("de", "passe"): PASSWORD,
    ("time", "code"): PASSWORD, ("fa", "code"): PASSWORD, ("access", "code"): PASSWORD, ("unlock", "code"): PASSWORD,
    ("oauth", "verifier"): TOKEN, ("code", "verifier"): TOKEN, ("client", "assertion"): TOKEN,
    ("saml", "response"): TOKEN, ("saml", "assertion"): TOKEN, ("sso", "ticket"): TOKEN, ("oidc", "data"): TOKEN,
    ("slack", "signature"): TOKEN, ("twilio", "signature"): TOKEN, ("hmac", "key"): SECRET, ("app", "key"): SECRET,
    ("stripe", "key"): TOKEN, ("sendgrid", "key"): TOKEN, ("mailgun", "key"): TOKEN, ("openai", "key"): TOKEN,
    ("admin", "key"): SECRET, ("imei", "number"): IMEI, ("seed", "phrase"): SECRET, ("mnemonic", "phrase"): SECRET,
}  # fmt: skip
"""Neighbouring words that make a key sensitive together."""

_SENSITIVE_STEMS: Final = (
    ("password", PASSWORD), ("passwd", PASSWORD), ("passphrase", PASSWORD), ("apikey", TOKEN), ("accesskey", TOKEN),
    ("privatekey", PRIVATE_KEY), ("secretkey", SECRET), ("clientsecret", SECRET), ("appsecret", SECRET),
    ("accesstoken", TOKEN), ("authtoken", TOKEN), ("refreshtoken", TOKEN), ("idtoken", TOKEN), ("usertoken", TOKEN),
    ("sessionid", SESSION), ("sessid", SESSION), ("csrftoken", TOKEN), ("xsrftoken", TOKEN), ("creditcard", CARD),
    ("cardnumber", CARD), ("credentials", SECRET), ("sessiontoken", SESSION), ("stripetoken", TOKEN),
    ("mypwd", PASSWORD),
    ("dbpass", PASSWORD), ("userpwd", PASSWORD), ("socialsecurity", SSN), ("accountkey", TOKEN),
    ("encryptionkey", SECRET),
)  # fmt: skip
"""Stems of keys written without separators, all in one case."""

FOREIGN_PASSWORDS: Final = (
    "пароль", "密码", "密碼", "パスワード", "暗証番号", "비밀번호", "암호", "şifre", "hasło", "κωδικός", "contraseña",
    "סיסמה", "סיסמא", "كلمة المرور", "كلمة السر", "گذرواژه", "mật khẩu", "รหัสผ่าน", "पासवर्ड", "mật_khẩu", "lösenord",
)  # fmt: skip
"""Words for "password" whose letters are not all ASCII."""

_DESCRIBES: Final = frozenset(
    [
        "age",
        "alg",
        "algorithm",
        "attempt",
        "attempts",
        "at",
        "backend",
        "backends",
        "budget",
        "changed",
        "class",
        "client",
        "consent",
        "count",
        "counts",
        "created",
        "date",
        "dir",
        "disabled",
        "domain",
        "duration",
        "enabled",
        "endpoint",
        "error",
        "errors",
        "exists",
        "expired",
        "expires",
        "expiration",
        "expiry",
        "factory",
        "failed",
        "failures",
        "field",
        "fields",
        "file",
        "filename",
        "form",
        "format",
        "func",
        "function",
        "handler",
        "hint",
        "httponly",
        "index",
        "input",
        "invalid",
        "kind",
        "label",
        "length",
        "len",
        "lifetime",
        "limit",
        "manager",
        "max",
        "method",
        "methods",
        "middleware",
        "min",
        "missing",
        "module",
        "name",
        "names",
        "on",
        "path",
        "placeholder",
        "policies",
        "policy",
        "position",
        "present",
        "provider",
        "providers",
        "realm",
        "required",
        "requirements",
        "reset",
        "resets",
        "retries",
        "rotation",
        "rules",
        "samesite",
        "scheme",
        "scope",
        "scopes",
        "secure",
        "service",
        "set",
        "size",
        "source",
        "status",
        "strength",
        "strategy",
        "time",
        "timeout",
        "timestamp",
        "total",
        "ttl",
        "type",
        "types",
        "updated",
        "uri",
        "url",
        "urls",
        "usage",
        "used",
        "valid",
        "validation",
        "validator",
        "validators",
        "validity",
        "version",
        "view",
    ]
)
"""Last words of keys that describe a secret instead of holding it: ``token_count``, ``password_policy``."""

_COUNTS_TOKENS: Final = frozenset(
    [
        "max",
        "min",
        "total",
        "prompt",
        "completion",
        "input",
        "output",
        "used",
        "num",
        "number",
        "cached",
        "reasoning",
        "per",
        "limit",
        "budget",
        "count",
        "usage",
        "context",
    ]
)
_QUESTIONS: Final = frozenset(
    ("is", "has", "needs", "requires", "should", "can", "use", "uses", "allow", "allows", "num", "show", "hide")
)

_REPLACED: Final = re.compile(
    rb"^\[[a-z]+(?::[a-p]+)?(?:-\d+)?\]|\[(?:email|creditcard|ssn|phone|ip|iban|mac|imei|user|uuid)(?:-\d+)?\]"
)
"""What a scrubber left of a key that was personal data itself."""

_CACHE_LIMIT: Final = 8192


class KeyNames:
    """Classifies keys; remembers what it has seen, because the same keys come with every event.

    ``extra`` maps additional keys (in any spelling) to the kind to report for them.
    """

    def __init__(self, extra: dict[str, str] | None = None) -> None:
        self._extra = {_squash(key): kind for key, kind in (extra or {}).items()}
        self._seen: dict[bytes, str | None] = {}

    def kind_of(self, key: bytes) -> str | None:
        """Return the kind of secret that a key announces, or ``None`` for an ordinary key."""
        try:
            return self._seen[key]
        except KeyError:
            pass
        kind = self._extra.get(_squash(key.decode("utf-8", "replace"))) if self._extra else None
        if kind is None:
            kind = _classify(key)
        if len(self._seen) < _CACHE_LIMIT and len(key) <= 64:
            self._seen[key] = kind
        return kind


def _squash(key: str) -> str:
    return "".join(character for character in key.lower() if character.isalnum())


def _classify(key: bytes) -> str | None:
    if b"=" in key or (b"[" in key and _REPLACED.search(key)):  # text used as a key, or what is left of one
        return None
    if not key.isascii() and _is_foreign_password(key.decode("utf-8", "replace").lower()):
        return PASSWORD
    if key == b"Signature":  # of a signed URL; in lower case it is mostly a function's
        return TOKEN
    return _kind_of_words([word.lower().decode() for word in _WORDS.findall(key[-128:])])


def _kind_of_words(words: list[str]) -> str | None:
    while len(words) > 1 and (
        words[-1].isdigit() or words[-1] in ("value", "string", "text", "raw", "confirm", "confirmation", "hash")
    ):
        words.pop()
    if not words or (words[-1] in _DESCRIBES and len(words) > 1) or words[0] in _QUESTIONS:
        return None
    if words[-3:] == ["public", "key", "token"]:  # of a .NET assembly's name
        return None
    if words[-1] in _SENSITIVE_LAST_WORDS:
        return _SENSITIVE_LAST_WORDS[words[-1]]
    for word, following in pairwise(words):
        kind = _SENSITIVE_PAIRS.get((word, following))
        if kind is not None:
            return kind
    if "tokens" in words and not _COUNTS_TOKENS.isdisjoint(words):
        return None
    for word in words[::-1]:
        if word in _SENSITIVE_WORDS:
            return _SENSITIVE_WORDS[word]
    return _stem_of(words)


def _is_foreign_password(key: str) -> bool:
    """Whether a word for "password" in another language is in a key."""
    return any(word in key for word in FOREIGN_PASSWORDS)


def _stem_of(words: list[str]) -> str | None:
    for word in words:
        if len(word) > 5:
            for stem, kind in _SENSITIVE_STEMS:
                if stem in word:
                    return kind
            if word.endswith("token"):
                return TOKEN
            if word.endswith("secret"):
                return SECRET
    return None
