"""The outline of a JSON object: the keys of its members, and where their values begin and end.

Compiled (see ``_outline.c``), what is inside of the values is passed over 64 bytes at once. Interpreted, msgspec finds
where values end, unless their keys are repeated or escaped; what is found is the same.
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
        at = skip_space(text, start)
        if at >= stop or text[at] != 0x7B:
            return [], [], []
        try:
            members = _MEMBERS.decode(text[start:stop])
        except msgspec.DecodeError as error:
            raise ValueError("not a JSON object") from error
        names: list[str] = []
        starts: list[int] = []
        stops: list[int] = []
        at = skip_space(text, at + 1)
        while text[at] == 0x22:
            end_of_key = string_stop(text, at + 1)
            name = text[at + 1 : end_of_key].decode("utf-8", "replace")
            begin = skip_space(text, skip_space(text, end_of_key + 1) + 1)
            end = _stop_of(text, begin, bytes(members.get(name, b"")))
            names.append(name)
            starts.append(begin)
            stops.append(end)
            at = skip_space(text, end)
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
