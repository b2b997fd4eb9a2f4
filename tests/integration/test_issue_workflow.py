"""Issues that people resolve, ignore, merge and delete, with a real broker and a worker that is killed in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from installation import Installation, event, message

WORKER = """
[worker]
batch_events = 50
linger_ms = 50
flush_interval_s = {flush_s}

[filter]
environments = ["local"]
"""
RULES = """
[[rule]]
name = "regressed"
kind = "regressed"

[[rule]]
name = "unignored"
kind = "unignored"

[[rule]]
name = "four in one window"
kind = "count"
threshold = 4
window = "1h"
"""
RESOLVED, IGNORED, MERGED, WHOLE, DISCARDED = range(5)


def test_each_issue_comes_back_once_although_the_worker_is_killed_in_between(installation: Installation) -> None:
    installation.configure(RULES + WORKER.format(flush_s=60))
    installation.produce([("issue-changes", b"hunter2", b"shop/nothing")])
    with installation.worker() as worker:
        send(installation, range(5))
        installation.wait_for_rows(5)
        of = fingerprints(installation)
        run(installation, "resolve", of[RESOLVED])
        run(installation, "ignore", of[IGNORED], "--until-count", "2")
        run(installation, "merge", of[MERGED], "--into", of[WHOLE])
        run(installation, "delete", of[DISCARDED], "--discard", "--yes")
        installation.wait_for("the changes", lambda: installation.value("SELECT count() FROM issue_status") == 4)
        send(installation, (RESOLVED, IGNORED, MERGED, DISCARDED))
        installation.produce(message(event(number, environment="local")) for number in range(3))
        installation.wait_for("the regression", lambda: "regressed" in fired(installation))
        assert installation.value("SELECT count() FROM issue_reactions") == 0, "nothing was written of it yet"
        worker.kill()

    installation.config.write_text(
        installation.config.read_text().replace("flush_interval_s = 60", "flush_interval_s = 1")
    )
    with installation.worker():
        send(installation, (RESOLVED, IGNORED, MERGED, WHOLE, DISCARDED))
        installation.wait_for("both in one window", lambda: "four in one window" in fired(installation))
        installation.wait_for("the reactions", lambda: installation.value("SELECT count() FROM issue_reactions") == 2)
        installation.wait_for_rows(11)
        assert fired(installation) == {"regressed": 1, "unignored": 1, "four in one window": 1}
        assert statuses(installation) == {
            of[RESOLVED]: ("regressed", 3),
            of[IGNORED]: ("open", 3),
            of[WHOLE]: ("open", 5),
        }
        run(installation, "unmerge", of[MERGED])
        installation.wait_for("two issues again", lambda: statuses(installation).get(of[MERGED]) == ("open", 3))
        assert statuses(installation)[of[WHOLE]] == ("open", 2)

    (letter,) = installation.rows("SELECT kafka_topic, stage FROM dead_letters")
    assert letter == {"kafka_topic": "issue-changes", "stage": "decode"}
    assert installation.value(f"SELECT count() FROM errors WHERE fingerprint = '{of[DISCARDED]}'") == 0
    dropped = "SELECT project, category, reason, sum(quantity) AS n FROM outcomes GROUP BY ALL"
    assert {tuple(row.values()) for row in installation.rows(dropped)} == {
        ("shop", "error", "filtered:environments", 3),
        ("shop", "error", "discarded", 2),
    }, "each once, although the batch may have been processed twice"
    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    (burst,) = [alert for alert in alerts if alert["kind"] == "count"]
    assert burst["fingerprint"] == of[WHOLE]
    assert burst["value"] == 4
    assert len(installation.rows(burst["query"])) == 5, "the evidence has the event from before the merge too"


def send(installation: Installation, groups: Iterable[int]) -> None:
    installation.produce(message(event(group=group, environment="production")) for group in groups)


def run(installation: Installation, *arguments: str) -> None:
    done = installation.command("issues", *arguments)
    assert done.returncode == 0, done.stderr


def fingerprints(installation: Installation) -> dict[int, str]:
    """The fingerprint of each group of events."""
    rows = installation.rows("SELECT fingerprint, title FROM errors")
    return {int(row["title"].partition(":")[0].removeprefix("Failure")): row["fingerprint"] for row in rows}


def fired(installation: Installation) -> Counter[str]:
    """How many messages each rule has sent."""
    return Counter(json.loads(record.value)["rule"] for record in installation.consume("alerts"))


def statuses(installation: Installation) -> dict[str, tuple[str, int]]:
    """The status and the number of events of each issue."""
    rows = installation.rows("SELECT fingerprint, status, events FROM all_issues")
    return {row["fingerprint"]: (row["status"], row["events"]) for row in rows}
