"""Where a list never gets shorter, it goes on behind the last one that was fetched, and nothing of it is passed unseen."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from connectors.kit.inbox import Fetched, Notice, Poison, Told, Understood
from connectors.kit.manifest import Page
from connectors.kit.operation import NoRecord
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Reason, Result, Unavailable
from hub import polled
from hub.coordination.protocol import HoldCause
from hub.polled import MOST_RUNS
from hub.polling import SPREAD
from mappings.errors import Fault
from tests.unit.engine.stage import OK, operation
from tests.unit.engine.test_polling import AGENCY, EVERY, Fetching, Step, fetch

SIZE = 3


class Lines(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    lines: tuple[Step, ...] = ()


PAGED = {
    one.name: one
    for one in (
        operation("list_lines", "lookup", NoRecord, answer=Lines, page=Page(size=SIZE, after="TuId")),
        operation("fetch_step", "lookup", Step),
    )
}
NOTICE = Notice(
    "step_told", "notice", Step, None, False, (), ("code",), "fetch_step", EVERY, None, "return_step", "list_lines"
)
CLOSED = Answered(Result.REFUSED, None, Reason("9", "closed", "", ""))
BAD = Poison((Fault("body", "is no date"),), {"code": "B"})
DOWN = (Broken("unreadable"), InDoubt("timeout"), Unavailable("connect"))


class Register(Fetching):
    """A hub whose agency lists whatever it ever had, a page at a time, behind the code that is asked for."""

    def __post_init__(self) -> None:
        for agency in self.agencies.values():
            agency.operations = {**agency.operations, **PAGED}
        super().__post_init__()
        self.notices = [NOTICE]
        self.polling = self.poll()
        self.lines: list[str] = []
        self.page: Callable[[str | None], list[str]] = self._behind
        self.gives: dict[str, Outcome] = {}
        """How the agency answers when it is asked for one of them; ok: with what it is."""
        self.agency.otherwise = self._answer

    def has(self, *codes: str) -> None:
        self.lines += codes
        for code in codes:
            told = Told(Step(code=code), code, {"code": code})
            self.agency.pages[code] = Fetched(OK, Understood("step_told", (told,)))

    def _behind(self, after: str | None) -> list[str]:
        return [one for one in self.lines if after is None or one > after][:SIZE]

    def _answer(self, name: str) -> tuple[float, Any]:
        asked = self.agency.arrivals[-1]
        if name == "list_lines":
            page = self.page(asked.sources["page.after"])
            return 0.05, Answered(Result.OK, Lines(lines=tuple(Step(code=one) for one in page)))
        return 0.05, self.gives.get(asked.request.code, OK) if name == "fetch_step" else OK

    def asked(self, name: str = "fetch_step") -> list[str]:
        return [one.request.code for one in self.agency.arrivals if one.operation == name]

    def listed_from(self) -> list[str | None]:
        return [one.sources["page.after"] for one in self.agency.arrivals if one.operation == "list_lines"]

    async def runs(self, number: int) -> None:
        """Let *number* runs pass, each as soon as it falls due or an operator wants it."""
        for _ in range(number):
            assert await self.polling.run_now(AGENCY, "step_told", "operator")
            await asyncio.sleep(2)


def play_register(scenario: Any, **given: Any) -> None:
    fetch(scenario, world=Register, **given)


def test_the_list_is_followed_page_after_page_and_goes_on_behind_the_last_one() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C", "D", "E")
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B", "n-C", "n-D", "n-E"]
        assert world.listed_from() == [None, "C"], "a page that is not full is the last one"
        row = await world.row()
        assert (row.cursor, row.outcome, row.taken, row.failures) == ("E", "answered", 5, 0)
        world.has("F")
        await asyncio.sleep(EVERY + 60)
        assert world.asked() == ["A", "B", "C", "D", "E", "F"], "each is fetched once"
        assert world.listed_from()[2] == "E"

    play_register(scenario)


@pytest.mark.parametrize(
    "page",
    [
        lambda world, after: world.lines[:SIZE],
        lambda world, after: [one for one in world.lines if one >= (after or "")],
    ],
    ids=["the first page for ever", "the one that is named too"],
)
def test_a_page_behind_which_nothing_new_stands_ends_the_run(page: Any) -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.page = lambda after: page(world, after)[:SIZE]
        await asyncio.sleep(SPREAD + 10)
        assert world.asked() == ["A", "B", "C"]
        assert world.listed_from() == [None, "C"]
        assert (await world.row()).outcome == "answered"

    play_register(scenario)


def test_a_run_ends_after_its_pages_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled, "MOST_PAGES", 2)

    async def scenario(world: Register) -> None:
        world.has(*"ABCDEFGH")
        await asyncio.sleep(SPREAD + 10)
        assert (world.asked(), (await world.row()).cursor) == (list("ABCDEF"), "F")
        await world.runs(1)
        assert world.asked() == list("ABCDEFGH")

    play_register(scenario)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (CLOSED, "the agency lists it and does not give it: closed"),
        (Answered(Result.NOT_FOUND), "the agency lists it and does not have it"),
    ],
)
def test_what_the_agency_does_not_give_for_good_is_kept_for_a_person_and_passed(outcome: Any, why: str) -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.gives["B"] = outcome
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-C"]
        assert world.sorter.dead == [(Fault("code", why),)]
        assert world.sorter.keys == [{"code": "B"}]
        row = await world.row()
        assert (row.cursor, row.outcome, row.failures) == ("C", "answered", 0)
        await world.runs(2)
        assert world.asked().count("B") == 1
        assert world.asked("return_step") == [], "nothing shows that the record itself is bad"

    play_register(scenario)


def test_one_that_cannot_be_read_is_kept_refused_and_passed() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.agency.pages["B"] = Fetched(OK, Understood("step_told", ()), poison=(BAD,))
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-C"]
        assert (world.sorter.dead, world.asked("return_step")) == ([BAD.faults], ["B"])

    play_register(scenario)


@pytest.mark.parametrize("outcome", [*DOWN, Busy(5.0)])
def test_what_may_come_later_ends_the_run_and_the_next_begins_with_it(outcome: Any) -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.agency.will["fetch_step"].extend([(0.1, OK), (0.1, outcome)])
        await asyncio.sleep(SPREAD + 1)
        assert world.asked() == ["A", "B"]
        row = await world.row()
        assert (row.cursor, row.taken, row.failures) == ("A", 1, 1)
        assert row.outcome != "answered"
        await asyncio.sleep(70)
        assert world.asked() == ["A", "B", "B", "C"]
        assert await world.noted() == ["n-A", "n-B", "n-C"]
        assert ((await world.row()).failures, world.sorter.dead) == (0, [])

    play_register(scenario)


@pytest.mark.parametrize("outcome", DOWN)
def test_one_that_never_comes_is_kept_for_a_person_after_some_runs_and_keeps_no_other_waiting(outcome: Any) -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.gives["B"] = outcome
        await asyncio.sleep(SPREAD + 1)
        while (await world.row()).failures < MOST_RUNS - 1:
            assert (await world.row()).cursor == "A", "nothing is passed"
            assert world.sorter.dead == []
            await asyncio.sleep(60)
        await asyncio.sleep(4 * EVERY)
        assert await world.noted() == ["n-A", "n-C"]
        ((fault,),) = world.sorter.dead
        assert (fault.place, world.sorter.keys) == ("code", [{"code": "B"}])
        assert fault.rule.startswith("could not be had")
        assert (await world.row()).failures == 0

    play_register(scenario)


def test_each_that_does_not_come_has_as_many_runs_as_the_first() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C")
        world.gives |= dict.fromkeys("AB", InDoubt("timeout"))
        await asyncio.sleep(SPREAD + 1)
        for _ in range(200):
            if world.sorter.dead:
                break
            await asyncio.sleep(30)
        row = await world.row()
        assert (row.cursor, row.failures, len(world.sorter.dead)) == ("A", 1, 1), (
            "an outage takes no more than one along"
        )
        await asyncio.sleep(MOST_RUNS * EVERY)
        assert (len(world.sorter.dead), await world.noted()) == (2, ["n-C"])

    play_register(scenario)


def test_a_hold_costs_no_record_however_long_it_lasts() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B")
        world.gives["A"] = InDoubt("timeout")
        await asyncio.sleep(SPREAD + 1)
        before = (await world.row()).failures
        await world.coordination.hold(AGENCY, HoldCause.OPERATOR, None)
        await world.runs(2 * MOST_RUNS)
        row = await world.row()
        assert (row.outcome, row.failures) == ("held", before)
        assert (world.asked(), world.sorter.dead) == (["A"], [])
        await world.coordination.resume(AGENCY, HoldCause.OPERATOR)
        world.gives.clear()
        await world.runs(1)
        assert await world.noted() == ["n-A", "n-B"]

    play_register(scenario)


def test_a_list_that_does_not_come_passes_nothing_however_often() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B")
        world.agency.will["list_lines"].extend([(0.1, CLOSED), *[(0.1, InDoubt("timeout"))] * 3])
        await asyncio.sleep(SPREAD + 1)
        row = await world.row()
        assert (row.outcome, row.cause, row.cursor) == ("refused", "closed", None)
        await asyncio.sleep(2 * EVERY)
        assert (await world.noted(), world.sorter.dead) == (["n-A", "n-B"], [])

    play_register(scenario)


def test_killed_between_fetch_and_commit_one_is_fetched_again_and_nothing_is_lost_or_there_twice() -> None:
    async def scenario(world: Register) -> None:
        world.has("A", "B", "C", "D")
        taken = 0

        async def killed() -> None:
            nonlocal taken
            taken += 1
            if taken == 2:
                world.store.polls.before.clear()
                world.store.polls.cut = True
                raise asyncio.CancelledError

        world.store.polls.before["took"] = killed
        await world.polling.start()
        await asyncio.sleep(SPREAD + 10)
        assert (world.asked(), await world.noted()) == (["A", "B"], ["n-A"])
        world.store.polls.cut = False
        life = world.poll()
        await life.start()
        await asyncio.sleep(SPREAD + 10)
        assert world.listed_from()[1] == "A"
        assert (world.asked(), await world.noted()) == (["A", "B", "B", "C", "D"], ["n-A", "n-B", "n-C", "n-D"])
        await life.stop()

    fetch(scenario, world=Register, start=False)
