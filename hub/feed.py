"""
What callers are told, followed as it grows: one look into the store serves all who listen. Next: `store/feed.py`.

Nothing waits in memory: whoever listens gets page after page out of the store, as fast as it reads. Where several nodes
write, a lower number may become visible after a higher one, because numbers are given before the commit. So nobody is
told what lies behind a gap before the gap is filled, or so old that whoever took the missing number must have given up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol

from hub.clock import Clock
from hub.errors import CallerQuota, HubStopping, RequestFault, RequestInvalid, StoreUnavailable
from hub.store.feed import KeptFeed, Mark, Noticed, Reach

HOLD_BACK: Final = 30.0
"""Seconds for which a gap holds back what lies behind it: longer than any commit takes, clocks of nodes apart included."""
GAP_PAUSE: Final = 0.5
"""Seconds between looks at a gap."""
SWEEP: Final = 5.0
"""Seconds between looks that nobody asked for, while anybody listens: another node, or a person, may have settled a call."""
GATHER: Final = 0.05
"""Seconds for which news gather before they are looked for, so that a flood of answers costs twenty looks a second."""
HEARTBEAT: Final = 15.0
"""Seconds without news after which a listener hears that there are none."""
PAGE: Final = 100
PAGE_BYTES: Final = 1 << 20
"""A page ends early once it holds so much: what an agency tells may be a megabyte, and many may listen."""
SLICE: Final = 25
"""Events that are read at once."""
MOST_LISTENING: Final = 8
"""Streams of one caller at one node."""
_LOOKED: Final = 1000
_AHEAD: Final = 86_400.0


class Follower(Protocol):
    """What is woken when there may be more of a caller's feed. `Listener` is one; what pushes it is another."""

    def wake(self) -> None:
        """Look again."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class Feed:
    """The feeds of all callers, at one node."""

    def __init__(self, kept: KeptFeed, clock: Clock, fault: Callable[[str, BaseException], None]) -> None:
        """*fault* is told when the store did not answer."""
        self._kept = kept
        self._clock = clock
        self._fault = fault
        self._upto = -1
        """What is numbered up to here is complete: nothing will become visible below. Negative before the first look."""
        self._listeners: dict[str, set[Follower]] = {}
        self._news = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._stopped = False

    def stir(self) -> None:
        """A call has settled, or an agency told something, here or elsewhere. Costs nothing when nobody listens."""
        self._news.set()

    async def page(self, caller: str, reach: Reach, after: int, limit: int) -> Sequence[Noticed]:
        """
        Return what *caller* is told within *reach* after number *after*, in order, at most *limit*.

        Raises:
            StoreUnavailable: The store did not answer.
            RequestInvalid: *after* is no place of this feed.
        """
        await self._look()
        await self._check(after)
        return await self.told(caller, reach, after, limit)

    async def acknowledge(self, caller: str, agency: str, seq: int) -> None:
        """
        Note that *caller* has dealt with what it was told of *agency* up to number *seq*.

        Raises:
            StoreUnavailable: The store did not answer.
            RequestInvalid: There is no such place yet; a place is never taken back, so nothing would be told any more.
        """
        await self._check(seq)
        await self._kept.acknowledge(caller, agency, seq)

    async def acknowledged(self, caller: str, agency: str) -> int:
        """
        Return the number up to which *caller* has dealt with what it was told of *agency*, 0 if it never said so.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return await self._kept.acknowledged(caller, agency)

    @asynccontextmanager
    async def listen(self, caller: str, reach: Reach, after: int | None = None) -> AsyncIterator["Listener"]:
        """
        Follow what *caller* is told within *reach* after number *after*; None: from now on.

        Raises:
            CallerQuota: This caller listens often enough at this node.
            HubStopping: Nobody is told anything more here.
            RequestInvalid: *after* is no place of this feed.
            StoreUnavailable: The store did not answer.
        """
        if self._stopped:
            raise HubStopping(retry_after=GAP_PAUSE)
        if sum(isinstance(one, Listener) for one in self._listeners.get(caller, ())) >= MOST_LISTENING:
            raise CallerQuota(f"A caller may hold {MOST_LISTENING} streams at one node.", retry_after=HEARTBEAT)
        await self._look()
        if after is not None:
            await self._check(after)
        listener = Listener(self, caller, reach, self._upto if after is None else after)
        with self.followed(caller, listener):
            yield listener

    @contextmanager
    def followed(self, caller: str, follower: Follower) -> Iterator[None]:
        """Wake *follower* when there may be more for *caller*, and close it when nobody is told anything more here."""
        self._listeners.setdefault(caller, set()).add(follower)
        if self._follower is None:
            self._follower = asyncio.get_running_loop().create_task(self._follow())
        try:
            yield
        finally:
            self._listeners[caller].discard(follower)
            if not self._listeners[caller]:
                del self._listeners[caller]
            if not self._listeners and self._follower is not None:
                self._follower.cancel()
                self._follower = None

    async def stop(self) -> None:
        """Let every stream end. Idempotent."""
        self._stopped = True
        for listener in self._all():
            listener.close()
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    async def whole(self) -> int:
        """
        Look, and return up to which number nothing more will become visible: where who begins now begins.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        await self._look()
        return self._upto

    @property
    def upto(self) -> int:
        """The same, as far as the last look went; negative before the first."""
        return self._upto

    async def told(self, caller: str, reach: Reach, after: int, limit: int) -> Sequence[Noticed]:
        """Return the same as `page`, as far as the last look went; fewer where they are large, and never none of some."""
        upto, size = self._upto, 0
        told: list[Noticed] = []
        while after < upto and len(told) < limit and size < PAGE_BYTES:
            want = min(SLICE, limit - len(told))
            some = await self._kept.told(caller, reach, after, upto, want)
            told += some
            size += sum(len(one.told) + len(one.answer or b"") for one in some)
            after = some[-1].seq if len(some) == want else upto
        return told

    async def _check(self, place: int) -> None:
        """Refuse a *place* beyond the end: whoever goes on from there hears nothing until the feed has come as far."""
        if place <= self._upto:
            return
        newest = await self._kept.newest(self._clock.now() + _AHEAD)  # here what is numbered may not be whole yet
        if place > newest:
            says = f"is beyond the end of the feed, which is {newest}; read on from 0, or from a place it gave you"
            raise RequestInvalid(faults=[RequestFault("/after", says)])

    async def _follow(self) -> None:
        """Look when there are news, and now and then, while anybody listens."""
        while True:
            self._news.clear()
            try:
                wait = SWEEP if await self._look() else GAP_PAUSE
            except StoreUnavailable as error:
                self._fault("feed", error)
                wait = SWEEP
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(GATHER)

    async def _look(self) -> bool:
        """See how far the feed has grown, and wake those for whom it has; False: a gap holds the rest back."""
        if self._upto < 0:
            self._upto = max(self._upto, await self._kept.newest(self._clock.now() - HOLD_BACK))
        while True:
            marks = await self._kept.marks(self._upto, _LOOKED)
            upto, whose = _whole(marks, self._upto, self._clock.now() - HOLD_BACK)
            self._upto = max(self._upto, upto)
            for listener in self._all() if None in whose else self._of(whose):
                listener.wake()
            held = bool(marks) and upto < marks[-1].seq
            if held or len(marks) < _LOOKED:
                return not held

    def _of(self, callers: Collection[str | None]) -> Iterator[Follower]:
        for caller in callers:
            if caller is not None:
                yield from tuple(self._listeners.get(caller, ()))

    def _all(self) -> Iterator[Follower]:
        return self._of(tuple(self._listeners))


def _whole(marks: Sequence[Mark], upto: int, old: float) -> tuple[int, set[str | None]]:
    """Return how far *marks* go on from *upto* without a gap that is young, and whose they are."""
    whose: set[str | None] = set()
    for mark in marks:
        if mark.seq != upto + 1 and mark.at > old:
            break
        upto = mark.seq
        whose.add(mark.caller)
    return upto, whose


class Listener:
    """One stream. Nothing of it is kept but how far it has come."""

    def __init__(self, feed: Feed, caller: str, reach: Reach, after: int) -> None:
        self._feed = feed
        self._caller = caller
        self._reach = reach
        self._after = after
        self._looked = after
        """Up to where there is nothing more for it: others are told much in which it would look in vain again."""
        self._news = asyncio.Event()
        self._closed = False
        self._more = True
        """Whether the store may hold more than was read."""

    @property
    def place(self) -> int:
        """Number of the last thing that was told, or after which it begins."""
        return self._after

    def wake(self) -> None:
        """Look again."""
        self._more = True
        self._news.set()

    def close(self) -> None:
        """Say no more."""
        self._closed = True
        self._news.set()

    async def next(self) -> Sequence[Noticed] | None:
        """
        Return what follows, as soon as there is any; nothing after `HEARTBEAT` seconds without, and None at the end.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        try:
            async with asyncio.timeout(HEARTBEAT):
                while not self._closed:
                    told = await self._look()
                    if told:
                        return told
                    await self._news.wait()
        except TimeoutError:
            return ()
        return None

    async def _look(self) -> Sequence[Noticed]:
        self._news.clear()
        if not self._more:
            return ()
        self._more = False
        upto = self._feed.upto
        told = await self._feed.told(self._caller, self._reach, self._looked, PAGE)
        self._looked = max(self._looked, upto)
        if told:
            self._after = self._looked = told[-1].seq
            self._more = True
        return told
