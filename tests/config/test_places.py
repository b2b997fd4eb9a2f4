"""Where data and downloads are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.places import cache_directory, data_directory


def test_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The project's own variable first, then XDG's if it is absolute, then the home directory."""
    monkeypatch.setenv("AFTERSHOCK_DATA", str(tmp_path / "own"))
    assert data_directory() == tmp_path / "own"
    monkeypatch.delenv("AFTERSHOCK_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_directory() == tmp_path / "xdg" / "aftershock"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_directory() == Path.home() / ".local" / "share" / "aftershock"
    monkeypatch.delenv("AFTERSHOCK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_directory() == Path.home() / ".cache" / "aftershock"
