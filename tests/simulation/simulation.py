"""
The seeded simulator: the real admission, lanes, guards and coordination against simulated agencies, in virtual time.

How to read it
--------------
`agency.py` plays the agencies, `traffic.py` those who ask, `hearing.py` notes what they heard and `door.py` what the
agencies saw. This file puts them around a `Dispatcher` with real `Lane`s and runs it. `scenario.py` says what a
scenario is, `scenarios.py` holds them with the bands that each must keep, and those of which each needs one certain
guard stand in `single_guards.py`; `test_scenarios.py` runs each under five seeds. `ablations.py` takes one guard away
at a time, and `test_ablations.py` shows which scenario breaks then. `test_traps.py` has what needs more than
traffic. The same seed gives the same run, to the last call.

Numbers for a decision record, all scenarios or some, and a comparison of two variants or two trees:

    python -m tests.simulation.report
    python -m tests.simulation.report --only "steady" --seeds 10 --stretch 4
    python -m tests.simulation.report --without "retry budget"
    python -m tests.simulation.report --set hub.guards.concurrency.GHOST=2.0
    python -m tests.simulation.report --save before.json    # then, in another tree: --against before.json

What is virtual and what is not: the engine runs as it is, on an event loop that jumps to the next timer; only the
agencies, the callers and (by default) the store are played. `memory.py` is a store that keeps no more than the engine
asks for, because the real one costs more than the rest of the simulation together; `test_simulator.py` runs a scenario
on both and compares.

What counts: goodput is answers within the deadline, divided by what the agency could have done in that time (or by
what was offered, if that is less). Refusals, late answers and answers that nobody waited for count nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from hub.call import State, uuid7
from hub.clock import VirtualClock, run_virtual
from hub.coordination.in_process import InProcess
from hub.dispatcher import Dispatcher
from hub.files import Files
from hub.lane import Lane
from hub.route import bounds_of
from hub.security.sealing import Sealing
from hub.store.protocol import Store
from hub.surroundings import Surroundings
from hub.waiters import Waiters
from monitoring.events import Silent
from tests.simulation.agency import Ability, SimulatedAgency
from tests.simulation.hearing import Hearing
from tests.simulation.memory import MemoryStore
from tests.simulation.traffic import Flow, Traffic
from tests.unit.engine.stage import people

_TICK = 1.0
"""Seconds between two looks at a lane's numbers."""


@dataclass(frozen=True)
class Plan:
    """One agency, what it can do, what its contract says, and who asks it."""

    ability: Ability
    flows: tuple[Flow, ...]
    contract: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 600.0
    settle: float = 0.0
    """Seconds that go on after the last arrival, for what is durable."""


@dataclass
class Run:
    """What became of one plan: ask it."""

    plan: Plan
    agency: SimulatedAgency
    hearings: tuple[Hearing, ...]
    told: "Told"
    limits: list[float]
    """The concurrency limit, each second."""
    in_use: list[float]

    def hearing(self, flow: str) -> Hearing:
        """Return what the callers of the flow of that name heard."""
        return next(mine for one, mine in zip(self.plan.flows, self.hearings, strict=True) if one.name == flow)

    def could(self, begin: float, end: float) -> float:
        """Return how many calls the agency could have done from *begin* to *end*, by its workers alone."""
        ability, done, at, workers = self.plan.ability, 0.0, 0.0, self.plan.ability.workers
        for moment, later in (*ability.workers_later, (end, 0)):
            done += workers * max(0.0, min(moment, end) - max(at, begin))
            at, workers = moment, later
        return done / ability.mean

    def goodput(self, begin: float = 0.0, end: float | None = None) -> float:
        """Return good answers, as a part of what the agency could have done, or of what was offered if that is less."""
        end = self.plan.seconds if end is None else end
        good = sum(one.good_between(begin, end) for one in self.hearings)
        offered = sum(one.offered_between(begin, end) for one in self.hearings)
        return good / max(1.0, min(self.could(begin, end), offered))

    def thirds(self) -> tuple[float, float, float]:
        """Return goodput in each third of the run."""
        third = self.plan.seconds / 3
        first, second, last = (self.goodput(part * third, (part + 1) * third) for part in range(3))
        return first, second, last

    def mean_limit(self, begin: float = 0.0, end: float | None = None) -> float:
        part = self.limits[int(begin) : int(self.plan.seconds if end is None else end)]
        return sum(part) / len(part)

    @property
    def accepted(self) -> int:
        """Calls that admission let in."""
        return sum(one.admitted_calls for one in self.hearings)

    @property
    def amplification(self) -> float:
        """Exchanges per accepted call."""
        return len(self.agency.door.came) / max(1, self.accepted)

    @property
    def repeats_bound(self) -> float:
        """Most repeats that promise 5 allows."""
        return 0.1 * self.accepted + 10 + self.plan.seconds / 60

    @property
    def excess_rate(self) -> float:
        return self.agency.door.excess(self.agency.contract.calls_per_second)

    @property
    def excess_at_once(self) -> int:
        return self.agency.door.most_at_once() - self.agency.contract.calls_at_once

    def served(self, begin: float = 0.0, end: float = inf) -> float:
        """Return which part of those who asked from *begin* to *end* got a good answer."""
        offered = [one.offered_between(begin, end) for one in self.hearings]
        served = sum(one.served(begin, end) * asked for one, asked in zip(self.hearings, offered, strict=True))
        return served / max(1, sum(offered))

    def back_after(self, moment: float, level: float = 0.95, window: float = 20.0) -> float:
        """Return after how many seconds from *moment* on *level* of those who asked were served; infinite if never."""
        begins = range(0, int(self.plan.seconds - moment - window) + 1, 5)
        return next(
            (float(begin) for begin in begins if self.served(moment + begin, moment + begin + window) >= level), inf
        )


