"""
`make demo-cluster`: PostgreSQL, Redis and two hubs; one hub is killed under load, the other takes over, nothing is lost.

What it promises is judged from outside alone, by the rules of the crash tests (`crashing/history.py`): from the callers'
log of replies and the agency's log of arrivals.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench.crashing import history as promises
from bench.crashing.cluster import AGENCY, BY_THE_SECOND, Form
from bench.crashing.history import ENDED, History
from bench.crashing.node import until
from bench.crashing.run import TROUBLE, Run, running
from bench.servers import NoServer, Postgres, Redis

TWO_HUBS = Form("two hubs", nodes=2, postgres=True, redis=True)
PER_SECOND = 5
"""Things asked a second, half of what the agency bears: who asks for more only waits longer."""
ANSWERS = 12
"""Heard before the hub is killed, and again while it is dead, and again when it is back."""


class Demo:
    """The acts in order, and what the closing table says of them."""

    def __init__(self, run: Run, console: Console) -> None:
        self._run = run
        self._console = console
        self._one, self._other = run.cluster.nodes
        self._killed_at = self._back_at = 0.0

    async def play(self) -> History:
        """
        Play all acts, and return what was seen from outside.

        Raises:
            AssertionError: Something did not happen in time; the text says what.
        """
        self._console.rule("Two hubs, one agency")
        await self._act("Both hubs serve, and count their calls together in Redis", self._serve)
        await self._act(f"Callers ask both for {PER_SECOND} things a second", self._load)
        self._console.rule("One hub is killed")
        await self._act(f"kill -9 {self._one.name}, while callers go on", self._kill)
        await self._act(f"{self._other.name} serves alone", self._alone)
        await self._act(f"{self._other.name} takes over what {self._one.name} had leased", self._take_over)
        self._console.rule("It comes back")
        await self._act(f"{self._one.name} starts again", self._restart)
        await self._act("Callers stop asking, and everything comes to rest", self._rest)
        return self._history

    async def _act(self, what: str, act: Callable[[], Awaitable[str]]) -> None:
        began = time.monotonic()
        seen = await act()
        self._console.print(f"  [green]✓[/] {what}: {seen} ({time.monotonic() - began:.1f} s)", highlight=False)

    async def _serve(self) -> str:
        await self._run.cluster.start()
        nodes = self._run.cluster.nodes
        await until(lambda: {node.grants_by() for node in nodes} == {"redis"}, "both hubs grant by Redis")
        return "registers imported, a caller has its key"

    async def _load(self) -> str:
        self._run.misbehave(*TROUBLE)
        self._run.traffic.flow(PER_SECOND)
        await self._run.served(ANSWERS)
        return "an agency that answers slowly, cuts off and says 429 now and then; " + self._count()

    async def _kill(self) -> str:
        under_way = self._run.sandbox.under_way(AGENCY)
        await self._one.kill()
        self._killed_at = time.monotonic()
        return f"exchanges under way, of both hubs: {under_way}"

    async def _alone(self) -> str:
        await self._run.served(ANSWERS)
        return self._count()

    async def _take_over(self) -> str:
        await until(lambda: self._run.cluster.dead(self._one, self._other), "the dead hub is noticed")
        return f"taken for dead {time.monotonic() - self._killed_at:.1f} s after the kill; " + self._count()

    async def _restart(self) -> str:
        await self._one.start()
        await until(lambda: self._one.exchanges() > 0, "the hub that came back sends")
        await self._run.served(ANSWERS)
        return "it sends again; " + self._count()

    async def _rest(self) -> str:
        self._run.misbehave()
        self._history = await self._run.traffic.end()
        return self._count()

    def _count(self) -> str:
        return f"{len(self._run.traffic.asked)} things asked so far, {self._run.answered()} answers heard"


def verdicts(history: History) -> list[tuple[str, str, list[str]]]:
    """Return each promise, what was seen of it, and how it was broken; an empty list where it was kept."""
    told = {heard.call for heard in history.heard if heard.call}
    states = [one.state for one in history.stands]
    ends = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    careful = {(one.operation, one.subject) for one in history.asked.values() if not one.repeat_safe}
    came = sum((one.operation, one.subject) in careful for one in history.arrived)
    cut = sum(heard.status == 0 for heard in history.heard)
    done = sum(one.state == "answered" and one.result == "ok" for one in history.stands)
    back = sum(heard.state == "cancelled" for heard in history.heard)
    bears = history.contract
    seen: Mapping[object, tuple[str, str]] = {
        promises.accepted_is_there: (
            "Nothing accepted is lost",
            f"{len(told)} calls were told to callers, {sum(one.call in told for one in history.stands)} are there: {ends}",
        ),
        promises.one_key_one_call: (
            "One key is one call, however often it is handed in",
            f"{len(history.asked)} keys; {cut} requests lost their connection",
        ),
        promises.sent_once: (
            "What may not be repeated is filed once at most",
            f"{len(careful)} such filings; {came} arrivals, those that were not let in included",
        ),
        promises.heard_stays: (
            "What a caller was told stays so",
            f"{len(history.heard)} replies compared with the end",
        ),
        promises.done_as_told: ("What stands as done, the agency did", f"{done} calls stand as done"),
        promises.taken_back_stays_back: ("What was taken back is not sent", f"{back} calls taken back"),
        promises.contract_held: (
            f"The agency gets {bears.per_second:.0f} calls in any second at most, {bears.at_once} at once, and one more",
            f"{most_in_a_second(history)} in the fullest second, {max(one.at_once for one in history.arrived)} at once",
        ),
    }
    return [(*seen[rule], list(rule(history))) for rule in promises.RULES]


def most_in_a_second(history: History) -> int:
    """Return the arrivals in the fullest second."""
    times = sorted(one.at for one in history.arrived)
    return max((sum(first <= at < first + 1.0 for at in times) for first in times), default=0)


def longest_silence(history: History) -> float:
    """Return the longest time between two answers that callers heard, in seconds."""
    times = [heard.at for heard in history.heard if heard.state in ENDED]
    return max((after - before for before, after in pairwise(times)), default=0.0)


def table_of(history: History) -> Table:
    """Return every promise and what was seen of it, for people."""
    table = Table(title="What was promised, and what was seen", title_justify="left")
    table.add_column("Promised")
    table.add_column("Seen from outside")
    table.add_column("Kept")
    for promised, seen, faults in verdicts(history):
        table.add_row(promised, "\n".join([seen, *faults]), "[bold red]no[/]" if faults else "[green]yes[/]")
    return table


def run(console: Console) -> int:
    """Play the demonstration and return its exit status: 0 when everything promised came true."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="lienthong-cluster-", ignore_cleanup_errors=True) as named:
        folder = Path(named)
        folder.chmod(0o755)  # PostgreSQL may run as another user
        for name in ("postgres", "redis", "hubs"):
            (folder / name).mkdir()
        try:
            postgres, redis = Postgres(folder / "postgres", durable=True), Redis(folder / "redis")
        except NoServer as missing:
            console.print(f"[bold red]✗[/] {missing}: {NoServer.__doc__}", highlight=False)
            return 1
        try:
            postgres.start()
            redis.start()
            history = asyncio.run(_play(folder / "hubs", postgres, redis, console))
        except AssertionError as broken:
            console.print(f"[bold red]✗[/] promised, and not so: {broken}", highlight=False)
            return 1
        finally:
            redis.kill()
            postgres.kill()
    console.print()
    console.print(table_of(history))
    console.print(f"Callers heard something at least every {longest_silence(history):.1f} s.", highlight=False)
    if faults := promises.broken(history):
        console.print(f"[bold red]✗[/] {len(faults)} times not as promised.")
        return 1
    console.print(f"All as promised, in {time.monotonic() - began:.1f} s.")
    return 0


async def _play(folder: Path, postgres: Postgres, redis: Redis, console: Console) -> History:
    servers = {"HUB__HUB__STORE": postgres.dsn(), "HUB__HUB__REDIS": redis.address()}
    async with running(folder, TWO_HUBS, servers, BY_THE_SECOND) as stage:
        return await Demo(stage, console).play()


if __name__ == "__main__":
    sys.exit(run(Console()))
