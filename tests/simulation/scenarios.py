"""
The scenarios, and the bands that each must keep under every seed. Read `simulation.py` first.

Unless a scenario says otherwise, an agency has 8 workers of 0.8 s (10 calls a second), callers wait for 10 s, the
contract allows exactly what the agency can do at once and far more calls a second than it can do, so that concurrency
is the bottleneck. *stretch* makes the steady stretches of a scenario longer; tests run at 1. Those that need one
certain guard stand in `single_guards.py`; the list at the end has all.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from connectors.kit.outcomes import InDoubt, Unavailable
from hub.call import Class
from tests.simulation.agency import FILE, LOOK_UP_SICK, LOOK_UP_SLOWLY, Ability, Outage, Sick
from tests.simulation.scenario import Band, Scenario
from tests.simulation.simulation import Plan, Run
from tests.simulation.single_guards import SINGLE_GUARDS
from tests.simulation.traffic import Flow


def _thirds(first: float, second: float, last: float) -> tuple[Band, ...]:
    return (
        Band("goodput in the first third", lambda run: run.thirds()[0], least=first),
        Band("goodput in the middle third", lambda run: run.thirds()[1], least=second),
        Band("goodput in the last third", lambda run: run.thirds()[2], least=last),
    )


def _drift(run: Run) -> float:
    third = run.plan.seconds / 3
    return run.mean_limit(2 * third) / run.mean_limit(third, 2 * third)


_NO_DRIFT = Band("limit of the last third / of the middle third", _drift, most=1.2)
_TEN = Ability()
"""Ten calls a second."""


# --- More than the agency can do -------------------------------------------------------------------------------------


def _steady(at_once: int) -> Callable[[float], Plan]:
    return lambda stretch: Plan(_TEN, (Flow(20.0),), {"calls_at_once": at_once}, seconds=300 * stretch)


def _quarter(stretch: float) -> Plan:
    third = 240 * stretch
    return Plan(Ability(workers_later=((third, 2), (2 * third, 8))), (Flow(20.0),), seconds=3 * third)


_SLOW = {"call_timeout": 60.0, "queue_calls": 20}


def _slow(at_once: int) -> Callable[[float], Plan]:
    return lambda stretch: Plan(
        Ability(workers=2, mean=3.0), (Flow(4 / 3, deadline=30.0),), {"calls_at_once": at_once, **_SLOW}, seconds=1800 * stretch
    )  # fmt: skip


def _slow_quarter(stretch: float) -> Plan:
    third = 900 * stretch
    return Plan(
        Ability(workers=4, mean=4.0, workers_later=((third, 1), (2 * third, 4))),
        (Flow(1.5, deadline=40.0),),
        {"calls_at_once": 8, **_SLOW},
        seconds=3 * third,
    )


def _lowered_and_raised(run: Run) -> float:
    """Return how far the limit came down in the middle third, or back up in the last one, whichever is less."""
    third = run.plan.seconds / 3
    before, little, after = (run.mean_limit((part + 0.5) * third, (part + 1) * third) for part in range(3))
    return min(before, after) / little


def _busy(says: float | None) -> Callable[[float], Plan]:
    return lambda stretch: Plan(
        Ability(busy_above=8, busy_says=says), (Flow(20.0),), {"calls_at_once": 16}, seconds=300 * stretch
    )


def _busy_share(run: Run) -> float:
    return run.agency.said["Busy"] / len(run.agency.door.came)


def _overload(times: float, queue_calls: int, seconds: float) -> Callable[[float], Plan]:
    return lambda stretch: Plan(_TEN, (Flow(10.0 * times),), {"queue_calls": queue_calls}, seconds=seconds * stretch)


def _rate_bound(stretch: float) -> Plan:
    return Plan(_TEN, (Flow(10.0),), {"calls_per_second": 5.0}, seconds=300 * stretch)


def _of_the_rate(run: Run) -> float:
    """Return good answers as a part of 0.9 x the rate contract, after the first minute."""
    rate = 0.9 * run.agency.contract.calls_per_second
    return sum(one.good_between(60, run.plan.seconds) for one in run.hearings) / (rate * (run.plan.seconds - 60))


# --- Less than it can do ---------------------------------------------------------------------------------------------


def _calm(at_once: int) -> Callable[[float], Plan]:
    return lambda stretch: Plan(_TEN, (Flow(7.0),), {"calls_at_once": at_once}, seconds=300 * stretch)


def _outage(load: float, seconds: float, sick: Sick, says: float | None = None) -> Callable[[float], Plan]:
    ability = Ability(workers=4, outages=(Outage(60.0, seconds, sick),), busy_says=says)
    contract = {"calls_at_once": 4, "call_timeout": 5.0}
    return lambda stretch: Plan(ability, (Flow(5.0 * load),), contract, seconds=60 + seconds + 60 + 90 * stretch)


def _back(seconds: float, least: float = 0.95) -> Band:
    return Band(
        "served from a minute after the outage on", lambda run: run.served(60 + seconds + 60, run.plan.seconds), least=least
    )  # fmt: skip


def _self_lock(stretch: float) -> Plan:
    # For a minute and a half every answer takes longer than anybody waits.
    return Plan(Ability(slower_later=((60.0, 20.0), (150.0, 1.0))), (Flow(7.0),), seconds=150 + 45 + 120 * stretch)


def _collapse(stretch: float) -> Plan:
    ability = Ability(sigma=1.0, outages=(Outage(40.0, 8.0, Sick.STALLED),))
    return Plan(ability, (Flow(7.0),), seconds=100 + 200 * stretch)


# --- Who gets it -----------------------------------------------------------------------------------------------------

_COUNTER, _BULK = "counter", "bulk"


def _counter_flood(stretch: float) -> Plan:
    flows = (Flow(30.0, _COUNTER, Class.COUNTER), Flow(3.0, _BULK, Class.BULK))
    return Plan(_TEN, flows, seconds=200 * stretch)


def _bulk_flood(stretch: float) -> Plan:
    flows = (Flow(2.0, _COUNTER, Class.COUNTER), Flow(100.0, _BULK, Class.BULK))
    return Plan(_TEN, flows, seconds=90 * stretch)


def _part(flow: str) -> Callable[[Run], float]:
    """Return good answers of *flow* as a part of all that the agency could have done."""
    return lambda run: run.hearing(flow).good_between(0, run.plan.seconds) / run.could(0, run.plan.seconds)


_HEAVY, _LIGHT = "heavy", "light"


def _heavy_caller(stretch: float) -> Plan:
    flows = (Flow(30.0, _HEAVY, callers=("ministry",)), Flow(0.5, _LIGHT, callers=("commune",)))
    return Plan(_TEN, flows, seconds=200 * stretch)


def _heavy_unit(stretch: float) -> Plan:
    flows = (Flow(30.0, _HEAVY, units=("H01",)), Flow(0.5, _LIGHT, units=tuple(f"H{n}" for n in range(10, 20))))
    return Plan(_TEN, flows, seconds=200 * stretch)


def _slow_asker(stretch: float) -> Plan:
    """Two callers who ask for the same number of calls, one of them for calls that take eight times as long."""
    flows = (
        Flow(10.0, _HEAVY, callers=("ministry",), operation=LOOK_UP_SLOWLY, deadline=20.0),
        Flow(10.0, _LIGHT, callers=("commune",), deadline=20.0),
    )
    return Plan(Ability(means={LOOK_UP_SLOWLY: 4.0}, mean=0.5), flows, seconds=300 * stretch)


def _agency_seconds_of_light(run: Run) -> float:
    """Return which part of the agency's time the light caller got."""
    heavy, light = (run.hearing(flow).good_calls for flow in (_HEAVY, _LIGHT))
    return 0.5 * light / (4.0 * heavy + 0.5 * light)


