"""Days are compared with what agencies have: through the lane, once a filing, and only what a person wants is filed again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from connectors.kit.inbox import Notice
from connectors.kit.outcomes import Answered, Busy, InDoubt, Outcome, Reason, Result
from hub.call import BUILT_IN, Class, Purpose, State
from hub.comparing import compared
from hub.coordination.protocol import HoldCause
from hub.errors import StoreUnavailable
from hub.reconciling import LONGEST, RECONCILE, REST, Reconciled, Reconciling
from hub.store.notices import Arrival
from hub.store.protocol import Sought
from hub.store.reconciled import DIFFERS, MISSING, OPEN, SAME, SUPERSEDED, TOLD, UNKNOWN, UNTOLD, Line, Run
from hub.surroundings import ICT
from tests.unit.engine.stage import OK, OPERATIONS, Paper, PaperQuery, World, operation, play

AGENCY = "agency"
NO = Answered(Result.NOT_FOUND)
PENDING = Answered(Result.PENDING)


class Order(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str


class Renamed(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    title: str


OURS = {
    one.name: one
    for one in (
        replace(OPERATIONS["lookup_paper"], answer=Paper),
        replace(OPERATIONS["look_up_surely"], answer=Paper),
        operation(
            "file_again", "filing", Paper, repeat_safe=True,
            then={"in_doubt": "lookup_paper"}, then_requests={"in_doubt": PaperQuery},
        ),
        operation(
            "start_payment", "filing", Paper, repeat_safe=True, own={"reference": "call.reference"},
            then={"pending": "look_up_payment"}, then_requests={"pending": PaperQuery},
        ),
        operation("look_up_payment", "lookup", PaperQuery, every=100_000.0),
        operation("file_oddly", "filing", Paper, then={"in_doubt": "lookup_paper"}, then_requests={}),
        operation("rename_paper", "filing", Renamed),
        operation("file_order", "filing", Order, ref={"order": None}),
    )
}  # fmt: skip
TRACKED = Notice("order_tracked", "notice", None, None, False, (), ("order",), None, None, None, None)


class Comparing(World):
    """A hub whose agency can be asked what it has: `has` by code, else nothing."""

    def __post_init__(self) -> None:
        for agency in self.agencies.values():
            agency.operations = {**agency.operations, **OURS}
            agency.otherwise = self.answers
        super().__post_init__()
        self.has: dict[str, Outcome] = {}
        self.at: float | None = None
        self.reconciling = self.comparer()

    def answers(self, name: str) -> tuple[float, Any]:
        if not name.startswith(("lookup_paper", "look_up")):
            return 0.05, PENDING if name == "start_payment" else OK
        return 0.05, self.has.get(self.agency.arrivals[-1].request.code, NO)

    def comparer(self, node: str = "node") -> Reconciling:
        operations = compared(self.agency.operations, [TRACKED])
        one = Reconciled(self.lane, operations, self.at, "hub-duty", "H32")
        return Reconciling([one], self.store.reconciling, replace(self.around, node=node))

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.clock.now(), ICT).date()

    async def filed(self, name: str, code: str, dossier: str | None = None) -> str:
        request = Order(code=code) if name == "file_order" else Paper(code=code)
        purpose = Purpose("o1", "u1", dossier or code)
        reply = await self.hub.submit(self.submission(name, request, purpose=purpose))
        await self.hub.wait_for(reply.call, "one_stop", 5.0)
        return reply.call

    async def run(self, seconds: float = 5.0, **more: Any) -> tuple[Run, dict[str, Line]]:
        """Compare today, and return the run with its lines by dossier."""
        run = await self.reconciling.want(AGENCY, self.today, "operator", **more)
        await asyncio.sleep(seconds)
        return await self.found(run.id)

    async def found(self, run: str) -> tuple[Run, dict[str, Line]]:
        (one,) = [one for one in await self.store.reconciling.runs() if one.id == run]
        return one, {line.dossier or "": line for line in await self.store.reconciling.lines(run)}

    def looked_up(self) -> list[str]:
        return [one.request.code for one in self.agency.arrivals if one.operation.startswith(("lookup_p", "look_up"))]


def compare(scenario: Callable[[Any], Any], **given: Any) -> None:
    async def run(world: Comparing) -> None:
        await world.reconciling.start()
        await scenario(world)
        await world.reconciling.stop()

    play(run, world=Comparing, **given)


def test_what_the_agency_lacks_or_has_otherwise_is_found() -> None:
    async def scenario(world: Comparing) -> None:
        for code in ("same", "missing", "differs"):
            await world.filed("file_again", code)
        world.has = {
            "same": Answered(Result.OK, Paper(code="same")),
            "differs": Answered(Result.OK, Paper(code="differs", title="Nguyễn Văn Không")),
        }
        run, lines = await world.run()
        assert (run.outcome, run.counts) == ("answered", {"file_again": {SAME: 1, MISSING: 1, DIFFERS: 1}})
        assert {dossier: line.verdict for dossier, line in lines.items()} == {"missing": MISSING, "differs": DIFFERS}
        assert lines["differs"].fields == (("title", "", ""),), "words are not shown, only states and codes"
        assert [one.counts for one in await world.store.reconciling.latest()] == [run.counts]
        assert sorted(world.looked_up()) == ["differs", "missing", "same"]
        assert world.agency.sent("file_again") == ["file_again"] * 3, "nothing is filed unless somebody wants it"

    compare(scenario)


def test_a_look_up_is_a_call_of_the_hubs_own_at_bulk_class_with_its_purpose() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        await world.run()
        (call,) = [one.call for one in await world.store.find(Sought(caller=BUILT_IN))]
        assert (call.operation, call.cls, call.interactive) == ("lookup_paper", Class.BULK, True)
        assert call.purpose == Purpose("hub-duty", "H32", "A", None, RECONCILE)
        entries = [row.entry for row in await world.store.journal()]
        (wanted,) = [one for one in entries if one.event == "reconciliation_wanted"]
        assert wanted.caller == "operator"
        assert any(one.purpose == "dossier=A procedure=reconcile" for one in entries)

    compare(scenario)


def test_only_what_is_missing_is_filed_again_once_and_by_a_call_of_its_own() -> None:
    async def scenario(world: Comparing) -> None:
        for code in ("same", "missing", "differs"):
            await world.filed("file_again", code)
        world.has = {
            "same": Answered(Result.OK, Paper(code="same")),
            "differs": Answered(Result.OK, Paper(code="differs", title="other")),
        }
        _, lines = await world.run(files=True)
        assert {dossier: line.filed is not None for dossier, line in lines.items()} == {
            "missing": True,
            "differs": False,
        }
        again = await world.call(lines["missing"].filed or "")
        assert (again.caller, again.cls, again.state) == (BUILT_IN, Class.BULK, State.ANSWERED)
        assert again.purpose == Purpose("o1", "u1", "missing"), "for whom it was filed the first time"
        assert world.agency.sent("file_again") == ["file_again"] * 4
        run, lines = await world.run(files=True)
        assert world.agency.sent("file_again") == ["file_again"] * 4, (
            "what was filed again and is still not there is for a person"
        )
        assert run.counts["file_again"] == {SAME: 1, SUPERSEDED: 1, MISSING: 1, DIFFERS: 1}
        assert lines["missing"].cause == "filed_before"
        world.has["missing"] = Answered(Result.OK, Paper(code="missing"))
        run, lines = await world.run(files=True)
        assert run.counts["file_again"] == {SAME: 2, SUPERSEDED: 1, DIFFERS: 1}
        assert world.agency.sent("file_again") == ["file_again"] * 4

    compare(scenario)


def test_what_a_second_filing_could_double_is_not_filed_again() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_paper", "unsafe")
        await world.filed("file_surely", "proven")
        await world.filed("start_payment", "payment")
        _, lines = await world.run(files=True)
        assert {line.dossier: (line.cause, line.filed is not None) for line in lines.values()} == {
            "unsafe": ("not_repeat_safe", False), "proven": ("", True), "payment": ("another_reference", False),
        }  # fmt: skip
        assert world.agency.sent("file_paper", "start_payment") == ["file_paper", "start_payment"]

    compare(scenario)


def test_the_newest_filing_of_a_record_counts() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        await world.filed("upsert_paper", "A")
        await world.filed("file_again", "B", dossier="A")
        world.has = {"A": Answered(Result.OK, Paper(code="A"))}
        run, _ = await world.run()
        assert run.counts == {"file_again": {SUPERSEDED: 1, MISSING: 1}, "upsert_paper": {SAME: 1}}
        assert sorted(world.looked_up()) == ["A", "B"]

    compare(scenario)


def test_another_filing_about_the_same_dossier_may_have_moved_it_on() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        await world.filed("file_again", "B")
        renamed = world.submission("rename_paper", Renamed(title="new"), purpose=Purpose("o1", "u1", "A"))
        await world.hub.wait_for((await world.hub.submit(renamed)).call, "one_stop", 5.0)
        world.has = {code: Answered(Result.OK, Paper(code=code, title="new")) for code in "AB"}
        run, lines = await world.run()
        assert run.counts == {"file_again": {SAME: 1, DIFFERS: 1}}
        assert list(lines) == ["B"]

    compare(scenario)


def test_payments_are_compared_by_how_they_ended() -> None:
    async def scenario(world: Comparing) -> None:
        for code in ("unpaid", "paid", "failed", "unknown"):
            await world.filed("start_payment", code)
        world.has = {
            "unpaid": PENDING,
            "paid": OK,
            "failed": Answered(Result.REFUSED, reason=Reason("9", "payment.failed", "", "")),
        }
        run, lines = await world.run()
        assert run.counts["start_payment"] == {SAME: 1, DIFFERS: 2, MISSING: 1}
        assert lines["paid"].fields == (("result", "pending", "ok"),)
        assert lines["failed"].fields == (("result", "pending", "refused"),)
        assert lines["unknown"].verdict == MISSING

    compare(scenario)


def test_what_is_not_answered_is_shown_apart_and_is_not_asked_for() -> None:
    async def scenario(world: Comparing) -> None:
        world.agency.will["file_paper"].append((0.05, InDoubt("timeout")))
        doubtful = await world.filed("file_paper", "doubt")
        world.agency.will["file_again"].append((0.05, Answered(Result.REFUSED)))
        await world.filed("file_again", "refused")
        run, lines = await world.run(1.0)
        assert (lines["doubt"].verdict, lines["doubt"].cause, lines["doubt"].call) == (OPEN, "in_doubt", doubtful)
        assert list(lines) == ["doubt"], "what the agency refused it need not have"
        assert run.counts == {"file_paper": {OPEN: 1}}
        assert world.looked_up() == []

    compare(scenario)


def test_a_filing_without_a_look_up_is_told_by_notices_that_name_its_reference() -> None:
    async def scenario(world: Comparing) -> None:
        for code in ("tracked", "lost"):
            world.agency.will["file_order"].append((0.05, Answered(Result.OK, refs={"order": f"VN-{code}"})))
            await world.filed("file_order", code)
        owner = await world.store.notices.whose(AGENCY, {"order": "VN-tracked"}, [])
        await world.store.notices.take([Arrival("n", AGENCY, "order_tracked", None, None, b"{}", {}, owner)])
        run, lines = await world.run()
        assert run.counts == {"file_order": {TOLD: 1, UNTOLD: 1}}
        assert list(lines) == ["lost"]

    compare(scenario)


def test_one_operation_of_another_day_is_compared_alone() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        await world.filed("file_surely", "B")
        run, lines = await world.run(operation="file_surely")
        assert (run.counts, list(lines)) == ({"file_surely": {MISSING: 1}}, ["B"])
        other = await world.reconciling.want(AGENCY, date(2020, 1, 1), "operator")
        await asyncio.sleep(5)
        run, _ = await world.found(other.id)
        assert (run.outcome, run.counts) == ("answered", {})

    compare(scenario)


def test_who_cannot_be_asked_is_unknown_and_one_look_up_goes_once() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        world.has = {"A": InDoubt("timeout")}
        run, lines = await world.run(30.0)
        assert lines["A"].verdict == UNKNOWN
        assert run.outcome == "answered"
        assert world.looked_up() == ["A"]

    compare(scenario)


def test_while_its_lane_is_held_a_run_rests_and_goes_on_where_it_was() -> None:
    async def scenario(world: Comparing) -> None:
        for number in range(3):
            await world.filed("file_again", f"{number}")
        await world.coordination.hold(AGENCY, HoldCause.OPERATOR, None)
        run, _ = await world.run()
        assert (run.ended_at, run.outcome, run.cause) == (None, "held", "operator")
        assert world.looked_up() == []
        await world.coordination.resume(AGENCY)
        await asyncio.sleep(REST + 10)
        run, _ = await world.found(run.id)
        assert (run.outcome, run.counts) == ("answered", {"file_again": {MISSING: 3}})

    compare(scenario)


def test_a_run_that_cannot_go_on_for_a_day_has_ended() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        await world.coordination.hold(AGENCY, HoldCause.OPERATOR, None)
        run, _ = await world.run()
        await asyncio.sleep(LONGEST + REST)
        run, _ = await world.found(run.id)
        assert (run.ended_at is not None, run.outcome, run.cause) == (True, "held", "operator")

    compare(scenario)


def test_an_agency_that_is_busy_is_asked_again_later() -> None:
    async def scenario(world: Comparing) -> None:
        for number in range(3):
            await world.filed("file_again", f"{number}")
        world.agency.will["lookup_paper"].append((0.05, Busy(30.0)))
        run, _ = await world.run(5.0)
        assert run.outcome == "held"
        await asyncio.sleep(REST)
        run, lines = await world.found(run.id)
        assert run.outcome == "answered"
        assert [line.verdict for line in lines.values()].count(MISSING) >= 2

    compare(scenario)


def test_the_day_before_is_compared_by_the_clock_once_and_what_was_missed_is_made_up() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        day = world.today
        await world.reconciling.stop()
        world.at = 2.5 * 3600
        world.reconciling = world.comparer()
        nodes = [world.reconciling, world.comparer("node-2")]
        midnight = datetime.combine(day, datetime.min.time(), ICT).timestamp() + 86_400
        await asyncio.sleep(midnight - world.clock.now() - 60)
        for node in nodes:
            await node.start()
        before = await world.store.reconciling.runs()
        await asyncio.sleep(2.5 * 3600 + 200)
        runs = await world.store.reconciling.runs()
        (new,) = [run for run in runs if run not in before and run.day == day.isoformat()]
        assert (new.id, new.wanted_by, new.files) == (f"{AGENCY}.{day.isoformat()}", "schedule", False)
        assert new.counts == {"file_again": {MISSING: 1}}
        assert world.looked_up() == ["A"], "one node walked it"
        for node in nodes:
            await node.stop()
        await asyncio.sleep(3 * 86_400)
        await world.reconciling.start()
        await asyncio.sleep(120)
        late = await world.store.reconciling.runs()
        assert late[0].day > new.day

    compare(scenario)


def test_a_node_that_dies_in_the_middle_leaves_a_run_that_another_life_ends() -> None:
    async def scenario(world: Comparing) -> None:
        for number in range(4):
            await world.filed("file_again", f"{number}")
        run = await world.reconciling.want(AGENCY, world.today, "operator", files=True)
        await asyncio.sleep(0.08)
        await world.reconciling.stop()
        half, _ = await world.found(run.id)
        assert half.ended_at is None
        await world.reconciling.start()
        await asyncio.sleep(10)
        whole, lines = await world.found(run.id)
        assert (whole.outcome, whole.counts) == ("answered", {"file_again": {MISSING: 4}})
        assert len({line.filed for line in lines.values()}) == 4
        assert world.agency.sent("file_again") == ["file_again"] * 8

    compare(scenario)


def test_a_store_that_is_away_ends_no_run() -> None:
    async def scenario(world: Comparing) -> None:
        await world.filed("file_again", "A")
        failures = [True]

        async def fail() -> None:
            if failures.pop() if failures else False:
                raise StoreUnavailable

        world.store.before["remembered"] = fail
        run, _ = await world.run(30.0)
        assert (run.outcome, run.counts) == ("answered", {"file_again": {MISSING: 1}})
        assert [type(error) for error in world.log.faults] == [StoreUnavailable]

    compare(scenario)


def test_a_filing_over_which_we_stumble_is_unknown_and_keeps_no_other_from_being_compared() -> None:
    """Else the run would begin anew every few seconds for ever, and ask the agency each time for those beside it."""

    async def scenario(world: Comparing) -> None:
        for name, code in (("file_again", "A"), ("file_oddly", "B"), ("file_again", "C")):
            await world.filed(name, code)
        run, lines = await world.run(60.0)
        assert (run.outcome, run.counts) == ("answered", {"file_again": {MISSING: 2}, "file_oddly": {UNKNOWN: 1}})
        assert (lines["B"].cause, world.looked_up()) == ("fault", ["A", "C"])
        assert [type(error) for error in world.log.faults] == [KeyError]

    compare(scenario)
