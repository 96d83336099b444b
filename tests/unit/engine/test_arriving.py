"""What an agency tells finds its dossier and caller, agrees with the call it belongs to, or is kept for a person."""

import asyncio
import hashlib
import itertools
import json
from typing import Any

import pytest

from connectors.kit.inbox import NotTaken, Understood, reason_of
from hub.arriving import Answered, Arriving, Kept, Speaking
from hub.call import State
from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.files import Files, of_agency
from hub.security.sealing import Sealing
from hub.store.dead_notices import Raw, WhichDead
from hub.store.feed import Reach
from hub.store.protocol import Settlement
from hub.store.sqlite import SqliteStore
from mappings.canonical.dossier import DossierQuery, ProcessingStep
from mappings.canonical.health_insurance import ParticipationQuery
from mappings.errors import Fault
from monitoring.events import Silent
from tests.contract.conftest import AGENCY, Bench
from tests.speaking import KEY, NOTICES, STEP, Spoken, body, notice, pushed, step
from tests.unit.engine.stage import operation


class Stage(Bench):
    """A store in memory and what takes notices into it."""

    def __init__(self) -> None:
        clock = VirtualClock()
        super().__init__(SqliteStore.in_memory(clock, backlog_calls={AGENCY: 64}), clock, {AGENCY: 64})
        self.spoken = Spoken()
        self.stirred: list[str] = []
        self.told = 0
        self.left: list[int] = []
        ids = itertools.count(1)
        operations = {"file_dossier": operation("file_dossier", "filing", ProcessingStep)}

        class Watching(Silent):
            def answers_left(_, agency: str, question: str, left: int) -> None:  # noqa: N805
                self.left.append(left)

        self.files = Files(self.store.files, lambda: f"upload-{next(ids)}", file_bytes=1000)
        self.arriving = Arriving(
            {AGENCY: Speaking(self.spoken, operations, frozenset({KEY}))}, self.store.notices,
            lambda: f"notice-{next(ids)}", Watching(), self.files.keep, Sealing(""), tell=self.tell, stir=self.stirred.append,
        )  # fmt: skip

    def tell(self) -> None:
        self.told += 1

    async def push(self, *records: Any, notice: str = "dossier_progressed") -> Answered:
        return await self.arriving.push(AGENCY, notice, pushed(body(*records)))

    async def filed(self, result: str = "ok", refs: dict[str, str] | None = None, **changes: Any) -> str:
        request = ProcessingStep.model_validate_json(json.dumps(STEP | changes)).model_dump_json().encode()
        call = (await self.store.accept(self.call(), request)).call
        (leased,) = [one for one in await self.leased(want=100) if one.call.id == call.id]
        assert await self.store.begin(call.id, leased.call.fence, "node-1") == 1
        answer = json.dumps({"result": result}).encode()
        await self.store.settle(
            Settlement(
                call.id, leased.call.fence, 1, State.ANSWERED, "answered", answer=answer, result=result, refs=refs or {}
            )
        )
        return call.id

    async def events(self, caller: str = "onestop") -> list[Any]:  # type: ignore[override]
        return [one for one in await self.store.feed.told(caller, Reach([AGENCY]), 0, 10**9, 100) if one.told]

    async def dead(self) -> list[Any]:
        return list(await self.store.notices.dead.page(WhichDead(), 100))


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_notice_goes_to_who_filed_its_dossier(stage: Stage) -> None:
    await stage.filed()
    assert (await stage.push(step("A"))).way == "taken"
    (event,) = await stage.events()
    assert (event.dossier, json.loads(event.told)["value"]["dossier"]) == (STEP["dossier"], STEP["dossier"])
    assert await stage.events("another") == []
    assert stage.told == 1


async def test_a_notice_finds_its_call_by_the_agencys_own_word(stage: Stage) -> None:
    call = await stage.filed(refs={"slip": "BN-1"}, dossier="H32.1-261123-0001")
    await stage.push(step("A", {"slip": "BN-1"}, dossier="H32.1-999999-9999"))
    (event,) = await stage.events()
    assert (event.call, event.dossier) == (call, STEP["dossier"])
    assert json.loads(event.told)["refs"] == {"slip": "BN-1"}


