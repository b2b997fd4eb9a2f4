"""``aftershock scrub`` and ``aftershock forget``, against a real ClickHouse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from commandline import Commands

from pipeline.payload.identity import user_hash
from schemas.event import User

KEY = b"k"


def store(aftershock: Commands, rows: list[dict[str, object]], table: str = "errors") -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    every = dict.fromkeys((key for row in rows for key in row), "")
    aftershock.insert(table, [{**every, "timestamp": now, "received": now, **row} for row in rows])


def test_try_shows_before_and_after_and_each_rule(bare: Commands, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"message": "mail to bob@example.com", "extra": {"n": 1, "password": "x1"}}')
    lines = bare.run("scrub", "try", str(file)).stdout.splitlines()
    assert '-  "message": "mail to bob@example.com",' in lines
    assert '+  "message": "mail to [email]",' in lines
    assert [line.split() for line in lines[-2:]] == [["1", "email", "message"], ["1", "password", "extra"]]


def test_try_of_a_clean_event_says_so(bare: Commands) -> None:
    assert "nothing found" in bare.run("scrub", "try", stdin='{"message": "hello"}').stdout


def test_try_refuses_what_is_no_event(bare: Commands) -> None:
    result = bare.run("scrub", "try", stdin="bob@example.com")
    assert result.exit_code == 3
    assert "bob" not in result.stderr


def test_audit_names_what_remains_without_its_text(aftershock: Commands) -> None:
    assert "nothing remains" in aftershock.run("scrub", "audit").stdout
    store(
        aftershock,
        [
            {
                "project": "shop",
                "event_id": "a1",
                "payload": '{"message":"to [email]","extra":{"password":"[password]"}}',
            },
            {"project": "shop", "event_id": "a2", "payload": '{"message":"to bob@example.com"}'},
            {"project": "shop", "event_id": "a3", "payload": '{"extra":{"b":"{\\"password\\": \\"hunter2\\"}"}}'},
        ],
    )
    result = aftershock.run("scrub", "audit")
    assert result.exit_code == 1
    assert "3 rows of errors" in result.stdout
    assert "errors: message  (for example in a2)" in result.stdout
    assert "errors: extra  (for example in a3)" in result.stdout
    assert "bob@" not in result.stdout
    assert "hunter2" not in result.stdout


def test_forget_erases_one_person_from_every_table(aftershock: Commands) -> None:
    aftershock.environment["AFTERSHOCK_HASH_KEY"] = KEY.decode()
    jane = user_hash(User(email="jane@example.com"), "shop", KEY)
    store(
        aftershock,
        [
            {"project": "shop", "event_id": "a1", "user_hash": jane},
            {"project": "shop", "event_id": "a2", "user_hash": jane + 1},
            {"project": "shop", "event_id": "a3", "user_hash": 0, "user_id": "jane@example.com"},
        ],
    )
    store(aftershock, [{"project": "shop", "span_id": "b1", "user_hash": jane}], "spans")
    planned = aftershock.run("forget", "--user", "jane@example.com", "--dry-run").stdout
    assert "errors: 2 rows" in planned
    assert "nothing was erased" in planned
    done = aftershock.run("forget", "--user", "jane@example.com", "--yes").stdout
    assert "errors: 2 rows erased, 0 remain" in done
    assert "spans: 1 rows erased, 0 remain" in done
    left = aftershock.clickhouse.rows("SELECT event_id FROM errors")
    assert [row["event_id"] for row in left] == ["a2"]
    assert "nobody by that name" in aftershock.run("forget", "--user", "jane@example.com", "--yes").stdout


def test_forget_takes_a_person_out_of_the_rows_of_others(aftershock: Commands) -> None:
    """A row that stands for several events knows the hashes of their users."""
    aftershock.environment["AFTERSHOCK_HASH_KEY"] = KEY.decode()
    jane = user_hash(User(email="jane@example.com"), "shop", KEY)
    rows = [
        {"project": "shop", "event_id": "a1", "user_hash": 7, "other_users": [8, jane, 9], "sample_weight": 4},
        {"project": "shop", "event_id": "a2", "user_hash": jane, "other_users": [8, jane], "sample_weight": 2},
        {"project": "blog", "event_id": "a3", "user_hash": 7, "other_users": [jane], "sample_weight": 1},
    ]
    store(aftershock, rows)
    planned = aftershock.run("forget", "--user", "jane@example.com", "--dry-run").stdout
    assert "errors: 1 rows of others" in planned
    assert aftershock.clickhouse.rows("SELECT uniqArray(users) AS users FROM errors") == [{"users": 4}]
    done = aftershock.run("forget", "--user", "jane@example.com", "--yes").stdout
    assert "taken out of 1 rows" in done
    left = aftershock.clickhouse.rows("SELECT event_id, users, sample_weight FROM errors ORDER BY event_id")
    assert [(row["event_id"], sorted(row["users"]), row["sample_weight"]) for row in left] == [
        ("a1", [7, 8, 9], 4),
        ("a3", sorted([7, jane]), 1),
    ]
    assert "nobody by that name" in aftershock.run("forget", "--user", "jane@example.com", "--yes").stdout
