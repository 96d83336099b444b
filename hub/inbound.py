"""
How much an agency may ask of us: the guard before the doors at which agencies call. Its numbers are `[inbound]`.

As many as may be under way together may come together, or one after the other without a pause: an agency sends what it
has, and one that is refused may never send it again. In the long run `calls_per_second` holds.

It shares nothing with the lane: what an agency sends us takes no permit from what we send to it, and the other way
round. When the process itself is short, what comes from agencies is shed like class `normal`, so that no agency
starves the counter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from connectors.kit.manifest import Inbound
from hub.call import Class
from hub.clock import Clock
from hub.errors import HubOverloaded
from hub.guards.guard import Wait, Wanted
from hub.guards.rate import Rate
from hub.shedding import Shedding
from monitoring.events import Observer

_WHOLE: Final = 1.0
"""Part of the rate that an agency may use. Towards an agency a tenth is left out; here its calls have jittered already."""
_FULL_SECONDS: Final = 1.0
"""After how long to come again when as many as allowed are under way: only they know when they end."""
_PATIENCE: Final = 2.0
"""
Seconds for which a body may be on its way before its place is given to another that finds all taken: far more than a
message takes from an agency's machine. Else a stranger who sends a byte a minute on few connections shuts an agency out.
"""


class InboundPermit:
    """Leave for one request of an agency. A context manager; releasing it once more changes nothing."""

    __slots__ = ("_door", "_number", "_wanted", "began", "give_up")

    def __init__(self, door: "_Door", number: int, wanted: Wanted, began: float) -> None:
        self._door: _Door | None = door
        self._number = number
        self._wanted = wanted
        self.began = began
        self.give_up: Callable[[], None] = lambda: None
        """Called when its place goes to another, while its body is still on its way."""

    def arrived(self) -> None:
        """Note that its body is here: nobody takes its place any more."""
        if self._door is not None:
            self._door.arriving.pop(self._number, None)

    def release(self) -> None:
        """Let the next one in: the agency has its reply, or has gone."""
        if self._door is not None:
            self._door.arriving.pop(self._number, None)
            self._door.under_way -= 1
            self._door.rate.released(self._number, self._wanted, "", 0.0)
            self._door = None

    def __enter__(self) -> "InboundPermit":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


@dataclass(slots=True)
class _Door:
    rate: Rate
    at_once: int
    under_way: int = 0
    number: int = 0
    arriving: dict[int, InboundPermit] = field(default_factory=dict)
    """Those whose body is on its way, by number: the one that began first comes first."""


class InboundGuard:
    """The doors of all agencies that may ask something of us, each with its own bounds."""

    def __init__(self, contracts: Mapping[str, Inbound], clock: Clock, shedding: Shedding, observer: Observer) -> None:
        """*contracts* by agency; an agency that is not among them has no door."""
        self._clock = clock
        self._shedding = shedding
        self._observer = observer
        self._doors = {
            agency: _Door(
                Rate(clock, inbound.calls_per_second, margin=_WHOLE, together=inbound.calls_at_once),
                inbound.calls_at_once,
            )
            for agency, inbound in contracts.items()
        }

    def admit(self, agency: str, notice: str) -> InboundPermit | Wait:
        """
        Let *agency* in with *notice* of its manifest, or say by which guard it has to wait, and for how many seconds.

        Raises:
            KeyError: The agency's connector has no `[inbound]`.
        """
        door = self._doors[agency]
        wanted = Wanted(notice, Class.NORMAL)
        wait = self._overload() or self._crowd(door) or door.rate.admit(wanted)
        self._observer.inbound(agency, notice, wait.guard if wait else "accepted")
        if wait:
            return wait
        if door.under_way >= door.at_once:
            slowest = next(iter(door.arriving.values()))
            slowest.release()
            slowest.give_up()
        door.number += 1
        door.rate.granted(door.number, wanted)
        door.under_way += 1
        permit = InboundPermit(door, door.number, wanted, self._clock.monotonic())
        door.arriving[door.number] = permit
        return permit

    def under_way(self, agency: str) -> int:
        """Return how many requests of *agency* are in our hands."""
        return self._doors[agency].under_way

    def _overload(self) -> Wait | None:
        try:
            self._shedding.check(Class.NORMAL)
        except HubOverloaded as refusal:
            return Wait("overload", refusal.retry_after)
        return None

    def _crowd(self, door: _Door) -> Wait | None:
        if door.under_way < door.at_once:
            return None
        first = next(iter(door.arriving.values()), None)
        return None if self._dawdles(first) else Wait("concurrency", _FULL_SECONDS)

    def _dawdles(self, permit: InboundPermit | None) -> bool:
        return permit is not None and self._clock.monotonic() - permit.began >= _PATIENCE
