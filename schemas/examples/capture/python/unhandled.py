"""A script that dies of its exception."""

from recorder import start

start(release="reports@0.9.0", environment="staging").expect(errors="unhandled")


def totals(rows: list[dict[str, float]]) -> float:
    return sum(row["amount"] for row in rows)


print(totals([{"amount": 12.5}, {"amuont": 7.25}]))
