"""
What a run looked like from outside, and the promises it has to keep: data and rules, without any I/O.

Known are only the caller's log of what it was told, the agency's log of what arrived, and where each call stands in the
end. `broken` lists every promise that was not kept, in words that name the call. Next: `traffic.py`, which writes it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

ENDED = frozenset({"answered", "in_doubt", "dead", "expired", "cancelled"})
FINAL = ENDED - {"in_doubt"}
"""States that nothing but a person leaves. A doubt may still be cleared by a look-up or by late evidence."""
NOT_LET_IN = frozenset({"login", "fault:429"})
"""Outcomes at the agency's door by which it proves that it did nothing: the same may be sent again, whatever it is."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What the agency bears, over all nodes."""

    per_second: float
    at_once: int
    per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a caller wanted, under one idempotency key."""

    key: str
    operation: str
    subject: str
    """What it is about, as the agency's door sees it: a dossier's code, a procedure's code."""
    durable: bool
    repeat_safe: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """One reply, or none, to one request of the caller. Moments are seconds of one clock, the sandbox's too."""

    at: float
    key: str
    door: str
    """`submit`, `read` or `cancel`."""
    status: int
    """HTTP status; 0: the connection went away before a reply."""
    call: str = ""
    state: str = ""
    """As told; of a problem that says how the call stands (`call.in_doubt` ...) likewise; empty for every other problem."""
    said: str = ""
    """What was told of the answer, byte for byte; empty without one."""
    code: str = ""
    """Of a problem."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request at the agency's door."""

    at: float
    late: float
    """Seconds by which whoever noted the moment may have been late: it truly came between `at - late` and `at`."""
    operation: str
    subject: str
    outcome: str
    processed: bool
    at_once: int


@dataclass(frozen=True, slots=True)
class Stands:
    """Where one call stands in the end, as its caller reads it."""

    call: str
    state: str
    said: str = ""
    """The answer, byte for byte; empty where none is kept."""
    result: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """A whole run."""

    contract: Contract
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """By key."""
    heard: Sequence[Heard] = ()
    """In the order in which it was heard."""
    arrived: Sequence[Arrived] = ()
    stands: Sequence[Stands] = ()
    under: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Calls that are found by each key in the end."""
    all_written: bool = True
    """False: the store was ill, so the answer to a look-up may have been told that could not be recorded."""

    def calls(self) -> dict[str, Stands]:
        return {one.call: one for one in self.stands}


def broken(history: History) -> list[str]:
    """Return every promise that *history* breaks; none for a good one."""
    return [f"{rule.__name__}: {fault}" for rule in RULES for fault in rule(history)]


def accepted_is_there(history: History) -> Iterator[str]:
    """Who was told of a call finds it, once, and ended or still queued; a durable one never just expires."""
    listed = Counter(one.call for one in history.stands)
    yield from (f"{call} is listed {times} times" for call, times in listed.items() if times > 1)
    calls = history.calls()
    told = {heard.call: heard for heard in history.heard if heard.call and heard.state}
    for call, heard in told.items():
        asked, stands = history.asked[heard.key], calls.get(call)
        if stands is None:
            if asked.durable or history.all_written:
                yield f"{call} ({asked.operation}, told {heard.state}) is missing"
        elif stands.state not in ENDED | {"queued"}:
            yield f"{call} ({asked.operation}) stands as {stands.state} for good"
        elif asked.durable and stands.state == "expired":
            yield f"{call} ({asked.operation}) is durable and expired"


def one_key_one_call(history: History) -> Iterator[str]:
    """A durable thing handed in again and again is one call; what was refused each time is none."""
    refused: dict[str, bool] = defaultdict(lambda: True)
    calls: dict[str, set[str]] = defaultdict(set)
    for heard in history.heard:
        if heard.door == "submit":
            refused[heard.key] &= heard.status >= 400 and not heard.call
            calls[heard.key] |= {heard.call} - {""}
    for key, asked in history.asked.items():
        every = calls[key] | set(history.under.get(key, ()))
        if asked.durable and len(every) > 1:
            yield f"{key} ({asked.operation}) became {len(every)} calls"
        if every and key in refused and refused[key]:
            yield f"{key} ({asked.operation}) was refused every time, and is there"


def sent_once(history: History) -> Iterator[str]:
    """What may not be repeated arrives once at most."""
    careful = {(one.operation, one.subject) for one in history.asked.values() if not one.repeat_safe}
    times = Counter((one.operation, one.subject) for one in history.arrived if one.outcome not in NOT_LET_IN)
    yield from (f"{what} arrived {times[what]} times" for what in sorted(careful) if times[what] > 1)


def heard_stays(history: History) -> Iterator[str]:
    """What a caller was told to be the end is the end, and the answer stays the same to the byte."""
    calls = history.calls()
    first: dict[str, Heard] = {}
    for heard in history.heard:
        if not heard.call or heard.state not in FINAL:
            continue
        before = first.setdefault(heard.call, heard)
        if before.state != heard.state or (before.said and heard.said and before.said != heard.said):
            yield f"{heard.call} was told {before.state}, then {heard.state} or another answer"
    for call, heard in first.items():
        stands = calls.get(call)
        if stands is None or not (history.asked[heard.key].durable or history.all_written):
            continue
        if stands.state != heard.state or (stands.said and heard.said and stands.said != heard.said):
            yield f"{call} was told {heard.state}, and stands as {stands.state} or with another answer"


def done_as_told(history: History) -> Iterator[str]:
    """A filing that stands as done was done by the agency."""
    calls = history.calls()
    done = {(one.operation, one.subject) for one in history.arrived if one.processed}
    keys = {heard.call: heard.key for heard in history.heard if heard.call}
    for call, key in keys.items():
        asked, stands = history.asked[key], calls.get(call)
        filing = asked.operation.startswith(("file_", "update_"))
        if filing and stands is not None and stands.result == "ok" and (asked.operation, asked.subject) not in done:
            yield f"{call} ({asked.operation} {asked.subject}) stands as done, and the agency did nothing"


def taken_back_stays_back(history: History) -> Iterator[str]:
    """Nothing arrives of a call after its caller was told that it is cancelled."""
    for heard in history.heard:
        asked = history.asked[heard.key]
        if heard.state != "cancelled":
            continue
        for one in history.arrived:
            about = (one.operation, one.subject) == (asked.operation, asked.subject)
            if about and one.at - one.late > heard.at:
                yield f"{heard.call} arrived {one.at - heard.at:.3f} s after it was cancelled"


def contract_held(history: History) -> Iterator[str]:
    """The agency never gets more than one call above its contract: in any second, in any minute, at once."""
    most = max((one.at_once for one in history.arrived), default=0)
    if most > history.contract.at_once + 1:
        yield f"{most} calls at once"
    came = sorted(history.arrived, key=lambda one: one.at)
    for window, most_in_it in ((1.0, history.contract.per_second), (60.0, history.contract.per_minute)):
        if most_in_it is None:
            continue
        beyond = int(most_in_it) + 1  # so many after one another are one more than allowed, with the one of jitter
        for first, last in zip(came, came[beyond:], strict=False):
            span = last.at - (first.at - first.late)
            if span < window:
                yield f"{beyond + 1} calls in {span:.3f} s"


RULES: tuple[Callable[[History], Iterator[str]], ...] = (
    accepted_is_there,
    one_key_one_call,
    sent_once,
    heard_stays,
    done_as_told,
    taken_back_stays_back,
    contract_held,
)
