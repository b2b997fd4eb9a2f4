"""Run the Node programs under the real SDK as several deployments, and write what was captured to the corpus.

    python tests/fingerprint/capture/node.py MODULES [NODE ...]

MODULES is a directory whose ``node_modules`` holds ``@sentry/node``; each NODE is an interpreter (default: ``node``,
three times). Each becomes a deployment in another directory, with other line numbers, release and ids.
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
OUTPUT = HERE.parent / "corpus" / "node-shop.jsonl"
ROOTS = ("srv/shop", "home/ann/shop", "usr/src/app", "var/www/shop")
FRAME_KEYS = {"function", "module", "filename", "lineno", "colno", "in_app", "context_line"}
EVENT_KEYS = {"platform", "level", "exception", "message", "logger", "transaction", "release", "threads"}


def trimmed(event: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the event without what is never read, and with the deployment's own root for the temporary one."""
    kept = {key: value for key, value in event.items() if key in EVENT_KEYS}
    for exception in kept.get("exception", {}).get("values", []):
        frames = (exception.get("stacktrace") or {}).get("frames", [])
        if frames:
            exception["stacktrace"] = {"frames": [{k: v for k, v in f.items() if k in FRAME_KEYS} for f in frames]}
    return json.loads(json.dumps(kept).replace(directory, ""))


def deploy(node: str, modules: Path, number: int) -> list[dict[str, Any]]:
    """Run one deployment and return what it captured."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, ROOTS[number % len(ROOTS)])
        shutil.copytree(HERE / "node", root)
        for source in root.glob("*.js"):
            source.write_text("// licence line\n" * number + source.read_text())
        (root / "node_modules").symlink_to(modules.resolve() / "node_modules")
        output = Path(directory, "events.jsonl")
        subprocess.run([node, "main.js", str(output), str(7 + number * 5)], cwd=root, check=True)
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        return [{"bug": line["bug"], "event": trimmed(line["event"], directory)} for line in lines]


def main() -> None:
    modules, *nodes = sys.argv[1:]
    runs = enumerate(nodes or ["node"] * 3)
    captured = [event for number, node in runs for event in deploy(node, Path(modules), number)]
    captured.sort(key=lambda one: one["bug"])
    OUTPUT.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in captured))
    print(f"{len(captured)} events in {OUTPUT}")


if __name__ == "__main__":
    main()
