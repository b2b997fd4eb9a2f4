"""The runs of chaos: which kinds a seed has, how steps are scheduled, and what the table says of rounds."""

from __future__ import annotations

import itertools
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.__main__ import parser
from tests.chaos.faults import ADDED, APART, BEFORE, KINDS, ORIGINAL, ROTATION, chosen_kinds
from tests.chaos.many import many, seeds_of
from tests.chaos.options import Options
from tests.chaos.run import kinds_of_round
from tests.chaos.schedule import Schedule, Steps
from tests.chaos.table import as_text, read_rounds, table
from tests.chaos.watch import Seen, recovery, stretches

SINGLE = (
    "kill clickhouse killstage kafka stop term both third drop stopgroup cutkafka lose hangclickhouse killgroup"
    " cutclickhouse hangkafka stopstage reset losekafka holdkill reconfig"
)


def test_seeds_keep_the_kinds_that_they_have_always_had() -> None:
    assert list(ORIGINAL) == SINGLE.split()
    assert chosen_kinds(()) == tuple(ORIGINAL)
    of_seed = [kinds_of_round(Options(seed=2), number, list) for number in range(10)]
    assert of_seed == [["reconfig"], *([kind] for kind in SINGLE.split()[:9])]


def test_mixed_rounds_draw_as_they_have_always_done() -> None:
    chance = random.Random(4)

    def sample(kinds: Sequence[str]) -> list[str]:
        return chance.sample(kinds, min(chance.choice((2, 3)), len(kinds)))

    drawn = [kinds_of_round(Options(seed=4, mode="mixed"), number, sample) for number in range(3)]
    assert drawn == [["stopgroup", "kafka"], ["hangkafka", "stop", "killstage"], ["kill", "hangclickhouse"]]


def test_kinds_may_be_named_grouped_and_joined() -> None:
    assert chosen_kinds(["kill", "kafka+term"]) == ("kill", "kafka+term")
    assert chosen_kinds(["all"]) == ROTATION
    assert kinds_of_round(Options(seed=0, kinds=("kafka+term",)), 3, list) == ["kafka", "term"]
    assert kinds_of_round(Options(seed=0, mode="none"), 3, list) == []
    with pytest.raises(ValueError, match="'nothing' is no kind"):
        chosen_kinds(["nothing"])


def test_kinds_that_are_apart_say_why_and_have_no_turn() -> None:
    assert set(APART) <= set(ADDED)
    assert set(ADDED) >= BEFORE
    assert all(APART.values())
    assert not set(APART) & set(ROTATION)
    assert set(ROTATION) | set(APART) == set(KINDS)
    assert all(kind.__doc__ for kind in KINDS.values())


class Clock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ticks = 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def tick(self, _now: float) -> None:
        self.ticks += 1

    def schedule(self) -> Schedule:
        return Schedule(self.tick, lambda: self.now, self.sleep)


def test_steps_wait_as_long_as_they_say_and_those_of_others_go_on_meanwhile() -> None:
    clock = Clock()
    schedule = clock.schedule()
    done: list[tuple[str, float]] = []

    def steps(name: str, wait: float) -> Steps:
        for _ in range(2):
            done.append((name, round(clock.now - 100)))
            yield wait
        done.append((name, round(clock.now - 100)))

    schedule.add(steps("a", 2))
    schedule.add(steps("b", 3), after=1)
    assert schedule.until(lambda: not len(schedule), 60)
    assert done == [("a", 0), ("b", 1), ("a", 2), ("a", 4), ("b", 4), ("b", 7)]
    assert clock.ticks > 200


def test_waiting_ends_when_the_time_is_over() -> None:
    schedule = Clock().schedule()

    schedule.add(itertools.repeat(0.1))
    assert not schedule.until(lambda: False, 5)
    assert len(schedule) == 1


