"""Exact checks for e-mail addresses, credentials, keys of published shapes, and user names in paths.

Each ``find_*`` function takes the flat form of one string (see :mod:`pipeline.scrub.jsontext`) and two offsets in it,
and returns the spans it looks for that begin (an address: whose ``@`` is) from the first offset on and before the
second.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from pipeline.scrub.kinds import EMAIL, PASSWORD, PRIVATE_KEY, TOKEN, USER, UUID, Span

_LOCAL_BACKWARDS: Final = re.compile(rb"[A-Za-z0-9_.+\-'~&\x02\x80-\xff]{1,96}+|\"[^\"\x00\x03-\x1f]{1,64}+\"")
_DOMAIN_NAME: Final = (
    rb"(?:(?:\x02*+[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-_\x80-\xff]|\x02++[\x80-\xff]){0,62}\.)+"
    rb"(xn--[A-Za-z0-9\-]{2,59}|\x02*+[A-Za-z\x80-\xff](?:[A-Za-z\-\x80-\xff]|\x02++[\x80-\xff]){1,62})"
    rb"(?![A-Za-z0-9\x80-\xff]|_[A-Za-z])"
    rb"|\[[0-9A-Fa-f.:]{7,45}\])"
)
_DOMAIN: Final = re.compile(rb"@" + _DOMAIN_NAME)
_ENTITY_DOMAIN: Final = re.compile(rb"&(?:#0?64|#[xX]0?40|commat);" + _DOMAIN_NAME)
_NOT_TOP_LEVEL: Final = frozenset(
    b"""
    png jpg jpeg gif svg webp ico css scss less js mjs cjs jsx tsx json html htm xml yml yaml toml dll exe jar
    java php service socket timer target mount slice class
    """.split()
)
"""Last parts of a "domain" that are file name extensions or unit types and no top-level domains."""

_NOT_MAILBOXES: Final = frozenset((b"git", b"this", b"super", b"return", b"break", b"continue"))
"""Names before an ``@`` that are no person's: Git's SSH user, and labels in Kotlin and Swift."""


_LONGEST_DOMAIN: Final = 320


def find_email(flat: bytes, low: int, high: int) -> list[Span]:
    """Find e-mail addresses, internationalised or plain, by their ``@``, which may be an entity of HTML."""
    found = _addresses(_DOMAIN, flat, low, high)
    return sorted(found + _addresses(_ENTITY_DOMAIN, flat, low, high)) if flat.find(b"&", low, high) >= 0 else found


def _addresses(domains: re.Pattern[bytes], flat: bytes, low: int, high: int) -> list[Span]:
    found: list[Span] = []
    end = min(len(flat), high + _LONGEST_DOMAIN)
    domain = domains.search(flat, low, end)
    while domain is not None and domain.start() < high:
        if domain.end() == end < len(flat):  # it may go on
            domain = domains.match(flat, domain.start()) or domain
        start = _mailbox_start(flat, domain)
        if start >= 0:
            found.append((start, domain.end(), EMAIL))
        domain = domains.search(flat, domain.end(), end) if domain.end() < high else None
    return found


def _mailbox_start(flat: bytes, domain: re.Match[bytes]) -> int:
    """Return where the address with this domain begins, or -1 for what is none."""
    if domain[1] is not None and domain[1].lower() in _NOT_TOP_LEVEL:
        return -1
    at = domain.start()
    local = _LOCAL_BACKWARDS.match(flat[max(0, at - 96) : at][::-1])
    if local is None:
        return -1
    name = local[0][::-1]
    stripped = name.lstrip(b"'.-~&\x02")
    stripped = stripped[stripped.rfind(b"&") + 1 :]
    if stripped.startswith(b"'") or not stripped or stripped.lower() in _NOT_MAILBOXES:
        return -1
    start = at - len(stripped)
    if start and flat[start - 1] == 0x5C and stripped[:1] in b"nrt" and len(stripped) > 1:  # the n of a written \\n
        start += 1
    return start


_JWT: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9_\-])|(?<=\\[nrt]))eyJ[A-Za-z0-9_\-]{7,}+\.(?:[A-Za-z0-9_\-]{4,}+(?:\.[A-Za-z0-9_\-]*+){0,3})"
)
_JWT_HEAD: Final = b"eyJ"


def find_jwt(flat: bytes, low: int, high: int) -> list[Span]:
    """Find JSON Web Tokens, signed or encrypted (RFC 7519), also cut off after their second part."""
    found: list[Span] = []
    at = flat.find(_JWT_HEAD, low, high + 2)
    while at >= 0:
        match = _JWT.match(flat, at)
        if match is not None:
            found.append((at, match.end(), TOKEN))
        at = flat.find(_JWT_HEAD, match.end() if match is not None else at + 3, high + 2)
    return found


_SCHEME: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))(bearer|basic|negotiate|apikey|token)(?:\x02\x02)?[\s+]{1,3}(?:\x02\x02\s)?",
    re.IGNORECASE,
)
_CREDENTIALS: Final = re.compile(rb"[A-Za-z0-9\-._~+/\x02]{6,}+=*+")


def find_authorization(flat: bytes, low: int, high: int) -> list[Span]:
    """Find the credentials after ``Bearer``, ``Basic`` and the like (RFC 6750, RFC 7617), but not prose."""
    found: list[Span] = []
    for scheme in _SCHEME.finditer(flat, low, min(len(flat), high + 20)):
        if scheme.start() >= high:
            break
        match = _CREDENTIALS.match(flat, scheme.end())
        if match is None:
            continue
        value = match[0].replace(b"\x02", b"")
        if _is_basic(value) if scheme[1].lower() == b"basic" else _is_opaque(value):
            found.append((match.start(), match.end(), TOKEN))
    return found


def _is_basic(value: bytes) -> bool:
    try:
        return b":" in base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False


def _is_opaque(value: bytes) -> bool:
    """Whether a word is a credential rather than prose: a digit in it, or mixed case inside, or great length."""
    letters = value.rstrip(b".=")
    if any(0x30 <= byte <= 0x39 for byte in letters) or len(letters) >= 24:
        return True
    inner = letters[1:]
    return inner != inner.lower() and inner != inner.upper()


_VENDOR: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:"
    rb"(?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA)[A-Z2-7]{16}"  # AWS
    rb"|AIza[\w\-]{35}|ya29\.[\w\-]{20,}|GOCSPX-[\w\-]{20,}|1//0[\w\-]{30,}"  # Google
    rb"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{22,255}"  # GitHub
    rb"|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct|sbt)-[\w\-.]{16,}|GR1348941[\w\-]{20}"  # GitLab
    rb"|xox[abceoprs](?:\.xox[a-z])?-[\w\-]{8,}|xapp-\d-[\w\-]{10,}"  # Slack
    rb"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}"  # Stripe
    rb"|npm_[A-Za-z0-9]{30,}|pypi-AgE[\w\-]{30,}|rubygems_[0-9a-f]{40,}|dckr_[a-z]{3}_[\w\-]{20,}"
    rb"|oy2[a-z0-9]{43}"  # packages
    rb"|sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin)\d\d-|or-v1-)?(?=[\w\-]{0,80}\d)[\w\-]{16,}"  # OpenAI, Anthropic
    rb"|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}|hf_[A-Za-z]{30,}|tvly-[\w\-]{20,}"
    rb"|pplx-[A-Za-z0-9]{30,}"
    rb"|SG\.[\w\-]{16,}\.[\w\-]{16,}|xkeysib-[0-9a-f]{40,}\S{0,20}|key-[0-9a-f]{32}"
    rb"|[0-9a-f]{32}-us\d{1,2}"  # e-mail senders
    rb"|(?:SK|AC)[0-9a-f]{32}"  # Twilio
    rb"|[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.\-]{31,34}"  # Azure AD client secret
    rb"|do[opr]_v1_[0-9a-f]{40,}|dapi[0-9a-f]{32}(?:-\d)?|hvs\.[\w\-]{20,}|hvb\.[\w\-]{20,}"
    rb"|[A-Za-z0-9]{14}\.atlasv1\.[\w\-]{40,}"
    rb"|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}|sq0[a-z]{3}-[\w\-]{22,}|EAAA[\w\-]{60}|EAAC?[A-Za-z0-9]{60,}"
    rb"|lin_api_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}|figd_[\w\-]{30,}|ATATT3[\w\-=]{30,}"
    rb"|ATCTT3[\w\-=]{30,}"
    rb"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|sntry[su]_[\w\-=+/]{30,}|NRAK-[A-Z0-9]{27}|NRJS-[0-9a-f]{19}|NRII-[\w\-]{32}|gl(?:sa"
    rb"|c)_[\w\-=+/]{30,}"
    rb"|rzp_(?:live|test)_[A-Za-z0-9]{14,}|pscale_(?:tkn|pw|oauth)_[\w\-.=]{30,}|sbp_[0-9a-f]{40}|nfp_[A-Za-z0-9]{36}"
    rb"|dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.\-_]{40,}|HRKU-[\w\-]{36,}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    rb"|phc_[A-Za-z0-9]{30,}"
    rb"|phx_[A-Za-z0-9]{30,}|EZ[AT]K[A-Za-z0-9]{54}|access-(?:sandbox|development|production)-[0-9a-f\-]{36}"
    rb"|sl\.[\w\-]{100,}"
    rb"|[MNO][A-Za-z\d_\-]{23,25}\.[\w\-]{6}\.[\w\-]{27,38}"  # Discord
    rb"|\d{8,10}:AA[\w\-]{33}"  # Telegram
    rb"|fo1_[\w\-]{40,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|ATBB[A-Za-z0-9]{28,}|oauth:[a-z0-9]{30}"
    rb"|duffel_(?:live|test)_[\w\-]{40,}|shippo_(?:live|test)_[0-9a-f]{40}|(?:live|test)_[0-9a-f]{35}"
    rb"|cio[A-Za-z0-9]{32}|CLOJARS_[0-9a-z]{60}|pul-[0-9a-f]{40}|pnu_[a-z0-9]{36}|lsv2_[ps][tk]_[0-9a-f]{32}_[0-9a-f]{10}"
    rb"|aio_[A-Za-z0-9]{28}|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}|tk-us-[\w\-]{40,}|rdme_[a-z0-9]{70}|tfp_[\w\-]{40,}"
    rb"|AQVN[\w\-]{35,}|LTAI[A-Za-z0-9]{16,20}|AKID[A-Za-z0-9]{32}|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"
    rb"|fio-u-[\w\-=]{60,}|CFPAT-[\w\-]{40,}|sha256~[\w\-]{43}|SSWS 00[\w\-]{38,}"
    rb"|sk\.eyJ[\w\-]{20,}\.[\w\-]{20,}|FLWSECK(?:_TEST)?-[0-9a-zA-Z]{12,}(?:-X)?|sgp_[A-Za-z0-9_]{40,}"
    rb"|sdk-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|bku[ai]_[0-9a-f]{40}|CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}"
    rb"|AKCp[A-Za-z0-9]{60,}|1/\d{16}:[0-9a-f]{32}|v1\.0-[0-9a-f]{24}-[0-9a-f]{140,}|s-s4t2(?:ud|af)-[0-9a-f]{64}"
    rb")(?![A-Za-z0-9])"
    rb"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/]{20,}"
    rb"|(?<=/bot)\d{8,10}:AA[\w\-]{33}"
    rb"|(?<=hooks\.zapier\.com/)hooks/catch/[\w/]{8,}|(?<=/webhookb2/)[0-9a-zA-Z\-@/]{40,}"
    rb"|(?<=discord\.com/api/webhooks/)\d+/[\w\-]{40,}|(?<=discordapp\.com/api/webhooks/)\d+/[\w\-]{40,}"
)
"""Keys of published shapes, from the vendors' own documentation and GitHub's list of supported secret patterns
(https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns)."""

_VENDOR_WINDOW: Final = 320


def find_vendor_key(flat: bytes, low: int, high: int) -> list[Span]:
    """Find API keys and tokens whose shape a vendor has published."""
    end = min(len(flat), high + _VENDOR_WINDOW)
    found = []
    for match in _VENDOR.finditer(flat, low, end):
        if match.start() > high:  # what stands after a host begins where the candidate ends
            break
        stop = match.end()
        if stop == end:  # a key longer than the window goes on
            stop = _token_stop(flat, stop)
        found.append((match.start(), stop, TOKEN))
    return found


_TOKEN_BYTES: Final = re.compile(rb"[\w\-.=+/]*+")


def _token_stop(flat: bytes, offset: int) -> int:
    match = _TOKEN_BYTES.match(flat, offset)
    return match.end() if match else offset


_PEM: Final = re.compile(rb"-----BEGIN[ \x02+][A-Z0-9 \x02+]{0,40}PRIVATE[ \x02+]{1,3}KEY[A-Z \x02+]{0,12}-----")
_PEM_END: Final = re.compile(rb"-----END[ \x02+][A-Z0-9 \x02+]{0,40}PRIVATE[ \x02+]{1,3}KEY[A-Z \x02+]{0,12}-----")


_PUTTY: Final = re.compile(rb"Private-Lines: ([0-9]{1,4})[\x01\\rn\r\n\"', ]{0,12}(?=[A-Za-z0-9+/]{16})")
_PUTTY_END: Final = re.compile(rb"[\x01\\rn\r\n\"', ]{1,12}Private-(?:MAC|Hash):")
"""Around the secret lines in PuTTY's own format (https://tartarus.org/~simon/putty-snapshots/htmldoc/AppendixC.html)."""


