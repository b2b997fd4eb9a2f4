"""Compiles the pure stages when ``AFTERSHOCK_COMPILE=1`` is set, as it is for wheels; see docs/operate.md.

The same sources run interpreted without it; the modules that import one of ``IN_C`` alone know. Modules that define
msgspec structs stay so, because a compiled class loses the options in its head (``frozen``, ``gc``), and so do those
whose classes are extended elsewhere, and everything that waits for servers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from setuptools import Extension, setup

HOT = (
    *(
        "counts.batch_counts",
        "payload.globs",
        "payload.matching",
        "payload.normalize",
        "tables.rows",
        "tables.span_attributes",
    ),
    *(f"fingerprint.{name}" for name in ("grouping", "titles", "variables", "versions")),
    *(f"fingerprint.v1.{file.stem}" for file in sorted(Path("pipeline/fingerprint/v1").iterdir())),
    *(f"scrub.{file.stem}" for file in sorted(Path("pipeline/scrub").iterdir())),
)
INTERPRETED = frozenset(
    (
        "fingerprint.v1.model",
        *(f"scrub.{name}" for name in ("allow", "audit", "kinds", "number_runs", "outline", "policy", "scrubber")),
    )
)
IN_C = ("payload._surrogates", "scrub._number_runs", "scrub._outline")


def extensions() -> list[Any]:
    """Return what is compiled: nothing unless it is asked for.

    Needs a C compiler, and the mypy of the development tools (``pip wheel --no-build-isolation``).
    """
    if os.environ.get("AFTERSHOCK_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    files = [Path("pipeline", *name.split(".")).with_suffix(".py") for name in HOT if name not in INTERPRETED]
    stages = mypycify([str(file) for file in files if file.is_file() and file.stem != "__init__"], debug_level="0")
    return [*stages, *map(written_in_c, IN_C)]


def written_in_c(name: str) -> Extension:
    """Return an extension that has one file of C."""
    path = Path("pipeline", *name.split(".")).with_suffix(".c")
    headers = [str(header) for header in path.parent.glob("*.h")]
    return Extension(f"pipeline.{name}", [str(path)], depends=headers, extra_compile_args=["-O3", "-std=c11"])


setup(ext_modules=extensions())
