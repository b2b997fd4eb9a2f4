"""Where Kafka and ClickHouse are, how to sign in there, and how long they keep what."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Days = Annotated[int, Meta(ge=1, le=3650)]


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where Kafka is and how to sign in. ``bootstrap`` is ``host:port[,host:port...]``."""

    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]*$")] = ""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    session_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 10.0
    replication_factor: Positive = 1
    partitions: dict[str, Positive] = {}


class ClickHouseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where ClickHouse is (its HTTP port) and how to sign in."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+/?$")] = "http://127.0.0.1:8123"
    database: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "aftershock"
    user: str = "default"
    password: str = ""
    ca_file: str = ""


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How long ClickHouse keeps what, in days."""

    errors_days: Days = 90
    spans_days: Days = 30
    alerts_days: Days = 365
    dead_letters_days: Days = 14
    minutes_days: Days = 30
    hours_days: Days = 400
    sessions_days: Days = 90
    logs_days: Days = 30
    check_ins_days: Days = 90
    feedback_days: Days = 365
    outcomes_days: Days = 90
