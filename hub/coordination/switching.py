"""
Permits of a node among several: through Redis while the group does so, else by this node's share; in between, none.

`epochs.py` says which; this follows. A permit that was granted by other rules than those in force may not leave any
more: what it would send could come on top of what the new rules let go.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.coordination.epochs import Epochs, Phase, Share
from hub.coordination.link import Trouble
from hub.coordination.protocol import NOBODY_GRANTS, Coordination, HoldCause, Pace, Permit, Switches, Wait, Wanted

_PATIENCE = 5.0
"""Seconds for which Redis may be away before the group stops counting through it; nothing is granted meanwhile."""
_SHORTEST = 1.0
_LONGEST = 60.0
"""Seconds after which it makes sense to ask again: as long as it has lasted, between these."""


class Shared(Coordination, Protocol):
    """Permits that all nodes count together. `in_redis.InRedis` is one."""

    @property
    def trouble(self) -> Trouble | None:
        """Why they cannot be counted together, if they cannot."""
        ...

    async def try_out(self) -> None:
        """Find out whether what they are counted in can be used; `in_redis.InRedis` says what it raises."""
        ...

    def bury(self, node: str) -> None:
        """Let slots go sooner that *node*, which is dead, was granted and had not used; returns at once."""
        ...

    def begin(self, cycle: int) -> None:
        """Forget what was counted in an earlier *cycle*: since then each node kept to its share."""
        ...


class Switching:
    """Implements `Coordination` for a hub of several nodes."""

    def __init__(
        self, epochs: Epochs, shared: Shared | None, keep_to: Callable[[Share], Awaitable[Coordination]], clock: Clock
    ) -> None:
        """
        *shared*: through Redis; None where there is none, and each node always keeps to its share.

        *keep_to* makes what grants a share, and fills it with what is still on the way of earlier exchanges.
        """
        self._epochs = epochs
        self._shared = shared
        self._keep_to = keep_to
        self._clock = clock
        self._own: Coordination | None = None
        self._own_epoch = -1
        self._granted: dict[Permit, tuple[Coordination, int]] = {}
        self._holds: dict[tuple[str, HoldCause, str], float | None] = {}
        """By lane or route, cause and operation: until when, monotonic; None: until somebody resumes."""
        self._lowered: dict[str, tuple[int | None, float | None]] = {}
        self._retries_stopped = False
        self._wake: dict[str, Callable[[], None]] = {}
        self._idle_since = clock.monotonic()
        self._reached_at = -math.inf

    async def try_out(self) -> None:
        """
        Find out whether the Redis of the settings can be used, before anything is done that counts on it.

        Raises:
            hub.coordination.link.RedisEvicts: It never can, as it is set.
        """
        if self._shared is not None:
            await self._shared.try_out()

    async def start(self) -> None:
        if self._shared is not None:
            await self._shared.start()

    async def aclose(self) -> None:
        for one in self._all():
            await one.aclose()

    @property
    def reaches(self) -> bool:
        return self._shared is not None and self._shared.reaches

    def says(self) -> bool:
        """Return what the group is told of `reaches`: a Redis that is away for a moment is worth waiting for."""
        if self.reaches:
            self._reached_at = self._clock.monotonic()
        return self._clock.monotonic() - self._reached_at <= _PATIENCE

    @property
    def trouble(self) -> Trouble | None:
        """Why Redis cannot be used; None: it can, or none is wanted."""
        return self._shared.trouble if self._shared is not None else None

    @property
    def mode(self) -> str:
        """`redis`, `shares`, or `none` while nothing is granted."""
        return self._epochs.phase.name.lower() if self._granting() is not None else "none"

    @property
    def idle_seconds(self) -> float:
        """For how long nothing was granted here, whatever was wanted; 0 while permits can be had."""
        return 0.0 if self._granting() is not None else self._clock.monotonic() - self._idle_since

    def bury(self, node: str) -> None:
        """Let slots go sooner that *node*, which is dead or was another life of this one, was granted and had not used."""
        if self._shared is not None:
            self._shared.bury(node)

    async def follow(self) -> None:
        """Do as the group does now; called whenever it may have moved on."""
        epoch = self._epochs.epoch
        if self._epochs.phase is Phase.REDIS and self._shared is not None:
            self._shared.begin(self._epochs.cycle)
        if self._epochs.phase is Phase.SHARES and self._own_epoch != epoch and self._epochs.grants():
            own = await self._keep_to(self._epochs.share())
            await self.order(own)
            if self._epochs.epoch != epoch:
                return
            self._own, self._own_epoch = own, epoch
            for lane, wake in self._wake.items():
                own.subscribe(lane, wake)
            for wake in self._wake.values():
                wake()

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        granting, epoch = self._granting(), self._epochs.epoch
        if granting is None:
            return [self._nobody()] * len(wanted)
        answers = await granting.claim(lane, wanted)
        for answer in answers:
            if isinstance(answer, Permit):
                self._granted[answer] = granting, epoch
        return answers

    async def leave(self, permit: Permit, within: float) -> bool:
        granted = self._granted.get(permit)
        if granted is None or not self._in_force(granted):
            return False
        return await granted[0].leave(permit, within) and self._in_force(granted)

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        granted = self._granted.pop(permit, None)
        if granted is not None:
            await granted[0].release(permit, outcome, seconds)

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        self._holds[name, cause, operation] = None if seconds is None else self._clock.monotonic() + seconds
        for one in self._all():
            await one.hold(name, cause, seconds, operation)

    async def resume(self, name: str, cause: HoldCause | None = None) -> None:
        self._holds = {
            key: until for key, until in self._holds.items() if key[0] != name or cause not in (None, key[1])
        }
        for one in self._all():
            await one.resume(name, cause)

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        self._lowered[name] = calls_at_once, calls_per_second
        for one in self._all():
            await one.lower(name, calls_at_once, calls_per_second)

    async def stop_retries(self, stopped: bool) -> None:
        self._retries_stopped = stopped
        for one in self._all():
            await one.stop_retries(stopped)

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        """Do nothing: what grants begins with what the store says of all nodes, not of this one's former life."""

    def subscribe(self, lane: str, wake: Callable[[], None]) -> None:
        self._wake[lane] = wake
        for one in self._all():
            one.subscribe(lane, wake)

    def stopped(self, name: str, operation: str) -> Wait | None:
        granting = self._granting()
        return self._nobody() if granting is None else granting.stopped(name, operation)

    def pace(self, lane: str) -> Pace:
        shown = self._shown()
        return Pace(1, 1.0, 0.0, ramping=False) if shown is None else shown.pace(lane)

    def watch(self, name: str) -> Mapping[str, float]:
        shown = self._shown()
        return {} if shown is None else shown.watch(name)

    def moved(self, lane: str) -> tuple[str, float]:
        shown = self._shown()
        return ("", 0.0) if shown is None else shown.moved(lane)

    async def order(self, switches: Switches) -> None:
        """
        Give *switches*, which know nothing yet, what is in force: orders, and the stops that agencies asked for.

        An agency that said `Busy` to the one way of granting is not asked again by the other.
        """
        now = self._clock.monotonic()
        for (name, cause, operation), until in self._holds.items():
            if until is None or until > now:
                await switches.hold(name, cause, None if until is None else until - now, operation)
        for name, limits in self._lowered.items():
            await switches.lower(name, *limits)
        await switches.stop_retries(self._retries_stopped)
        for lane in self._wake:
            for stop in (one.stopped(lane, "") for one in self._all()):
                if stop is not None and stop.cause == HoldCause.BUSY and stop.seconds is not None:
                    await switches.hold(lane, HoldCause.BUSY, stop.seconds)

    def _granting(self) -> Coordination | None:
        granting: Coordination | None = None
        if self._epochs.grants():
            if self._epochs.phase is Phase.REDIS:
                granting = self._shared if self.reaches else None
            elif self._own_epoch == self._epochs.epoch:
                granting = self._own
        if granting is not None:
            self._idle_since = self._clock.monotonic()
        return granting

    def _in_force(self, granted: tuple[Coordination, int]) -> bool:
        """Return whether a permit of *granted* may still leave."""
        return granted[1] == self._epochs.epoch and self._epochs.grants()

    def _nobody(self) -> Wait:
        lasted = self._clock.monotonic() - self._idle_since
        return Wait(NOBODY_GRANTS, min(_LONGEST, max(_SHORTEST, lasted)), self._epochs.phase.name.lower())

    def _all(self) -> list[Coordination]:
        return [one for one in (self._shared, self._own) if one is not None]

    def _shown(self) -> Coordination | None:
        return self._granting() or (self._own if self._epochs.phase is Phase.SHARES else self._shared) or self._own
