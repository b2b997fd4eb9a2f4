"""The Faust app, with everything that is set about Kafka."""

from __future__ import annotations

from typing import Any

import faust
from faust.serializers.schemas import Schema

from pipeline.config.settings import Settings
from pipeline.edges import kafka_connection
from pipeline.edges.settings import KafkaSettings
from pipeline.intake.reconnecting import Transport
from schemas.topics import CONSUMER_GROUP, MAX_MESSAGE_BYTES

FETCH_BYTES = 768 * 1024
"""The most that is fetched of one partition at a time, as it was compressed, and stays."""
FETCHES_WAITING = 2
METADATA_S = 15
"""How old the consumer's metadata may become: partitions that were added are read so long afterwards at the latest."""


class PassedThrough(Schema):  # type: ignore[misc]
    """Passes on what the transport delivers as it is."""

    def loads_key(self, _app: Any, message: Any, **_options: Any) -> Any:
        """Return the key."""
        return message.key

    def loads_value(self, _app: Any, message: Any, **_options: Any) -> Any:
        """Return the list of records."""
        return message.value


class App(faust.App):  # type: ignore[misc]
    """A Faust app that keeps nothing on disk."""

    def _create_directories(self) -> None:
        """Make none: windows are kept in a topic, and no table has files."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


def make_app(settings: Settings) -> faust.App:
    """Return the Faust app with everything that is set about Kafka."""
    found = settings.kafka
    return App(
        found.topic_prefix + CONSUMER_GROUP,
        broker=[f"aftershock://{address.strip()}" for address in found.bootstrap.split(",")],
        broker_credentials=credentials(found),
        broker_session_timeout=found.session_timeout_s,
        broker_heartbeat_interval=found.session_timeout_s / 3,
        broker_request_timeout=max(found.session_timeout_s + 5, 30.0),
        broker_commit_interval=1.0,
        broker_max_poll_records=None,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=METADATA_S * 1000,
        producer_compression_type="lz4",
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_linger=0.005,
        store="memory://",
        stream_buffer_maxsize=FETCHES_WAITING,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        logging_config=None,
        autodiscover=False,
    )


def credentials(settings: KafkaSettings) -> faust.auth.Credentials | None:
    """Return what Faust signs in with, ``None`` for a plain connection."""
    context = kafka_connection.ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.username,
            password=settings.password,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None
