"""A background job that sends invoices: retries, chained exceptions, messages that differ in every id.

python -m deploy.demo.jobs --kafka 127.0.0.1:9092 --seconds 20
"""

from __future__ import annotations

import logging
import random
import time
import uuid

import sentry_sdk

from deploy.demo.sdk import arguments, end_on_sigterm, report, start_sdk

logger = logging.getLogger("billing")

ATTEMPTS = 3


class MailServerError(Exception):
    """The mail server did not take the message."""


class InvoiceError(Exception):
    """An invoice could not be sent, however often it was tried."""


class AccountError(Exception):
    """A bank account cannot be debited."""


def send_mail(recipient: str, attempt: int) -> None:
    """Hand a message to the mail server, which refuses most."""
    with sentry_sdk.start_span(op="queue.publish", name="mail"):
        time.sleep(random.uniform(0.002, 0.006))
        if random.random() < 0.8:
            connection = ("smtp.example.com", random.randint(30_000, 60_000))
            raise ConnectionResetError(
                f"{connection[0]} reset the connection from port {connection[1]}, attempt {attempt}"
            )
    logger.info("sent to %s", recipient)


def deliver(invoice: str, recipient: str) -> None:
    """Try an invoice a few times; raises InvoiceError with what happened last as its cause."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            try:
                send_mail(recipient, attempt)
            except ConnectionResetError as error:
                raise MailServerError(f"message {uuid.uuid4()} for {recipient} was not taken") from error
        except MailServerError as error:
            logger.warning("attempt %d for invoice %s failed", attempt, invoice)
            if attempt == ATTEMPTS:
                raise InvoiceError(f"invoice {invoice} was not sent after {ATTEMPTS} attempts") from error
        else:
            return


def debit(invoice: str, iban: str, amount_cents: int) -> None:
    """Debit an account; small amounts fail on a limit that nobody knew."""
    with sentry_sdk.start_span(op="db.sql.query", name="UPDATE invoices SET paid = true WHERE id = %s"):
        time.sleep(random.uniform(0.001, 0.004))
    if amount_cents < 500:
        raise AccountError(f"debit of {amount_cents} cents from {iban} refused for invoice {invoice}: below minimum")


def work_on(number: int) -> None:
    """Handle one invoice in a transaction of its own."""
    invoice = f"INV-2026-{number:06d}"
    customer = random.randint(1, 40)
    with sentry_sdk.isolation_scope() as scope, sentry_sdk.start_transaction(name="send invoice", op="queue.task"):
        scope.set_tag("queue", "invoices")
        scope.set_user({"id": f"c-{customer}"})
        try:
            if number % 3:
                deliver(invoice, f"customer{customer}@example.com")
            else:
                debit(invoice, "DE89 3704 0044 0532 0130 00", random.randint(200, 2_000))
        except (InvoiceError, AccountError):
            sentry_sdk.capture_exception()


def main() -> None:
    """Work for the given time, or until SIGTERM or Ctrl-C."""
    parser = arguments("jobs", "A background job with bugs, for the demo.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to work (%(default)s)")
    options = parser.parse_args()
    end_on_sigterm()
    transport = start_sdk(options, "billing", "billing@1.9.2")
    deadline = time.monotonic() + options.seconds
    number = 4_000
    try:
        while time.monotonic() < deadline:
            number += 1
            work_on(number)
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
    finally:
        report(transport)


if __name__ == "__main__":
    main()
