"""Compile and run the Java program under the real SDK as several deployments, and write what was captured.

    python tests/fingerprint/capture/java.py JARS

JARS is a directory that holds the jar of ``io.sentry:sentry``. Deployments differ in lines, ids, and in how many
lambdas stand before the failing ones, which numbers all of them anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "corpus" / "java-shop.jsonl"
FRAME_KEYS = {"function", "module", "filename", "lineno", "in_app", "native"}
EVENT_KEYS = {"platform", "level", "exception", "message"}
EXTRA = "static Runnable extra{at} = () -> System.out.println({at});"


def trimmed(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event without what is never read, and without the middle of a stack that ran full."""
    kept = {key: value for key, value in event.items() if key in EVENT_KEYS} | {"platform": "java"}
    for exception in kept.get("exception", {}).get("values", []):
        frames = (exception.get("stacktrace") or {}).get("frames", [])
        if len(frames) > 120:
            frames = frames[:60] + frames[-60:]
        exception["stacktrace"] = {"frames": [{k: v for k, v in f.items() if k in FRAME_KEYS} for f in frames]}
    return kept


def deploy(jars: Path, number: int) -> list[dict[str, Any]]:
    """Compile and run one deployment; return what it captured."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "com", "acme", "shop", "Shop.java")
        source.parent.mkdir(parents=True)
        extra = "\n".join(EXTRA.format(at=at) for at in range(number))
        source.write_text(
            "// licence line\n" * number + (HERE / "java" / "Shop.java").read_text().replace("/*EXTRA*/", extra)
        )
        path = f"{jars}/*:{directory}"
        subprocess.run(["javac", "-cp", path, str(source)], check=True)
        output = Path(directory, "events.jsonl")
        command = ["java", "-Xss512k", "-cp", path, "com.acme.shop.Shop", str(output), str(7 + 5 * number)]
        subprocess.run(command, check=True, capture_output=True)
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        return [{"bug": line["bug"], "event": trimmed(line["event"])} for line in lines]


def main() -> None:
    captured = [event for number in range(3) for event in deploy(Path(sys.argv[1]).resolve(), number)]
    captured.sort(key=lambda one: one["bug"])
    OUTPUT.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in captured))
    print(f"{len(captured)} events in {OUTPUT}")


if __name__ == "__main__":
    main()
