"""Why a connection to Kafka failed is told apart: what passes by itself, and what a person has to mend."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local import kafka as local
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import LOOPBACK, free_port
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import AuthenticationFailed, Unavailable

PASSWORD = "right"


@pytest.fixture(scope="module")
def signed(broker_type: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a listener that wants SASL/PLAIN."""
    if broker_type is not ApacheKafka:
        pytest.skip("the embedded broker knows no SASL: this needs Apache Kafka")
    port, directory = free_port(), tmp_path_factory.mktemp("sasl")
    plain = local.server_properties

    def properties(*arguments: Any) -> dict[str, str | int]:
        made = plain(*arguments)
        made["listeners"] = f"{made['listeners']},SASL_PLAINTEXT://{LOOPBACK}:{port}"
        made["listener.security.protocol.map"] = (
            f"{made['listener.security.protocol.map']},SASL_PLAINTEXT:SASL_PLAINTEXT"
        )
        made["sasl.enabled.mechanisms"] = "PLAIN"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        made["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = f'{login} required user_worker="{PASSWORD}";'
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "server_properties", properties)
        with ApacheKafka(directory / "kafka", port=free_port(), log=directory / "broker.log") as broker:
            yield f"{LOOPBACK}:{port}"
            broker.kill()


def connect(settings: KafkaSettings) -> None:
    async def connected() -> None:
        async with kafka.administration(settings):
            pass

    asyncio.run(connected())


def sasl(bootstrap: str, password: str, **fields: Any) -> KafkaSettings:
    found = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "worker", **fields}
    return KafkaSettings(bootstrap=bootstrap, password=password, **found)


def test_the_right_password_connects(signed: str) -> None:
    connect(sasl(signed, PASSWORD))


@pytest.mark.parametrize(
    "fields",
    [{"password": "wrong"}, {"password": PASSWORD, "sasl_mechanism": "SCRAM-SHA-256"}],
    ids=lambda f: "+".join(f),
)
def test_refused_credentials_are_for_a_person_to_mend(signed: str, fields: dict[str, str]) -> None:
    with pytest.raises(AuthenticationFailed, match="does not let this program in") as refused:
        connect(sasl(signed, **fields))
    assert refused.value.exit_code == 2
    assert fields["password"] not in str(refused.value)


def test_a_host_that_does_not_resolve_is_named() -> None:
    with pytest.raises(Unavailable, match="cannot be resolved") as away:
        connect(KafkaSettings(bootstrap="kafka.invalid:9092"))
    assert not isinstance(away.value, AuthenticationFailed)


def test_a_port_where_nobody_listens_is_an_absence() -> None:
    with pytest.raises(Unavailable, match="does not answer") as away:
        connect(KafkaSettings(bootstrap=f"{LOOPBACK}:{free_port()}"))
    assert not isinstance(away.value, AuthenticationFailed)
