"""How often does kill -9 of ClickHouse lose a part of an insert that is repeated with its token?

Asked of ClickHouse alone, without workers: four threads insert blocks of rows as the product does, each again with the
same token until it is acknowledged. Each row, and each sum of the views, must be there once.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
import urllib.parse

from deploy.local.ports import LOOPBACK
from pipeline.edges.clickhouse import INSERT_SETTINGS
from tests.chaos.errors import TOTALS
from tests.chaos.installation import Installation
from tests.chaos.options import RUNS, Options

THREADS = 4
ROWS = 40
_COLUMNS = "project, environment, timestamp, event_id, fingerprint, release, level, user_hash, received"
_UP_S = (0.7, 1.7)


class Inserter(threading.Thread):
    """Inserts blocks, one after another, each until it is acknowledged; ``done`` are the tokens of those that were."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.done: list[str] = []
        self.go_on = True
        self._port = port

    def run(self) -> None:
        """Insert until told to stop."""
        while self.go_on:
            token = f"{self.name}-{len(self.done)}"
            now = int(time.time() * 1000)
            rows = [
                ["p", "production", now, f"{token}-{one}", f"{one:032x}", "r@1", "error", one + 1, now]
                for one in range(ROWS)
            ]
            block = "\n".join(map(json.dumps, rows)).encode()
            while not self._inserted(token, block):
                time.sleep(0.1)
            self.done.append(token)

    def _inserted(self, token: str, block: bytes) -> bool:
        query = f"INSERT INTO errors ({_COLUMNS}) FORMAT JSONCompactEachRow"
        settings = {**INSERT_SETTINGS, "database": "aftershock", "query": query, "insert_deduplication_token": token}
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=20)
        try:
            connection.request("POST", f"/?{urllib.parse.urlencode(settings)}", block)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answer.status != 200:
            print(said[:200], flush=True)
        return answer.status == 200


def killcount(options: Options, kills: int) -> bool:
    """Kill ClickHouse so many times; return whether every row and sum is right."""
    directory = options.directory or RUNS / f"killcount-{int(time.time())}"
    here = Installation(options, directory, "", lambda text: print(text, flush=True))
    try:
        here.kafka.launch()
        here.clickhouse.launch()
        if not here.schedule.until(lambda: all(server.answers() for server in here.servers), 90):
            raise RuntimeError(f"the servers did not come up: see {directory}")
        here.migrate()
        here.kafka.kill()
        return _compare(here, kills, *_killed(here, kills))
    finally:
        here.stop()


def _killed(here: Installation, kills: int) -> tuple[list[str], float]:
    """Return the tokens that were acknowledged, and for how many seconds ClickHouse was up meanwhile."""
    inserters = [Inserter(here.ports.clickhouse, str(number)) for number in range(THREADS)]
    for inserter in inserters:
        inserter.start()
    rng = random.Random(here.options.seed)
    up = 0.0
    for _ in range(kills):
        begun = time.time()
        time.sleep(rng.uniform(*_UP_S))
        up += time.time() - begun
        here.clickhouse.child.signal(signal.SIGKILL, group=True)
        here.clickhouse.kill()
        here.clickhouse.launch()
        while not here.clickhouse.answers():
            time.sleep(0.05)
    for inserter in inserters:
        inserter.go_on = False
    for inserter in inserters:
        inserter.join(60)
    return [token for inserter in inserters for token in inserter.done], up


def _compare(here: Installation, kills: int, tokens: list[str], up: float) -> bool:
    sent = len(tokens) * ROWS
    print(f"{kills} kills, {len(tokens)} inserts ({len(tokens) / up:.0f}/s while up)")
    (rows,) = here.clickhouse.rows("SELECT count() AS n, uniqExact(event_id) AS ids FROM errors")
    off = {"errors": rows["n"] - sent, "ids": rows["ids"] - sent}
    for table, column in TOTALS.items():
        off[table] = here.clickhouse.rows(f"SELECT sum({column}) - {sent} AS off FROM {table}")[0]["off"]
    for name, number in off.items():
        if number:
            print(f"VIOLATION {name}: {number:+g} of {sent}")
    print(f"of {sent} rows, off by: {off}")
    return not any(off.values())