KEY_LINE: Final = re.compile(rb"[ \\tnr\"']*(?:[A-Za-z0-9+/=\\]{16,}|-----END .*|[A-Za-z\-]+: .*)")
"""A line of a private key after its first one, as a raw JSON string."""


KEY_BODY: Final = re.compile(rb"[ \\tnr\"']*[A-Za-z0-9+/=]{1,80}(?:\\[tnr]|[ ,\"'\\])*")
"""A line of a private key's body, the last of which may be short, as a raw JSON string."""
_LAST_LINE: Final = re.compile(rb"[A-Za-z0-9+/=]{1,80}\Z")
_MOST_KEY_LINES: Final = 128


def find_key_end(flat: bytes, offset: int) -> tuple[list[Span], bool]:
    """Find the last line of a private key at ``offset``, with what stands of the key before it.

    The second value says whether something does: of the last line alone, nothing is secret.
    """
    end = _PEM_END.search(flat, max(0, offset - 80), offset + 80)
    if end is None:
        return [], False
    start = end.start()
    for line in range(_MOST_KEY_LINES):
        head = flat[max(0, start - 96) : start].rstrip(b" \x01\r\n")
        while head.endswith((b"\\n", b"\\r")):
            head = head[:-2].rstrip(b"\\")
        last = _LAST_LINE.search(head)
        if last is None or (line and len(last[0]) < 16):
            break
        start = max(0, start - 96) + last.start()
    return [(start, end.end(), PRIVATE_KEY)], end.start() - start >= 16


