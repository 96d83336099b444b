"""
The lane of one subscription: its own session, one event at a time, in the order of the feed. `pusher.py` starts and ends it.

Nothing waits in memory but a page of a few events. What was delivered is noted in the store now and then, so a node that
dies leaves some to be delivered again, under the same ids; what failed is noted at once, with the moment of the next try.
"""

import asyncio
from dataclasses import replace
from typing import Final

from hub.errors import HubError
from hub.guards.retry import DURABLE_ATTEMPTS
from hub.pushing.delivery import Around, Delivery
from hub.pushing.verdict import Delivered, Failed, Gone, Held
from hub.store.feed import Noticed, Reach
from hub.store.subscriptions import DeadEvent, Progress, Subscription

PAGE: Final = 10
"""Events in memory, and delivered again at most after a crash. With their answers at most 160 KB."""
LONGEST_TRIED: Final = 7 * 86_400.0
"""Seconds after the first attempt at which an event dies, even if its receiver only asked to wait."""
NOTE_EVERY: Final = 1.0
"""Seconds after which it is noted what was delivered, though the page has not come to its end."""
NOTE_SKIPPED: Final = 1000
"""Numbers of the feed that were looked through without anything to deliver, after which that is noted."""
SICK_PAUSE: Final = 5.0
"""Seconds before the store is asked again that did not answer."""


