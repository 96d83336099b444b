"""A polled operation's answer is a page of notices, and its cursor goes into the next request."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.operation import NoRecord, key_fields, listed_requests, request_from
from connectors.kit.outcomes import Answered, InDoubt, Result, Unavailable
from mappings.canonical import DossierQuery
from mappings.canonical.catalogues import Catalogue
from tests.unit.kit.conftest import POLL

Office = Callable[..., BoundAgency]

FILES = {
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,0,,ok,,,\n,200,5,,not_found,,,\n,200,7,,busy,,,\n",
    "asked.map.toml": 'canonical = "DossierQuery@1"\nagency = ""\n[fields]\n"code" = "MaHoSo"\n',
}
RECORD: Mapping[str, Any] = {"MaHoSo": "A-1", "Nguoi": "Lê", "Luc": "20260316100000", "TrangThai": "4"}


def agency(office: Office, reply: Any = None, tables: str = POLL) -> BoundAgency:
    return office(tables, files=FILES, answer=lambda _: WireReply(200, {"x": "y"}, to_json(reply)))


def asked(bound: BoundAgency, **sources: str | None) -> WireRequest:
    return bound.render("list_steps", bound.operations["list_steps"].request(), {"exchange.id": "e", **sources})


async def fetched(office: Office, reply: Any, tables: str = POLL) -> Any:
    bound = agency(office, reply, tables)
    return await bound.fetch("step_listed", asked(bound), timeout=1)


class TestAsking:
    def test_the_cursor_goes_where_the_manifest_says_and_the_first_page_has_none(self, office: Office) -> None:
        bound = agency(office)
        assert from_json(asked(bound).body) == {"Loai": "BUOC", "SoDong": "2"}
        assert from_json(asked(bound, **{"page.after": "77"}).body) == {"Loai": "BUOC", "SoDong": "2", "TuId": "77"}
        assert from_json(asked(bound, **{"page.after": None}).body) == {"Loai": "BUOC", "SoDong": "2"}

    def test_what_a_door_needs_to_know_of_a_polled_notice_is_told(self, office: Office) -> None:
        bound = agency(office)
        assert bound.inbox is not None
        notice = bound.inbox.notices["step_listed"]
        assert (notice.fetched_by, notice.every, notice.acknowledged_by, notice.refused_by) == (
            "list_steps", 60.0, "confirm_step", "return_step",
        )  # fmt: skip
        assert bound.operations["list_steps"].request is NoRecord
        assert bound.operations["list_steps"].alike is None  # two pages are never one exchange

    def test_an_acknowledgement_is_filled_from_the_notice(self, office: Office) -> None:
        bound = agency(office)
        wanted = bound.operations["confirm_step"].request
        assert request_from(wanted, {"code": "A-1"}, None) == DossierQuery(code="A-1")
        wire = bound.render("return_step", DossierQuery(code="A-1"), {"notice.reason": "sai mã"})
        assert from_json(wire.body) == {"data": {"MaHoSo": "A-1"}, "why": "sai mã"}


class TestFetching:
    async def test_a_page_gives_its_records_and_where_the_next_one_starts(self, office: Office) -> None:
        page = await fetched(office, {"code": "0", "IdCuoi": 78, "data": [RECORD, {**RECORD, "MaHoSo": "A-2"}]})
        assert isinstance(page.read, Understood)
        assert [one.refs for one in page.read.told] == [{"code": "A-1"}, {"code": "A-2"}]
        assert page.next == "78"

    async def test_where_the_answer_names_no_next_page_the_last_record_does(self, office: Office) -> None:
        page = await fetched(office, {"code": "0", "data": [{**RECORD, "IdCuoi": 3}, {**RECORD, "IdCuoi": 4}]})
        assert page.next == "4"

    @pytest.mark.parametrize("reply", [{"code": "0", "data": []}, {"code": "0", "data": None}, {"code": "5"}])
    async def test_an_empty_page_holds_no_records_and_is_no_fault(self, office: Office, reply: Any) -> None:
        page = await fetched(office, reply)
        assert isinstance(page.outcome, Answered)
        assert page.read == Understood("step_listed", ())
        assert page.next is None

    async def test_one_bad_record_keeps_no_other_and_the_page_is_kept_whole_to_be_read_again(
        self, office: Office
    ) -> None:
        page = await fetched(office, {"code": "0", "IdCuoi": 78, "data": [RECORD, {**RECORD, "TrangThai": "x"}]})
        assert isinstance(page.read, Understood)
        assert [one.refs for one in page.read.told] == [{"code": "A-1"}]
        (poison,) = page.poison
        assert [fault.place for fault in poison.faults] == ["told[1]/TrangThai"]
        assert poison.refs == {"code": "A-1"}, "by which it is refused"
        assert page.next == "78"
        assert page.came is not None
        bound = agency(office)
        assert bound.inbox is not None
        assert bound.inbox.read_again("step_listed", page.came) == NotTaken("step_listed", "refused", poison.faults)
        mended = WireNotice({}, {}, page.came.body.replace(b'"x"', b'"9"'))
        assert isinstance(bound.inbox.read_again("step_listed", mended), Understood)
        assert isinstance(bound.inbox.read_again("step_listed", mended), Understood)

    async def test_what_is_no_answer_holds_no_notices(self, office: Office) -> None:
        page = await fetched(office, {"code": "7"})
        assert (page.outcome.cause, page.read, page.came) == ("busy", None, None)
        bound = office(POLL, files=FILES, answer=lambda _: Unavailable("connect"))
        assert (await bound.fetch("step_listed", asked(bound), timeout=1)).outcome == Unavailable("connect")

    async def test_the_answer_is_judged_before_it_is_read(self, office: Office) -> None:
        bound = office(POLL, files=FILES, answer=lambda _: InDoubt("reset"))
        page = await bound.fetch("step_listed", asked(bound), timeout=1)
        assert (page.outcome, page.read) == (InDoubt("reset"), None)

    async def test_a_large_page_is_read_apart_and_says_the_same(self, office: Office) -> None:
        many = [{**RECORD, "MaHoSo": f"A-{number}"} for number in range(4000)]
        page = await fetched(office, {"code": "0", "data": many})
        assert isinstance(page.read, Understood)
        assert len(page.read.told) == 4000
        assert page.outcome == Answered(Result.OK)

    def test_nobody_can_push_what_we_fetch(self, office: Office) -> None:
        bound = agency(office)
        assert bound.inbox is not None
        found = bound.inbox.read("step_listed", WireNotice({}, {}, to_json({"data": [RECORD]})))
        assert isinstance(found, NotTaken)
        assert found.way == "denied"

    async def test_a_notice_that_is_pushed_cannot_be_fetched(self, office: Office) -> None:
        bound = office('[notices.step_taken]\nauth = { put = { "header:X" = "settings.security_key" } }')
        with pytest.raises(KeyError):
            await bound.fetch("step_taken", WireRequest("GET", "", {}, b"", False), timeout=1)


LISTED = (
    POLL.replace('from = "list_steps"', 'from = ["list_codes", "list_steps"]')
    .replace(', after = "TuId", next = "IdCuoi"', "")
    .replace('unique = ["MaHoSo"]\nref = { code = "MaHoSo" }\n', "")
    .replace("every = 60.0\n", 'sends = "asked"\n')
    .replace('unwrap = ["json", "data[]"]', 'unwrap = ["json", "data"]')
    .replace(', SoDong = "page.size"', "")
    + """
