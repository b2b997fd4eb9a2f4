"""Write the contracts for other people's programs: as JSON Schema (2020-12), and as a package of Python's.

    python -m schemas.export           # write schemas/json/*.schema.json, and the modules of aftershock_contracts
    python -m schemas.export --check   # exit 1 if a file there is not what would be written

A program that reads alerts may have a package ``schemas`` of its own, so it gets the modules that it needs under
another name, in the distribution that also holds the transport. They are copies, and know nothing of each other.

The schemas are as permissive as the structs they come from: unknown fields are welcome. Their ``$id`` names contract
and version and does not change while the version does not.
"""

from __future__ import annotations

import argparse
import inspect
import json
import operator
import re
import sys
from functools import cache, reduce
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Raw, Struct

from schemas.alert import ALERT_VERSION, Alert
from schemas.check_in import SCHEMA_VERSION as CHECK_IN_VERSION
from schemas.check_in import CheckIn
from schemas.dead_letter import SCHEMA_VERSION as DEAD_LETTER_VERSION
from schemas.dead_letter import DeadLetter
from schemas.event import SCHEMA_VERSION as EVENT_VERSION
from schemas.event import Event
from schemas.feedback import SCHEMA_VERSION as FEEDBACK_VERSION
from schemas.feedback import Feedback
from schemas.issue_change import ISSUE_CHANGE_VERSION, IssueChange
from schemas.log import SCHEMA_VERSION as LOG_VERSION
from schemas.log import Log
from schemas.outcome import SCHEMA_VERSION as OUTCOMES_VERSION
from schemas.outcome import Outcomes
from schemas.release import SCHEMA_VERSION as RELEASE_VERSION
from schemas.release import ReleaseChange
from schemas.session import SCHEMA_VERSION as SESSION_VERSION
from schemas.session import Session

ROLES = re.compile(r":\w+:`([^`]*)`")

DIRECTORY = Path(__file__).parent / "json"
PACKAGE = Path(__file__).parent / "producers" / "python" / "aftershock_contracts"
COPIED = ("alert", "dead_letter", "issue_change")
"""The modules that programs which read from Aftershock's topics need."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TITLES = {
    "event": "Error event, transaction or single span",
    "alert": "Alert",
    "dead-letter": "Headers of a dead letter",
    "issue-change": "The state somebody wishes an issue to have",
    "session": "Update of a session, or aggregates of sessions",
    "log": "Log",
    "check-in": "Check-in of a monitored job",
    "feedback": "Feedback of a user",
    "outcomes": "Counts of items that were not taken",
    "release-change": "Change of a release",
}

EVENT_FIELDS = {
    "event_id": "32 hexadecimal digits (or a UUID) that name the event; made up if missing.",
    "type": "'transaction' for a transaction; missing, 'error' or 'default' for an error event; 'csp' and the like.",
    "project": "The project, where the Kafka header 'project' does not say it.",
    "timestamp": "When it happened (for a transaction or span: when it ended): seconds since 1970, or RFC 3339.",
    "start_timestamp": "When a transaction or span began: seconds since 1970, or RFC 3339.",
    "level": "fatal, error, warning, info or debug.",
    "platform": "The language of the program: python, javascript, node, java, go, ruby, php, csharp, native...",
    "logger": "The name of the logger that the message came from.",
    "message": "A message, as text or as an object like 'logentry'.",
    "logentry": "A log message: template, parameters, formatted text.",
    "exception": "The chain of exceptions, from the innermost cause to the one raised last.",
    "threads": "The threads with their stacks.",
    "stacktrace": "A stack trace without an exception (older spelling).",
    "user": "Who it happened to.",
    "tags": "Searchable key-value pairs, as an object or a list of pairs.",
    "contexts": "Structured context; 'trace' holds trace_id, span_id, parent_span_id, op and status.",
    "request": "The HTTP request.",
    "breadcrumbs": "What happened before, oldest first.",
    "release": "The version of the program.",
    "dist": "The build within a release.",
    "environment": "production, staging, development...",
    "server_name": "The host.",
    "sdk": "The SDK that made the payload.",
    "transaction": "The name of the transaction: a route, a task, a view.",
    "fingerprint": "How to group the event; '{{ default }}' stands for the usual grouping.",
    "modules": "Installed packages by name and version.",
    "spans": "The spans of a transaction.",
    "csp": "A Content Security Policy report.",
    "span_id": "A single span's id: 16 hexadecimal digits.",
    "trace_id": "A single span's trace: 32 hexadecimal digits.",
    "parent_span_id": "A single span's parent.",
    "segment_id": "The span that is the root of this span's service.",
    "op": "A single span's operation: db.sql.query, http.client...",
    "description": "What a single span did.",
    "name": "A single span's name, in the newer form of spans.",
    "status": "A single span's outcome: ok, internal_error, not_found...",
    "end_timestamp": "When a single span ended, in the newer form of spans.",
    "exclusive_time": "Milliseconds in the span and in none of its children.",
    "is_segment": "Whether the single span is the root of its service.",
}
"""What each field of an event means, for the schema."""

OTHERS: dict[str, tuple[type[Struct], int]] = {
    "session": (Session, SESSION_VERSION),
    "log": (Log, LOG_VERSION),
    "check-in": (CheckIn, CHECK_IN_VERSION),
    "feedback": (Feedback, FEEDBACK_VERSION),
    "outcomes": (Outcomes, OUTCOMES_VERSION),
    "release-change": (ReleaseChange, RELEASE_VERSION),
}
"""The contracts whose schema is that of their struct, by name."""

ALERT_TIMES = ("window_start", "window_end", "created_at")


def json_schema(contract: type[Struct], name: str, version: int) -> dict[str, Any]:
    """Return the JSON Schema of a struct, with dialect, ``$id`` and title in front."""
    schema = msgspec.json.schema(exportable(contract))
    definitions: dict[str, Any] = schema.pop("$defs", {})
    own = definitions.pop(contract.__name__)
    own["title"] = TITLES[name]
    for described in (own, *definitions.values()):
        described["description"] = plain(described["description"])
    head = {"$schema": DIALECT, "$id": f"urn:aftershock:schema:{name}:{version}"}
    return {**head, **own, **({"$defs": definitions} if definitions else {})}


@cache
def exportable(contract: type[Struct]) -> type[Struct]:
    """Return a copy of a struct that msgspec can describe: raw JSON as a default is beyond it, null is not."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(contract):
        if isinstance(field.default, Raw):
            fields.append((field.name, Any, None))
        elif field.default is not NODEFAULT:
            fields.append((field.name, exportable_type(field.type), field.default))
        elif field.default_factory is not NODEFAULT:
            default = msgspec.field(default_factory=field.default_factory)
            fields.append((field.name, exportable_type(field.type), default))
        else:
            fields.append((field.name, exportable_type(field.type)))
    return msgspec.defstruct(contract.__name__, fields, kw_only=True, namespace={"__doc__": contract.__doc__})


