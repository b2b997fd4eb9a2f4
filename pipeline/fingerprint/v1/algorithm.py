"""From an event to the components of its fingerprint: the order in which version 1 looks for what tells bugs apart."""

from __future__ import annotations

from pipeline.fingerprint.result import Decide, Frames, Read
from pipeline.fingerprint.v1.chains import chain_components, link, main_link
from pipeline.fingerprint.v1.known import known_failure
from pipeline.fingerprint.v1.messages import Messages
from pipeline.fingerprint.v1.model import APP, Chain, Contribution, Link, Plan, Seen
from pipeline.fingerprint.v1.platforms import platform_of
from pipeline.fingerprint.v1.remembered import Remembered, described
from pipeline.fingerprint.v1.reports import report_components
from pipeline.fingerprint.v1.stacks import FrameReader, contribution
from schemas.event import Event, ExceptionValue, Frame, Stacktrace, Thread

NAME = "v1"

_SDK_PLATFORMS = (
    ("sentry.python", "python"), ("sentry.javascript.node", "node"), ("sentry.javascript", "javascript"),
    ("sentry.java", "java"), ("sentry.go", "go"), ("sentry.ruby", "ruby"), ("sentry.php", "php"),
    ("sentry.dotnet", "csharp"), ("sentry.rust", "rust"), ("sentry.native", "native"), ("sentry.cocoa", "cocoa"),
)  # fmt: skip
_FILE_PLATFORMS = {
    "py": "python", "js": "javascript", "mjs": "javascript", "ts": "javascript", "tsx": "javascript", "java": "java",
    "kt": "java", "go": "go", "rb": "ruby", "php": "php", "cs": "csharp", "rs": "rust", "c": "native", "cpp": "native",
    "cc": "native", "swift": "native", "m": "native", "mm": "native",
}  # fmt: skip


def _frames(stacktrace: Stacktrace | None) -> list[Frame]:
    if stacktrace is None or not stacktrace.frames:
        return []
    frames = stacktrace.frames
    return [frame for frame in frames if frame is not None]


def platform_name(event: Event, frames: list[Frame]) -> str:
    """Return the platform an event names, or the one its SDK or its files show."""
    if event.platform:
        return event.platform
    sdk = event.sdk.name if event.sdk is not None else None
    if sdk:
        for prefix, name in _SDK_PLATFORMS:
            if sdk.startswith(prefix):
                return name
    if frames:
        return _FILE_PLATFORMS.get((frames[-1].filename or "").rpartition(".")[2], "other")
    return "other"


def telling_thread(threads: list[Thread], thread_id: str | int | None = None) -> Thread | None:
    """Return the thread that failed: the one named, the crashed, the current one, or the only one with a stack."""
    with_stack = [thread for thread in threads if thread.stacktrace is not None and thread.stacktrace.frames]
    for wanted in (
        lambda thread: thread_id is not None and thread.id == thread_id,
        lambda thread: bool(thread.crashed),
        lambda thread: bool(thread.current),
    ):
        found = next((thread for thread in with_stack if wanted(thread)), None)
        if found is not None:
            return found
    return with_stack[0] if len(with_stack) == 1 else None


