# ruff: noqa
"""Fail in every way once: ``python -m shop OUTPUT [SEED]`` appends one JSON line a failure."""

import json
import logging
import sys

import sentry_sdk
from sentry_sdk.transport import Transport

from shop import orders, tasks

PLAIN = """
missing_key other_missing_key two_lines_first two_lines_second bad_amount bad_discount in_comprehension
in_dict_comprehension in_generator in_long_comprehension in_lambda in_other_lambda decorated gives_up
gives_up_elsewhere missing_attribute missing_property class_method static_method context_manager closure walk endless
endless_alone unique_violation no_such_table missing_file bad_json refused refused_elsewhere not_unicode wrapped
wrapped_elsewhere while_handling attempts executed asserted iterator over_lines_call over_lines_chain over_lines_assertion over_lines_raise
""".split()
SCHEDULED = "gather later in_pool in_thread".split()
GROUPS = "task_group task_group_alike".split()

LOG = logging.getLogger("shop")


class ToFile(Transport):
    """Appends each event to a file instead of sending it."""

    def __init__(self, options):
        Transport.__init__(self, options)
        self.output = open(sys.argv[1], "a")

    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event is not None:
            self.output.write(json.dumps({"bug": BUG[-1], "event": event}, default=str) + "\n")
            self.output.flush()


BUG = [""]


def capture(name, function, seed):
    BUG[:] = [name]
    try:
        function(seed)
    except Exception:
        sentry_sdk.capture_exception()


def log_template(seed):
    LOG.error("order %s of customer %d is late", "A-%d" % seed, seed)


def log_other_template(seed):
    LOG.error("order %s of customer %d is lost", "A-%d" % seed, seed)


def log_formatted(seed):
    LOG.error(f"payment {seed} over {seed * 3}.50 EUR was declined after {seed}ms")


def log_exception(seed):
    try:
        tasks.work(seed)
    except ArithmeticError:
        LOG.exception("work %d has failed", seed)


def message(seed):
    sentry_sdk.capture_message(f"Nightly job finished with {seed} errors")


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    sentry_sdk.init(
        dsn="http://key@localhost/1", transport=ToFile, release="shop@%d" % seed, auto_session_tracking=False
    )
    for name in PLAIN:
        capture(name, getattr(orders, name), seed)
    for name in SCHEDULED + (GROUPS if sys.version_info >= (3, 11) else []):
        capture(name, getattr(tasks, name), seed)
    for function in (log_template, log_other_template, log_formatted, log_exception, message):
        BUG[:] = [function.__name__]
        function(seed)


main()
