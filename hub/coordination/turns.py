"""
Who has waited longest for something that there is too little of. Next: `road.py`.

An asker is whoever claims for one lane: the lane's name, and after a slash the node's where there are several.
"""

from dataclasses import dataclass, field

from hub.clock import Clock
from hub.guards.guard import Wait
from hub.guards.written import Moment

_LEAST = 1e-6


@dataclass(slots=True)
class TurnsState:
    """What all nodes share of who waits."""

    waiting: dict[str, None] = field(default_factory=dict)
    """Askers that were made to wait, longest first: in this order they are called, and served."""
    called: str | None = None
    """The asker whose turn it is, if it asks before `called_until`."""
    called_until: Moment = 0.0


class Turns:
    """Lets nobody past who has waited for longer, unless that one wants nothing any more."""

    def __init__(self, clock: Clock, patience: float) -> None:
        """*patience*: seconds that are left to the asker that is called; then it wants nothing any more."""
        self._clock = clock
        self._patience = patience
        self.state = TurnsState()

    def turn(self, asker: str, calls: list[str]) -> Wait | None:
        """Return the wait of *asker* if another goes first, who is added to *calls* when it has to be told."""
        state = self.state
        now = self._clock.monotonic()
        if state.called is not None and now >= state.called_until:
            state.waiting.pop(state.called, None)
            state.called = None
        first = next(iter(state.waiting), asker)
        if first == asker:
            return None
        if state.called is None:
            state.called, state.called_until = first, now + self._patience
            calls.append(first)
        state.waiting.setdefault(asker)
        return Wait("turn", max(_LEAST, state.called_until - now))

    def wait(self, asker: str) -> None:
        """Note that *asker* has to wait."""
        self.state.waiting.setdefault(asker)

    def gone(self, asker: str) -> None:
        """Note that *asker* does not wait here: it was served, or something else is in its way."""
        state = self.state
        state.waiting.pop(asker, None)
        if state.called == asker:
            state.called = None
