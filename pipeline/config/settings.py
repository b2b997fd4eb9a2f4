"""The settings: one frozen struct, read once at the entry point from ``aftershock.toml`` and the environment.

Stages receive values, never this module. Units are in the names. Passwords come from the environment
(``AFTERSHOCK_KAFKA_PASSWORD``) or from a file that the environment names (``AFTERSHOCK_KAFKA_PASSWORD_FILE``), so
that none needs to stand in the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from pipeline.alerts.rules import Rules as AlertRules
from pipeline.config.gateway import GatewaySettings, ProjectSettings, TokenSettings
from pipeline.config.toml_file import LineOf, read_toml
from pipeline.edges.settings import ClickHouseSettings, KafkaSettings, Positive, RetentionSettings
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Rules as GroupingRules
from pipeline.inbound.settings import FilterSettings, InboundPolicy, PlaceFilterSettings, SampleSettings
from pipeline.scrub import Policy as ScrubPolicy
from pipeline.tables.storage import StorageSettings

DEFAULT_FILE = "aftershock.toml"

AnyStruct = TypeVar("AnyStruct", bound=Struct)


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker gathers batches. A batch is cut at whichever limit is reached first.

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
    """How late an event may be and still count, and how many groups are watched at a time."""

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
_PATH = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_KEY = re.compile(r"[^.\[\]]+")


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
    values, line_of = read_toml(chosen) if chosen else ({}, _no_line)
    where = str(chosen) if chosen else "environment"
    _check_sections(values, where, line_of)
    variables = _apply_environment(values, env)
    plain: dict[str, Any] = {
        name: _convert(name, values, where, line_of, variables) for name in _PLAIN if name in values
    }
    return Settings(
        **plain,
        tokens=_tables(TokenSettings, ("token",), values.get("token", []), where, line_of),
        projects=_tables(ProjectSettings, ("project",), values.get("project", []), where, line_of),
        inbound=_inbound(values, where, line_of),
        scrub=ScrubPolicy.from_toml(values.get("scrub", {}), line_of, _secret(env, "AFTERSHOCK_HASH_KEY") or ""),
        grouping=GroupingRules.from_toml(values.get("grouping", {}), line_of),
        rules=AlertRules.from_toml(values["rule"], line_of) if "rule" in values else AlertRules(),
        hash_key=_secret(env, "AFTERSHOCK_HASH_KEY") or "",
    )


def _no_line(_path: tuple[str | int, ...]) -> None:
    return None


def _check_sections(values: Mapping[str, Any], where: str, line_of: LineOf) -> None:
    known = (*_PLAIN, *_OWN_READERS)
    for name in values:
        if name not in known:
            line = line_of((name,))
            raise Misconfigured(f"{where}:{line}: [{name}] is not a section: use one of {', '.join(known)}")
        if name in (*_PLAIN, "filter") and not isinstance(values[name], dict):
            raise Misconfigured(f"{where}:{line_of((name,))}: {name} is a section: write [{name}] and its keys below")


def _apply_environment(values: dict[str, Any], env: Mapping[str, str]) -> dict[tuple[str | int, ...], str]:
    """Put the variables that are set in place of what the file says; return which they are, by path."""
    applied: dict[tuple[str | int, ...], str] = {}
    for (section, field), variable in (*_ADDRESSES.items(), *_SECRETS.items()):
        value = _secret(env, variable) if (section, field) in _SECRETS else env.get(variable)
        if value:
            values.setdefault(section, {})[field] = value
            applied[section, field] = variable
    return applied


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


def _convert(
    name: str,
    values: Mapping[str, Any],
    where: str,
    line_of: LineOf,
    variables: Mapping[tuple[str | int, ...], str],
) -> Struct:
    section_type: type[Struct] = type(getattr(Settings(), name))
    try:
        return msgspec.convert(values[name], section_type)
    except msgspec.ValidationError as error:
        raise _misconfigured(error, (name,), where, line_of, variables) from None


def _inbound(values: Mapping[str, Any], where: str, line_of: LineOf) -> InboundPolicy:
    filters = dict(values.get("filter", {}))
    places = filters.pop("for", [])
    try:
        general = msgspec.convert(filters, FilterSettings)
    except msgspec.ValidationError as error:
        raise _misconfigured(error, ("filter",), where, line_of) from None
    return InboundPolicy(
        general,
        _tables(PlaceFilterSettings, ("filter", "for"), places, where, line_of),
        _tables(SampleSettings, ("sample",), values.get("sample", []), where, line_of),
    )


def _tables(
    of_type: type[AnyStruct], path: tuple[str, ...], tables: Any, where: str, line_of: LineOf
) -> tuple[AnyStruct, ...]:
    """Return an array of tables, each as a struct."""
    if not isinstance(tables, list):
        name = ".".join(path)
        raise Misconfigured(f"{where}:{line_of(path) or '?'}: {name}: write [[{name}]], with two brackets")
    found = []
    for number, table in enumerate(tables):
        try:
            found.append(msgspec.convert(table, of_type))
        except msgspec.ValidationError as error:
            raise _misconfigured(error, (*path, number), where, line_of) from None
    return tuple(found)


def _misconfigured(
    error: msgspec.ValidationError,
    table: tuple[str | int, ...],
    where: str,
    line_of: LineOf,
    variables: Mapping[tuple[str | int, ...], str] = MappingProxyType({}),
) -> Misconfigured:
    text = str(error)
    found = _PATH.search(text)
    # What is wrong with some value of a table, or of a list, is said of the whole.
    keys = found["path"].replace("[...]", "") if found else ""
    path = (*table, *(int(key) if key.isdigit() else key for key in _KEY.findall(keys)))
    name = ".".join(part for part in path if isinstance(part, str))
    place = variables.get(path) or f"{where}:{line_of(path) or '?'}"
    return Misconfigured(f"{place}: {name}: {_PATH.sub('', text)}")
