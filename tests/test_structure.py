"""The shape of the code: imports go one way, edges are few, columns and topics are declared once."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from pathlib import Path

import pytest

import schemas
from pipeline.deliver import DEAD_LETTER_COLUMNS
from pipeline.tables.columns import COLUMNS
from schemas.clickhouse import migrations
from schemas.topics import TOPICS

ROOT = Path(schemas.__file__).parents[1]
SERVERS = {"faust", "mode", "aiokafka", "aiohttp", "clickhouse_connect", "asyncio"}
PURE = (
    "tables.alerts",
    "auditing.findings",
    "regrouping.carry",
    "tables.check_ins",
    "regrouping.comparison",
    "tables.contracts",
    "count",
    "decode",
    "tables.each",
    "errors",
    "evidence",
    "tables.feedback",
    "fingerprint",
    "gather",
    "identity",
    "inbound",
    "issues.alerts",
    "tables.issues",
    "issues.states",
    "issues.known",
    "tables.logs",
    "matching",
    "normalize",
    "partitions",
    "tables.outcomes",
    "panes",
    "process",
    "issues.reactions",
    "records",
    "repeated_lines",
    "regrouping.replay",
    "releases.order",
    "tables.releases",
    "rows",
    "rules",
    "scrub",
    "tables.sessions",
    "stages.batch",
    "stages.messages",
    "storage",
    "surrogates",
    "tables.columns",
    "thin",
    "window_state",
    "windows",
)
EDGES = {
    "aggregates",
    "app",
    "auditing.aggregates",
    "auditing.journal",
    "auditing.ledger",
    "auditing.ranges",
    "auditing.rebuild",
    "auditing.repair",
    "auditing.rows",
    "assignment",
    "clickhouse",
    "config",
    "connection",
    "counting",
    "deliver",
    "health",
    "regrouping.history",
    "inserts",
    "intake",
    "issues.store",
    "kafka",
    "ledger",
    "migrate",
    "record_batches",
    "regrouping.rewrite",
    "regrouping.tables",
    "repeats",
    "stages.child",
    "stages.parent",
    "stages.pool",
    "pages",
    "patient",
    "startup",
    "transport",
    "unopened",
}


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


def among(module: str, names: Collection[str]) -> bool:
    """Say whether a module, or something in one, is among those named, or in a package that is."""
    path = module.removeprefix("pipeline.")
    return path != module and any(path == name or path.startswith(f"{name}.") for name in names)


def test_there_is_something_to_look_at() -> None:
    assert {f"pipeline.{name}" for name in PURE} <= set(PIPELINE)
    assert len(SCHEMAS) > 5
    assert "clickhouse_connect" in top(PIPELINE["pipeline.clickhouse"])


@pytest.mark.parametrize("module", SCHEMAS)
def test_schemas_know_nothing_of_the_rest(module: str) -> None:
    assert not top(SCHEMAS[module]) & {"pipeline", "deploy", "benchmarks", "tests"}


@pytest.mark.parametrize("module", [name for name in PIPELINE if not name.startswith("pipeline.commands")])
def test_the_worker_knows_nothing_of_how_it_is_run(module: str) -> None:
    assert not top(PIPELINE[module]) & {"deploy", "benchmarks", "tests"}


@pytest.mark.parametrize("module", [name for name in PIPELINE if among(name, PURE)])
def test_a_pure_stage_imports_no_server_and_no_edge(module: str) -> None:
    names = PIPELINE[module]
    assert not top(names) & SERVERS
    assert not [name for name in names if among(name, EDGES)]


def test_one_module_talks_to_clickhouse() -> None:
    assert [name for name, names in PIPELINE.items() if "clickhouse_connect" in top(names)] == ["pipeline.clickhouse"]


def test_few_modules_talk_to_kafka() -> None:
    found = {name for name, names in PIPELINE.items() if top(names) & {"aiokafka", "faust"}}
    commands = {name for name in found if name.startswith("pipeline.commands")}
    allowed = {
        "pipeline.connection",
        "pipeline.kafka",
        "pipeline.transport",
        "pipeline.patient",
        "pipeline.app",
        "pipeline.assignment",
        "pipeline.health",
        "pipeline.migrate",
        "pipeline.compression",
        "pipeline.decompressed",
        "pipeline.record_batches",
        "pipeline.unopened",
        "pipeline.gateway.registry",
        "pipeline.gateway.sink",
    }
    assert found - commands <= allowed


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
    lists = [node for node in setup.body if isinstance(node, ast.Assign)]
    found: dict[str, Collection[str]] = {}
    exec(compile(ast.Module(lists, []), "setup.py", "exec"), {"Path": Path}, found)
    compiled = [ROOT.joinpath("pipeline", *name.split(".")).with_suffix(".py") for name in found["HOT"]]
    with_structs = {
        path.stem
        for name, path in zip(found["HOT"], compiled, strict=True)
        if path.is_file() and name not in found["INTERPRETED"] and "(Struct" in path.read_text(encoding="utf-8")
    }
    assert with_structs == set()
