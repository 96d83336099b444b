"""Any sequence of what may happen to a road, for tests that compare two of them."""

from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, Unavailable
from hub.call import Class
from hub.coordination.protocol import ROUTE, STALE, UNSENT, HoldCause, Wanted
from hub.guards.bounds import Bounds

LANES = ("a", "b")
NODES = ("n1", "n2", "n3")
NAMES = (*LANES, f"{ROUTE}lgsp")
BOUNDS = {
    "a": Bounds(20, 3, 10, calls_per_day=500),
    "b": Bounds(20, 3, 4, probe="list_codes", closed=("daily 00:00-00:03",)),
}
ROAD = Bounds(30, 5, 10, calls_per_minute=900)
OUTCOMES = (
    Answered(Result.OK), Answered(Result.OK), UNSENT, STALE, Busy(2.0), Busy(None), Busy(None, route=True),
    InDoubt("timeout"), InDoubt("http_503"), Unavailable("connect"), Unavailable("connect"), Broken("mapping"),
)  # fmt: skip


class Even(Random):
    """Jitter that is always the same: who asks first must not matter to it."""

    def random(self) -> float:
        return 0.5


@dataclass(frozen=True)
class Claim:
    node: str
    lane: str
    wish: Wanted


@dataclass(frozen=True)
class Leave:
    which: int


@dataclass(frozen=True)
class Release:
    which: int
    outcome: Any
    seconds: float


@dataclass(frozen=True)
class Pass:
    seconds: float


@dataclass(frozen=True)
class Order:
    node: str
    what: str
    arguments: tuple[Any, ...]


_wishes = st.builds(
    Wanted, st.sampled_from(["file", "look", "list_codes"]), st.sampled_from(list(Class)), st.booleans()
)
_seconds = st.sampled_from([0.05, 0.2, 1.0, 10.0])
_claims = st.builds(Claim, st.sampled_from(NODES), st.sampled_from(LANES), _wishes)
_names = st.sampled_from(NAMES)
_causes = st.sampled_from(list(HoldCause))
_orders = st.one_of(
    st.tuples(st.just("hold"), st.tuples(_names, _causes, st.sampled_from([None, 0.5, 30.0]), st.sampled_from(["", "look"]))),
    st.tuples(st.just("resume"), st.tuples(_names, st.one_of(st.none(), _causes))),
    st.tuples(st.just("lower"), st.tuples(_names, st.sampled_from([None, 1, 2]), st.sampled_from([None, 2.0]))),
    st.tuples(st.just("stop_retries"), st.tuples(st.booleans())),
)  # fmt: skip
_steps = st.one_of(
    _claims,
    _claims,
    _claims,
    st.builds(Leave, st.integers(0, 9)),
    st.builds(Release, st.integers(0, 9), st.sampled_from(OUTCOMES), _seconds),
    st.builds(Release, st.integers(0, 9), st.sampled_from(OUTCOMES), _seconds),
    st.builds(Pass, st.sampled_from([0.0005, 0.02, 0.1, 1.0, 7.0, 70.0])),
    st.builds(lambda node, order: Order(node, *order), st.sampled_from(NODES), _orders),
)
SEQUENCES = st.lists(_steps, min_size=1, max_size=80)
