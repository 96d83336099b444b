"""The table of verdicts is total, allows only moves that exist, and never repeats what may have been done."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from hub.call import MOVES, Call, Class, Kind, Purpose, State
from hub.guards.guard import Wait
from hub.line import Turn
from hub.refusals import by_outcome, by_wait
from hub.verdicts import OUTCOMES, Again, asked_after, name_of, verdict, verified
from tests.unit.engine.stage import Query

CALL = Call(
    "01", "agency", "file_paper", Kind.FILING, Class.NORMAL, False, "one_stop", Purpose(), "f", 0.0, 100.0, 0.0, "file_paper",
    state=State.SENDING,
)  # fmt: skip
EVERY: tuple[Outcome | StaleCredentials, ...] = (
    *(Answered(result) for result in Result), Busy(3), Busy(None, route=True), Unavailable("connect"), InDoubt("timeout"),
    Broken("mapping"), Broken("mapping", sent=False), Broken("http_400", refused_before_processing=True), StaleCredentials(),
)  # fmt: skip
THEN = {"exists": "update_paper"}
BLAMES = {"caller", "hub", "agency", "route", "auth", "contract"}


def calls() -> list[Call]:
    kinds = [(Kind.LOOKUP, True), (Kind.LOOKUP, False), (Kind.FILING, False)]
    return [
        replace(CALL, kind=kind, interactive=interactive, attempts=attempts)
        for (kind, interactive), attempts in product(kinds, (0, 2, 11))
    ]


def test_every_outcome_has_a_name_and_is_tried_below() -> None:
    assert set(OUTCOMES) == {*get_args(Outcome), StaleCredentials} == {type(outcome) for outcome in EVERY}


@pytest.mark.parametrize("outcome", EVERY, ids=repr)
def test_every_verdict_is_a_move_that_exists(outcome: Outcome | StaleCredentials) -> None:
    for call, repeat_safe, then in product(calls(), (True, False), (THEN, {})):
        said = verdict(outcome, call, repeat_safe=repeat_safe, then=then)
        assert said.state in MOVES[State.SENDING]
        assert said.blame in BLAMES
        assert said.outcome == name_of(outcome)
        assert (said.again is not None) == (said.state is State.QUEUED or said.pending)
        assert said.attempt == isinstance(outcome, (Unavailable, InDoubt))
        assert not (said.state is State.EXPIRED and not call.interactive), "only interactive calls expire"
        assert not (said.state is State.IN_DOUBT and call.kind is Kind.LOOKUP), "a look-up is never in doubt"


def test_a_filing_that_may_have_been_done_is_never_sent_again_unless_a_repeat_is_safe() -> None:
    for outcome in (InDoubt("timeout"), Broken("mapping")):
        for attempts in range(12):
            said = verdict(outcome, replace(CALL, attempts=attempts), repeat_safe=False, then=THEN)
            assert said.state is State.IN_DOUBT


def test_the_same_step_is_not_taken_twice_for_an_existing_record() -> None:
    said = verdict(
        Answered(Result.EXISTS), replace(CALL, step="update_paper"), repeat_safe=True, then={"exists": "update_paper"}
    )
    assert (said.state, said.cause) == (State.DEAD, "exists")


@pytest.mark.parametrize("outcome", EVERY, ids=repr)
def test_a_verification_proves_or_leaves_the_doubt(outcome: Outcome | StaleCredentials) -> None:
    for agrees, sees_writes in product((True, False), repeat=2):
        said = verified(outcome, agrees=agrees, sees_writes=sees_writes)
        assert said.state is State.IN_DOUBT or said.state in MOVES[State.IN_DOUBT]
        assert said.blame in BLAMES
        if said.state is State.ANSWERED:
            assert agrees
        if said.state is State.QUEUED:
            assert sees_writes
            assert said.again is Again.LATER


@pytest.mark.parametrize("outcome", EVERY, ids=repr)
def test_an_asking_ends_what_is_pending_or_leaves_it_so(outcome: Outcome | StaleCredentials) -> None:
    for differs in (True, False):
        said = asked_after(outcome, differs=differs)
        assert said.state is State.ANSWERED
        assert said.state in MOVES[State.ANSWERED]
        assert said.blame in BLAMES
        assert not said.attempt
        assert not said.repeat
        if not said.pending:
            assert isinstance(outcome, Answered)
            assert outcome.result in (Result.OK, Result.REFUSED, Result.NOT_FOUND)
            assert said.again is None


@pytest.mark.parametrize("outcome", [*EVERY, None], ids=repr)
def test_every_end_without_an_answer_has_a_problem_that_names_the_call(
    outcome: Outcome | StaleCredentials | None,
) -> None:
    assert by_outcome(outcome, "01", 5.0).call == "01"


@pytest.mark.parametrize("guard", ["hold", "breaker", "rate", "day", "concurrency", "retry"])
def test_every_guards_wait_has_a_problem_with_its_seconds(guard: str) -> None:
    error = by_wait(Wait(guard, 7.0), Turn(CALL, Query(citizen_id="000"), b"", 0.0))
    assert error.status == 503
    assert error.retry_after == 7.0
