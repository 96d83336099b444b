"""
Permits for several nodes over one Redis. Read `protocol.py`, `road.py` and `shared_road.py` first.

While Redis cannot be reached, is slow, full or may not be written, every wish has to wait: nothing is ever granted from
what a node happens to remember. What came back meanwhile is told to Redis as soon as it answers again.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.coordination.link import Link, RedisEvicts, Trouble, Unreached
from hub.coordination.protocol import NOBODY_GRANTS, ROUTE, HoldCause, Permit, Switches, Wait, Wanted
from hub.coordination.road import Road
from hub.coordination.roads import Roads
from hub.coordination.shared_road import IDLE, SharedRoad
from hub.guards.bounds import Bounds

Restoring = Callable[[Sequence[str]], Awaitable[Mapping[str, tuple[Sequence[float], int]]]]
"""For the lanes it is asked about: seconds for which each exchange still occupies its agency, and calls sent today."""
Ordering = Callable[[Switches], Awaitable[None]]
"""Gives every order that is in force, once more, to the switches it is given."""

PREFIX = "hub:"
PATIENCE = 0.05
"""Seconds that a lane of another node has to hear that its turn has come, and to ask."""
_AGAIN = 2.0
"""Seconds after which who waits for an event asks again, in case nobody told of it."""
_TENDS = 1.0
"""Seconds between looks at what this node waits for, and between tries while Redis is gone."""
_ASKS = 3.0
"""Seconds without an answer of Redis after which an idle node asks for one."""
_LEAST = 1e-6
_BY_A_PERSON = frozenset({HoldCause.OPERATOR.value, HoldCause.MAINTENANCE.value, "retries_stopped"})
"""Causes whose end is told to every node: asking again would only cost."""


class InRedis(Roads):
    """Implements `Coordination` for one of several nodes."""

    def __init__(
        self,
        address: str,
        node: str,
        clock: Clock,
        random: Random,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None] | None = None,
        route_of: Mapping[str, str] | None = None,
        *,
        restoring: Restoring,
        ordering: Ordering,
        prefix: str = PREFIX,
        store: Callable[[], Awaitable[str]] | None = None,
        idle: float = IDLE,
        strange: Callable[[str, Exception], None] = lambda _key, _error: None,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        """
        Share *lanes* and *routes* with every node of the same store that has the same *prefix* in the Redis at *address*;
        see `Roads`. *store* is asked for the store's name when this node starts.

        *restoring* and *ordering* are asked when Redis knows nothing of a road, before anything is granted on it; what
        they raise keeps it closed. *random* must be seeded anew in every process. *idle*: seconds for which Redis keeps
        what nobody uses. *strange* hears of a state that cannot be, by its key: it is begun anew. *server_time* takes the place of Redis's clock, for tests.
        """
        self._node = f"{node}-{random.getrandbits(48):012x}"
        """This life of the node: one that was killed is another."""
        self._clock = clock
        self._link = Link(address, clock, prefix, self._node, server_time)
        self._prefix = prefix
        self._store = store
        self._link.changed = self._changed
        self._shared: dict[str, SharedRoad] = {}
        self._restoring = restoring
        self._ordering = ordering
        self._reached: list[Callable[[bool], None]] = []
        self._asked: Counter[str] = Counter()
        """How often each lane has claimed: one that was called and has not, wants nothing any more."""
        self._asking: Counter[str] = Counter()
        """Claims under way, by lane: whoever asks wants something, however long the answer takes."""
        self._again: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

        def pave(name: str, lanes: Mapping[str, Bounds], bounds: Bounds | None) -> Road:
            key = ROUTE + name if name else next(iter(lanes))

            def road(time: Clock, number: int) -> Road:
                return Road(time, random, lanes, bounds, name=name, patience=PATIENCE, here=clock, number=number)

            self._shared[key] = SharedRoad(
                key, road, clock, self._link, self._node, self._begin, random, self._call,
                strange=strange, idle=idle,
            )  # fmt: skip
            return self._shared[key].road

        super().__init__(pave, lanes, routes, route_of)
        self._doors = {name: asyncio.Lock() for name in lanes}

    # --- Beginning and end -------------------------------------------------------------------------------------------

    @property
    def reaches(self) -> bool:
        return self._link.reaches

    @property
    def trouble(self) -> Trouble | None:
        """Why Redis cannot be used, if it cannot."""
        return self._link.trouble

    def when_reach_changes(self, tell: Callable[[bool], None]) -> None:
        """Call *tell*, which must return at once, with the new `reaches` whenever it changes."""
        self._reached.append(tell)

    def begin(self, cycle: int) -> None:
        """
        Know nothing of what was counted in an earlier *cycle*: since then nodes kept to shares, and counted apart.

        Keys are of one cycle each; what an earlier one left disappears by itself.
        """
        if self._link.cycle != cycle:
            self._link.cycle = cycle
            for road in self._shared.values():
                road.forget()

    async def try_out(self) -> None:
        """
        Find out whether Redis can be used; if it cannot be reached now, it may be later.

        Raises:
            RedisEvicts: It never can, as it is set.
        """
        with suppress(Unreached):  # it is tried again; meanwhile everything waits
            await self._link.try_again()

    async def start(self) -> None:
        if self._store is not None:
            self._link.prefix = f"{self._prefix}{await self._store()}:"
        await self.try_out()
        self._spawn(self._link.listen(self._heard_again, self._heard))
        self._spawn(self._tend())
        if self._link.reaches:
            await asyncio.gather(*(road.look() for road in self._shared.values()))

    async def aclose(self) -> None:
        self._closed = True
        for handle in self._again.values():
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(road.aclose() for road in self._shared.values()))
        await self._link.aclose()

    # --- Permits -----------------------------------------------------------------------------------------------------

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        self._asked[lane] += 1
        if (handle := self._again.pop(lane, None)) is not None:
            handle.cancel()
        road = self._of(lane)
        self._asking[lane] += 1
        try:
            answers = await road.claim(lane, wanted)
        except Unreached as error:
            return [Wait(NOBODY_GRANTS, _TENDS, error.cause)] * len(wanted)
        finally:
            self._asking[lane] -= 1
        for wish, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Permit):
                road.road.began(answer, wish)
            elif answer.seconds is None and answer.cause not in _BY_A_PERSON:
                self._ask_again(lane)
        return answers

    async def leave(self, permit: Permit, within: float) -> bool:
        road = self._of(permit.lane)
        try:
            async with asyncio.timeout(within if within < math.inf else None), self._doors[permit.lane]:
                while wait := await road.leave(permit):  # noqa: ASYNC110 - time alone opens it
                    await asyncio.sleep(max(_LEAST, wait))
                return wait is not None
        except (TimeoutError, Unreached):
            return False

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        await self._of(permit.lane).release(permit, outcome, seconds)

    def bury(self, node: str) -> None:
        """
        Let slots go sooner that *node*, which is dead or was another life of this one, was granted and had not used.

        It returns at once: whoever says so must not wait for Redis.
        """

        def dead(life: str) -> bool:
            return life.rpartition("-")[0] == node and life != self._node

        for road in self._shared.values():
            self._spawn(road.bury(node, dead))

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:  # noqa: ARG002 - see Coordination
        return

    def out(self) -> int:
        """Return how many permits of this node are not back yet."""
        return sum(len(road.held) for road in self._shared.values())

    # --- Orders ------------------------------------------------------------------------------------------------------

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        road = self._of(name)
        await road.order(lambda: road.road.hold(name, cause, seconds, operation), ("hold", name, cause, operation))

    async def resume(self, name: str, cause: HoldCause | None = None) -> None:
        road = self._of(name)
        await road.order(lambda: road.road.resume(name, cause), ("resume", name, cause))

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        road = self._of(name)
        await road.order(lambda: road.road.lower(name, calls_at_once, calls_per_second), ("lower", name))

    async def stop_retries(self, stopped: bool) -> None:
        def on(road: Road) -> Callable[[], None]:
            return lambda: road.stop_retries(stopped)

        await asyncio.gather(*(road.order(on(road.road), "retries") for road in self._shared.values()))

    # --- Waking ------------------------------------------------------------------------------------------------------

    def _call(self, lane: str) -> None:
        """Wake *lane*, and let the next one know if it wants nothing any more."""
        self.wake(lane)
        asyncio.get_running_loop().call_later(PATIENCE, self._answered, lane, self._asked[lane])

    def _answered(self, lane: str, asked: int) -> None:
        silent = self._asked[lane] == asked and not self._asking[lane]
        if silent and not self._closed and self._of(lane).waits(lane):
            self._spawn(self._of(lane).pass_on(lane))

    def _ask_again(self, lane: str) -> None:
        if lane not in self._again and not self._closed:
            self._again[lane] = asyncio.get_running_loop().call_later(_AGAIN, self.wake, lane)

    def _heard(self, channel: str, said: str) -> None:
        """Act on what another node said: that one lane may go, or that a whole road has changed."""
        if channel != self._link.everywhere:
            if said in self.key_of:
                self._call(said)
            return
        node, _, key = said.partition(" ")
        if node != self._node and key in self._shared:
            self._spawn(self._look(self._shared[key]))

    def _heard_again(self) -> None:
        """Nothing was heard for a while, or ever: look at everything that somebody here waits for."""
        for road in self._shared.values():
            if road.interested:
                self._spawn(self._look(road))

    async def _look(self, road: SharedRoad) -> None:
        await road.look()
        for lane in road.road.lanes:
            self.wake(lane)

    def _changed(self) -> None:
        for tell in self._reached:
            tell(self._link.reaches)
        if self._link.reaches:
            for road in self._shared.values():
                road.settle()
            for lane in self.key_of:
                self.wake(lane)

    async def _tend(self) -> None:
        """
        Keep the copies fresh of what this node waits for or has under way; an idle node asks only whether Redis is there.

        One that did not would go on telling the others that it reaches Redis, and keep them from sharing without it.
        """
        while True:
            await asyncio.sleep(_TENDS)
            if not self._link.reaches or self._link.quiet > _ASKS or self._link.unchecked:
                try:
                    await self._link.try_again()
                except (Unreached, RedisEvicts):
                    continue
            for road in self._shared.values():
                if self._link.reaches and road.interested and road.stale >= _TENDS:
                    await road.look()

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _of(self, name: str) -> SharedRoad:
        return self._shared[self.key_of.get(name, name)]

    async def _begin(self, road: Road) -> None:
        """Fill a state that begins with what is on record."""
        for lane, (occupied, sent_today) in (await self._restoring(list(road.lanes))).items():
            road.restore(lane, occupied, sent_today)
        await self._ordering(_OnRoad(road, [*road.lanes, ROUTE + road.name]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _OnRoad:
    """Switches of one road that is being begun; what concerns another road is left alone."""

    def __init__(self, road: Road, names: Collection[str]) -> None:
        self._road = road
        self._names = names

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        if name in self._names:
            self._road.hold(name, cause, seconds, operation)

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        if name in self._names:
            self._road.lower(name, calls_at_once, calls_per_second)

    async def stop_retries(self, stopped: bool) -> None:
        self._road.stop_retries(stopped)
