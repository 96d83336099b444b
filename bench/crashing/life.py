"""
One life of a node: a real `hub serve`, forked from a process that has imported the hub already.

Tests that kill a hub two hundred times must not pay two hundred times for the imports, which are three quarters of a
start. From the fork on it is the command itself, with its own environment, folder and output.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

_LIVES: ForkServerContext = multiprocessing.get_context("forkserver")
_LIVES.set_forkserver_preload(
    ["hub.cli.main", "hub.app.serve", __name__, "pytest"]
)  # a child loads our main module too


def begin(folder: Path, output: Path, environ: Mapping[str, str]) -> BaseProcess:
    """Start `hub serve` in *folder* with nothing but *environ*; its lines go to *output*, its errors to a file beside it."""
    life = _LIVES.Process(target=_serve, args=(str(folder), str(output), dict(environ)), daemon=True)
    life.start()
    return life


def _serve(folder: str, output: str, environ: dict[str, str]) -> None:
    for descriptor, path in ((1, output), (2, f"{output}.errors")):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["hub", "serve"]
    from hub.cli.main import main

    main()
