"""
One attempt: when it may be made, what leaves, and what its reply means. `lane.py` decides what follows from it.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from connectors.kit.exchange import Sender, WireRequest
from hub.clock import Clock
from hub.feed import Feed
from hub.guards.retry import Waits
from hub.pushing.signing import Signing
from hub.pushing.verdict import Delivered, Failed, Verdict, verdict
from hub.store.feed import Noticed, Reach
from hub.store.subscriptions import KeptSubscriptions, Subscription
from monitoring.events import Observer

CALL_TIMEOUT: Final = 15.0
"""Seconds for one delivery, from the look-up of the name to the last byte; Standard Webhooks recommends 15 to 30."""
REPLY_BYTES: Final = 64 * 1024
SPACING: Final = 0.02
"""Seconds between the beginnings of two deliveries: fifty a second, more than a counter's software has to do with."""
PAUSE: Final = 1.0
"""Seconds between looks whether a delivery may be made that may not be made now."""


@dataclass(frozen=True, slots=True)
class Around:
    """What all lanes of a node share."""

    kept: KeptSubscriptions
    feed: Feed
    connect: Callable[[str], Sender]
    """Makes a sender for one address, which connects only to where that address may lead."""
    fault: Callable[[str], str | None]
    """Says which rule an address breaks as it is written."""
    reach: Callable[[str, Collection[str], str | None], Reach]
    """Gives what a caller, by name, may hear now of some agencies and a dossier, or of all."""
    body: Callable[[Noticed], bytes]
    """Writes an event."""
    signing: Signing
    waits: Waits
    clock: Clock
    node: str
    busy: Callable[[], bool]
    """Whether what is less urgent than the counter has to wait."""
    observer: Observer


class Delivery:
    """Delivers events of one subscription, through a session of its own."""

    def __init__(self, row: Subscription, around: Around, lease_end: float) -> None:
        """*lease_end*: until when (monotonic seconds) this node alone pushes it."""
        self.lease_end = lease_end
        self._row = row
        self._around = around
        self._sender = around.connect(row.url)
        self._started_at = around.clock.monotonic() - SPACING

    async def send(self, one: Noticed) -> Verdict:
        """Try once, as soon as it may be, and return how it ended."""
        await self._turn()
        said = await self._sent(one)
        self.tell(said.outcome, "" if isinstance(said, Delivered) else said.cause)
        return said

    def tell(self, outcome: str, cause: str) -> None:
        """Let it be counted."""
        self._around.observer.push(self._row.id, self._row.caller, outcome, cause)

    async def close(self) -> None:
        """Close the session. Idempotent."""
        await self._sender.close()

    async def _turn(self) -> None:
        """Return when this node may send: not too fast, not while the counter needs its strength, not on a lapsed lease."""
        clock = self._around.clock
        await asyncio.sleep(max(0.0, self._started_at + SPACING - clock.monotonic()))
        while self._around.busy() or self.lease_end - clock.monotonic() < CALL_TIMEOUT:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(PAUSE)
        self._started_at = clock.monotonic()

    async def _sent(self, one: Noticed) -> Verdict:
        if self._around.fault(self._row.url) is not None:  # what may be called has changed since it was subscribed
            return Failed("forbidden")
        body, now = self._around.body(one), self._around.clock.now()
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "hub-subscription": self._row.id,
            **self._around.signing.headers(self._row.id, one.id, now, body),
        }
        request = WireRequest("POST", self._row.url, headers, body, fresh_connection=False)
        return verdict(await self._sender.send(request, timeout=CALL_TIMEOUT, reply_bytes=REPLY_BYTES), now)
