"""
`hub demo`: what the one-stop centre's software does, through the public API, and what the agencies tell it.

One land dossier is walked through four agencies (`demo_walk.py`), with what its owner needs of others besides
(`demo_others.py`); then an agency hangs and the hub is killed (`demo_trouble.py`). Every act states what must be true
and fails the demo if it is not. The stage is in `demo_stage.py`.
"""

import asyncio
import time

from rich.console import Console

from hub.cli.demo_board import Board, NotAsPromised
from hub.cli.demo_stage import Stage, stage
from hub.cli.demo_trouble import Trouble
from hub.cli.demo_walk import Walk
from hub.client import Problem


def run() -> int:
    """Play the demo and return its exit status: 0 when everything promised came true."""
    return asyncio.run(_run(Console()))


async def _run(console: Console) -> int:
    began = time.monotonic()
    board = Board(console)
    async with stage() as built:
        try:
            await _play(built, board)
        except (NotAsPromised, Problem, RuntimeError) as broken:
            console.print(board.table())
            console.print(f"[bold red]✗[/] {broken}", highlight=False)
            return 1
    console.print()
    console.print(board.table())
    console.print(f"All as promised, in {time.monotonic() - began:.1f} s.")
    return 0


async def _play(built: Stage, board: Board) -> None:
    async def start() -> str:
        await built.serve()
        await built.register()
        return "registers imported, a caller has its key"

    await board.act("A hub starts with sixteen agencies around it", start)
    async with built.client() as hub:
        await Walk(built, hub, board).play()
    await Trouble(built, board).play()
