"""Encodings: a request's body as it was before compression, or a refusal before a bomb has gone off. Pure."""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap

import cramjam
from zlib_ng import zlib_ng

from pipeline.gateway.rejection import bad, too_large

GZIP_WBITS = 31
GZIP_MAGIC = b"\x1f\x8b"
MOST_MEMBERS = 16
RAW_WBITS = -15


def decode(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Return the body decoded, at most ``limit`` bytes of it.

    Args:
        body: as it came, without transfer encoding.
        encoding: the header Content-Encoding. Empty, ``identity`` and ``UTF-8`` mean none: old Ruby and Android SDKs
            send such.
        limit: the most decoded bytes.

    Raises:
        Rejected: more than ``limit`` bytes come out, the encoding is unknown, or the body is not of that encoding.
    """
    name = (encoding or "").strip().lower()
    if name in ("", "identity", "utf-8", "utf8"):
        if len(body) > limit:
            raise _over(limit)
        return body
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise bad("Content-Encoding is none of gzip, deflate, br, zstd")
    return decoder(body, limit)


def inflate(body: bytes, limit: int) -> bytes:
    """Return zlib data decoded; also without zlib's header, which some clients leave out.

    Raises:
        Rejected: more than ``limit`` bytes come out, or it is not zlib data.
    """
    # RFC 1950: the first byte's low half is 8, and the first two bytes are a multiple of 31.
    has_header = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _unzip(body, limit, zlib_ng.MAX_WBITS if has_header else RAW_WBITS)[0]


def _gunzip(body: bytes, limit: int) -> bytes:
    decoded, rest = _unzip(body, limit, GZIP_WBITS)
    members = [decoded]
    size = len(decoded)
    # RFC 1952, section 2.2: a file may have several members. What follows the last one is padding.
    while rest.startswith(GZIP_MAGIC):
        if len(members) == MOST_MEMBERS:
            raise bad(f"the gzip body has more than {MOST_MEMBERS} members")
        decoded, rest = _unzip(rest, limit, GZIP_WBITS, size)
        members.append(decoded)
        size += len(decoded)
    return b"".join(members) if len(members) > 1 else decoded


def _unzip(body: bytes, limit: int, wbits: int, before: int = 0) -> tuple[bytes, bytes]:
    """Return one stream decoded, and what follows it; so many bytes of the limit are used up ``before``."""
    stream = zlib_ng.decompressobj(wbits)
    try:
        decoded = stream.decompress(body, limit - before + 1)
    except zlib_ng.error:  # type: ignore[misc]  # its stub says that this is a module variable of no type
        raise bad("the body is not of its Content-Encoding") from None
    if len(decoded) > limit - before:
        raise _over(limit)
    if not stream.eof:
        raise bad("the compressed body ends too early")
    return decoded, stream.unused_data


def _into(decompress: Callable[[bytes, mmap], int]) -> Callable[[bytes, int], bytes]:
    """Make a decoder of one that fills a buffer: anonymous memory, of which only the pages written to exist."""

    def decoder(body: bytes, limit: int) -> bytes:
        with mmap(-1, limit) as room:
            try:
                size = decompress(body, room)
            except cramjam.DecompressionError as error:
                if "whole buffer" in str(error):
                    raise _over(limit) from None
                raise bad("the body is not of its Content-Encoding") from None
            return room[:size]

    return decoder


def _over(limit: int) -> Exception:
    return too_large(f"the body has more than {limit} bytes when decoded")


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": inflate,
    "br": _into(cramjam.brotli.decompress_into),
    "zstd": _into(cramjam.zstd.decompress_into),
}
