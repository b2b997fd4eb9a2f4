"""The transport itself: what ``sentry_sdk`` calls, turned into messages for Kafka."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sentry_sdk
from confluent_kafka import KafkaException
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn, capture_internal_exceptions

from aftershock_transport.messages import Message, messages_of
from aftershock_transport.outbox import Headers, Losses, Outbox

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope, Item

LOGGER_NAME = "aftershock_transport"
WARNING_SECONDS = 60.0
"""At most one warning about lost events in this time, however many are lost."""

EXIT_SECONDS = 2.0
"""How long the end of the process waits for Kafka, as the SDK does by default (``shutdown_timeout``)."""

PATIENCE_SECONDS = 0.1
"""How long a flush waits before it tells its caller that something is pending, as the SDK's own transport does."""

DEFAULTS: dict[str, Any] = {
    "client.id": "aftershock-transport",
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 20,
    "message.timeout.ms": 300_000,
    "message.max.bytes": 2 * 1024 * 1024,
    "allow.auto.create.topics": False,
    "socket.keepalive.enable": True,
    "log_level": 0,  # librdkafka writes to standard error otherwise; what matters comes through its error callback
}
"""librdkafka's settings unless the caller says otherwise; all of them can be overridden with ``settings``."""

logger = logging.getLogger(LOGGER_NAME)
ignore_logger(LOGGER_NAME)  # or a warning about a lost event would become the next event


