"""The simulator itself: it repeats itself, its store agrees with the real one, its agencies and doors count right."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from connectors.kit.exchange import WireRequest
from connectors.kit.outcomes import Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from hub.clock import VirtualClock, run_virtual
from hub.store.sqlite import SqliteStore
from tests.simulation.agency import LOOK_UP, QUICK, Ability, Outage, Sick, SimulatedAgency
from tests.simulation.door import Door
from tests.simulation.report import line_of
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import simulate


def real_store(clock: VirtualClock) -> SqliteStore:
    return SqliteStore.in_memory(clock, backlog_calls={"agency": 1_000_000})


@pytest.mark.parametrize("name", ["filings beside a flood of look-ups", "outage of 60 s at 0.8x, refused"])
def test_the_played_store_and_the_real_one_give_the_same_run(name: str) -> None:
    plan = SCENARIOS[name].plan(0.3)
    played, real = (line_of(simulate(plan, 1, **given), (), 0.0) for given in ({}, {"store": real_store}))
    assert played == real


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    plan = SCENARIOS["steady 2x"].plan(0.2)
    runs = [line_of(simulate(plan, seed), (), 0.0) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


# --- Agencies --------------------------------------------------------------------------------------------------------

Answer = tuple[float, Outcome | StaleCredentials]


def ask(
    ability: Ability, arrivals: list[tuple[float, str]], *, timeout: float = 30.0
) -> tuple[list[Answer], SimulatedAgency]:
    """Send calls at given moments to an agency, and return when and how each ended."""
    clock = VirtualClock()

    async def run() -> tuple[list[Answer], SimulatedAgency]:
        agency = SimulatedAgency("agency", ability, 1)

        async def one(number: int, at: float, operation: str) -> Answer:
            await asyncio.sleep(at)
            outcome = await agency.send(operation, WireRequest("POST", str(number), {}, b"", False), timeout=timeout)
            return clock.monotonic(), outcome

        answers = await asyncio.gather(*(one(number, *arrival) for number, arrival in enumerate(arrivals)))
        await asyncio.sleep(100)  # let what we gave up on come to its end
        return list(answers), agency

    return run_virtual(run(), clock)


def test_service_times_have_the_mean_and_the_spread_that_were_asked_for() -> None:
    answers, _ = ask(Ability(workers=1000, mean=0.8), [(0.0, LOOK_UP)] * 640)
    seconds = sorted(at for at, _ in answers)
    assert sum(seconds) / len(seconds) == pytest.approx(0.8, rel=0.001)
    assert seconds[320] == pytest.approx(0.8 * 0.835, rel=0.05), "the median lies below the mean by exp(-sigma^2 / 2)"
    assert seconds[608] / seconds[320] == pytest.approx(2.68, rel=0.1), "exp(1.645 sigma)"


def test_workers_take_one_call_each_and_the_rest_waits_in_order() -> None:
    answers, _ = ask(Ability(workers=2, mean=1.0, sigma=0.0), [(0.0, LOOK_UP)] * 6)
    assert [at for at, _ in answers] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_work_that_was_given_up_is_done_all_the_same() -> None:
    answers, agency = ask(
        Ability(workers=1, mean=8.0, sigma=0.0), [(0.0, LOOK_UP)] * 3 + [(15.0, LOOK_UP)], timeout=10.0
    )
    assert [type(outcome) for _, outcome in answers] == [*[type(answers[0][1])], InDoubt, InDoubt, InDoubt]
    assert answers[0][0] == 8.0
    assert agency.at_once == 0, "32 s of work were done for one answer"


def test_above_a_number_at_once_it_says_429_and_notes_who_does_not_listen() -> None:
    ability = Ability(workers=4, mean=10.0, sigma=0.0, busy_above=2, busy_says=5.0)
    answers, agency = ask(ability, [(0.0, LOOK_UP)] * 3 + [(1.0, LOOK_UP), (20.0, LOOK_UP)])
    assert answers[2] == (QUICK, Busy(5.0))
    assert agency.while_quiet == 1, "the one after a second; the one after twenty is welcome"


@pytest.mark.parametrize(
    ("sick", "at", "outcome"),
    [
        (Sick.STALLED, 30.0, None),
        (Sick.BLACK_HOLE, 40.0, InDoubt("timeout")),
        (Sick.REFUSED, 10.0 + QUICK, Unavailable("refused")),
        (Sick.HTTP_503, 10.0 + QUICK, InDoubt("http_503")),
        (Sick.HTTP_429, 10.0 + QUICK, Busy(None)),
    ],
)
def test_an_agency_that_is_out_says_what_it_should(sick: Sick, at: float, outcome: Outcome | None) -> None:
    ability = Ability(mean=1.0, sigma=0.0, outages=(Outage(5.0, 24.0, sick),))
    answers, _ = ask(ability, [(10.0, LOOK_UP)])
    assert answers[0][0] == pytest.approx(at)
    if outcome is not None:
        assert answers[0][1] == outcome


def test_workers_leave_and_come_back_and_all_work_gets_slower() -> None:
    ability = Ability(workers=4, mean=1.0, sigma=0.0, workers_later=((9.5, 1), (19.5, 4)), slower_later=((29.5, 5.0),))
    answers, _ = ask(ability, [(0.0, LOOK_UP)] * 4 + [(10.0, LOOK_UP)] * 4 + [(20.0, LOOK_UP)] * 4 + [(30.0, LOOK_UP)])
    assert sorted(at for at, _ in answers) == [1, 1, 1, 1, 11, 12, 13, 14, 21, 21, 21, 21, 35]


# --- Doors -----------------------------------------------------------------------------------------------------------


def slow_excess(came: list[float], rate: float) -> float:
    """Look at every window, as the definition says."""
    return max(
        (end - begin + 1 - rate * max(1.0, came[end] - came[begin]) for begin in range(len(came)) for end in range(begin, len(came))),
        default=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arrivals", [lambda random: random.expovariate(5.0), lambda random: random.choice([0.0, 0.1, 3.0])]
)
def test_the_fullest_window_of_a_second_or_more_is_found(arrivals: Callable[[Random], float]) -> None:
    random, door, at = Random(1), Door(10.0), 0.0
    for number in range(200):
        at += arrivals(random)
        door.enter(at, str(number), LOOK_UP)
    assert door.excess(4.0) == pytest.approx(max(0.0, slow_excess(door.came, 4.0)))


def test_a_cut_exchange_is_at_the_door_until_its_ghost_time_is_over() -> None:
    door = Door(15.0)
    door.leave(door.enter(0.0, "a", LOOK_UP), 10.0, cut=True)
    door.leave(door.enter(11.0, "b", LOOK_UP), 12.0, cut=False)
    door.leave(door.enter(12.0, "b", LOOK_UP), 13.0, cut=False)
    assert door.most_at_once() == 2
    assert door.repeats == 1
