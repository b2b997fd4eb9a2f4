"""The settings of an installation: four variants, and the alert rules whose thresholds the load meets exactly. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos.load import Shape

HASH_KEY = "a key"
LATENESS_S = 900
PARTITIONS = 8
"""How many partitions the topic ``errors`` has."""


class Variant(NamedTuple):
    """One way to set up the workers. With ``thinned``, noisy issues keep some of their events only."""

    name: str
    worker: str
    session_timeout_s: int
    thinned: bool = False


VARIANTS = (
    Variant("defaults", "", 10),
    Variant(
        "many small batches",
        "batch_events = 40\nlinger_ms = 50\nbatches_in_flight = 8\nflush_interval_s = 0.5\n",
        6,
    ),
    Variant(
        "noisy issues thinned, one stage process", "stage_processes = 1\nbatches_in_flight = 3\n", 10, thinned=True
    ),
    Variant(
        "middling batches, slow flush",
        "batch_events = 300\nlinger_ms = 100\nbatches_in_flight = 4\nflush_interval_s = 5\n",
        6,
    ),
)

_THIN = '[[storage.for]]\nproject = "t*"\nwhole_per_issue_and_minute = 20\nthen_one_in = 10\n'


def project_of(number: int, variant: Variant) -> str:
    """Return the project of a round's errors."""
    return f"{'t' if variant.thinned else 'r'}{number:02d}"


def envelope_project_of(number: int) -> str:
    """Return the project of a round's envelopes."""
    return f"g{number:02d}"


def other_project_of(number: int) -> str:
    """Return the project of a round's spans and sessions."""
    return f"x{number:02d}"


def envelope_key(number: int) -> str:
    """Return the public key of a round's project for envelopes."""
    return f"{number + 1:032x}"


def rules(project: str, shape: Shape) -> str:
    """Return the rules of one round, in TOML: each fires for a known set of groups, or for none."""
    environment = f'window = "1h"\nmatch = {{ project = "{project}" }}\n'
    half = f'window = "1h"\n[rule.match]\nproject = "{project}"\ntags.half = "a"\n'
    everything = f'window = "1h"\nby = "all"\nmatch = {{ project = "{project}" }}\n'
    burst = f'window = "10s"\ncooldown = "1h"\n[rule.match]\nproject = "{project}"\ntags.kind = "burst"\n'
    found = [
        *((f"T{off}", shape.whole + number, environment) for off, number in (("-1", -1), ("", 0), ("+1", 1))),
        *((f"half T{off}", shape.half + number, half) for off, number in (("-1", -1), ("", 0), ("+1", 1))),
        *((f"all T{off}", shape.everything + number, everything) for off, number in (("", 0), ("+1", 1))),
        ("burst", shape.burst, burst),
    ]
    return "\n".join(
        f'[[rule]]\nname = "{project} {name}"\nkind = "count"\nthreshold = {threshold}\n{rest}'
        for name, threshold, rest in found
    )


NEW_ISSUE_RULE = '[[rule]]\nname = "new issue"\nkind = "new_issue"\n'


def toml(variant: Variant, shapes: Sequence[Shape]) -> str:
    """Return ``aftershock.toml`` for an installation whose rounds have these shapes."""
    projects = "".join(
        f'[[project]]\nname = "{envelope_project_of(number)}"\nid = {number + 1}\nkeys = ["{envelope_key(number)}"]\n'
        for number in range(len(shapes))
    )
    of_rounds = [rules(project_of(number, variant), shape) for number, shape in enumerate(shapes)]
    return (
        f"[kafka]\nsession_timeout_s = {variant.session_timeout_s}\npartitions = {{ errors = {PARTITIONS} }}\n"
        f"[alerts]\nallowed_lateness_s = {LATENESS_S}\n[worker]\n{variant.worker}"
        + (_THIN if variant.thinned else "")
        + projects
        + "\n".join([NEW_ISSUE_RULE, *of_rounds])
    )


def with_worker(text: str, worker: str) -> str:
    """Return the text of an ``aftershock.toml`` with other settings of the worker."""
    return re.sub(r"\[worker\]\n(?:\w+ = [\d.]+\n)*", f"[worker]\n{worker}", text)
