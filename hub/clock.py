"""
Time, as a thing that is passed in. Nothing of ours reads a clock in any other way.

`VirtualClock` and `run_virtual` ship with the package so that whole scenarios run without waiting: the event loop
itself jumps to the next timer when nothing else is left to do.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Wall time for records, monotonic time for durations. Both in seconds."""

    def now(self) -> float:
        """Return Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps; equal to the running loop's `time()`."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class SharedClock:
    """
    The wall time of a store that several nodes share, carried on by this machine's clock that never steps.

    Due moments and deadlines are compared by all nodes: they go by one clock, whatever each machine believes.
    """

    def __init__(self, base: Clock) -> None:
        """Until it is set, it shows the wall time of *base*."""
        self._base = base
        self._ahead = base.now() - base.monotonic()

    def now(self) -> float:
        return self._base.monotonic() + self._ahead

    def monotonic(self) -> float:
        return self._base.monotonic()

    def set(self, now: float) -> None:
        """Note that the store says it is *now*, in Unix seconds."""
        self._ahead = now - self._base.monotonic()


class VirtualClock:
    """A clock that moves only when told, or by the `VirtualLoop` it belongs to."""

    def __init__(self, start: float = 1_795_400_000.0) -> None:
        self._start = start
        self._passed = 0.0

    def now(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        """Move forward by *seconds*; wall time and monotonic time move together."""
        self._passed += seconds

    def step_wall(self, seconds: float) -> None:
        """Step wall time alone, forward or back, as a machine does when its clock is set."""
        self._start += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Never sleeps: where a real selector would wait for *timeout*, it moves the clock by as much."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # Nothing is scheduled: only another thread can move us on. Give it time, or hang visibly as asyncio would.
            return super().select(None)
        self._clock.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` is a `VirtualClock`: timers fire in order, at once. No threads, no sockets."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual.monotonic()


def run_virtual(main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run *main* to its end on a loop under *clock*; `asyncio.sleep` costs nothing but virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
