"""A bundle that is built again: its minified stack traces change; with its source maps applied, the issue does not.

The program in ``rebuilt/`` really fails, as two minified builds with other names, positions and file names. Node
applies the source maps itself (``--enable-source-maps``), as an error tracker does with those uploaded to it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from test_browsers import fingerprint

from tests.node_packages import installed, node

HERE = Path(__file__).parent / "rebuilt"

MORE = """\
const FORMATS = new Map([['eur', (n) => `${n} EUR`], ['usd', (n) => `${n} USD`]]);
export function format(total, currency = 'eur') { return FORMATS.get(currency)(total); }
export const greet = (total) => `total ${format(total)} of ${[...FORMATS.keys()].join()}`;
"""


def built(source: Path, out: Path) -> Path:
    """Bundle and minify the program; return the file, whose name holds a hash of it."""
    program = installed(HERE) / "node_modules" / ".bin" / "esbuild"
    options = [
        "--bundle",
        "--minify",
        "--sourcemap",
        "--format=esm",
        "--entry-names=[name].[hash]",
        "--log-level=error",
    ]
    command = [str(program), *options, "--out-extension:.js=.mjs", f"--outdir={out}", str(source / "shop.js")]
    subprocess.run(command, check=True, timeout=60)
    (file,) = out.glob("shop.*.mjs")
    return file


def errors(file: Path, *options: str) -> list[dict[str, str]]:
    """Run the program; return its errors, in their order."""
    done = subprocess.run([node(), *options, str(file)], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def own_frames(error: dict[str, str]) -> str:
    """Return a stack trace without Node's own frames, which the SDK marks as not in-app."""
    return "\n".join(line for line in error["stack"].splitlines() if "node:internal" not in line)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two builds: before and after a change that moves lines, adds a module's worth of code and renames everything."""
    directory = tmp_path_factory.mktemp("rebuilt")
    source = directory / "src"
    shutil.copytree(HERE / "src", source)
    before = built(source, directory / "before")
    (source / "banner.js").write_text(MORE)
    for name in ("cart.js", "reports.js"):
        file = source / name
        file.write_text("// Moved down\n// by three\n// lines.\n" + file.read_text())
    return [before, built(source, directory / "after")]


def test_the_two_builds_differ_in_names_and_positions(builds: list[Path]) -> None:
    before, after = ([own_frames(error).split("\n")[1:] for error in errors(build)] for build in builds)
    assert builds[0].name != builds[1].name
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_with_source_maps_a_rebuild_keeps_both_issues_and_keeps_them_apart(builds: list[Path]) -> None:
    found = [
        [
            fingerprint(error["type"], error["value"], own_frames(error))
            for error in errors(build, "--enable-source-maps")
        ]
        for build in builds
    ]
    assert found[0] == found[1]
    assert len(set(found[0])) == 2
