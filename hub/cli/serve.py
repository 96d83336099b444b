"""
`hub serve`: the hub itself, until SIGTERM or Ctrl-C. Lines of JSON go to standard output.
"""

import os
import sys
from datetime import datetime
from typing import Annotated

import typer

from hub.app.serve import run
from hub.cli.output import fail
from hub.cli.settings import Config, read_settings

AfterRestore = Annotated[
    str,
    typer.Option(
        "--after-restore",
        help="The store is a copy, made at this moment, as `hub backup` printed it: what waits in it is in doubt.",
    ),
]


def serve(*, config: Config = None, after_restore: AfterRestore = "") -> None:
    """Serve callers and operators until told to stop."""
    moment = _moment(after_restore) if after_restore else None
    run(read_settings(config), os.environ, sys.stdout.buffer, after_restore=moment)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fail(f"--after-restore {text} is no moment; write it as in the manifest, e.g. 2026-11-27T08:30:00+07:00.", 2)
    return moment.timestamp()
