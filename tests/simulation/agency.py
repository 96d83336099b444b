"""
A simulated agency, which a lane holds as if it were a bound connector. Next: `traffic.py`, who asks.

It has a few workers, an unbounded line in front of them, and the manners of real ones: it goes on with what we gave up
on, it answers 429 above a number at once, it gets slower, it dies and comes back. All in virtual time and from one
seed. Its door counts what a contract is about.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import exp
from random import Random
from statistics import NormalDist
from typing import Any

from pydantic import BaseModel, ConfigDict

from connectors.kit.exchange import Sources, WireRequest
from connectors.kit.manifest import Contract
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from tests.simulation.door import Door
from tests.unit.engine.stage import operation

OK = Answered(Result.OK)
QUICK = 0.05
"""Seconds until an agency has said no: a 429, a 503, a refused connection."""
_BLOCK = 64
"""Service times come in blocks that have the right mean each, so that short runs need no wide bands."""


class Asked(BaseModel):
    """The request of every simulated operation; no two are the same."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    number: str


class Sick(Enum):
    """What an agency does while it is out."""

    STALLED = "stalled"
    """Takes calls and lets them wait; afterwards works off all of them, also those that nobody waits for."""
    BLACK_HOLE = "black hole"
    """Takes calls and never answers."""
    REFUSED = "refused"
    """Lets nobody connect."""
    HTTP_503 = "http 503"
    """Answers 503 without saying for how long."""
    HTTP_429 = "http 429"
    """Answers 429, with `busy_says` as its Retry-After."""


@dataclass(frozen=True, slots=True)
class Outage:
    begins: float
    seconds: float
    sick: Sick


@dataclass(frozen=True)
class Ability:
    """What an agency can do. *workers* x 1 / *mean* calls a second, unless something below is in the way."""

    workers: int = 8
    mean: float = 0.8
    """Seconds that a worker needs for a call, on average."""
    sigma: float = 0.6
    """Of the lognormal service time: 0.6 puts one in twenty at 2.2 x the mean."""
    means: Mapping[str, float] = field(default_factory=dict)
    """Operations that need another time than *mean*."""
    fails: Mapping[str, Outcome | None] = field(default_factory=dict)
    """Operations that end so after `QUICK`; None: never."""
    failing: tuple[float, Outcome] | None = None
    """This part of all exchanges ends so after `QUICK`."""
    workers_later: tuple[tuple[float, int], ...] = ()
    """From a moment on, so many workers."""
    slower_later: tuple[tuple[float, float], ...] = ()
    """From a moment on, every call takes so many times as long."""
    busy_above: int | None = None
    """Calls at once above which it answers 429."""
    busy_says: float | None = None
    """Its Retry-After; None: it has none."""
    outages: tuple[Outage, ...] = ()

    @property
    def calls_per_second(self) -> float:
        return self.workers / self.mean


