"""The corpus as a whole: one bug is one issue, two bugs are two, and no fingerprint changes by accident."""

from __future__ import annotations

import json

import pytest
from corpus_files import RESULT, Result, Sample, judge, judged, samples, snapshot_file, snapshot_of

from pipeline.fingerprint import Grouping, Rules
from pipeline.fingerprint.versions import VERSIONS

LEAST = 0.98


@pytest.fixture(scope="module")
def corpus() -> list[Sample]:
    return samples()


@pytest.fixture(scope="module")
def grouping() -> Grouping:
    return Grouping(Rules())


def test_corpus_is_large_enough(corpus: list[Sample]) -> None:
    assert len({sample.family for sample in corpus if sample.bug}) >= 30
    assert len({(sample.family, sample.bug) for sample in corpus}) >= 60


def test_recall_and_precision(corpus: list[Sample], grouping: Grouping, request: pytest.FixtureRequest) -> None:
    """Both are printed at the end of the run, with every miss by name."""
    result = judged(grouping, corpus)
    request.config.stash[RESULT] = (len(corpus), result)
    assert result.recall >= LEAST, result.misses
    assert result.precision >= LEAST, result.misses


def test_a_split_and_a_join_are_noticed_and_named() -> None:
    split = judge([("a", "1", "a/0"), ("a", "1", "a/1"), ("a", "2", "a/2")])
    assert (round(split.recall, 3), split.precision) == (0.333, 1.0)
    assert split.misses == ["split: a: a/0, a/2"]
    joined: Result = judge([("a", "1", "a/0"), ("a", "1", "a/1"), ("b", "1", "b/0")])
    assert (joined.recall, round(joined.precision, 3)) == (1.0, 0.333)
    assert joined.misses == ["joined: a/0, b/0"]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_fingerprint_has_changed(corpus: list[Sample], version: str) -> None:
    """A version that was shipped is never edited: what differs here belongs into a new version.

    Events that were added to the corpus are taken in by ``python tests/fingerprint/corpus_files.py``.
    """
    stored = json.loads(snapshot_file(version).read_text(encoding="utf-8"))
    now = snapshot_of(Grouping(Rules(version=version)), corpus)
    changed = {
        label: (stored.get(label), now.get(label)) for label in stored | now if stored.get(label) != now.get(label)
    }
    assert not changed


def test_the_same_event_gives_the_same_fingerprint_in_a_fresh_process(corpus: list[Sample], grouping: Grouping) -> None:
    """Caches that are warm, cold, or filled in another order make no difference."""
    fresh = Grouping(Rules())
    for sample in reversed(corpus):
        assert fresh.group(sample.event).fingerprint == grouping.group(sample.event).fingerprint
