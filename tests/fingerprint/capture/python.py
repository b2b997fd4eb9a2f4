"""Run ``shop`` under the real SDK as several deployments, and write what was captured to the corpus.

    python tests/fingerprint/capture/python.py PYTHON [PYTHON ...]

Each PYTHON is an interpreter that has ``sentry_sdk`` installed; each becomes a deployment in another directory, with
other line numbers, another release and other ids in its messages. Fields that grouping never reads are left out of
what is checked in.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "corpus" / "python-shop.jsonl"
ROOTS = ("srv/shop", "home/ann/work/shop", "usr/src/app", "opt/deploy/releases/20240309/shop", "var/www/shop", "app")
FRAME_KEYS = {"function", "module", "filename", "abs_path", "lineno", "in_app", "context_line"}
EVENT_KEYS = {"platform", "level", "exception", "logentry", "message", "logger", "transaction", "release", "threads"}


def trimmed(event: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the event without what is never read, and with the deployment's own root for the temporary one."""
    kept = {key: value for key, value in event.items() if key in EVENT_KEYS}
    for exception in kept.get("exception", {}).get("values", []):
        frames = (exception.get("stacktrace") or {}).get("frames", [])
        if len(frames) > 120:
            frames = frames[:60] + frames[-60:]
        if frames:
            exception["stacktrace"] = {"frames": [{k: v for k, v in f.items() if k in FRAME_KEYS} for f in frames]}
    return json.loads(json.dumps(kept).replace(directory, ""))


def deploy(python: str, number: int) -> list[dict[str, Any]]:
    """Run one deployment and return what it captured."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, ROOTS[number % len(ROOTS)])
        shutil.copytree(HERE / "shop", root / "shop", ignore=shutil.ignore_patterns("__pycache__"))
        for source in (root / "shop").glob("*.py"):
            source.write_text("# licence line\n" * number + source.read_text())
        output = Path(directory, "events.jsonl")
        subprocess.run([python, "-m", "shop", str(output), str(7 + number * 5)], cwd=root, check=True)
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        return [{"bug": line["bug"], "event": trimmed(line["event"], directory)} for line in lines]


def main() -> None:
    captured = [event for number, python in enumerate(sys.argv[1:]) for event in deploy(python, number)]
    captured.sort(key=lambda one: one["bug"])
    OUTPUT.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in captured))
    print(f"{len(captured)} events in {OUTPUT}")


if __name__ == "__main__":
    main()
