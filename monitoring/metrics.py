"""
Every metric of the hub, declared in one list, and the observer that feeds them. Alerts and dashboards name only these.

Children (one per set of label values) are kept, because looking one up costs three times as much as counting.
"""
# ruff: noqa: ARG002 - an observer is told more than it counts

from collections import Counter as Counted
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

SHORT = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds inside the hub: half a millisecond to five seconds."""
LONG = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds at an agency: ten milliseconds to two minutes, the longest a caller may wait."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what sort it is, its labels in order, and the question it answers."""

    name: str
    sort: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    answers: str
    buckets: tuple[float, ...] = SHORT


METRICS = (
    Metric(
        "hub_calls_total", "counter", ("agency", "operation", "state"), "How many calls reached each state that lasts?"
    ),
    Metric(
        "hub_admission_total",
        "counter",
        ("agency", "class", "decision", "reason"),
        "How many calls were let in or refused, and why?",
    ),
    Metric(
        "hub_inbound_total", "counter", ("agency", "notice", "decision"), "How many notices came, and were they taken?"
    ),
    Metric("hub_predicted_wait_seconds", "gauge", ("agency", "class"), "How long would a call wait that came now?"),
    Metric(
        "hub_queue_calls", "gauge", ("agency", "class", "line"), "How many calls wait, interactive or in the backlog?"
    ),
    Metric(
        "hub_queue_oldest_age_seconds", "gauge", ("agency", "class", "line"), "How long has the oldest call waited?"
    ),
    Metric(
        "hub_exchange_seconds", "histogram", ("agency", "operation", "outcome"), "How long do exchanges take?", LONG
    ),
    Metric(
        "hub_exchanges_total",
        "counter",
        ("agency", "operation", "outcome", "blame"),
        "How do exchanges end, and by whose doing?",
    ),
    Metric("hub_concurrency_limit", "gauge", ("agency",), "How many exchanges at once may there be now?"),
    Metric("hub_concurrency_in_use", "gauge", ("agency",), "How many exchanges are on the wire, cut ones included?"),
    Metric("hub_rate_limit", "gauge", ("agency",), "How many exchanges a second may there be now?"),
    Metric("hub_day_quota_remaining", "gauge", ("agency",), "How many exchanges are left today?"),
    Metric("hub_retry_budget", "gauge", ("agency",), "How many repeats may be made now?"),
    Metric(
        "hub_breaker_state",
        "gauge",
        ("agency", "operation"),
        "Is an operation being spared? 0 closed, 1 probing, 2 open.",
    ),
    Metric(
        "hub_hold_seconds", "gauge", ("agency", "cause"), "For how long is a lane still stopped? +Inf: until resumed."
    ),
    Metric("hub_route_hold_seconds", "gauge", ("route", "cause"), "For how long is a route still stopped?"),
    Metric("hub_share_ratio", "gauge", ("agency", "caller"), "What part of a lane does each caller use?"),
    Metric("hub_dead_letters", "gauge", ("agency",), "How many calls and dead notices need a person?"),
    Metric("hub_answers_left", "gauge", ("agency", "question"), "How many items are left to answer a question with?"),
    Metric("hub_in_doubt", "gauge", ("agency",), "Of how many filings is the outcome unknown?"),
    Metric("hub_polls_total", "counter", ("agency", "notice", "outcome"), "Do polls of notices bring answers?"),
    Metric("hub_pending", "gauge", ("agency",), "How many answers are pending that nobody asks after any more?"),
    Metric(
        "hub_drift_total",
        "counter",
        ("agency", "operation"),
        "How often does a live reply differ from the pinned contract?",
    ),
    Metric("hub_store_commit_seconds", "histogram", (), "How long do commits take?"),
    Metric("hub_node_age_seconds", "gauge", ("node",), "How long ago did each node say that it lives?"),
    Metric("hub_granting", "gauge", ("by",), "Who grants permits now: 1 for redis, shares or none, 0 for the others."),
    Metric("hub_store_bytes", "gauge", (), "How much does the store hold?"),
    Metric("hub_store_most_bytes", "gauge", (), "How much may it hold before durable calls are refused?"),
    Metric("hub_loop_lag_seconds", "histogram", (), "How late does the event loop run what is due?"),
    Metric(
        "hub_overhead_seconds", "histogram", (), "How long were calls in the hub neither waiting nor at the agency?"
    ),
    Metric(
        "hub_retention_rows_total", "counter", ("kind",), "How many records were removed because their time was over?"
    ),
    Metric("hub_pushed_total", "counter", ("caller", "outcome"), "How does pushing events to each caller go?"),
    Metric(
        "hub_push_oldest_age_seconds",
        "gauge",
        ("caller",),
        "How long ago did that happen which a caller could not be told yet?",
    ),
    Metric("hub_dead_events", "gauge", ("caller",), "How many events could not be delivered to each caller?"),
    Metric(
        "hub_reconciled",
        "gauge",
        ("agency", "operation", "verdict"),
        "How did the filings of the day that was compared last stand at their agency?",
    ),
)
"""All of them. A gauge of a lane is fed by `Observer.lane` under its name without `hub_`."""

