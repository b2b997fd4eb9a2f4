"""The parts of the soak test that need no hour: trends, bounds, the plot, and what the comparison sees."""

from __future__ import annotations

import math
import signal
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import Encoder

from benchmarks.processes import busy_seconds, command_line, cpu_seconds, descriptors, resident_megabytes, threads
from benchmarks.soak.__main__ import ended_by_signals, shown
from benchmarks.soak.bounds import targets, warm_up_seconds
from benchmarks.soak.comparison import Check, Comparison
from benchmarks.soak.plot import Panel, draw, panels, ticks
from benchmarks.soak.samples import quantile
from benchmarks.soak.trend import figure, table, trend, word
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.store.migrate import migrate_clickhouse

SVG = "{http://www.w3.org/2000/svg}"


def series(values: list[float], name: str = "x") -> list[dict[str, float]]:
    """Return samples of one series, ten seconds apart."""
    return [{"seconds": 10.0 * number, name: value} for number, value in enumerate(values)]


def test_a_line_has_its_slope_an_hour_and_its_tenths() -> None:
    """A hundred samples from 100 on, one more each: 360 an hour."""
    found = trend("x", series([100.0 + number for number in range(100)]))
    assert found.per_hour == pytest.approx(360)
    assert (found.first, found.middle, found.last) == (104.5, 149.5, 194.5)
    assert found.word == "grows"
    assert trend("x", series([100.0 - number / 2 for number in range(100)])).word == "falls"


def test_what_goes_up_and_down_is_flat_wherever_it_ends() -> None:
    """A saw tooth that ends at its highest is flat; the same on a slope that is steeper than its teeth grows."""
    teeth = [100.0 + number % 20 * 5 for number in range(100)]
    assert trend("x", series(teeth)).word == "flat"
    assert trend("x", series([value + 2 * number for number, value in enumerate(teeth)])).word == "grows"


def test_a_rise_within_a_twentieth_of_the_level_is_flat() -> None:
    """However little the samples scatter."""
    assert word(4.9, 100.0, 0.0) == "flat"
    assert word(5.1, 100.0, 0.0) == "grows"
    assert word(5.1, 100.0, 3.0) == "flat"


def test_missing_values_are_left_out() -> None:
    """One sample in two is NaN: the slope is that of the others; with one left there is none."""
    found = trend("x", series([float(number) if number % 2 else math.nan for number in range(40)]))
    assert found.per_hour == pytest.approx(360)
    assert trend("x", series([1.0, math.nan])).word == "no data"


def test_the_table_has_a_line_a_series_with_figures_and_the_word() -> None:
    """Columns stand under each other."""
    head, first, second = table(
        [trend("a", series([1000.0] * 20, "a")), trend("long", series([1.0, math.nan], "long"))]
    )
    assert first.split() == ["a", "1,000", "1,000", "1,000", "0.00", "flat"]
    assert second.split() == ["long", "-", "-", "-", "-", "no", "data"]
    assert len(head) == first.index("  flat") == second.index("  no data")


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (-123.45, "-123.5"), (1.234, "1.23"), (0.01234, "0.0123"), (0.0, "0.00"), (math.nan, "-")],
)
def test_a_figure_has_the_digits_that_say_something(value: float, text: str) -> None:
    """Large ones none after the point, small ones four."""
    assert figure(value) == text


def test_a_quantile_is_linear_within_its_bucket() -> None:
    """As PromQL has it: the largest finite bound when the value lies beyond it, NaN without values."""
    buckets = [(0.1, 10.0), (0.5, 30.0), (1.0, 40.0), (math.inf, 40.0)]
    assert quantile(0.5, buckets) == pytest.approx(0.3)
    assert quantile(0.99, buckets) == pytest.approx(0.98)
    assert quantile(0.5, [(0.1, 0.0), (math.inf, 4.0)]) == 0.1
    assert math.isnan(quantile(0.5, [(0.1, 0.0), (math.inf, 0.0)]))
    assert math.isnan(quantile(0.5, []))


def worker(number: int, **changed: float) -> dict[str, float]:
    """Return a sample of a worker that keeps within its bounds, but for what is changed."""
    usual = {"worker_memory_mb": 200.0, "worker_descriptors": 40.0, "worker_threads": 12.0}
    usual |= {"parts_active_errors": 20.0, "parts_active_issues": 9.0, "lag_errors": 900.0}
    return {"seconds": 10.0 * number, **usual, **changed}