class PushLane:
    """Pushes one subscription from `run` to its cancellation."""

    def __init__(self, row: Subscription, around: Around, lease_end: float) -> None:
        """*lease_end*: until when (monotonic seconds) this node alone pushes it."""
        self._row = row
        self._around = around
        self._delivery = Delivery(row, around, lease_end)
        self._at = _progress(row)
        self._looked = row.seq
        """Up to here nothing is left to deliver; what was looked through in vain is not read again."""
        self._noted = row.seq
        self._noted_at = around.clock.monotonic()
        self._head: Noticed | None = None
        self._orders = row.orders
        self._again = True
        """Whether dead events may be waiting to be sent again."""
        self._unreached = False
        """The caller's key reaches nothing of it now."""
        self._news = asyncio.Event()
        self.over = False
        """Nothing is to be done any more: the receiver is gone, or another node pushes it."""

    @property
    def caller(self) -> str:
        """Whose it is."""
        return self._row.caller

    def wake(self) -> None:
        """Look into the feed again."""
        self._news.set()

    def close(self) -> None:
        """Nobody is told anything more at this node; whoever closes the feed cancels this too."""

    def renewed(self, row: Subscription, lease_end: float) -> None:
        """The lease was renewed; *row* says whether a person ordered something since."""
        self._delivery.lease_end = lease_end
        if self._unreached and not self._reach().empty:
            self._news.set()
        if row.orders != self._orders:
            self._orders = row.orders
            self._again = True
            self._at = replace(self._at, attempts=0, failing_since=None, due_at=0.0)
            self._news.set()

    def oldest_age(self) -> float:
        """Return how many seconds ago that happened which is not delivered yet, 0 if nothing waits."""
        return max(0.0, self._around.clock.now() - self._head.at) if self._head is not None else 0.0

    async def run(self) -> None:
        """Push until it is over. Raises nothing but on cancellation."""
        try:
            with self._around.feed.followed(self.caller, self):
                while not self.over:
                    try:
                        await self._follow()
                    except HubError as error:
                        self._around.observer.fault("push", error)
                        await asyncio.sleep(SICK_PAUSE)
        finally:
            await self._delivery.close()

    async def _follow(self) -> None:
        await self._around.feed.whole()
        while not self.over:
            self._news.clear()
            if self._again:
                await self._send_dead()
            elif self._wait() > 0:
                await self._news_within(self._wait())
            elif not await self._push_page():
                await self._news.wait()

    def _wait(self) -> float:
        return self._at.due_at - self._around.clock.now()

    async def _news_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    # --- In the order of the feed ------------------------------------------------------------------------------------

    async def _push_page(self) -> bool:
        """Deliver what follows; False when nothing more does as far as is known."""
        reach = self._reach()
        self._unreached = reach.empty
        if self._unreached:
            return False
        feed, after = self._around.feed, self._looked
        upto = max(after, feed.upto)
        told = await feed.told(self.caller, reach, after, PAGE)
        upto = told[-1].seq if len(told) == PAGE else upto
        for one in told:
            self._head = one
            if not await self._deliver(one):
                return True
        self._head = None
        self._looked = upto
        if told or self._looked - self._noted > NOTE_SKIPPED:
            await self._note(replace(self._at, seq=self._looked))
        return self._looked < self._around.feed.upto

    def _reach(self) -> Reach:
        return self._around.reach(self.caller, self._row.agencies, self._row.dossier)

    async def _deliver(self, one: Noticed) -> bool:
        """Try once; False when it has to be tried again, or nothing is to be done any more."""
        said = await self._delivery.send(one)
        now = self._around.clock.now()
        since = self._at.failing_since or now
        match said:
            case Delivered():
                failed, self._at = self._at.failing_since is not None, Progress(one.seq)
                self._looked = one.seq
                if failed or self._around.clock.monotonic() - self._noted_at >= NOTE_EVERY:
                    await self._note(self._at)
                return not self.over
            case Gone(cause):
                await self._note(replace(self._at, cause=cause, stopped=True))
                self.over = True
                return False
            case Held(seconds, cause):
                tried = replace(self._at, failing_since=since, due_at=now + seconds, cause=cause)
            case Failed(cause):
                attempts = self._at.attempts + 1
                wait = self._around.waits.after(attempts, interactive=False)
                tried = replace(self._at, attempts=attempts, failing_since=since, due_at=now + wait, cause=cause)
        if tried.attempts >= DURABLE_ATTEMPTS or now - since >= LONGEST_TRIED:
            await self._bury(one, tried)
            return not self.over
        await self._note(tried)
        return False

    async def _bury(self, one: Noticed, tried: Progress) -> None:
        dead = DeadEvent(
            one.seq, one.id, one.agency, one.notice, one.call,
            self._around.clock.now(), tried.attempts, tried.cause,
        )  # fmt: skip
        self._at, to = tried, Progress(one.seq, cause=tried.cause)  # it is not passed before it is on record as dead
        self.over = not await self._around.kept.bury(self._row.id, self._around.node, to, dead)
        self._at = to
        self._looked = self._noted = one.seq
        self._delivery.tell("dead", tried.cause)

    async def _note(self, at: Progress) -> None:
        self._at = at
        self.over = not await self._around.kept.move(self._row.id, self._around.node, at)
        self._noted, self._noted_at = at.seq, self._around.clock.monotonic()

    # --- Dead events, when a person wants them sent again -------------------------------------------------------------

    async def _send_dead(self) -> None:
        """Try each once. One that is delivered shows that its receiver is well: what waited goes on."""
        self._again = False  # a person may order more meanwhile
        try:
            for one in await self._around.kept.dead(self._row.id) or ():
                if one.again:
                    await self._send_one_dead(one)
        except HubError:
            self._again = True
            raise

    async def _send_one_dead(self, dead: DeadEvent) -> None:
        reach = self._around.reach(self.caller, [dead.agency], None)
        told = await self._around.feed.told(self.caller, reach, dead.seq - 1, 1)
        if not told or told[0].seq != dead.seq:
            await self._around.kept.tried_again(self._row.id, dead.seq, "not_kept")
            return
        said = await self._delivery.send(told[0])
        cause = None if isinstance(said, Delivered) else said.cause
        await self._around.kept.tried_again(self._row.id, dead.seq, cause)
        if cause is None:
            self._at = replace(self._at, due_at=0.0)


def _progress(row: Subscription) -> Progress:
    return Progress(row.seq, row.attempts, row.failing_since, row.due_at, row.cause, row.stopped)