[operations.list_codes]
kind = "lookup"
call = "POST /codes"
returns = "codes"
code = "code"
every = 60.0
"""
)
LISTS = {
    **FILES,
    "codes.map.toml": 'canonical = "Catalogue@1"\nagency = ""\n[fields]\n"entries[]" = { at = "ma[]", map = "entry" }\n',
    "entry.map.toml": 'canonical = "CatalogueEntry@1"\nagency = ""\n[fields]\n"code" = "a"\n"name" = "b"\n',
}


class TestWhatIsListed:
    async def got(self, office: Office, reply: Any) -> tuple[BoundAgency, Any]:
        bound = office(LISTED, files=LISTS, answer=lambda _: WireReply(200, {}, to_json(reply)))
        wire = bound.render("list_steps", DossierQuery(code="A-1"), {"exchange.id": "e"})
        return bound, await bound.fetch("step_listed", wire, timeout=1, key={"code": "A-1"})

    async def test_what_was_asked_for_is_a_reference_and_makes_the_notice_the_same(self, office: Office) -> None:
        bound, found = await self.got(office, {"code": "0", "data": RECORD})
        (told,) = found.read.told
        assert (told.refs, told.unique) == ({"code": "A-1"}, '[["code","A-1"]]')
        assert bound.inbox is not None
        assert (bound.inbox.notices["step_listed"].listed_by, bound.inbox.notices["step_listed"].every) == (
            "list_codes",
            60.0,
        )

    @pytest.mark.parametrize(
        "reply", [{"code": "0", "data": {**RECORD, "TrangThai": "x"}}, {"code": "0", "data": None}, {"code": "0"}]
    )
    async def test_what_cannot_be_read_is_refused_by_what_was_asked_for(self, office: Office, reply: Any) -> None:
        bound, found = await self.got(office, reply)
        assert isinstance(found.read, Understood)
        assert (found.read.told, [one.refs for one in found.poison]) == ((), [{"code": "A-1"}])
        assert bound.inbox is not None
        again = bound.inbox.read_again("step_listed", found.came)
        assert isinstance(again, NotTaken)

    async def test_read_again_it_is_still_known_by_what_was_asked_for(self, office: Office) -> None:
        bound, found = await self.got(office, {"code": "0", "data": {**RECORD, "TrangThai": "x"}})
        assert bound.inbox is not None
        mended = WireNotice({}, found.came.query, found.came.body.replace(b'"x"', b'"9"'))
        again = bound.inbox.read_again("step_listed", mended)
        assert isinstance(again, Understood)
        assert again.told[0].refs == {"code": "A-1"}

    def test_a_list_is_asked_for_from_behind_the_last_one_on(self, office: Office) -> None:
        bound = office(LISTED.replace("size = 2", 'size = 2, after = "TuId"'), files=LISTS)
        asked = [bound.render("list_codes", NoRecord(), {"page.after": after}).body for after in (None, "A-1")]
        assert [from_json(body) for body in asked] == [{}, {"TuId": "A-1"}]

    def test_each_item_of_a_list_is_a_request(self) -> None:
        entries = Catalogue.model_validate({"entries": [{"code": "A", "name": "x"}, {"code": "B", "name": "y"}]})
        assert listed_requests(entries, DossierQuery) == [DossierQuery(code="A"), DossierQuery(code="B")]
        assert key_fields(DossierQuery(code="A")) == {"code": "A"}
