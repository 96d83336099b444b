"""
One JSON line per event, with call id and traceparent. What `FIELDS` does not declare cannot be written.

Redaction is by construction: every field is an id, a name, a code, a number or a cause; an error is written as its
kind and the places it passed through, never its message, and a line of a library without its arguments.
"""

import logging
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePath
from typing import BinaryIO, Final

from pydantic_core import to_json

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "refusals": ("agency", "class", "reason", "count"),
    "inbound_refusals": ("agency", "notice", "reason", "count"),
    "notice": ("agency", "notice", "way", "bytes", "seconds"),
    "no_answers_left": ("agency", "question"),
    "exchange": ("call", "agency", "operation", "outcome", "blame", "cause", "seconds", "traceparent"),
    "call": ("call", "agency", "operation", "state", "cause", "overhead", "traceparent"),
    "drift": ("agency", "operation", "places"),
    "hold": ("agency", "cause", "seconds"),
    "route_hold": ("route", "cause", "seconds"),
    "node": ("node", "alive", "cause"),
    "granting": ("by",),
    "push": ("subscription", "caller", "outcome", "cause"),
    "poll": ("agency", "notice", "outcome", "cause", "taken"),
    "reconciled": ("agency", "day", "outcome", "cause"),
    "fault": ("what", "kind", "at"),
    "library": ("logger", "level", "says", "kind", "at"),
    "ready": ("listen", "admin", "agencies", "version"),
    "stopping": ("seconds",),
    "stopped": (),
    "lines_lost": ("count",),
    "retention": ("removed",),
}
"""Every event and its fields, in the order in which `LineWriter.event` takes their values."""

HANOI: Final = timezone(timedelta(hours=7))
_TOLD: Final = frozenset({"accepted", "taken", "seen", "refused"})
"""How what an agency sent ends with a line of its own, or begins; whatever else becomes of it is counted."""
REFUSALS_EVERY: Final = 10.0
"""Seconds between two lines about refusals of one lane and reason: a flood must not become a flood of lines."""


