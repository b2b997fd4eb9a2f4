"""Content encodings: each is read, none lets a bomb go off."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statuses import OK, status_of

from pipeline.gateway.encodings import decode
from pipeline.gateway.rejection import Rejected

LIMIT = 100_000


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


ENCODERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress],
    "deflate": [zlib.compress, _raw_deflate],
    "br": [lambda data: bytes(cramjam.brotli.compress(data))],
    "zstd": [lambda data: bytes(cramjam.zstd.compress(data))],
}
EACH = [(name, encoder) for name, encoders in ENCODERS.items() for encoder in encoders]


@pytest.mark.parametrize(("name", "encoder"), EACH)
@pytest.mark.parametrize("data", [b"", b"{}", b"x" * LIMIT, bytes(range(256)) * 300])
def test_every_encoding_is_decoded(name: str, encoder: Callable[[bytes], bytes], data: bytes) -> None:
    assert decode(encoder(data), name, LIMIT) == data
    assert decode(encoder(data), f" {name.upper()} ", LIMIT) == data


@pytest.mark.parametrize("padding", [b"", b"\n", b"\0" * 8])
def test_a_gzip_body_of_several_members_is_decoded_whole(padding: bytes) -> None:
    assert (
        decode(gzip.compress(b"{}\n") + gzip.compress(b"") + gzip.compress(b"more") + padding, "gzip", 7) == b"{}\nmore"
    )


def test_members_share_the_limit_and_have_one_of_their_own() -> None:
    for body, status in ((gzip.compress(b"x" * 60_000) * 2, 413), (gzip.compress(b"") * 10_000, 400)):
        with pytest.raises(Rejected) as caught:
            decode(body, "gzip", LIMIT)
        assert caught.value.status == status


@pytest.mark.parametrize("name", [None, "", "identity", "UTF-8", "utf-8"])
def test_no_encoding_is_called_many_names(name: str | None) -> None:
    assert decode(b"{}", name, LIMIT) == b"{}"


@pytest.mark.parametrize(("name", "encoder"), EACH)
@pytest.mark.parametrize("size", [LIMIT + 1, 50_000_000])
def test_a_bomb_is_refused_with_413(name: str, encoder: Callable[[bytes], bytes], size: int) -> None:
    with pytest.raises(Rejected) as caught:
        decode(encoder(b"\0" * size), name, LIMIT)
    assert caught.value.status == 413


@pytest.mark.parametrize(("name", "encoder"), EACH)
def test_a_body_that_was_cut_off_is_a_400(name: str, encoder: Callable[[bytes], bytes]) -> None:
    whole = encoder(bytes(range(256)) * 10)
    with pytest.raises(Rejected) as caught:
        decode(whole[:-5], name, LIMIT)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["compress", "gzip, br", "aes128gcm"])
def test_unknown_encodings_are_a_400(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(b"{}", name, LIMIT)
    assert caught.value.status == 400


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ENCODERS)), st.binary(max_size=100))
def test_any_bytes_are_decoded_or_refused(name: str, body: bytes) -> None:
    assert status_of(lambda: decode(body, name, 1000)) in (OK, 400, 413)
