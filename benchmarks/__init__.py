"""One command a claim: each measures itself beside peers on the same work, in the same run.

``make bench`` runs them with the pure stages compiled, as wheels have them; run from the tree itself, they measure the
stages interpreted. Each says which on standard error.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


def say_how() -> None:
    """Say on standard error whether the pure stages are compiled here."""
    spec = find_spec("pipeline.scrub.engine")
    compiled = spec is not None and spec.origin is not None and not spec.origin.endswith(".py")
    print("stages:", "compiled" if compiled else "interpreted (`make bench` compiles them)", file=sys.stderr)


def installed(*packages: str) -> dict[str, str]:
    """Return the number of cores, the version of Python, and those of the packages that are installed."""
    found = {"cores": str(os.cpu_count()), "python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
