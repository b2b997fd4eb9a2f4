"""Errors as plain Python programs make them: chains, groups, messages, log records, threads, recursion."""

from __future__ import annotations

import json
import logging
import sys
import threading

import sentry_sdk
from recorder import start

logger = logging.getLogger("shop.payments")


class PaymentError(Exception):
    """A payment did not go through."""


def unit_price(total_cents: int, quantity: int) -> int:
    return total_cents // quantity


def load_price(text: str) -> int:
    try:
        return int(json.loads(text)["price"])
    except KeyError as error:
        raise PaymentError("price list has no price") from error


def charge(order_id: int, text: str) -> int:
    try:
        return load_price(text)
    except PaymentError:
        receipt = {"order": order_id}
        return receipt["amount"]


def reserve(sku: str) -> None:
    raise LookupError(f"no stock for {sku}")


def reserve_all(skus: list[str]) -> None:
    problems: list[Exception] = []
    for sku in skus:
        try:
            reserve(sku)
        except LookupError as error:
            problems.append(error)
    problems.append(ExceptionGroup("carriers", [TimeoutError("dhl did not answer"), ValueError("bad zip code")]))
    raise ExceptionGroup("order 4711 cannot be fulfilled", problems)


def depth(node: dict[str, dict]) -> int:
    return 1 + depth(node["parent"])


def main() -> None:
    recorder = start()

    recorder.expect(errors="plain")
    try:
        unit_price(1999, 0)
    except ZeroDivisionError:
        sentry_sdk.capture_exception()

    recorder.expect(errors="chained")
    try:
        charge(4711, '{"cost": 1999}')
    except KeyError:
        sentry_sdk.capture_exception()

    recorder.expect(errors="exception-group")
    try:
        reserve_all(["SKU-1001", "SKU-1002"])
    except ExceptionGroup:
        sentry_sdk.capture_exception()

    recorder.expect(errors="logging-message")
    logger.error("Payment of %s EUR for %s was declined", 19.99, "ada@example.com")

    recorder.expect(errors="logging-exception")
    try:
        load_price('{"price": "free"}')
    except ValueError:
        logger.exception("Could not read the price list of %s", "supplier-7")

    recorder.expect(errors="message")
    sentry_sdk.capture_message("Stock of SKU-1001 is down to 3 pieces", level="warning")

    recorder.expect(errors="custom-fingerprint")
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["{{ default }}", "carrier-dhl"]
        scope.set_tag("carrier", "dhl")
        scope.set_extra("attempts", 3)
        try:
            reserve("SKU-1003")
        except LookupError:
            sentry_sdk.capture_exception()

    recorder.expect(errors="recursion")
    tree: dict[str, dict] = {}
    tree["parent"] = tree
    sys.setrecursionlimit(60)
    try:
        depth(tree)
    except RecursionError as error:
        sys.setrecursionlimit(1000)
        sentry_sdk.capture_exception(error)

    recorder.expect(errors="thread")
    threading.excepthook = lambda _: None
    worker = threading.Thread(target=unit_price, args=(500, 0), name="pricing-worker")
    worker.start()
    worker.join()

    recorder = start(attach_stacktrace=True)
    recorder.expect(errors="message-with-stack")
    sentry_sdk.capture_message("Falling back to the old price list")

    recorder = start(_experiments={"trace_lifecycle": "stream"})
    recorder.expect(spans="single-span")
    with sentry_sdk.traces.start_span(name="nightly price import", attributes={"sentry.op": "task", "rows": 1200}):
        pass
    sentry_sdk.flush()


if __name__ == "__main__":
    main()
