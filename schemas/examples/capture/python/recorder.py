"""A transport that writes every payload to a file instead of sending it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.transport import Transport

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

TOPICS = {"event": "errors", "transaction": "spans", "span": "spans"}
DIRECTORY = Path(os.environ.get("CAPTURE_TO", "captured"))


class Recorder(Transport):
    """Writes events to ``errors/``, transactions and single spans to ``spans/``, as ``python-<name>.json``."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def capture_envelope(self, envelope: Envelope) -> None:
        """Write the envelope's payloads; a topic without a name for its next payload keeps none."""
        for item in envelope.items:
            topic = TOPICS.get(item.type or "")
            name = self.names.pop(topic, None) if topic else None
            if topic is None or name is None:
                continue
            payload = json.loads(item.get_bytes())
            write(topic, name, payload["items"][0] if item.type == "span" else payload)

    def expect(self, errors: str | None = None, spans: str | None = None) -> None:
        """Name the next payload of each topic; those without a name are not kept."""
        self.names = {topic: name for topic, name in (("errors", errors), ("spans", spans)) if name is not None}


def write(topic: str, name: str, payload: dict[str, Any]) -> None:
    """Write one payload, readable and otherwise as it was."""
    target = DIRECTORY / topic / f"python-{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(payload, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def start(**options: Any) -> Recorder:
    """Initialise the SDK with a recorder, as one installation of a shop would."""
    recorder = Recorder()
    defaults: dict[str, Any] = {
        "release": "shop@2.3.1",
        "environment": "production",
        "server_name": "web-1",
        "traces_sample_rate": 1.0,
    }
    sentry_sdk.init(transport=recorder, **{**defaults, **options})
    return recorder
