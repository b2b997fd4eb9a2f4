"""asyncio: a task that nobody awaits, a task group that fails, and a transaction over concurrent spans."""

from __future__ import annotations

import asyncio

import sentry_sdk
from recorder import start
from sentry_sdk.integrations.asyncio import AsyncioIntegration


async def fetch_rate(currency: str) -> float:
    await asyncio.sleep(0)
    if currency == "XXX":
        raise ConnectionResetError(f"rates.example.com closed the connection while asked for {currency}")
    return 1.0


async def refresh(currencies: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        for currency in currencies:
            group.create_task(fetch_rate(currency), name=f"rate-{currency}")


async def span(op: str, name: str, seconds: float) -> None:
    with sentry_sdk.start_span(op=op, name=name):
        await asyncio.sleep(seconds)


async def main() -> None:
    recorder = start(integrations=[AsyncioIntegration()], server_name="worker-2")

    recorder.expect(errors="asyncio-task")
    task = asyncio.create_task(fetch_rate("XXX"))
    await asyncio.gather(task, return_exceptions=True)

    recorder.expect()
    try:
        await refresh(["EUR", "XXX", "USD"])
    except ExceptionGroup:
        recorder.expect(errors="asyncio-task-group")
        sentry_sdk.capture_exception()

    recorder.expect(spans="asyncio-transaction")
    with sentry_sdk.start_transaction(name="refresh rates", op="task"):
        await asyncio.gather(
            span("http.client", "GET https://rates.example.com/EUR", 0.02),
            span("http.client", "GET https://rates.example.com/USD", 0.03),
            span("db.sql.query", "INSERT INTO rates VALUES (%s, %s)", 0.01),
        )


if __name__ == "__main__":
    asyncio.run(main())
