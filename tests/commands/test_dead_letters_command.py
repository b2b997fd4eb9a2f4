"""``aftershock dead-letters``, against a real broker and a real ClickHouse."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

from commandline import Commands

from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import Refused
from pipeline.store.replay import contents, replay
from schemas.dead_letter import DeadLetter, Replay, letter_id

SECRET = b'{"password": "hunter2"'
NOW_MS = int(time.time()) * 1000 - 3_600_000


def buried(
    offset: int, value: bytes = SECRET, stage: str = "decode", topic: str = "errors", weight: float = 1
) -> ProducerRecord:
    """Return a letter as a worker buries it."""
    letter = DeadLetter(topic, 1, offset, stage, "not JSON", NOW_MS + offset, project="shop", weight=weight)
    return ProducerRecord("dead-letters", b"key %d" % offset, value, letter.headers())


def replayed(aftershock: Commands, topic: str = "errors") -> list[tuple[bytes, bytes, dict[str, bytes]]]:
    return [(record.key, record.value, dict(record.headers)) for record in aftershock.on_topic(topic)]


def shown(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def states(aftershock: Commands) -> dict[str, str]:
    lines = aftershock.run("dead-letters", "list", "--from", "topic", "--json").stdout.splitlines()
    return {row["source"]: row["state"] for row in map(json.loads, lines)}


def test_the_table_is_listed_newest_first(aftershock: Commands) -> None:
    rows: list[dict[str, Any]] = [
        {
            "kafka_topic": "errors",
            "kafka_partition": 1,
            "kafka_offset": offset,
            "received": NOW_MS + 1000 * offset,
            "project": "shop",
            "stage": stage,
            "reason": "a reason",
            "bytes": 22,
        }
        for offset, stage in ((7, "decode"), (8, "scrub"), (9, "decode"))
    ]
    aftershock.insert("dead_letters", rows)
    found = [json.loads(line) for line in aftershock.run("dead-letters", "list", "--json").stdout.splitlines()]
    assert [row["source"] for row in found] == ["errors/1/9", "errors/1/8", "errors/1/7"]
    assert found[2] == {
        "source": "errors/1/7",
        "time": shown(NOW_MS + 7000),
        "project": "shop",
        "stage": "decode",
        "bytes": 22,
        "reason": "a reason",
    }
    table = aftershock.run("dead-letters", "list", "--stage", "decode", "--limit", "1").stdout.splitlines()
    assert len(table) == 2
    assert "errors/1/9" in table[1]


def test_the_original_bytes_are_shown_only_when_asked_for(aftershock: Commands) -> None:
    aftershock.put([buried(7)])
    for name in ("errors/1/7", "0-0"):
        result = aftershock.run("dead-letters", "show", name)
        assert result.exit_code == 0
        assert "hunter2" not in result.output
        for part in ("errors/1/7", "0-0", shown(NOW_MS + 7), "shop", "decode", "not JSON", str(len(SECRET))):
            assert part in result.stdout
        assert aftershock.run("dead-letters", "show", name, "--raw").stdout_bytes == SECRET
    missing = aftershock.run("dead-letters", "show", "errors/1/8")
    assert isinstance(missing.exception, Refused)


def test_a_replay_sends_the_original_once_however_often_it_is_asked(aftershock: Commands) -> None:
    """Key, bytes and project are the original ones; the header names the letter; a second replay sends nothing."""
    aftershock.put([buried(7), buried(8, b"\xff\x00", topic="spans")])
    first = aftershock.run("dead-letters", "replay")
    assert (first.exit_code, first.stderr) == (0, "replayed 2 dead letters\n")
    letter = letter_id(DeadLetter("errors", 1, 7, "decode", "not JSON", 0), SECRET)
    assert replayed(aftershock) == [(b"key 7", SECRET, {"replayed-from": letter.encode(), "project": b"shop"})]
    assert [value for _, value, _ in replayed(aftershock, "spans")] == [b"\xff\x00"]
    again = aftershock.run("dead-letters", "replay", "errors/1/7", "0-1")
    assert (again.exit_code, again.stderr) == (0, "replayed 0 dead letters; replayed before: 2\n")
    assert len(replayed(aftershock)) == len(replayed(aftershock, "spans")) == 1
    assert states(aftershock) == {"errors/1/7": "replayed", "spans/1/8": "replayed"}


def test_a_replay_says_how_many_events_the_letter_stands_for(aftershock: Commands) -> None:
    aftershock.put([buried(7, weight=20)])
    assert aftershock.run("dead-letters", "replay").exit_code == 0
    [(_, _, headers)] = replayed(aftershock)
    assert float(headers["weight"]) == 20


def test_a_letter_that_was_buried_twice_is_replayed_once(aftershock: Commands) -> None:
    """A worker that crashes in between buries a message again; a topic made anew has other bytes at that offset."""
    aftershock.put([buried(7), buried(7), buried(7, b"other bytes")])
    assert aftershock.run("dead-letters", "replay").stderr == "replayed 2 dead letters\n"
    assert sorted(value for _, value, _ in replayed(aftershock)) == [b"other bytes", SECRET]


def test_letters_are_chosen_by_stage_and_by_name(aftershock: Commands) -> None:
    aftershock.put([buried(1), buried(2, stage="scrub"), buried(3), buried(4)])
    dry = aftershock.run("dead-letters", "replay", "--stage", "decode", "--dry-run")
    assert dry.stdout.splitlines() == [f"errors/1/{offset} (decode, {len(SECRET)} bytes)" for offset in (1, 3, 4)]
    assert replayed(aftershock) == []
    assert aftershock.run("dead-letters", "replay", "--stage", "scrub").exit_code == 0
    assert aftershock.run("dead-letters", "replay", "errors/1/3", "0-3").exit_code == 0
    assert sorted(key for key, _, _ in replayed(aftershock)) == [b"key 2", b"key 3", b"key 4"]
    assert states(aftershock)["errors/1/1"] == ""


def test_an_unfinished_replay_leaves_letters_unsure_and_does_not_send_them_by_itself(aftershock: Commands) -> None:
    """A claim without its second note: perhaps it was sent. Only a person who names it has it sent again."""
    claim = Replay(letter_id(DeadLetter("errors", 1, 7, "", "", 0), SECRET), "ab" * 16, "claimed")
    aftershock.put([buried(7), ProducerRecord("dead-letters", claim.replayed.encode(), b"", claim.headers())])
    assert states(aftershock) == {"errors/1/7": "unsure"}
    result = aftershock.run("dead-letters", "replay")
    assert "replay --again 0-0" in result.stderr
    assert replayed(aftershock) == []
    assert aftershock.run("dead-letters", "replay", "--again", "0-0").exit_code == 0
    assert len(replayed(aftershock)) == 1
    assert states(aftershock) == {"errors/1/7": "replayed"}


def test_of_replays_at_the_same_time_one_sends_the_letter(aftershock: Commands) -> None:
    """All have read the topic before any of them claims."""
    aftershock.put([buried(7), buried(8)])
    kafka = aftershock.settings.kafka

    async def five() -> list[int]:
        read = [await contents(kafka) for _ in range(5)]
        return await asyncio.gather(
            *(replay(kafka, one.letters, one.read_to, refused=lambda _message, _reason: None) for one in read)
        )

    assert sum(asyncio.run(five())) == 2
    assert sorted(key for key, _, _ in replayed(aftershock)) == [b"key 7", b"key 8"]


def test_wrong_usage_is_said(aftershock: Commands) -> None:
    assert aftershock.run("dead-letters", "replay", "--again").exit_code == 2
    assert aftershock.run("dead-letters", "replay", "--stage", "scrub", "0-0").exit_code == 2
