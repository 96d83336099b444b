"""
What can be observed, as one protocol: the engine tells, `metrics.py` counts and `logs.py` writes lines.

Nothing passed here may hold a personal value or a secret: ids, names, codes, numbers and causes only.
"""

from typing import Protocol


class Observer(Protocol):
    """Told by the engine and the doors. Must return at once and never raise."""

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        """A call was let in (`accepted`) or refused, with the problem code as *reason*."""
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
        """A lane was held; None means until somebody resumes it."""
        ...

    def commit(self, seconds: float, statements: int) -> None:
        """The store committed a batch."""
        ...

    def lane(self, agency: str, numbers: dict[str, float]) -> None:
        """Current numbers of a lane, by metric name without prefix, e.g. `queue_calls`, `concurrency_in_use`."""
        ...

    def fault(self, what: str, error: BaseException) -> None:
        """Something of ours failed: kind and place of the error are written, never its message."""
        ...
