"""The shape of the code: imports go one way, edges are few, columns and topics are declared once."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pytest

import schemas
from pipeline.tables.columns import COLUMNS
from pipeline.tables.dead_letters import DEAD_LETTER_COLUMNS
from schemas.clickhouse import migrations
from schemas.topics import TOPICS

ROOT = Path(schemas.__file__).parents[1]
ALL = frozenset(("*",))


class Room(NamedTuple):
    """A package of ``pipeline``, or a module that stands alone there, and which of its modules may do I/O."""

    name: str
    io: frozenset[str] = frozenset()


def room(name: str, *io: str) -> Room:
    return Room(name, frozenset(io))


ROOMS = (
    room("errors"),
    room("runtime"),
    room("records"),
    room(
        "edges",
        "aiokafka_private",
        "clickhouse",
        "clickhouse_threads",
        "compression",
        "faust_private",
        "kafka",
        "kafka_connection",
        "raw_fetches",
        "retry",
    ),
    room(
        "intake",
        "assigned",
        "fencing",
        "group_consumer",
        "intake",
        "ledger",
        "reconnecting",
        "transport",
    ),
    room("payload"),
    room("inbound"),
    room("scrub"),
    room("fingerprint"),
    room("alerts"),
    room("releases", "commits"),
    room("tables"),
    room("config"),
    room("issues", "changes", "follower"),
    room("counts", "alert_topic", "consumer", "issue_store", "window_changelog"),
    room("stages", "channel", "child", "parent", "pool"),
    room("store", *ALL),
    room("regrouping", "history", "rewrite", "tables"),
    room("auditing", "aggregates", "journal", "ledger", "ranges", "rebuild", "repair", "rows"),
    room(
        "gateway",
        *("accepted", "delivery", "exchange", "outcomes_sender", "registry", "server", "sink", "spool"),
    ),
    room("worker", *ALL),
    room("commands", *ALL),
    room("__main__", *ALL),
)
"""The order in which rooms may import each other: only ones above, in this list.

What is in no list of I/O is pure: it talks to no server and starts no program, and imports nothing that does.
"""
ORDER = {one.name: number for number, one in enumerate(ROOMS)}
IO = {"asyncio", "socket", "subprocess", "aiohttp", "aiokafka", "clickhouse_connect", "faust", "mode"}
COMPUTING = {"aiokafka.codec", "aiokafka.record"}
"""What aiokafka has that opens no connection."""


def modules(folder: str) -> dict[str, set[str]]:
    """Return the modules under a folder, by their dotted names, and the modules they import."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        # Distributions of their own, and programs that are captured from.
        if not name.startswith(("schemas.producers.", "schemas.examples.")):
            found[name.removesuffix(".__init__")] = imported(path)
    return found


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


PIPELINE = modules("pipeline")
SCHEMAS = modules("schemas")
DEPLOY = modules("deploy")


def place(module: str) -> tuple[Room, str]:
    """Return the room that a module is in, and its name there."""
    first, _, rest = module.removeprefix("pipeline.").partition(".")
    return ROOMS[ORDER[first]], rest


def does_io(module: str) -> bool:
    """Say whether a module is one of those that may do I/O."""
    of, name = place(module)
    return bool(of.io & {"*", name.partition(".")[0]})


def ours(names: Collection[str]) -> list[str]:
    """Return the modules of ``pipeline`` among names that are imported."""
    return sorted(name for name in names if name in PIPELINE and name != "pipeline")


INSIDE = [name for name in PIPELINE if name != "pipeline"]


def test_every_module_is_in_a_room() -> None:
    outside = {name for name in INSIDE if name.split(".")[1] not in ORDER}
    assert outside == set()
    assert {one.name for one in ROOMS} == {name.split(".")[1] for name in INSIDE}
    assert len(SCHEMAS) > 5


@pytest.mark.parametrize("module", INSIDE)
def test_imports_go_one_way_through_the_rooms(module: str) -> None:
    number = ORDER[place(module)[0].name]
    assert [name for name in ours(PIPELINE[module]) if ORDER[place(name)[0].name] > number] == []