def _filings_beside(stretch: float) -> Plan:
    """Look-ups at 2x beside a steady stream of filings."""
    flows = (Flow(20.0, _HEAVY), Flow(2.0, _LIGHT, operation=FILE, deadline=60.0))
    return Plan(_TEN, flows, seconds=200 * stretch)


_WELL, _ILL = "well", "ill"


def _sick_operation(outcome: InDoubt | None) -> Callable[[float], Plan]:
    ability = Ability(fails={LOOK_UP_SICK: outcome})
    flows = (Flow(6.0, _WELL), Flow(6.0, _ILL, operation=LOOK_UP_SICK))
    return lambda stretch: Plan(ability, flows, {"call_timeout": 5.0}, seconds=240 * stretch)


def _sporadic(stretch: float) -> Plan:
    ability = Ability(failing=(0.2, Unavailable("reset")))
    return Plan(ability, (Flow(5.0),), seconds=200 * stretch)


# --- The list --------------------------------------------------------------------------------------------------------

_KINDS = (Sick.STALLED, Sick.BLACK_HOLE, Sick.REFUSED, Sick.HTTP_503)

_ALL = (
    Scenario(
        "steady 2x",
        "Twice what the agency can do, for long: a limit that follows the overload drifts up until nothing is good (A).",
        _steady(8),
        (*_thirds(0.95, 0.95, 0.95), _NO_DRIFT),
    ),
    Scenario(
        "steady 2x, ceiling 2x too high",
        "The contract claims twice what the agency can really do at once (A).",
        _steady(16),
        (*_thirds(0.95, 0.95, 0.95), _NO_DRIFT),
    ),
    Scenario(
        "capacity / 4 in the middle",
        "Six of eight workers leave and come back: the limit must follow down and up (B).",
        _quarter,
        _thirds(0.95, 0.90, 0.95),
    ),
    Scenario(
        "slow 2x",
        "Two workers of 3 s: too few samples for any window of seconds (C).",
        _slow(2),
        _thirds(0.95, 0.95, 0.95),
    ),
    Scenario(
        "slow 2x, ceiling 2x too high",
        "The same, with a contract that claims twice as much (C).",
        _slow(4),
        (*_thirds(0.95, 0.95, 0.95), _NO_DRIFT),
    ),
    Scenario(
        "slow, capacity / 4 in the middle",
        "At 0.25-1 calls a second the controller must act, down and up (trap 4).",
        _slow_quarter,
        (Band("limit before and after / in the middle", _lowered_and_raised, least=1.5), *_thirds(0.9, 0.8, 0.9)),
    ),
    Scenario(
        "429 above 8",
        "The contract allows 16 at once, the agency says 429 above 8 and not for how long (D).",
        _busy(None),
        (
            Band("goodput", lambda run: run.goodput(), least=0.85),
            Band("part of the exchanges that was a 429", _busy_share, most=0.05),
        ),
    ),
    Scenario(
        "429 above 8, with Retry-After",
        "The same, and it wants to be left alone for 3 s each time (D).",
        _busy(3.0),
        (
            Band("goodput", lambda run: run.goodput(), least=0.85),
            Band("part of the exchanges that was a 429", _busy_share, most=0.05),
        ),
    ),
    Scenario(
        "1.2x, long line",
        "A little too much with a line longer than anybody's patience: first come, first served answers everybody late (trap 1).",
        _overload(1.2, 200, 300),
        (
            Band("goodput", lambda run: run.goodput(), least=0.90),
            Band("median seconds of a good answer", lambda run: run.hearings[0].latency(0.5), most=4.0),
        ),
    ),
    Scenario(
        "10x",
        "Ten times too much: those who cannot be served hear so at once.",
        _overload(10, 40, 90),
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band(
                "seconds until 90 of 100 of those refused know",
                lambda run: run.hearings[0].time_to_refusal(0.9),
                most=0.1,
            ),
            Band(
                "seconds until 99 of 100 of those refused know: nobody is kept for more than a quarter of its patience",
                lambda run: run.hearings[0].time_to_refusal(0.99),
                most=2.5,
            ),
        ),
    ),
    Scenario(
        "rate is the bottleneck",
        "The agency could do twice what its contract allows a second.",
        _rate_bound,
        (Band("goodput of 0.9 x the rate contract", _of_the_rate, least=0.95),),
    ),
    Scenario(
        "calm 0.7x",
        "Less than it can do: all that guards against overload costs nothing.",
        _calm(8),
        (Band("served", lambda run: run.served(), least=0.98),),
    ),
    Scenario(
        "calm 0.7x, ceiling 2x too high",
        "The same with room to spare.",
        _calm(16),
        (Band("served", lambda run: run.served(), least=0.98),),
    ),
    *(
        Scenario(
            f"outage of 60 s at 0.8x, {sick.value}",
            "What was not sent, or was sent in vain, must not keep it down once it is back (trap 2).",
            _outage(0.8, 60, sick),
            (_back(60),),
        )
        for sick in _KINDS
    ),
    Scenario(
        "outage of 60 s at 0.8x, http 429",
        "An agency that says 429 with 5 s for a minute gets one call for each time it says so.",
        _outage(0.8, 60, Sick.HTTP_429, 5.0),
        # The limit stays below the number at which it was told so, for a minute and more: the price of believing it.
        (_back(60), Band("exchanges in the outage", lambda run: run.agency.door.between(62, 120), most=16)),
    ),
    Scenario(
        "outage of 60 s at 0.5x, stalled",
        "Metastable at half load without bounds.",
        _outage(0.5, 60, Sick.STALLED),
        (_back(60),),
    ),
    Scenario(
        "outage of 15 s at 0.8x, stalled",
        "Short, and metastable all the same.",
        _outage(0.8, 15, Sick.STALLED),
        (_back(15),),
    ),
    Scenario(
        "outage of 15 s at 0.5x, black hole", "Short, at half load.", _outage(0.5, 15, Sick.BLACK_HOLE), (_back(15),)
    ),
    Scenario(
        "answers slower than any patience",
        "All answers take 16 s for 90 s, then 0.8 s again: an estimate that only calls can correct must not stop all calls (trap 33).",
        _self_lock,
        (
            Band("served from 45 s after it on", lambda run: run.served(195, run.plan.seconds), least=0.95),
            Band("exchanges while it is slow", lambda run: run.agency.door.between(90, 150), least=3),
        ),
    ),
    Scenario(
        "collapsed limit",
        "A short stall of an agency with a wide spread, at 0.7x: the limit must grow back to what is needed (trap 5).",
        _collapse,
        (
            Band("served from 52 s after it on", lambda run: run.served(100, run.plan.seconds), least=0.97),
            Band("mean limit of the last third", lambda run: run.mean_limit(2 * run.plan.seconds / 3), least=6.0),
        ),
    ),
    Scenario(
        "counter flood beside bulk",
        "Three times too many counter calls: bulk keeps its share (trap 17).",
        _counter_flood,
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band("bulk's part of the agency", _part(_BULK), least=0.07),
        ),
    ),
    Scenario(
        "bulk flood beside the counter",
        "A hundred bulk calls for two counter calls: the counter does not notice (traps 16, 17).",
        _bulk_flood,
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band("counter calls served", lambda run: run.hearing(_COUNTER).served(), least=0.98),
            Band("seconds for 99 of 100 counter calls", lambda run: run.hearing(_COUNTER).latency(0.99), most=5.0),
        ),
    ),
    Scenario(
        "one caller floods another",
        "Sixty calls of one for each of the other, in one class: who asks little is served (trap 16).",
        _heavy_caller,
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band("light caller served", lambda run: run.hearing(_LIGHT).served(), least=0.95),
        ),
    ),
    Scenario(
        "one unit floods others",
        "The same between units of one caller (trap 16).",
        _heavy_unit,
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band("light units served", lambda run: run.hearing(_LIGHT).served(), least=0.95),
        ),
    ),
    Scenario(
        "slow calls against quick ones",
        "Turns are shared by the agency's time, not by number: the caller of slow calls does not get eight times as much (trap 18).",
        _slow_asker,
        (Band("the quick caller's part of the agency's time", _agency_seconds_of_light, least=0.3),),
    ),
    Scenario(
        "filings beside a flood of look-ups",
        "Durable calls keep their share while people wait.",
        _filings_beside,
        (
            Band("goodput", lambda run: run.goodput(), least=0.95),
            Band("filings done within a minute", lambda run: run.hearing(_LIGHT).served(0, 130), least=0.98),
        ),
    ),
    Scenario(
        "one operation hangs",
        "One of two operations never answers: the other must not pay for it with the lane's slots (trap 10).",
        _sick_operation(None),
        (
            Band("the well operation served", lambda run: run.hearing(_WELL).served(60, run.plan.seconds), least=0.9),
            Band("goodput of the well operation at first", lambda run: run.hearing(_WELL).served(), least=0.78),
        ),
    ),
    Scenario(
        "one operation fails",
        "One of two operations answers 500 at once: it is spared, and the other goes on.",
        _sick_operation(InDoubt("http_500")),
        (
            Band("the well operation served", lambda run: run.hearing(_WELL).served(), least=0.92),
            Band(
                "exchanges of the ill operation, of all calls for it",
                lambda run: run.agency.door.by_operation[LOOK_UP_SICK] / run.hearing(_ILL).offered_calls,
                most=0.2,
            ),
        ),
    ),
    Scenario(
        "one exchange in five fails",
        "Too few for a breaker, enough for a storm of repeats: these keep to their budget, and first tries go on.",
        _sporadic,
        (Band("served", lambda run: run.served(), least=0.8),),
    ),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({one.name: one for one in (*_ALL, *SINGLE_GUARDS)})
"""Every scenario by name."""
