"""The outline of a JSON object: the keys of its members, and where their values begin and end.

Compiled (see ``_outline.c``), what is inside of the values is passed over 64 bytes at once. Interpreted, msgspec finds
where values end, unless white space stands between the tokens; what is found is the same.
"""

from __future__ import annotations

try:
    from pipeline.scrub._outline import members_of
except ImportError:
    import msgspec

    from pipeline.scrub.jsontext import leaves, skip_space, string_stop

    _MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def members_of(text: bytes, start: int, stop: int) -> tuple[list[str], list[int], list[int]]:
        """Return the members of the object in ``text[start:stop]``, which is JSON: their keys, as they are written.

        With them come the offsets where their values begin, and those just after the values. Of anything but an
        object there are none.

        :raises ValueError: when what begins as an object is none.
        """
        inside = text[start:stop]
        at = skip_space(inside, 0)
        if inside[at : at + 1] != b"{":
            return [], [], []
        try:
            members = _MEMBERS.decode(inside)
        except msgspec.DecodeError as error:
            raise ValueError("not a JSON object") from error
        starts: list[int] = []
        stops: list[int] = []
        for name, raw in members.items():
            key = b'"%b":' % name.encode()
            value = at + 1 + len(key)
            if inside[at + 1 : value] != key or inside[value] <= 0x20:
                return _members_with_spaces(inside, start, members)
            at = value + len(bytes(raw))
            if inside[at] not in (0x2C, 0x7D):
                return _members_with_spaces(inside, start, members)
            starts.append(start + value)
            stops.append(start + at)
        if starts and inside[at] == 0x2C:  # a key is repeated
            return _members_with_spaces(inside, start, members)
        return list(members), starts, stops

    def _members_with_spaces(
        text: bytes, offset: int, members: dict[str, msgspec.Raw]
    ) -> tuple[list[str], list[int], list[int]]:
        """Do the same where there is white space between tokens, or a key is escaped or repeated."""
        names: list[str] = []
        starts: list[int] = []
        stops: list[int] = []
        at = skip_space(text, skip_space(text, 0) + 1)
        while text[at : at + 1] == b'"':
            end_of_key = string_stop(text, at + 1)
            name = text[at + 1 : end_of_key].decode("utf-8", "replace")
            start = skip_space(text, skip_space(text, end_of_key + 1) + 1)
            stop = _stop_of(text, start, bytes(members.get(name, b"")))
            names.append(name)
            starts.append(offset + start)
            stops.append(offset + stop)
            at = skip_space(text, stop)
            if text[at] != 0x2C:
                break
            at = skip_space(text, at + 1)
        return names, starts, stops

    def _stop_of(text: bytes, start: int, value: bytes) -> int:
        """Return where the value at ``start`` ends; ``value`` is the last one of its key, so mostly this one."""
        stop = start + len(value)
        if value and text.startswith(value, start) and text[skip_space(text, stop)] in (0x2C, 0x7D):
            return stop
        return leaves(text, start)[1] if text[start] in b'"[{-0123456789' else start + 4 + (text[start] == 0x66)


__all__ = ["members_of"]