async def test_what_nobody_filed_is_offered_to_all(stage: Stage) -> None:
    await stage.push(step("A"))
    assert len(await stage.events("anybody")) == 1


async def test_a_file_that_came_with_a_notice_is_there_when_the_notice_is_told(stage: Stage) -> None:
    file = hashlib.sha256(b"Th\xc3\xb4ng b\xc3\xa1o").hexdigest()
    await stage.filed()
    await stage.push(step("A") | {"file": "Thông báo"}, step("B", dossier="H32.1-999999-9999") | {"file": "khác"})
    assert (await stage.files.find(file, ["onestop"])) is not None, "it is its caller's"
    other = hashlib.sha256("khác".encode()).hexdigest()
    assert await stage.files.find(other, ["onestop"]) is None
    assert (await stage.files.find(other, [of_agency(AGENCY)])) is not None, (
        "nobody's notice, so whoever may hear of it"
    )


async def test_without_its_file_a_notice_is_not_taken(stage: Stage) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    stage.arriving._keep_files = away
    assert (await stage.push(step("A") | {"file": "Thông báo"})).way == "busy"
    assert await stage.events() == []


async def test_the_same_again_is_seen_and_told_to_nobody(stage: Stage) -> None:
    await stage.push(step("A"))
    assert (await stage.push(step("A"), step("A"))).way == "seen"
    assert (await stage.push(step("A"), step("B"))).way == "taken"
    assert stage.told == 2
    assert len(await stage.events()) == 2


# --- What has to agree -----------------------------------------------------------------------------------------------


async def test_what_agrees_with_its_call_is_taken(stage: Stage) -> None:
    await stage.filed(refs={"slip": "BN-1"})
    assert (await stage.push(step("A", {"slip": "BN-1"}), notice="payment_confirmed")).way == "taken"


async def test_what_contradicts_its_call_is_refused_and_kept_for_a_person(stage: Stage) -> None:
    await stage.filed(refs={"slip": "BN-1"})
    good, bad = step("A", {"slip": "BN-1"}), step("B", {"slip": "BN-1"}, status="returned")
    answered = await stage.push(good, bad, notice="payment_confirmed")
    said = json.loads(answered.reply.body)
    assert (answered.way, said["reason"]) == ("refused", "told[1]/status: is not what the call said")
    assert await stage.events() == []
    (dead,) = await stage.dead()
    assert (dead.cause, dead.faults) == ("agrees", [("told[1]/status", "is not what the call said")])


async def test_what_has_to_agree_and_belongs_to_no_call_is_refused(stage: Stage) -> None:
    answered = await stage.push(step("A", {"slip": "BN-1"}), notice="payment_confirmed")
    assert answered.way == "refused"
    assert "belongs to no call" in json.loads(answered.reply.body)["reason"]
    assert len(await stage.dead()) == 1


# --- What is pending -------------------------------------------------------------------------------------------------


async def test_a_call_that_is_pending_is_asked_after_when_a_notice_about_it_came(stage: Stage) -> None:
    call = await stage.filed("pending", {"slip": "BN-1"})
    assert (await stage.push(step("A", {"slip": "BN-1"}))).way == "taken"
    assert stage.stirred == [call]


async def test_what_asking_itself_brought_does_not_lead_to_asking(stage: Stage) -> None:
    """Else one asking would follow the other without a pause."""
    await stage.filed("pending", {"slip": "BN-1"})
    read = stage.spoken.read_again("request_progressed", pushed(body(step("A", {"slip": "BN-1"}))))
    assert isinstance(read, Understood)
    for new in (True, False):
        kept = await stage.arriving.keep(AGENCY, read)
        assert isinstance(kept, Kept)
        assert list(kept.new) == [new]
    assert stage.stirred == []
    assert [one.notice for one in await stage.events()] == ["request_progressed"]


async def test_a_call_that_ended_is_left_alone(stage: Stage) -> None:
    await stage.filed("ok", {"slip": "BN-1"})
    await stage.push(step("A", {"slip": "BN-1"}))
    assert stage.stirred == []


# --- Read again ------------------------------------------------------------------------------------------------------


