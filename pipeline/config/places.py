"""Where this machine keeps data and downloads, after the XDG base directory specification 0.8."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Return where downloads live: ``$AFTERSHOCK_CACHE``, or ``aftershock`` in the user's cache directory.

    Everything in it can be deleted and is downloaded again when it is next needed.
    """
    return _place("AFTERSHOCK_CACHE", "XDG_CACHE_HOME", ".cache")


def data_directory() -> Path:
    """Return where servers keep data and logs: ``$AFTERSHOCK_DATA``, or ``aftershock`` in the user's data directory."""
    return _place("AFTERSHOCK_DATA", "XDG_DATA_HOME", ".local/share")


def _place(own_variable: str, xdg_variable: str, below_home: str) -> Path:
    own = os.environ.get(own_variable)
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get(xdg_variable, "")
    # The specification says that a relative path in these variables must be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / below_home) / "aftershock"
