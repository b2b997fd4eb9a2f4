"""Turn this process into a ClickHouse server: run clickhouse-local inside ``libchdb`` and let it listen.

Run as a script, with the standard library only: ``python -I -S clickhouse_process.py LIBRARY ARGUMENT...``.
``chdb_query_cmdline`` is the main function of clickhouse-local with its usual arguments.
"""

from __future__ import annotations

import ctypes
import sys


def main() -> int:
    """Hand the command line over to the library; returns when clickhouse-local's last query has ended.

    The library prints errors itself and returns nothing that tells them from success.
    """
    library, arguments = sys.argv[1], ["clickhouse-local", *sys.argv[2:]]
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*[argument.encode() for argument in arguments], None)
    ctypes.CDLL(library).chdb_query_cmdline(len(arguments), argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
