"""What coordination promises about single guards: probes that pay and are few, switches that act at once, numbers that tell."""

from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import UNSENT, Coordination, HoldCause, Permit, Wait, Wanted
from hub.guards.bounds import Bounds
from tests.contract.groups import Nodes

OK = Answered(Result.OK)
DOWN = Unavailable("connect")
CALL = Wanted("lookup_citizen", Class.NORMAL)
REPEAT = Wanted("lookup_citizen", Class.NORMAL, repeat=True)
WIDE = Bounds(calls_per_second=1000, calls_at_once=4, call_timeout=10, calls_per_day=100_000)
Make = Callable[..., Awaitable[Coordination]]


@pytest.fixture(params=["in process", "in Redis"])
async def make(request: pytest.FixtureRequest, clock: VirtualClock, redis_server: Redis) -> AsyncIterator[Make]:
    nodes = Nodes(redis_server.address(), clock)

    async def build(bounds: Bounds = WIDE) -> Coordination:
        if request.param == "in process":
            built: Coordination = InProcess(clock, Random(3), {"police": bounds})
        else:
            built = await nodes.join({"police": bounds}, random=Random(3))
            await built.claim("police", [])
        clock.advance(1)
        return built

    yield build
    await nodes.aclose()


async def ask(group: Coordination, wanted: Wanted = CALL) -> Permit | Wait:
    (answer,) = await group.claim("police", [wanted])
    return answer


async def permit(group: Coordination, wanted: Wanted = CALL) -> Permit:
    answer = await ask(group, wanted)
    assert isinstance(answer, Permit), answer
    return answer


async def wait(group: Coordination, wanted: Wanted = CALL) -> Wait:
    answer = await ask(group, wanted)
    assert isinstance(answer, Wait)
    return answer


async def exchange(group: Coordination, outcome: Outcome | str = OK, wanted: Wanted = CALL) -> Permit:
    one = await permit(group, wanted)
    await group.release(one, outcome, 0.1)
    return one


async def spare(group: Coordination, operation: str = "lookup_citizen") -> Wanted:
    """Let *operation* fail until it is spared; return the wish for it."""
    wanted = Wanted(operation, Class.NORMAL)
    for _ in range(5):
        await exchange(group, DOWN, wanted)
    return wanted


# --- Breakers and probes ---------------------------------------------------------------------------------------------


async def test_a_failing_operation_is_spared_and_the_others_go_on(make: Make) -> None:
    group = await make()
    failing = await spare(group)
    stopped = await wait(group, failing)
    assert (stopped.guard, stopped.cause, stopped.whole) == ("breaker", "connect", False)
    await exchange(group, OK, Wanted("verify_citizen", Class.NORMAL))
    assert group.stopped("police", "lookup_citizen") == stopped
    assert group.stopped("police", "verify_citizen") is None


async def test_one_probe_finds_out_whether_it_works_again(make: Make, clock: VirtualClock) -> None:
    group = await make()
    failing = await spare(group)
    clock.advance(6)
    probe = await permit(group, failing)
    assert probe.probe
    assert (await wait(group, failing)).seconds is None
    await group.release(probe, OK, 0.1)
    assert not (await permit(group, failing)).probe


async def test_a_probe_pays_from_the_retry_budget_whatever_it_sends_unless_it_was_not_sent(
    make: Make, clock: VirtualClock
) -> None:
    group = await make()
    failing = await spare(group)
    clock.advance(6)
    left = group.watch("police")["retry_budget"]
    probe = await permit(group, failing)
    assert group.watch("police")["retry_budget"] == pytest.approx(left - 1)
    await group.release(probe, UNSENT, 0.0)
    assert group.watch("police")["retry_budget"] == pytest.approx(left)


async def test_an_empty_budget_stops_repeats_and_no_probe(make: Make, clock: VirtualClock) -> None:
    group = await make()
    for _ in range(12):
        answer = await ask(group, REPEAT)
        if isinstance(answer, Permit):
            await group.release(answer, Busy(None), 0.1)
            clock.advance(70)  # past the hold
    while isinstance(answer := await ask(group, REPEAT), Permit):
        await group.release(answer, OK, 0.1)
    assert (answer.guard, answer.whole) == ("retry", False)
    await group.hold("police", HoldCause.AUTH, 1.0)
    clock.advance(1.1)
    assert (await permit(group, CALL)).probe


async def test_a_harmless_operation_is_named_where_there_is_one(make: Make, clock: VirtualClock) -> None:
    group = await make(Bounds(1000, 4, 10, probe="list_codes"))
    failing = await spare(group, "file_dossier")
    clock.advance(6)
    assert (await wait(group, failing)).probe == "list_codes"
    trial = await permit(group, Wanted("list_codes", Class.COUNTER))
    assert trial.probe
    await group.release(trial, OK, 0.1)
    assert not (await permit(group, failing)).probe


async def test_resume_closes_the_breakers_too_unless_it_is_about_one_cause(make: Make) -> None:
    group = await make()
    failing = await spare(group)
    await group.resume("police", HoldCause.BUSY)
    assert isinstance(await ask(group, failing), Wait)
    await group.resume("police")
    await permit(group, failing)


