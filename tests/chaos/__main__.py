"""Break an installation in every way that is known, and compare what is left with what was sent.

Exit code 0: everything is there once; 1: something was lost, counted twice or not said (lines VIOLATION say what).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import get_args

from pipeline.errors import AftershockError
from tests.chaos import directed, killcount
from tests.chaos.faults import APART, GROUPS, KINDS, chosen_kinds
from tests.chaos.many import many, seeds_of
from tests.chaos.options import SABOTAGES, Mode, Options
from tests.chaos.run import run
from tests.chaos.settings import VARIANTS
from tests.chaos.table import as_text, read_rounds, table

Command = Callable[[argparse.Namespace], bool]
_HELP = {
    "rounds": "rounds of each seed",
    "mode": "one fault a round by turns, two or three of them at once by chance, or none",
    "kinds": f"kinds of fault, with commas between; a+b for two in one round. {', '.join((*KINDS, *GROUPS))}",
    "settings": f"by the seed if not given: {'; '.join(f'{at} {one.name}' for at, one in enumerate(VARIANTS))}",
    "seconds": "over how many seconds a round's events are spread, at least",
    "rate": "events a second",
    "sabotage": "make something wrong, so that exit code 1 is right",
    "product": "directory with the product to run; this one if not given",
    "compiled": "directory that goes before the product's own on the workers' path",
    "log": "gets a line of JSON for each round",
    "issues": "how many issues a round's events have",
    "keep": "keep all data, also of a run in which nothing was wrong",
    "go-on": "do not end at the first round in which something is wrong",
    "plain": "errors alone: no spans, no sessions, no gateway",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says; return the exit code."""
    given = parser().parse_args(arguments)
    command: Command = given.main
    try:
        return 0 if command(given) else 1
    except AftershockError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    """Return the parser of command lines."""
    whole = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("run", help="one seed: an installation, and so many rounds")
    one.add_argument("seed", type=int)
    one.add_argument("--prove", action="store_true", help="show last that each comparison sees what is wrong")
    _add_options(one)
    _add_place(one)
    one.set_defaults(main=lambda given: run(_options(given), proof=given.prove))

    several = commands.add_parser("many", help="several seeds, and the table of their rounds")
    several.add_argument("--seeds", type=seeds_of, required=True, help="such as 0-39 or 1,4,9")
    several.add_argument("--parallel", type=int, default=1, help="how many seeds at a time")
    _add_options(several)
    several.set_defaults(main=_many)

    of_logs = commands.add_parser("table", help="the table of rounds by kind of fault")
    of_logs.add_argument("logs", nargs="+", type=Path, metavar="LOG")
    of_logs.set_defaults(main=lambda given: print(as_text(table(read_rounds(given.logs)))) is None)

    kinds = commands.add_parser("kinds", help="the kinds of fault")
    kinds.set_defaults(main=_list_kinds)

    _add_directed(commands, "joins", lambda given: directed.joins(_options(given), given.number), "times")
    _add_directed(commands, "restarts", lambda given: directed.restarts(_options(given), given.number), "times")
    _add_directed(commands, "resolved", lambda given: directed.resolved(_options(given), given.number), "seconds")
    _add_directed(commands, "killcount", lambda given: killcount.killcount(_options(given), given.number), "kills")
    _add_directed(commands, "term", lambda given: directed.term(_options(given)), "")
    away = _add_directed(
        commands, "outage", lambda given: directed.outage(_options(given), given.what, given.number), ""
    )
    away.add_argument("what", choices=("kafka", "clickhouse"))
    away.add_argument("number", type=float, metavar="SECONDS")
    return whole


def _add_directed(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, command: Command, number: str
) -> argparse.ArgumentParser:
    docstring = getattr(directed if name != "killcount" else killcount, name).__doc__
    added = commands.add_parser(name, help=docstring.splitlines()[0])
    if number:
        added.add_argument("number", type=int, metavar=number.upper())
    _add_place(added)
    for option in ("product", "compiled"):
        added.add_argument(f"--{option}", type=Path, default=getattr(Options, option), help=_HELP[option])
    added.add_argument("--rate", type=float, default=Options.rate, help=_HELP["rate"])
    added.add_argument("--workers", type=int, choices=(2, 3), default=Options.workers)
    added.set_defaults(main=command, seed=0, plain=True)
    return added


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--directory", type=Path, help="where data and logs go; below build/chaos if not given")


def _add_options(parser: argparse.ArgumentParser) -> None:
    def add(name: str, **how: object) -> None:
        default = getattr(Options, name.replace("-", "_"))
        parser.add_argument(f"--{name}", default=default, help=_HELP.get(name), **how)  # type: ignore[arg-type]

    for name in ("rounds", "issues"):
        add(name, type=int)
    for name in ("seconds", "rate"):
        add(name, type=float)
    for name in ("product", "compiled", "log"):
        add(name, type=Path)
    for name in ("keep", "go-on", "plain"):
        add(name, action="store_true")
    add("mode", choices=get_args(Mode))
    add("kinds", type=_kinds)
    add("settings", type=int, choices=range(len(VARIANTS)))
    add("workers", type=int, choices=(2, 3))
    add("sabotage", choices=SABOTAGES)


def _kinds(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    try:
        chosen_kinds(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _options(given: argparse.Namespace) -> Options:
    known = {field.name for field in fields(Options)}
    values = {name: value for name, value in vars(given).items() if name in known}
    for name in ("product", "compiled"):
        if values.get(name) is not None:
            values[name] = values[name].absolute()
    return Options(**values)


def _many(given: argparse.Namespace) -> bool:
    arguments: list[str] = []
    for field in fields(Options):
        value = getattr(given, field.name, None)
        if field.name in ("seed", "log") or value is None or value == field.default:
            continue
        option = f"--{field.name.replace('_', '-')}"
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        arguments.append(option if value is True else f"{option}={text}")
    return many(given.seeds, arguments, parallel=given.parallel, log=given.log.absolute())


def _list_kinds(_given: argparse.Namespace) -> bool:
    for name, kind in KINDS.items():
        what = (kind.__doc__ or "").splitlines()[0]
        print(f"{name:15} {what}" + (f" Only by name: {APART[name]}" if name in APART else ""))
    return True


if __name__ == "__main__":
    sys.exit(main())
