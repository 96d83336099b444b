"""
The command `hub`. Each group of commands is a file of this folder; here they are put together and errors are told.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable

import typer

from hub.cli.call import call
from hub.cli.check import check
from hub.cli.output import fail
from hub.cli.sandbox import sandbox
from hub.errors import HubError
from hub.store.sqlite import StoreInUse
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
    app.command()(sandbox)
    app.command()(call)
    app.command()(check)
    return app


def demo() -> None:
    """Start hub and sandbox, and watch calls go through, an agency hang, and the hub be killed."""
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
        _end(f"{error.code}: {error.text()} {error.detail}".rstrip(), 1)
    except StoreInUse as error:
        _end(str(error), 1)


def _end(text: str, status: int) -> None:
    try:
        fail(text)
    except typer.Exit:
        sys.exit(status)


if __name__ == "__main__":
    main()