@pytest.mark.parametrize("module", [name for name in INSIDE if not does_io(name)])
def test_a_pure_module_does_no_io_and_imports_nothing_that_does(module: str) -> None:
    names = {name for name in PIPELINE[module] if not any(name.startswith(one) for one in COMPUTING)}
    assert top(names) & IO == set()
    assert [name for name in ours(names) if does_io(name)] == []


def test_every_room_says_what_it_is_for() -> None:
    for one in ROOMS:
        file = ROOT / "pipeline" / one.name / "__init__.py"
        if file.parent.is_dir():
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), one.name


def test_modules_that_may_do_io_are_there() -> None:
    for one in ROOMS:
        assert {f"pipeline.{one.name}.{name}" for name in one.io - ALL} <= set(PIPELINE)


def test_the_rooms_are_shown_in_their_order() -> None:
    """docs/architecture.md has them in a table, from the top to the bottom."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| `(\w+)/?` \|", text, re.MULTILINE)
    assert shown == [one.name for one in ROOMS if one.name != "__main__"]


@pytest.mark.parametrize("module", SCHEMAS)
def test_schemas_know_nothing_of_the_rest(module: str) -> None:
    assert not top(SCHEMAS[module]) & {"pipeline", "deploy", "benchmarks", "tests"}


@pytest.mark.parametrize("module", [name for name in PIPELINE if not name.startswith("pipeline.commands")])
def test_the_worker_knows_nothing_of_how_it_is_run(module: str) -> None:
    assert not top(PIPELINE[module]) & {"deploy", "benchmarks", "tests"}


def test_two_commands_know_the_local_stack() -> None:
    """``up`` and ``demo`` run it; whoever runs a gateway or a worker of a real installation needs none of it."""
    users = {name for name, names in PIPELINE.items() if "deploy" in top(names)}
    assert users == {"pipeline.commands.up", "pipeline.commands.demo"}


def test_one_module_talks_to_clickhouse() -> None:
    assert [name for name, names in PIPELINE.items() if "clickhouse_connect" in top(names)] == [
        "pipeline.edges.clickhouse"
    ]


def test_few_modules_talk_to_kafka() -> None:
    found = {name for name in INSIDE if top(PIPELINE[name]) & {"aiokafka", "faust"}}
    rooms = {place(name)[0].name for name in found}
    assert rooms <= {"records", "edges", "intake", "store", "gateway", "worker", "commands"}
    assert {name for name in found if place(name)[0].name in ("store", "gateway", "commands")} <= {
        "pipeline.store.migrate",
        "pipeline.gateway.registry",
        "pipeline.gateway.sink",
        "pipeline.commands.worker",
    }


def test_nobody_imports_the_commands() -> None:
    everything = {**PIPELINE, **SCHEMAS}
    users = {
        name
        for name, names in everything.items()
        if not name.startswith("pipeline.commands")
        and name != "pipeline.__main__"
        and any(one.startswith("pipeline.commands") for one in names)
    }
    assert users == set()


def test_imports_have_no_cycles() -> None:
    everything = {**PIPELINE, **SCHEMAS, **DEPLOY}
    graph = {
        name: {one for one in names if one in everything and one != name and not name.startswith(f"{one}.")}
        for name, names in everything.items()
    }
    while leaves := [name for name, names in graph.items() if not names]:
        for leaf in leaves:
            del graph[leaf]
        for names in graph.values():
            names.difference_update(leaves)
    assert graph == {}


def columns_of(table: str) -> list[str]:
    """Return the columns of a table as its migration declares them, without those that are worked out when read."""
    (statement,) = [
        statement
        for migration in migrations()
        for statement in migration.statements
        if re.match(rf"CREATE TABLE IF NOT EXISTS {table}\b", statement)
    ]
    body = statement[statement.index("(") + 1 : statement.index("\n)")]
    found = [re.match(r"\s+(\w+)\s+\S", line) for line in body.splitlines() if " ALIAS " not in line]
    return [match[1] for match in found if match and match[1] != "INDEX"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [*COLUMNS.items(), ("dead_letters", DEAD_LETTER_COLUMNS)],
)
def test_the_columns_of_rows_are_those_of_their_table(table: str, columns: tuple[str, ...]) -> None:
    assert sorted(columns) == sorted(columns_of(table))
    assert len(set(columns)) == len(columns)


def test_migrations_are_numbered_in_order_and_each_number_is_taken_once() -> None:
    numbers = [migration.version for migration in migrations()]
    assert numbers == sorted(set(numbers))


def test_every_table_that_a_view_writes_to_drops_repeated_inserts() -> None:
    statements = [statement for migration in migrations() for statement in migration.statements]
    tables = {m[1]: s for s in statements if (m := re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", s))}
    targets = {m[1] for s in statements if (m := re.search(r"MATERIALIZED VIEW IF NOT EXISTS \w+ TO (\w+)", s))}
    assert len(targets) >= 4
    for table in targets | {*COLUMNS, "dead_letters"}:
        assert "non_replicated_deduplication_window" in tables[table], table


def test_every_aggregate_of_issues_is_in_the_weeks_of_errors() -> None:
    """A week that is grouped anew takes the place of the old one in all of them: one key, the Monday."""
    statements = [statement for migration in migrations() for statement in migration.statements]
    tables = {m[1]: s for s in statements if (m := re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", s))}
    views = [s for s in statements if re.search(r"^CREATE MATERIALIZED VIEW", s) and re.search(r"\bFROM errors\b", s)]
    targets = [m[1] for s in views if (m := re.search(r"MATERIALIZED VIEW IF NOT EXISTS \w+ TO (\w+)", s))]
    keyed = [table for table in ("errors", *targets) if re.search(r"^\s+fingerprint\s", tables[table], re.MULTILINE)]
    assert len(keyed) >= 4
    for table in keyed:
        assert re.search(r"^PARTITION BY toMonday\(\w+\)$", tables[table], re.MULTILINE), table


def test_topics_are_declared_once() -> None:
    """Their names stand as text in schemas/topics.py alone; the modules take them from there."""
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    declared = {topic.name for topic in TOPICS if "-" in topic.name}
    for name, path in ((name, ROOT / Path(*name.split("."))) for name in PIPELINE if "commands" not in name):
        file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
        texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not declared & {text for text in texts if isinstance(text, str)}, name
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "Topic"], name


def test_modules_are_not_longer_than_one_can_read() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for folder in ("pipeline", "schemas", "deploy")
        for path in (ROOT / folder).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 520
    }
    assert long == {}


def test_every_module_of_tests_has_a_name_of_its_own() -> None:
    """Two of one name cannot be collected in one run, though each can alone."""
    modules = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(modules) == sorted(set(modules))


def test_compiled_modules_define_no_structs() -> None:
    """A compiled class loses the options in its head: a struct would be neither frozen nor spared by the collector."""
    setup = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    lists: list[ast.stmt] = [node for node in setup.body if isinstance(node, ast.Assign)]
    found: dict[str, Collection[str]] = {}
    exec(compile(ast.Module(lists, []), "setup.py", "exec"), {"Path": Path}, found)
    compiled = [ROOT.joinpath("pipeline", *name.split(".")).with_suffix(".py") for name in found["HOT"]]
    with_structs = {
        path.stem
        for name, path in zip(found["HOT"], compiled, strict=True)
        if path.is_file() and name not in found["INTERPRETED"] and "(Struct" in path.read_text(encoding="utf-8")
    }
    assert with_structs == set()


def test_the_walk_from_a_byte_to_an_alert_names_modules_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    stops = re.findall(r"^\d+\. `(pipeline/\S+\.py)`", text, re.MULTILINE)
    assert 8 <= len(stops) <= 12
    assert [stop for stop in stops if not (ROOT / stop).is_file()] == []


def test_modules_that_the_docs_name_are_there() -> None:
    for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        named = re.findall(
            r"`((?:pipeline|tests|deploy|schemas|benchmarks)/[\w/.-]+\.py)`", file.read_text(encoding="utf-8")
        )
        assert [name for name in named if not (ROOT / name).is_file()] == [], file.name
