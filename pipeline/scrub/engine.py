"""One pass over an event: the scan finds spots, exact checks decide there, replacements are spliced once.

The scan (Hyperscan, block mode) reads the raw JSON bytes and reports where a candidate ends. For each report the
enclosing JSON string is located by its quotes, brought into flat form (see :mod:`pipeline.scrub.jsontext`), and the
candidate's exact check reads the window around the spot. Work outside found spots is only the scan's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from pipeline.scrub import addresses, cards, credentials, digits
from pipeline.scrub.allow import Allowed
from pipeline.scrub.announced import (
    find_called,
    find_client_option,
    find_element,
    find_invalid_input,
    find_part,
    find_source_name,
)
from pipeline.scrub.candidates import UNICODE
from pipeline.scrub.credentials import KEY_BODY, KEY_LINE, find_key_end, is_replacement
from pipeline.scrub.edits import Edits
from pipeline.scrub.jsontext import (
    canonical,
    following_strings,
    is_document,
    leaves,
    preceding_strings,
    sibling_strings,
    without_fillers,
)
from pipeline.scrub.keys import KeyNames
from pipeline.scrub.kinds import BODY, IP, PHONE, PRIVATE_KEY, VARIABLES, Span
from pipeline.scrub.members import LONGEST_KEY, Leaf, closing_quote, find_member, may_be_beside, says_nothing
from pipeline.scrub.paths import SafeFields, path_of
from pipeline.scrub.places import asks_for_section, barred, barred_in_section
from pipeline.scrub.policy import Policy
from pipeline.scrub.replace import Replacer
from pipeline.scrub.scan import Hit, Scan
from pipeline.scrub.spoken import find_spoken
from pipeline.scrub.spots import Spot, SpotFinder
from pipeline.scrub.sql import find_inserted
from pipeline.scrub.textfields import find_option, find_text_field

Finder = Callable[[bytes, int, int], list[Span]]
FINDERS: Final[dict[str, tuple[Finder, int]]] = {
    "authorization": (credentials.find_authorization, 32),
    "card": (cards.find_card, 64),
    "email": (credentials.find_email, 32),
    "home": (credentials.find_home, 72),
    "iban": (digits.find_iban, 24),
    "imei": (cards.find_imei, 32),
    "international": (digits.find_international_phone, 48),
    "ipv4": (addresses.find_ipv4, 16),
    "ipv6": (addresses.find_ipv6_or_mac, 80),
    "jwt": (credentials.find_jwt, 24),
    "mac": (addresses.find_mac, 32),
    "number": (cards.find_card_or_imei, 14),
    "mobile": (digits.find_bare_mobile, 16),
    "national": (digits.find_national_phone, 20),
    "private_key": (credentials.find_private_key, 64),
    "source_name": (find_source_name, 200),
    "ssn": (digits.find_ssn, 14),
    "trunk": (digits.find_trunk_phone, 24),
    "url": (credentials.find_url_password, 480),
    "uuid": (credentials.find_uuid, 40),
    "vendor": (credentials.find_vendor_key, 96),
    "named": (digits.find_named_phone, 48),
}
"""The exact checks that need nothing but the string, by the name that candidates give them, and how far before the
candidate's end the finding may begin."""

BY_NAME: Final[dict[str, Callable[[bytes, int, KeyNames], list[Span]]]] = {
    "called": find_called,
    "client_option": find_client_option,
    "element": find_element,
    "inserted": find_inserted,
    "invalid_input": find_invalid_input,
    "option": find_option,
    "part": find_part,
    "spoken": find_spoken,
}
"""The exact checks that need to know which names are sensitive, or whose findings begin after the candidate."""

_FEW: Final = 2
_AHEAD: Final = 512
"""Where a finder is called for the third time in a string, it looks this far ahead, so that candidates that stand
close together cost little."""

