"""What agencies do not push is fetched: by one node, in the lane's turn, each page once, and a poison record stops nobody."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from connectors.kit.inbox import Fetched, Notice, NotTaken, Poison, Told, Understood
from connectors.kit.manifest import Page as Cursor
from connectors.kit.operation import NoRecord
from connectors.kit.outcomes import Answered, Busy, InDoubt, Reason, Result, Unavailable
from hub.call import BUILT_IN, Class, State
from hub.coordination.protocol import HoldCause
from hub.errors import StoreUnavailable
from hub.polled import Poll, Sorted
from hub.polling import SPREAD, Polling
from hub.store.batch import Batch
from hub.store.feed import Reach
from hub.store.polls import PollRow
from hub.store.protocol import Sought
from hub.store.schema import notices
from mappings.errors import Fault
from tests.unit.engine.stage import OK, World, operation, play

EVERY = 600.0
SIZE = 2
AGENCY = "agency"
_UNIQUE = select(notices.c.unique_key)


class Step(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str


FETCHING = {
    one.name: one
    for one in (
        operation("list_steps", "lookup", NoRecord, page=Cursor(size=SIZE, after="TuId", next="IdCuoi")),
        operation("list_all", "lookup", NoRecord),
        operation("confirm_step", "filing", Step),
        operation("return_step", "filing", Step),
    )
}


def notice(name: str = "step_listed", fetched_by: str = "list_steps") -> Notice:
    return Notice(
        name, "notice", Step, None, False, (), ("code",), fetched_by, EVERY, "confirm_step", "return_step"
    )  # fmt: skip


def told(code: str) -> Told:
    return Told(Step(code=code), code, {"code": code})


def page(*codes: str, after: str | None = None, poison: tuple[Poison, ...] = ()) -> Fetched:
    return Fetched(OK, Understood("step_listed", tuple(told(code) for code in codes)), after, poison)


class Sorter:
    """Keeps each record once, as the feed's owner of notices does, and whatever cannot be read."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard = 0
        self.dead: list[tuple[Fault, ...]] = []
        self.keys: list[dict[str, str]] = []
        """What was asked for where nothing at all can be read."""

    async def sort(self, agency: str, name: str, fetched: Fetched) -> Sorted:
        read = fetched.read
        records = read.told if isinstance(read, Understood) else ()
        poison = [one.faults for one in fetched.poison] + ([read.faults] if isinstance(read, NotTaken) else [])

        def keep(batch: Batch) -> int:
            self.dead += poison
            self.keys += [dict(fetched.came.query)] if isinstance(read, NotTaken) and fetched.came is not None else []
            known = {row[0] for row in batch.run(batch.say.prepare(_UNIQUE), {})}
            new = [one for one in records if one.unique not in known]
            for one in new:
                batch.tell(
                    {
                        "id": f"n-{one.unique}", "agency": agency, "notice": name, "unique_key": one.unique,
                        "dossier": None, "caller": "one_stop", "call": None, "received_at": batch.now, "bytes": b"{}", "model": None,
                    }
                )  # fmt: skip
            return len(new)

        return Sorted(keep, [(one, f"H32-{one.unique}") for one in records], fetched.poison, self._heard)

    def _heard(self) -> None:
        self.heard += 1


class Fetching(World):
    """A hub whose agency has notices to be fetched."""

    def __post_init__(self) -> None:
        for agency in self.agencies.values():
            agency.operations = {**agency.operations, **FETCHING}
        super().__post_init__()
        self.sorter = Sorter(self)
        self.notices = [notice()]
        self.polling = self.poll()

    def poll(self) -> Polling:
        polls = [Poll(self.lane, one, EVERY, "hub-duty", "H32") for one in self.notices]
        return Polling(polls, self.store.polls, self.sorter, self.around)

    async def row(self) -> PollRow:
        (row,) = await self.store.polls.all()
        return PollRow(*row)

    async def noted(self) -> list[str]:
        return [
            one.id
            for one in await self.store.feed.told("one_stop", Reach([AGENCY], []), 0, 1 << 40, 100)
            if one.call is None
        ]

    def fetched_at(self, name: str = "list_steps") -> list[float]:
        return [one.at for one in self.agency.arrivals if one.operation == name]


def fetch(scenario: Callable[[Any], Any], *, start: bool = True, **given: Any) -> None:
    """Play *scenario* with the poller running."""

    async def run(world: Fetching) -> None:
        if start:
            await world.polling.start()
        await scenario(world)
        await world.polling.stop()

    play(run, **{"world": Fetching} | given)


def test_a_page_becomes_notices_and_each_is_acknowledged_once() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {None: page("A", after="1"), "1": page(after=None)}
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A"]
        assert world.sorter.heard == 1
        (confirmed,) = [one for one in world.agency.arrivals if one.operation == "confirm_step"]
        assert confirmed.request == Step(code="A")
        assert (confirmed.sources["officer.id"], confirmed.sources["call.dossier"]) == ("hub-duty", "H32-A")
        row = await world.row()
        assert (row.cursor, row.outcome, row.taken, row.failures) == ("1", "answered", 1, 0)
        await asyncio.sleep(5 * EVERY)
        assert world.agency.sent("confirm_step") == ["confirm_step"]
        assert {one.sources.get("page.after") for one in world.agency.arrivals if one.operation == "list_steps"} == {
            None,
            "1",
        }

    fetch(scenario)


