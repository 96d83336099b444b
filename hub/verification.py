"""
Filings in doubt: looked up where the agency offers a look-up, no sooner than the agency can be done with them.

What no look-up can tell stays in doubt, with its due moment at the end of time, for a person. Read `verdicts.py` first.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from connectors.kit.manifest import Contract
from connectors.kit.operation import Operation
from hub.call import State
from hub.errors import StoreUnavailable
from hub.guards.concurrency import GHOST
from hub.line import Line
from hub.store.protocol import Leased, Settlement
from hub.surroundings import Surroundings
from hub.turn import Turn

NEVER = 32_503_680_000.0
"""The year 3000: due moment of a call that only a person moves."""
_LONGEST = 3600.0
_LEAST = 0.05
"""Seconds later than a doubt falls due: the store's clock and the loop's are not one to the microsecond."""


def look_up_of(operations: Mapping[str, Operation], operation: str, step: str) -> tuple[str, str] | None:
    """Return who names the look-up that verifies a doubt about *step* of *operation*, and that look-up; or None."""
    for name in (step, operation):
        known = operations.get(name)
        if known is not None and (look_up := known.then.get("in_doubt")):
            return name, look_up
    return None


class Verification:
    """The look-ups after doubt of one lane."""

    def __init__(
        self,
        lane: str,
        contract: Contract,
        operations: Mapping[str, Operation],
        line: Line,
        turns: dict[str, Turn],
        parse: Callable[[Leased, float], Turn | None],
        stir: Callable[[], None],
        surroundings: Surroundings,
    ) -> None:
        self._lane = lane
        self._operations = operations
        self._line = line
        self._turns = turns
        self._parse = parse
        self._stir = stir
        self._around = surroundings
        self._at_once = contract.calls_at_once
        self.patience = GHOST * contract.call_timeout
        """Seconds from sending until an agency is taken to be done with what it was sent."""
        self._not_before = surroundings.clock.monotonic() + self.patience
        self._more = False
        """The store may hold doubts that are due and for which there was no room."""
        self._moments: list[float] = []
        """When to look, of the loop's time, as a heap: a doubt that falls due later must not be forgotten for one before."""
        self._fell_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        """Kept here: a handle for a moment that is now does not tell it on every loop."""
        self._task: asyncio.Task[None] | None = None

    def look_up_of(self, operation: str, step: str) -> tuple[str, str] | None:
        """Return who names the look-up that verifies a doubt about *step* of *operation*, and that look-up; or None."""
        return look_up_of(self._operations, operation, step)

    @property
    def begins_at(self) -> float:
        """Return before which moment (Unix seconds) nothing is looked up: what an earlier process sent must have ended."""
        clock = self._around.clock
        return clock.now() + max(0.0, self._not_before - clock.monotonic())

    def due(self, seconds: float) -> None:
        """Look for calls in doubt in *seconds*, or before; never before what an earlier process sent can have ended."""
        at = max(asyncio.get_running_loop().time() + min(seconds, _LONGEST) + _LEAST, self._not_before)
        if at < float("inf"):
            heappush(self._moments, at)
            self._arm()

    def _arm(self) -> None:
        at = self._moments[0]
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._begin)

    def ended(self) -> None:
        """A look-up is over: there is room for one that had to wait."""
        if self._more:
            self.due(0.0)

    def stop(self) -> None:
        """Begin no more look-ups."""
        self._not_before = float("inf")
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._timer = None
        while self._moments and self._moments[0] <= self._timer_at:  # not the clock's: a loop may be a moment early
            heappop(self._moments)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_again())
        else:
            self._fell_due = True
        if self._moments:
            self._arm()

    async def _look_again(self) -> None:
        await self._look()
        if self._fell_due:  # while the store was asked
            self._fell_due = False
            self.due(0.0)

    async def _look(self) -> None:
        around = self._around
        waiting = sum(turn.verifies for turn in self._turns.values())
        want = 2 * self._at_once
        self._more = waiting >= want
        if self._more:
            return
        try:
            doubts = await around.store.in_doubt_due(self._lane, around.clock.now(), want)
            for doubt in doubts:
                await self._join(doubt)
        except StoreUnavailable:
            self.due(1.0)
            return
        self._more = len(doubts) >= want
        if doubts:
            self._stir()

    async def _join(self, doubt: Leased) -> None:
        call = doubt.call
        if call.id in self._turns:
            return
        look_up = self.look_up_of(call.operation, call.step)
        turn = self._parse(doubt, float("inf")) if look_up else None
        if look_up is None or turn is None:
            await self._leave_to_a_person(call.id)
            return
        turn.verifies = True
        turn.before = look_up[0]
        turn.call = replace(call, step=look_up[1])
        self._turns[call.id] = turn
        self._line.join(turn)

    async def _leave_to_a_person(self, call_id: str) -> None:
        """Move the due moment of a doubt that no look-up can end, so that it does not stand before those that one can."""
        begun = await self._around.store.begin_verification(call_id, self._around.node)
        if begun is not None:
            fence, number = begun
            await self._around.store.settle(
                Settlement(call_id, fence, number, State.IN_DOUBT, "unsent", "no_look_up", due_at=NEVER)
            )
