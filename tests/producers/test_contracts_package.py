"""``aftershock_contracts``: what other people's programs read alerts with, whatever packages they have themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import schemas
from schemas.topics import ALERTS, DEAD_LETTERS, ISSUE_CHANGES

EXAMPLES = Path(schemas.__file__).parent / "examples"
DISTRIBUTION = Path(schemas.__file__).parent / "producers" / "python"

PROGRAM = """
import json
import sys
from datetime import datetime
from pathlib import Path

import schemas
from schemas.alert import Alert as TheirAlert

from aftershock_contracts import Alert, DeadLetter, IssueChange, Replay, decode_alert, decode_issue_change, key_of

assert TheirAlert == "theirs"
decoded = []
examples = Path(sys.argv[1])
for path in sorted((examples / "alerts").glob("*.json")):
    alert = decode_alert(path.read_bytes())
    assert type(alert) is Alert
    assert isinstance(alert.window_end, datetime)
    assert alert.title == json.loads(path.read_bytes())["title"]
    decoded.append(f"alerts/{path.name}")
for path in sorted((examples / "issue-changes").glob("*.json")):
    sent = json.loads(path.read_bytes())
    change = decode_issue_change(key_of(sent["project"], sent["fingerprint"]), path.read_bytes())
    assert type(change) is IssueChange
    assert change.status == sent.get("status", "open")
    decoded.append(f"issue-changes/{path.name}")
for path in sorted((examples / "dead-letters").glob("*.json")):
    headers = [(name, value.encode()) for name, value in json.loads(path.read_bytes()).items()]
    letter = DeadLetter.from_headers(headers)
    assert type(letter) is DeadLetter
    assert str(letter.offset) == dict(headers)["offset"].decode()
    assert Replay.from_headers(headers) is None
    decoded.append(f"dead-letters/{path.name}")
# Who reads alerts needs no transport for events, and nothing of Aftershock itself.
brought = {"sentry_sdk", "confluent_kafka", "pipeline"} & set(sys.modules)
print(json.dumps({"decoded": decoded, "brought": sorted(brought), "schemas": schemas.__file__}))
"""


def test_a_program_with_a_package_schemas_of_its_own_decodes_every_example(tmp_path: Path) -> None:
    theirs = tmp_path / "schemas"
    theirs.mkdir()
    (theirs / "__init__.py").write_text("")
    (theirs / "alert.py").write_text('Alert = "theirs"\n')
    program = tmp_path / "service.py"
    program.write_text(PROGRAM)
    # The program's own directory comes first, as it does wherever a script is run.
    done = subprocess.run(
        [sys.executable, str(program), str(EXAMPLES)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(DISTRIBUTION)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    topics = (ALERTS.name, ISSUE_CHANGES.name, DEAD_LETTERS.name)
    there = [f"{topic}/{path.name}" for topic in topics for path in sorted((EXAMPLES / topic).glob("*.json"))]
    assert said["decoded"] == there
    assert {name.split("/")[0] for name in there} == set(topics)
    assert said["brought"] == []
    assert said["schemas"] == str(theirs / "__init__.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in the distribution's wheel."""
    directory = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    shutil.copytree(DISTRIBUTION, directory / "source", ignore=ignored)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(directory)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(directory / "source")], check=True, timeout=120)
    [built] = directory.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


@pytest.mark.parametrize("package", ["aftershock_transport", "aftershock_contracts"])
def test_the_wheel_has_every_module_and_tells_type_checkers_of_them(wheel: list[str], package: str) -> None:
    source = DISTRIBUTION / package
    wanted = {f"{package}/{path.name}" for path in source.iterdir() if path.suffix == ".py" or path.name == "py.typed"}
    assert f"{package}/py.typed" in wanted
    assert {name for name in wheel if name.startswith(f"{package}/")} == wanted
