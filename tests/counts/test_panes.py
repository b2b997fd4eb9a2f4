"""Which windows reach a threshold, beside the plainest way to find them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counts.panes import Reached, Window, window_end
from tests.occurrences import rules_of

(RULE,) = rules_of({"name": "a", "kind": "count", "threshold": 5, "window": "20s", "hop": "5s"}).all
HOP, LENGTH, THRESHOLD = RULE.hop_s, RULE.window_s, RULE.threshold


def last_run(panes: dict[int, int], after: int) -> Reached | None:
    """Try every position of the window, one hop after the other; a run is named by windows that end with a count."""
    runs: list[list[tuple[int, int]]] = [[]]
    for end in range(min(panes) + HOP, max(panes) + HOP + 1, HOP):
        count = sum(panes.get(start, 0) for start in range(end - LENGTH, end, HOP))
        if end > after and count >= THRESHOLD:
            runs[-1].append((end, count))
        elif runs[-1]:
            runs.append([])
    counted = [[(end, count) for end, count in run if end - HOP in panes] for run in runs]
    last = next((run for run in reversed(counted) if run), None)
    return Reached(last[0][0], *last[-1]) if last else None


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.integers(0, 30).map(lambda number: number * HOP), st.integers(1, 5), min_size=1),
    st.integers(-1, 30).map(lambda number: number * HOP),
)
def test_the_last_run_of_windows_is_found(panes: dict[int, int], after: int) -> None:
    window = Window()
    for start, count in panes.items():
        window.add([(start, count)], RULE, lateness_s=10_000)
    assert window.reached(RULE, after) == last_run(panes, after)


def test_a_window_ends_with_the_pane_it_is_open_in() -> None:
    assert [window_end(at, RULE) for at in (0, 4.9, 5, 5.1, 9.999, 10)] == [5, 5, 10, 10, 10, 15]
