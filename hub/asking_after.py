"""
Asking an agency what became of a call: of a filing in doubt, and of an answer that is pending. One look-up at a time.

A filing in doubt is looked up no sooner than the agency can be done with it; an answer that is pending is asked after by
`every` of the look-up, ever more seldom, until the call's deadline. What no look-up can tell stays as it is, with its due
moment at the end of time, for a person. Read `verdicts.py` first.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Literal

from connectors.kit.manifest import Contract
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Result
from hub.answers import value_of
from hub.call import NEVER, PENDING, Call, Class, State
from hub.errors import StoreUnavailable
from hub.guards.concurrency import GHOST
from hub.line import Line
from hub.store.protocol import Leased, Settlement
from hub.surroundings import Surroundings
from hub.turn import Fetches, Turn

AHEAD = 300.0
"""Seconds for which a look into the store sees ahead: so long after a start, or another node's death, it looks by itself."""
_LONGEST = 3600.0
_LEAST = 0.05
"""Seconds later than one falls due: the store's clock and the loop's are not one to the microsecond."""
_SELDOM = 8.0
"""Times `every` that are at most between two askings after what is pending."""


def look_up_of(
    operations: Mapping[str, Operation], operation: str, step: str, why: Literal["in_doubt", "pending"] = "in_doubt"
) -> tuple[str, str] | None:
    """Return who names the look-up that asks after *step* of *operation*, and that look-up; or None."""
    for name in (step, operation):
        known = operations.get(name)
        if known is not None and (look_up := known.then.get(why)):
            return name, look_up
    return None


def spacing(every: float, since: float, now: float, deadline: float) -> float:
    """
    Return the seconds until an answer is asked after again that has been pending since *since*.

    As long again as it has been pending, so that the waits double, at least *every* and at most eight times that. The
    last time at *deadline*; after that never (`inf`), for whom nobody tells in all that time a person has to ask.
    """
    if now >= deadline:
        return float("inf")
    return min(max(every, min(now - since, _SELDOM * every)), deadline - now)


class AskingAfter:
    """The look-ups of one lane that ask what became of a call."""

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
        told_as: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """*told_as*: look-ups of which what they say of a call that is pending is a notice, by the name of that notice."""
        self._lane = lane
        self._operations = operations
        self._line = line
        self._turns = turns
        self._parse = parse
        self._stir = stir
        self._around = surroundings
        self._told_as = told_as
        self._at_once = contract.calls_at_once
        self.patience = GHOST * contract.call_timeout
        """Seconds from sending until an agency is taken to be done with what it was sent."""
        self._not_before = surroundings.clock.monotonic() + self.patience
        self._more = False
        """The store may hold calls that are due and for which there was no room."""
        self._moments: list[float] = []
        """When to look, of the loop's time, as a heap: one that falls due later must not be forgotten for one before."""
        self._fell_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        """Kept here: a handle for a moment that is now does not tell it on every loop."""
        self._task: asyncio.Task[None] | None = None

    def wait_of(self, call: Call, *, pending_since: float | None = None) -> float:
        """Return the seconds until *call* is asked after that is in doubt, or pending since then; `NEVER`: by nobody."""
        if pending_since is None:
            return self.patience if self._look_up_of(call) else NEVER
        found = look_up_of(self._operations, call.operation, call.step, PENDING)
        every = self._operations[found[1]].every if found and found[1] in self._operations else None
        if every is None:
            return NEVER
        return spacing(every, pending_since, self._around.clock.now(), call.deadline)

    @property
    def begins_at(self) -> float:
        """Return before which moment (Unix seconds) nothing is looked up: what an earlier process sent must have ended."""
        clock = self._around.clock
        return clock.now() + max(0.0, self._not_before - clock.monotonic())

    def due(self, seconds: float) -> None:
        """Look for calls to ask after in *seconds*, or before; never before what an earlier process sent can have ended."""
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
        waiting = sum(turn.asks_after for turn in self._turns.values())
        want = 2 * self._at_once
        self._more = waiting >= want
        if self._more:
            return
        now = around.clock.now()
        try:
            found = await around.store.asking_due(self._lane, now + AHEAD, want)
            due = [one for one in found if one.call.due_at <= now]
            for one in due:
                await self._join(one)
        except StoreUnavailable:
            self.due(1.0)
            return
        self._more = len(due) >= want
        if len(due) < len(found):  # the first of the others: what a former life planned, or another node
            self.due(found[len(due)].call.due_at - now)
        if due:
            self._stir()

    async def _join(self, found: Leased) -> None:
        call = found.call
        if call.id in self._turns:
            return
        look_up = self._look_up_of(call)
        turn = self._parse(found, float("inf")) if look_up else None
        if look_up is None or turn is None or look_up[1] not in self._operations:
            await self._leave_to_a_person(call)
            return
        turn.asks_after = True
        turn.before = look_up[0]
        turn.call = replace(call, step=look_up[1])
        if call.state is State.ANSWERED:
            turn.call = replace(turn.call, cls=Class.BULK)  # who filed it has an answer; nobody stands and waits
            turn.pending_since = found.since
            told_as = self._told_as.get(look_up[1])
            turn.fetches = Fetches(told_as, None) if told_as is not None else None
            answered = self._operations[look_up[0]].answer
            turn.answer = Answered(Result.PENDING, value_of(found.answer, answered) if found.answer else None)
        self._turns[call.id] = turn
        self._line.join(turn)

    def _look_up_of(self, call: Call) -> tuple[str, str] | None:
        why: Literal["in_doubt", "pending"] = "pending" if call.state is State.ANSWERED else "in_doubt"
        return look_up_of(self._operations, call.operation, call.step, why)

    async def _leave_to_a_person(self, call: Call) -> None:
        """Move the due moment of what no look-up can end, so that it does not stand before those that one can."""
        begun = await self._around.store.begin_asking(call.id, self._around.node)
        if begun is not None:
            result = PENDING if call.state is State.ANSWERED else None
            await self._around.store.settle(
                Settlement(call.id, *begun, call.state, "unsent", "no_look_up", due_at=NEVER, result=result)
            )
