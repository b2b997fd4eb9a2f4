"""The usual way to compare with: an ordinary Faust agent, event by event. A process; settings from the environment.

What a competent afternoon gives: JSON decoded to dictionaries, every string scrubbed with compiled expressions (and
Luhn behind the one for cards), a fingerprint from the application's frames, a windowed table that counts, an alert
when a count reaches its threshold, and rows inserted in batches from a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import faust

from pipeline.config.settings import load_settings

BATCH_ROWS = 1000
BATCH_SECONDS = 1.0
THRESHOLD = 100
WINDOW_SECONDS = 60

SENSITIVE = re.compile(r"pass(word|wd)?|secret|token|api_?key|auth|credential|cookie|session|private", re.IGNORECASE)
COLUMNS = [
    "project", "environment", "timestamp", "received", "event_id", "fingerprint", "title", "message", "level",
    "platform", "exception_types", "exception_values", "frames_function", "frames_file", "release", "server_name",
    "transaction", "user_id", "user_hash", "tags", "kafka_partition", "kafka_offset", "payload",
]  # fmt: skip


def luhn(text: str) -> bool:
    """Say whether the digits in a text pass the Luhn check."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def card(found: re.Match[str]) -> str:
    """Replace a card number that passes the check."""
    return "[card]" if luhn(found[0]) else found[0]


PATTERNS: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), "[private key]"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"), "[jwt]"),
    (re.compile(r"\b(?:Bearer|Basic)\s+[\w.~+/-]{8,}=*", re.IGNORECASE), "[credentials]"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[aws key]"),
    (re.compile(r"\bAIza[\w-]{35}\b"), "[google key]"),
    (re.compile(r"\b(?:gh[pousr]_\w{36,}|xox[abprs]-[\w-]{10,}|sk_live_\w{16,})"), "[api key]"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@", re.IGNORECASE), r"\1[credentials]@"),
    (re.compile(r"\b[\w.%+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"), "[email]"),
    (re.compile(r"\b\d(?:[ -]?\d){12,18}\b"), card),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), "[iban]"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "[ssn]"),
    (re.compile(r"(?<!\w)\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}\b"), "[phone]"),
    (re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b"), "[ip]"),
    (re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])"), "[ip]"),
]


def scrub(value: Any) -> Any:
    """Return a JSON value without personal data and secrets."""
    if isinstance(value, str):
        for pattern, replacement in PATTERNS:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {key: "[Filtered]" if SENSITIVE.search(key) else scrub(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrub(inner) for inner in value]
    return value


def frames_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the frames of all exceptions."""
    values = (event.get("exception") or {}).get("values") or []
    return [frame for value in values for frame in (value.get("stacktrace") or {}).get("frames") or []]


def fingerprint(event: dict[str, Any], frames: list[dict[str, Any]]) -> str:
    """Return a digest of the exception's type and the application's frames."""
    values = (event.get("exception") or {}).get("values") or [{}]
    parts = [str(values[-1].get("type"))]
    chosen = [frame for frame in frames if frame.get("in_app")] or frames
    parts += [f"{frame.get('module') or frame.get('filename')}:{frame.get('function')}" for frame in chosen]
    return hashlib.md5("\n".join(parts).encode()).hexdigest()


def to_row(event: dict[str, Any], message: Any, group: str, frames: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Return what is inserted of an event."""
    values = (event.get("exception") or {}).get("values") or [{}]
    user = str((event.get("user") or {}).get("id") or "")
    received = datetime.fromtimestamp(message.timestamp, UTC)
    return (
        dict(message.headers or ()).get("project", b"default").decode(),
        event.get("environment") or "production",
        datetime.fromtimestamp(float(event.get("timestamp") or message.timestamp), UTC),
        received,
        event.get("event_id") or "",
        group,
        f"{values[-1].get('type')}: {values[-1].get('value')}",
        str(values[-1].get("value")),
        event.get("level") or "error",
        event.get("platform") or "",
        [value.get("type") or "" for value in values],
        [value.get("value") or "" for value in values],
        [frame.get("function") or "" for frame in frames],
        [frame.get("filename") or "" for frame in frames],
        event.get("release") or "",
        event.get("server_name") or "",
        event.get("transaction") or "",
        user,
        int(hashlib.md5(user.encode()).hexdigest()[:15], 16) if user else 0,
        {str(key): str(value) for key, value in (event.get("tags") or {}).items()},
        message.partition,
        message.offset,
        json.dumps(event, separators=(",", ":")),
    )


def make_app() -> faust.App:
    """Return the app."""
    settings = load_settings()
    prefix = settings.kafka.topic_prefix
    app = faust.App(
        f"{prefix}plain",
        broker=f"kafka://{settings.kafka.bootstrap}",
        store="memory://",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        topic_partitions=4,
        topic_allow_declare=True,
        topic_disable_leader=True,
    )
    topic = app.topic(f"{prefix}errors", value_type=bytes)
    alerts = app.topic(f"{prefix}alerts", value_serializer="json")
    counts = app.Table("counts", default=int, partitions=4).tumbling(WINDOW_SECONDS, expires=600)
    host, port = settings.clickhouse.url.removeprefix("http://").split(":")
    client = clickhouse_connect.get_client(
        host=host, port=int(port), database=settings.clickhouse.database, autogenerate_session_id=False
    )
    rows: list[tuple[Any, ...]] = []

    async def flush() -> None:
        batch = rows.copy()
        rows.clear()
        if batch:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, lambda: client.insert("errors", batch, column_names=COLUMNS))

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def process(stream: Any) -> None:
        last = time.monotonic()
        async for faust_event in stream.events():
            try:
                event = scrub(json.loads(faust_event.value))
            except ValueError:
                continue
            frames = frames_of(event)
            group = fingerprint(event, frames)
            counts[group] += 1
            if counts[group].current() == THRESHOLD:
                await alerts.send(value={"fingerprint": group, "count": THRESHOLD})
            rows.append(to_row(event, faust_event.message, group, frames))
            if len(rows) >= BATCH_ROWS or time.monotonic() - last > BATCH_SECONDS:
                last = time.monotonic()
                await flush()

    @app.timer(BATCH_SECONDS)  # type: ignore[untyped-decorator]
    async def leftover() -> None:
        await flush()

    return app


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=warn", "--without-web"]
    make_app().main()
