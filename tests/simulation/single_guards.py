"""
Scenarios of which each needs one certain guard: without that one, and with all the others, a band breaks.

Which guard that is stands in `ablations.py`. Agencies and contracts are those of `scenarios.py`, where the list is.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from connectors.kit.outcomes import Unavailable
from hub.call import Class
from hub.guards.guard import HoldCause
from tests.simulation.agency import LOOK_UP_SLOWLY, Ability
from tests.simulation.scenario import Band, Scenario
from tests.simulation.simulation import Meddling, Plan, Run, World
from tests.simulation.traffic import Flow

_TEN = Ability()
_SOME, _OTHERS = "some", "others"
"""Those of whom a band speaks, and those who are in their way."""
_MINISTRY, _COMMUNE = ("ministry",), ("commune",)


def _served(flow: str) -> Callable[[Run], float]:
    """Return which part of those who asked in *flow* got a good answer."""
    return lambda run: run.hearing(flow).served()


def _order(at: float, order: Callable[[World], Coroutine[Any, Any, None]]) -> Meddling:
    """Let an operator give *order* at that second."""

    def meddle(world: World) -> None:
        def give() -> None:
            task = asyncio.ensure_future(order(world))
            task.add_done_callback(lambda done: done.result())

        asyncio.get_running_loop().call_later(at, give)

    return meddle


# --- What is sent ----------------------------------------------------------------------------------------------------


def _falls_deep(stretch: float) -> Plan:
    """So deep that all it may have at once takes as long together as anybody waits."""
    third = 60 * stretch
    ability = Ability(workers=24, workers_later=((third, 2), (2 * third, 24)))
    return Plan(ability, (Flow(18.0),), {"calls_at_once": 24}, seconds=3 * third)


def _pressed(run: Run) -> float:
    """Return how many exchanges an agency that fell that deep had at once, ten seconds after it did and later."""
    third = int(run.plan.seconds / 3)
    seconds = run.in_use[third + 10 : 2 * third]
    return sum(seconds) / len(seconds)


def _crowds(stretch: float) -> Plan:
    """Every half minute so many in one moment that the last who are let in have their turn when their time is up."""
    crowds = tuple(Flow(0.0, f"crowd {place}", at_once=150, begins=30.0 * place) for place in range(1, 7))
    return Plan(Ability(mean=2.0), (Flow(2.0, _SOME), *crowds), {"queue_calls": 200}, seconds=220 * stretch)


def _in_vain(run: Run) -> float:
    """Return which part of the exchanges brought nobody an answer in time."""
    came = len(run.agency.door.came)
    return (came - sum(one.good_calls for one in run.hearings)) / came


_STOPPED_AT, _STOP = 60.0, 8.0
_GOES_ON = _STOPPED_AT + _STOP


def _stopped_for_a_while(stretch: float) -> Plan:
    return Plan(_TEN, (Flow(7.0),), seconds=_GOES_ON + 30 * stretch)


def _still_failing(stretch: float) -> Plan:
    return Plan(Ability(failing=(0.2, Unavailable("reset"))), (Flow(3.0),), seconds=120 * stretch)


# --- Who waits, and for how long -------------------------------------------------------------------------------------


def _patient(stretch: float) -> Plan:
    return Plan(_TEN, (Flow(20.0, deadline=30.0),), {"queue_calls": 200}, seconds=120 * stretch)


def _every_class_floods(stretch: float) -> Plan:
    """The counter asks for less than its share, and the others for ten times theirs."""
    flows = (Flow(4.5, _SOME, Class.COUNTER), Flow(50.0, "normal"), Flow(50.0, "bulk", Class.BULK))
    return Plan(_TEN, flows, seconds=90 * stretch)


def _line_full_of(others: Class, some: Flow) -> Callable[[float], Plan]:
    """Others who wait so long that they fill the line, all of them calls of one payer."""
    flood = Flow(40.0, _OTHERS, others, _MINISTRY, deadline=120.0)
    return lambda stretch: Plan(_TEN, (some, flood), seconds=90 * stretch)


_LONG_BEGIN, _LONG_END = 40.0, 60.0


def _long_calls(stretch: float) -> Plan:
    """Somebody comes whose calls take 40 s each, which nobody can know beforehand."""
    flows = (
        Flow(12.0, _SOME, callers=_COMMUNE),
        Flow(1.0, _OTHERS, callers=_MINISTRY, operation=LOOK_UP_SLOWLY, deadline=120.0, begins=_LONG_BEGIN, at_once=10),
    )
    return Plan(
        Ability(workers=30, means={LOOK_UP_SLOWLY: 40.0}), flows, {"call_timeout": 100.0}, seconds=_LONG_END * stretch
    )


def _quick_ones(run: Run) -> float:
    """Return how many quick calls a second were answered beside the long ones."""
    begin = _LONG_BEGIN + 2
    return run.hearing(_SOME).good_between(begin, _LONG_END) / (_LONG_END - begin)


def _hurry(stretch: float) -> Plan:
    """Somebody whose time is over before an answer can be here, at a tenth of what the agency bears."""
    flows = (Flow(3.0, _SOME, Class.COUNTER), Flow(1.0, _OTHERS, Class.BULK, _MINISTRY, deadline=1.0))
    return Plan(Ability(mean=1.5), flows, seconds=120 * stretch)


SINGLE_GUARDS = (
    Scenario(
        "one caller in a hurry",
        "Each exchange that is cut may go on at its agency, and keeps its slot for a minute: so none is cut in its usual time.",
        _hurry,
        (Band("counter calls served", _served(_SOME), least=0.97),),
    ),
    Scenario(
        "capacity / 12 in the middle",
        "An agency that fell so deep is pressed with a third of what its contract allows, and answers more of it in time.",
        _falls_deep,
        (
            Band("goodput in the middle third", lambda run: run.thirds()[1], least=0.75),
            Band("exchanges at once there, on average", _pressed, most=16),
        ),
    ),
    Scenario(
        "crowds",
        "Those whose answer would come too late are told, instead of taking the slots of those behind them (trap 1).",
        _crowds,
        (
            Band("part of the exchanges in vain", _in_vain, most=0.03),
            Band("served of those who come beside the crowds", _served(_SOME), least=0.75),
        ),
    ),
    Scenario(
        "stopped for 8 s by an operator",
        "What waited behind a stop does not come as a wave: the agency may only just have been started.",
        _stopped_for_a_while,
        (
            Band("exchanges in the first moment after it", lambda run: run.agency.door.between(_GOES_ON, _GOES_ON + 0.2), most=4),
            Band("served from 10 s after it on", lambda run: run.served(_GOES_ON + 10, run.plan.seconds), least=0.95),
        ),
        _order(_STOPPED_AT, lambda world: world.coordination.hold("agency", HoldCause.OPERATOR, _STOP)),
    ),
    Scenario(
        "an operator stops all retries",
        "One exchange in five fails, and from one moment on nothing is sent again.",
        _still_failing,
        (
            Band("repeats before", lambda run: run.agency.door.repeats_between(0, _STOPPED_AT), least=10),
            Band("repeats after", lambda run: run.agency.door.repeats_between(_STOPPED_AT, run.plan.seconds), most=0),
        ),
        _order(_STOPPED_AT, lambda world: world.coordination.stop_retries(True)),
    ),
    Scenario(
        "2x, patient callers",
        "Who waits for half a minute need not: half are answered at once, and the others know within a quarter of it (trap 1).",
        _patient,
        (
            Band("goodput", lambda run: run.goodput(), least=0.93),
            Band("median seconds of a good answer", lambda run: run.hearings[0].latency(0.5), most=2.0),
            Band("seconds until 99 of 100 of those refused know", lambda run: run.hearings[0].time_to_refusal(0.99), most=7.5),
        ),
    ),
    Scenario(
        "every class floods",
        "The counter has 60 of 100 turns, whatever the others ask for (traps 16, 17).",
        _every_class_floods,
        (Band("counter calls served", _served(_SOME), least=0.9),),
    ),
    Scenario(
        "a line full of bulk",
        "A call at the counter takes the place of the youngest of them (trap 16).",
        _line_full_of(Class.BULK, Flow(2.0, _SOME, Class.COUNTER, _COMMUNE)),
        (Band("counter calls served", _served(_SOME), least=0.95),),
    ),
    Scenario(
        "a line full of one payer's counter calls",
        "It lets others in while one of them waits, though theirs is a lower class (trap 16).",
        _line_full_of(Class.COUNTER, Flow(1.0, _SOME, callers=_COMMUNE)),
        (Band("others served", _served(_SOME), least=0.17),),
    ),
    Scenario(
        "calls of 40 s beside quick ones",
        "Half of the permits is left to others who wait, before anybody knows how long these calls take (trap 16).",
        _long_calls,
        (Band("quick calls answered a second", _quick_ones, least=2.2),),
    ),
)  # fmt: skip
"""Scenarios for one guard each."""
