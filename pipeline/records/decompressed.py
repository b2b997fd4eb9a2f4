"""How large what is compressed in a record batch becomes, as far as that can be said without opening it.

Codecs say it in different places: gzip at the end, snappy before each block; of lz4 and zstd the blocks are gone
through. All of these are what the data itself says, so garbage may say anything.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from contextlib import suppress

from aiokafka.codec import lz4_decode, zstd_decode

_PLAIN, _GZIP, _SNAPPY, _LZ4, _ZSTD = range(5)

_LZ4_DICTIONARY, _LZ4_CHECKSUM, _LZ4_SIZE, _LZ4_BLOCK_CHECKSUM = 0x01, 0x04, 0x08, 0x10
_LZ4_STORED = 0x8000_0000
_LZ4_MOST_TIMES = 255
"""What a byte of an lz4 block can become at most (lz4_Block_format.md: a length grows by 255 a byte)."""
_ZSTD_RUN, _ZSTD_COMPRESSED = 1, 2
_ZSTD_MOST = 128 * 1024
"""What a block of zstd can become at most (RFC 8878, 3.1.1.2.4)."""
_ZSTD_ALONE, _ZSTD_CHECKSUM = 0x20, 0x04
_SKIPPABLE = b"\x2a\x4d\x18"
"""Behind a first byte of 0x50 to 0x5f: a frame of lz4 or zstd without content."""
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_GZIP_MOST_TIMES = 1032
"""What a byte of gzip can become at most (https://zlib.net/zlib_tech.html, "Maximum Compression Factor")."""

MOST_DECOMPRESSED = 512 * 1024 * 1024
"""A record batch that becomes more bytes than this is not opened: by then the 25 MB that Kafka takes at most have grown
twentyfold, and some that are made for it would fill all memory."""
_LARGEST_BLOCK = {_LZ4: 4 * 1024 * 1024, _ZSTD: _ZSTD_MOST}
_UNLIKELY_TIMES = 16
"""What may be one block, and may become more than 16 times its size, is opened to know: it is likely to be a record or
two in a block with room for more, which is 64 KB in lz4 as Java sends it, and 4 MB as Go does."""


def decompressed_size(codec: int, data: bytes) -> int:
    """Return how many bytes these become at most: a few times what they do become at worst, unless garbage.

    ``codec`` is the number that record batches have for it.
    """
    size = _most_decompressed(codec, data)
    if len(data) * _UNLIKELY_TIMES < size <= _LARGEST_BLOCK.get(codec, 0):
        with suppress(Exception):  # the codecs have errors of their own
            return len(lz4_decode(data) if codec == _LZ4 else zstd_decode(data))
    return size


def too_large(codec: int, data: bytes) -> bool:
    """Say whether these become more than may be opened; gzip, whose word may be wrong, is tried where it can be so."""
    if codec != _GZIP or len(data) * _GZIP_MOST_TIMES <= MOST_DECOMPRESSED:
        return _most_decompressed(codec, data) > MOST_DECOMPRESSED
    size = 0
    with gzip.open(io.BytesIO(data)) as file:
        while size <= MOST_DECOMPRESSED and (piece := file.read(1 << 20)):
            size += len(piece)
    return size > MOST_DECOMPRESSED


def _most_decompressed(codec: int, data: bytes) -> int:
    """Return how many bytes these become at most, as it is said in them; their own number if nothing is."""
    with suppress(IndexError):
        if codec == _GZIP:
            return int.from_bytes(data[-4:], "little")
        if codec == _SNAPPY:
            return _snappy_most(data)
        if codec == _LZ4:
            return _frames_most(data, _lz4_frame)
        if codec == _ZSTD:
            return _frames_most(data, _zstd_frame)
    return len(data)


def _snappy_most(data: bytes) -> int:
    """Return the sum of what blocks say (format_description.txt, 1), one of them or several as Java frames them."""
    if not data.startswith(_XERIAL):
        return _varint(data, 0)
    at, size = _XERIAL_HEADER, 0
    while at < len(data):
        size += _varint(data, at + 4)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return size


def _varint(data: bytes, at: int) -> int:
    value = data[at] & 0x7F
    for place in range(1, 5):
        if data[at + place - 1] < 0x80:
            break
        value |= (data[at + place] & 0x7F) << 7 * place
    return value


def _frames_most(data: bytes, frame: Callable[[bytes, int], tuple[int, int]]) -> int:
    """Return the sum of what frames become; ``frame`` returns that of one, and where it ends."""
    at = size = 0
    while at < len(data):
        if data[at + 1 : at + 4] == _SKIPPABLE:
            at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        else:
            more, at = frame(data, at)
            size += more
    return size


def _lz4_frame(data: bytes, at: int) -> tuple[int, int]:
    """Go through the blocks of a frame (lz4_Frame_format.md)."""
    flags, most = data[at + 4], 1 << (8 + 2 * (data[at + 5] >> 4 & 7))
    at += 7 + (8 if flags & _LZ4_SIZE else 0) + (4 if flags & _LZ4_DICTIONARY else 0)
    size = 0
    while block := int.from_bytes(data[at : at + 4], "little"):
        length = block & ~_LZ4_STORED
        size += length if block & _LZ4_STORED else min(most, length * _LZ4_MOST_TIMES)
        at += length + (8 if flags & _LZ4_BLOCK_CHECKSUM else 4)
    return size, at + (8 if flags & _LZ4_CHECKSUM else 4)


def _zstd_frame(data: bytes, at: int) -> tuple[int, int]:
    """Go through the blocks of a frame (RFC 8878, 3.1.1)."""
    flags = data[at + 4]
    alone = bool(flags & _ZSTD_ALONE)
    at += 5 + (not alone) + (0, 1, 2, 4)[flags & 3] + (int(alone), 2, 4, 8)[flags >> 6]
    size = block = 0
    while at < len(data) and not block & 1:
        block = int.from_bytes(data[at : at + 3], "little")
        kind, length = block >> 1 & 3, block >> 3
        size += _ZSTD_MOST if kind == _ZSTD_COMPRESSED else length
        at += 3 + (1 if kind == _ZSTD_RUN else length)
    return size, at + (4 if flags & _ZSTD_CHECKSUM else 0)
