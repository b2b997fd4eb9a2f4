"""The registry: the projects on the compacted topic ``projects``, read and changed. Gateways follow it."""

from __future__ import annotations

import msgspec
from aiokafka.errors import KafkaError

from pipeline.config.gateway import ProjectSettings
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Unavailable
from schemas.topics import PROJECTS

_DECODER = msgspec.json.Decoder(ProjectSettings)


async def registered(settings: KafkaSettings) -> dict[str, ProjectSettings]:
    """Return the projects by name; those in a form that this version does not know are left out.

    Raises:
        Unavailable: Kafka cannot be reached.
        Misconfigured: there is no such topic.
    """
    await kafka.require_topics(settings, (PROJECTS.name,))
    found: dict[str, ProjectSettings] = {}
    async for record in kafka.read_to_end(settings, PROJECTS.name):
        name = (record.key or b"").decode("utf-8", "replace")
        found.pop(name, None)
        if record.value:
            try:
                found[name] = _DECODER.decode(record.value)
            except msgspec.MsgspecError:
                continue
    return found


async def register(settings: KafkaSettings, project: ProjectSettings) -> None:
    """Make a project known, in place of the one of that name.

    Raises:
        Unavailable: Kafka has not acknowledged it.
    """
    await _write(settings, project.name, msgspec.json.encode(project))


async def unregister(settings: KafkaSettings, name: str) -> None:
    """Remove a project.

    Raises:
        Unavailable: Kafka has not acknowledged it.
    """
    await _write(settings, name, None)


async def _write(settings: KafkaSettings, name: str, value: bytes | None) -> None:
    async with kafka.producer(settings) as client:
        try:
            await client.send_and_wait(settings.topic_prefix + PROJECTS.name, value, name.encode())
        except KafkaError as error:
            raise Unavailable(f"Kafka did not acknowledge the project ({type(error).__name__}): try again") from None