_SOURCE_KEYS: Final = frozenset((b"context_line", b"pre_context", b"post_context"))
_SOURCE_AFTER: Final = {b"pre_context": (b"context_line", b"post_context"), b"context_line": (b"post_context",)}
"""Where source goes on after a field's last line."""
_SOURCE_BEFORE: Final = {b"post_context": (b"context_line", b"pre_context"), b"context_line": (b"pre_context",)}
"""Where source comes from before a field's first line."""
_NAMES_ONLY: Final = frozenset(("modules", "measurements"))
"""Sections whose keys are names of things: a package called ``token`` holds no secret."""

_NESTING_LIMIT: Final = 8
_MOST_PASSES = 4
_MOST_REMEMBERED: Final = 8192
_LONGEST_REMEMBERED: Final = 512
_PHONE_KEY: Final = re.compile(
    rb"(?:(?<!\[)phone|mobile|msisdn|whatsapp|telefon|(?:^|[_\-. ])(?:tel|fax|cell)(?:$|[_\-. ]))", re.IGNORECASE
)
_PHONE_VALUE: Final = re.compile(rb"['\"]?\+?[0-9(][0-9 \-.()/\x01\x02+]{5,24}['\"]?")


class Engine:
    """A policy, compiled. Not safe for use by several threads at once (the scan has one scratch space)."""

    def __init__(self, policy: Policy) -> None:
        self.kinds = policy.wanted
        self.names = KeyNames(dict.fromkeys(policy.keys, "secret"))
        self.safe = SafeFields(policy.safe_fields)
        self.allowed = Allowed(policy.allow)
        self.replacer = Replacer(policy)
        self.scan = Scan(policy)
        self.nothing_in: set[tuple[bytes, bytes | None, int, str]] = set()
        """Visits that found nothing: a string, its owner where that matters, the offset in it, and the finder.

        Events repeat source lines, titles and headers, and what one visit decides depends on nothing else.
        """

    def remember_nothing(self, visit: tuple[bytes, bytes | None, int, str]) -> None:
        """Remember a visit that found nothing; all are forgotten when there are too many."""
        if len(self.nothing_in) >= _MOST_REMEMBERED:
            self.nothing_in.clear()
        self.nothing_in.add(visit)

    def scrub(self, payload: bytes) -> tuple[bytes, dict[tuple[str, str], int]]:
        """Return the scrubbed text (the same object when nothing was found) and the findings by kind and field."""
        text = payload
        hits = self.scan.hits(text)
        if not hits:
            return payload, {}
        if self.scan.hides(hits):
            text = canonical(payload)
            hits = self.scan.hits(text)
        edits = Pass(self, text, 0).run(hits)
        if edits.empty:
            return payload, {}
        text, passes = self.settled(text, edits, 0)
        findings = passes[0].findings()
        for edits in passes[1:]:
            _add_counts(findings, edits.findings())
        return text, findings

    def settled(self, text: bytes, edits: Edits, depth: int) -> tuple[bytes, list[Edits]]:
        """Return the text after ``edits``, and after as many more passes as it takes until nothing more is found.

        The edits of every pass come with it. Of a text that does not settle, whatever string still holds something
        goes whole.
        """
        passes: list[Edits] = []
        while not edits.empty:
            passes.append(edits)
            last = len(passes) == _MOST_PASSES
            if last:
                edits.widen()
            text, changed = edits.applied()
            if last or not self._anything_in(changed):
                break
            edits = Pass(self, text, depth).run(self.scan.hits(text))
        return text, passes

    def _anything_in(self, strings: list[bytes]) -> bool:
        """Whether edited strings, looked at without their place in the event, hold something (still, or now)."""
        if not strings:
            return False
        if any(len(string) <= LONGEST_KEY and self.names.kind_of(string) for string in strings):
            return True
        text = b'["' + b'","'.join(strings) + b'"]'
        hits = self.scan.hits(text)
        return not Pass(self, text, 1).run(hits).empty


