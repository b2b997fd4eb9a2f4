"""``aftershock doctor``, against real servers in good and in bad states."""

from __future__ import annotations

import json
import time
from pathlib import Path

from commandline import Commands
from logbook import Logbook

from pipeline.edges.kafka import ProducerRecord


def findings(commands: Commands, *options: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    result = commands.run("doctor", "--json", *options, **environment)
    return result.exit_code, {found["name"]: found for found in map(json.loads, result.stdout.splitlines())}


def test_a_fresh_installation_is_well(aftershock: Commands) -> None:
    code, found = findings(aftershock, AFTERSHOCK_HASH_KEY="k")
    assert {name: one for name, one in found.items() if one["verdict"] != "ok"} == {}
    assert code == 0
    prefix = aftershock.settings.kafka.topic_prefix
    assert found[f"topic {prefix}errors"]["detail"].startswith("4 partitions")
    assert found["lag"]["detail"].startswith("errors 0, spans 0, counts 0, alerts 0")
    assert found["last batch"]["detail"] == "none yet, and nothing waits"
    assert aftershock.settings.clickhouse.database in found["migrations"]["detail"]


def test_a_hole_in_the_ledger_and_counts_that_do_not_add_up_are_problems(aftershock: Commands) -> None:
    log = Logbook(aftershock)
    log.produce(20)
    log.batch(0, 9)
    log.rows(range(10))
    log.commit(10)
    code, found = findings(aftershock)
    assert code == 0
    assert found["ledger"]["detail"] == "no hole and no overlap in 1 batches since yesterday"
    assert found["counts"]["verdict"] == "ok"
    log.commit(20)
    aftershock.clickhouse.command("TRUNCATE TABLE errors_per_minute")
    code, found = findings(aftershock)
    assert code == 1
    assert found["ledger"]["verdict"] == found["counts"]["verdict"] == "problem"
    assert found["ledger"]["detail"] == "1 range of offsets lost, or in two batches, since yesterday"
    assert "aftershock audit --repair" in found["ledger"]["remedy"]
    assert found["counts"]["detail"].startswith("errors_per_minute:")


def test_what_was_not_migrated_is_named_with_the_remedy(bare: Commands) -> None:
    code, found = findings(bare)
    assert code == 1
    for name in (f"topic {bare.settings.kafka.topic_prefix}errors", "migrations"):
        assert found[name]["verdict"] == "problem"
        assert "aftershock migrate" in found[name]["remedy"]
    assert "lag" not in found


def test_servers_that_are_away_are_findings_and_not_the_end(bare: Commands) -> None:
    code, found = findings(bare, "--kafka", "127.0.0.1:1", "--clickhouse", "http://127.0.0.1:1")
    assert code == 1
    assert found["kafka"]["verdict"] == found["clickhouse"]["verdict"] == "problem"
    assert "127.0.0.1:1" in found["kafka"]["detail"]


def test_a_setting_that_is_not_valid_is_a_finding(bare: Commands, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[worker]\nbatch_events = 0\n")
    code, found = findings(bare, "--config", str(config))
    assert code == 1
    assert "worker.batch_events" in found["settings"]["detail"]
    assert "kafka" not in found


def test_messages_that_nobody_takes_are_a_problem(aftershock: Commands) -> None:
    aftershock.put([ProducerRecord("errors", None, b"{}"), ProducerRecord("spans", None, b"{}")])
    code, found = findings(aftershock)
    assert code == 1
    assert found["lag"]["detail"].startswith("errors 1, spans 1, counts 0, alerts 0")
    assert found["last batch"]["verdict"] == "problem"
    assert "aftershock worker" in found["last batch"]["remedy"]


def test_dead_letters_of_the_last_hour_are_a_warning(aftershock: Commands) -> None:
    now = int(time.time() * 1000)
    aftershock.insert(
        "dead_letters",
        [
            {"kafka_topic": "errors", "received": now, "stage": "decode"},
            {"kafka_topic": "errors", "received": now - 7_200_000, "stage": "scrub"},
        ],
    )
    code, found = findings(aftershock)
    assert code == 0
    assert found["dead letters"]["verdict"] == "warning"
    assert found["dead letters"]["detail"] == "1 by decode in the last hour"


def test_a_topic_that_is_not_as_declared_is_named(bare: Commands, tmp_path: Path) -> None:
    """Made with one number of partitions, looked at with another."""
    config = tmp_path / "own.toml"
    config.write_text("[kafka.partitions]\nerrors = 2\ncounts = 2\n")
    assert bare.run("migrate", "--config", str(config)).exit_code == 0
    assert findings(bare, "--config", str(config))[0] == 0
    code, found = findings(bare)
    prefix = bare.settings.kafka.topic_prefix
    assert code == 1
    assert found[f"topic {prefix}errors"]["verdict"] == "warning"
    assert found[f"topic {prefix}counts"]["verdict"] == "problem"
    assert "declared are 4" in found[f"topic {prefix}counts"]["detail"]


def test_people_see_a_line_a_check_and_what_to_do(bare: Commands) -> None:
    lines = bare.run("doctor").stdout.splitlines()
    index = next(index for index, line in enumerate(lines) if line.startswith("problem  migrations"))
    assert lines[index + 1].strip() == "run `aftershock migrate`"