class Algorithm:
    """Reads events with the stack-trace rules it was made with; keeps nothing but caches."""

    def __init__(self, decide: Decide | None = None) -> None:
        self._reader = FrameReader(decide)
        self._messages = Messages()
        self._remembered = Remembered()

    def read(self, event: Event) -> Read:
        """Return the components of an event's fingerprint, the rule that decided, and its frames as they were read."""
        exceptions = event.exceptions
        if exceptions:
            found = self._of_exceptions(event, exceptions)
            if found is not None:
                return found
        report = report_components(event)
        if report is not None:
            rule, components, title = report
            return Read(components=components, rule=rule, title=title)
        return self._of_message(event)

    def _stacks(self, event: Event, exceptions: list[ExceptionValue]) -> list[list[Frame]]:
        stacks = [_frames(exception.stacktrace) for exception in exceptions]
        if not any(stacks):
            # Native SDKs leave the failing stack with its thread.
            thread = telling_thread(event.thread_list, exceptions[-1].thread_id)
            if thread is not None:
                stacks[-1] = _frames(thread.stacktrace)
            elif event.stacktrace is not None:
                stacks[-1] = _frames(event.stacktrace)
        return stacks

    def _of_exceptions(self, event: Event, exceptions: list[ExceptionValue]) -> Read | None:
        stacks = self._stacks(event, exceptions)
        name = platform_name(event, stacks[-1])
        key = platform_of(name).key
        links = [link(exception, key) for exception in exceptions]
        last = len(links) - 1
        # Most events have one exception, and one that says something: the rest is for the others.
        at = main_link(links) if last else 0
        main = links[at]
        known = known_failure(event, key, main.type, main.value)
        description = described(name, links, stacks) if main.type else b""
        chain = self._remembered.get(description) if description else None
        if chain is None:
            chain = self._chain(name, key, links, stacks, known)
            if not (main.type or main.value or any(one.type or one.value or one.stack.labels for one in links)):
                return None
            if description and known is None and not chain.worded:
                self._remembered.keep(description, chain)
        rule, components = known or (chain.rule, chain.components)
        title = ""
        if at != last:
            title = f"{main.type}: {main.value}" if main.value else main.type
        return Read(components, rule, chain.frames, chain.module, chain.function, title)

    def _chain(
        self, name: str, key: str, links: list[Link], stacks: list[list[Frame]], known: tuple[str, list[str]] | None
    ) -> Chain:
        """Read a chain's frames, and what they contribute; without components where the failure is ``known``."""
        seen = [self._reader.read(frames, name) for frames in stacks]
        plans = [self._reader.plan(one, frames) for one, frames in zip(seen, stacks, strict=True)]
        for at, one in enumerate(links):
            if seen[at]:
                one.stack = contribution(plans[at], seen[at], stacks[at], one.overflow)
        last = len(links) - 1
        blamed = last
        if last and links[last].stack.tier != APP:
            blamed = next((at for at in range(last, -1, -1) if links[at].stack.tier == APP), last)
        module, function = _blamed(links[blamed].stack, seen[blamed])
        frames = frames_of(stacks, plans)
        if known is not None:
            return Chain("", [], frames, module, function, False)
        rule, components, worded = chain_components(links, key, self._messages)
        return Chain(rule, components, frames, module, function, worded)

    def _of_message(self, event: Event) -> Read:
        entry = event.log_entry
        text = (entry.message or entry.formatted or "") if entry is not None else ""
        components = []
        normal = self._messages.normal(text) if text else ""
        if normal:
            components.append(f"message: {normal}")
        thread = telling_thread(event.thread_list)
        frames = _frames(thread.stacktrace if thread is not None else event.stacktrace)
        read = Read(components=components, rule="message" if normal else "none")
        if frames:
            name = platform_name(event, frames)
            seen = self._reader.read(frames, name)
            plan = self._reader.plan(seen, frames)
            stack = contribution(plan, seen, frames)
            read.frames = frames_of([frames], [plan])
            read.module, read.function = _blamed(stack, seen)
            if stack.labels and (stack.tier == APP or not normal):
                components.extend(stack.labels)
                read.rule = "stacktrace"
                return read
        if normal and event.logger:
            components.append(f"logger: {self._messages.normal(event.logger)}")
        if not components:
            components.append(f"event: {event.type or event.level or 'error'} {event.transaction or ''}".rstrip())
        return read


def frames_of(stacks: list[list[Frame]], plans: list[Plan]) -> Frames:
    """Return the frames of all exceptions as parallel lists, the way they are stored."""
    lines = [frame.lineno or 0 for frames in stacks for frame in frames]
    if len(plans) == 1:
        plan = plans[0]
        return Frames(plan.functions, plan.modules, plan.files, lines, plan.in_app)
    return Frames(
        function=[one for plan in plans for one in plan.functions],
        module=[one for plan in plans for one in plan.modules],
        file=[one for plan in plans for one in plan.files],
        line=lines,
        in_app=[one for plan in plans for one in plan.in_app],
    )


def _blamed(stack: Contribution, seen: list[Seen]) -> tuple[str, str]:
    """Return module and function of the blamed frame, empty without one."""
    if stack.blamed < 0:
        return "", ""
    blamed = seen[stack.blamed]
    return blamed.place, blamed.function