def _exact(flat: bytes, offset: int, finder: str, base: int, known: dict[str, Examined]) -> list[Span]:
    """Call a finder for a candidate that ends at ``offset``; ``known`` says, from ``base`` on, where it has looked."""
    find, back = FINDERS[finder]
    examined = known.get(finder)
    if examined is None:
        examined = known[finder] = Examined()
    low = max(0, max(offset - back, examined.until - base))
    examined.calls += 1
    high = offset if examined.calls <= _FEW else min(offset + _AHEAD, len(flat))
    spans = find(flat, low, high)
    examined.until = base + max(high, spans[-1][1] if spans else 0)
    if high == offset or not spans or spans[-1][0] <= offset:
        return spans
    examined.pending = spans
    return examined.arrived(offset)


def _add_counts(total: dict[tuple[str, str], int], more: dict[tuple[str, str], int]) -> None:
    for place, count in more.items():
        total[place] = total.get(place, 0) + count


class Examined:
    """How far one finder has looked in a text, and what it found beyond where it was asked to."""

    __slots__ = ("calls", "pending", "until")

    def __init__(self) -> None:
        self.until = -1
        self.calls = 0
        self.pending: list[Span] = []

    def arrived(self, offset: int) -> list[Span]:
        """Return, and forget, what was found ahead and begins up to ``offset``."""
        count = 0
        while count < len(self.pending) and self.pending[count][0] <= offset:
            count += 1
        spans, self.pending = self.pending[:count], self.pending[count:]
        return spans


