"""Finds the JSON string or number around an offset that the scan reported, each of them once."""

from __future__ import annotations

from pipeline.scrub.jsontext import (
    STRING,
    flatten,
    number_bounds,
    opening_quote,
    outer_key,
    owner_of,
    skip_space,
    string_stop,
    surely_inside,
)


class Spot:
    """One string (the bounds of its content) or one number of the text, and what is known of its place."""

    __slots__ = ("_flat", "_known", "_owner", "_raw", "_text", "examined", "is_string", "rescanned", "start", "stop")

    def __init__(self, text: bytes, start: int, stop: int, known: dict[int, bytes | None], *, is_string: bool) -> None:
        self._text = text
        self._known = known
        self.start = start
        self.stop = stop
        self.is_string = is_string
        self.examined = False
        self.rescanned = False
        self._raw: bytes | None = None
        self._flat: bytes | None = None
        self._owner: bytes | bool | None = False

    @property
    def raw(self) -> bytes:
        """The content as it stands in the text."""
        if self._raw is None:
            self._raw = self._text[self.start : self.stop]
        return self._raw

    @property
    def flat(self) -> bytes:
        """The content in flat form: escapes undone, the same length."""
        if self._flat is None:
            self._flat = flatten(self.raw)
        return self._flat

    @property
    def owner(self) -> bytes | None:
        """The raw key whose value this is, directly, as an element of a flat array, or as an attribute's ``value``."""
        if isinstance(self._owner, bool):
            offset = self.start - self.is_string
            text = self._text
            if offset > 2 and text[offset - 1] == 0x3A and text[offset - 2] == 0x22:  # the usual member
                quote = text.rfind(b'"', 0, offset - 2)
                if text[quote - 1] != 0x5C and text[offset - 3] != 0x5C:
                    self._owner = self._known[offset] = text[quote + 1 : offset - 2]
            if isinstance(self._owner, bool):
                self._owner = self._known[offset] = owner_of(self._text, offset, self._known)
            if self._owner == b"value":
                self._owner = outer_key(text, offset) or self._owner
        return self._owner

    @property
    def is_key(self) -> bool:
        """Whether this string is an object's key rather than a value."""
        text = self._text
        after = skip_space(text, self.stop + 1)
        return self.is_string and text[after : after + 1] == b":"


class SpotFinder:
    """Locates spots in one text; offsets must come in ascending order.

    Remembers the last spot and how far the text is known to be outside strings, so that the work over all offsets
    is proportional to the text's length.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._last: Spot | None = None
        self._outside = 0
        self._known: dict[int, bytes | None] = {}

    def at(self, end: int) -> Spot | None:
        """Return the spot that holds the byte before ``end``; ``None`` if it is neither string nor number."""
        last = self._last
        if last is not None and last.start < end <= last.stop:
            return last
        text = self._text
        quote = text.rfind(b'"', self._outside, end - 1)
        if quote > 0 and text[quote - 1] != 0x5C and text[quote + 1] not in b":,]} \t\r\n":  # the usual string
            stop = text.find(b'"', end - 1)
            if text[stop - 1] == 0x5C:
                stop = string_stop(text, quote + 1)
            spot = self._last = Spot(text, quote + 1, stop, self._known, is_string=True)
            self._outside = stop + 1
            return spot
        if quote >= 0:
            quote = opening_quote(text, end - 1)
        if quote >= self._outside and self._opens(quote, end):
            spot = Spot(text, quote + 1, string_stop(text, quote + 1), self._known, is_string=True)
            self._outside = spot.stop + 1
        else:
            bounds = number_bounds(text, end - 1, self._outside)
            if bounds is None or bounds[1] < end - 1:
                return None
            spot = Spot(text, *bounds, self._known, is_string=False)
            self._outside = max(self._outside, spot.stop)
        self._last = spot
        return spot

    def passed(self, offset: int) -> None:
        """Say that ``offset`` is outside strings and that nothing before it is asked for any more."""
        self._outside = max(self._outside, offset)

    def _opens(self, quote: int, end: int) -> bool:
        """Whether ``quote`` opens the string that ``end`` is in, rather than closing one before a number."""
        text = self._text
        if surely_inside(text, quote, end - 1):
            return True
        at = self._outside
        while True:
            match = STRING.search(text, at)
            if match is None or match.start() > quote:
                return False
            if match.end() > quote:
                return match.start() == quote
            at = match.end()
