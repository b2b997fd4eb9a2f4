# ruff: noqa
"""Orders: plain failures, by every kind of function."""

import json
import os
import tempfile
import urllib.request

from shop.helpers import Tree, database, parse_amount, read_config, retried, timed


def missing_key(seed):
    order = {"id": seed}
    return order["customer_%d" % seed]


def other_missing_key(seed):
    order = {"id": seed}
    return order["address_%d" % seed]


def two_lines_first(seed):
    return lookup({"a": 1}, seed)


def two_lines_second(seed):
    return lookup({"b": 1}, seed)


def lookup(order, seed):
    if "a" in order:
        return order["quantity", seed]
    return order["price", seed]


def bad_amount(seed):
    return parse_amount("12,%d" % seed)


def bad_discount(seed):
    return parse_amount("%d percent" % seed)


def in_comprehension(seed):
    return [100 / (number - seed) for number in range(seed + 1)]


def in_dict_comprehension(seed):
    return {number: 100 / (number - seed) for number in range(seed + 1)}


def in_generator(seed):
    return sum(100 / (number - seed) for number in range(seed + 1))


def in_long_comprehension(seed):
    # fmt: off
    return [
        100 / (number - seed)
        for number in range(seed + 1)
        if number >= 0
    ]
    # fmt: on


def in_lambda(seed):
    return sorted(range(3), key=lambda number: number / (seed - seed))


def in_other_lambda(seed):
    return sorted(range(3), key=lambda number: number % (seed - seed))


@timed
@timed
def decorated(seed):
    raise RuntimeError("decorated %d" % seed)


@retried(3)
def gives_up(seed):
    raise ConnectionError("attempt for order %d" % seed)


@retried(2)
def gives_up_elsewhere(seed):
    raise ConnectionError("attempt for order %d" % seed)


class Cart:
    def __init__(self, seed):
        self.seed = seed

    def itself(self):
        return self

    @property
    def total(self):
        return self.items

    def add(self):
        return self.nothing.append(self.seed)

    @classmethod
    def of(cls, seed):
        raise TypeError("no cart %d" % seed)

    @staticmethod
    def check(seed):
        raise TypeError("cart %d is closed" % seed)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        raise OSError("cart %d cannot be closed" % self.seed)


def missing_attribute(seed):
    return Cart(seed).add()


def missing_property(seed):
    return Cart(seed).total


def class_method(seed):
    return Cart.of(seed)


def static_method(seed):
    return Cart.check(seed)


def context_manager(seed):
    with Cart(seed):
        return seed


def closure(seed):
    def inside():
        raise PermissionError("closure %d" % seed)

    return inside()


def walk(seed):
    return Tree(3 + seed % 9, 0).visit()


def endless(seed):
    return endless_other(seed + 1)


def endless_other(seed):
    return endless(seed + 1) + len(str(seed))


def endless_alone(seed):
    return endless_alone(seed + 1)


def unique_violation(seed):
    connection = database()
    connection.execute("insert into orders values (?, 'ann')", (seed,))
    connection.execute("insert into orders values (?, 'bob')", (seed,))


def no_such_table(seed):
    database().execute("select * from invoices where id = %d" % seed)


def missing_file(seed):
    return read_config(os.path.join(tempfile.gettempdir(), "shop-%d.json" % seed))


def bad_json(seed):
    return json.loads('{"id": %d,, }' % seed)


def refused(seed):
    return urllib.request.urlopen("http://127.0.0.1:%d/orders/%d" % (9, seed), timeout=1).read()


def refused_elsewhere(seed):
    return urllib.request.urlopen("http://127.0.0.1:%d/stock/%d" % (9, seed), timeout=1).read()


def not_unicode(seed):
    return bytes([200, seed % 50, 255]).decode("utf-8")


def wrapped(seed):
    try:
        return {}[seed]
    except KeyError as error:
        raise RuntimeError("order %d cannot be priced" % seed) from error


def wrapped_elsewhere(seed):
    try:
        return [][seed]
    except IndexError as error:
        raise RuntimeError("order %d cannot be priced" % seed) from error


def while_handling(seed):
    try:
        return 1 / 0
    except ZeroDivisionError:
        return {}["fallback %d" % seed]


def attempts(seed):
    """A failure that carries a different number of earlier ones each time."""
    failed = None
    for attempt in range(1 + seed % 4):
        try:
            try:
                raise TimeoutError("attempt %d" % attempt)
            except TimeoutError as error:
                raise error from failed
        except TimeoutError as error:
            failed = error
    raise failed


def executed(seed):
    exec(compile("def late(seed):\n    raise NotImplementedError(seed)\nlate(%d)" % seed, "<string>", "exec"), {})


def asserted(seed):
    assert seed < 0, "seed %d is not negative" % seed


def iterator(seed):
    def produce():
        yield seed
        raise BufferError("exhausted after %d" % seed)

    return list(produce())


# fmt: off
def over_lines_call(seed):
    return parse_amount(
        "over %d lines" % seed,
    )


def over_lines_chain(seed):
    return (
        Cart(seed)
        .itself()
        .add()
        .itself()
    )


def over_lines_assertion(seed):
    assert (
        seed ==
        -1
    ), "seed is %d" % seed


def over_lines_raise(seed):
    raise ValueError(
        "seed %d"
        % seed
    )
# fmt: on
