"""Exact checks for IP and MAC addresses around a found spot, and what keeps version numbers from being one."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from pipeline.scrub.kinds import IP, MAC, Span

_IPV4: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_.])|(?<=\\[nrt]))([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9A-Za-z_]|\.[0-9])"
)
_VERSION_BEFORE: Final = re.compile(
    rb"(?:(?:version|release|ver|rev|revision|build|firmware|sdk|chrome|chromium|firefox|safari|edge|opera|webview|"
    rb"android|ios|windows|driver|update|upgrade|upgraded|upgrade from|upgraded from|section|chapter|oid|"
    rb"python|java|jdk|node|assembly|dotnet|net|package)"
    rb"[\"']?[\s:=(/v\x01\x02\"']{1,6}|;[\x01\x02]*v=[\\\x01\x02]*\"|==|>=|<=|~=|\^|v)\Z",
    re.IGNORECASE,
)
_CHANGE_BEFORE: Final = re.compile(
    rb"(?:upgrad|updat|downgrad|migrat|bump)[a-z]{0,5} (?:[\w.\-@/]{1,24} ){0,2}from v?[0-9][0-9.]{1,24} to v?\Z"
    rb"|gem [\\\x01]*[\"'][\w\-]{1,40}[\\\x01]*[\"'], ?[\\\x01]*[\"'](?:[~<>=]{1,2} )?\Z",
    re.IGNORECASE,
)
"""The version that another one is changed to, and that of a Ruby gem."""
_VERSION_ENDS: Final = frozenset(bytes((byte,)) for byte in b" \t\n\r\x0b\x0c:=(/vV\x01\x02\"'^")
"""What the expression above can end with."""
_JOINED_BEFORE: Final = re.compile(rb"[A-Za-z][\-_@]v?\Z")
_PRODUCT_BEFORE: Final = re.compile(rb"(?:^|[\s\"'(\x01\x02;,=:])[A-Za-z][A-Za-z0-9._+\-]*/\Z")
_FILE_PATH_BEFORE: Final = re.compile(rb"(?:^|[\s\"'(=:\x01])(?:[A-Za-z]:)?[/\\][A-Za-z0-9._+\-/\\\x01]*[/\\]\Z")
_VERSION_AFTER: Final = re.compile(
    rb"[\-+](?:alpha|beta|rc|dev|snapshot|pre|final|ga|build|node\.[0-9]|r[0-9]|[0-9a-f]{6,})", re.IGNORECASE
)
_HOSTED: Final = re.compile(rb"://|\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ")

_IPV6_RUN: Final = re.compile(rb"(?<![0-9A-Fa-f:.\x02])[0-9A-Fa-f:.\x02]{3,100}+(?![0-9A-Fa-f:.\x02])")
_MAC: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_:\-.])|(?<=\\[nrt]))(?:[0-9A-Fa-f]{2}(?:\x02\x02)?([:\-])[0-9A-Fa-f]{2}(?:(?:\x02\x02)?\1[0-9A-Fa-f]{2}){4}"
    rb"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z_]|[:\-.][0-9A-Fa-f])"
)


def find_ipv4(flat: bytes, low: int, high: int) -> list[Span]:
    """Find IPv4 addresses that are no version number, loopback or unspecified address, or netmask."""
    found: list[Span] = []
    end = min(len(flat), high + 18)
    match = _IPV4.search(flat, low, end)
    while match is not None and match.start() < high:
        start, stop = match.span()
        if _is_hosts(flat, match, start, stop):
            found.append((start, stop, IP))
        match = _IPV4.search(flat, stop, end) if stop < high else None
    return found


def _is_hosts(flat: bytes, match: re.Match[bytes], start: int, stop: int) -> bool:
    octets = (int(match[1]), int(match[2]), int(match[3]), int(match[4]))
    if octets[0] in (0, 127, 255) or max(octets) > 255 or octets[1:] == (0, 0, 0):
        return False
    before, after = flat[max(0, start - 64) : start], flat[stop : stop + 1]
    return not _looks_like_version(before, octets, after) and _VERSION_AFTER.match(flat, stop) is None


def _looks_like_version(before: bytes, octets: tuple[int, ...], after: bytes) -> bool:
    if before[-1:] in _VERSION_ENDS and _VERSION_BEFORE.search(before[-20:]):
        return True
    if before[-1:] in _VERSION_ENDS and _CHANGE_BEFORE.search(before):
        return True
    if _JOINED_BEFORE.search(before[-3:]):
        return octets[0] not in (10, 172, 192) and max(octets) < 100
    if before.endswith((b"/", b"\\")):
        product = _PRODUCT_BEFORE.search(before)
        if product is not None:  # Java writes a host's address as "db.internal/10.1.2.3:5432"
            return after != b":" and not (b"." in product[0] and octets[0] in (10, 172, 192))
        return _FILE_PATH_BEFORE.search(before) is not None and _HOSTED.search(before) is None
    return False


def find_ipv6(flat: bytes, low: int, high: int) -> list[Span]:
    """Find IPv6 addresses, also with an embedded IPv4 one; the loopback and unspecified addresses are left alone."""
    found: list[Span] = []
    for match in _IPV6_RUN.finditer(flat, low, min(len(flat), high + 101)):
        if match.start() >= high:
            break
        if match[0].count(b":") >= 2:
            found += _ipv6_in(flat, match.start(), match.end())
    return found


def _ipv6_in(flat: bytes, start: int, stop: int) -> list[Span]:
    """Return the address that a run of hexadecimal digits, colons and dots is, without dots and colons around it."""
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
    if text.count(b":") == 2 and text.endswith(b"::"):  # a range: "fe80::"
        return []
    return [] if address.is_loopback or address.is_unspecified else [(start, stop, IP)]


def find_mac(flat: bytes, low: int, high: int) -> list[Span]:
    """Find MAC addresses, with colons, dashes or in three groups of four; all zeros and all ones are kept."""
    found: list[Span] = []
    for match in _MAC.finditer(flat, low, min(len(flat), high + 40)):
        if match.start() >= high:
            break
        digits = set(match[0].lower()) - set(b":-.\x02")
        if not (digits <= set(b"0") or digits <= set(b"f")):
            found.append((match.start(), match.end(), MAC))
    return found


def find_ipv6_or_mac(flat: bytes, low: int, high: int) -> list[Span]:
    """Find what groups of hexadecimal digits and colons are: MAC addresses or IPv6 addresses."""
    return find_mac(flat, low, high) + find_ipv6(flat, low, high)


def truncated(address: bytes) -> bytes:
    """Return the address's network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one."""
    text = address.replace(b"\x02", b"").decode("ascii", "replace")
    if ":" in text:
        return str(IPv6Address(int(IPv6Address(text)) >> 80 << 80)).encode()
    return str(IPv4Address(int(IPv4Address(text)) >> 8 << 8)).encode()
