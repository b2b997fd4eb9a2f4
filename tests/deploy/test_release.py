"""The checks of a release: one version everywhere, and archives with what is needed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from deploy.release import ROOT, TRANSPORT, check_contents, missing, version
from pipeline import __version__
from pipeline.errors import Misconfigured


def tree(root: Path, module: str = "1.2.3", project: str = "1.2.3", entry: str = "1.2.3 (unreleased)") -> Path:
    (root / "pipeline").mkdir()
    (root / "pipeline" / "__init__.py").write_text(f'"""A package."""\n\n__version__ = "{module}"\n')
    (root / "pyproject.toml").write_text(f'[project]\nversion = "{project}"\n')
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n## {entry}\n\nNews.\n\n## 1.0.0\n")
    return root


def test_this_tree_has_one_version() -> None:
    assert version(ROOT) == __version__


def test_the_newest_entry_of_the_changelog_counts(tmp_path: Path) -> None:
    assert version(tree(tmp_path)) == "1.2.3"


@pytest.mark.parametrize("other", ["module", "project", "entry"])
def test_versions_that_differ_are_named_with_their_files(tmp_path: Path, other: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        version(tree(tmp_path, **{other: "1.2.4"}))
    assert "1.2.3" in str(caught.value)
    assert "1.2.4" in str(caught.value)
    assert "CHANGELOG.md has" in str(caught.value)


def test_missing_files_are_named_in_order() -> None:
    assert missing(["a", "c"], ["d", "c", "b"]) == ["b", "d"]


def archives(folder: Path, leave_out: str) -> tuple[Path, Path, Path]:
    migrations = [f"schemas/clickhouse/{path.name}" for path in (ROOT / "schemas" / "clickhouse").glob("*.sql")]
    typed = ["pipeline/py.typed", "schemas/py.typed"]
    stubs = ["pipeline/scrub/_outline.pyi"]
    sdist, wheel, transport = folder / "a.tar.gz", folder / "a.whl", folder / "t.whl"
    with tarfile.open(sdist, "w:gz") as sources:
        for name in [*typed, *migrations, *stubs, "setup.py", "pipeline/scrub/_outline.c"]:
            if name != leave_out:
                sources.addfile(tarfile.TarInfo(f"aftershock-0.1.0/{name}"), io.BytesIO())
    with zipfile.ZipFile(wheel, "w") as built:
        for name in [*typed, *migrations, *stubs, "pipeline/scrub/engine.cpython-311-x86_64-linux-gnu.so"]:
            if name != leave_out:
                built.writestr(name, "")
    with zipfile.ZipFile(transport, "w") as built:
        built.writestr("aftershock_transport/__init__.py", "")
        if leave_out != "aftershock_transport/py.typed":
            built.writestr("aftershock_transport/py.typed", "")
    return sdist, wheel, transport


def test_archives_with_everything_pass(tmp_path: Path) -> None:
    check_contents(*archives(tmp_path, leave_out=""))


@pytest.mark.parametrize(
    ("leave_out", "said"),
    [
        ("pipeline/py.typed", "a.whl lacks pipeline/py.typed"),
        ("pipeline/scrub/_outline.pyi", "a.whl lacks pipeline/scrub/_outline.pyi"),
        ("schemas/clickhouse/0001_events.sql", "a.tar.gz lacks schemas/clickhouse/0001_events.sql"),
        ("pipeline/scrub/_outline.c", "a.tar.gz lacks pipeline/scrub/_outline.c"),
        ("pipeline/scrub/engine.cpython-311-x86_64-linux-gnu.so", "a.whl lacks compiled stages"),
        ("aftershock_transport/py.typed", "t.whl lacks aftershock_transport/py.typed"),
    ],
)
def test_what_an_archive_lacks_is_named(tmp_path: Path, leave_out: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        check_contents(*archives(tmp_path, leave_out))


def test_the_transport_is_where_it_is_built_from() -> None:
    assert (ROOT / TRANSPORT / "pyproject.toml").is_file()
