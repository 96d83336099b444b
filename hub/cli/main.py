"""
The command `hub`. Each group of commands is a file of this folder; here they are put together and errors are told.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable

import typer

from hub.cli.backup import backup
from hub.cli.call import call
from hub.cli.calls import calls
from hub.cli.check import check
from hub.cli.dead import dead
from hub.cli.doctor import doctor
from hub.cli.doubt import doubt
from hub.cli.handling import handling
from hub.cli.lanes import lanes
from hub.cli.operator import in_command
from hub.cli.output import fail
from hub.cli.polls import polls
from hub.cli.reconcile import reconcile
from hub.cli.registers import callers, officers, units
from hub.cli.sandbox import sandbox
from hub.cli.serve import serve
from hub.cli.subscriptions import subscriptions
from hub.client import Problem
from hub.coordination.link import RedisEvicts
from hub.errors import HubError
from hub.store.database import StoreInUse, StoreUnusable
from mappings.errors import FilesRefused

DEMO = "hub.cli.demo"


def program() -> typer.Typer:
    """Put the commands together, in the order in which a newcomer meets them."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="The integration hub of a one-stop centre.",
    )
    app.command()(demo)
    app.command()(serve)
    app.command()(sandbox)
    app.command()(call)
    app.command()(check)
    app.command()(doctor)
    app.command()(backup)
    app.add_typer(lanes(), name="lanes")
    app.add_typer(callers(), name="callers")
    app.add_typer(officers(), name="officers")
    app.add_typer(units(), name="units")
    app.add_typer(calls(), name="calls")
    app.add_typer(doubt(), name="doubt")
    app.add_typer(dead(), name="dead")
    app.add_typer(subscriptions(), name="subscriptions")
    app.add_typer(polls(), name="polls")
    app.command()(handling)
    app.command()(reconcile)
    return app


def demo() -> None:
    """Start hub and sandbox, and watch a land dossier go both ways, an agency hang, and the hub be killed."""
    if importlib.util.find_spec(DEMO) is None:
        fail("This installation has no demo.")
    run: Callable[[], int | None] = importlib.import_module(DEMO).run
    raise typer.Exit(run() or 0)


def main() -> None:
    """Run the command line; what is wrong is told with what to do next, never as a traceback."""
    try:
        program()(standalone_mode=True)
    except FilesRefused as refused:
        _end("\n".join(str(fault) for fault in refused.faults), 2)
    except HubError as error:
        _end(in_command(error.code, error.detail) or f"{error.code}: {error.text()} {error.detail}".rstrip(), 1)
    except (StoreInUse, StoreUnusable, RedisEvicts, Problem) as error:
        _end(str(error), 1)


def _end(text: str, status: int) -> None:
    try:
        fail(text)
    except typer.Exit:
        sys.exit(status)


if __name__ == "__main__":
    main()
