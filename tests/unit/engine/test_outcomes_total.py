"""
What every outcome means for every kind of call, in one table, checked twice: in the pure verdict, and in what is settled.

By design: outcome -> for interactive look-up, durable look-up, repeat-safe filing, other filing: the state that follows,
whether it counts as an attempt, and who is to blame.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from hub.call import MOVES, State
from hub.errors import HubError
from hub.guards.retry import DURABLE_ATTEMPTS, INTERACTIVE_ATTEMPTS
from hub.store.protocol import Settlement, Sought
from hub.verdicts import OUTCOMES, verdict, verified
from mappings.errors import Fault
from tests.unit.engine.stage import OPERATIONS, World, play

ANSWERED, QUEUED, IN_DOUBT, DEAD, EXPIRED = State.ANSWERED, State.QUEUED, State.IN_DOUBT, State.DEAD, State.EXPIRED
FAULTS = (Fault("MaCanBo", "source `officer.account` is not given"),)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    outcome: Outcome | StaleCredentials
    states: tuple[State, State, State, State]
    attempt: bool
    blame: str


KINDS = ("interactive look-up", "durable look-up", "repeat-safe filing", "other filing")
OPERATION = ("lookup_citizen", "lookup_citizen", "file_ordered", "file_blindly")

TABLE: Mapping[str, Row] = {
    "ok": Row(Answered(Result.OK), (ANSWERED,) * 4, False, "agency"),
    "not found": Row(Answered(Result.NOT_FOUND), (ANSWERED,) * 4, False, "agency"),
    "refused": Row(Answered(Result.REFUSED), (ANSWERED,) * 4, False, "agency"),
    "pending": Row(Answered(Result.PENDING), (ANSWERED,) * 4, False, "agency"),
    "exists, and no step would update it": Row(Answered(Result.EXISTS), (DEAD,) * 4, False, "contract"),
    "busy": Row(Busy(2.0), (QUEUED,) * 4, False, "agency"),
    "gateway busy": Row(Busy(2.0, "throttled", route=True), (QUEUED,) * 4, False, "route"),
    "token of the route refused": Row(StaleCredentials("wso2_900901", route=True), (QUEUED,) * 4, False, "auth"),
    "unavailable": Row(Unavailable("connect"), (QUEUED,) * 4, True, "agency"),
    "in doubt": Row(InDoubt("reset"), (QUEUED, QUEUED, QUEUED, IN_DOUBT), True, "agency"),
    "unreadable": Row(Broken("no_row"), (DEAD, DEAD, IN_DOUBT, IN_DOUBT), False, "contract"),
    "refused before processing": Row(
        Broken("http_400", refused_before_processing=True), (DEAD,) * 4, False, "contract"
    ),
    "cannot be written": Row(Broken("mapping", FAULTS, sent=False), (DEAD,) * 4, False, "caller"),
    "our own fault before sending": Row(Broken("fault", sent=False), (DEAD,) * 4, False, "hub"),
    "credentials refused": Row(StaleCredentials(), (QUEUED,) * 4, False, "auth"),
}
LAST: Mapping[str, tuple[State, State, State, State]] = {
    "unavailable": (EXPIRED, DEAD, DEAD, DEAD),
    "in doubt": (EXPIRED, DEAD, IN_DOUBT, IN_DOUBT),
}
"""The states after the last attempt, where they differ."""

every_row = pytest.mark.parametrize("row", TABLE)
every_kind = pytest.mark.parametrize("kind", range(4), ids=KINDS)


def test_the_table_is_total() -> None:
    assert {type(row.outcome) for row in TABLE.values()} == {*get_args(Outcome), StaleCredentials} == set(OUTCOMES)
    assert {row.outcome.result for row in TABLE.values() if isinstance(row.outcome, Answered)} == set(Result)
    assert set(LAST) == {name for name, row in TABLE.items() if row.attempt}, "only attempts can be the last"


@every_row
@every_kind
@pytest.mark.parametrize("last", [False, True], ids=["early", "last"])
def test_each_outcome_moves_each_kind_of_call_as_designed(row: str, kind: int, last: bool) -> None:
    async def scenario(world: World) -> None:
        call = world.hub._call(
            submission(world, kind), world.agency.operations[OPERATION[kind]], 60.0, interactive=kind == 0
        )
        most = INTERACTIVE_ATTEMPTS if call.interactive else DURABLE_ATTEMPTS
        call = replace(call, state=State.SENDING, attempts=most - 1 if last else 0)
        operation = OPERATIONS[OPERATION[kind]]
        told = verdict(TABLE[row].outcome, call, repeat_safe=operation.repeat_safe, then=operation.then)
        states = LAST[row] if last and row in LAST else TABLE[row].states
        assert (told.state, told.attempt, told.blame) == (states[kind], TABLE[row].attempt, TABLE[row].blame)
        assert told.state in MOVES[State.SENDING]
        assert (told.again is not None) == (told.state is State.QUEUED or told.pending), "what goes again says when"

    play(scenario, start=False)


@every_row
@every_kind
def test_each_outcome_is_settled_as_the_table_says(row: str, kind: int) -> None:
    """Through the whole engine: one exchange, and what the store was told of it."""

    async def scenario(world: World) -> None:
        settled: asyncio.Queue[Settlement] = asyncio.Queue()
        settle = world.store.settle

        async def watched(settlement: Settlement) -> Any:
            settled.put_nowait(settlement)
            return await settle(settlement)

        world.store.settle = watched
        prepare(world, row, OPERATION[kind])
        asked = asyncio.create_task(world.hub.submit(submission(world, kind)))
        told, wanted = await settled.get(), TABLE[row]
        assert (told.state, told.attempt, told.outcome) == (
            wanted.states[kind],
            wanted.attempt,
            OUTCOMES[type(wanted.outcome)],
        )
        assert world.log.exchanges[0][1:3] == (told.outcome, wanted.blame)
        await asyncio.sleep(0.02)
        (record,) = await world.store.find(Sought())
        assert record.call.attempts == wanted.attempt, "the store counts what the table says"
        if wanted.states[kind] is not State.QUEUED:
            assert record.call.state is wanted.states[kind]
            await heard(asked, wanted, kind)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        world.agency.unwritable.clear()
        world.agency.otherwise = lambda _: (0.01, Answered(Result.OK))
        await asyncio.sleep(200)

    play(scenario)


async def heard(asked: "asyncio.Task[Any]", wanted: Row, kind: int) -> None:
    """An interactive caller has heard the answer or a problem; a ticket was given long before."""
    if kind == 0 and wanted.states[kind] is not State.ANSWERED:
        with pytest.raises(HubError) as told:
            await asked
        assert told.value.call, "a problem names its call"
        codes = {"contract": "agency.broken", "caller": "request.invalid", "hub": "internal"}
        assert told.value.code == codes[wanted.blame]
    else:
        assert (await asked).state in (State.ANSWERED, State.QUEUED)


def prepare(world: World, row: str, operation: str) -> None:
    outcome = TABLE[row].outcome
    if isinstance(outcome, Broken) and not outcome.sent:
        if outcome.faults:
            world.agency.unwritable.add(operation)
        else:
            world.agency.render = broken_connector  # type: ignore[method-assign]
        return
    world.agency.will[operation].append((0.1, outcome))
    world.agency.otherwise = lambda _: (9.0, Answered(Result.OK))


def broken_connector(*_: object, **__: object) -> Any:
    raise RuntimeError("a fault in a hook")


def submission(world: World, kind: int) -> Any:
    operation = world.agency.operations[OPERATION[kind]]
    request = operation.request.model_validate({"code": "H32-1"} if kind >= 2 else {"citizen_id": "000123456789"})
    return world.submission(operation.name, request, wait=30.0 if kind == 0 else None)


@pytest.mark.parametrize(
    ("outcome", "agrees", "sees_writes", "state"),
    [
        (Answered(Result.OK), True, False, ANSWERED),
        (Answered(Result.OK), False, False, IN_DOUBT),
        (Answered(Result.OK), False, True, IN_DOUBT),
        (Answered(Result.NOT_FOUND), False, False, IN_DOUBT),
        (Answered(Result.NOT_FOUND), False, True, QUEUED),
        (Answered(Result.REFUSED), False, True, IN_DOUBT),
        (Answered(Result.PENDING), True, True, IN_DOUBT),
        (Answered(Result.EXISTS), True, True, IN_DOUBT),
        (Busy(1.0), False, True, IN_DOUBT),
        (Unavailable("connect"), False, True, IN_DOUBT),
        (InDoubt("timeout"), False, True, IN_DOUBT),
        (Broken("no_row"), False, True, IN_DOUBT),
        (StaleCredentials(), False, True, IN_DOUBT),
    ],
)
def test_only_proof_ends_a_doubt(outcome: Any, agrees: bool, sees_writes: bool, state: State) -> None:
    told = verified(outcome, agrees=agrees, sees_writes=sees_writes)
    assert told.state is state
    assert not told.attempt, "a look-up is no attempt to file"
    assert not told.pending
    assert state is IN_DOUBT or state in MOVES[State.IN_DOUBT]


@pytest.mark.parametrize(("agrees", "asked_on"), [(True, True), (True, False), (False, True)])
def test_what_was_begun_is_pending_only_if_it_is_proven_and_asked_on(agrees: bool, asked_on: bool) -> None:
    told = verified(Answered(Result.PENDING), agrees=agrees, sees_writes=True, asked_on=asked_on)
    assert told.pending is (agrees and asked_on)
    assert told.state is (ANSWERED if told.pending else IN_DOUBT)
