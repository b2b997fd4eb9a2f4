"""``aftershock query``: ask ClickHouse."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterable, Iterator

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, show_table
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.errors import Misconfigured

FORMATS = {"json": "JSONEachRow", "csv": "CSVWithNames", "tsv": "TabSeparatedWithNames"}
TABLE_FORMAT = "JSONCompactStringsEachRowWithNamesAndTypes"
MOST_ROWS = 1000
TIMEOUT_S = 600
SYNTAX_ERROR = 62
"""ClickHouse's error number."""

_NUMERIC = re.compile(r"(?:LowCardinality\(|Nullable\()*(?:U?Int|Float|Decimal|BFloat)")
_OWN_FORMAT = re.compile(r"\bFORMAT\s+\w+\s*;?\s*$", re.IGNORECASE)
_ROW = msgspec.json.Decoder(list[str | None])


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(("table", *FORMATS)),
    help="How the answer is written.  [default: table on a terminal, json in a pipe]",
)
@with_settings
def command(settings: Settings, *, sql: str, fmt: str | None) -> None:
    """Ask ClickHouse; SQL is one statement, or - to read it from standard input.

    On a terminal the answer is a table whose long cells are cut, of at most 1000 rows, or a list a row where there is
    no room for the columns; in a pipe it is one JSON object a row, whole. The tables and views are described in
    docs/query.md.

    \b
    Examples:
      aftershock query "SELECT title, events, users_affected FROM open_issues LIMIT 10"
      aftershock query "SELECT * FROM errors_trend" --format csv > trend.csv
      aftershock query - < question.sql
      aftershock query "SHOW TABLES"
    """
    one_line_errors()
    text = click.get_text_stream("stdin").read() if sql == "-" else sql
    if not text.strip():
        raise Misconfigured("the statement is empty: write one, such as SELECT count() FROM errors")
    try:
        _answer(ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S), text, fmt)
    except RequestRejected as error:
        if error.code == SYNTAX_ERROR and _OWN_FORMAT.search(text):
            raise Misconfigured("the statement ends with FORMAT: leave that out, --format says it") from None
        raise


def _answer(clickhouse: ClickHouse, sql: str, fmt: str | None) -> None:
    chosen = fmt or ("table" if on_terminal() else "json")
    if chosen == "table":
        _show(_text(clickhouse.stream(sql, TABLE_FORMAT)))
        return
    output = click.get_binary_stream("stdout")
    pieces = clickhouse.stream(sql, FORMATS[chosen])
    for piece in _text(pieces) if chosen == "json" else pieces:
        output.write(piece)
    output.flush()


def _show(pieces: Iterable[bytes]) -> None:
    lines = _lines(pieces)
    names = _row(next(lines, b"[]"))
    numeric = [_NUMERIC.match(kind) is not None for kind in _row(next(lines, b"[]"))]
    if not names:
        return
    rows: list[list[str]] = []
    for line in lines:
        if len(rows) == MOST_ROWS:
            click.echo(f"only the first {MOST_ROWS} rows: --format json, csv or tsv has all of them", err=True)
            break
        rows.append(_row(line))
    show_table(names, rows, numeric)
    sys.stdout.flush()


def _text(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield JSON that is text throughout: ClickHouse writes bytes as they are, such as the states of aggregates."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def _row(line: bytes) -> list[str]:
    return ["NULL" if cell is None else cell for cell in _ROW.decode(line)]


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    begun = b""
    for piece in pieces:
        *whole, begun = (begun + piece).split(b"\n")
        yield from whole
    if begun:
        yield begun
