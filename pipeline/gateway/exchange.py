"""The exchange: what gateways learn from Kafka while they run, and tell each other: projects, and usage.

Two compacted topics are read from their beginning and then followed for as long as the process runs. What is known of
the projects is kept in a file beside the spool, so that a gateway that starts while Kafka is away knows whom to admit.
What was removed meanwhile is forgotten once the topic has been read: it may say nothing of it any more. A topic that is
empty, though, is taken for one that was lost, and the file is believed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config.gateway import ProjectSettings
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import AftershockError, Misconfigured
from pipeline.gateway.items import Message
from pipeline.gateway.projects import Projects
from pipeline.gateway.sink import Sink
from pipeline.gateway.usage import Usage
from schemas.topics import PROJECTS, USAGE

log = logging.getLogger(__name__)

TELL_EVERY_S = 5.0
AGAIN_S = 2.0
FIRST_S = 5.0
"""How long the start waits for what is on the topics."""

_DECODER = msgspec.json.Decoder(ProjectSettings)
_KNOWN = msgspec.json.Decoder(list[ProjectSettings])


class Exchange:
    """Follows the topics, and tells this process's usage.

    Args:
        settings: where Kafka is.
        sink: takes this process's usage to Kafka.
        projects: learns of projects.
        usage: learns of the usage of other processes, and has this one's.
        file: where what is known of the projects is kept.
    """

    def __init__(self, settings: KafkaSettings, sink: Sink, projects: Projects, usage: Usage, file: Path) -> None:
        self._settings = settings
        self._sink = sink
        self._projects = projects
        self._usage = usage
        self._file = file
        self._remembered: set[str] = set()
        self._read: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Learn what is known; return when that is done, or cannot be done now and goes on in the background."""
        self._projects.complete = self._remember()
        tried = asyncio.Event(), asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._follow(PROJECTS.name, self._learn_projects, tried[0])),
            asyncio.create_task(self._follow(USAGE.name, self._learn_usage, tried[1])),
            asyncio.create_task(self._tell_always()),
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await asyncio.gather(*(one.wait() for one in tried))

    async def stop(self) -> None:
        """Tell what was not told yet, and end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tell()

    def _remember(self) -> bool:
        """Take projects from the file; return whether they were there."""
        try:
            known = _KNOWN.decode(self._file.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s cannot be used (%s)", self._file, type(error).__name__)
            return False
        self._projects.learn({project.name: project for project in known})
        self._remembered = {project.name for project in known}
        return True

    def _keep(self) -> None:
        """Write the projects to the file, whole or not at all."""
        new = self._file.with_name(f"{self._file.name}.{self._usage.process}")
        try:
            new.write_bytes(msgspec.json.encode(self._projects.learned))
            new.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written (%s)", self._file, error.strerror)

    async def _follow(self, topic: str, learn: Callable[[Sequence[Any], bool], None], tried: asyncio.Event) -> None:
        positions: dict[int, int] = {}
        while True:
            try:
                async for records, caught_up in kafka.keep_up(self._settings, topic, positions):
                    learn(records, caught_up)
                    if caught_up:
                        tried.set()
            except Misconfigured as error:
                # There is no such topic: nothing was ever told there, and all is known.
                learn((), True)
                tried.set()
                log.warning("%s", error)
            except AftershockError as error:
                tried.set()
                log.warning("topic %s is not followed (%s): trying again", topic, error)
            await asyncio.sleep(AGAIN_S)

    def _learn_usage(self, records: Sequence[Any], _caught_up: bool) -> None:
        for record in records:
            self._usage.learn(record.key or b"", record.value)

    def _learn_projects(self, records: Sequence[Any], caught_up: bool) -> None:
        projects: dict[str, ProjectSettings | None] = {}
        for record in records:
            projects.update(_told(record.key or b"", record.value))
        self._read.update(_name(record.key) for record in records)
        if caught_up and self._read:
            projects.update(dict.fromkeys(self._remembered - self._read))
            self._remembered.clear()
        if projects:
            self._projects.learn(projects)
        if caught_up and (projects or not self._projects.complete):
            self._projects.complete = True
            self._keep()

    async def _tell_always(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            await self._tell()

    async def _tell(self) -> None:
        messages: list[Message] = self._usage.tell(time.time())
        if not messages:
            return
        try:
            await self._sink.send(messages)
        except AftershockError as error:
            log.warning("usage waits: %s", error)
            self._usage.tell_again(messages)


def _name(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "replace")


def _told(key: bytes, value: bytes | None) -> dict[str, ProjectSettings | None]:
    name = _name(key)
    if not value:
        return {name: None}
    try:
        return {name: _DECODER.decode(value)}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        log.warning("a project on the topic %s is not in this version's form, and is left as it was", PROJECTS.name)
        return {}
