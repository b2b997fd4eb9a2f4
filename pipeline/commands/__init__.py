"""The command line: one module a command, imported when the command is used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from pipeline import __version__
from pipeline.errors import AftershockError

COMMANDS = {
    "up": "Start everything on this machine, and leave it running.",
    "demo": "Show what it does, with small real programs that fail.",
    "worker": "Run one worker.",
    "gateway": "Take events from Sentry's SDKs over HTTP.",
    "projects": "List projects and their DSNs, and add one.",
    "releases": "Say what a release is, and see how it does.",
    "migrate": "Bring ClickHouse and Kafka to what this version needs.",
    "send": "Send events from a file to Kafka.",
    "query": "Ask ClickHouse.",
    "issues": "List, resolve, ignore, merge, assign and delete issues.",
    "alerts": "Follow the alerts.",
    "dead-letters": "List, show and replay what could not be processed.",
    "process": "Try the stages on events from a file, without any server.",
    "scrub": "Try the scrubber, and look for what it has missed.",
    "explain": "Show why an event belongs to its issue.",
    "regroup": "Show what other rules of grouping would change, and change it.",
    "forget": "Erase a person from every table.",
    "audit": "Prove that everything was stored once, and repair what was not.",
    "rebuild": "Make an aggregate anew from the rows that it counts.",
    "doctor": "Check everything, and say what to do.",
}


class Commands(click.Group):
    """The group of all commands; each is imported only when it is called for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command by its name."""
        if name not in COMMANDS:
            return None
        module = import_module(f"pipeline.commands.{name.replace('-', '_')}")
        found: click.Command = module.command
        return found

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing every command for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aftershock")
@click.option("--traceback", is_flag=True, help="Show Python's stack trace when a command fails.")
@click.pass_context
def cli(context: click.Context, *, traceback: bool) -> None:
    """Error tracking as a stream: events into Kafka, alerts out of Kafka, everything in ClickHouse for SQL.

    Settings are read from aftershock.toml (or the file that AFTERSHOCK_CONFIG names) and from the environment.
    """
    context.obj = {"traceback": traceback}


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line.

    Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 input refused, 4 a server is not available, 130
    interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="aftershock", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except AftershockError as error:
        if "--traceback" in given:
            raise
        click.echo(f"aftershock: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
