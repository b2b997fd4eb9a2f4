"""The kinds of fault, each a generator of steps; see :mod:`tests.chaos` on how a new one is added.

``ORIGINAL`` are the kinds that seeds go through by default, in an order that is never changed: seed *s* of *n* rounds
has the kinds from the (s · n)-th on, around the list. What came later stands in ``ADDED``; ``APART`` says of those that
no rotation has why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.chaos.faults import clocks, gateway, network, restarts, servers, tables, topics, workers
from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps

Kind = Callable[[Installation], Steps]

ORIGINAL: dict[str, Kind] = {
    "kill": workers.kill,
    "clickhouse": servers.clickhouse,
    "killstage": workers.kill_stage,
    "kafka": servers.kafka,
    "stop": workers.stop,
    "term": workers.term,
    "both": servers.both,
    "third": restarts.third,
    "drop": network.drop,
    "stopgroup": workers.stop_group,
    "cutkafka": network.cut_kafka,
    "lose": network.lose,
    "hangclickhouse": servers.hang_clickhouse,
    "killgroup": workers.kill_group,
    "cutclickhouse": network.cut_clickhouse,
    "hangkafka": servers.hang_kafka,
    "stopstage": workers.stop_stage,
    "reset": network.reset,
    "losekafka": network.lose_kafka,
    "holdkill": network.hold_and_kill,
    "reconfig": restarts.reconfigure,
}

ADDED: dict[str, Kind] = {
    "rolling": restarts.rolling,
    "gateway": gateway.kill,
    "badrow": tables.bad_row,
    "readonly": tables.read_only,
    "diskfull": tables.low_disk,
    "diskend": tables.full_disk,
    "clock": clocks.senders,
    "workerclock": clocks.worker,
    "remade": topics.remade,
    "outofrange": topics.out_of_range,
    "partitions": topics.more_partitions,
    "rename": servers.rename,
}

APART: dict[str, str] = {
    "diskend": "this ClickHouse keeps parts whose marks it could not write, and cannot read them: Empty marks file",
    "rename": "needs strace, and asks one question: what if ClickHouse is killed before it renames a part?",
}

BEFORE = frozenset({"remade"})
"""Those that come before a round's events instead of among them."""

ON_SMALL_DISK = frozenset({"diskfull", "diskend"})
"""Those that need ClickHouse on a disk that can be filled."""

KINDS: dict[str, Kind] = {**ORIGINAL, **ADDED}
ROTATION = tuple(name for name in KINDS if name not in APART)
"""All kinds that are tried without being asked for by name."""

GROUPS: dict[str, tuple[str, ...]] = {
    "original": tuple(ORIGINAL),
    "added": tuple(name for name in ADDED if name not in APART),
    "all": ROTATION,
}
"""Names for several kinds."""


def chosen_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds that were asked for; those that seeds have always had, if none were.

    A name is a kind, one of :data:`GROUPS`, or several kinds with ``+`` between them: those come in one round.

    Raises:
        ValueError: there is no kind of that name.
    """
    found: list[str] = []
    for name in names or ("original",):
        found += GROUPS.get(name, (name,))
    for name in found:
        for kind in name.split("+"):
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is no kind of fault: use one of {', '.join((*KINDS, *GROUPS))}")
    return tuple(found)
