"""
The durable calls of one lane: leased a little ahead, renewed while they wait, given back. Next: `lane.py`.

Nothing polls. The store is asked when something was accepted here, when a call falls due, when an order key is free
again; and every five minutes in case another node or a crash left something behind.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from hub.call import Class
from hub.errors import StoreUnavailable
from hub.line import Line
from hub.store.protocol import Leased
from hub.surroundings import Surroundings
from hub.turn import Place, Turn

SWEEP = 60.0
"""Seconds after which a lane looks again at what waits here for an event, in case nobody told of it."""
_STORE_PAUSE = 1.0
_WORTH = 4.0
"""Seconds for which leased calls wait here while nothing can be sent; then other nodes may have them."""
_LEAST = 0.05
"""Seconds between two looks for a call that falls due: the store's clock and the loop's are not one to the microsecond."""


class Backlog:
    """Leases of one lane. *take* makes a turn of a leased call, or None if it cannot be sent any more."""

    def __init__(
        self,
        lane: str,
        at_once: int,
        call_timeout: float,
        line: Line,
        turns: dict[str, Turn],
        take: Callable[[Leased, float], Turn | None],
        stir: Callable[[], None],
        surroundings: Surroundings,
    ) -> None:
        self._lane = lane
        self._at_once = at_once
        self._ttl = call_timeout + 30.0
        self._line = line
        self._turns = turns
        self._take = take
        self._stir = stir
        self._around = surroundings
        self._more = set(Class)
        """Classes of which the store may hold calls that are ready."""
        self._fell_due = True
        """One timer serves all calls: when it fires, and at the start, the store says when the next one falls due."""
        self._stopped = False
        self._resting_until = 0.0
        """The loop's moment until which nothing is leased: this node can send nothing, the others may."""
        self._spared: dict[str, float] = {}
        """Operations of which nothing is leased, and the loop's moment until which."""
        self._task: asyncio.Task[None] | None = None
        self._due: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        """Kept here: a handle for a moment that is now does not tell it on every loop."""
        self._renewal: asyncio.TimerHandle | None = None

    def more(self, cls: Class | None = None) -> None:
        """Note that the store may hold calls that are ready: of *cls*, or of any class."""
        self._more |= {cls} if cls is not None else set(Class)
        self.fill()

    def due(self, seconds: float) -> None:
        """Look into the store in *seconds*, or before."""
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, seconds)
        if self._due is not None:
            if self._due_at <= at:
                return
            self._due.cancel()
        self._due_at = at
        self._due = loop.call_at(at, self._now_due)

    async def spare(self, turn: Turn, seconds: float) -> None:
        """Return *turn* unsent, and lease nothing of its operation for *seconds*: it is stopped, whatever else may go."""
        self._spared[turn.call.step] = asyncio.get_running_loop().time() + seconds
        await self.give_back([turn])
        self.due(seconds)

    def rest(self, seconds: float) -> None:
        """Give back what waits here and lease nothing for *seconds*, unless that is no longer than a lease is worth."""
        if seconds < _WORTH or self._stopped:
            return
        self._resting_until = asyncio.get_running_loop().time() + seconds
        self._more = set(Class)
        if leased := self._taken_out():
            self._resting = asyncio.get_running_loop().create_task(self.give_back(leased))
        self.due(seconds)

    def fill(self) -> None:
        """Lease ahead if the store may hold more of a class of which few wait here."""
        for operation in [one for one in self._spared if self._around.coordination.stopped(self._lane, one) is None]:
            del self._spared[operation]  # its time is over, or a person ended it before
            self._more = set(Class)
        if self._resting_until and self._around.coordination.stopped(self._lane, "") is None:
            self._resting_until = 0.0
        if (self._task is None or self._task.done()) and self._wanting():  # a task that runs looks again by itself
            self._task = asyncio.get_running_loop().create_task(self._lease_ahead())

    async def give_back(self, turns: Sequence[Turn], due_at: float | None = None) -> None:
        """Return calls to the store unsent; those that cannot be returned come back when their lease ends."""
        for turn in turns:
            self._turns.pop(turn.call.id, None)
        try:
            await self._around.store.give_back(self._around.node, [turn.call.id for turn in turns], due_at)
        except StoreUnavailable as error:
            self._around.observer.fault("give_back", error)
        if due_at is not None:
            self.due(due_at - self._around.clock.now())

    async def stop(self) -> None:
        """Lease nothing more, and give back what waits in the line."""
        self._stopped = True
        for timer in (self._due, self._renewal):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if leased := self._taken_out():
            await self.give_back(leased)

    def _taken_out(self) -> list[Turn]:
        """Take every durable call out of the line, and return those that are leased."""
        waiting = [turn for turn in self._line if not turn.interactive and self._line.leave(turn)]
        return [turn for turn in waiting if not turn.asks_after]

    def _now_due(self) -> None:
        self._due = None
        self._fell_due = True
        self.more()

    def _without(self) -> Sequence[str]:
        now = asyncio.get_running_loop().time()
        self._spared = {operation: until for operation, until in self._spared.items() if until > now}
        return tuple(self._spared)

    def _wanting(self) -> Mapping[Class, int]:
        """
        Return how many to lease of each class: as many as can be sent at once and one more, once half of them are gone.

        Of each class, or ten thousand calls at night would stand before the one filing of the morning.
        """
        if self._stopped or not self._more or asyncio.get_running_loop().time() < self._resting_until:
            return {}
        here = {cls: count for cls, interactive, count in self._line.counts() if not interactive}
        return {
            cls: self._at_once + 1 - here[cls] for cls in Class if cls in self._more and 2 * here[cls] <= self._at_once
        }

    async def _lease_ahead(self) -> None:
        while want := self._wanting():  # also for what was noted while the store was asked
            await self._lease(want)

    async def _lease(self, want: Mapping[Class, int]) -> None:
        began, now = self._around.clock.monotonic(), self._around.clock.now()
        self._more -= set(want)
        try:
            leased = await self._around.store.lease(self._lane, self._around.node, want, self._ttl, self._without())
        except StoreUnavailable:
            self.due(_STORE_PAUSE)
            return
        got = Counter(one.call.cls for one in leased)
        self._more |= {cls for cls, wanted in want.items() if got[cls] >= wanted}
        if self._spared:  # an earlier look may have taken the place of the one that was planned for its end
            self.due(min(self._spared.values()) - asyncio.get_running_loop().time())
        for one in leased:
            self._join(one, began + self._ttl)
        if leased:
            self._renew_later()
            self._stir()
        if self._fell_due:
            await self._set_timer(now)

    async def _set_timer(self, since: float) -> None:
        """Wake when the next call falls due that was not when the store was last asked for all classes."""
        try:
            next_due = await self._around.store.next_due(self._lane, since, self._without())
        except StoreUnavailable:
            self.due(_STORE_PAUSE)
            return
        self._fell_due = False
        if next_due is not None:
            self.due(max(_LEAST, next_due - self._around.clock.now()))

    def _join(self, leased: Leased, until: float) -> None:
        known = self._turns.get(leased.call.id)
        if (
            known is not None and not known.asks_after
        ):  # queued again by us, and still in our hands: under the new fence
            known.call, known.until = leased.call, until
            return
        turn = self._take(leased, until)
        if turn is not None:
            self._turns[turn.call.id] = turn
            # A call between two steps of one attempt does not wait a second time.
            self._line.join(turn, head=turn.call.step != turn.call.operation)

    def _renew_later(self) -> None:
        if self._renewal is None and not self._stopped:
            self._renewal = asyncio.get_running_loop().call_later(self._ttl / 3, self._renew_now)

    def _renew_now(self) -> None:
        self._renewal = None
        mine = [turn for turn in self._turns.values() if not turn.interactive and not turn.asks_after]
        if mine:
            self._renewing = asyncio.get_running_loop().create_task(self._renew(mine))

    async def _renew(self, turns: Sequence[Turn]) -> None:
        self._renew_later()
        began = self._around.clock.monotonic()
        try:
            kept = set(await self._around.store.renew(self._around.node, [turn.call.id for turn in turns], self._ttl))
        except StoreUnavailable:
            return  # the leases run on; before they end there is time for another try
        for turn in turns:
            if turn.call.id in kept:
                turn.until = began + self._ttl
            elif turn.place is Place.LINE and self._line.leave(turn):
                self._turns.pop(turn.call.id, None)
                self._more.add(turn.call.cls)
