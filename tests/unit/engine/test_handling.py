"""How agencies handle dossiers is read off calls and notices by the names of the dossier profile, and of nobody else."""

import json
from typing import Any, cast

import pytest
from pydantic import BaseModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.call import Call, Class, Kind, Purpose
from hub.handled import Handled
from hub.handling import Handling, handles
from hub.store.handling import Counts, Period
from mappings.canonical import Dossier
from mappings.canonical.dossier_notices import ReturnedDossier, ReturnedResult, SupplementReceipt, WithdrawnDossier
from mappings.canonical.transfer import FiledSupplement, ResultConfirmation, ResultRefusal
from tests.unit.engine.stage import World, operation, play

CODE = "000.00.14.H32-260315-00001"
DUE = "2026-03-20T17:00:00+07:00"
DUE_AT = 1_774_000_800.0
HANDLING = Handling(["land"])


def dossier() -> Dossier:
    (sample,) = [one for one in load_samples(find_connectors()["npsp"]) if one.name == "file_dossier.ok"]
    fields = {"code": CODE, "procedure_code": "1.001776", "due_at": DUE}
    return Dossier.model_validate_json(json.dumps(cast(Any, sample.request) | fields))


def call(operation: str, agency: str = "land") -> Call:
    return Call(
        "c-1", agency, operation, Kind.FILING, Class.NORMAL, False, "one_stop", Purpose(), "f", 1000.0, 2000.0, 1000.0,
        operation,
    )  # fmt: skip


def read(model: type[BaseModel], **fields: Any) -> BaseModel:
    return model.model_validate({"dossier": CODE} | fields)


REQUESTS: list[tuple[str, BaseModel, Handled | None, Handled | None]] = [
    (
        "file_dossier", dossier(), Handled("received", CODE, "1.001776", DUE_AT, 1000.0),
        Handled("forwarded", CODE, "1.001776", DUE_AT, 1000.0),
    ),
    ("file_supplement", read(FiledSupplement, due_at=DUE), Handled("moved", CODE, due_at=DUE_AT, at=1000.0), None),
    ("file_supplement", read(FiledSupplement), None, None),
    ("refuse_result", read(ResultRefusal, reason="Sai tên"), None, Handled("reopened", CODE, at=1000.0)),
    ("withdraw_dossier", read(WithdrawnDossier), None, Handled("ended", CODE, at=1000.0, ending="withdrawn")),
    ("confirm_result", read(ResultConfirmation, returned_at=DUE), None, None),
]  # fmt: skip
NOTICES: list[tuple[str, BaseModel | None, Handled | None]] = [
    (
        "result_returned", read(ReturnedResult, finished_at=DUE, ending="result"),
        Handled("ended", CODE, at=DUE_AT, ending="result"),
    ),
    (
        "result_returned", read(ReturnedResult, finished_at=DUE, ending="no_result"),
        Handled("ended", CODE, at=DUE_AT, ending="no_result"),
    ),
    ("dossier_returned", read(ReturnedDossier), Handled("ended", CODE, ending="sent_back")),
    (
        "supplement_received", read(SupplementReceipt, received_at=DUE, due_at=DUE),
        Handled("moved", CODE, due_at=DUE_AT),
    ),
    ("supplement_received", read(SupplementReceipt, received_at=DUE), None),
    ("dossier_progressed", read(ReturnedDossier), None),
    ("result_returned", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "request_", "taken_on", "answered"), REQUESTS)
def test_a_call_of_the_profile_is_a_step_when_it_is_taken_on_or_answered(
    name: str, request_: BaseModel, taken_on: Handled | None, answered: Handled | None
) -> None:
    assert HANDLING.taken_on(call(name), request_) == taken_on
    assert HANDLING.answered(call(name), request_) == answered
    assert HANDLING.taken_on(call(name, "npsp"), request_) is None
    assert HANDLING.answered(call(name, "npsp"), request_) is None


@pytest.mark.parametrize(("name", "value", "step"), NOTICES)
def test_a_notice_of_the_profile_is_a_step(name: str, value: BaseModel | None, step: Handled | None) -> None:
    assert HANDLING.told("land", name, value) == step
    assert HANDLING.told("npsp", name, value) is None


def test_a_notice_that_is_read_again_is_of_when_it_came() -> None:
    back = HANDLING.told("land", "dossier_returned", read(ReturnedDossier), 500.0)
    assert back is not None
    assert back.at == 500.0
    ended = read(ReturnedResult, finished_at=DUE, ending="result")
    early, late = (HANDLING.told("land", "result_returned", ended, at) for at in (DUE_AT - 60, DUE_AT + 60))
    assert early is not None
    assert late is not None
    assert (early.at, late.at) == (DUE_AT - 60, DUE_AT), "what the agency says, but nothing ends before it is told"


def test_who_takes_copies_and_never_returns_handles_nothing() -> None:
    assert handles({"file_dossier": 1, "lookup_dossier": 1}, ["result_returned"])
    assert not handles(["file_dossier"], ["feedback_given"])
    assert not handles(["file_request"], ["result_returned"])


class Counting(World):
    """A hub that counts how its agency handles dossiers."""

    def __post_init__(self) -> None:
        for agency in self.agencies.values():
            agency.operations = {**agency.operations, "file_dossier": operation("file_dossier", "filing", Dossier)}
        super().__post_init__()

    def lane_of(self, agency: Any) -> Any:
        object.__setattr__(self.around, "handling", Handling([agency.name]))
        return super().lane_of(agency)

    async def counts(self) -> Counts:
        ((_, procedure, counts),) = await self.store.handling.counts(Period(["agency"], 0.0, 1e10, 0.0))
        assert procedure == "1.001776"
        return Counts(*counts)


def test_a_dossier_that_passes_the_engine_is_counted_on_its_way() -> None:
    async def scenario(world: Counting) -> None:
        submission = world.submission("file_dossier", dossier())
        ticket = await world.hub.submit(submission)
        assert await world.counts() == Counts(received=1)
        await world.hub.wait_for(ticket.call, "one_stop", 5.0)
        assert await world.counts() == Counts(received=1, forwarded=1)
        again = world.submission("file_dossier", dossier())
        (reply,) = await world.hub.submit_all([again])
        await world.hub.wait_for(getattr(reply, "call", ""), "one_stop", 5.0)
        assert await world.counts() == Counts(received=1, forwarded=1), "filed again it is the same dossier"

    play(scenario, world=Counting)
