"""The edge to ClickHouse: the only module that talks to it. Calls block; the worker runs them in threads.

Driver errors become ours here. The text of a ClickHouse error quotes the rows it is about, so it is never passed
on for inserts: only the error's number and name are.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect import common
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from pipeline.edges.settings import ClickHouseSettings
from pipeline.errors import AftershockError, Unavailable

common.set_setting("autogenerate_session_id", False)

_CODE = re.compile(r"ClickHouse exception, code: (?P<code>\d+)|Code: (?P<said>\d+)\. DB::")
_NAME = re.compile(r"\((?P<name>[A-Z][A-Z_]{4,})\)")

_SAID = re.compile(r"DB::Exception: (?P<said>.*?)\s*(?:\([A-Z][A-Z_]{4,}\)\s*\(version|\(for url|$)", re.DOTALL)
STREAM_BYTES = 256 * 1024

TRANSIENT = frozenset(
    (
        3,  # UNEXPECTED_END_OF_FILE: the connection broke in the middle
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY: a server that is starting or read-only for a while
        198,  # DNS_ERROR
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        216,  # QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING: the driver sent it again after its connection broke
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        473,  # DEADLOCK_AVOIDED
        999,  # KEEPER_EXCEPTION
    )
)
"""Numbers of ClickHouse's errors that pass by themselves (system.errors, src/Common/ErrorCodes.cpp)."""

UNKNOWN_DATABASE = 81

WHOLE_ANSWERS: Mapping[str, Any] = {"wait_end_of_query": 1}
"""Settings with which a query answers with all of its rows or with its error. Otherwise an error that comes after the
answer has begun takes the place of rows, and fewer are read, or none."""

INSERT_SETTINGS: Mapping[str, Any] = {
    # One block an insert, so that one token stands for all of it.
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 1_000_000,
    "min_insert_block_size_bytes": 1 << 30,
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_skip_unknown_fields": 0,
    # A text column takes a JSON object byte by byte as it was sent.
    "input_format_json_read_objects_as_strings": 1,
}


class RequestRejected(AftershockError):
    """ClickHouse understood a request and refused it for what is in it; the same request fails again.

    ``code`` is ClickHouse's error number.
    """

    exit_code = 3

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ClickHouse:
    """A ClickHouse server and a database on it. Connects on first use; safe to use from several threads."""

    def __init__(self, settings: ClickHouseSettings, *, timeout_s: int = 60) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: Client | None = None
        self.database = settings.database

    @property
    def address(self) -> str:
        """Where the server is, without credentials."""
        return self._settings.url

    def insert(self, table: str, columns: Sequence[str], lines: bytes | Iterator[bytes], token: str) -> None:
        """Insert rows in ``JSONCompactEachRow`` as one block; a second insert with the same token adds nothing.

        ``lines`` are the rows, or yields them piece by piece. Where it raises, that is raised, and nothing is inserted.

        Raises:
            Unavailable: the server could not take it now; nothing says whether it did, so send the same again.
            RequestRejected: a row is not acceptable.
        """
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        try:
            self._connected().raw_insert(
                table, column_names=columns, insert_block=lines, settings=settings, fmt="JSONCompactEachRow"
            )
        except ClickHouseError as error:
            raise self._translated(error, f"insert into {table}", quote=False) from None

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return a query's rows as dictionaries. ``parameters`` are bound to ``{name:Type}`` by the server.

        Raises:
            Unavailable: the server could not be reached.
            RequestRejected: the query is not valid.
        """
        try:
            result = self._connected().query(sql, parameters=dict(parameters or {}), settings=dict(WHOLE_ANSWERS))
        except ClickHouseError as error:
            raise self._translated(error, "query", quote=True) from None
        return list(result.named_results())

    def raw(self, sql: str, fmt: str) -> bytes:
        """Return a query's answer in one of ClickHouse's own formats, such as ``JSONEachRow`` or ``CSVWithNames``.

        Raises:
            Unavailable: the server could not be reached.
            RequestRejected: the query is not valid.
        """
        try:
            return bytes(self._connected().raw_query(sql, fmt=fmt, settings=dict(WHOLE_ANSWERS)))
        except ClickHouseError as error:
            raise self._translated(error, "query", quote=True) from None

    def stream(self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """Yield a query's answer piece by piece, in one of ClickHouse's own formats; all of it, or nothing.

        ``parameters`` are bound to ``{name:Type}`` by the server.

        Raises:
            Unavailable: the server could not be reached.
            RequestRejected: the query is not valid.
        """
        bound = dict(parameters) if parameters else None
        try:
            with self._connected().raw_stream(sql, parameters=bound, fmt=fmt, settings=dict(WHOLE_ANSWERS)) as answer:
                while piece := answer.read(STREAM_BYTES):
                    yield bytes(piece)
        except ClickHouseError as error:
            raise self._translated(error, "query", quote=True) from None

    def command(self, sql: str, *, in_database: bool = True, settings: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers nothing; ``in_database=False`` for one that makes the database.

        ``settings`` are ClickHouse's, for this statement alone.

        Raises:
            Unavailable: the server could not be reached.
            RequestRejected: the statement is not valid.
        """
        try:
            self._connected().command(sql, settings=dict(settings or {}), use_database=in_database)
        except ClickHouseError as error:
            raise self._translated(error, "statement", quote=True) from None

    def version(self) -> str:
        """Return the server's version.

        Raises:
            Unavailable: the server could not be reached.
        """
        return str(self._connected().server_version)

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            Unavailable: the server could not be reached.
        """
        self.rows("SELECT 1")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
                # Named only now: the first connection must work before the database is there.
                self._client.database = self.database
            return self._client

    def _connect(self) -> Client:
        parts = urlsplit(self._settings.url)
        try:
            return clickhouse_connect.get_client(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or (8443 if parts.scheme == "https" else 8123),
                interface=parts.scheme,
                username=self._settings.user,
                password=self._settings.password,
                ca_cert=self._settings.ca_file or None,
                connect_timeout=5,
                send_receive_timeout=self._timeout_s,
                compress=False,
                query_retries=0,
                dedicated_pool=True,
            )
        except ClickHouseError as error:
            raise self._translated(error, "connection", quote=True) from None

    def _translated(self, error: ClickHouseError, what: str, *, quote: bool) -> AftershockError:
        text = str(error)
        found = _CODE.search(text)
        code = int(found["code"] or found["said"]) if found else 0
        # The name is looked for only where what stands before it may be quoted too.
        name = _NAME.search(text) if quote else None
        label = f"ClickHouse error {code} {name['name'] if name else ''}".rstrip() if code else type(error).__name__
        if code in TRANSIENT:
            return Unavailable(f"{what} at {self.address}: {label}")
        if code == UNKNOWN_DATABASE:
            return RequestRejected(
                f"no database {self.database} at {self.address}: run `aftershock migrate`, or mend clickhouse.database",
                code,
            )
        if code:
            detail = f": {_first_line(text)}" if quote else ""
            return RequestRejected(f"{what} at {self.address}: {label}{detail}", code)
        return Unavailable(f"{what}: ClickHouse at {self.address} does not answer ({label}): is it running?")


def _first_line(text: str) -> str:
    """Return what is said about the query, without what the driver and the server wrap around it."""
    found = _SAID.search(text)
    said = found["said"] if found else text.strip()
    return " ".join(said.partition("Expected one of:")[0].split())[:500]