GRANTING = ("redis", "shares", "none")
"""Who can grant permits of a hub of several nodes."""
_LANE, _ROUTE = "hub_hold_seconds", "hub_route_hold_seconds"
_SORTS: dict[str, type[Counter | Gauge | Histogram]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Metrics:
    """An observer that counts. *monotonic* in seconds tells how much of a hold is left when somebody looks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each counter that nobody reads
        self._monotonic = monotonic
        self._registry = CollectorRegistry()
        self._families = {metric.name: self._family(metric) for metric in METRICS}
        self._labels = {metric.name: metric.labels for metric in METRICS}
        self._children: dict[tuple[str, ...], Any] = {}
        self._admissions: Counted[tuple[str, str, str, str]] = Counted()
        """Not told to the library yet: under a flood its own way of counting is a good part of what a refusal costs."""
        self._nodes: set[str] = set()
        self._reconciled: set[tuple[str, str, str]] = set()
        self._holds: dict[tuple[str, str, str], float] = {}
        """When each hold ends, by metric, lane or route, and cause."""

    def _family(self, metric: Metric) -> Any:
        extra: dict[str, Any] = {"buckets": metric.buckets} if metric.sort == "histogram" else {}
        return _SORTS[metric.sort](metric.name, metric.answers, metric.labels, registry=self._registry, **extra)

    def child(self, name: str, *values: str) -> Any:
        """Return the counter, gauge or histogram of *name* for these label values, made once."""
        key = (name, *values)
        child = self._children.get(key)
        if child is None:
            family = self._families[name]
            child = self._children[key] = family.labels(*values) if self._labels[name] else family
        return child

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        now = self._monotonic()
        for (metric, who, cause), until in self._holds.items():
            self.child(metric, who, cause).set(max(0.0, until - now))
        for labels, count in self._admissions.items():
            self.child("hub_admission_total", *labels).inc(count)
        self._admissions.clear()
        return generate_latest(self._registry)

    def loop_lag(self, seconds: float) -> None:
        """The event loop ran a timer *seconds* late."""
        self.child("hub_loop_lag_seconds").observe(seconds)

    def needing(self, agency: str, dead: int, in_doubt: int, pending: int) -> None:
        """So many calls of *agency* need a person, by the store's count."""
        self.child("hub_dead_letters", agency).set(dead)
        self.child("hub_in_doubt", agency).set(in_doubt)
        self.child("hub_pending", agency).set(pending)

    def store_size(self, used: int, most: int) -> None:
        """The store holds *used* bytes, of *most* that it may."""
        self.child("hub_store_bytes").set(used)
        self.child("hub_store_most_bytes").set(most)

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        self._admissions[agency, cls, decision, reason] += 1

    def inbound(self, agency: str, notice: str, decision: str) -> None:
        self.child("hub_inbound_total", agency, notice, decision).inc()

    def arrived(self, agency: str, notice: str, way: str, size: int, seconds: float) -> None: ...

    def answers_left(self, agency: str, question: str, left: int) -> None:
        self.child("hub_answers_left", agency, question).set(left)

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
        self.child("hub_exchanges_total", agency, operation, outcome, blame).inc()
        self.child("hub_exchange_seconds", agency, operation, outcome).observe(seconds)

    def call_ended(
        self,
        call: str,
        agency: str,
        operation: str,
        state: str,
        cause: str,
        overhead: float,
        traceparent: str,
    ) -> None:
        self.child("hub_calls_total", agency, operation, state).inc()
        self.child("hub_overhead_seconds").observe(overhead)

    def drift(self, agency: str, operation: str, places: tuple[str, ...]) -> None:
        self.child("hub_drift_total", agency, operation).inc()

    def hold(self, agency: str, cause: str, seconds: float | None) -> None:
        self._held(_LANE, agency, cause, seconds)

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        self._held(_ROUTE, route, cause, seconds)

    def route(self, route: str, numbers: dict[str, float]) -> None:
        self._holds_now(_ROUTE, route, numbers)

    def commit(self, seconds: float, statements: int) -> None:
        self.child("hub_store_commit_seconds").observe(seconds)

    def lane(self, agency: str, numbers: dict[str, float]) -> None:
        self._holds_now(_LANE, agency, numbers)
        for name, number in numbers.items():
            name, *labels = name.split("/")
            name = "hub_" + name
            if name == _LANE:
                continue
            if name in self._labels:  # an engine newer than this list must not stop the counting
                self.child(name, *((agency, *labels) if self._labels[name][0] == "agency" else labels)).set(number)

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None:
        for node in self._nodes - ages.keys():  # it has left: its age would stand still for ever
            self._families["hub_node_age_seconds"].remove(node)
            self._children.pop(("hub_node_age_seconds", node), None)
        self._nodes = set(ages)
        for node, age in ages.items():
            self.child("hub_node_age_seconds", node).set(age)
        for by in GRANTING:
            self.child("hub_granting", by).set(by == granting)

    def retention(self, removed: dict[str, int]) -> None:
        for kind, count in removed.items():
            self.child("hub_retention_rows_total", kind).inc(count)

    def polled(self, agency: str, notice: str, outcome: str, cause: str, taken: int) -> None:
        self.child("hub_polls_total", agency, notice, outcome).inc()

    def reconciled(self, agency: str, day: str, outcome: str, cause: str) -> None: ...

    def reconciled_last(self, agency: str, counts: dict[str, dict[str, int]]) -> None:
        """The last day of *agency* that was compared has so many calls by operation and verdict."""
        now = {(agency, operation, verdict): n for operation, some in counts.items() for verdict, n in some.items()}
        self._reconciled |= now.keys()
        for labels in self._reconciled:
            if labels[0] == agency:  # what was not filed on that day has nothing that is missing
                self.child("hub_reconciled", *labels).set(now.get(labels, 0))

    def fault(self, what: str, error: BaseException) -> None: ...

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None:
        self.child("hub_pushed_total", caller, outcome).inc()

    def pushing(self, ages: dict[str, float], dead: dict[str, int]) -> None:
        """By caller: seconds since the oldest thing happened that it was not told yet, and its dead events."""
        for name, now in (("hub_push_oldest_age_seconds", ages), ("hub_dead_events", dead)):
            for caller in {key[1] for key in self._children if key[0] == name} | now.keys():
                self.child(name, caller).set(now.get(caller, 0))

    def _held(self, metric: str, who: str, cause: str, seconds: float | None) -> None:
        self._holds[metric, who, cause] = float("inf") if seconds is None else self._monotonic() + seconds

    def _holds_now(self, metric: str, who: str, numbers: dict[str, float]) -> None:
        """Take the holds in *numbers* for all there are: one that somebody resumed is not among them."""
        for key in self._holds:
            if key[:2] == (metric, who):
                self._holds[key] = 0.0
        for name, number in numbers.items():
            if name.startswith("hold_seconds/"):
                self._held(metric, who, name.partition("/")[2], number)
