"""
Removing what has been kept for long enough, beside the calls and never before them. `store/retention.py` says what goes.

A pass goes through everything once an hour, in small steps; after each it rests for many times as long as the step took,
line of the store included, so that a store that is busy is asked less. One that is sick is left alone.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from hub.clock import Clock
from hub.errors import HubError
from hub.settings import Retention as Days
from hub.store.retention import Kept, Place, Until
from monitoring.events import Observer

EVERY: Final = 3600.0
"""Seconds between the end of one pass and the beginning of the next, over all nodes."""
LOOK_EVERY: Final = 300.0
"""Seconds between looks whether a pass is due."""
REST: Final = 19
"""Times as long as a step took: a twentieth of the writer's time at most."""
_LEAST_REST: Final = 0.02
_SICK_REST: Final = 30.0
_DAY: Final = 86_400.0


class Retention:
    """One node's part in removing."""

    def __init__(
        self, kept: Kept, days: Days, sick: Callable[[], bool], clock: Clock, random: Random, observer: Observer
    ) -> None:
        """*sick* says whether the store fails or is slow."""
        self._kept = kept
        self._days = days
        self._sick = sick
        self._clock = clock
        self._random = random
        self._observer = observer
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, now and then, whether something is due."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more; a pass that is under way goes on with the next start, or at another node. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def once(self) -> int:
        """
        Make a pass if one is due; return how many records it removed, and tell the observer how many of each kind.

        Raises:
            StoreUnavailable: The store did not answer; what was removed until then is removed.
        """
        removed: Counter[str] = Counter()
        try:
            await self._pass(removed)
        finally:
            if removed:
                self._observer.retention(dict(removed))
        return removed.total()

    async def _pass(self, removed: Counter[str]) -> None:
        """Make a pass if one is due, and count in *removed* what it takes away, by table."""
        number = await self._kept.begin(EVERY)
        place = Place() if number is not None else None
        until = self._until()
        while place is not None and number is not None:
            if self._sick():
                await asyncio.sleep(_SICK_REST)
                continue
            began = self._clock.monotonic()
            swept = await self._kept.sweep(number, place, until)
            if swept.removed:
                removed[place.table] += swept.removed
            place = swept.next
            await asyncio.sleep(max(_LEAST_REST, REST * (self._clock.monotonic() - began)))

    def _until(self) -> Until:
        now, days = self._clock.now(), self._days
        kept = (
            days.lookups_days,
            days.filings_days,
            days.notices_days,
            days.references_days,
            days.journal_days,
            days.files_days,
            days.handling_days,
        )
        return Until(*(now - _DAY * one for one in kept))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY * (0.9 + 0.2 * self._random.random()))
            if self._sick():
                continue
            try:
                await self.once()
            except HubError as error:
                self._observer.fault("retention", error)
