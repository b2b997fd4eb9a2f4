"""Stack traces: each frame read once, then the frames that tell one bug from another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pipeline.fingerprint.result import Decide, FrameAction
from pipeline.fingerprint.v1.model import (
    ANONYMOUS,
    APP,
    INLINED,
    LIBRARY,
    NOTHING,
    RUNTIME,
    SHIM,
    Contribution,
    Plan,
    Seen,
)
from pipeline.fingerprint.v1.platforms import platform_of
from schemas.event import Frame

_CACHED = 32_768
"""Distinct frames remembered in a process, some 30 MB when full; a service has a few thousand."""
_LONGEST_CACHED = 1_000
"""Characters of a frame's names; longer ones are read anew each time, so that nobody can fill the memory with them."""
_STACKS_CACHED = 8_192
"""Distinct stacks remembered in a process."""
_MOST_CACHED = 250
"""Frames of a stack that is remembered."""
_DEEPEST = 60
"""Frames that contribute, counted from the failure: what calls an application's entry point tells nothing apart."""
_LONGEST_LINE = 160
_LINES_CACHED = 8_192
_LONGEST_NAME = 1_000
_SPACE = re.compile(r"\s+")
_SCRIPT = re.compile(r"\.(?:[cm]?[jt]sx?|vue|svelte|jsbundle|bundle|wasm|coffee|astro)$")
_ASYNC = re.compile(r"^(?:async |async\*|[\w.]+(?: \w+)?\*)")


def source_line(frame: Frame) -> str:
    """Return a frame's source line as far as it identifies a statement: empty for minified or missing source."""
    line = frame.context_line
    return "" if not line or len(line) > _LONGEST_LINE else _tidy(line)


@lru_cache(maxsize=_LINES_CACHED)
def _tidy(line: str) -> str:
    return "" if "{snip}" in line else _SPACE.sub(" ", line.strip())


@lru_cache(maxsize=_LINES_CACHED)
def _steady(line: str, unsteady: re.Pattern[str]) -> bool:
    return unsteady.search(line) is None


class FrameReader:
    """Reads frames through the platforms and the stack-trace rules, remembering each distinct one."""

    def __init__(self, decide: Decide | None = None) -> None:
        self._decide = decide
        self._known: dict[tuple[object, ...], Seen] = {}
        self._plans: dict[tuple[int, ...], Plan] = {}

    def plan(self, seen: Sequence[Seen], frames: Sequence[Frame]) -> Plan:
        """Return the plan for a stack of frames that :meth:`read` has returned."""
        # A plan keeps its frames alive, so their addresses identify a stack as long as it is remembered.
        key = tuple(map(id, seen))
        plan = self._plans.get(key)
        if plan is None:
            plan = plan_of(seen, frames)
            if len(seen) <= _MOST_CACHED and all(one.cached for one in seen):
                if len(self._plans) >= _STACKS_CACHED:
                    self._plans.clear()
                self._plans[key] = plan
        return plan

    def read(self, frames: Iterable[Frame], platform: str) -> list[Seen]:
        """Return what every frame means, in the same order."""
        known = self._known
        read: list[Seen] = []
        for frame in frames:
            key = (
                frame.function or frame.raw_function or frame.symbol, frame.module, frame.filename, frame.abs_path,
                frame.in_app, frame.package,
                frame.platform or platform,
            )  # fmt: skip
            seen = known.get(key)
            if seen is None:
                seen = self._look(frame, frame.platform or platform)
                if seen.cached:
                    if len(known) >= _CACHED:
                        known.clear()
                        self._plans.clear()
                    known[key] = seen
            read.append(seen)
        return read

    def _look(self, frame: Frame, name: str) -> Seen:
        platform = platform_of(name)
        raw = (frame.function or frame.raw_function or frame.symbol or "")[:_LONGEST_NAME]
        function = platform.name(raw, frame)
        place = platform.place(frame)
        own = platform.nearness(frame)
        action = self._decide(frame, platform.key) if self._decide is not None else None
        anonymous = function == ANONYMOUS or not function
        shim, inlined = function == SHIM, function == INLINED
        shown = raw if shim or inlined else function or ANONYMOUS
        if anonymous and platform.key == "javascript" and not _SCRIPT.search(place):
            place = "<page>"
        return Seen(
            label=f"frame: {place} in {shown}" if place else f"frame: {shown}",
            place=place,
            function=shown,
            tier=_tier(frame.in_app, own, platform.trusts_in_app, action),
            own=own,
            platform=platform,
            anonymous=anonymous,
            shim=shim,
            inlined=inlined,
            detached=platform.key == "javascript" and _ASYNC.match(raw) is not None,
            ignored=action is not None and action.ignore,
            cut=action.cut if action is not None else None,
            cached=_length(frame) <= _LONGEST_CACHED,
        )


def _length(frame: Frame) -> int:
    texts = (frame.function, frame.module, frame.filename, frame.abs_path, frame.package)
    return sum(len(text) for text in texts if text is not None)


def _tier(said: bool | None, own: int, trusted: bool, action: FrameAction | None) -> int:
    """Return whose frame it is, from the rules first, then the SDK, then the platform.

    An SDK's "yes" is overruled where the code is certainly the runtime's, and on platforms whose SDKs say yes to
    everything also where it is certainly a dependency's; its "no" stands.
    """
    if action is not None and action.in_app is not None:
        return APP if action.in_app else min(own, LIBRARY)
    if said is False:
        return min(own, LIBRARY)
    if said and own == LIBRARY and trusted:
        return APP
    return own


