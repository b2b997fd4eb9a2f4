"""What is kept of a round: one line of JSON in the log of rounds, and a directory of evidence where it went wrong."""

from __future__ import annotations

import base64
import collections
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.chaos.findings import Finding, tally
from tests.chaos.installation import Installation
from tests.chaos.rounds import Round
from tests.chaos.watch import recovery, stretches

MOST_WRONG = 50
_USUAL_LAG_S = 3
_POLL_S = 5.0
_DUMPED = ("counts", "windows")


class Before:
    """How much of everything had happened when a round began."""

    def __init__(self, here: Installation) -> None:
        self.ends = len(here.ends)
        self.died = [server.died for server in here.servers]
        self.lines = log_lines(here)


def log_lines(here: Installation) -> int:
    """Return how many lines the product's programs have logged in all."""
    logs = [log for program in here.programs.values() for log in program.child.logs()]
    return sum(log.read_bytes().count(b"\n") for log in logs)


def summary(one: Round, kinds: Sequence[str], findings: Sequence[Finding], before: Before) -> dict[str, Any]:
    """Return a round's line of the log; times are seconds since its first event."""
    here, course = one.here, one.course
    begun = course.begun
    faults = [(fault.begun, fault.ended or course.load_end) for fault in course.faults]
    history = [look for look in here.lag.history if look[0] >= begun]
    return {
        "seed": here.options.seed,
        "round": one.number,
        "config": one.variant.name,
        "kinds": list(kinds),
        "faults": [
            [fault.kind, fault.target, round(start - begun, 2), round(end - begun, 2)]
            for fault, (start, end) in zip(course.faults, faults, strict=True)
        ],
        "skipped": course.skipped,
        "events": len(one.events),
        "envelopes": course.answers,
        "load_s": round(course.load_end - begun, 1),
        "drain_s": round(course.drained_at - course.load_end, 1),
        "by_hand": course.by_hand,
        "recovery": recovery(history, faults, course.load_end, here.options.rate * _USUAL_LAG_S),
        "health": {here.workers[slot].name: stretches(pages.seen, begun) for slot, pages in here.pages.items()},
        "ended_by_itself": here.ends[before.ends :],
        "servers_died": [server.died - died for server, died in zip(here.servers, before.died, strict=True)],
        "peak_mb": {worker.name: [round(worker.peak_main), round(worker.peak_all)] for worker in here.workers.values()},
        "log_lines": log_lines(here) - before.lines,
        "alerts_repeated": one.alerts_repeated,
        "found": tally(findings),
        "wrong": [finding.text for finding in findings[:MOST_WRONG]],
        "sabotage": one.sabotage,
        "verdict": "VIOLATION" if findings else "ok",
    }


def in_words(line: dict[str, Any]) -> str:
    """Return a round's line for people."""
    faults = "; ".join(f"{kind} {target} {begun:.0f}-{ended:.0f} s" for kind, target, begun, ended in line["faults"])
    return (
        f"round {line['round']} [{line['config']}] {faults or 'nothing broken'} | drained {line['drain_s']} s after the"
        f" load, {line['recovery']} | {line['verdict']}"
    )


def append(log: Path, line: dict[str, Any]) -> None:
    """Add a line to a log that several processes may be writing to."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)


def keep_evidence(one: Round, rounds: Iterable[Round], findings: Sequence[Finding]) -> Path:
    """Write down everything that may tell what went wrong; return where."""
    here = one.here
    place = here.directory / f"evidence-{one.number}"
    place.mkdir(exist_ok=True)
    (place / "wrong.json").write_text(json.dumps(findings, indent=1))
    (place / "faults.json").write_text(json.dumps([vars(fault) for fault in here.faults]))
    (place / "lag.json").write_text(json.dumps(here.lag.history))
    (place / "pages.json").write_text(json.dumps({slot: pages.seen for slot, pages in here.pages.items()}))
    if position := here.lag.latest:
        offsets = [f"{key} ends {ends} committed {position.committed.get(key)}" for key, ends in position.ends.items()]
        (place / "offsets.txt").write_text("\n".join(offsets))
    for table in ("batches", "topics", "dead_letters"):
        _write_lines(place / f"{table}.json", here.clickhouse.rows(f"SELECT * FROM {table}"))
    _write_lines(
        place / "events.json",
        (
            [each.project, event.id, event.type, event.env, event.ms, event.weight, event.partition, event.offset]
            for each in rounds
            for event in each.events
        ),
    )
    _write_lines(place / "alerts.json", one.alerts.read)
    for topic in _DUMPED:
        _dump(here.ports.bootstrap, topic, place / f"{topic}.jsonl")
    return place


def _write_lines(file: Path, values: Iterable[object]) -> None:
    file.write_text("\n".join(map(json.dumps, values)))


def _dump(bootstrap: str, topic: str, file: Path) -> None:
    """Write a topic's records, as partition, offset, time, key and value, the last two in base64."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "chaos-look", "enable.auto.commit": False, "log_level": 0}
    )
    with file.open("w") as out:
        for partition in consumer.list_topics(topic, timeout=_POLL_S).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_POLL_S)
            if low == high:
                continue
            consumer.assign([TopicPartition(topic, partition, low)])
            while True:
                message = consumer.poll(_POLL_S)
                if message is None or message.error() is not None:
                    break
                offset = message.offset() or 0
                record = [partition, offset, message.timestamp()[1], _text(message.key()), _text(message.value())]
                out.write(json.dumps(record) + "\n")
                if offset >= high - 1:
                    break
    consumer.close()


def _text(value: str | bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def noise(here: Installation) -> dict[str, Any]:
    """Return what the workers have logged: lines by level, the most frequent texts, and lines that are no JSON."""
    levels, texts, plain = (collections.Counter[str]() for _ in range(3))
    for worker in here.workers.values():
        for log in worker.child.logs():
            for line in log.read_text(errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    text = f"{entry['level']} {entry['logger']}: {_without_numbers(entry['message'])}"
                except (ValueError, KeyError, TypeError):
                    plain[_without_numbers(line)] += 1
                else:
                    levels[entry["level"]] += 1
                    texts[text] += 1
    return {"levels": levels, "texts": texts.most_common(25), "not_json": plain.most_common(15)}


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "N", text)[:160]
