"""Where one operation lists what another fetches: each is fetched for itself, and none keeps the others waiting."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from connectors.kit.inbox import Fetched, Notice, Poison, Told, Understood
from connectors.kit.manifest import Page
from connectors.kit.operation import NoRecord
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Reason, Result
from hub.listing import around, behind, field_of, key_of
from hub.polling import SPREAD
from mappings.errors import Fault
from tests.unit.engine.stage import OK, operation
from tests.unit.engine.test_polling import EVERY, Fetching, Step, fetch

SIZE = 3


class Waiting(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    codes: tuple[str, ...] = ()


LISTED = {
    one.name: one
    for one in (
        operation("list_codes", "lookup", NoRecord, answer=Waiting, page=Page(size=SIZE)),
        operation("fetch_step", "lookup", Step),
    )
}
NOTICE = Notice(
    "step_told", "notice", Step, None, False, (), ("code",), "fetch_step", EVERY, "confirm_step", "return_step", "list_codes"
)  # fmt: skip


class Listing(Fetching):
    """A hub whose agency lists codes until they are acknowledged or refused, as a queue does."""

    def __post_init__(self) -> None:
        for agency in self.agencies.values():
            agency.operations = {**agency.operations, **LISTED}
        super().__post_init__()
        self.notices = [NOTICE]
        self.polling = self.poll()
        self.waiting: list[str] = []
        self.stuck: set[str] = set()
        self.agency.otherwise = self._answer

    def put(self, *codes: str) -> None:
        self.waiting += codes
        for code in codes:
            told = Told(Step(code=code), code, {"code": code})
            self.agency.pages[code] = Fetched(OK, Understood("step_told", (told,)))

    def _answer(self, name: str) -> tuple[float, Any]:
        if name == "list_codes":
            return 0.05, Answered(Result.OK, Waiting(codes=tuple(self.waiting)))
        if name in ("confirm_step", "return_step"):
            code = self.agency.arrivals[-1].request.code
            self.waiting = [one for one in self.waiting if one != code or one in self.stuck]
        return 0.05, OK

    def asked(self, name: str) -> list[str]:
        return [one.request.code for one in self.agency.arrivals if one.operation == name]


def play_listing(scenario: Any, **given: Any) -> None:
    fetch(scenario, world=Listing, **given)


def test_each_of_what_is_listed_becomes_a_notice_and_is_acknowledged() -> None:
    async def scenario(world: Listing) -> None:
        world.put("A", "B")
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B"]
        assert world.asked("fetch_step") == world.asked("confirm_step") == ["A", "B"]
        row = await world.row()
        assert (row.outcome, row.taken, row.failures) == ("answered", 2, 0)
        assert world.waiting == []
        await asyncio.sleep(EVERY + 60)
        assert world.asked("fetch_step") == ["A", "B"], "an empty list fetches nothing"

    play_listing(scenario)


def test_one_that_cannot_be_read_is_kept_refused_and_passed() -> None:
    async def scenario(world: Listing) -> None:
        world.put("A", "P", "B")
        bad = Poison((Fault("body", "is no base64"),), {"code": "P"})
        world.agency.pages["P"] = Fetched(OK, Understood("step_told", ()), poison=(bad,))
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B"]
        assert (world.sorter.dead, world.asked("return_step")) == ([bad.faults], ["P"])
        assert sorted(world.asked("confirm_step")) == ["A", "B"]
        assert world.waiting == [], "the queue is free again"

    play_listing(scenario)


@pytest.mark.parametrize("outcome", [Broken("unreadable"), InDoubt("timeout"), Answered(Result.REFUSED)])
def test_one_that_cannot_be_had_is_left_where_it_is_and_the_others_are_fetched(outcome: Any) -> None:
    async def scenario(world: Listing) -> None:
        world.put("A", "X", "B")
        world.agency.will["fetch_step"].extend([(0.1, OK), (0.1, outcome)])
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B"]
        row = await world.row()
        assert (row.outcome != "answered", row.failures, row.taken) == (True, 1, 2)
        assert world.asked("return_step") == [], "nothing shows that the message itself is bad"
        await asyncio.sleep(70)
        assert world.asked("confirm_step")[-1] == "X", "it comes with the next run, which comes sooner"

    play_listing(scenario)


def test_a_run_fetches_as_many_as_the_manifest_says_and_the_next_goes_on() -> None:
    async def scenario(world: Listing) -> None:
        world.put("A", "B", "C", "D", "E")
        await asyncio.sleep(SPREAD + 10)
        assert world.asked("fetch_step") == ["A", "B", "C"]
        await asyncio.sleep(EVERY + 60)
        assert world.asked("fetch_step") == ["A", "B", "C", "D", "E"]

    play_listing(scenario)


def test_one_that_is_listed_many_times_over_is_fetched_once_and_keeps_no_other_from_being_fetched() -> None:
    async def scenario(world: Listing) -> None:
        world.stuck = {"A"}
        world.put(*["A"] * (2 * SIZE), "B")
        await asyncio.sleep(SPREAD + 10)
        assert world.asked("fetch_step") == ["A", "B"]
        assert await world.noted() == ["n-A", "n-B"]

    play_listing(scenario)


def test_what_stays_in_the_list_though_acknowledged_does_not_keep_the_rest_from_being_fetched() -> None:
    async def scenario(world: Listing) -> None:
        world.stuck = {"A", "B", "C"}
        world.put("A", "B", "C", "D", "E")
        await asyncio.sleep(SPREAD + 10 + 2 * EVERY)
        assert {"D", "E"} <= set(world.asked("confirm_step"))
        assert world.asked("confirm_step").count("A") == 1, "one acknowledgement, whatever became of it"
        assert len(await world.noted()) == 5

    play_listing(scenario)


def test_one_that_never_comes_goes_last_and_does_not_hold_the_others_for_good() -> None:
    async def scenario(world: Listing) -> None:
        answer = world.agency.otherwise

        def otherwise(name: str) -> tuple[float, Any]:
            too_large = name == "fetch_step" and world.agency.arrivals[-1].request.code == "X"
            return (0.05, Broken("too_large")) if too_large else answer(name)

        world.agency.otherwise = otherwise
        world.put("X")
        await asyncio.sleep(SPREAD + 12 * EVERY)
        assert world.asked("fetch_step").count("X") >= 5, "enough in a row to hold the operation"
        world.put("A", "B")
        await asyncio.sleep(4 * EVERY)
        assert await world.noted() == ["n-A", "n-B"]
        assert world.waiting == ["X"], "it stays for a person to refuse"

    play_listing(scenario)


def test_a_list_that_is_refused_or_does_not_come_ends_the_run() -> None:
    async def scenario(world: Listing) -> None:
        world.put("A")
        closed = Answered(Result.REFUSED, None, Reason("9", "closed", "", ""))
        world.agency.will["list_codes"].extend([(0.1, closed), (0.1, InDoubt("timeout"))])
        await asyncio.sleep(SPREAD + 1)
        row = await world.row()
        assert (row.outcome, row.cause, row.failures) == ("refused", "closed", 1)
        await asyncio.sleep(70)
        assert (await world.row()).failures == 2
        assert world.asked("fetch_step") == []

    play_listing(scenario)


def test_a_hold_in_the_middle_ends_the_run_and_nothing_is_lost() -> None:
    async def scenario(world: Listing) -> None:
        world.put("A", "B", "C")
        world.agency.will["fetch_step"].extend([(0.1, OK), (0.1, Busy(30.0))])
        await asyncio.sleep(SPREAD + 1)
        assert await world.noted() == ["n-A"]
        assert len(world.asked("fetch_step")) == 2
        await asyncio.sleep(EVERY)
        assert await world.noted() == ["n-A", "n-B", "n-C"]

    play_listing(scenario)


def test_what_comes_behind_the_last_one_goes_first() -> None:
    listed = [Step(code=code) for code in "ABC"]
    assert [one.code for one in around(listed, key_of(listed[0]))] == ["B", "C", "A"]
    assert [one.code for one in around(listed, None)] == ["A", "B", "C"]
    assert [one.code for one in around(listed, key_of(Step(code="Z")))] == ["A", "B", "C"]


def test_a_list_that_repeats_what_was_asked_for_is_taken_up_behind_that() -> None:
    listed = [Step(code=code) for code in "ABC"]
    assert [one.code for one in behind(listed, field_of(listed[0]))] == ["B", "C"]
    assert [one.code for one in behind(listed, None)] == ["A", "B", "C"]
    assert [one.code for one in behind(listed, "Z")] == ["A", "B", "C"]