# --- Switches of an operator -----------------------------------------------------------------------------------------


async def test_stopping_all_retries_acts_at_the_next_claim_and_wakes_when_it_is_over(make: Make) -> None:
    group = await make()
    woken: list[str] = []
    group.subscribe("police", lambda: woken.append("police"))
    await exchange(group, OK, REPEAT)
    await group.stop_retries(True)
    stopped = await wait(group, REPEAT)
    assert (stopped.guard, stopped.seconds, stopped.cause) == ("retry", None, "retries_stopped")
    await exchange(group)
    woken.clear()
    await group.stop_retries(False)
    assert woken
    await exchange(group, OK, REPEAT)


async def test_a_lane_lowered_with_permits_out_converges_and_counts_right(make: Make, clock: VirtualClock) -> None:
    group = await make()
    out = [await permit(group) for _ in range(4)]
    await group.lower("police", 1, 2.0)
    assert group.pace("police").at_once == 1
    for one in out:
        assert isinstance(await ask(group), Wait)
        await group.release(one, OK, 0.1)
    assert group.watch("police")["concurrency_in_use"] == 0
    granted = 0
    for _ in range(100):
        clock.advance(0.1)
        answer = await ask(group)
        if isinstance(answer, Permit):
            granted += 1
            await group.release(answer, OK, 0.1)
    assert 15 <= granted <= 20, "two a second for ten seconds"
    await group.lower("police", None, None)
    assert group.pace("police").per_second == pytest.approx(900)


async def test_lowering_never_raises_above_the_contract(make: Make) -> None:
    group = await make()
    await group.lower("police", 100, 1e6)
    assert (group.pace("police").at_once, group.pace("police").per_second) == (4, pytest.approx(900))


async def test_lifting_wakes_the_lane(make: Make) -> None:
    group = await make()
    woken: list[str] = []
    group.subscribe("police", lambda: woken.append("police"))
    await group.lower("police", 1, None)
    woken.clear()
    await group.lower("police", None, None)
    assert woken


# --- After a stop ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [HoldCause.OPERATOR, HoldCause.MAINTENANCE, HoldCause.AUTH, HoldCause.BUSY])
async def test_what_waited_behind_a_stop_rises_step_by_step(make: Make, clock: VirtualClock, cause: HoldCause) -> None:
    group = await make()
    await group.hold("police", cause, 30.0)
    await wait(group)
    clock.advance(31)
    widths = []
    for _ in range(3):
        out = []
        while isinstance(answer := await ask(group), Permit):
            out.append(answer)
        widths.append(len(out))
        assert group.pace("police").ramping is (len(out) < 4)
        for one in out:
            await group.release(one, OK, 0.1)
    assert widths == [1, 2, 4]


async def test_a_stop_behind_which_nobody_waited_has_no_ramp(make: Make, clock: VirtualClock) -> None:
    group = await make()
    await group.hold("police", HoldCause.OPERATOR, 30.0)
    clock.advance(31)
    assert len([one for one in await group.claim("police", [CALL] * 9) if isinstance(one, Permit)]) == 4


async def test_an_agency_opens_by_its_hours_with_one_exchange_first(make: Make, clock: VirtualClock) -> None:
    minute = int((clock.now() + 7 * 3600) % 86_400) // 60
    group = await make(Bounds(1000, 4, 10, closed=(f"daily 00:00-{(minute + 5) // 60:02}:{(minute + 5) % 60:02}",)))
    stopped = await wait(group)
    assert (stopped.guard, stopped.cause) == ("hold", "maintenance")
    assert stopped.seconds is not None
    assert 200 <= stopped.seconds <= 360
    assert group.stopped("police", "lookup_citizen") == stopped
    await group.resume("police")
    assert isinstance(await ask(group), Wait), "nobody can open it from here"
    clock.advance(stopped.seconds)
    (first, *rest) = await group.claim("police", [CALL] * 3)
    assert isinstance(first, Permit)
    assert not first.probe
    assert all(isinstance(answer, Wait) for answer in rest)


# --- Numbers ---------------------------------------------------------------------------------------------------------


async def test_the_pace_follows_what_the_guards_have_learnt(make: Make, clock: VirtualClock) -> None:
    group = await make()
    assert group.pace("police").p95 == 0.0
    for _ in range(20):
        one = await permit(group)
        await group.release(one, OK, 2.5)
    assert group.pace("police").p95 == 2.5
    clock.advance(100)
    one = await permit(group)
    await group.release(one, InDoubt("http_503"), 0.1)
    assert group.pace("police").at_once < 4
    why, seconds = group.moved("police")
    assert why == "cut: http_503"
    clock.advance(7)
    assert group.moved("police") == (why, pytest.approx(seconds + 7))


async def test_the_state_of_each_breaker_is_a_number(make: Make, clock: VirtualClock) -> None:
    group = await make()
    await exchange(group, OK, Wanted("verify_citizen", Class.NORMAL))
    await spare(group)
    numbers = group.watch("police")
    assert numbers["breaker_state/lookup_citizen"] == 2
    assert numbers["breaker_state/verify_citizen"] == 0
    clock.advance(6)
    assert group.watch("police")["breaker_state/lookup_citizen"] == 1