def judged(samples: list[dict[str, float]]) -> dict[str, bool]:
    """Return which bounds were kept at 1,000 events a second."""
    trends = [trend(name, samples) for name in samples[0] if name != "seconds"]
    return {target.name: target.met for target in targets(trends, samples, 1000.0)}


def test_a_worker_that_stays_as_it_is_keeps_every_bound() -> None:
    """Memory, descriptors, threads, parts and lag are judged."""
    assert list(judged([worker(number) for number in range(100)]).items()) == [
        ("worker: memory, last / first", True),
        ("worker: more descriptors", True),
        ("worker: more threads", True),
        ("active parts of a table", True),
        ("lag, seconds of the load", True),
    ]


@pytest.mark.parametrize(
    ("name", "step", "bound"),
    [
        ("worker_memory_mb", 0.3, "worker: memory, last / first"),
        ("worker_descriptors", 0.1, "worker: more descriptors"),
        ("worker_threads", 0.1, "worker: more threads"),
        ("parts_active_issues", 3.0, "active parts of a table"),
        ("lag_errors", 150.0, "lag, seconds of the load"),
    ],
)
def test_what_grows_misses_its_bound_and_no_other(name: str, step: float, bound: str) -> None:
    """A leak in one series shows there."""
    usual = worker(0)
    found = judged([worker(number, **{name: usual[name] + step * number}) for number in range(100)])
    assert [missed for missed, met in found.items() if not met] == [bound]


def test_lag_that_nobody_could_read_is_no_success() -> None:
    """A worker whose metrics never answered is not said to keep up."""
    found = judged([worker(number, lag_errors=math.nan) for number in range(100)])
    assert found["lag, seconds of the load"] is False


def test_the_warm_up_is_ten_minutes_or_a_sixth_of_a_short_run() -> None:
    """So a short run has samples left."""
    assert warm_up_seconds(3600) == 600
    assert warm_up_seconds(180) == 30


def test_series_that_only_add_up_are_not_in_the_table() -> None:
    """Nor are tables that never had a part."""
    sample = {"seconds": 1.0, "sent": 5.0, "worker_cpu_s": 2.0, "rows_errors": 3.0, "retries_kafka": 0.0}
    sample |= {"worker_cores": 0.2, "parts_active_errors": 2.0, "parts_active_logs": 0.0}
    assert shown([sample]) == ["worker_cores", "parts_active_errors"]


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(100.0, [0, 25, 50, 75, 100]), (3.0, [0, 1, 2, 3]), (0.07, [0, 0.02, 0.04, 0.06, 0.08]), (0.0, [0, 1])],
)
def test_ticks_are_round_and_reach_the_highest_value(highest: float, expected: list[float]) -> None:
    """From zero on."""
    assert ticks(highest) == pytest.approx(expected)


def test_a_plot_has_axes_units_labels_and_every_point_within_its_panel() -> None:
    """It is well-formed, whatever the text; a gap in a series breaks its line."""
    samples = series([10.0, 20.0, math.nan, 40.0, 30.0])
    root = ET.fromstring(draw("a < b", "on & on", [Panel("Memory (MB)", {"one": "x", "none": "y"})], samples, 20.0))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b", "on & on", "Memory (MB)", "one", "none", "minutes", "0", "40"} <= set(texts)
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    drawn, empty = [path.attrib["d"] for path in root.iter(f"{SVG}path")]
    assert drawn.count("M") == 2
    assert empty == ""
    points = [tuple(map(float, point.split())) for point in drawn.replace("h0", "").replace("M", "L").split("L")[1:]]
    _page, warm = root.iter(f"{SVG}rect")
    left, top, high = (float(warm.attrib[name]) for name in ("x", "y", "height"))
    assert points[0] == pytest.approx((left, top + high * 0.75))
    assert points[2][1] == pytest.approx(top)
    assert all(left <= across <= float(root.attrib["width"]) and top <= up <= top + high for across, up in points)
    assert float(warm.attrib["width"]) == pytest.approx((points[-1][0] - left) / 2, abs=0.1)


def test_the_panels_of_a_soak_show_every_process() -> None:
    """Worker and stages are apart from the servers, whose memory is of another size."""
    found = {panel.title: panel.series for panel in panels(["worker", "stage_1", "stage_2", "clickhouse", "broker"])}
    assert list(found["Threads, worker and stages"].values()) == [
        "worker_threads",
        "stage_1_threads",
        "stage_2_threads",
    ]
    assert list(found["Resident memory, servers (MB)"].values()) == ["clickhouse_memory_mb", "broker_memory_mb"]
    assert all(1 <= len(one) <= 5 for one in found.values())


