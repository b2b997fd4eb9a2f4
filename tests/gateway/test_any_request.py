"""Any request is taken or refused in the gateway's own words, and never ends in an error of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request_checks import ENCODERS, KEY, check, check_framing, seeds

from pipeline.gateway.endpoint import Incoming

SEEDS = seeds()
NEWS = (b"\n", b'"', b"{}", b"NaN", b"[[[[")
AUTH = {"x-sentry-auth": f"Sentry sentry_key={KEY}"}
ID = b"a" * 32


def envelope(kind: bytes, payload: bytes, sent_at: bytes = b'"2027-01-15T07:00:00Z"') -> bytes:
    return b'{"event_id":"%s","sent_at":%s}\n{"type":"%s","length":%d}\n%s' % (ID, sent_at, kind, len(payload), payload)


FOUND = {
    "a time in a list that is not UTF-8": envelope(b"session", b'{"spans":[{"timestamp":"\x8a"}]}'),
    "a time that is not UTF-8": envelope(b"event", b'{"timestamp":"\x8a"}'),
    "a time of 400 digits": envelope(b"transaction", b'{"timestamp":1%s}' % (b"0" * 400)),
    "sent at a time of 400 digits": envelope(b"event", b'{"timestamp":1}', b"1%s" % (b"0" * 400)),
}
"""Each of these was once answered with 500: a client whose clock is wrong sends a time that is none."""


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND.keys())
def test_what_once_was_an_error_is_taken_or_refused(body: bytes) -> None:
    check(Incoming("envelope", "7", AUTH, {}, body))


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_what_sdks_sent_is_taken(number: int) -> None:
    check_framing(SEEDS[number])
    check(Incoming("envelope", "7", AUTH, {}, SEEDS[number]))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A captured envelope in which a few pieces are left out, doubled or replaced."""
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(body)))
        end = at + draw(st.sampled_from((0, 1, 2, 10, 1000)))
        piece = draw(
            st.binary(max_size=4) | st.sampled_from((b"\n", b'"', b"{}", b"NaN", b"[[[[", bytes(body[at:end])))
        )
        body[at:end] = piece
    return bytes(body)


@settings(max_examples=400, deadline=None)
@given(
    mutated(), st.sampled_from(sorted(ENCODERS)), st.sampled_from(("envelope", "store")), st.sampled_from((None, "7"))
)
def test_captures_with_changed_bytes_are_taken_or_refused(
    body: bytes, encoding: str, form: str, project: str | None
) -> None:
    headers = {**AUTH, "content-encoding": encoding}
    check(Incoming("store" if form == "store" else "envelope", project, headers, {}, ENCODERS[encoding](body)))
    check_framing(body)


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=300),
    st.dictionaries(
        st.sampled_from(("x-sentry-auth", "authorization", "content-encoding", "origin", "user-agent")),
        st.text(max_size=60) | st.sampled_from(sorted(ENCODERS)),
    ),
    st.dictionaries(st.sampled_from(("sentry_key", "sentry_version", "sentry_client")), st.text(max_size=40)),
)
def test_any_bytes_under_any_headers_are_taken_or_refused(
    body: bytes, headers: dict[str, str], query: dict[str, str]
) -> None:
    check(Incoming("envelope", "7", headers, query, body))
