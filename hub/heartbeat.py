"""
The heart-beat of a node among several: it says that it lives, hears of the others, and takes over what the dead had leased.

What it hears decides by which rules permits are granted (`coordination/epochs.py`). A hub of one process has none.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.clock import SharedClock
from hub.coordination.epochs import BEAT, DEAD, Epochs, Line, Phase
from hub.coordination.switching import Switching
from hub.errors import HubError
from hub.store.protocol import NodeRow
from monitoring.events import Observer
from monitoring.health import Unwell

_SOON = 0.25
"""Seconds between two beats while the group moves from one way of granting to another, and nobody grants."""
_SET_EVERY = 60.0
"""Seconds between two looks at the store's clock: machines drift by milliseconds in that time."""
_FORGET = 86_400.0
"""Seconds after which the line of a node that never came back is deleted."""


class Lives(Protocol):
    """What the heart-beat asks of the store; `store/protocol.py` says what each does."""

    async def time(self) -> float: ...
    async def beat(self, mine: NodeRow) -> Sequence[NodeRow]: ...
    async def nodes(self) -> Sequence[NodeRow]: ...
    async def depart(self, node: str) -> None: ...
    async def inherit(self, dead: str) -> int: ...


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as operators may see it."""

    node: str
    version: str
    started_at: float
    """Unix seconds."""
    seconds: float
    """Since it last said that it lives."""
    alive: bool
    reaches: bool
    """Whether it reaches Redis."""
    epoch: int
    heard_at: float
    """When it last said so, Unix seconds."""


class Heartbeat:
    """Beats every three seconds from `start` to `stop`."""

    def __init__(
        self,
        store: Lives,
        epochs: Epochs,
        switching: Switching,
        clock: SharedClock,
        observer: Observer,
        node: str,
        version: str,
        on_death: Callable[[], None],
    ) -> None:
        """*on_death* is told when what a dead node had leased may be leased again."""
        self._store = store
        self._epochs = epochs
        self._switching = switching
        self._clock = clock
        self._observer = observer
        self._node = node
        self._version = version
        self._on_death = on_death
        self._started_at = clock.now()
        self._rows: Sequence[NodeRow] = ()
        self._heard_at = 0.0
        """By the store's clock."""
        self._buried: set[str] = set()
        self._changed: dict[str, tuple[float, float]] = {}
        """By node: what its line last said of its moment, and since when, by this machine's own clock."""
        self._failing = False
        self._beats = False
        self._set_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Beat once, and then by itself. The clock should be set before.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        await self.beat()
        self._switching.bury(self._node)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Say goodbye: the others need not wait to see that this node is gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._store.depart(self._node)
        except HubError as error:
            self._observer.fault("depart", error)

    def nodes(self) -> list[NodeView]:
        """Return every node that said something in the last day, this one first heard at the last beat."""
        return [
            NodeView(
                row.node,
                row.version,
                row.started_at,
                age := self._age(row),
                age <= DEAD and (self._beats or row.node != self._node),
                row.reaches,
                row.epoch,
                row.seen_at,
            )
            for row in sorted(self._rows, key=lambda row: row.node)
        ]

    async def look(self) -> None:
        """
        Hear of the nodes without saying that this one lives: for a process that serves nothing.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        self._rows = await self._store.nodes()
        self._heard_at = await self._store.time()

    async def set_clock(self) -> None:
        """Go by the store's clock from now on."""
        asked = self._clock.monotonic()
        told = await self._store.time()
        self._set_at = self._clock.monotonic()
        self._clock.set(told + (self._set_at - asked) / 2)

    async def well(self) -> None:
        """
        Return when this node may be given work, as far as the group goes.

        Raises:
            Unwell: It can grant nothing for long, because it was not heard of or reaches no Redis: the others may.
        """
        if self._switching.idle_seconds > DEAD:
            raise Unwell("this node can grant no permits; see `Several nodes` in the guide")

    async def beat(self) -> None:
        """Write this node's line, and again as long as what the others wrote makes it say something new."""
        again = True
        while again:
            self._epochs.before_beat()
            reaches = self._switching.says()
            mine = NodeRow(
                self._node,
                self._started_at,
                0.0,
                self._epochs.epoch,
                reaches,
                self._version,
                self._epochs.members,
            )
            self._rows = await self._store.beat(mine)
            self._beats = True
            now = next(row.seen_at for row in self._rows if row.node == self._node)
            self._heard_at = now
            lines = [Line(row.node, row.epoch, row.reaches, row.members, self._age(row)) for row in self._rows]
            again = self._epochs.heard(lines, reaches=reaches)
            await self._switching.follow()
        await self._bury()
        views = self.nodes()
        alive = frozenset(view.node for view in views if view.alive)
        self._observer.nodes({view.node: view.seconds for view in views}, alive, self._switching.mode)

    def _age(self, row: NodeRow) -> float:
        """
        Return the seconds since *row* was last seen to change: a clock that stepped must not keep a dead node alive.

        One that is met for the first time is as old as its moment says, or as young: who lives changes it soon.
        """
        now = self._clock.monotonic()
        seen_at, since = self._changed.get(row.node, (None, now - abs(self._heard_at - row.seen_at)))
        if seen_at != row.seen_at:
            since = now if seen_at is not None else since
            self._changed[row.node] = row.seen_at, since
        return now - since

    async def _bury(self) -> None:
        """Let calls and slots go on that a dead node had and did not use; what it had sent ends with its lease."""
        for row in self._rows:
            if self._age(row) <= DEAD:
                self._buried.discard(row.node)
            elif row.node not in self._buried:
                await self._store.inherit(row.node)
                self._switching.bury(row.node)
                self._buried.add(row.node)
                self._on_death()
            elif self._age(row) > _FORGET:
                await self._store.depart(row.node)

    async def _run(self) -> None:
        while True:
            moving = self._epochs.phase in (Phase.LEAVING, Phase.RETURNING) or not self._epochs.grants()
            await asyncio.sleep(_SOON if moving and not self._failing else BEAT)
            try:
                if self._clock.monotonic() - self._set_at > _SET_EVERY:
                    await self.set_clock()
                await self.beat()
                self._failing = False
            except Exception as error:  # a heart that stops for good is the worst that can happen: nobody would grant
                self._failing = True
                self._observer.fault("beat", error)
