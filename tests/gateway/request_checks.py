"""What has to hold for any request, whatever is in it; the properties and the coverage-guided fuzzer check it."""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import cramjam
import sentry_sdk.envelope

import pipeline.gateway
from pipeline.gateway import envelope
from pipeline.gateway.endpoint import Endpoint, Incoming, refused
from pipeline.gateway.items import LONGEST_KEY
from pipeline.gateway.outcomes import Outcomes
from pipeline.gateway.projects import Projects
from pipeline.gateway.rejection import Rejected
from schemas.topics import TAKEN

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
TYPES = {"errors": "event", "logs": "log", "check-ins": "check_in", "feedback": "feedback"}
LARGEST = 1 << 18
NOW_S = 1_800_000_000.0
KEY = "0123456789abcdef0123456789abcdef"

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda body: body,
    "gzip": lambda body: gzip.compress(body, 1),
    "deflate": lambda body: zlib.compress(body, 1),
    "br": lambda body: bytes(cramjam.brotli.compress(body, 1)),
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, 1)),
}

_TOPICS = {topic.name for topic in TAKEN}
_SOURCE = "\n".join(file.read_text() for file in Path(pipeline.gateway.__file__).parent.glob("*.py"))
_WORDS = re.compile(r"[^\W\d]{4,}")


def captured() -> list[tuple[str, bytes]]:
    """Return what real SDKs sent, and what was written by hand after the protocol: item type and payload."""
    found: list[tuple[str, bytes]] = []
    for file in sorted(EXAMPLES.glob("*/*.json")):
        folder, payload = file.parent.name, json.loads(file.read_bytes())
        if folder == "spans":
            kind = "transaction" if payload.get("type") == "transaction" else "span"
        elif folder == "sessions":
            kind = "sessions" if "aggregates" in payload else "session"
        elif folder in TYPES:
            kind = "user_report" if file.stem.startswith("user-report") else TYPES[folder]
        else:
            continue
        found.append((kind, json.dumps(payload).encode()))
    return found


def seeds() -> list[bytes]:
    """Return an envelope with each captured payload, and the ways of framing that no SDK was captured with."""
    made = []
    for kind, payload in captured():
        # An hour off for every other one, so that its times are shifted.
        sent_at = f"2027-01-15T0{7 + len(made) % 2}:00:00Z"
        header = {"event_id": json.loads(payload).get("event_id", "a" * 32), "sent_at": sent_at}
        item = {"type": kind, "length": len(payload)}
        made.append(b"\n".join((json.dumps(header).encode(), json.dumps(item).encode(), payload)))
    made.append(b'{"dsn":"https://%s@example.com/7"}\n{"type":"client_report"}\n' % KEY.encode())
    made.append(b'{}\n{"type":"attachment","length":3}\na\nb\n{"type":"span"}\n{"items":[{"trace_id":"a"},1]}\n')
    made.append(b'{}\n{"type":"event"}\n{"message":NaN,"timestamp":1e400}\n{"type":"log"}\n{"items":[]}')
    made.append(b'{"sent_at":1}\n{"type":"session"}\n{"timestamp":1%s}\n' % (b"0" * 400))
    return made


def check(incoming: Incoming) -> None:
    """Take a request, and check what has to hold whatever is in it.

    Raises:
        AssertionError: it does not hold. Anything else that is raised is a request that is answered with 500.
    """
    endpoint = Endpoint(Projects(), LARGEST, Outcomes())
    try:
        taken = endpoint.take(incoming, NOW_S)
    except Rejected as caught:
        rejected: Rejected | None = caught
    else:
        rejected = refused(taken)
    if rejected is not None:
        assert rejected.status in (400, 401, 403, 413, 429)
        # Nothing of the request is sent back: every word is one of the gateway's own.
        assert all(word in _SOURCE for word in _WORDS.findall(rejected.reason)), rejected.reason
        return
    assert taken.event_id is None or re.fullmatch("[0-9a-f]{32}", taken.event_id)
    for message in taken.messages:
        assert message.topic in _TOPICS
        assert message.key is None or 0 < len(message.key) <= 4 * LONGEST_KEY
        assert len(message.value) <= 8 * LARGEST
    if taken.event_id is not None and incoming.form == "envelope":
        assert all(message.key == taken.event_id.encode() for message in taken.messages if message.topic == "errors")


def check_framing(body: bytes) -> None:
    """Check that what is parsed is in the body, stays the same when it is written anew, and is what the SDK reads."""
    try:
        parsed = envelope.parse(body)
    except Rejected:
        return
    at = 0
    for item in parsed.items:
        at = body.index(item.payload, at) + len(item.payload)
    written = [b"{}"]
    for item in parsed.items:
        written += [json.dumps({"type": item.type, "length": len(item.payload)}).encode(), item.payload]
    assert envelope.parse(b"\n".join(written)).items == parsed.items
    check_against_sdk(body)


def check_against_sdk(body: bytes) -> None:
    """Check that what ``sentry_sdk`` reads, if it can, and writes again, is read here with the same items."""
    try:
        theirs = sentry_sdk.envelope.Envelope.deserialize_from(io.BytesIO(body))
        again = theirs.serialize()
    except Exception:  # noqa: BLE001  what it raises for what it cannot read is not told
        return
    try:
        ours = [(item.type, item.payload) for item in envelope.parse(again).items]
    except Rejected as caught:
        # The SDK checks neither ids nor the types of the fields that are read here, nor counts items.
        expected = caught.status == 413 or "event_id" in caught.reason or "wrong type" in caught.reason
    else:
        expected = ours == [(item.headers["type"], item.get_bytes()) for item in theirs.items]
    assert expected