def mended(seen: Sequence[Seen]) -> list[int]:
    """Return the frames' tiers; where an SDK called everything foreign, the platform's own judgement counts."""
    tiers = [one.tier for one in seen]
    if tiers and max(tiers) < APP:
        own = [one.own for one in seen]
        return own if max(own) == APP else tiers
    return tiers


def plan_of(seen: Sequence[Seen], frames: Sequence[Frame]) -> Plan:
    """Choose what a stack trace, oldest call first, puts into the fingerprint.

    The application's frames if there are any, else those of its dependencies, else the runtime's; without shims,
    without what merely scheduled the work, and with recursion reduced to its path.
    """
    tiers = mended(seen)
    in_app = [tier == APP for tier in tiers]
    functions = [frame.function or "" for frame in frames]
    modules = [frame.module or "" for frame in frames]
    files = [frame.filename or frame.abs_path or "" for frame in frames]
    chosen = _chosen(seen, tiers)
    if not chosen:
        return Plan(tuple(seen), functions, modules, files, in_app, -1, [], -1, -1, [], [], False)
    named = _named(seen, chosen)
    labels = [seen[at].label for at in named]
    return Plan(
        seen=tuple(seen),
        functions=functions,
        modules=modules,
        files=files,
        in_app=in_app,
        tier=tiers[chosen[-1]],
        named=named,
        blamed=named[-1],
        failing=chosen[-1],
        labels=without_loops(labels, seen[named[-1]].platform.cuts_stacks)[-_DEEPEST:],
        looped=_loop(labels),
        nameless=any(seen[at].anonymous for at in named),
    )


def contribution(plan: Plan, seen: Sequence[Seen], frames: Sequence[Frame], overflow: bool = False) -> Contribution:
    """Return what a stack trace puts into the fingerprint, with the source lines that name the nameless."""
    if not plan.named:
        return NOTHING
    blamed = seen[plan.blamed]
    labels, weak = plan.labels, plan.tier == RUNTIME
    if overflow:
        return Contribution(plan.looped, plan.tier, weak, plan.blamed)
    if plan.nameless:
        lines = [source_line(frames[at]) if seen[at].anonymous else "" for at in plan.named]
        weak = weak or not any(line or not seen[at].anonymous for at, line in zip(plan.named, lines, strict=True))
        labels = [
            f"{seen[at].label}: {line}" if line else seen[at].label for at, line in zip(plan.named, lines, strict=True)
        ]
        labels = without_loops(labels, blamed.platform.cuts_stacks)[-_DEEPEST:]
    if plan.tier == APP and blamed.platform.reads_source and not blamed.anonymous:
        line = source_line(frames[plan.failing])
        unsteady = blamed.platform.unsteady
        if line and (unsteady is None or _steady(line, unsteady)):
            labels = [*labels, f"line: {line}"]
    return Contribution(labels, plan.tier, weak, plan.blamed)


def _chosen(seen: Sequence[Seen], tiers: Sequence[int]) -> list[int]:
    """Return the positions of the frames that may contribute."""
    start, end = 0, len(seen)
    for at, one in enumerate(seen):
        if one.cut == "above":
            start = at
        elif one.cut == "below":
            end = min(end, at + 1)
        if one.detached:
            # Browsers disagree on whether to show what once scheduled the work.
            start = max(start, at + 1)
    positions = [at for at in range(start, end) if not seen[at].ignored]
    if not positions:
        return []
    best = max(tiers[at] for at in positions)
    chosen = [at for at in positions if tiers[at] == best]
    if seen[chosen[-1]].platform.key == "javascript":
        # Whether the script's own outermost call is shown, and under which name, is the browser's choice.
        while len(chosen) > 1 and seen[chosen[0]].anonymous:
            chosen.pop(0)
    return chosen


def _named(seen: Sequence[Seen], chosen: list[int]) -> list[int]:
    """Return the positions of the frames that stand for something: the failing one, and all that only it called."""
    own = [at for at in chosen if not seen[at].inlined] or chosen[-1:]
    return [at for at in own[:-1] if not seen[at].shim] + own[-1:]


def without_loops(labels: list[str], cut: bool) -> list[str]:
    """Return the path through the calls with every detour that came back removed.

    A tree walked three levels deep and one walked thirty levels deep give the same path. Anonymous functions of one
    file may be different ones, so only their immediate repetition counts as recursion. Where the runtime has ``cut``
    the stack, the recursion's callers are seen only as long as it is shallow, so they do not count.
    """
    if len(set(labels)) == len(labels):
        return labels
    path: list[str] = []
    position: dict[str, int] = {}
    first = len(labels)
    for label in labels:
        at = position.get(label)
        if at is None or (at != len(path) - 1 and label.endswith(ANONYMOUS)):
            position[label] = len(path)
            path.append(label)
            continue
        for dropped in path[at + 1 :]:
            position.pop(dropped, None)
        del path[at + 1 :]
        if not label.endswith(ANONYMOUS):
            first = min(first, at)
    return path[first:] if cut and first < len(path) else path


def _loop(labels: list[str]) -> list[str]:
    """Return the functions that called each other until the stack was full, in an order of their own."""
    counts = Counter(labels)
    repeated = sorted(label for label, count in counts.items() if count > 1)
    return repeated or sorted(counts)
