"""The partitions of a topic that are assigned to this worker, each in one generation of the consumer group."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct


class AssignedPartition(Struct, eq=False, kw_only=True):
    """A partition from its assignment in a generation until it is revoked, or assigned again in a later generation.

    Once ``revoked`` is set, nothing more of it may be begun or written: the worker that has it now may have read the
    ledger or the changelog already.
    """

    partition: int
    generation: int
    revoked: bool = False


P = TypeVar("P", bound=AssignedPartition)


class AssignedPartitions(Generic[P]):
    """The assigned partitions of one topic.

    Args:
        begin: begins to read a partition in a generation. It is given what the partition was before, if it was read
            until now; that is marked as revoked.
    """

    def __init__(self, begin: Callable[[int, int, P | None], Awaitable[P]]) -> None:
        self._begin = begin
        self._read: dict[int, P] = {}
        self._revocations: Counter[int] = Counter()
        self._beginning = asyncio.Lock()

    async def read(self, partition: int, generation: int) -> P:
        """Return a partition as it is read in a generation or a later one, and begin to read it if it is not yet.

        It may be revoked already when it is returned.
        """
        async with self._beginning:
            known = self._read.get(partition)
            if known is None or known.generation < generation:
                known = await self._begun(partition, generation)
            return known

    async def read_anew(self, known: P, generation: int) -> P:
        """Begin once more with a partition, unless somebody has done so since it was returned as ``known``."""
        async with self._beginning:
            if self._read.get(known.partition) is known:
                known = await self._begun(known.partition, generation)
            return known

    def revoke(self, partitions: Iterable[int]) -> list[P]:
        """Forget partitions that are another worker's from now on; return those that were read."""
        revoked: list[P] = []
        for partition in partitions:
            self._revocations[partition] += 1
            known = self._read.pop(partition, None)
            if known is not None:
                known.revoked = True
                revoked.append(known)
        return revoked

    def get(self, partition: int) -> P | None:
        """Return a partition if it is read."""
        return self._read.get(partition)

    def all(self) -> list[P]:
        """Return the partitions that are read now."""
        return list(self._read.values())

    async def _begun(self, partition: int, generation: int) -> P:
        revocations = self._revocations[partition]
        earlier = self._read.pop(partition, None)
        if earlier is not None:
            earlier.revoked = True
        begun = await self._begin(partition, generation, earlier)
        # The partition may have been revoked while the servers were asked about it.
        if self._revocations[partition] == revocations:
            self._read[partition] = begun
        else:
            begun.revoked = True
        return begun