def test_a_process_is_looked_at(tmp_path: Path) -> None:
    """A file that is opened is one descriptor more."""
    me = int(Path("/proc/self").readlink().name)
    before = descriptors(me)
    with (tmp_path / "file").open("w"):
        assert descriptors(me) == before + 1
    assert resident_megabytes(me) > 10
    assert threads(me) >= 1
    assert busy_seconds() > cpu_seconds(me)
    assert command_line(me) == sys.orig_argv


def stop_on(signum: signal.Signals, stopped: list[bool]) -> None:
    """Get a signal, and another one of its kind while what was started is stopped."""
    with ended_by_signals():
        try:
            signal.raise_signal(signum)
        finally:
            signal.raise_signal(signum)
            stopped.append(True)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_and_a_second_does_not_disturb_the_stopping(signum: signal.Signals) -> None:
    """The handlers are as before afterwards."""
    before = signal.getsignal(signum)
    stopped: list[bool] = []
    with pytest.raises(SystemExit) as ended:
        stop_on(signum, stopped)
    assert ended.value.code == 128 + signum
    assert stopped
    assert signal.getsignal(signum) is before


@pytest.fixture
def stored(clickhouse: str, names: Any, tmp_path: Path) -> tuple[ClickHouse, Comparison, Path, list[str]]:
    """A database with 30 events of three issues, the ids of them in a file, and what compares the two."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_clickhouse(server, RetentionSettings(errors_days=3650), lambda _line: None)
    ids = [uuid.uuid4().hex for _ in range(30)]
    store(server, ids)
    file = tmp_path / "ids"
    file.write_bytes(b"".join(map(bytes.fromhex, ids)))
    return server, Comparison(clickhouse, names.database), file, ids


def store(server: ClickHouse, ids: list[str]) -> None:
    """Store an event for each id, 20 s apart, so over several minutes, none of them expired."""
    begin_ms = int(time.time() - 3600) * 1000
    columns = ("event_id", "project", "fingerprint", "timestamp", "user_hash", "environment")
    rows = [
        (event_id, "shop", f"{number % 3:032x}", begin_ms + number * 20_000, number % 7 + 1, "production")
        for number, event_id in enumerate(ids)
    ]
    server.insert("errors", columns, Encoder().encode_lines(rows), "")


def different(checks: list[Check]) -> dict[str, float]:
    """Return what was found where something else was wanted."""
    return {check.name: check.found for check in checks if not check.met}


def test_what_is_stored_once_compares_as_the_same(stored: tuple[ClickHouse, Comparison, Path, list[str]]) -> None:
    """Ids, weights and aggregates, each of which is there."""
    _server, comparison, file, _ids = stored
    checks = comparison.compare(file)
    assert different(checks) == {}
    assert {check.wanted for check in checks} == {0, 30}
    assert len(checks) == 13


def test_lost_doubled_and_foreign_events_are_seen(stored: tuple[ClickHouse, Comparison, Path, list[str]]) -> None:
    """With their ids, so that they can be looked for; the number of rows alone would say that all is well."""
    server, comparison, file, ids = stored
    lost, foreign = uuid.uuid4().hex, uuid.uuid4().hex
    file.write_bytes(file.read_bytes() + bytes.fromhex(lost) * 2)
    store(server, [ids[4], foreign])
    checks = {check.name: check for check in comparison.compare(file) if not check.met}
    assert {name: check.found for name, check in checks.items()} == {
        "unique ids": 31,
        "ids sent, not stored": 1,
        "ids stored more than once": 1,
        "ids stored, not sent": 1,
        "ids sent more than once": 1,
    }
    assert checks["ids sent, not stored"].which == lost
    assert checks["ids stored more than once"].which == ids[4]
    assert checks["ids stored, not sent"].which == foreign
    assert "DIFFERENT" in checks["ids stored, not sent"].line()


@pytest.mark.parametrize("table", ["errors_per_minute", "errors_per_hour", "issues"])
def test_an_aggregate_that_missed_a_block_is_seen(
    stored: tuple[ClickHouse, Comparison, Path, list[str]], table: str
) -> None:
    """As when a view's target lacks what its source has."""
    server, comparison, file, _ids = stored
    server.command(f"ALTER TABLE {table} DELETE WHERE fingerprint = '{1:032x}' SETTINGS mutations_sync = 2")
    found = different(comparison.compare(file))
    assert found[f"{table}: events"] == 20
    assert found[f"{table}: groups that differ"] >= 1
    assert len(found) == 2