class KafkaTransport(Transport):
    """Writes error events to the topic ``errors`` and transactions and spans to ``spans``.

    Pass an instance as ``sentry_sdk.init(transport=...)``. The SDK is then active without any DSN.

    Args:
        servers: bootstrap servers, ``"host:port,host:port"`` or a sequence of ``"host:port"``.
        project: the value of the ``project`` header. Without it, the project id of the client's DSN; without a DSN no
            header is sent and the event's own field ``project``, if it has one, counts.
        topic_prefix: put before both topic names.
        max_events: the most messages waiting to be sent; further ones are dropped and counted.
        max_bytes: the most bytes waiting to be sent.
        settings: further librdkafka settings by their names, such as ``security.protocol`` or ``sasl.username``; they
            win over the defaults here.

    Raises:
        confluent_kafka.KafkaException: librdkafka does not accept the settings. Nothing raises after that: an event
            that cannot be sent is counted in :attr:`lost`, and a warning is logged at most once a minute.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        *,
        project: str | int | None = None,
        topic_prefix: str = "",
        max_events: int = 10_000,
        max_bytes: int = 32 * 1024 * 1024,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.servers = servers if isinstance(servers, str) else ",".join(servers)
        self._project = None if project is None else str(project)
        self._topic_prefix = topic_prefix
        self._max_events = max_events
        self._lock = threading.RLock()
        self._lost: Counter[tuple[str, str]] = Counter()
        self._warned_at = -WARNING_SECONDS
        self._unreported = 0
        bounds = {
            "bootstrap.servers": self.servers,
            "queue.buffering.max.messages": max_events,
            "queue.buffering.max.kbytes": max(1, max_bytes // 1024),
        }
        self._outbox = Outbox({**DEFAULTS, **bounds, **(settings or {})}, self._lose)
        # For programs that switched off the SDK's own atexit integration; after that one there is nothing left to do.
        ending = weakref.WeakMethod(self._end)
        atexit.register(lambda: (method := ending()) and method())

    def capture_envelope(self, envelope: Envelope) -> None:
        """Buffer the envelope's events, transactions and spans for Kafka; return at once, whatever the broker does."""
        with capture_internal_exceptions():
            try:
                messages, others = messages_of(envelope)
            except (TypeError, ValueError, RecursionError):
                messages, others = [], []
                for item in envelope.items:
                    self._lose(((item.data_category, 1),), "internal_sdk_error", "the payload is not valid JSON")
            for message in messages:
                self._send(message)
            for item in others:
                self.record_lost_event("unsupported", item=item)

    def flush(self, timeout: float, callback: Callable[[int, float], Any] | None = None) -> None:
        """Wait up to ``timeout`` seconds for Kafka's acknowledgements.

        ``callback(pending, timeout)`` is called once if anything is still pending after the first tenth of a second.
        """
        if timeout <= 0:
            return
        with capture_internal_exceptions():
            patience = min(PATIENCE_SECONDS, timeout)
            pending = self._outbox.flush(patience)
            if pending and callback is not None:
                callback(pending, timeout)
            if pending and timeout > patience:
                self._outbox.flush(timeout - patience)

    def kill(self) -> None:
        """Drop what is still in the buffer, counting it as lost, and let go of the connections."""
        with capture_internal_exceptions():
            self._outbox.close()
            self._warn("the program ended")

    def is_healthy(self) -> bool:
        """Return ``False`` while no broker can be reached or the buffer is full: the SDK then samples fewer traces."""
        with capture_internal_exceptions():
            self._outbox.serve()
        return self._outbox.reachable and self._outbox.pending < self._max_events

    def record_lost_event(
        self,
        reason: str,
        data_category: str | None = None,
        item: Item | None = None,
        *,
        quantity: int = 1,
    ) -> None:
        """Count what will not arrive, with the SDK's own words for reason and category. See :attr:`lost`."""
        category = item.data_category if item is not None else data_category
        if category is not None and category != "internal":
            with self._lock:
                self._lost[category, reason] += quantity

    @property
    def lost(self) -> dict[tuple[str, str], int]:
        """What was captured and did not reach Kafka: quantity by data category and reason.

        Categories and reasons are those of the SDKs' client reports (``error``, ``transaction``, ``span``...;
        ``queue_overflow``, ``network_error``, ``send_error``, ``sample_rate``, ``before_send``...), and ``unsupported``
        for items that have no topic.
        """
        with self._lock:
            return dict(self._lost)

    @property
    def delivered(self) -> dict[str, int]:
        """The number of messages that Kafka has acknowledged, by topic, as far as it is known without waiting."""
        self._outbox.serve()
        return self._outbox.delivered

    @property
    def pending(self) -> int:
        """The number of messages waiting for Kafka's acknowledgement."""
        self._outbox.serve()
        return self._outbox.pending

    def _send(self, message: Message) -> None:
        topic = self._topic_prefix + message.topic
        try:
            self._outbox.send(topic, message.key, message.value, self._headers(), message.losses)
        except BufferError:
            self._lose(message.losses, "queue_overflow", self._outbox.last_error or "the buffer is full")
        except KafkaException as error:
            self._lose(message.losses, "send_error", error.args[0].str())

    def _headers(self) -> Headers:
        headers: Headers = [("content-type", "application/json")]
        if self._project is None:
            self._project = project_of_client()
        if self._project:
            headers.append(("project", self._project))
        return headers

    def _lose(self, losses: Losses, reason: str, detail: str) -> None:
        for category, quantity in losses:
            self.record_lost_event(reason, category, quantity=quantity)
        with self._lock:
            self._unreported += 1
            due = time.monotonic() - self._warned_at >= WARNING_SECONDS
        if due:
            self._warn(f"{reason}: {detail}")

    def _warn(self, why: str) -> None:
        """Log how many events were lost since the last warning, if any were; ``why`` tells of the latest."""
        with self._lock:
            count, self._unreported = self._unreported, 0
            self._warned_at = time.monotonic()
        if count:
            logger.warning("%d event(s) did not reach Kafka at %s (%s)", count, self.servers, why)

    def _end(self) -> None:
        self.flush(EXIT_SECONDS)
        self.kill()


def project_of_client() -> str:
    """Return the project id of the current client's DSN, or an empty string without a DSN."""
    dsn = sentry_sdk.get_client().options.get("dsn")
    return Dsn(dsn).project_id if dsn else ""