def exportable_type(kind: Any) -> Any:
    """Return a field's type with every struct inside it replaced by its exportable copy."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return exportable(kind)
    arguments = tuple(exportable_type(argument) for argument in get_args(kind))
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return reduce(operator.or_, arguments)
    return get_origin(kind)[arguments] if get_origin(kind) in (list, dict) else kind


def plain(docstring: str) -> str:
    """Return a docstring as text for readers who do not know Python's markup."""
    return ROLES.sub(r"\1", inspect.cleandoc(docstring)).replace("``", "`")


def event_schema() -> dict[str, Any]:
    """Return the schema of what the topics ``errors`` and ``spans`` carry."""
    schema = json_schema(Event, "event", EVENT_VERSION)
    for field, text in EVENT_FIELDS.items():
        schema["properties"][field]["description"] = text
    return schema


def alert_schema() -> dict[str, Any]:
    """Return the schema of what the alert topic carries."""
    schema = json_schema(Alert, "alert", ALERT_VERSION)
    for field in ALERT_TIMES:
        schema["properties"][field]["format"] = "date-time"
    return schema


def dead_letter_schema() -> dict[str, Any]:
    """Return the schema of a dead letter's headers read as a JSON object: every header is text."""
    schema = json_schema(DeadLetter, "dead-letter", DEAD_LETTER_VERSION)
    for field, of_field in schema["properties"].items():
        number = of_field["type"] == "integer"
        schema["properties"][field] = {"type": "string", **({"pattern": "^-?[0-9]+$"} if number else {})}
    return schema


def issue_change_schema() -> dict[str, Any]:
    """Return the schema of what the topic ``issue-changes`` carries."""
    return json_schema(IssueChange, "issue-change", ISSUE_CHANGE_VERSION)


def documents() -> dict[str, str]:
    """Return the text of each schema file by its name."""
    schemas = {
        "event": event_schema(),
        "alert": alert_schema(),
        "dead-letter": dead_letter_schema(),
        "issue-change": issue_change_schema(),
        **{name: json_schema(contract, name, version) for name, (contract, version) in OTHERS.items()},
    }
    return {f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def modules() -> dict[str, str]:
    """Return the text of each module of ``aftershock_contracts`` that is a copy, by its file's name."""
    return {
        f"{name}.py": f"# Written by `python -m schemas.export` from schemas/{name}.py: edit that one.\n"
        + Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        for name in COPIED
    }


def outdated() -> list[Path]:
    """Return the files that are missing, superfluous or not what would be written."""
    found = {path for path in (*DIRECTORY.glob("*.json"), *PACKAGE.glob("*.py")) if path.name != "__init__.py"}
    wanted = files()
    current = {path for path in found & wanted.keys() if path.read_text(encoding="utf-8") == wanted[path]}
    return sorted((found | wanted.keys()) - current)


def files() -> dict[Path, str]:
    """Return the text of every file that is written."""
    schemas = {DIRECTORY / name: text for name, text in documents().items()}
    return {**schemas, **{PACKAGE / name: text for name, text in modules().items()}}


def main() -> int:
    """Write the files, or say which are not current."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.export", description="Write the contracts as JSON Schema and as Python modules."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not current")
    if parser.parse_args().check:
        wrong = outdated()
        for path in wrong:
            print(f"{path.parent.name}/{path.name} is not current: run python -m schemas.export", file=sys.stderr)
        return 1 if wrong else 0
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
