"""``aftershock projects``, and gateways that learn of what it changes while they run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from installation import Installation
from sentry_sdk.utils import Dsn
from test_server import envelope, send

from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.ports import free_port
from pipeline.commands.projects import command
from pipeline.errors import Misconfigured


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def run(installation: Installation, *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in installation.environment.items():
            patched.setenv(name, value)
        return CliRunner().invoke(command, arguments, catch_exceptions=False).stdout.strip()


def status(gateway: Gateway, dsn: str) -> int:
    read = Dsn(dsn)
    path = f"/api/{read.project_id}/envelope/?sentry_key={read.public_key}"
    return send(gateway, path, envelope("a" * 32), {}).status


def test_keys_are_made_rotated_and_revoked_while_gateways_run(installation: Installation, tmp_path: Path) -> None:
    installation.configure("[gateway]\nport = 9000\n")
    environment, data = installation.environment, tmp_path / "gateway"
    log = tmp_path / "worker-gateway.log"
    with Gateway(port=free_port(), environment=environment, data=data, log=log) as gateway:
        assert status(gateway, gateway.dsn()) == 200
        first = run(installation, "add", "shop")
        assert (Dsn(first).project_id, Dsn(first).port) == ("1", 9000)
        # From now on not every key will do.
        assert within(5, lambda: status(gateway, gateway.dsn()) == 403)
        assert status(gateway, first) == 200
        second = run(installation, "rotate", "shop", "--url", "https://errors.example.com/in/")
        assert second.startswith("https://")
        assert second.endswith("@errors.example.com/in/1")
        assert within(5, lambda: status(gateway, second) == 200)
        assert status(gateway, first) == 200
        run(installation, "revoke", first)
        assert within(5, lambda: status(gateway, first) == 403)
        assert status(gateway, second) == 200
        run(installation, "set", "shop", "--per-day", "error=0", "--origin", "https://*.example.com")
        assert within(5, lambda: status(gateway, second) == 429)
        third = run(installation, "add", "blog")
        assert within(5, lambda: status(gateway, third) == 200)
        assert [line.partition("\t")[0] for line in run(installation, "list").splitlines()] == ["shop", "blog"]
    # Another one that starts while Kafka is away knows them from the file; on what it takes then, see test_spool.
    away = {**environment, "AFTERSHOCK_KAFKA": f"127.0.0.1:{free_port()}"}
    process = Gateway(port=free_port(), environment=away, data=data, log=tmp_path / "worker-away.log")
    started = process.prepare()
    started.start()
    try:
        assert within(20, lambda: _listens(process))
        assert status(process, third) == 200
        assert status(process, first) == 403
        assert status(process, second) == 429
    finally:
        started.stop()


def _listens(gateway: Gateway) -> bool:
    try:
        return send(gateway, "/health/live", method="GET").status == 200
    except OSError:
        return False


def test_quotas_are_counted_together_and_outlive_a_gateway(installation: Installation, tmp_path: Path) -> None:
    dsn = run(installation, "add", "shop", "--id", "7")
    run(installation, "set", "shop", "--per-month", "error=4")
    # What a gateway knew that was down while it was removed.
    gone = "e" * 32
    known = tmp_path / "0" / "gateway-spool" / "projects.json"
    known.parent.mkdir(parents=True)
    known.write_text(json.dumps([{"name": "gone", "id": 9, "keys": [gone]}]))
    answers: list[int] = []
    for number in range(3):
        with Gateway(
            port=free_port(),
            environment=installation.environment,
            data=tmp_path / str(number),
            log=tmp_path / f"worker-gateway-{number}.log",
        ) as gateway:
            answers += [status(gateway, dsn) for _ in range(2)]
            assert status(gateway, gateway.dsn(9, gone)) == 403
    assert answers == [200, 200, 200, 200, 429, 429]
    reasons = [
        count["reason"] for record in installation.consume("outcomes") for count in json.loads(record.value)["counts"]
    ]
    assert set(reasons) == {"rate_limited:month", "invalid:project"}


def test_what_cannot_be_is_refused_and_changes_nothing(installation: Installation) -> None:
    installation.configure(f'[[project]]\nname = "fixed"\nid = 3\nkeys = ["{LOCAL_KEY}"]\n')
    run(installation, "add", "shop")
    before = run(installation, "list")
    assert before.splitlines()[1].startswith("shop\thttp://")
    assert before.splitlines()[1].endswith("/4")
    key = Dsn(before.splitlines()[1].partition("\t")[2]).public_key
    for arguments, said in (
        (("add", "shop"), "name"),
        (("add", "blog", "--id", "3"), "id"),
        (("add", "a b"), "letters, digits"),
        (("rotate", "fixed"), "change it there"),
        (("rotate", "blog"), "no such project"),
        (("revoke", key), "only key"),
        (("revoke", "f" * 32), "no project has this key"),
        (("revoke", "https://errors.example.com/1"), "32 hex digits: give the key, or its DSN"),
        (("add", "blog", "--url", "errors.example.com"), "--url"),
        (("rotate", "shop", "--url", "errors.example.com"), "--url"),
        (("set", "shop", "--per-day", "errors=5"), "is one of all, error, transaction"),
        (("set", "shop", "--spike", "0.5"), "1 or more"),
        (("set", "shop", "--per-day", "error"), "error=6000"),
    ):
        with pytest.raises(Misconfigured, match=said):
            run(installation, *arguments)
    assert run(installation, "list") == before
    run(installation, "remove", "shop")
    assert run(installation, "list").splitlines() == before.splitlines()[:1]
