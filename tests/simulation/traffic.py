"""
Those who ask: open-loop Poisson arrivals, each of which goes through admission and then into the lane. Next: `hearing.py`.

A caller never waits for an answer before the next one asks, and nobody who is refused tries again: what is offered does
not depend on what the hub does. Latency counts from the moment of arrival.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from hub.call import Class, Purpose, Submission
from hub.dispatcher import Dispatcher
from hub.errors import HubError, Refusal
from tests.simulation.agency import FILE, LOOK_UP, Asked
from tests.simulation.hearing import Hearing


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of caller, who asks *calls_per_second* times a second on average from *begins* until *ends*."""

    calls_per_second: float
    name: str = "calls"
    cls: Class = Class.NORMAL
    callers: tuple[str, ...] = ("one_stop",)
    """Drawn anew for each call, as are the units."""
    units: tuple[str, ...] = ("H32",)
    operation: str = LOOK_UP
    deadline: float = 10.0
    """Seconds that a look-up is waited for; a filing is durable, and only its good answers are judged by this."""
    begins: float = 0.0
    ends: float = float("inf")
    at_once: int = 0
    """So many arrive in the first moment, on top of the others."""

    @property
    def durable(self) -> bool:
        return self.operation == FILE


class Traffic:
    """The callers of one agency. `start` them, and stop the loop when it has had enough."""

    def __init__(
        self, hub: Dispatcher, agency: str, flows: Sequence[Flow], seed: int, hearings: Sequence[Hearing]
    ) -> None:
        self._hub = hub
        self._agency = agency
        self._streams = [
            _Stream(self, flow, Random(f"{seed} {agency} {number}"), hearing)
            for number, (flow, hearing) in enumerate(zip(flows, hearings, strict=True))
        ]
        self.unasked = False
        """True: calls go in without asking admission, as those of a caller that knows better."""
        self._numbers = count()
        self._asking: set[asyncio.Task[None]] = set()

    def start(self, seconds: float) -> None:
        """Let them ask for *seconds* from now."""
        for stream in self._streams:
            stream.start(seconds)

    async def drain(self) -> None:
        """Wait until everybody who still waits for an answer has heard."""
        while self._asking:
            await asyncio.wait(self._asking)

    def arrive(self, flow: Flow, random: Random, hearing: Hearing) -> None:
        """One call comes to the door."""
        at = hearing.now()
        hearing.offered(at)
        interactive = not flow.durable
        caller = flow.callers[0] if len(flow.callers) == 1 else random.choice(flow.callers)
        unit = flow.units[0] if len(flow.units) == 1 else random.choice(flow.units)
        payer = (caller, unit)
        try:
            if not self.unasked:
                self._hub.admit(
                    self._agency, flow.operation, flow.cls, payer, interactive=interactive, seconds=flow.deadline
                )
        except Refusal as refusal:
            hearing.turned_away(refusal)
            return
        hearing.admitted()
        request = Asked(number=str(next(self._numbers)))
        submission = Submission(
            agency=self._agency,
            operation=flow.operation,
            caller=caller,
            cls=flow.cls,
            request=request,
            request_json=b'{"number":"%s"}' % request.number.encode(),
            purpose=Purpose("o1", unit, f"{unit}-1"),
            wait=flow.deadline if interactive else None,
            deadline=flow.deadline if interactive else None,
            idempotency_key=None if interactive else request.number,
        )
        task = asyncio.get_running_loop().create_task(self._ask(submission, at, hearing))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, submission: Submission, at: float, hearing: Hearing) -> None:
        try:
            reply = await self._hub.submit(submission)
        except HubError as error:
            hearing.refused(at, error)
            return
        if submission.wait is None:
            hearing.ticket(reply.call, at)
        else:
            hearing.answered(at)


class _Stream:
    """Arrivals of one flow, one timer at a time."""

    def __init__(self, traffic: Traffic, flow: Flow, random: Random, hearing: Hearing) -> None:
        self._traffic = traffic
        self._flow = flow
        self._random = random
        self._hearing = hearing

    def start(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._loop = loop
        self._ends = now + min(seconds, self._flow.ends)
        begins = now + self._flow.begins
        if self._flow.at_once:
            loop.call_at(begins, self._crowd)
        if self._flow.calls_per_second:
            loop.call_at(begins, self._next, begins)

    def _next(self, at: float) -> None:
        """Let the call of moment *at* wait until then: counted from moments, not from timers, so nothing drifts."""
        at += self._random.expovariate(self._flow.calls_per_second)
        if at < self._ends:
            self._loop.call_at(at, self._arrive, at)

    def _arrive(self, at: float) -> None:
        self._traffic.arrive(self._flow, self._random, self._hearing)
        self._next(at)

    def _crowd(self) -> None:
        for _ in range(self._flow.at_once):
            self._traffic.arrive(self._flow, self._random, self._hearing)
