"""
What every act of `hub demo` needs: the board on which it is written down, what must be true, and invented things.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx2
from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

OFFICER, UNIT, INTAKE = "cb-014", "mot-cua-01", "TN-000001"
COUNTER = 1
"""Urgency of every call here: an officer of the counter asks, and a busy machine refuses them last."""


class NotAsPromised(Exception):
    """Something that the hub promises did not come true in this demo."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the closing table."""

    what: str
    seen: str
    seconds: float


class Board:
    """The acts that came true, in order; each is told as it ends."""

    def __init__(self, console: Console) -> None:
        self.rows: list[Row] = []
        self._console = console

    def scene(self, title: str) -> None:
        """Tell that another scene begins."""
        self._console.rule(title)

    async def act(self, what: str, play: Callable[[], Awaitable[str]]) -> None:
        """
        Play one act; it returns what was seen.

        Raises:
            NotAsPromised: What must be true is not, or nothing like it came in time.
        """
        began = time.monotonic()
        try:
            seen = await play()
        except (LookupError, ValueError, TimeoutError, httpx2.HTTPError) as other:  # something else came than must
            raise NotAsPromised(f"{what}: {type(other).__name__} {other}") from other
        self.rows.append(Row(what, seen, time.monotonic() - began))
        self._console.print(f"  [green]✓[/] {what}: {seen}")

    def table(self) -> Table:
        """Return what happened, for people."""
        table = Table(title="What happened", title_justify="left")
        table.add_column("Act")
        table.add_column("Seen")
        table.add_column("Took", justify="right")
        for row in self.rows:
            table.add_row(row.what, row.seen, f"{row.seconds:,.2f} s")
        return table


def must(true: bool, what: str) -> None:
    """
    Go on if *true*.

    Raises:
        NotAsPromised: It is not; the text says *what* was promised.
    """
    if not true:
        raise NotAsPromised(f"promised, and not so: {what}")


def there(value: T | None, what: str) -> T:
    """
    Return *value*, if it is there.

    Raises:
        NotAsPromised: It is not; the text says *what* was promised.
    """
    if value is None:
        raise NotAsPromised(f"promised, and not so: {what}")
    return value


def sample(connector: str, name: str, model: type[M]) -> M:
    """Return the request of a recorded conversation, as the model it is."""
    found = next(one for one in load_samples(find_connectors()[connector]) if one.name == name)
    return model.model_validate_json(to_json(found.request))


def dossier_code(number: int) -> str:
    """Return the code of the centre's dossier *number* of today, in Viet Nam."""
    return f"000.00.14.H32-{datetime.now(UTC) + timedelta(hours=7):%y%m%d}-{number:05d}"
