"""
Whether this process is alive and whether it should be given work. An agency that is down never makes it unready.

`hub/web` serves the answer at `/livez` and `/readyz`; `hub/app.py` says what must work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

PATIENCE = 2.0
"""Seconds a check may take before it counts as failed."""
FRESH = 1.0
"""Seconds for which an answer is given again: a balancer that asks often must not load the store."""


class Unwell(Exception):
    """What a check raises that knows better than its kind what is wrong: its text is shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ready or not, and what each check said: `ok`, the reason, or the kind of what went wrong."""

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


class Readiness:
    """Runs what must work. A check returns when all is well and raises when not."""

    def __init__(self, required: Mapping[str, Callable[[], Awaitable[object]]], monotonic: Callable[[], float]) -> None:
        self._required = required
        self._monotonic = monotonic
        self._last: tuple[float, Verdict] | None = None
        self._stopping = False

    def stop(self) -> None:
        """From now on answer not ready: balancers send new work elsewhere while this process ends its own."""
        self._stopping = True

    async def verdict(self) -> Verdict:
        """Return the answer, at most a second old."""
        if self._stopping:
            return Verdict(False, {"hub": "stopping"})
        now = self._monotonic()
        if self._last is None or now - self._last[0] > FRESH:
            checks = {name: await _outcome(check) for name, check in self._required.items()}
            self._last = (self._monotonic(), Verdict(all(says == "ok" for says in checks.values()), checks))
        return self._last[1]


async def _outcome(check: Callable[[], Awaitable[object]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except Unwell as reason:
        return str(reason)
    except Exception as error:  # whatever it is, it is not ready; the kind is enough for an operator to look
        return type(error).__name__
    return "ok"
