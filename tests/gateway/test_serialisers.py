"""Envelopes as the SDKs' own serialisers write and read them: the same headers, items and payload bytes here.

``sentry_sdk`` runs in this process, ``@sentry/core`` under Node. The payloads are what real SDKs sent, alone and
together with attachments that hold line breaks, no bytes at all, or what looks like an item.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk.envelope as sdk
from request_checks import captured

from pipeline.gateway.envelope import parse
from tests.node_packages import node

SERIALISER = Path(__file__).parent / "node" / "serialiser.js"
ID = "9ec79c33ec9942ab8353589fcb2e04dc"
DSN = "https://0123456789abcdef0123456789abcdef@example.com/7"
SENT_AT = "2026-01-01T12:00:00.000Z"
HEADER = {"event_id": ID, "sent_at": SENT_AT, "dsn": DSN, "trace": {"trace_id": "a" * 32, "release": "shop é 漢字"}}
ATTACHMENTS = (b"", b"\n", b"a\nb\r\n\n", b'{"type":"event","length":1}\nx\n', bytes(range(256)), "é漢字".encode())
CAPTURED = captured()

Items = list[tuple[str, bytes]]


def items_of(body: bytes) -> Items:
    """Return what the gateway reads, after a look at the header."""
    parsed = parse(body)
    assert (parsed.header.event_id, parsed.header.dsn, parsed.header.sent_at) == (ID, DSN, SENT_AT)
    return [(item.type, item.payload) for item in parsed.items]


def python_envelope(payloads: Items, attachments: tuple[bytes, ...]) -> sdk.Envelope:
    """Return an envelope of ``sentry_sdk``: with events as it keeps them, objects that it encodes itself."""
    made = sdk.Envelope(dict(HEADER))
    for kind, payload in payloads:
        made.add_item(sdk.Item(payload=sdk.PayloadRef(json=json.loads(payload)), type=kind))
    for content in attachments:
        made.add_item(sdk.Item(payload=sdk.PayloadRef(bytes=content), type="attachment", filename="a b.txt"))
    return made


PYTHON = [python_envelope([one], ()) for one in CAPTURED]
PYTHON += [python_envelope([one], ATTACHMENTS) for one in CAPTURED[:5]]
PYTHON += [python_envelope(CAPTURED, ATTACHMENTS), python_envelope([], ATTACHMENTS), python_envelope([], ())]
READABLE = [written for written in PYTHON if all(item.get_bytes() for item in written.items)]
READABLE += [python_envelope(CAPTURED, ATTACHMENTS[1:]), python_envelope([], ATTACHMENTS[1:])]
"""Those that ``@sentry/core`` can read: it takes a length of 0 for none."""


@pytest.mark.parametrize("written", PYTHON)
def test_what_sentry_sdk_writes_is_read_byte_for_byte(written: sdk.Envelope) -> None:
    expected = [(item.headers["type"], item.get_bytes()) for item in written.items]
    body = written.serialize()
    assert items_of(body) == expected
    again = sdk.Envelope.deserialize_from(io.BytesIO(body))
    assert again.headers == HEADER
    assert [(item.headers["type"], item.get_bytes()) for item in again.items] == expected


def case(payloads: Items, attachments: tuple[bytes, ...]) -> dict[str, Any]:
    """Describe an envelope for the serialiser under Node, as the SDK's own code puts it together."""
    items: list[Any] = [[{"type": kind}, {"json": json.loads(payload)}] for kind, payload in payloads]
    for content in attachments:
        header = {"type": "attachment", "length": len(content), "filename": "a b.txt"}
        items.append([header, {"base64": base64.b64encode(content).decode()}])
    return {"header": HEADER, "items": items}


NODE = [case([one], ()) for one in CAPTURED]
NODE += [case([one], ATTACHMENTS[1:]) for one in CAPTURED[:5]]
NODE += [case(CAPTURED, ATTACHMENTS), case([], ATTACHMENTS), case([], ())]


@pytest.fixture(scope="module")
def javascript(node_modules: Path) -> dict[str, Any]:
    """What ``@sentry/core`` wrote of :data:`NODE`, and what it read of :data:`READABLE`."""
    read = [base64.b64encode(written.serialize()).decode() for written in READABLE]
    done = subprocess.run(
        [node(), str(SERIALISER)],
        input=json.dumps({"write": NODE, "read": read}),
        env={**os.environ, "NODE_PATH": str(node_modules / "node_modules")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_sentry_core_writes_is_read(javascript: dict[str, Any]) -> None:
    for described, written in zip(NODE, javascript["written"], strict=True):
        read = items_of(base64.b64decode(written))
        assert [kind for kind, _ in read] == [header["type"] for header, _ in described["items"]]
        for (_, payload), (_, expected) in zip(read, described["items"], strict=True):
            if "base64" in expected:
                assert payload == base64.b64decode(expected["base64"])
            else:
                assert json.loads(payload) == expected["json"]
                # What the SDK made of it, and not what the next line happens to be.
                assert payload == payload.strip()


def test_sentry_core_reads_the_same_items_as_the_gateway(javascript: dict[str, Any]) -> None:
    for written, theirs in zip(READABLE, javascript["found"], strict=True):
        ours = items_of(written.serialize())
        assert theirs["header"] == HEADER
        assert [kind for kind, _ in ours] == [kind for kind, _ in theirs["items"]]
        for (_, payload), (_, found) in zip(ours, theirs["items"], strict=True):
            if "base64" in found:
                assert payload == base64.b64decode(found["base64"])
            else:
                assert json.loads(payload) == found["json"]