async def test_of_what_is_kept_the_agencys_key_is_taken_out_wherever_it_stands(stage: Stage) -> None:
    bad = step("A") | {"SecurityKey": KEY}
    del bad["value"]["handler"]
    assert (await stage.push(bad)).way == "refused"
    (dead,) = await stage.dead()
    kept = await stage.store.notices.dead.get(dead.id)
    assert kept is not None
    assert KEY.encode() not in kept[1].body + json.dumps(dict(kept[1].headers)).encode()
    stage.spoken.mended = True
    assert (await stage.arriving.again(dead.id, "cb-014")).became == "taken", "it had proven itself when it came"


async def test_a_dead_notice_is_taken_once_the_mapping_knows_it(stage: Stage) -> None:
    bad = step("A")
    del bad["value"]["handler"]
    assert (await stage.push(bad)).way == "refused"
    (dead,) = await stage.dead()
    still = await stage.arriving.again(dead.id, "cb-014")
    assert (still.became, still.faults) == ("still_dead", [("told[0]/handler", "missing")])
    stage.spoken.mended = True
    assert (await stage.arriving.again(dead.id, "cb-014")).became == "taken"
    assert await stage.dead() == []
    assert len(await stage.events()) == 1
    assert (await stage.arriving.again(dead.id, "cb-014")).became == "unknown"
    assert (await stage.push(bad)).way == "seen", "the agency sends it again, though a person has seen to it"


async def test_a_dead_notice_that_now_agrees_is_taken(stage: Stage) -> None:
    await stage.push(step("A", {"slip": "BN-1"}), notice="payment_confirmed")
    (dead,) = await stage.dead()
    again = await stage.arriving.again(dead.id, "cb-014")
    assert (again.became, again.faults) == ("still_dead", [("", "belongs to no call whose request is known here")])
    await stage.filed(refs={"slip": "BN-1"})
    assert (await stage.arriving.again(dead.id, "cb-014")).became == "taken"


async def test_two_persons_who_read_the_same_again_take_it_once(stage: Stage) -> None:
    bad = step("A")
    del bad["value"]["handler"]
    await stage.push(bad)
    (dead,) = await stage.dead()
    stage.spoken.mended = True
    both = await asyncio.gather(*(stage.arriving.again(dead.id, "cb-014") for _ in range(2)))
    assert sorted(one.became for one in both)[-1] == "taken"
    assert len(await stage.events()) == 1


async def test_what_a_poll_fetched_is_taken_like_what_was_pushed(stage: Stage) -> None:
    came = pushed(b"page")
    read = stage.spoken.read("dossier_progressed", pushed(body(step("A"))))
    assert isinstance(read, Understood)
    assert (await stage.arriving.take(AGENCY, read, came)).way == "taken"
    wrong = NotTaken("dossier_progressed", "refused", (Fault("told[0]/x", "is wrong"),))
    assert (await stage.arriving.take(AGENCY, wrong, came)).way == "refused"
    assert len(await stage.dead()) == 1


def test_a_reason_names_the_first_faults_and_counts_the_rest() -> None:
    said = reason_of([Fault(f"told[{number}]/a", "is missing") for number in range(300)])
    assert said.startswith("told[0]/a: is missing; told[1]")
    assert said.endswith("; 290 more")
    assert len(said) < 400


def test_the_key_by_which_one_was_fetched_is_told_unless_it_is_personal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = notice("step_listed", fetched_by="fetch_step", listed_by="list_steps")
    monkeypatch.setitem(NOTICES, "step_listed", one_by_one)
    operations = {"fetch_step": operation("fetch_step", "lookup", ParticipationQuery)}
    arriving = Arriving(
        {AGENCY: Speaking(stage.spoken, operations)}, stage.store.notices, lambda: "notice-1", Silent(), stage.files.keep,
        Sealing(""),
    )  # fmt: skip
    key = {"citizen_id": "000190000011", "full_name": "Lê Văn Không", "born_on": "1990-01-01"}

    def told(name: str, query: dict[str, str]) -> dict[str, str]:
        return dict(arriving.asked_for(Raw("dead-1", AGENCY, name, {}, query, b"")))

    assert told("step_listed", key) == {}
    assert told("dossier_progressed", key) == {}, "what stands beside a push is no key"
    monkeypatch.setitem(operations, "fetch_step", operation("fetch_step", "lookup", DossierQuery))
    assert told("step_listed", {"code": "A-1"} | key) == {"code": "A-1"}
