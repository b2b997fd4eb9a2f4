"""One command a claim: each measures itself beside peers on the same work, in the same run.

``make bench`` runs them with the pure stages compiled, as wheels have them; run from the tree itself, they measure the
stages interpreted. Each says which on standard error.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def say_how() -> None:
    """Say on standard error whether the pure stages are compiled here."""
    spec = find_spec("pipeline.scrub.engine")
    compiled = spec is not None and spec.origin is not None and not spec.origin.endswith(".py")
    print("stages:", "compiled" if compiled else "interpreted (`make bench` compiles them)", file=sys.stderr)
