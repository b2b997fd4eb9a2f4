"""A coverage-guided fuzzer, run by hand: ``python tests/scrub/fuzz/coverage.py -max_total_time=60``.

Needs ``atheris`` (dependency group ``fuzz``). Bytes become texts in an event; what must hold: nothing is raised but
a refusal of a text that is no JSON, the structure stays, and a second scrubbing changes nothing. Time that grows
faster than the input shows as a timeout (``-timeout=2``): inputs are at most 64 kB.
"""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["pipeline.scrub"]):
    from pipeline.scrub import Policy, Scrubber

SCRUBBER = Scrubber(Policy())


def one_input(data: bytes) -> None:
    """Check the properties for one input."""
    provider = atheris.FuzzedDataProvider(data)
    key = provider.ConsumeUnicodeNoSurrogates(12)
    text = provider.ConsumeUnicodeNoSurrogates(65536)
    for event in ({"message": text}, {"extra": {key: [text, 1]}}, {"request": {"data": json.dumps({key: text})}}):
        payload = json.dumps(event, ensure_ascii=len(text) % 2 == 0).encode()
        once = SCRUBBER.scrub(payload).payload
        decoded = json.loads(once)
        if [type(value) for value in decoded.values()] != [type(value) for value in event.values()]:
            raise AssertionError("the structure changed")
        if SCRUBBER.scrub(once).payload != once:
            raise AssertionError("a second scrubbing changed something")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