class Pass:
    """The visit of one text's hits, in order of their offsets."""

    def __init__(self, engine: Engine, text: bytes, depth: int) -> None:
        self._engine = engine
        self._text = text
        self._depth = depth
        self._spots = SpotFinder(text)
        self._edits = Edits(text, engine.replacer, engine.allowed)
        self._covered = 0
        self._examined: dict[str, Examined] = {}
        self._examined_spot: Spot | None = None
        self._barred: dict[str, bool] = {}

    def run(self, hits: list[Hit]) -> Edits:
        """Visit the hits and return the edits that they call for."""
        hits.sort()
        finders = self._engine.scan.finders
        run_end = 0
        for end, number in hits:
            finder = finders[number]
            examined = self._examined.get(finder)
            if examined is not None and end <= examined.until and not examined.pending:
                continue
            if finder == "number":  # one run of digits is reported once for every digit after the twelfth
                run_end, goes_on = end, end == run_end + 1
                if goes_on or cards.is_plain_number(self._text, end):
                    continue
            elif (finder == "beside" and not may_be_beside(self._text, end)) or (
                finder == "field" and says_nothing(self._text, end, self._engine.names)
            ):
                continue
            if end > self._covered and finder != UNICODE:
                self._visit(end, finder)
        return self._edits

    def _visit(self, end: int, finder: str) -> None:
        if finder in ("field", "beside"):
            quote = closing_quote(self._text, end)
            if quote >= 0:
                self._member(quote, end)
                return
        if finder in (VARIABLES, BODY):
            self._drop(finder, end - 1)
            return
        spot = self._spots.at(end)
        if spot is not None:
            self._look(spot, end, finder)

    def _look(self, spot: Spot, end: int, finder: str) -> None:
        if spot is not self._examined_spot:
            self._examined = {}
            self._barred = {}
            self._examined_spot = spot
        if finder in FINDERS:
            examined = self._examined.get(finder)
            if examined is not None and end <= examined.until:
                self._add(spot, examined.arrived(end - spot.start))
                return
        owner = spot.owner if finder not in FINDERS or finder == "named" else None
        visit = (spot.raw, owner, end - spot.start, finder)
        if visit in self._engine.nothing_in:
            return
        if spot.is_string and not spot.examined:
            spot.examined = True
            if self._depth < _NESTING_LIMIT and self._nested(spot):
                self._covered = spot.stop
                return
        spans = self._found(spot, end - spot.start, finder, spot.start, self._examined)
        if spans:
            self._add(spot, spans, covers=finder != "inserted")
        elif (
            finder != "private_key"  # of which more may stand in the strings before
            and spot.stop - spot.start <= _LONGEST_REMEMBERED
            and self._depth < _NESTING_LIMIT
        ):
            self._engine.remember_nothing(visit)

    def _found(self, spot: Spot, offset: int, finder: str, base: int, known: dict[str, Examined]) -> list[Span]:
        flat = spot.flat
        if finder == "named" and (not spot.is_string or _PHONE_VALUE.fullmatch(flat)):
            return self._announced(spot)
        if finder in FINDERS:
            spans = _exact(flat, offset, finder, base, known)
            return spans or (self._key_before_end(spot, offset) if finder == "private_key" else [])
        engine = self._engine
        if finder in ("field", "beside"):
            return find_text_field(flat, offset, engine.names, lambda: spot.owner in _SOURCE_KEYS)
        if finder in BY_NAME:
            return BY_NAME[finder](flat, offset, engine.names)
        if finder == "escaped":
            return self._rescanned(spot)
        return engine.scan.custom_spans(finder, flat, offset)

    def _announced(self, spot: Spot) -> list[Span]:
        """Find a telephone number that is a whole value, which its key announces."""
        flat = spot.flat
        if _PHONE_VALUE.fullmatch(flat) and 7 <= sum(0x30 <= byte <= 0x39 for byte in flat) <= 15:
            return [(0, len(flat), PHONE)] if spot.owner is not None and _PHONE_KEY.search(spot.owner) else []
        return digits.find_named_phone(flat, 0, len(flat)) if spot.is_string else []

    def _rescanned(self, spot: Spot) -> list[Span]:
        """Scan the flat form itself without its fillers, once, where the raw one holds escapes of escapes."""
        if spot.rescanned:
            return []
        spot.rescanned = True
        spans: list[Span] = []
        known: dict[str, Examined] = {}
        text, begins, shifts = without_fillers(spot.flat)
        for end, number in sorted(self._engine.scan.hits(text)):
            offset = end + shifts[bisect_right(begins, end - 1) - 1]
            finder = self._engine.scan.finders[number]
            examined = known.get(finder)
            if examined is not None and offset <= examined.until:
                spans += examined.arrived(offset)
            elif finder not in ("escaped", UNICODE):
                spans += self._found(spot, offset, finder, 0, known)
        return spans

    def _drop(self, kind: str, at: int) -> None:
        """Empty a frame's variables or a request's body, by a policy that keeps neither."""
        if self._text[at] in b"tfn" or (kind == BODY and self._edits.sections.section_at(at) != "request"):
            return
        found, stop = leaves(self._text, at)
        if self._text[at] in b"{[":
            self._edits.add_emptied(at, stop, kind)
            self._covered = stop
            self._spots.passed(stop)
            return
        for low, high, is_string in found:
            if high > low and not is_replacement(self._text[low:high]):
                self._edits.add_leaf(Leaf(low, high, kind, is_string=is_string))

    def _member(self, quote: int, end: int) -> None:
        self._spots.passed(end)
        blanked = find_member(self._text, quote, end, self._engine.names)
        if blanked is None:
            return
        if not blanked.leaves or self._edits.sections.section_at(quote) in _NAMES_ONLY:
            return
        kinds = self._engine.kinds
        for leaf in blanked.leaves:
            if leaf.kind in kinds and not self._is_safe(leaf.start - leaf.is_string):
                self._edits.add_leaf(leaf)
        if blanked.leaves[0].kind in kinds and self._text[blanked.stop - 1] not in b"}]":
            self._covered = max(self._covered, blanked.stop)  # of an object or array, the keys want a look as well
            self._spots.passed(blanked.stop)

    def _add(self, spot: Spot, spans: list[Span], *, covers: bool = True) -> None:
        """Replace spans; nothing up to their ends needs another look, unless something stands between them."""
        for start, stop, kind in spans:
            if kind not in self._engine.kinds:
                continue
            if kind not in self._barred:
                self._barred[kind] = self._is_barred(spot, kind)
            if self._barred[kind]:
                continue
            if self._edits.add(spot, start, stop, kind):
                if covers:
                    self._covered = max(self._covered, spot.start + stop)
                if kind == PRIVATE_KEY and stop == len(spot.flat) and spot.is_string:
                    self._add_key_lines(spot)

    def _add_key_lines(self, spot: Spot) -> None:
        """Remove the lines of a private key that goes on in the next strings, as source context has it."""
        strings = list(following_strings(self._text, spot.stop))
        removed = self._add_key_run(strings)
        if removed:
            self._covered = strings[removed - 1][1]
        if removed < len(strings):
            return
        for field in _SOURCE_AFTER.get(spot.owner or b"", ()):
            for strings in sibling_strings(self._text, spot.start, spot.owner or b"", field):
                self._add_key_run(strings)

    def _add_key_run(self, strings: list[tuple[int, int]]) -> int:
        """Remove lines up to the first that is none of a private key, or to the key's end; how many they were."""
        lines = [self._text[start:stop] for start, stop in strings]
        for index, line in enumerate(lines):
            last = index + 1 < len(lines) and b"-----END" in lines[index + 1]  # may be a short one
            if KEY_LINE.fullmatch(line) is None and not (last and KEY_BODY.fullmatch(line)):
                return index
            start, stop = strings[index]
            self._edits.add_leaf(Leaf(start, stop, PRIVATE_KEY, is_string=True))
            if b"-----END" in line:
                return index + 1
        return len(lines)

    def _key_before_end(self, spot: Spot, offset: int) -> list[Span]:
        """Find a private key by its last line where the first one is out of view, also in the strings before."""
        spans, has_body = find_key_end(spot.flat, offset)
        if not spans or not spot.is_string or spans[0][0] > 0:
            return spans if has_body else []
        groups = [preceding_strings(self._text, spot.start)]
        for field in _SOURCE_BEFORE.get(spot.owner or b"", ()):
            groups += [s[::-1] for s in sibling_strings(self._text, spot.start, spot.owner or b"", field)]
        before: list[tuple[int, int]] = []
        for strings in groups:
            for start, stop in strings:
                line = self._text[start:stop]
                if KEY_BODY.fullmatch(line) is None or (before and stop - start < 16):
                    break
                before.append((start, stop))
        if not has_body and not any(stop - start >= 16 for start, stop in before):
            return []
        for start, stop in before:
            self._edits.add_leaf(Leaf(start, stop, PRIVATE_KEY, is_string=True))
        return spans

    def _is_safe(self, value: int) -> bool:
        """Whether a policy leaves the value that begins at ``value`` as it is."""
        safe = self._engine.safe
        return not safe.empty and self._depth == 0 and path_of(self._text, value) in safe

    def _is_barred(self, spot: Spot, kind: str) -> bool:
        owner = spot.owner
        if barred(owner, kind) or self._is_safe(spot.start - spot.is_string):
            return True
        if self._depth or not asks_for_section(owner, kind):
            return False
        return barred_in_section(self._edits.sections.section_at(spot.start), owner, kind)

    def _nested(self, spot: Spot) -> bool:
        """Scrub a string that is itself a JSON document as one; whether it was one."""
        raw = spot.raw
        if not is_document(raw) or (raw[:1] == b"\\" and barred(spot.owner, IP)):
            return False  # a version in quotes, as browsers send it in their client hints, is no document
        try:
            inner = msgspec.json.decode(b'"' + raw + b'"', type=str).encode()
            msgspec.json.decode(inner, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return False
        text = canonical(inner)
        hits = self._engine.scan.hits(text)
        edits = Pass(self._engine, text, self._depth + 1).run(hits)
        if not edits.empty:
            text, passes = self._engine.settled(text, edits, self._depth + 1)
            counts: Counter[str] = Counter()
            for edits in passes:
                counts.update(edits.kinds())
            self._edits.add_nested(spot, msgspec.json.encode(text.decode())[1:-1], counts)
        return True
