"""Show how well grouping does at the end of every run."""

from __future__ import annotations

import pytest
from corpus_files import RESULT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print recall, precision and every miss of the corpus."""
    if RESULT in config.stash:
        events, result = config.stash[RESULT]
        terminalreporter.section("grouping")
        terminalreporter.line(f"{events} events: recall {result.recall:.4f}, precision {result.precision:.4f}")
        for miss in result.misses:
            terminalreporter.line(miss)
