"""
What can be observed, as one protocol: the engine tells, `metrics.py` counts and `logs.py` writes lines.

Nothing passed here may hold a personal value or a secret: ids, names, codes, numbers and causes only. `Fan` tells
several observers; `Silent` is the observer of tests and tools that watch nothing.
"""

from typing import Protocol


class Observer(Protocol):
    """Told by the engine and the doors. Must return at once and never raise."""

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        """A call was let in (`accepted`) or refused, with the problem code as *reason*."""
        ...

    def inbound(self, agency: str, notice: str, decision: str) -> None:
        """
        An agency came with a notice, which was let in (`accepted`) or refused: `rate`, `concurrency` or `overload`.

        Of what was let in, how it ended: `taken`, `seen`, `refused`, `denied` or `busy`.
        """
        ...

    def arrived(self, agency: str, notice: str, way: str, size: int, seconds: float) -> None:
        """An agency that was let in has its answer; *size* is of what it sent, in bytes."""
        ...

    def answers_left(self, agency: str, question: str, left: int) -> None:
        """So many items are left to answer *question* of *agency* with; an agency that asks when none is, is refused."""
        ...

    def exchange(
        self,
        call: str,
        agency: str,
        operation: str,
        outcome: str,
        blame: str,
        cause: str,
        seconds: float,
        traceparent: str,
    ) -> None:
        """An exchange ended. *blame* is caller, hub, agency, route, auth or contract."""
        ...

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None:
        """A call reached a state that lasts. *overhead* is seconds in the hub that were neither waiting nor agency."""
        ...

    def drift(self, agency: str, operation: str, places: tuple[str, ...]) -> None:
        """A live reply differed from the pinned contract at *places*, without breaking the mapping."""
        ...

    def hold(self, agency: str, cause: str, seconds: float | None) -> None:
        """A lane was held; None means until somebody resumes it, and 0.0 that somebody did."""
        ...

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        """A shared route was held, and with it every lane on it; seconds as of a lane."""
        ...

    def commit(self, seconds: float, statements: int) -> None:
        """The store committed a batch."""
        ...

    def lane(self, agency: str, numbers: dict[str, float]) -> None:
        """
        Current numbers of a lane, by metric name without prefix, e.g. `concurrency_in_use`.

        Labels other than the agency follow after slashes, in the order of `metrics.METRICS`:
        `queue_calls/counter/interactive`, `breaker_state/lookup_citizen`, `hold_seconds/busy`.
        """
        ...

    def route(self, route: str, numbers: dict[str, float]) -> None:
        """Current numbers of a shared route, named as those of a lane."""
        ...

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None:
        """
        How long ago, in seconds, each node of the hub said that it lives, this one included, and which of them do.

        *granting*: by what this node grants permits: `redis`, `shares`, or `none` while nobody can.
        """
        ...

    def retention(self, removed: dict[str, int]) -> None:
        """A pass of the retention is over that removed so many records of each kind: the name of their table."""
        ...

    def polled(self, agency: str, notice: str, outcome: str, cause: str, taken: int) -> None:
        """A poll was run to its end: `answered` with so many new notices, `held`, or what kept it from an answer."""
        ...

    def reconciled(self, agency: str, day: str, outcome: str, cause: str) -> None:
        """What was filed on a day was compared with what its agency has: `answered`, or what kept it from its end."""
        ...

    def fault(self, what: str, error: BaseException) -> None:
        """Something of ours failed: kind and place of the error are written, never its message."""
        ...

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None:
        """An event was pushed: `delivered`, `held`, `failed`, `dead` (for good) or `gone` (so is the receiver)."""
        ...


class Silent:
    """Watches nothing. Derive from it to observe one thing only."""

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None: ...

    def inbound(self, agency: str, notice: str, decision: str) -> None: ...

    def arrived(self, agency: str, notice: str, way: str, size: int, seconds: float) -> None: ...

    def answers_left(self, agency: str, question: str, left: int) -> None: ...

    def exchange(
        self,
        call: str,
        agency: str,
        operation: str,
        outcome: str,
        blame: str,
        cause: str,
        seconds: float,
        traceparent: str,
    ) -> None: ...

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None: ...

    def drift(self, agency: str, operation: str, places: tuple[str, ...]) -> None: ...

    def hold(self, agency: str, cause: str, seconds: float | None) -> None: ...

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None: ...

    def commit(self, seconds: float, statements: int) -> None: ...

    def lane(self, agency: str, numbers: dict[str, float]) -> None: ...

    def route(self, route: str, numbers: dict[str, float]) -> None: ...

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None: ...

    def retention(self, removed: dict[str, int]) -> None: ...
    def polled(self, agency: str, notice: str, outcome: str, cause: str, taken: int) -> None: ...
    def reconciled(self, agency: str, day: str, outcome: str, cause: str) -> None: ...

    def fault(self, what: str, error: BaseException) -> None: ...

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None: ...


class Fan:
    """Tells every observer, in the order given."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        for observer in self._observers:
            observer.admission(agency, cls, decision, reason)

    def inbound(self, agency: str, notice: str, decision: str) -> None:
        for observer in self._observers:
            observer.inbound(agency, notice, decision)

    def arrived(self, agency: str, notice: str, way: str, size: int, seconds: float) -> None:
        for observer in self._observers:
            observer.arrived(agency, notice, way, size, seconds)

    def answers_left(self, agency: str, question: str, left: int) -> None:
        for observer in self._observers:
            observer.answers_left(agency, question, left)

    def exchange(
        self,
        call: str,
        agency: str,
        operation: str,
        outcome: str,
        blame: str,
        cause: str,
        seconds: float,
        traceparent: str,
    ) -> None:
        for observer in self._observers:
            observer.exchange(call, agency, operation, outcome, blame, cause, seconds, traceparent)

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None:
        for observer in self._observers:
            observer.call_ended(call, agency, operation, state, cause, overhead, traceparent)

    def drift(self, agency: str, operation: str, places: tuple[str, ...]) -> None:
        for observer in self._observers:
            observer.drift(agency, operation, places)

    def hold(self, agency: str, cause: str, seconds: float | None) -> None:
        for observer in self._observers:
            observer.hold(agency, cause, seconds)

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        for observer in self._observers:
            observer.route_hold(route, cause, seconds)

    def commit(self, seconds: float, statements: int) -> None:
        for observer in self._observers:
            observer.commit(seconds, statements)

    def lane(self, agency: str, numbers: dict[str, float]) -> None:
        for observer in self._observers:
            observer.lane(agency, numbers)

    def route(self, route: str, numbers: dict[str, float]) -> None:
        for observer in self._observers:
            observer.route(route, numbers)

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None:
        for observer in self._observers:
            observer.nodes(ages, alive, granting)

    def retention(self, removed: dict[str, int]) -> None:
        for observer in self._observers:
            observer.retention(removed)

    def polled(self, agency: str, notice: str, outcome: str, cause: str, taken: int) -> None:
        for observer in self._observers:
            observer.polled(agency, notice, outcome, cause, taken)

    def reconciled(self, agency: str, day: str, outcome: str, cause: str) -> None:
        for observer in self._observers:
            observer.reconciled(agency, day, outcome, cause)

    def fault(self, what: str, error: BaseException) -> None:
        for observer in self._observers:
            observer.fault(what, error)

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None:
        for observer in self._observers:
            observer.push(subscription, caller, outcome, cause)
