"""
The guards of one route and of all its lanes, and who has a permit: pure, no I/O. Next: `in_process.py`, `in_redis.py`.

A lane without a route has a road of its own. What is to be shared of a road, by nodes or over time, is one value:
`state` writes it, and a road that `load`s it behaves as the one that wrote it.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from connectors.kit.outcomes import InDoubt, Outcome
from hub.clock import Clock
from hub.coordination.protocol import ROUTE, STALE, HoldCause, Pace, Permit, Wait, Wanted
from hub.coordination.road_state import Granted, LaneState, RoadState, WholeState, read, write
from hub.coordination.turns import Turns
from hub.guards.bounds import Bounds, Guards

PATIENCE = 0.001
"""Seconds that are left to the lane that has waited longest for its route, where it hears of that at once."""
GRACE = 60.0
"""Seconds that the record of an exchange may take to be committed, while its permit is out, before it counts as lost."""
CROWDED = frozenset({"rate", "concurrency"})
"""Guards for which lanes and nodes stand in line; the others make everybody wait alike."""
_FORSAKEN = 3600.0
"""Seconds that a lost permit of a lane which this node does not have is left to the nodes that have it."""
LOST = InDoubt("lost")
"""How the exchange of a permit ended whose node was never heard of again."""


class Lane:
    """The guards of one lane, and the nodes that wait for them."""

    def __init__(self, guards: Guards, line: Turns, call_timeout: float) -> None:
        self.guards = guards
        self.line = line
        self.call_timeout = call_timeout


class Road:
    """Permits of all lanes of one road: each is granted by the guards of route and lane, or by none."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        lanes: Mapping[str, Bounds],
        bounds: Bounds | None = None,
        *,
        name: str = "",
        patience: float = PATIENCE,
        here: Clock | None = None,
        number: int = 0,
    ) -> None:
        """
        Make a road for *lanes*; *bounds* None is a road that only ever holds.

        *name*: the route's; empty: it is one lane's own. *patience*: seconds that whoever has waited longest has to hear of it and ask. *here*: see `Guards`. *number*:
        that of the permit before the first.
        """
        self._clock = clock
        self.name = name
        self.guards = Guards(clock, random, bounds, route=True)
        self.line = Turns(clock, patience)
        """Askers that this route made wait."""
        self.lanes = {
            name: Lane(Guards(clock, random, one, here=here), Turns(clock, patience), one.call_timeout)
            for name, one in lanes.items()
        }
        self.shared = RoadState(number, out=dict.fromkeys(lanes, 0))
        self.calls: list[str] = []
        """Askers whose turn has come though they do not know: whoever claims tells them, and empties it."""
        self._unknown: dict[str, LaneState] = {}
        """Lanes that another node has and this one has not: kept for it."""

    # --- Permits -----------------------------------------------------------------------------------------------------

    def claim(self, lane: str, wish: Wanted, asker: str, node: str = "", lives: float = math.inf) -> Permit | Wait:
        """Return a permit for *wish*, which *node* has to give back within *lives* seconds, or the wait."""
        own, state = self.lanes[lane], self.shared
        if wait := own.guards.admit(wish):
            self._gone(asker)
            if wait.guard in CROWDED:
                own.line.wait(asker)
            else:
                own.line.gone(asker)
            return wait
        if own.line.state.waiting and (wait := own.line.turn(asker, self.calls)):
            return wait
        if wait := self.guards.admit(wish):
            self.line.wait(asker)
            own.line.gone(asker)
            held = own.guards.hold.state
            held.was_stopped = held.was_stopped or (wait.guard == "hold" and wait.whole)
            return wait
        if wait := self._turn(lane, asker):
            return wait
        self._gone(asker)
        if own.line.state.waiting:
            own.line.gone(asker)
        state.number += 1
        state.out[lane] += 1
        probe = own.guards.probing(wish) or self.guards.probing(wish)
        paying = replace(wish, probe=True) if probe else wish
        own.guards.granted(state.number, paying)
        self.guards.granted(state.number, paying)
        state.granted[state.number] = Granted(lane, paying, node, self._clock.monotonic() + lives)
        return Permit(state.number, lane, wish.operation, wish.cls, probe)

    def ready(self, permit: Permit) -> None:
        """Note that *permit* is at the door."""
        self.lanes[permit.lane].guards.ready(permit.id)
        self.guards.ready(permit.id)

    def leaves_in(self, lane: str) -> float:
        """Return the seconds after which the first byte of a granted exchange may leave."""
        return max(self.lanes[lane].guards.leaves_in(), self.guards.leaves_in())

    def leave(self, permit: Permit, lives: float = math.inf) -> None:
        """Note that the exchange of *permit* leaves now, and will be over within *lives* seconds."""
        self.lanes[permit.lane].guards.leave()
        self.guards.leave()
        self.shared.granted[permit.id].until = self._clock.monotonic() + lives

    def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> bool:
        """Take *permit* back; False if it is back already, or was never known here."""
        granted = self.shared.granted.pop(permit.id, None)
        if granted is None:
            return False
        own = self.lanes[permit.lane].guards
        own.released(permit, granted.wanted, outcome, seconds)
        self.guards.released(permit, granted.wanted, outcome, seconds)
        self.shared.out[permit.lane] -= 1
        self._lingers(permit.lane, own.concurrency.lingers(outcome, seconds) if own.concurrency else 0.0)
        return True

    def expire(self) -> list[Permit]:
        """
        Take back the permits whose nodes are gone, and return them.

        Their exchanges are over by now, however they ended: they keep what they paid, and prove nothing. Only a probe
        counts as failed, or whoever waits for it would wait for ever.
        """
        now = self._clock.monotonic()
        lost = [
            (number, one)
            for number, one in self.shared.granted.items()
            if one.until <= (now if one.lane in self.lanes else now - _FORSAKEN)
        ]
        permits = []
        for number, one in lost:
            permit = Permit(number, one.lane, one.wanted.operation, one.wanted.cls, one.wanted.probe)
            if one.lane in self.lanes:
                self.release(permit, LOST if permit.probe else STALE, 0.0)
            else:
                del self.shared.granted[number]
                self.guards.released(permit, one.wanted, STALE, 0.0)
            permits.append(permit)
        return permits

    def bury(self, dead: Callable[[str], bool], lives: Callable[[str], float]) -> None:
        """
        Take permits of *dead* nodes for lost no later than if their exchanges left just now, each over within what *lives*
        says of its lane: of one that never left, nobody but a node that is none any more could say so.
        """
        now = self._clock.monotonic()
        for one in self.shared.granted.values():
            if one.lane in self.lanes and dead(one.node):
                one.until = min(one.until, now + lives(one.lane))

    def forget(self, lane: str, asker: str) -> None:
        """Note that *asker* wants nothing of *lane* any more."""
        self._gone(asker)
        self.lanes[lane].line.gone(asker)

    # --- What this node alone keeps ----------------------------------------------------------------------------------

    def began(self, permit: Permit, wish: Wanted) -> None:
        """Tell the deadline guard, which knows this node's exchanges only, that *wish* goes. Once for each permit."""
        if (deadline := self.lanes[permit.lane].guards.deadline) is not None:
            deadline.granted(permit.id, wish)

    def ended(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        """Tell the deadline guard how long an exchange took. Once for each permit."""
        if (deadline := self.lanes[permit.lane].guards.deadline) is not None:
            deadline.released(permit.id, Wanted(permit.operation, permit.cls), outcome, seconds)

    # --- Orders ------------------------------------------------------------------------------------------------------

    def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        """Stop a lane, one operation of it, or the route."""
        self._of(name).hold.stop(cause, seconds, operation)

    def resume(self, name: str, cause: HoldCause | None = None) -> None:
        """End the holds of a lane or of the route; without a *cause* close its breakers too."""
        for guards in self._alone(name):
            guards.hold.resume(cause)
            if cause is None and guards.breaker is not None:
                guards.breaker.close()

    def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        """Keep a lane or the route below its contract; None lifts either."""
        guards = self._of(name)
        if guards.concurrency is not None:
            guards.concurrency.lower(calls_at_once)
        if guards.rate is not None:
            guards.rate.lower(calls_per_second)

    def stop_retries(self, stopped: bool) -> None:
        """Let no lane repeat anything while *stopped*."""
        for lane in self.lanes.values():
            if lane.guards.budget is not None:
                lane.guards.budget.stop(stopped)

    def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        """Take over what was under way, and what was sent today, before this road's state began."""
        own = self.lanes[lane].guards
        for seconds in occupied:
            if own.concurrency is not None:
                own.concurrency.occupy(seconds)
            self._lingers(lane, seconds)
        for guards in (own, self.guards):
            if guards.day is not None:
                guards.day.restore(sent_today)

    # --- What it knows, without changing it --------------------------------------------------------------------------

    def stopped(self, name: str, operation: str) -> Wait | None:
        """Return the longest hold or open breaker in the way of *operation*, of lane and route."""
        stop = self._of(name).stopped(operation)
        over = self.guards.stopped(operation) if name in self.lanes else None
        if stop is None or over is None:
            return stop or over
        return max(stop, over, key=lambda one: math.inf if one.seconds is None else one.seconds)

    def pace(self, lane: str) -> Pace:
        """Return how fast *lane* may go now."""
        own = self.lanes[lane].guards
        at_once, per_second, ramping = 1, math.inf, False
        p95 = own.deadline.slowest() if own.deadline is not None else 0.0
        if own.concurrency is not None:
            at_once, ramping = own.concurrency.limit, own.concurrency.ramping
        if self.guards.concurrency is not None:
            at_once = min(at_once, self._most(self.guards.concurrency.limit))
        for guards in (own, self.guards):
            for rate in (guards.rate, guards.minute):
                per_second = min(per_second, rate.limit) if rate else per_second
        return Pace(at_once, per_second, p95, ramping)

    def watch(self, name: str) -> Mapping[str, float]:
        """Return the guards of a lane or of the route as numbers by metric name."""
        numbers = dict(self._of(name).numbers())
        for guards in self._alone(name):
            for _, cause, left in guards.hold.view():
                key = f"hold_seconds/{cause.value}"
                numbers[key] = max(numbers.get(key, 0.0), math.inf if left is None else left)
        return numbers

    def moved(self, lane: str) -> tuple[str, float]:
        """Return why the limit of *lane* last moved, and how many seconds ago."""
        own = self.lanes[lane].guards.concurrency
        return (own.state.moved, self._clock.monotonic() - own.state.moved_at) if own is not None else ("", 0.0)

    def lasts(self) -> float:
        """Return the seconds after which nothing is left of what must not be forgotten; open ends do not count."""
        ends = [one.until for one in self.shared.granted.values()]
        for guards in (self.guards, *(lane.guards for lane in self.lanes.values())):
            ends += [stop.until for stop in guards.hold.state.stops if stop.until is not None]
            if guards.breaker is not None:
                ends += [
                    one.opened_until for one in guards.breaker.state.circuits.values() if one.opened_until is not None
                ]
            if guards.concurrency is not None:
                ends += guards.concurrency.state.ghosts
        return max(ends, default=0.0) - self._clock.monotonic()

    # --- Its state ---------------------------------------------------------------------------------------------------

    def state(self) -> bytes:
        """Return all that nodes share of this road, as JSON."""
        lanes = {name: LaneState(lane.guards.state(), lane.line.state) for name, lane in self.lanes.items()}
        whole = WholeState(self.shared, self.guards.state(), self.line.state, {**self._unknown, **lanes})
        return write(whole)

    def load(self, state: bytes, now: float | None = None) -> None:
        """
        Go on from *state*, which was written before *now*. A lane that it knows nothing of begins as new.

        Raises:
            pydantic.ValidationError: These bytes were not written by `state`, or spoilt since; nothing has changed.
        """
        whole = read(state, self._clock.monotonic() if now is None else now)
        self.shared = whole.road
        self.guards.load(whole.guards)
        self.line.state = whole.line
        self._unknown = {}
        for name, lane in whole.lanes.items():
            if (own := self.lanes.get(name)) is None:
                self._unknown[name] = lane
            else:
                own.guards.load(lane.guards)
                own.line.state = lane.line
        for name in self.lanes:
            self.shared.out.setdefault(name, 0)

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _of(self, name: str) -> Guards:
        return self.guards if name.startswith(ROUTE) else self.lanes[name].guards

    def _alone(self, name: str) -> Iterator[Guards]:
        """Give the guards of *name*, and those of the road that a lane shares with nobody."""
        yield self._of(name)
        if name in self.lanes and not self.name:
            yield self.guards

    def _gone(self, asker: str) -> None:
        if self.line.state.waiting:
            self.line.gone(asker)
        if self.shared.sated:
            self.shared.sated.pop(asker, None)

    def _turn(self, lane: str, asker: str) -> Wait | None:
        """Return the wait of a *lane* that would leave no room for others, or that others have waited for longer than."""
        if wait := self._has_its_part(lane):
            self.shared.sated[asker] = None
            self.lanes[lane].line.gone(asker)
            return wait
        if not self.line.state.waiting:
            return None
        if wait := self.line.turn(asker, self.calls):
            self.lanes[lane].line.gone(asker)
        return wait

    def _lingers(self, lane: str, seconds: float) -> None:
        """Note that the gateway is occupied for *seconds* by what *lane* does not wait for any more."""
        if seconds > 0 and self.guards.concurrency is not None:
            self.guards.concurrency.occupy(seconds)
            self.shared.out[lane] += 1
            heapq.heappush(self.shared.cut, (self._clock.monotonic() + seconds, lane))

    def _most(self, at_once: int) -> int:
        """Return how many of *at_once* permits one lane may have: one is left for each other lane, up to half of all."""
        return max(1, at_once - min(len(self.lanes) - 1, at_once // 2))

    def _has_its_part(self, lane: str) -> Wait | None:
        slots = self.guards.concurrency
        if slots is None or len(self.lanes) == 1:
            return None
        out, cut = self.shared.out, self.shared.cut
        now = self._clock.monotonic()
        while cut and cut[0][0] <= now:
            out[heapq.heappop(cut)[1]] -= 1
        if out[lane] <= 0:
            return None
        without = sum(out[other] <= 0 for other in self.lanes)
        if slots.limit - slots.in_use > min(without, slots.limit // 2):
            return None
        return Wait("concurrency", cut[0][0] - now if cut else None)
