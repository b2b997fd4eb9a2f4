"""The settings: one frozen struct, read once at the entry point from ``aftershock.toml`` and the environment.

Pure stages receive values; what assembles them reads these settings. Units are in the names. Passwords come from the
environment (``AFTERSHOCK_KAFKA_PASSWORD``) or from a file that it names (``AFTERSHOCK_KAFKA_PASSWORD_FILE``), so that
none needs to stand in the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from pipeline.alerts.rules import Rules as AlertRules
from pipeline.config.gateway import GatewaySettings, ProjectSettings, TokenSettings
from pipeline.config.reader import SettingsReader
from pipeline.edges.settings import ClickHouseSettings, KafkaSettings, Positive, RetentionSettings
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Rules as GroupingRules
from pipeline.inbound.settings import FilterSettings, InboundPolicy, PlaceFilterSettings, SampleSettings
from pipeline.scrub import Policy as ScrubPolicy
from pipeline.tables.storage import StorageSettings

DEFAULT_FILE = "aftershock.toml"


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker cuts batches. A batch is cut at whichever limit is reached first.

    Also at a fourth of the first two, when no other batch is in the stages.
    """

    batch_events: Positive = 8000
    batch_bytes: Positive = 16 * 1024 * 1024
    linger_ms: Positive = 500
    batches_in_flight: Annotated[int, Meta(ge=1, le=16)] = 2
    stage_processes: Annotated[int, Meta(ge=1, le=16)] = 2
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Meta(ge=0, le=65535)] = 6066
    flush_interval_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    stall_after_s: Annotated[float, Meta(ge=5)] = 60.0


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How late an event may be and still count."""

    allowed_lateness_s: Annotated[float, Meta(ge=1, le=86400)] = 60.0


class Settings(Struct, frozen=True):
    """Everything that can be set."""

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    retention: RetentionSettings = RetentionSettings()
    worker: WorkerSettings = WorkerSettings()
    storage: StorageSettings = StorageSettings()
    alerts: AlertSettings = AlertSettings()
    gateway: GatewaySettings = GatewaySettings()
    projects: tuple[ProjectSettings, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()
    scrub: ScrubPolicy = ScrubPolicy()
    grouping: GroupingRules = GroupingRules()
    rules: AlertRules = AlertRules()
    inbound: InboundPolicy = InboundPolicy()
    hash_key: str = ""


_PLAIN = ("kafka", "clickhouse", "retention", "worker", "storage", "alerts", "gateway")
_OWN_READERS = ("filter", "sample", "scrub", "grouping", "rule", "project", "token")
_SECRETS = {
    ("kafka", "password"): "AFTERSHOCK_KAFKA_PASSWORD",
    ("clickhouse", "password"): "AFTERSHOCK_CLICKHOUSE_PASSWORD",
}
_ADDRESSES = {
    ("kafka", "bootstrap"): "AFTERSHOCK_KAFKA",
    ("kafka", "topic_prefix"): "AFTERSHOCK_TOPIC_PREFIX",
    ("kafka", "username"): "AFTERSHOCK_KAFKA_USERNAME",
    ("clickhouse", "url"): "AFTERSHOCK_CLICKHOUSE",
    ("clickhouse", "database"): "AFTERSHOCK_DATABASE",
    ("clickhouse", "user"): "AFTERSHOCK_CLICKHOUSE_USER",
}


def load_settings(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; the environment wins over the file.

    Args:
        file: the TOML file; ``None`` means ``$AFTERSHOCK_CONFIG``, else ``aftershock.toml`` here if there is one.
        environ: the environment variables, the process's own by default.

    Raises:
        Misconfigured: a value is not valid; the message names the file's line or the variable, and the remedy.
    """
    env = os.environ if environ is None else environ
    chosen = file or (Path(env["AFTERSHOCK_CONFIG"]) if env.get("AFTERSHOCK_CONFIG") else None)
    if chosen is None and Path(DEFAULT_FILE).is_file():
        chosen = Path(DEFAULT_FILE)
    reader = SettingsReader(chosen)
    values = reader.values
    _check_sections(reader)
    _apply_environment(reader, env)
    defaults = Settings()
    plain: dict[str, Any] = {
        name: reader.struct(type(getattr(defaults, name)), (name,), values[name]) for name in _PLAIN if name in values
    }
    hash_key = _secret(env, "AFTERSHOCK_HASH_KEY") or ""
    return Settings(
        **plain,
        tokens=reader.structs(TokenSettings, ("token",), values.get("token", [])),
        projects=reader.structs(ProjectSettings, ("project",), values.get("project", [])),
        inbound=_inbound(reader),
        scrub=ScrubPolicy.from_toml(values.get("scrub", {}), reader.place, hash_key),
        grouping=GroupingRules.from_toml(values.get("grouping", {}), reader.place),
        rules=AlertRules.from_toml(values["rule"], reader.place) if "rule" in values else AlertRules(),
        hash_key=hash_key,
    )


def _check_sections(reader: SettingsReader) -> None:
    known = (*_PLAIN, *_OWN_READERS)
    for name, value in reader.values.items():
        if name not in known:
            raise Misconfigured(f"{reader.place((name,))}: [{name}] is not a section: use one of {', '.join(known)}")
        if name in (*_PLAIN, "filter") and not isinstance(value, dict):
            raise Misconfigured(f"{reader.place((name,))}: {name} is a section: write [{name}] and its keys below")


def _apply_environment(reader: SettingsReader, env: Mapping[str, str]) -> None:
    """Put the variables that are set in place of what the file says."""
    for (section, field), variable in (*_ADDRESSES.items(), *_SECRETS.items()):
        value = _secret(env, variable) if (section, field) in _SECRETS else env.get(variable)
        if value:
            reader.override(section, field, value, variable)


def _secret(env: Mapping[str, str], variable: str) -> str | None:
    """Return a secret from a variable, or from the file that ``<variable>_FILE`` names."""
    if env.get(variable):
        return env[variable]
    named = env.get(f"{variable}_FILE")
    if not named:
        return None
    try:
        return Path(named).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Misconfigured(f"{variable}_FILE: {named} cannot be read: {why}") from None


def _inbound(reader: SettingsReader) -> InboundPolicy:
    filters = dict(reader.values.get("filter", {}))
    places = filters.pop("for", [])
    return InboundPolicy(
        reader.struct(FilterSettings, ("filter",), filters),
        reader.structs(PlaceFilterSettings, ("filter", "for"), places),
        reader.structs(SampleSettings, ("sample",), reader.values.get("sample", [])),
    )
