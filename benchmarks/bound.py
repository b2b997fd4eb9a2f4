"""The bound to compare with: the same rows with nothing done for them. A process; settings from the environment.

aiokafka, decoding to the same structs, the same rows with one constant fingerprint, and overlapped inserts into the
same table with the same materialized views. No scrubbing, grouping, counts, alerts, ledger, or commits.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer

from benchmarks.events import PROJECT
from pipeline.config.settings import load_settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.fingerprint import Grouped
from pipeline.fingerprint.result import Frames
from pipeline.payload.decode import Decoded
from pipeline.records.record import Origin
from pipeline.tables.rows import ERROR_COLUMNS, ERRORS_TABLE, Row, error_row
from schemas.event import Event

BATCH_EVENTS = 1000
IN_FLIGHT = 4
FETCH_BYTES = 4 * 1024 * 1024

_decode = msgspec.json.Decoder(Event).decode
_encode_lines = msgspec.json.Encoder().encode_lines


def row(record: Any) -> Row:
    """Return the row of one record: all columns, the fingerprint a constant."""
    event = _decode(record.value)
    frames = Frames()
    for exception in event.exceptions:
        for frame in (exception.stacktrace and exception.stacktrace.frames) or ():
            if frame is not None:
                frames.function.append(frame.function or "")
                frames.module.append(frame.module or "")
                frames.file.append(frame.filename or "")
                frames.line.append(frame.lineno or 0)
                frames.in_app.append(bool(frame.in_app))
    grouped = Grouped("0" * 32, [], "v1", "none", "title", "culprit", frames)
    origin = Origin("errors", record.partition, record.offset, record.timestamp, PROJECT, 1)
    return error_row(Decoded(event, record.value), grouped, origin, {})


async def run() -> None:
    """Read the topic from its beginning, for ever."""
    settings = load_settings()
    clickhouse = ClickHouse(settings.clickhouse)
    executor = ThreadPoolExecutor(IN_FLIGHT)
    slots = asyncio.Semaphore(IN_FLIGHT)
    loop = asyncio.get_running_loop()
    consumer = AIOKafkaConsumer(
        settings.kafka.topic_prefix + "errors",
        bootstrap_servers=settings.kafka.bootstrap,
        auto_offset_reset="earliest",
        group_id=None,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    inserted = 0

    async def insert(rows: list[Row], token: str) -> None:
        try:
            lines = _encode_lines(rows)
            await loop.run_in_executor(executor, clickhouse.insert, ERRORS_TABLE, ERROR_COLUMNS, lines, token)
        except BaseException as error:
            sys.exit(f"the bound failed: {error}")
        finally:
            slots.release()

    async with consumer:
        waiting: list[Row] = []
        tasks: set[asyncio.Task[None]] = set()
        while True:
            fetched = await consumer.getmany(timeout_ms=200)
            for records in fetched.values():
                waiting.extend(map(row, records))
            if len(waiting) >= BATCH_EVENTS or (waiting and not fetched):
                await slots.acquire()
                inserted += 1
                task = asyncio.create_task(insert(waiting, str(inserted)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                waiting = []


if __name__ == "__main__":
    asyncio.run(run())
