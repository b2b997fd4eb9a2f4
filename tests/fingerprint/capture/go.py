"""Build and run the Go program under the real SDK as several deployments, and write what was captured to the corpus.

    python tests/fingerprint/capture/go.py

Needs ``go`` and access to a module proxy. Deployments differ in directory, lines, ids, inlining and ``-trimpath``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTPUT = HERE.parent / "corpus" / "go-shop.jsonl"
DEPLOYMENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("srv/shop", ()),
    ("home/ann/shop", ("-trimpath",)),
    ("usr/src/app", ("-gcflags=all=-l",)),
)
FRAME_KEYS = {"function", "module", "filename", "abs_path", "lineno", "in_app"}
EVENT_KEYS = {"platform", "level", "exception", "message", "threads"}


def trimmed(event: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the event without what is never read, and with the deployment's own root for the temporary one."""
    kept = {key: value for key, value in event.items() if key in EVENT_KEYS}
    kept["platform"] = "go"
    for holder in [*(kept.get("exception") or []), *(kept.get("threads") or [])]:
        frames = (holder.get("stacktrace") or {}).get("frames", [])
        if frames:
            holder["stacktrace"] = {"frames": [{k: v for k, v in f.items() if k in FRAME_KEYS} for f in frames]}
    return json.loads(json.dumps(kept).replace(directory, ""))


def deploy(root_name: str, flags: tuple[str, ...], number: int) -> list[dict[str, Any]]:
    """Build and run one deployment; return what it captured."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, root_name)
        shutil.copytree(HERE / "go", root)
        for source in root.rglob("*.go"):
            source.write_text("// licence line\n" * number + source.read_text())
        for command in (["mod", "init", "github.com/acme/shop"], ["get", "github.com/getsentry/sentry-go"]):
            subprocess.run(["go", *command], cwd=root, check=True, capture_output=True)
        subprocess.run(["go", "build", *flags, "-o", "shop", "."], cwd=root, check=True)
        output = Path(directory, "events.jsonl")
        subprocess.run(["./shop", str(output), str(7 + 5 * number)], cwd=root, check=True)
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        return [{"bug": line["bug"], "event": trimmed(line["event"], directory)} for line in lines]


def main() -> None:
    captured = [event for at, (root, flags) in enumerate(DEPLOYMENTS) for event in deploy(root, flags, at)]
    captured.sort(key=lambda one: one["bug"])
    OUTPUT.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in captured))
    print(f"{len(captured)} events in {OUTPUT}")


if __name__ == "__main__":
    main()
