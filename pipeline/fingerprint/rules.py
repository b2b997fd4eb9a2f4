"""Rules as data: what the configuration says about fingerprints and frames, checked when it is read.

.. code-block:: toml

    [grouping]
    version = "v1"

    [[grouping.fingerprint]]
    name = "database-timeouts"
    match = { type = "OperationalError", value = "*timeout*" }
    fingerprint = ["database-timeout", "{{ transaction }}"]
    tests = [
      { event = { exception = { values = [{ type = "OperationalError", value = "lock timeout" }] } }, matches = true },
      { event = { message = "timeout" }, matches = false },
    ]

    [[grouping.frames]]
    name = "our fork"
    match = { path = "*/vendor/acme/*" }
    in_app = true
    tests = [{ frame = { filename = "vendor/acme/a.php" }, matches = true }]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from pipeline.errors import KeyPath, Misconfigured, PlaceOf
from pipeline.fingerprint.result import FrameAction, Read
from pipeline.fingerprint.variables import is_variable, names_in
from pipeline.fingerprint.versions import NEWEST, VERSIONS
from pipeline.payload.globs import Globs
from schemas.event import Event, Frame

_T = TypeVar("_T")


class FingerprintRule(Struct, frozen=True):
    """Events for which all of ``match`` holds get ``fingerprint``, in which variables are replaced."""

    name: str
    match: dict[str, Globs]
    fingerprint: list[str]


class FrameRule(Struct, frozen=True):
    """Frames for which all of ``match`` holds are marked, left out, or cut the stack off above or below."""

    name: str
    match: dict[str, Globs]
    action: FrameAction


def _event_texts(name: str, event: Event, read: Read) -> Iterable[str]:
    """Return the texts of an event that a field of a rule can match; one of them has to."""
    if name.startswith("tags."):
        return [value for key, value in event.tag_items if key == name[len("tags.") :]]
    return EVENT_FIELDS[name](event, read)


def _messages(event: Event, _read: Read) -> list[str]:
    entry = event.log_entry
    found = [text for text in (entry.formatted, entry.message) if text] if entry is not None else []
    return found or [str(one.value) for one in event.exceptions if one.value is not None]


EVENT_FIELDS: dict[str, Callable[[Event, Read], Iterable[str]]] = {
    "type": lambda event, _read: [one.type for one in event.exceptions if one.type],
    "value": lambda event, _read: [str(one.value) for one in event.exceptions if one.value is not None],
    "message": _messages,
    "module": lambda _event, read: read.frames.module,
    "function": lambda _event, read: read.frames.function,
    "path": lambda _event, read: read.frames.file,
    "level": lambda event, _read: [event.level or "error"],
    "release": lambda event, _read: [] if event.release is None else [str(event.release)],
    "logger": lambda event, _read: [event.logger or ""],
    "environment": lambda event, _read: [event.environment or ""],
    "transaction": lambda event, _read: [event.transaction or ""],
    "platform": lambda event, _read: [event.platform or ""],
}
"""The fields that fingerprint rules match on, besides ``tags.<name>``."""

FRAME_FIELDS: dict[str, Callable[[Frame, str], Iterable[str]]] = {
    "function": lambda frame, _platform: [frame.function or ""],
    "module": lambda frame, _platform: [frame.module or ""],
    "path": lambda frame, _platform: [text for text in (frame.filename, frame.abs_path) if text],
    "package": lambda frame, _platform: [frame.package or ""],
    "platform": lambda _frame, platform: [platform],
}
"""The fields that stack-trace rules match on."""


class Rules(Struct, frozen=True):
    """Everything the configuration says about grouping; without arguments, nothing."""

    version: str = NEWEST
    projects: dict[str, str] = field(default_factory=dict)
    fingerprints: list[FingerprintRule] = field(default_factory=list)
    frames: list[FrameRule] = field(default_factory=list)

    @classmethod
    def from_toml(cls, table: Mapping[str, Any], place_of: PlaceOf) -> Rules:
        """Read the table ``[grouping]``, and run the tests that are written next to its rules.

        Raises:
            Misconfigured: something in it is wrong, or a rule's own test fails; the message names the place.
        """
        return _Reader(place_of).rules(table)

    def at_version(self, version: str) -> Rules:
        """Return the same rules with one version of the algorithm for every project.

        Raises:
            Misconfigured: there is no such version.
        """
        if version not in VERSIONS:
            raise Misconfigured(f"unknown grouping version: known are {', '.join(VERSIONS)}")
        return msgspec.structs.replace(self, version=version, projects={})

    def match(self, event: Event, read: Read) -> FingerprintRule | None:
        """Return the first rule that matches an event."""
        for rule in self.fingerprints:
            if event_matches(rule, event, read):
                return rule
        return None

    def decide(self, frame: Frame, platform: str) -> FrameAction | None:
        """Return what the stack-trace rules say about a frame: the first that speaks of a matter decides it."""
        in_app: bool | None = None
        ignore = False
        cut: Literal["above", "below"] | None = None
        for rule in self.frames:
            if not frame_matches(rule, frame, platform):
                continue
            in_app = rule.action.in_app if in_app is None else in_app
            ignore = ignore or rule.action.ignore
            cut = cut or rule.action.cut
        return FrameAction(in_app, ignore, cut) if ignore or cut or in_app is not None else None


def event_matches(rule: FingerprintRule, event: Event, read: Read) -> bool:
    """Whether every field of a rule matches something in the event."""
    return all(any(map(globs.covers, _event_texts(name, event, read))) for name, globs in rule.match.items())


def frame_matches(rule: FrameRule, frame: Frame, platform: str) -> bool:
    """Whether every field of a rule matches the frame."""
    return all(any(map(globs.covers, FRAME_FIELDS[name](frame, platform))) for name, globs in rule.match.items())


class _Reader:
    """Turns a table into rules; every mistake becomes one line that says where and what to write instead."""

    def __init__(self, place_of: PlaceOf) -> None:
        self._place_of = place_of

    def _wrong(self, path: KeyPath, what: str) -> Misconfigured:
        return Misconfigured(f"{self._place_of(('grouping', *path))}: {what}")

    def rules(self, table: Mapping[str, Any]) -> Rules:
        if not isinstance(table, Mapping):
            raise self._wrong((), "[grouping] must be a table")
        self._only(table, ("version", "projects", "fingerprint", "frames"), ())
        projects = table.get("projects", {})
        if not isinstance(projects, Mapping):
            raise self._wrong(("projects",), "projects must be a table of project names and versions")
        return Rules(
            version=self._version(table.get("version", NEWEST), ("version",)),
            projects={str(name): self._version(value, ("projects", name)) for name, value in projects.items()},
            fingerprints=[self._fingerprint(rule, at) for at, rule in enumerate(self._list(table, "fingerprint"))],
            frames=[self._frame(rule, at) for at, rule in enumerate(self._list(table, "frames"))],
        )

    def _only(self, table: Mapping[str, Any], known: Iterable[str], path: KeyPath) -> None:
        names = list(known)
        for key in table:
            if key not in names:
                raise self._wrong((*path, key), f"unknown key {key!r}: known are {', '.join(names)}")

    def _version(self, value: object, path: KeyPath) -> str:
        if not isinstance(value, str) or value not in VERSIONS:
            raise self._wrong(path, f"unknown grouping version: known are {', '.join(VERSIONS)}")
        return value

    def _list(self, table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise self._wrong((key,), f"write each rule as a table of its own: [[grouping.{key}]]")
        return found

    def _fingerprint(self, table: Mapping[str, Any], at: int) -> FingerprintRule:
        path: KeyPath = ("fingerprint", at)
        self._only(table, ("name", "match", "fingerprint", "tests"), path)
        parts = table.get("fingerprint")
        if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
            raise self._wrong((*path, "fingerprint"), "fingerprint must be a list of one or more texts")
        for name in (name for part in parts for name in names_in(part)):
            if name != "default" and not is_variable(name):
                raise self._wrong((*path, "fingerprint"), f"unknown variable {{{{ {name} }}}}")
        rule = FingerprintRule(self._name(table, path), self._match(table, EVENT_FIELDS, path, tags=True), parts)
        self._test_events(rule, table, path)
        return rule

    def _frame(self, table: Mapping[str, Any], at: int) -> FrameRule:
        path: KeyPath = ("frames", at)
        self._only(table, ("name", "match", "in_app", "ignore", "cut", "tests"), path)
        in_app, ignore, cut = table.get("in_app"), table.get("ignore", False), table.get("cut")
        if not (in_app is None or isinstance(in_app, bool)) or not isinstance(ignore, bool):
            raise self._wrong(path, "in_app and ignore must be true or false")
        if cut not in (None, "above", "below"):
            raise self._wrong(
                (*path, "cut"), 'cut must be "above" (drop the callers) or "below" (drop what was called)'
            )
        if in_app is None and not ignore and cut is None:
            raise self._wrong(path, "the rule does nothing: give it in_app, ignore or cut")
        match = self._match(table, FRAME_FIELDS, path, tags=False)
        rule = FrameRule(self._name(table, path), match, FrameAction(in_app, ignore, cut))
        self._test_frames(rule, table, path)
        return rule

    def _name(self, table: Mapping[str, Any], path: KeyPath) -> str:
        name = table.get("name")
        if not isinstance(name, str) or not name.strip():
            raise self._wrong(path, "the rule needs a name: it is stored with every event that it decides")
        return name

    def _match(self, table: Mapping[str, Any], known: Iterable[str], path: KeyPath, tags: bool) -> dict[str, Globs]:
        path = (*path, "match")
        match = table.get("match")
        if not isinstance(match, Mapping) or not match:
            raise self._wrong(path, 'match must name at least one field, as in match = { type = "ValueError" }')
        names = list(known)
        found: dict[str, Globs] = {}
        for key, value, at in self._flat(match, path) if tags else ((key, match[key], (*path, key)) for key in match):
            if key not in names and not (tags and key.startswith("tags.")):
                listed = ", ".join([*names, "tags.<name>"] if tags else names)
                raise self._wrong(at, f"unknown field {key!r}: known are {listed}")
            found[key] = self._glob(value, at)
        return found

    def _flat(self, match: Mapping[str, Any], path: KeyPath) -> Iterable[tuple[str, Any, KeyPath]]:
        """Yield field, value and path, with ``tags = { region = "eu" }`` and ``"tags.region" = "eu"`` as one field."""
        for key, value in match.items():
            if key != "tags":
                yield key, value, (*path, key)
            elif isinstance(value, Mapping):
                yield from ((f"tags.{name}", one, (*path, "tags", name)) for name, one in value.items())
            else:
                raise self._wrong((*path, "tags"), 'write tags = { name = "value" }')

    def _glob(self, value: object, path: KeyPath) -> Globs:
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list) or not patterns or not all(isinstance(one, str) for one in patterns):
            raise self._wrong(path, "a pattern must be a text, or a list of texts of which one has to match")
        return Globs(tuple(patterns))

    def _test_events(self, rule: FingerprintRule, table: Mapping[str, Any], path: KeyPath) -> None:
        algorithm = VERSIONS[NEWEST]()
        for at, (subject, expected) in enumerate(self._tests(table, "event", path)):
            event = self._converted(subject, Event, (*path, "tests", at))
            if event_matches(rule, event, algorithm.read(event)) is not expected:
                raise self._failed(rule.name, at, expected, (*path, "tests", at))

    def _test_frames(self, rule: FrameRule, table: Mapping[str, Any], path: KeyPath) -> None:
        for at, (subject, expected) in enumerate(self._tests(table, "frame", path)):
            frame = self._converted(subject, Frame, (*path, "tests", at))
            if frame_matches(rule, frame, frame.platform or "other") is not expected:
                raise self._failed(rule.name, at, expected, (*path, "tests", at))

    def _tests(self, table: Mapping[str, Any], subject: str, path: KeyPath) -> Iterable[tuple[object, bool]]:
        tests = table.get("tests", [])
        if not isinstance(tests, list):
            raise self._wrong((*path, "tests"), "tests must be a list")
        for at, test in enumerate(tests):
            if (
                not isinstance(test, Mapping)
                or set(test) != {subject, "matches"}
                or not isinstance(test["matches"], bool)
            ):
                raise self._wrong((*path, "tests", at), f"a test is {{ {subject} = {{ … }}, matches = true }} or false")
            yield test[subject], test["matches"]

    def _converted(self, value: object, kind: type[_T], path: KeyPath) -> _T:
        try:
            # By way of JSON, because parts of an event stay raw JSON.
            return msgspec.json.decode(msgspec.json.encode(value), type=kind)
        except msgspec.ValidationError as error:
            raise self._wrong(path, f"the test's {kind.__name__.lower()} is not valid: {error}") from error

    def _failed(self, name: str, at: int, expected: bool, path: KeyPath) -> Misconfigured:
        found = "does not match, but should" if expected else "matches, but should not"
        return self._wrong(path, f"rule {name!r}: its test number {at + 1} fails: the rule {found}")
