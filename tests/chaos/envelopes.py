"""Events that come over HTTP, through the gateway: what was answered with 200 must be there once.

Each is sent once. An event without an answer, because the gateway was killed before it gave one, may be there or not:
an SDK would send it again or give it up, and nobody has promised anything.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence

from deploy.local.ports import LOOPBACK
from tests.chaos.load import Event

TYPES = 5
_ANSWER_S = 20.0


def events_for_envelopes(rng: random.Random, number: int) -> list[Event]:
    """Return events of some issues of their own."""
    return [Event(rng, f"Envelope{one % TYPES}Error", "production", one, burst=True) for one in range(number)]


def envelope(event: Event, body: bytes) -> bytes:
    """Return an envelope with one event."""
    return b"\n".join([json.dumps({"event_id": event.id}).encode(), b'{"type":"event"}', body, b""])


class EnvelopeSender(threading.Thread):
    """Sends events evenly over ``seconds``, one after another; ``done`` when each was tried."""

    def __init__(
        self, port: int, project: int, key: str, events: Sequence[Event], *, seed: int, seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self.done = False
        self.answers: dict[int, int] = {}
        self._path = f"/api/{project}/envelope/?sentry_key={key}"
        self._port = port
        self._events = events
        self._rng = random.Random(seed)
        self._seconds = seconds

    def run(self) -> None:
        """Send all."""
        begun = time.time()
        for number, event in enumerate(self._events):
            time.sleep(max(0.0, begun + self._seconds * number / len(self._events) - time.time()))
            status = self._post(envelope(event, event.body(time.time(), self._rng)))
            event.may_be_missing = status != 200
            self.answers[status] = self.answers.get(status, 0) + 1
        self.done = True

    def _post(self, body: bytes) -> int:
        """Return the status of the answer, and 0 where there was none."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_ANSWER_S)
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/x-sentry-envelope"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        else:
            return answer.status
        finally:
            connection.close()
