"""Ready means that this process can do its own work, whatever the agencies do."""

import asyncio

from hub.clock import VirtualClock, run_virtual
from monitoring.health import Readiness, Verdict


async def fine() -> None: ...


async def broken() -> None:
    raise OSError("disk full")


async def hanging() -> None:
    await asyncio.sleep(3600)


def ask(readiness: Readiness, clock: VirtualClock) -> Verdict:
    return run_virtual(readiness.verdict(), clock)


def test_all_well_is_ready() -> None:
    clock = VirtualClock()
    assert ask(Readiness({"store": fine}, clock.monotonic), clock) == Verdict(True, {"store": "ok"})


def test_a_failing_or_hanging_check_makes_it_unready_in_bounded_time() -> None:
    clock = VirtualClock()
    verdict = ask(Readiness({"store": broken, "other": hanging}, clock.monotonic), clock)
    assert verdict == Verdict(False, {"store": "OSError", "other": "TimeoutError"})
    assert clock.monotonic() < 3


def test_an_answer_is_given_again_for_a_second() -> None:
    clock, asked = VirtualClock(), []

    async def check() -> None:
        asked.append(clock.monotonic())

    readiness = Readiness({"store": check}, clock.monotonic)
    for seconds in (0, 0.5, 0.4, 0.2):
        clock.advance(seconds)
        ask(readiness, clock)
    assert len(asked) == 2


def test_a_stopping_hub_is_not_ready() -> None:
    clock = VirtualClock()
    readiness = Readiness({"store": fine}, clock.monotonic)
    readiness.stop()
    assert ask(readiness, clock) == Verdict(False, {"hub": "stopping"})