class LineWriter:
    """
    Writes lines from a thread of its own, ten times a second, so that a slow disk or pipe never stops the loop.

    At most *most* lines wait; what comes beyond is dropped, counted, and told in a line `lines_lost`.
    """

    def __init__(self, out: BinaryIO, now: Callable[[], float], most: int = 10_000) -> None:
        self._out = out
        self._now = now
        self._most = most
        self._lines: list[bytes] = []
        self._lost = 0
        self._second = (-1, "")
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log lines", daemon=True)
        self._thread.start()

    def event(self, event: str, *values: object) -> None:
        """Queue one line: *values* in the order of `FIELDS[event]`. Strings, numbers, None, tuples and dictionaries of these."""
        if len(self._lines) >= self._most:
            self._lost += 1
            return
        line: dict[str, object] = {"at": self._moment(), "event": event}
        line.update(zip(FIELDS[event], values, strict=True))
        self._lines.append(to_json(line))

    def flush(self) -> None:
        """Write what waits, now."""
        with self._writing:
            lines, self._lines = self._lines, []
            lost, self._lost = self._lost, 0
            if lost:
                lines.append(to_json({"at": self._moment(), "event": "lines_lost", "count": lost}))
            if not lines:
                return
            try:
                self._out.write(b"\n".join(lines) + b"\n")
                self._out.flush()
            except (OSError, ValueError):  # nobody reads us any more; the hub's work is not to write lines
                self._lost += len(lines)

    def close(self) -> None:
        """Write what waits and end the thread. Idempotent."""
        self._stop.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.flush()

    def _moment(self) -> str:
        now = self._now()
        second = int(now)
        if self._second[0] != second:
            self._second = (second, datetime.fromtimestamp(second, UTC).astimezone(HANOI).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{int((now - second) * 1000):03d}+07:00"


class _Untold:
    """How many refusals of one lane and reason no line has told yet, and since when."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        self.count = 0
        self.since = float("-inf")


class LogLines:
    """An observer that writes lines; refusals are counted and told every ten seconds, commits and numbers not at all."""

    def __init__(self, writer: LineWriter, monotonic: Callable[[], float]) -> None:
        self._writer = writer
        self._monotonic = monotonic
        self._refused: dict[tuple[str, ...], _Untold] = {}
        self._alive: frozenset[str] = frozenset()
        self._granting = ""

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        if decision != "accepted":
            self._refusal("refusals", agency, cls, reason)

    def inbound(self, agency: str, notice: str, decision: str) -> None:
        if decision not in _TOLD:
            self._refusal("inbound_refusals", agency, notice, decision)

    def arrived(self, agency: str, notice: str, way: str, size: int, seconds: float) -> None:
        if way in _TOLD:
            self._writer.event("notice", agency, notice, way, size, round(seconds, 5))

    def answers_left(self, agency: str, question: str, left: int) -> None:
        if left == 0:
            self._writer.event("no_answers_left", agency, question)

    def _refusal(self, *what: str) -> None:
        untold = self._refused.get(what)
        if untold is None:
            untold = self._refused[what] = _Untold()
        untold.count += 1
        now = self._monotonic()
        if now - untold.since >= REFUSALS_EVERY:
            self._writer.event(*what, untold.count)
            untold.count, untold.since = 0, now

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
        self._writer.event("exchange", call, agency, operation, outcome, blame, cause, round(seconds, 4), traceparent)

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None:
        self._writer.event("call", call, agency, operation, state, cause, round(overhead, 5), traceparent)

    def drift(self, agency: str, operation: str, places: tuple[str, ...]) -> None:
        self._writer.event("drift", agency, operation, places)

    def hold(self, agency: str, cause: str, seconds: float | None) -> None:
        self._writer.event("hold", agency, cause, seconds)

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        self._writer.event("route_hold", route, cause, seconds)

    def commit(self, seconds: float, statements: int) -> None: ...

    def lane(self, agency: str, numbers: dict[str, float]) -> None: ...

    def route(self, route: str, numbers: dict[str, float]) -> None: ...

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None:
        """
        Write a line when a node comes or goes, or when permits are granted by something else.

        One that was stopped says goodbye and is in no list any more; one that is `silent` died, or is cut off.
        """
        for node in sorted(alive ^ self._alive):
            cause = "started" if node in alive else "silent" if node in ages else "stopped"
            self._writer.event("node", node, node in alive, cause)
        self._alive = alive
        if granting != self._granting:
            self._granting = granting
            self._writer.event("granting", granting)

    def retention(self, removed: dict[str, int]) -> None:
        self._writer.event("retention", removed)

    def polled(self, agency: str, notice: str, outcome: str, cause: str, taken: int) -> None:
        if taken or outcome != "answered":  # one that found nothing new is counted, and no news
            self._writer.event("poll", agency, notice, outcome, cause, taken)

    def reconciled(self, agency: str, day: str, outcome: str, cause: str) -> None:
        self._writer.event("reconciled", agency, day, outcome, cause)

    def fault(self, what: str, error: BaseException) -> None:
        self._writer.event("fault", what, *kind_and_places(error))

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None:
        """Write a line of what did not arrive: what did is counted."""
        if outcome != "delivered":
            self._writer.event("push", subscription, caller, outcome, cause)


class LibraryLines(logging.Handler):
    """Takes the lines of libraries: logger, level, the message before its arguments are filled in, kind of error."""

    def __init__(self, writer: LineWriter, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        kind, places = (
            kind_and_places(error) if error else ("", (f"{record.filename}:{record.lineno} {record.funcName}",))
        )
        # A message without arguments may have been put together before it was logged, of anything: its place says enough.
        says = record.msg[:200] if record.args and isinstance(record.msg, str) else ""
        self._writer.event("library", record.name, record.levelname, says, kind, places)


def kind_and_places(error: BaseException) -> tuple[str, tuple[str, ...]]:
    """Return the class of *error* and of what caused it, and the last five places it passed, as `file:line function`."""
    kinds = [type(error).__name__]
    cause = error.__cause__ or error.__context__
    while cause is not None and len(kinds) < 4:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return " < ".join(kinds), tuple(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