def find_private_key(flat: bytes, low: int, high: int) -> list[Span]:
    """Find private keys in PEM armour (RFC 7468, OpenSSH, PGP); one cut off runs to the end of the string."""
    found: list[Span] = []
    for putty in _PUTTY.finditer(flat, low, high + 80):
        end = _PUTTY_END.search(flat, putty.end())
        found.append((putty.start(1), end.start() if end else len(flat), PRIVATE_KEY))
    begin = _PEM.search(flat, low, high + 80)
    while begin is not None and begin.start() < high:
        end = _PEM_END.search(flat, begin.end())
        stop = end.end() if end else len(flat)
        found.append((begin.start(), stop, PRIVATE_KEY))
        begin = _PEM.search(flat, stop, max(stop, high + 80))
    return found


_USERINFO: Final = re.compile(
    rb"[A-Za-z][A-Za-z0-9+.\-]{0,24}+(?:\x02\x02)?:(?:[\x01\x02]{0,2}/){2}[^\s/?\"'<>@:\x02]{0,256}+"
    rb"(?:\x02\x02[^\s/?\"'<>:][^\s/?\"'<>@:\x02]{0,256}+){0,32}(?:\x02\x02)?:"
)
_PASSWORD_TO_AT: Final = re.compile(rb"((?:[^\s/?\"'<>\x01\x02]|\x02\x02.)*)(?:\x02\x02)?@")
"""Up to the last ``@`` that comes before the host ends."""


