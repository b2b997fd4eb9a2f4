# ruff: noqa
"""Shared helpers: where many callers' failures surface."""

import functools
import json
import sqlite3
import time


def parse_amount(text):
    return int(text)


def retried(times):
    def decorator(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except ConnectionError:
                    if attempt == times - 1:
                        raise
                    time.sleep(0)

        return wrapper

    return decorator


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def read_config(path):
    with open(path) as file:
        return json.load(file)


def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table orders (id integer primary key, customer text not null)")
    return connection


class Tree:
    def __init__(self, depth, kind):
        self.depth = depth
        self.kind = kind

    def visit(self):
        if self.depth == 0:
            raise LookupError("leaf %d" % self.kind)
        if (self.depth + self.kind) % 2:
            return self.visit_left()
        return self.visit_right()

    def visit_left(self):
        return Tree(self.depth - 1, self.kind).visit()

    def visit_right(self):
        return Tree(self.depth - 1, self.kind + 1).visit()