def test_seeds_are_ranges_and_numbers() -> None:
    assert seeds_of("0-3,7") == [0, 1, 2, 3, 7]
    with pytest.raises(ValueError, match="invalid literal"):
        seeds_of("a-b")


def test_many_passes_on_what_it_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "rounds.jsonl"
    given = parser().parse_args(
        ["many", "--seeds=5", "--kinds=kill,all", "--rounds=3", "--keep", f"--log={log}", "--settings=0"]
    )
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert given.main(given) is False
    said = (tmp_path / "said").read_text().split()
    assert said[:4] == ["-m", "tests.chaos", "run", "5"]
    assert sorted(said[4:]) == sorted(["--rounds=3", "--kinds=kill,all", "--settings=0", "--keep", f"--log={log}"])
    again = vars(parser().parse_args(said[2:]))
    assert (again["rounds"], again["kinds"], again["settings"], again["keep"]) == (3, ("kill", "all"), 0, True)


def test_many_is_clean_only_if_all_seeds_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n[ $4 != 2 ]\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert many([1, 3], [], parallel=2, log=tmp_path / "log")
    assert not many([1, 2, 3], [], parallel=2, log=tmp_path / "log")


def test_the_table_counts_by_kind(tmp_path: Path) -> None:
    rounds = [
        {"kinds": ["kill"], "recovery": {"back_s": 3.0}, "verdict": "ok", "found": {}, "log_lines": 5},
        {"kinds": ["kill"], "recovery": {"back_s": 9.0}, "verdict": "ok", "found": {}, "log_lines": 7},
        {
            "kinds": ["kafka", "kill"],
            "recovery": {},
            "verdict": "VIOLATION",
            "found": {"lost": 4, "alert missing": 2, "ledger": 1, "harness": 1},
            "skipped": ["kafka: no"],
            "by_hand": True,
        },
        {"kinds": [], "recovery": {}, "verdict": "VIOLATION"},
    ]
    log = tmp_path / "rounds.jsonl"
    log.write_text("12:00:00 seed 1 begins\n" + "\n".join(map(json.dumps, rounds)) + "\n")
    lines = {line.kind: line for line in table(read_rounds([log]))}
    assert list(lines) == ["kill", "nothing broken", "several at once", "all"]
    assert (lines["kill"].rounds, lines["kill"].recovery, lines["kill"].log_lines) == (2, (6.0, 9.0), 12)
    assert list(lines["several at once"].found) == [4, 0, 2, 0, 0, 2]
    assert (lines["several at once"].stuck, lines["several at once"].skipped) == (1, 1)
    assert (lines["all"].rounds, lines["all"].wrong) == (4, 2)
    text = as_text(list(lines.values())).splitlines()
    assert text[0].split()[:3] == ["kind", "rounds", "wrong"]
    assert text[1].split() == ["kill", "2", "0", "0", "0", "0", "0", "0", "0", "0", "0", "6.0", "9.0", "12"]


def test_recovery_is_counted_from_the_end_of_the_last_fault() -> None:
    history = [(0.0, 10, 0, 0), (2.0, 900, 0, 0), (4.0, None, None, None), (5.0, 40, 0, 0), (6.0, 300, 0, 0),
               (7.0, 90, 0, 0), (8.0, 0, 0, 0)]  # fmt: skip
    found = recovery(history, [(1.0, 3.0), (2.0, 4.5)], 7.5, usual=100)
    assert found == {"peak_lag": 900.0, "back_s": 2.5, "zero_s": 3.5}
    assert recovery(history, [], 7.5, usual=100) == {}


def test_what_pages_say_is_told_in_stretches() -> None:
    seen = [Seen(9.0, 200, 200, ""), Seen(10.0, 200, 200, ""), Seen(10.5, 200, 200, ""), Seen(11.0, 0, 0, "kafka")]
    assert stretches(seen, 10.0) == [(0.0, 0.5, 200, 200, ""), (1.0, 1.0, 0, 0, "kafka")]
