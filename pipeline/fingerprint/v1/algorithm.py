"""From an event to the components of its fingerprint: the order in which version 1 looks for what tells bugs apart."""

from __future__ import annotations

from itertools import chain as joined

from pipeline.fingerprint.result import Decide, Frames, Read
from pipeline.fingerprint.v1.chains import chain_components, link
from pipeline.fingerprint.v1.known import known_failure
from pipeline.fingerprint.v1.messages import Messages
from pipeline.fingerprint.v1.model import APP, Seen
from pipeline.fingerprint.v1.platforms import platform_of
from pipeline.fingerprint.v1.reports import report_components
from pipeline.fingerprint.v1.stacks import Contribution, FrameReader, Plan, contribution
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
        seen = [self._reader.read(frames, name) for frames in stacks]
        plans = [self._reader.plan(one) for one in seen]
        links = [
            link(exception, plan, one, frames, key)
            for exception, plan, one, frames in zip(exceptions, plans, seen, stacks, strict=True)
        ]
        main = links[-1]
        if not any(one.type or one.value or one.stack.labels for one in links):
            return None
        read = Read(components=[], rule="", frames=frames_of(stacks, plans))
        blamed = next((at for at in range(len(links) - 1, -1, -1) if links[at].stack.tier == APP), len(links) - 1)
        _blame(read, links[blamed].stack, seen[blamed])
        known = known_failure(event, key, main.type, main.value)
        if known is not None:
            read.rule, read.components = known
        else:
            read.rule, read.components = chain_components(links, key, self._messages)
        return read

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
            plan = self._reader.plan(seen)
            stack = contribution(plan, seen, frames)
            read.frames = frames_of([frames], [plan])
            _blame(read, stack, seen)
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
    flat = list(joined.from_iterable(stacks)) if len(stacks) > 1 else stacks[0]
    in_app = list(joined.from_iterable(plan.in_app for plan in plans)) if len(plans) > 1 else plans[0].in_app
    return Frames(
        function=[frame.function or "" for frame in flat],
        module=[frame.module or "" for frame in flat],
        file=[frame.filename or frame.abs_path or "" for frame in flat],
        line=[frame.lineno or 0 for frame in flat],
        in_app=in_app,
    )


def _blame(read: Read, stack: Contribution, seen: list[Seen]) -> None:
    if stack.blamed >= 0:
        blamed = seen[stack.blamed]
        read.module, read.function = blamed.place, blamed.function