def find_url_password(flat: bytes, low: int, high: int) -> list[Span]:
    """Find the passwords in ``scheme://user:password@host``, with whatever is left of the URL before."""
    found: list[Span] = []
    done = 0
    for match in _USERINFO.finditer(flat, low, min(len(flat), high + 300)):
        if match.start() >= high:
            break
        if match.end() < done:
            continue
        rest = _PASSWORD_TO_AT.match(flat, match.end())
        if rest and rest[1] and not is_replacement(rest[1]):
            found.append((rest.start(1), rest.end(1), PASSWORD))
            done = rest.end()
    return found


_REPLACEMENT: Final = re.compile(
    rb"\[(?:[a-z][a-z0-9_\-]{1,31})(?::[a-p]{8,64})?(?:-\d+)?\]|\[[Ff]iltered\]|\[REDACTED\]|\[redacted\]|\*+"
)


def is_replacement(value: bytes) -> bool:
    """Whether a value is what a scrubber put there: one of ours, an SDK's ``[Filtered]``, or asterisks."""
    return _REPLACEMENT.fullmatch(value) is not None


_HOME: Final = re.compile(
    rb"(?:/home/|/Users/|(?:[A-Za-z]:|\\Device\\[A-Za-z0-9\x01]{1,40})?(?:\x01?[\\/]){1,4}(?:Users|users"
    rb"|Documents and Settings)(?:\x01?\\|/){1,4})"
    rb"(?:((?:[^/\\\"':<>|*?\x00-\x1f\[]|\x02\x02[^/\\\x00-\x1f]){1,64})(?=\x01?[\\/])|([^/\\\"':<>|*?\x00-\x20,;)\]}\[]{1,64}))"
)
_SERVICE_ACCOUNTS: Final = frozenset(
    b"""
    app application apps admin administrator all circleci containeradministrator default deploy deployer
    django docker ec2-user flask git github gitlab-runner jenkins jovyan linuxbrew nginx node nobody nonroot
    php postgres public rails root ruby runner runneradmin sbx_user1051 scrapy service shared site ubuntu user
    user1 username vagrant vscode vsts web webapp webuser worker www www-data
    """.split()
)
"""Home directories that belong to a machine or an image, not to a person."""

