"""
Admission: refuse at the door what could not be served in time, before any promise is made. Next: `lane.py`.

It touches no store, reads no body and writes no line per call: refusing has to stay cheap when everything else is not.
"""

from connectors.kit.manifest import Contract
from connectors.kit.outcomes import Answered, Outcome
from hub.call import Class
from hub.clock import Clock
from hub.coordination.protocol import Coordination
from hub.errors import BacklogFull, LaneFull, LaneHeld, LaneOpen, LaneWaitTooLong
from hub.line import SHARES, Line
from hub.refusals import UNTIL_RESUMED
from hub.row import STANDING_PART
from hub.turn import Payer

NOBODY: Payer = ("", "")
"""Somebody for whom nothing waits yet."""
_SMOOTHING = 0.1
COLD = 0.25
"""Of `call_timeout`: how long an exchange takes as long as none has been seen."""
_BACKLOG_PAUSE = 2.0
"""Seconds for which a full backlog is taken to stay full, so that refusing does not ask the store."""
_DRAIN_SECONDS = 0.1


class Admission:
    """The door of one lane: who may join its line or its backlog now."""

    def __init__(self, lane: str, contract: Contract, line: Line, coordination: Coordination, clock: Clock) -> None:
        self._lane = lane
        self._contract = contract
        self._line = line
        self._coordination = coordination
        self._clock = clock
        self._seconds = COLD * contract.call_timeout
        self._answers = 0
        self._full_until = 0.0
        self._drain = 1.0
        self._drain_until = 0.0

    def check(self, operation: str, cls: Class, payer: Payer, *, interactive: bool, seconds: float) -> None:
        """
        Let a call of *payer* in, or refuse it. *seconds* is how long an interactive call can wait.

        Raises:
            LaneHeld: The lane or the operation is stopped for longer than that.
            LaneOpen: The operation keeps failing and is spared for longer than that.
            LaneFull: As many interactive calls wait as the contract allows, or as one payer may have while others wait.
            LaneWaitTooLong: The predicted wait is longer than that, or than the contract's `queue_seconds`.
            BacklogFull: The store said so a moment ago.
        """
        if not interactive:
            left = self._full_until - self._clock.monotonic()
            if left > 0:
                raise BacklogFull(retry_after=left)
            return
        self._line.pressed(cls)
        # In a standing queue the newest goes first and nobody is kept for long: who finds others there hears it now.
        longest = min(seconds, self._contract.queue_seconds)
        patience = min(seconds * STANDING_PART, longest) if self._line.standing(cls) else longest
        stopped = self._stopped(operation, longest)
        if not self._line.count(interactive=True):
            return
        wait = stopped + self.predicted_wait(cls, payer)
        if not self._line.has_room(cls, payer, self._contract.queue_calls):
            raise LaneFull(retry_after=max(1.0, wait))
        if wait > patience:
            raise LaneWaitTooLong(retry_after=wait)

    def _stopped(self, operation: str, seconds: float) -> float:
        """Return for how long *operation* is still stopped, or refuse a call that can wait for less."""
        stop = self._coordination.stopped(self._lane, operation)
        if stop is None:
            return 0.0
        refused = LaneOpen if stop.guard == "breaker" else LaneHeld
        if stop.seconds is None:
            raise refused(stop.cause, retry_after=UNTIL_RESUMED)
        if stop.seconds > seconds:
            raise refused(stop.cause, retry_after=stop.seconds)
        return stop.seconds

    def backlog_full(self) -> None:
        """Note that the store refused a durable call."""
        self._full_until = self._clock.monotonic() + _BACKLOG_PAUSE

    def learn(self, outcome: Outcome, seconds: float) -> None:
        """Note how long an exchange took that was answered; failures say nothing about how fast the line moves."""
        if isinstance(outcome, Answered):
            self._answers += 1  # the first ones count in full: what was taken for granted before is no exchange
            self._seconds += max(_SMOOTHING, 1 / self._answers) * (seconds - self._seconds)

    def predicted_wait(self, cls: Class, payer: Payer = NOBODY) -> float:
        """Return the seconds an interactive call would wait if it came now: calls ahead / its class's part of the drain rate."""
        ahead = self._line.ahead(cls, payer)
        if not ahead:
            return 0.0
        own = SHARES[cls, True]
        return ahead * max(own, self._line.shares_waiting()) / (own * self._drain_rate())

    def _drain_rate(self) -> float:
        """Return calls a second, looked up at most ten times a second: a flood must not pay for it at every call."""
        now = self._clock.monotonic()
        if now >= self._drain_until:
            pace = self._coordination.pace(self._lane)
            self._drain = min(pace.per_second, pace.at_once / max(self._seconds, 1e-6))
            self._drain_until = now + _DRAIN_SECONDS
        return self._drain