class Told(Silent):
    """What the engine told its observer."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.faults: list[BaseException] = []
        self.hearings: list[Hearing] = []
        self.ends: Counter[str] = Counter()

    def exchange(
        self,
        call: str,
        agency: str,
        operation: str,
        outcome: str,
        blame: str,
        cause: str,
        seconds: float,
        traceparent: str,
    ) -> None:
        self.outcomes[f"{outcome}:{cause}" if cause else outcome] += 1

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None:
        self.ends[f"{state}:{cause}" if cause else state] += 1
        if state != State.IN_DOUBT:
            for hearing in self.hearings:
                if hearing.ended(call, answered=state == State.ANSWERED):
                    break

    def fault(self, what: str, error: BaseException) -> None:
        self.faults.append(error)


class World:
    """A running hub with simulated agencies, for those who want to interfere."""

    def __init__(self, plans: Mapping[str, Plan], seed: int, clock: VirtualClock, store: Store) -> None:
        self.clock = clock
        self.store = store
        self.plans = plans
        self.told = Told()
        self.agencies = {
            name: SimulatedAgency(name, plan.ability, seed, **plan.contract) for name, plan in plans.items()
        }
        random = Random(seed)
        bounds = {name: bounds_of(one.contract) for name, one in self.agencies.items()}
        self.coordination = InProcess(clock, random, bounds)
        around = Surroundings(
            store, self.coordination, clock, random, self.told, people, "node",
            lambda: uuid7(clock.now(), random.randbytes), Waiters(),
            Files(store, lambda: uuid7(clock.now(), random.randbytes), file_bytes=0),  # no request names one
            Sealing(""),
        )  # fmt: skip
        self.lanes = {name: Lane(agency, around) for name, agency in self.agencies.items()}
        self.hub = Dispatcher(self.lanes, around)
        self.began = clock.monotonic()
        self.runs = {
            name: Run(
                plan,
                self.agencies[name],
                tuple(Hearing(self.now, flow.deadline) for flow in plan.flows),
                self.told,
                [],
                [],
            )
            for name, plan in plans.items()
        }
        for run in self.runs.values():
            self.told.hearings += [one for one, flow in zip(run.hearings, run.plan.flows, strict=True) if flow.durable]
        self.traffic = {
            name: Traffic(self.hub, name, plan.flows, seed, self.runs[name].hearings) for name, plan in plans.items()
        }

    def now(self) -> float:
        """Return seconds since the simulation began."""
        return self.clock.monotonic() - self.began

    def watch(self) -> None:
        """Note every lane's numbers, now and each second."""
        for name, run in self.runs.items():
            numbers = self.coordination.watch(name)
            run.limits.append(numbers.get("concurrency_limit", 0.0))
            run.in_use.append(numbers.get("concurrency_in_use", 0.0))
        self._watcher = asyncio.get_running_loop().call_later(_TICK, self.watch)

    async def play(self) -> None:
        """Start the hub, let everybody ask, and stop when the longest plan is over and nobody waits any more."""
        asyncio.get_running_loop().set_exception_handler(self._failed)
        await self.hub.start()
        self.watch()
        for name, plan in self.plans.items():
            self.traffic[name].start(plan.seconds)
        await asyncio.sleep(max(plan.seconds + plan.settle for plan in self.plans.values()))
        self._watcher.cancel()
        for traffic in self.traffic.values():
            await traffic.drain()
        await self.hub.stop(300.0)
        assert self.coordination.out() == 0, "every permit came back"
        if self.told.faults:
            raise self.told.faults[0]

    def _failed(self, _: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        """A task that nobody awaits failed: asyncio would only write a line about it."""
        self.told.faults.append(about.get("exception") or RuntimeError(about["message"]))


Meddling = Callable[[World], None]
"""What happens beside the traffic, planned before it starts."""


def simulate(
    plan: Plan | Mapping[str, Plan],
    seed: int,
    *,
    store: Callable[[VirtualClock], Store] = MemoryStore,
    meddle: Meddling | None = None,
) -> Run:
    """Run *plan* and return what became of it (of several agencies: of the first; `simulate_all` returns them all)."""
    plans = plan if isinstance(plan, Mapping) else {"agency": plan}
    return next(iter(simulate_all(plans, seed, store=store, meddle=meddle).values()))


def simulate_all(
    plans: Mapping[str, Plan],
    seed: int,
    *,
    store: Callable[[VirtualClock], Store] = MemoryStore,
    meddle: Meddling | None = None,
) -> Mapping[str, Run]:
    """Run several agencies with one hub, and return what became of each."""
    clock = VirtualClock()
    clock.advance(1000.0)

    async def run() -> Mapping[str, Run]:
        kept = store(clock)
        world = World(plans, seed, clock, kept)
        if meddle is not None:
            meddle(world)
        await world.play()
        await kept.close()
        return world.runs

    return run_virtual(run(), clock)