def test_a_fetch_is_a_call_of_the_hub_at_bulk_class_recorded_like_any() -> None:
    async def scenario(world: Fetching) -> None:
        await asyncio.sleep(SPREAD + 10)
        (record,) = await world.store.find(Sought(caller=BUILT_IN, agency=AGENCY))
        call = record.call
        assert (call.operation, call.cls, call.state) == ("list_steps", Class.BULK, State.ANSWERED)
        assert (call.purpose.officer, call.purpose.unit, call.purpose.procedure) == ("hub-duty", "H32", "poll")
        case = await world.store.persons.case(call.id)
        assert [(one.step, one.outcome) for one in case.exchanges] == [("list_steps", "answered")]
        entries = [one.entry for one in await world.store.journal() if one.entry.call == call.id]
        assert [(one.event, one.caller, one.purpose) for one in entries] == [
            ("sending", "hub", "procedure=poll"), ("answered", "hub", "procedure=poll"),
        ]  # fmt: skip

    fetch(scenario)


def test_full_pages_follow_each_other_at_once_and_a_page_that_is_not_full_ends_the_run() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {
            None: page("A", "B", after="2"), "2": page("C", "D", after="4"), "4": page("E", after="5"), "5": page("F", "G", after="7"),
        }  # fmt: skip
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B", "n-C", "n-D", "n-E"]
        assert (await world.row()).cursor == "5"
        assert (await world.row()).taken == 5

    fetch(scenario)


def test_a_full_page_whose_cursor_stands_still_is_asked_for_once_a_run() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {None: page("A", "B"), "x": page("A", "B", after="x")}
        await asyncio.sleep(SPREAD + 10)
        assert len(world.fetched_at()) == 1

    fetch(scenario)


def test_polls_go_by_every_with_some_jitter() -> None:
    async def scenario(world: Fetching) -> None:
        await asyncio.sleep(20 * EVERY)
        at = world.fetched_at()
        assert at[0] - 1000 < SPREAD + 1
        waits = [after - before for before, after in pairwise(at)]
        assert all(0.94 * EVERY < wait < 1.06 * EVERY for wait in waits)
        assert len({round(wait) for wait in waits}) > 5

    fetch(scenario)


def test_a_poison_record_is_kept_for_a_person_refused_and_passed() -> None:
    async def scenario(world: Fetching) -> None:
        bad = Poison((Fault("told[0]/TrangThai", "is no status"),), {"code": "P"})
        unknown = Poison((Fault("told[1]/MaHoSo", "is missing"),))
        world.agency.pages = {None: page("A", after="3", poison=(bad, unknown))}
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A"]
        assert world.sorter.dead == [bad.faults, unknown.faults]
        answers = [(one.operation, one.request.code) for one in world.agency.arrivals if one.operation != "list_steps"]
        assert sorted(answers) == [("confirm_step", "A"), ("return_step", "P")]
        assert (await world.row()).cursor == "3"

    fetch(scenario)


def test_a_page_that_cannot_be_read_at_all_is_kept_and_passed() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {None: Fetched(OK, NotTaken("step_listed", "refused", (Fault("body", "x"),)), "9")}
        await asyncio.sleep(SPREAD + 10)
        assert len(world.sorter.dead) == 1
        assert (await world.row()).cursor == "9"

    fetch(scenario)


def test_what_is_held_is_not_tried() -> None:
    async def scenario(world: Fetching) -> None:
        await world.coordination.hold(AGENCY, HoldCause.OPERATOR, None)
        await world.polling.start()
        await asyncio.sleep(3600)
        assert world.agency.arrivals == []
        row = await world.row()
        assert (row.outcome, row.cause, row.failures) == ("held", "operator", 0)
        await world.coordination.resume(AGENCY, HoldCause.OPERATOR)
        await asyncio.sleep(EVERY + 10)
        assert (await world.row()).outcome == "answered"

    fetch(scenario, start=False)


def test_a_run_without_an_answer_goes_once_and_again_sooner_than_the_next_one_would() -> None:
    async def scenario(world: Fetching) -> None:
        failures = (
            Unavailable("connect"),
            InDoubt("timeout"),
            Answered(Result.REFUSED, None, Reason("9", "closed", "", "")),
        )
        world.agency.will["list_steps"].extend((0.1, one) for one in failures)
        budget = world.hub.watch()[AGENCY].numbers["retry_budget"]
        await asyncio.sleep(SPREAD + 1)
        row = await world.row()
        assert (row.outcome, row.failures, len(world.fetched_at())) == ("agency.unavailable", 1, 1)
        await asyncio.sleep(65)
        assert (await world.row()).failures == 2
        await asyncio.sleep(130)
        row = await world.row()
        assert (row.outcome, row.cause, row.failures) == ("refused", "closed", 3)
        await asyncio.sleep(260)
        assert (await world.row()).failures == 0
        assert world.hub.watch()[AGENCY].numbers["retry_budget"] >= budget, "no repeat that a budget would count"

    fetch(scenario)


