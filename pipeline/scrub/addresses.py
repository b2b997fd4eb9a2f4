"""Exact checks for IP and MAC addresses around a found spot, and what keeps version numbers from being one."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from pipeline.scrub.kinds import IP, MAC, Span

_IPV4 = re.compile(
    rb"(?:(?<![0-9A-Za-z_.])|(?<=\\[nrt]))([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9A-Za-z_]|\.[0-9])"
)
_VERSION_BEFORE = re.compile(
    rb"(?:(?:version|release|ver|rev|revision|build|firmware|sdk|chrome|chromium|firefox|safari|edge|opera|webview|"
    rb"android|ios|windows|driver|update|upgrade|upgraded|python|java|jdk|node|assembly|dotnet|net|package)"
    rb"[\"']?[\s:=(/v\x01\x02\"']{1,6}|==|>=|<=|~=|\^|v)\Z",
    re.IGNORECASE,
)
_JOINED_BEFORE = re.compile(rb"[A-Za-z][\-_@]v?\Z")
_PRODUCT_BEFORE = re.compile(rb"(?:^|[\s\"'(\x01\x02;,=:])[A-Za-z][A-Za-z0-9._+\-]*/\Z")
_FILE_PATH_BEFORE = re.compile(rb"(?:^|[\s\"'(=:\x01])(?:[A-Za-z]:)?[/\\][A-Za-z0-9._+\-/\\\x01]*[/\\]\Z")
_VERSION_AFTER = re.compile(
    rb"[\-+](?:alpha|beta|rc|dev|snapshot|pre|final|ga|build|node\.[0-9]|r[0-9]|[0-9a-f]{6,})", re.IGNORECASE
)
_HOSTED = re.compile(rb"://|\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ")

_IPV6_RUN_BACKWARDS = re.compile(rb"[0-9A-Fa-f:.\x02]*+")
_IPV6_RUN = re.compile(rb"[0-9A-Fa-f:.\x02]*+")
_MAC = re.compile(
    rb"(?:(?<![0-9A-Za-z_:\-.])|(?<=\\[nrt]))(?:[0-9A-Fa-f]{2}(?:\x02\x02)?([:\-])[0-9A-Fa-f]{2}(?:(?:\x02\x02)?\1[0-9A-Fa-f]{2}){4}"
    rb"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z_]|[:\-.][0-9A-Fa-f])"
)


def find_ipv4(flat: bytes, offset: int) -> list[Span]:
    """Find an IPv4 address that is not a version number, a loopback or unspecified address, or a netmask."""
    match = _IPV4.search(flat, max(0, offset - 16), min(len(flat), offset + 4))
    if match is None:
        return []
    octets = tuple(int(group) for group in match.groups())
    if octets[0] in (0, 127, 255) or max(octets) > 255 or not any(octets[1:]):
        return []
    start, stop = match.span()
    before = flat[max(0, start - 64) : start]
    if _looks_like_version(before, octets) or _VERSION_AFTER.match(flat, stop):
        return []
    return [(start, stop, IP)]


def _looks_like_version(before: bytes, octets: tuple[int, ...]) -> bool:
    if _VERSION_BEFORE.search(before):
        return True
    if _JOINED_BEFORE.search(before):
        return octets[0] not in (10, 172, 192) and max(octets) < 100
    if before.endswith((b"/", b"\\")):
        if _PRODUCT_BEFORE.search(before):
            return True
        return _FILE_PATH_BEFORE.search(before) is not None and _HOSTED.search(before) is None
    return False


def find_ipv6(flat: bytes, offset: int) -> list[Span]:
    """Find an IPv6 address, also with an embedded IPv4 one; the loopback and unspecified addresses are left alone."""
    low = max(0, offset - 80)
    back = _IPV6_RUN_BACKWARDS.match(flat[low:offset][::-1])
    start = offset - (back.end() if back else 0)
    ahead = _IPV6_RUN.match(flat, offset, min(len(flat), offset + 80))
    stop = ahead.end() if ahead else offset
    while (start < stop and flat[start] in b".\x02") or flat[start : start + 1] == b":" != flat[start + 1 : start + 2]:
        start += 1
    while stop > start and (
        flat[stop - 1] in b".\x02" or (flat[stop - 1] == 0x3A and not flat.endswith(b"::", 0, stop))
    ):
        stop -= 1
    if (
        (start and flat[start - 1 : start].isalnum())
        or flat[stop : stop + 1].isalnum()
        or flat[stop : stop + 1] == b"_"
    ):
        return []
    text = flat[start:stop].replace(b"\x02", b"")
    if text.count(b":") < 2 or not any(0x30 <= byte <= 0x39 for byte in text):
        return []
    try:
        address = IPv6Address(text.decode())
    except AddressValueError:
        return []
    return [] if address.is_loopback or address.is_unspecified else [(start, stop, IP)]


def find_mac(flat: bytes, offset: int) -> list[Span]:
    """Find a MAC address, written with colons, dashes or in three groups of four; all zeros and all ones are kept."""
    match = _MAC.search(flat, max(0, offset - 32), min(len(flat), offset + 12))
    if match is None:
        return []
    digits = set(match[0].lower()) - set(b":-.\x02")
    return [] if digits <= set(b"0") or digits <= set(b"f") else [(match.start(), match.end(), MAC)]


def find_ipv6_or_mac(flat: bytes, offset: int) -> list[Span]:
    """Find what groups of hexadecimal digits and colons are: a MAC address or an IPv6 address."""
    return find_mac(flat, offset) or find_ipv6(flat, offset)


def truncated(address: bytes) -> bytes:
    """Return the address's network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one."""
    text = address.replace(b"\x02", b"").decode("ascii", "replace")
    if ":" in text:
        return str(IPv6Address(int(IPv6Address(text)) >> 80 << 80)).encode()
    return str(IPv4Address(int(IPv4Address(text)) >> 8 << 8)).encode()
