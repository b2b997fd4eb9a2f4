"""Collects the replacements that one text needs, and splices them in once, from left to right."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Final

from pipeline.scrub.allow import Allowed
from pipeline.scrub.jsontext import flatten, whole_characters
from pipeline.scrub.kinds import EMAIL, IP, PASSWORD
from pipeline.scrub.members import Leaf
from pipeline.scrub.replace import Replacer
from pipeline.scrub.sections import Sections
from pipeline.scrub.spots import Spot

_ENDS_BEFORE: Final = frozenset(b" \t\r\n\"'(<>,;=/\\\x01\x02{|")
_BEGINS_AFTER: Final = frozenset(b" \t\r\n\"'),;&/<>\\\x01\x02}|@?!")
"""Bytes beside a replacement that belong to no candidate, so that replacing beside them lays nothing bare."""
_JOINTS: Final = frozenset(b" .,:;/|-&")
_NUMBER_ENDS: Final = frozenset(b"0123456789)")
_NUMBER_BEGINS: Final = frozenset(b"0123456789+(")
"""A number that a replaced one was joined to may be one by itself now."""


def _lays_bare(flat: bytes, start: int, stop: int) -> bool:
    """Whether something after a span, or a number joined to it, may be a finding once the span is replaced."""
    if start > 1 and flat[start - 2] in _NUMBER_ENDS and flat[start - 1] in _JOINTS:
        return True
    if stop < len(flat) and flat[stop] not in _BEGINS_AFTER:
        return True
    return stop + 1 < len(flat) and flat[stop] in _JOINTS and flat[stop + 1] in _NUMBER_BEGINS


class Edit:
    """One replacement: bounds in the text, kind, and how it is written.

    * ``quoted``: the text replaces a JSON number and so needs quotes of its own.
    * ``key_of``: where the key that the edit is in begins, or -1 outside keys.
    * ``verbatim``: the text itself, where the replacement is a whole scrubbed document rather than a kind's name.
    """

    __slots__ = ("key_of", "kind", "quoted", "start", "stop", "verbatim")

    def __init__(
        self, start: int, stop: int, kind: str, *, quoted: bool = False, key_of: int = -1, verbatim: bytes | None = None
    ) -> None:
        self.start = start
        self.stop = stop
        self.kind = kind
        self.quoted = quoted
        self.key_of = key_of
        self.verbatim = verbatim

    def over(self, start: int, stop: int, kind: str) -> Edit:
        """Return an edit that is written the same way, with other bounds and kind."""
        return Edit(start, stop, kind, quoted=self.quoted, key_of=self.key_of, verbatim=self.verbatim)


def _are_apart(edits: list[Edit]) -> bool:
    """Whether edits are in order already, none is empty and none overlaps another."""
    done = 0
    for edit in edits:
        if not done <= edit.start < edit.stop:
            return False
        done = edit.stop
    return True


def _joined(edits: list[Edit]) -> list[Edit]:
    """Return edits in order, those that overlap made one; the longer one gives its kind."""
    joined: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.stop)):
        last = joined[-1] if joined else None
        if last is None or edit.start >= last.stop:
            joined.append(edit)
        elif edit.stop > last.stop:
            longer = edit if edit.stop - edit.start > last.stop - last.start else last
            joined[-1] = last.over(last.start, edit.stop, longer.kind)
    return joined


class Edits:
    """The replacements in one text."""

    def __init__(self, text: bytes, replacer: Replacer, allowed: Allowed) -> None:
        self._text = text
        self._replacer = replacer
        self._allowed = allowed
        self._allows_some = not allowed.empty
        self._edits: list[Edit] = []
        self._owners: dict[int, bytes | None] = {}
        self._extra: list[tuple[int, Counter[str]]] = []
        self._sections: Sections | None = None
        self._strings: dict[int, int] = {}
        self._result: list[Edit] | None = None
        self._exposing: set[int] = set()

    @property
    def empty(self) -> bool:
        """Whether the text stays as it is."""
        return not self._edits

    @property
    def sections(self) -> Sections:
        """The text's top-level members, found when first asked for."""
        if self._sections is None:
            self._sections = Sections(self._text)
        return self._sections

    def add(self, spot: Spot, start: int, stop: int, kind: str) -> bool:
        """Replace a span of a spot's content, given by offsets in the spot; ``False`` if it is allowed to stay."""
        flat, begin = spot.flat, spot.start
        start, stop = whole_characters(flat, start, stop)
        if self._allows_some and flat[start:stop] in self._allowed:
            return False
        if kind == EMAIL and self._follows_password(begin + start):
            return False
        if spot.is_string:
            edit = Edit(begin + start, begin + stop, kind, key_of=begin if spot.is_key else -1)
        else:
            edit = Edit(begin, spot.stop, kind, quoted=True)
        if kind == IP and self._replacer.truncates and self._written(edit, {}) == self._text[edit.start : edit.stop]:
            return False
        self._owners[edit.start] = spot.owner
        if (
            begin in self._strings  # two in one string may have touched
            or edit.key_of >= 0  # a marker's word may make the key a sensitive one
            or (start and flat[start - 1] not in _ENDS_BEFORE and kind != PASSWORD)
            or _lays_bare(flat, start, stop)
        ):
            self._exposing.add(begin)
        self._strings[begin] = spot.stop
        self._edits.append(edit)
        return True

    def _follows_password(self, start: int) -> bool:
        """Whether an e-mail address would begin in a URL's password: ``scheme://user:password@host.example``."""
        return any(edit.kind == PASSWORD and edit.start <= start <= edit.stop for edit in self._edits[-2:])

    def add_leaf(self, leaf: Leaf) -> None:
        """Replace a leaf of a sensitive value."""
        if not self._allows_some or flatten(self._text[leaf.start : leaf.stop]) not in self._allowed:
            self._edits.append(Edit(leaf.start, leaf.stop, leaf.kind, quoted=not leaf.is_string))

    def add_emptied(self, start: int, stop: int, kind: str) -> None:
        """Leave nothing of an object or array but its brackets."""
        if self._text[start + 1 : stop - 1].strip():
            self._extra.append((start, Counter({kind: 1})))
            brackets = self._text[start : start + 1] + self._text[stop - 1 : stop]
            self._edits.append(Edit(start, stop, "", verbatim=brackets))

    def add_nested(self, spot: Spot, scrubbed: bytes, kinds: Counter[str]) -> None:
        """Replace a string's whole content by the scrubbed document that it holds."""
        self._owners[spot.start] = spot.owner
        self._extra.append((spot.start, kinds))
        self._edits.append(Edit(spot.start, spot.stop, "", verbatim=scrubbed))

    def widen(self) -> None:
        """Let each edit replace the whole of the string that it is in."""
        self._edits = [
            edit if start < 0 else edit.over(start, self._strings[start], edit.kind)
            for edit, start in ((edit, self._string_of(edit)) for edit in self._edits)
        ]
        self._exposing.clear()

    def _string_of(self, edit: Edit) -> int:
        """Return where the string that an edit is in begins, or -1 for leaves, which are replaced whole anyway."""
        starts = sorted(self._strings)
        index = bisect_right(starts, edit.start) - 1
        return starts[index] if index >= 0 and edit.stop <= self._strings[starts[index]] and not edit.quoted else -1

    def applied(self) -> tuple[bytes, list[bytes]]:
        """Return the text with every replacement made, and the strings in which something was replaced.

        What stands beside a replacement may be a finding now that it was not before, so those strings want one more
        look: ``a@b.example4111 1111 1111 1111`` is an address only once the card is gone.
        """
        text = self._text
        pieces: list[bytes] = []
        keys: dict[int, int] = {}
        stops: list[int] = []
        ends: list[int] = []
        done = end = 0
        for edit in self._merged():
            written = self._written(edit, keys)
            pieces.append(text[done : edit.start])
            pieces.append(written)
            end += edit.start - done + len(written)
            done = edit.stop
            stops.append(done)
            ends.append(end)
        pieces.append(text[done:])
        applied = b"".join(pieces)
        return applied, self._changed(applied, stops, ends) if self._exposing else []

    def _changed(self, applied: bytes, stops: list[int], ends: list[int]) -> list[bytes]:
        """Return the edited strings as they are now; each edit ends at one of ``stops`` before, of ``ends`` now."""
        found = []
        for start, stop in self._strings.items():
            if start not in self._exposing:
                continue
            before, within = bisect_right(stops, start), bisect_right(stops, stop)
            low = start if before == 0 else ends[before - 1] + start - stops[before - 1]
            high = stop if within == 0 else ends[within - 1] + stop - stops[within - 1]
            found.append(applied[low:high])
        return found

    def _written(self, edit: Edit, keys: dict[int, int]) -> bytes:
        if edit.verbatim is not None:
            return edit.verbatim
        new = self._replacer.text(edit.kind, self._text[edit.start : edit.stop])
        if edit.quoted:
            return b'"' + new + b'"'
        if edit.key_of >= 0 and edit.key_of not in keys:
            keys[edit.key_of] = len(keys) + 1
            if len(keys) > 1:  # two keys of one object must not become the same key
                return b"%b-%d]" % (new[:-1], len(keys)) if new.endswith(b"]") else b"%b-%d" % (new, len(keys))
        return new

    def _merged(self) -> list[Edit]:
        """Return the edits in order, those that overlap made one."""
        if self._result is None:
            self._result = self._edits if _are_apart(self._edits) else _joined(self._edits)
        return self._result

    def _documents(self) -> list[tuple[int, Counter[str]]]:
        """Return the findings in documents inside strings, but for strings that are blanked as a whole."""
        if not self._extra:
            return []
        starts = {edit.start for edit in self._merged() if edit.verbatim is not None}
        return [(start, inner) for start, inner in self._extra if start in starts]

    def kinds(self) -> Counter[str]:
        """Return how many findings of each kind there are, nested documents included."""
        counted = Counter(edit.kind for edit in self._merged() if edit.verbatim is None)
        for _, inner in self._documents():
            counted.update(inner)
        return counted

    def findings(self) -> dict[tuple[str, str], int]:
        """Return how many findings of each kind there are in each field."""
        counted: dict[tuple[str, str], int] = {}
        for edit in self._merged():
            if edit.verbatim is None:
                place = (edit.kind, self.sections.field_at(edit.start, self._owners.get(edit.start)))
                counted[place] = counted.get(place, 0) + 1
        for start, inner in self._documents():
            field = self.sections.field_at(start, self._owners.get(start))
            for kind, count in inner.items():
                counted[kind, field] = counted.get((kind, field), 0) + count
        return counted