def test_a_busy_agency_ends_the_run() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.will["list_steps"].append((0.1, Busy(5.0)))
        await asyncio.sleep(SPREAD + 30)
        assert len(world.fetched_at()) == 1
        assert (await world.row()).failures == 1

    fetch(scenario)


def test_runs_that_were_missed_are_made_up_by_one() -> None:
    async def scenario(world: Fetching) -> None:
        await asyncio.sleep(SPREAD + 10)
        await world.polling.stop()
        await asyncio.sleep(20 * EVERY)
        world.agency.arrivals.clear()
        polling = world.poll()
        began = world.clock.monotonic()
        await polling.start()
        await asyncio.sleep(SPREAD + 10)
        assert len(world.fetched_at()) == 1
        assert world.fetched_at()[0] > began, "spread over the first minute"
        await polling.stop()

    fetch(scenario)


def test_two_nodes_fetch_each_page_once() -> None:
    async def scenario(world: Fetching) -> None:
        other = world.poll()
        await other.start()
        await asyncio.sleep(20 * EVERY)
        assert 18 <= len(world.fetched_at()) <= 22
        await other.stop()

    fetch(scenario)


def test_killed_between_fetch_and_commit_the_page_is_fetched_again_and_nothing_is_there_twice() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {None: page("A", "B", after="2")}

        async def killed() -> None:
            world.store.polls.before.clear()
            world.store.polls.cut = True
            raise asyncio.CancelledError

        world.store.polls.before["took"] = killed
        await world.polling.start()
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == []
        assert len(world.fetched_at()) == 1
        world.store.polls.cut = False
        life = world.poll()
        await life.start()
        await asyncio.sleep(SPREAD + 10)
        assert await world.noted() == ["n-A", "n-B"]
        assert sorted(one.request.code for one in world.agency.arrivals if one.operation == "confirm_step") == [
            "A",
            "B",
        ]
        await life.stop()

    fetch(scenario, start=False)


def test_killed_after_the_commit_nothing_is_fetched_again_and_everything_is_acknowledged() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.pages = {None: page("A", after="1")}

        async def killed() -> None:
            world.store.polls.cut = True
            raise asyncio.CancelledError

        world.store.polls.after["took"] = killed
        await world.polling.start()
        await asyncio.sleep(SPREAD + 10)
        world.store.polls.after.clear()
        world.store.polls.cut = False
        await world.hub.stop(5)
        life = world.again()
        await life.hub.start()
        await life.polling.start()
        await asyncio.sleep(SPREAD + 400)
        assert await world.noted() == ["n-A"]
        assert world.agency.sent("confirm_step") == ["confirm_step"]
        assert [one.sources["page.after"] for one in world.agency.arrivals if one.operation == "list_steps"] == [
            None,
            "1",
        ]
        await life.polling.stop()
        await life.hub.stop(5)

    fetch(scenario, start=False)


def test_a_sick_store_costs_time_and_nothing_else() -> None:
    async def scenario(world: Fetching) -> None:
        async def down() -> None:
            raise StoreUnavailable("no answer", retry_after=1.0)

        world.agency.pages = {None: page("A", after="1")}
        for method in ("all", "lease", "took", "ended"):
            world.store.polls.before[method] = down
        await asyncio.sleep(600)
        assert len(world.fetched_at()) <= 1
        world.store.polls.before.clear()
        await asyncio.sleep(2 * EVERY)
        assert await world.noted() == ["n-A"]
        assert (await world.row()).outcome == "answered"

    fetch(scenario)


def test_an_operator_gets_a_run_at_once() -> None:
    async def scenario(world: Fetching) -> None:
        await asyncio.sleep(SPREAD + 10)
        assert len(world.fetched_at()) == 1
        assert await world.polling.run_now(AGENCY, "step_listed", "operator")
        await asyncio.sleep(2)
        assert len(world.fetched_at()) == 2
        assert not await world.polling.run_now(AGENCY, "unknown", "operator")
        ((poll, row),) = await world.polling.rows()
        assert (poll.notice.name, row.outcome if row else None) == ("step_listed", "answered")

    fetch(scenario)


def test_a_counter_call_goes_before_the_pages_of_a_poll() -> None:
    async def scenario(world: Fetching) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        world.agency.pages = {None: page("A", "B", after="0")} | {
            str(number): page(f"A{number}", f"B{number}", after=str(number + 1)) for number in range(50)
        }
        await asyncio.sleep(SPREAD + 5)
        began = world.clock.monotonic()
        assert (await world.ask(cls=Class.COUNTER)).state is State.ANSWERED
        assert world.clock.monotonic() - began < 3
        await asyncio.sleep(120)

    fetch(scenario, calls_at_once=1)
