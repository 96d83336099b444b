"""
What callers and operators do with subscriptions. `hub/web/subscriptions.py` and the admin doors open onto it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from hub.call import BUILT_IN
from hub.clock import Clock
from hub.errors import CallerQuota, RequestFault, RequestInvalid, SubscriptionUnknown
from hub.feed import Feed
from hub.outside import Outside
from hub.pushing.pusher import Pusher
from hub.pushing.signing import Signing
from hub.reaching import Reaching
from hub.security.identity import Caller
from hub.store.subscriptions import DeadEvent, KeptSubscriptions, Subscription

MOST: Final = 8
"""Subscriptions of one caller."""
NOBODY: Final = (
    "cannot be taken: this hub pushes to nobody. An operator lists the hosts of receivers in `[push] hosts` of hub.toml"
)
_FOR_LONG: Final = 60.0


class Subscribing:
    """Subscriptions, as the doors use them. *caller* None stands for an operator, who reaches all."""

    def __init__(
        self,
        kept: KeptSubscriptions,
        feed: Feed,
        reaching: Reaching,
        outside: Outside,
        signing: Signing | None,
        pusher: Pusher | None,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """*signing* and *pusher* are None where settings list nobody to push to."""
        self._kept = kept
        self._feed = feed
        self._reaching = reaching
        self._outside = outside
        self._signing = signing
        self._pusher = pusher
        self._clock = clock
        self._new_id = new_id

    async def subscribe(
        self, caller: Caller, url: str, agencies: Sequence[str], dossier: str | None, after: int | None
    ) -> tuple[Subscription, str]:
        """
        Push to *url* from now on, or from place *after* of the feed; return the subscription and its secret.

        Raises:
            RequestInvalid: The address may not be called, an agency is unknown, or *after* is beyond the end.
            AuthDenied: The caller's key does not reach one of *agencies*.
            CallerQuota: It has as many subscriptions as it may.
            StoreUnavailable: The store did not answer.
        """
        rule = NOBODY if self._signing is None else self._outside.fault(url)
        faults = [RequestFault("/url", rule)] if rule is not None else []
        for place, agency in enumerate(agencies):
            if not self._reaching.known(agency):
                faults.append(RequestFault(f"/agencies/{place}", "names an agency that this hub does not have"))
        newest = await self._feed.whole()
        if after is not None and after > newest:
            faults.append(RequestFault("/after", f"is beyond the end of the feed, which is {newest}"))
        if faults or self._signing is None:
            raise RequestInvalid(faults=faults)
        self._reaching.of(caller, agencies)
        now = self._clock.now()
        seq = newest if after is None else after
        row = Subscription(self._new_id(), caller.name, url, tuple(dict.fromkeys(agencies)), dossier, now, seq)
        if not await self._kept.add(row, MOST):
            raise CallerQuota(f"A caller may have {MOST} subscriptions; delete one.", retry_after=_FOR_LONG)
        self._stir()
        return row, self._signing.secret(row.id)

    async def all(self, caller: str | None) -> Sequence[tuple[Subscription, int]]:
        """
        List them, each with the number of its dead events.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return await self._kept.all(caller)

    async def one(self, of: str, caller: str | None) -> tuple[Subscription, int]:
        """
        Return one, likewise.

        Raises:
            SubscriptionUnknown: There is none of this caller.
            StoreUnavailable: The store did not answer.
        """
        for row, dead in await self._kept.all(caller):
            if row.id == of:
                return row, dead
        raise SubscriptionUnknown

    async def remove(self, of: str, caller: str | None, by: str = BUILT_IN) -> None:
        """
        Push it no more, within a few seconds at other nodes, and forget its dead events.

        Raises:
            SubscriptionUnknown: There is none of this caller.
            StoreUnavailable: The store did not answer.
        """
        if not await self._kept.remove(of, caller, caller or by):
            raise SubscriptionUnknown
        self._stir()

    async def resume(self, of: str, caller: str | None, by: str = BUILT_IN) -> None:
        """
        Go on at once, whatever it waited for.

        Raises:
            SubscriptionUnknown: There is none of this caller.
            StoreUnavailable: The store did not answer.
        """
        if not await self._kept.resume(of, caller, caller or by):
            raise SubscriptionUnknown
        self._stir()

    async def dead(self, of: str, caller: str | None) -> Sequence[DeadEvent]:
        """
        List its dead events, oldest first.

        Raises:
            SubscriptionUnknown: There is none of this caller.
            StoreUnavailable: The store did not answer.
        """
        dead = await self._kept.dead(of, caller)
        if dead is None:
            raise SubscriptionUnknown
        return dead

    async def replay(self, of: str, seq: int | None, caller: str | None, by: str = BUILT_IN) -> int:
        """
        Send a dead event (None: all of them) again, once and at once; return how many.

        Raises:
            SubscriptionUnknown: There is none of this caller, or no such dead event of it.
            StoreUnavailable: The store did not answer.
        """
        count = await self._kept.replay(of, seq, caller, caller or by)
        if count is None or (count == 0 and seq is not None):
            raise SubscriptionUnknown
        self._stir()
        return count

    async def discard(self, of: str, seq: int, caller: str | None, by: str = BUILT_IN) -> None:
        """
        Forget a dead event.

        Raises:
            SubscriptionUnknown: There is none of this caller, or no such dead event of it.
            StoreUnavailable: The store did not answer.
        """
        if not await self._kept.discard(of, seq, caller, caller or by):
            raise SubscriptionUnknown

    def _stir(self) -> None:
        if self._pusher is not None:
            self._pusher.stir()
