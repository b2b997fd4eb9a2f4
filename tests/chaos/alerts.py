"""The comparison of alerts: which rules fired and resolved for which groups, how often, and with which values."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.chaos.errors import Types
from tests.chaos.findings import Finding
from tests.chaos.load import ENVIRONMENTS, Shape
from tests.chaos.servers import ClickHouse

Alert = Mapping[str, Any]
Group = tuple[str, str]
"""Environment, and the issue's fingerprint or the name that the load has for it; no issue where a rule counts all."""
Key = tuple[str, str]
"""Rule and state."""
NEW_ISSUE: Key = ("new issue", "firing")
_POLL_S = 5.0


class AlertTopic:
    """Reads the alert topic, on and on. ``ignored`` are ids that are passed over, which is a sabotage."""

    def __init__(self, bootstrap: str) -> None:
        self.read: list[Alert] = []
        self.ignored: set[str] = set()
        self._kafka = bootstrap
        self._offset = 0

    def go_on(self) -> None:
        """Read what has come since the last time.

        Raises:
            KafkaException: Kafka does not answer.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self._kafka,
                "group.id": "chaos-look",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        try:
            partition = TopicPartition("alerts", 0, self._offset)
            ends = consumer.get_watermark_offsets(partition, timeout=_POLL_S, cached=False)
            consumer.assign([partition])
            while ends is not None and self._offset < ends[1]:
                message = consumer.poll(_POLL_S)
                if message is None or message.error() is not None:
                    break
                self.read.append(json.loads(message.value() or b""))
                self._offset = (message.offset() or 0) + 1
        finally:
            consumer.close()

    def of_project(self, project: str) -> list[Alert]:
        """Return what was said of a project."""
        return [one for one in self.read if one["project"] == project and one["id"] not in self.ignored]


def said(alerts: Iterable[Alert]) -> dict[Key, dict[Group, set[str]]]:
    """Return the ids of the alerts, by rule and state, and by group."""
    found: dict[Key, dict[Group, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for alert in alerts:
        found[alert["rule"], alert["state"]][alert["environment"], alert["fingerprint"]].add(alert["id"])
    return found


def expected_groups(project: str, shape: Shape) -> dict[Key, set[Group]]:
    """Return for which groups each rule must fire and resolve; those that count an issue as new are not among them."""
    every = {(env, f"Failure{issue}Error") for issue in range(shape.issues) for env in ENVIRONMENTS}
    class_a = {
        (env, f"Failure{issue}Error")
        for issue in range(shape.issues)
        for number, env in enumerate(ENVIRONMENTS)
        if shape.is_class_a(issue, number)
    }
    bursts = {(env, f"Burst{number}Error") for number, env in enumerate(ENVIRONMENTS)}
    return {
        (f"{project} T-1", "firing"): every,
        (f"{project} T", "firing"): class_a,
        (f"{project} half T-1", "firing"): every,
        (f"{project} half T", "firing"): class_a,
        (f"{project} all T", "firing"): {(env, "") for env in ENVIRONMENTS},
        (f"{project} burst", "firing"): bursts,
        (f"{project} burst", "resolved"): bursts,
    }


def all_there(project: str, shape: Shape, alerts: Iterable[Alert]) -> bool:
    """Say whether there are as many groups of each rule as there must be."""
    found = said(alerts)
    wanted = {key: len(groups) for key, groups in expected_groups(project, shape).items()}
    wanted[NEW_ISSUE] = shape.types
    return all(len(found[key]) >= number for key, number in wanted.items())


def compare_alerts(project: str, shape: Shape, alerts: Iterable[Alert], types: Types) -> list[Finding]:
    """Compare what was said of a round's project with what its events give reason to."""
    alerts = list(alerts)
    found = said(alerts)
    groups = expected_groups(project, shape)
    findings: list[Finding] = []
    for key in {*found, *groups}:
        if key != NEW_ISSUE:
            by_name = {(env, types.get(issue, issue)): ids for (env, issue), ids in found[key].items()}
            findings += _compare_groups(key, groups.get(key, set()), by_name)
    findings += compare_new_issues(found[NEW_ISSUE], types, shape.types)
    exact = {
        f"{project} T": shape.whole,
        f"{project} half T": shape.half,
        f"{project} all T": shape.everything,
        f"{project} burst": float(shape.burst),
    }
    off = [
        alert
        for alert in alerts
        if alert["state"] == "firing" and abs(alert["value"] - exact.get(alert["rule"], alert["value"])) > 1e-6
    ]
    if off:
        rule, value = off[0]["rule"], off[0]["value"]
        text = f"alerts: {len(off)} values differ, such as {value} of {rule}, where {exact[rule]} were sent"
        findings.append(Finding("alert", len(off), text))
    return findings


def _compare_groups(key: Key, wanted: set[Group], found: Mapping[Group, set[str]]) -> list[Finding]:
    findings: list[Finding] = []
    if missing := wanted - found.keys():
        text = f"alerts: {key}: missing {len(missing)} of {len(wanted)}: {sorted(missing)[:4]}"
        findings.append(Finding("alert missing", len(missing), text))
    if more := found.keys() - wanted:
        text = f"alerts: {key}: {len(more)} that must not be: {sorted(more)[:4]}"
        findings.append(Finding("alert extra", len(more), text))
    if several := [(group, sorted(ids)) for group, ids in found.items() if len(ids) > 1]:
        text = f"alerts: {key}: {len(several)} groups with several ids: {several[:3]}"
        findings.append(Finding("alert extra", len(several), text))
    return findings


def compare_new_issues(found: Mapping[Group, set[str]], types: Types, number: int) -> list[Finding]:
    """Compare the alerts of new issues: one for each, whatever its environments are."""
    seen = collections.Counter(types.get(issue, issue) for (_, issue), ids in found.items() for _ in ids)
    findings: list[Finding] = []
    if len(seen) < number:
        text = f"alerts: new issue: {len(seen)} issues, not {number}"
        findings.append(Finding("alert missing", number - len(seen), text))
    if more := len(seen) - number if len(seen) > number else sum(count - 1 for count in seen.values()):
        text = f"alerts: new issue: {more} too many: {[one for one in seen.items() if one[1] != 1][:4]}"
        findings.append(Finding("alert extra", more, text))
    return findings


def repeated(alerts: Iterable[Alert]) -> int:
    """Return how many alerts were said again with the id that they had; consumers drop those by the id."""
    ids = [alert["id"] for alert in alerts]
    return len(ids) - len(set(ids))


def compare_stored(clickhouse: ClickHouse, project: str, alerts: Iterable[Alert]) -> list[Finding]:
    """Compare the table of alerts with the topic, and see whether the events that alerts name are stored."""
    alerts = list(alerts)
    ids = {alert["id"] for alert in alerts}
    stored = {row["id"] for row in clickhouse.rows(f"SELECT DISTINCT id FROM alerts WHERE project = '{project}'")}
    findings: list[Finding] = []
    if stored != ids:
        text = f"alerts table: {len(ids - stored)} missing, {len(stored - ids)} more than on the topic"
        findings.append(Finding("alert", len(ids ^ stored), text))
    named = {event for alert in alerts for event in alert["event_ids"]}
    rows = clickhouse.rows(f"SELECT DISTINCT event_id FROM errors WHERE project = '{project}'")
    if absent := named - {row["event_id"] for row in rows}:
        text = f"alerts: name {len(absent)} of {len(named)} events that are not stored"
        findings.append(Finding("alert", len(absent), text))
    return findings
