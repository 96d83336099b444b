"""
One road as several nodes have it: applied to a copy by the pure guards, then set in Redis unless another was first.

All that waits for the road is applied together and set together; when another node was first, its state is loaded and
all is applied again. Nothing is answered before it is set, and nobody holds a lock: a node that stands still stops nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.coordination.calling import News
from hub.coordination.group_clock import GroupClock, read
from hub.coordination.link import Link, Reply, Unreached
from hub.coordination.protocol import UNSENT, Permit, Wait, Wanted
from hub.coordination.road import GRACE, Road
from hub.guards.concurrency import GHOST

T = TypeVar("T")
IDLE = 3600.0
"""Seconds for which a state is kept that nothing uses: what its guards have learnt is forgotten then."""
_TRIES = 200
"""Times that others may be first."""
_PATIENT = 2
"""
Times after which a node that others are quicker than insists, so that the next is its own; while another does, it waits a
little. Without that a node on a busy machine could lose every race for seconds against one that asks without a pause.
"""
_APART = 0.0005
"""Seconds of which that is a random part: about what a swap takes. Doubled each time, five times at most."""
_MOMENT = 1.0
"""Seconds that the last releases of a node that stops have to be set."""
LATE = 2.0
"""Seconds that the answer which lets an exchange leave may take; one that comes later lets nothing leave."""
_INTEREST = 60.0
"""Seconds after its last wait for which a lane still wants to know what its road does."""


@dataclass(slots=True, eq=False)
class _Operation(Generic[T]):
    """Something to be done to the road."""

    apply: Callable[[], T]
    done: asyncio.Future[T]
    key: Hashable = None
    """Not None: it is kept while Redis is gone, in the place of an earlier one with the same key."""
    looks: bool = False
    """It only wants the copy to be what Redis has."""


class SharedRoad:
    """One road of this node, and its state in Redis."""

    def __init__(
        self,
        key: str,
        pave: Callable[[Clock, int], Road],
        here: Clock,
        link: Link,
        node: str,
        begin: Callable[[Road], Awaitable[None]],
        random: Random,
        wake: Callable[[str], None],
        *,
        strange: Callable[[str, Exception], None] = lambda _key, _error: None,
        idle: float = IDLE,
    ) -> None:
        """
        Keep the road that *pave* makes for a clock and a first number in Redis, under *key*.

        *begin* fills a new state with what is on record of its lanes, before anything is granted; it may raise.
        *wake* is called with a lane of this node that may go; *strange* once for each state that cannot be, with the key.
        """
        self.key = key
        self.clock = GroupClock(here)
        self.road = pave(self.clock, 0)
        self.held: dict[int, Permit] = {}
        """Permits that this node has to give back."""
        self._returning: set[int] = set()
        """Those that it has given back, while Redis has not heard of it."""
        self._pave = pave
        self._here = here
        self._link = link
        self._node = node
        self._begin = begin
        self._random = random
        self._wake = wake
        self._strange = strange
        self._spoilt = ""
        """Version of the last state that could not be."""
        self._idle = idle
        self._version: str | None = None
        """Of the state that the copy was made of; empty: there was none; None: the copy is not to be trusted."""
        self._set = b""
        """That state."""
        self._count = 0
        self._pending: list[_Operation[Any]] = []
        self._kept: dict[Hashable, _Operation[Any]] = {}
        self._serving: asyncio.Task[None] | None = None
        self._orphans = False
        """True: permits may be out in this node's name that nobody here has heard of."""
        self._news = News()
        self._waited = -_INTEREST
        self._looked = -_INTEREST

    # --- What is asked of it -----------------------------------------------------------------------------------------

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> list[Permit | Wait]:
        """
        Answer each wish.

        Raises:
            Unreached: Nothing was granted.
        """
        asker, lives = f"{lane}/{self._node}", self._lives(lane)

        def apply() -> list[Permit | Wait]:
            answers = [self.road.claim(lane, wish, asker, self._node, lives) for wish in wanted]
            if not self.waits(lane):
                self._news.passed.add(lane)
            return answers

        answers = await self._do(apply)
        if any(isinstance(answer, Wait) for answer in answers):
            self._waited = self._here.monotonic()
        return answers

    async def leave(self, permit: Permit) -> float | None:
        """
        Return 0.0 if the exchange of *permit* may leave now, else the seconds to wait; None: the permit is gone.

        Raises:
            Unreached: Nobody can say.
        """
        lives = self._lasts(permit.lane) + LATE
        asked = self._here.monotonic()

        def apply() -> float | None:
            if permit.id not in self.road.shared.granted:
                return None
            self.road.ready(permit)
            wait = self.road.leaves_in(permit.lane)
            if not wait:
                self.road.leave(permit, lives)
            return wait

        wait = await self._do(apply)
        return None if self._here.monotonic() - asked >= LATE else wait

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        """Give *permit* back; if Redis is gone, as soon as it is there again."""
        if self.held.pop(permit.id, None) is None:
            return
        self._returning.add(permit.id)

        def apply() -> None:
            if self.road.release(permit, outcome, seconds):
                self._news.freed[permit.lane] += 1
                self._news.stirred = self._news.stirred or permit.probe

        self.road.ended(permit, outcome, seconds)
        await self.order(apply, permit.id, permit)

    async def order(self, change: Callable[[], None], key: Hashable, permit: Permit | None = None) -> None:
        """Do *change*; if Redis is gone, as soon as it is there again. Of several with one *key* the last counts."""

        def apply() -> None:
            change()
            self._news.stirred = self._news.stirred or permit is None

        try:
            await self._do(apply, key)
        except Unreached:
            return

    async def bury(self, name: str, dead: Callable[[str], bool]) -> None:
        """Keep no slot of a node that is *dead* longer than an exchange lasts that leaves now; *name*: what it is called."""
        await self.look()
        if any(dead(one.node) for one in self.road.shared.granted.values()):
            await self.order(lambda: self.road.bury(dead, lambda lane: self._lasts(lane) + LATE), ("bury", name))

    async def pass_on(self, lane: str) -> None:
        """Note that *lane* was called and wants nothing any more, and let the next one know."""
        asker = f"{lane}/{self._node}"

        def apply() -> None:
            self.road.forget(lane, asker)
            self._news.passed.add(lane)

        try:
            await self._do(apply)
        except Unreached:
            return

    async def look(self) -> None:
        """Make the copy what Redis has; without it, leave it as it is."""
        try:
            await self._do(lambda: None, looks=True)
        except Exception:  # nobody waits for it, and whoever does want something hears what is wrong
            return

    def settle(self) -> None:
        """Do what was kept while Redis was gone."""
        if self._kept or self._orphans:
            self._start()

    def forget(self) -> None:
        """Take the copy for worthless: the next thing to be done begins with what Redis has, or with what is on record."""
        self._version = None

    def waits(self, lane: str) -> bool:
        """Return whether an asker of this node waits to be called for *lane*, as far as the copy knows."""
        road, asker = self.road, f"{lane}/{self._node}"
        lines = (road.line.state.waiting, road.shared.sated, road.lanes[lane].line.state.waiting)
        return any(asker in line for line in lines)

    @property
    def interested(self) -> bool:
        """Whether something of this node waits for the road, or is under way on it."""
        return bool(self.held or self._returning or self._kept) or self._here.monotonic() - self._waited < _INTEREST

    @property
    def stale(self) -> float:
        """Seconds since the copy was last what Redis has."""
        return self._here.monotonic() - self._looked

    async def aclose(self) -> None:
        """Stop; what is under way has a moment to end."""
        if self._serving is not None:
            await asyncio.wait((self._serving,), timeout=_MOMENT)
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    # --- Together ----------------------------------------------------------------------------------------------------

    async def _do(self, apply: Callable[[], T], key: Hashable = None, *, looks: bool = False) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        operation = _Operation(apply, done, key, looks)
        if not self._link.reaches and not looks:
            if key is not None:
                self._keep(operation)
            raise Unreached
        self._pending.append(operation)
        self._start()
        try:
            return await done
        except asyncio.CancelledError:
            if done.done() and not done.cancelled() and done.exception() is None:
                self._abandon(done.result())
            raise

    def _abandon(self, result: object) -> None:
        """Give back what was granted to somebody who was cancelled before hearing of it."""
        for permit in _permits(result):
            del self.held[permit.id]
            self._orphans = True
        self._start()

    def _start(self) -> None:
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._serve())

    def _keep(self, operation: _Operation[Any]) -> None:
        self._kept.pop(operation.key, None)
        self._kept[operation.key] = operation

    async def _serve(self) -> None:
        while self._pending or self._kept or self._orphans:
            kept, self._kept = self._kept, {}
            together = [*kept.values(), *self._pending]
            self._pending = []
            only_looks = all(operation.looks for operation in together) and not self._orphans
            try:
                await (self._glance(together) if only_looks else self._apply(together))
            except Unreached as error:
                self._version = None
                self._orphans = self._orphans or not only_looks
                since, self._kept = self._kept, {}
                for operation in (*together, *since.values()):
                    if operation.key is not None:
                        self._keep(operation)
                    _fail(operation, Unreached(error.cause))
                if not self._pending:
                    return
            except Exception as error:  # a fault of ours: whoever asked hears of it, and the copy is made anew
                self._version = None
                for operation in together:
                    _fail(operation, error)
                if not self._pending:
                    return
            except asyncio.CancelledError:
                for operation in (*together, *self._pending):
                    _fail(operation, Unreached("closed"))
                raise

    async def _glance(self, together: list[_Operation[Any]]) -> None:
        """Make the copy what Redis has. Where it has nothing, nothing is begun: nobody wants anything of it now."""
        reply = await self._swap("", b"", [], ask=self._version or "?")
        if not reply.done and reply.version:
            await self._take(reply)
        elif not reply.done:
            self._version = None
        self._looked = reply.answered
        for operation in together:
            if not operation.done.done():
                operation.done.set_result(None)

    async def _apply(self, together: list[_Operation[Any]]) -> None:
        """Apply all of *together* and set what comes of it, or raise `Unreached`."""
        ours = False
        for lost in range(_TRIES):
            if lost > _PATIENT and not ours:
                await asyncio.sleep(_APART * 2 ** min(lost - _PATIENT, 5) * self._random.random())
            together += self._pending  # what came meanwhile goes along
            self._pending = []
            if self._version is None:
                await self._take(await self._swap("", b"", [], ask="?"))
            self._news = News()
            for expired in self.road.expire():
                self._news.freed[expired.lane] += 1
                self._news.stirred = self._news.stirred or expired.probe
            if self._orphans:
                self._reclaim()
            results = [_outcome(operation.apply) for operation in together]
            state = self.road.state()
            says, here = self._whom_to_wake()
            new = self._next_version() if state != self._set else ""
            reply = await self._swap(new, state, says, insists=lost >= _PATIENT)
            if reply.done:
                self._orphans = False
                self._deliver(together, results, new, state, reply)
                for lane in here:
                    self._wake(lane)
                return
            ours = reply.ours
            await self._take(reply)
        raise Unreached("contended")

    def _deliver(
        self, together: list[_Operation[Any]], results: list[Any], new: str, state: bytes, reply: Reply
    ) -> None:
        self._version, self._set = new or self._version, state
        self._looked = reply.answered
        self.clock.follow(self.clock.state, reply.server, reply.asked, reply.answered)
        for operation, result in zip(together, results, strict=True):
            if isinstance(operation.key, int):
                self._returning.discard(operation.key)
            permits = _permits(result)
            if operation.done.done():
                self._orphans = self._orphans or bool(permits)  # whoever claimed has gone
            elif isinstance(result, Exception):
                operation.done.set_exception(result)
            else:
                self.held |= {permit.id: permit for permit in permits}
                operation.done.set_result(result)

    async def _swap(
        self, new: str, state: bytes, says: list[tuple[str, str]], ask: str | None = None, *, insists: bool = False
    ) -> Reply:
        old = ask if ask is not None else self._version or ""
        clock = self.clock.written() if new else b""
        lasts = max(self._idle, self.road.lasts()) if new else 0.0
        return await self._link.swap(self.key, old, new, clock, state if new else b"", lasts, says, insists=insists)

    async def _take(self, reply: Reply) -> None:
        """Make the copy what *reply* says, or a new state where there is none that can be read."""
        if reply.version:
            try:
                clock = read(reply.clock)
                self.road.load(reply.state, max(clock.at, reply.server - clock.zero))
            except ValidationError as error:  # not ours, or spoilt: begun anew, from what is on record
                if reply.version != self._spoilt:
                    self._spoilt = reply.version
                    self._strange(self.key, error)
            else:
                self.clock.follow(clock, reply.server, reply.asked, reply.answered)
                self._version, self._set = reply.version, reply.state
                self._looked = reply.answered
                return
        self.clock.begin(reply.server, reply.asked, reply.answered)
        fresh = self._pave(self.clock, self._random.getrandbits(52))
        try:
            await self._begin(fresh)
        except Exception as error:  # whatever keeps the record from being read: nothing is granted without it
            raise Unreached("store") from error
        self.road.load(fresh.state())
        self._version, self._set = reply.version, b""

    def _next_version(self) -> str:
        self._count += 1
        return f"{self._node}:{self._count}"

    def _reclaim(self) -> None:
        """Give back what was granted to this node by an answer that it never got."""
        ours = self.held.keys() | self._returning
        for number, one in list(self.road.shared.granted.items()):
            if one.node == self._node and number not in ours:
                permit = Permit(number, one.lane, one.wanted.operation, one.wanted.cls, one.wanted.probe)
                self.road.release(permit, UNSENT, 0.0)
                self._news.freed[one.lane] += 1

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _whom_to_wake(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Return what other nodes have to hear, by channel, and the lanes of this node that may go."""
        called = [*self.road.calls, *self._news.next(self.road)]
        self.road.calls.clear()
        if self._news.stirred:
            return [(self._link.everywhere, f"{self._node} {self.key}")], list(self.road.lanes)
        says, here = [], []
        for asker in dict.fromkeys(called):
            lane, _, node = asker.partition("/")
            if node == self._node:
                here.append(lane)
            else:
                says.append((self._link.channel(node), lane))
        return says, here

    def _lives(self, lane: str) -> float:
        """Return the seconds after which a permit of *lane* that did not leave counts as lost."""
        return self._lasts(lane) + GRACE

    def _lasts(self, lane: str) -> float:
        """Return the seconds after which an exchange of *lane* that left is over, whatever became of its node."""
        return GHOST * self.road.lanes[lane].call_timeout


def _permits(result: object) -> list[Permit]:
    return [one for one in result if isinstance(one, Permit)] if isinstance(result, list) else []


def _fail(operation: _Operation[Any], error: Exception) -> None:
    if not operation.done.done():
        operation.done.set_exception(error)
        operation.done.exception()  # nobody has to ask for it


def _outcome(apply: Callable[[], T]) -> T | Exception:
    try:
        return apply()
    except Exception as error:  # a fault of one must not keep the others from being done
        return error