_SHARED_HOME: Final = re.compile(
    rb"(?<![A-Za-z0-9])(?:\x01?\\){2,8}[A-Za-z0-9.\-_]{1,64}(?:\x01?\\){1,4}"
    rb"(?:[A-Za-z0-9.\-_$ ]{1,64}(?:\x01?\\){1,4}){0,2}"
    rb"(?i:homes?|profiles)\$?(?:\x01?\\){1,4}([^/\\\"':<>|*?\x00-\x20,;)\]}\[]{1,64})"
)
"""A directory on a server in the notation of Windows: ``\\\\server\\home$\\name``."""
_SHELL_BEFORE: Final = re.compile(
    rb"(?:^|[\s;&|$#>(\x01\"'])(?:cd|ls|mkdir|rmdir|rm|cp|mv|chown|chmod|du|stat|pushd|directory|dir|folder) "
    rb"(?:-\w{1,8} )?\Z"
)
_ROUTE_BEFORE: Final = re.compile(rb"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) \Z|[A-Za-z0-9_.\-~)\]}]\Z")
_DRIVE_BEFORE: Final = re.compile(
    rb"(?:^|[^A-Za-z0-9_.])(?:/mnt|/cygdrive)?/[a-z]\Z|file://(?:localhost)?\Z|:///?\Z|/(?:var|export|usr"
    rb"|System/Volumes/Data)\Z"
)


def find_home(flat: bytes, low: int, high: int) -> list[Span]:
    """Find users' names in home directories' paths, of people rather than of services, and not in routes."""
    found: list[Span] = []
    for match in _HOME.finditer(flat, low, min(len(flat), high + 144)):
        if match.start() >= high:
            break
        group = 1 if match[1] is not None else 2
        if _is_persons(flat, match, group):
            found.append((match.start(group), match.end(group), USER))
    if flat.find(b"\\", low, high) >= 0:
        found += [
            (*match.span(1), USER)
            for match in _SHARED_HOME.finditer(flat, max(0, low - 96), min(len(flat), high + 144))
            if low <= match.start(1) and match.start() < high and not _is_nobodys(match[1])
        ]
    return found


def _is_nobodys(name: bytes) -> bool:
    return name.lower() in _SERVICE_ACCOUNTS or is_replacement(name) or name[:1] in b"${%<."


def _is_persons(flat: bytes, match: re.Match[bytes], group: int) -> bool:
    name, before = match[group], flat[max(0, match.start() - 24) : match.start()]
    if _is_nobodys(name):
        return False
    unix = match[0].startswith((b"/home/", b"/Users/"))
    if unix and _ROUTE_BEFORE.search(before) and not _DRIVE_BEFORE.search(before):
        return False
    if not unix and match[0][1:2] != b":" and match[0].startswith((b"/", b"\x01/")):
        return False
    if group == 1 or not unix or not before or before[-1:] in b"\"'=:\x01":
        return True
    return _SHELL_BEFORE.search(before) is not None


_UUID: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
)


def find_uuid(flat: bytes, low: int, high: int) -> list[Span]:
    """Find UUIDs in their usual form (RFC 9562)."""
    found: list[Span] = []
    for match in _UUID.finditer(flat, low, min(len(flat), high + 40)):
        if match.start() >= high:
            break
        found.append((match.start(), match.end(), UUID))
    return found
