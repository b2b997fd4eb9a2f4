"""A coverage-guided fuzzer of everything between a request and its messages, run by hand.

``python tests/gateway/fuzz/coverage.py -max_total_time=60 [DIRECTORY]`` keeps what it finds worth keeping in the
directory. Needs ``atheris`` (dependency group ``fuzz``). It begins with the payloads that real SDKs sent. What must
hold is in request_checks.py; time that grows faster than the input shows as a timeout (``-timeout=2``).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["pipeline.gateway", "pipeline.payload.route", "pipeline.inbound"]):
    from request_checks import ENCODERS, KEY, check, check_framing, seeds

    from pipeline.gateway.endpoint import Incoming

NAMES = sorted(ENCODERS)
TOKENS = (
    *("{}", '"type":', '"length":', '"event_id":', '"sent_at":', '"dsn":', '"items":[', '"timestamp":', "NaN", "\\n"),
    *("event", "transaction", "span", "log", "session", "sessions", "check_in", "client_report", "attachment"),
)


def one_input(data: bytes) -> None:
    """Check one input: how it is sent in the first bytes, then what is sent."""
    form, encoding, auth, body = data[:1], data[1:2], data[2:3], data[3:]
    how = (auth or b"\0")[0]
    name = NAMES[(encoding or b"\0")[0] % len(NAMES)]
    text = body[:60].decode("latin-1")
    headers = {"content-encoding": name}
    query: dict[str, str] = {}
    if how % 4 == 0:
        query["sentry_key"] = KEY
    elif how % 4 == 1:
        headers["x-sentry-auth"] = f"Sentry sentry_key={KEY}, sentry_version={text}"
    elif how % 4 == 2:
        headers["authorization"] = text
    project = (None, "7")[how // 4 % 2]
    # Half of the inputs are compressed first, so that what is inside is reached; the others try the decoders.
    sent = ENCODERS[name](body) if how & 128 == 0 else body
    check(Incoming("store" if (form or b"\0")[0] % 4 == 3 else "envelope", project, headers, query, sent))
    check_framing(body)


def main() -> None:
    """Run it on what is captured."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place) / "seeds"
        corpus.mkdir()
        for number, body in enumerate(seeds()):
            for how in (0, 4, 7):
                (corpus / f"{number}-{how}").write_bytes(bytes((0, number, how)) + body)
        dictionary = Path(place) / "tokens"
        quoted = (token.replace('"', '\\"') for token in TOKENS)
        dictionary.write_text("".join(f'"{token}"\n' for token in quoted).replace("\\n", "\\x0a"))
        own = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        first = own or [str(Path(place) / "found")]
        Path(first[0]).mkdir(parents=True, exist_ok=True)
        options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
        atheris.Setup([sys.argv[0], *options, f"-dict={dictionary}", *first, str(corpus)], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
