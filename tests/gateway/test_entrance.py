"""Filters and sampling over HTTP and into Kafka: what stays has its weight, what does not is told with its reason."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from installation import Installation
from test_server import AUTH, envelope, send

from deploy.local.gateway import Gateway
from deploy.local.ports import free_port


def test_weights_and_reasons_are_on_kafka(installation: Installation, tmp_path: Path) -> None:
    installation.configure(
        '[filter]\ncrawlers = true\nmessages = ["noise*"]\n\n[[sample]]\ntype = "error"\nproject = "9"\nrate = 0.5\n'
    )
    environment, log = installation.environment, tmp_path / "worker-gateway.log"
    with Gateway(port=free_port(), environment=environment, data=tmp_path, log=log) as gateway:
        bot = {**AUTH, "User-Agent": "ExampleBot/1.0"}
        for number in range(40):
            assert send(gateway, "/api/9/envelope/", envelope(f"{number:032x}")).status == 200
        for number in range(3):
            whole = envelope(f"{number:032x}", platform="javascript")
            assert send(gateway, "/api/8/envelope/", whole, bot).status == 200
        assert send(gateway, "/api/8/envelope/", envelope("c" * 32, message="noise 1")).status == 200
        assert send(gateway, "/api/8/envelope/", envelope("d" * 32)).status == 200
    records = installation.consume("errors")
    headers = Counter(tuple(record.headers) for record in records)
    kept = headers.pop((("project", b"9"), ("weight", b"2")))
    assert headers == {(("project", b"8"),): 1}
    assert 5 < kept < 35
    told: Counter[str] = Counter()
    for record in installation.consume("outcomes"):
        for count in json.loads(record.value)["counts"]:
            told[count["reason"]] += count["quantity"]
    assert told == {"sampled": 40 - kept, "filtered:crawlers": 3, "filtered:messages": 1}