LOOK_UP = "look_up"
LOOK_UP_SLOWLY = "look_up_slowly"
LOOK_UP_SICK = "look_up_sick"
FILE = "file"
OPERATIONS: Mapping[str, Operation] = {
    one.name: one
    for one in (
        operation(LOOK_UP, "lookup", Asked),
        operation(LOOK_UP_SLOWLY, "lookup", Asked),
        operation(LOOK_UP_SICK, "lookup", Asked),
        operation(FILE, "filing", Asked, repeat_safe=True),
    )
}
CONTRACT: dict[str, Any] = {
    "calls_per_second": 100.0, "calls_at_once": 8, "call_timeout": 30.0, "request_bytes": 1 << 20, "calls_per_day": 10_000_000,
    "queue_calls": 40, "queue_seconds": 60.0, "backlog_calls": 1_000_000, "reply_bytes": 1 << 20,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class _Work:
    seconds: float
    heard: "asyncio.Future[Outcome]"


class SimulatedAgency:
    """Implements what a lane needs of `hub.surroundings.Bound`. Make it where the loop runs."""

    inbox = None
    """It tells us nothing."""

    def __init__(self, name: str, ability: Ability, seed: int, **contract: Any) -> None:
        self.name = name
        self.operations = OPERATIONS
        self.contract = Contract(**{**CONTRACT, **contract})
        self.ability = ability
        self.door = Door(1.5 * self.contract.call_timeout)
        self.said: Counter[str] = Counter()
        """What it answered, by the name of the outcome."""
        self.while_quiet = 0
        """Calls that came although it had asked for silence."""
        self._quiet_until = -1.0
        self._times = _service_times(Random(f"{seed} {name}"), ability.sigma)
        self._random = Random(f"{seed} {name} failing")
        self._workers = ability.workers
        self._slower = 1.0
        self._working = 0
        self._line: deque[_Work] = deque()
        self._sick: Sick | None = None
        self._stalled: list[_Work] = []
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._began = loop.time()
        for at, workers in ability.workers_later:
            loop.call_later(at, self._set_workers, workers)
        for at, times in ability.slower_later:
            loop.call_later(at, self._set_slower, times)
        for outage in ability.outages:
            loop.call_later(outage.begins, self._fall_ill, outage.sick)
            loop.call_later(outage.begins + outage.seconds, self._recover)

    # --- Bound -------------------------------------------------------------------------------------------------------

    def render(self, operation: str, request: BaseModel, sources: Sources, *, mask: bool = False) -> WireRequest:
        return WireRequest("POST", sources["call.id"] or "", {}, b"", False)

    async def send(self, operation: str, wire: WireRequest, *, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109
        now = self._loop.time()
        heard: asyncio.Future[Outcome] = self._loop.create_future()
        if now < self._quiet_until:
            self.while_quiet += 1
        number = self.door.enter(now - self._began, wire.url, operation)
        timer = self._loop.call_later(timeout, _say, heard, InDoubt("timeout"))
        self._arrive(operation, heard)
        cut = True
        try:
            outcome = await heard
            cut = isinstance(outcome, InDoubt) and outcome.cause == "timeout"
        finally:
            timer.cancel()
            self.door.leave(number, self._loop.time() - self._began, cut=cut)
        self.said[type(outcome).__name__] += 1
        return outcome

    async def log_in(self, sources: Sources, *, timeout: float) -> Mapping[str, str] | Outcome:  # noqa: ASYNC109
        return {}

    async def close(self) -> None: ...

    # --- Work --------------------------------------------------------------------------------------------------------

    @property
    def at_once(self) -> int:
        """Calls that it has now, as far as it knows: it does not notice who gave up."""
        return self._working + len(self._line)

    def _arrive(self, operation: str, heard: "asyncio.Future[Outcome]") -> None:
        ability = self.ability
        if self._sick is Sick.BLACK_HOLE:
            return
        if self._sick is Sick.REFUSED:
            self._loop.call_later(QUICK, _say, heard, Unavailable("refused"))
        elif self._sick is Sick.HTTP_503:
            self._loop.call_later(QUICK, _say, heard, InDoubt("http_503"))
        elif self._sick is Sick.HTTP_429 or (ability.busy_above is not None and self.at_once >= ability.busy_above):
            self._loop.call_later(QUICK, self._say_busy, heard)
        elif operation in ability.fails:
            outcome = ability.fails[operation]
            if outcome is not None:
                self._loop.call_later(QUICK, _say, heard, outcome)
        elif ability.failing is not None and self._random.random() < ability.failing[0]:
            self._loop.call_later(QUICK, _say, heard, ability.failing[1])
        else:
            self._line.append(_Work(next(self._times) * ability.means.get(operation, ability.mean), heard))
            self._work()

    def _work(self) -> None:
        while self._line and self._working < self._workers and self._sick is not Sick.STALLED:
            work = self._line.popleft()
            self._working += 1
            self._loop.call_later(self._slower * work.seconds, self._done, work)

    def _done(self, work: _Work) -> None:
        if self._sick is Sick.STALLED:
            self._stalled.append(work)
            return
        self._working -= 1
        _say(work.heard, OK)
        self._work()

    def _say_busy(self, heard: "asyncio.Future[Outcome]") -> None:
        now, says = self._loop.time(), self.ability.busy_says
        if says is not None:
            self._quiet_until = max(self._quiet_until, now + says)
        elif now >= self._quiet_until:
            self._quiet_until = now + 1.0  # whoever says 429 and not for how long is left alone for a second at least
        _say(heard, Busy(says))

    # --- What happens to it ------------------------------------------------------------------------------------------

    def _set_workers(self, workers: int) -> None:
        self._workers = workers
        self._work()

    def _set_slower(self, times: float) -> None:
        self._slower = times

    def _fall_ill(self, sick: Sick) -> None:
        self._sick = sick

    def _recover(self) -> None:
        self._sick = None
        stalled, self._stalled = self._stalled, []
        for work in stalled:
            self._done(work)
        self._work()


def _say(heard: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not heard.done():
        heard.set_result(outcome)


def _service_times(random: Random, sigma: float) -> Iterator[float]:
    """
    Yield lognormal times of mean 1.

    Each block of them is one shuffled set of quantiles: the spread is that of the distribution, while the mean of a
    few hundred calls is not off by the 3 % that independent draws would have.
    """
    block = [exp(sigma * NormalDist().inv_cdf((place + 0.5) / _BLOCK)) for place in range(_BLOCK)]
    mean = sum(block) / _BLOCK
    block = [one / mean for one in block]
    while True:
        random.shuffle(block)
        yield from block
