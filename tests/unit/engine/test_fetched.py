"""From the bytes of a fetched page to notices, dead notices and acknowledgements: a real connector, engine and store."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.registry import bind, load_connector
from hub.arriving import Arriving, Speaking
from hub.fetched import FetchedPages
from hub.lane import Lane
from hub.polling import SPREAD, Poll, Polling
from hub.store.dead_notices import WhichDead
from hub.store.feed import Reach
from tests.unit.engine.stage import World, play
from tests.unit.kit.conftest import FACTS, POLL, SETTINGS, STATUS, STEP

TABLES = POLL.replace('SoDong = "page.size"', 'DonVi = "unit.code"').replace("every = 60.0", "every = 600.0")
FILES = {
    "manifest.toml": FACTS + TABLES,
    "step.map.toml": STEP.replace("ROOT", ""),
    "codes/status.csv": STATUS,
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,0,,ok,,,\n",
    "asked.map.toml": 'canonical = "DossierQuery@1"\nagency = ""\n[fields]\n"code" = "MaHoSo"\n',
}
AGENCY = "tax"


def record(code: str, **changes: str) -> dict[str, str]:
    return {"MaHoSo": code, "Nguoi": "Lê", "Luc": "20260316100000", "TrangThai": "4"} | changes


class Office:
    """Answers `list_steps` page by page, and anything else with ok."""

    def __init__(self, folder: Path) -> None:
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        self.connector = load_connector(folder)
        self.pages: dict[str | None, dict[str, Any]] = {}
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, wire: WireRequest) -> WireReply:
        said = from_json(wire.body)
        self.asked.append((wire.url.rpartition("/")[2], said))
        page = self.pages.get(said.get("TuId"), {"data": []}) if wire.url.endswith("/list") else {}
        return WireReply(200, {"content-type": "application/json"}, to_json({"code": "0", **page}))

    def bound(self) -> BoundAgency:
        return bind(
            self.connector, name=AGENCY, base_url="https://tax.example", settings=SETTINGS, sender=CannedSender(self),
            now=lambda: 1_767_225_600.0, contract=self.connector.manifest.contract,
        )  # fmt: skip

    def told(self, address: str) -> list[Any]:
        return [said for name, said in self.asked if name == address]


Scenario = Callable[["Any", Office], Awaitable[None]]


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[[Scenario], None]:
    office = Office(tmp_path / "tax_office")
    bound = office.bound()

    class Fetching(World):
        def __post_init__(self) -> None:
            self.agencies[AGENCY].operations = bound.operations
            super().__post_init__()
            assert bound.inbox is not None
            kept = self.store.notices
            arriving = Arriving(
                {AGENCY: Speaking(bound.inbox, bound.operations)},
                kept,
                self.around.new_id,
                self.log,
                self.around.files.keep,
                self.around.sealing,
                tell=self.feed.stir,
            )
            self.arriving = arriving
            polls = [Poll(self.lane, one, one.every or 0.0, "hub-duty", "H32") for one in bound.inbox.notices.values()]
            self.polling = Polling(polls, self.store.polls, FetchedPages(arriving, kept), self.around)

        def lane_of(self, agency: Any) -> Any:
            return Lane(bound, self.around)

    def run(scenario: Scenario) -> None:
        async def played(world: Fetching) -> None:
            await world.polling.start()
            await asyncio.sleep(SPREAD + 30)
            await scenario(world, office)
            await world.polling.stop()

        play(played, world=Fetching, names=(AGENCY,))

    run.office = office  # type: ignore[attr-defined]
    return run


async def events(world: Any) -> list[Any]:
    return [
        from_json(one.told)
        for one in await world.store.feed.told("anybody", Reach([AGENCY]), 0, 1 << 40, 99)
        if one.told
    ]


def test_pages_become_notices_in_the_feed_and_are_acknowledged_in_the_agencys_words(fetch: Any) -> None:
    fetch.office.pages = {
        None: {"IdCuoi": 7, "data": [record("A-1"), record("A-2")]}, "7": {"IdCuoi": 8, "data": [record("A-3")]},
    }  # fmt: skip

    async def scenario(world: Any, office: Office) -> None:
        assert [one["value"]["dossier"] for one in await events(world)] == ["A-1", "A-2", "A-3"]
        assert [said.get("TuId") for said in office.told("list")] == [None, "7"]
        assert {said["DonVi"] for said in office.told("list")} == {"H32"}
        assert sorted(said["MaHoSo"] for said in office.told("confirm")) == ["A-1", "A-2", "A-3"]
        assert await world.store.notices.dead.page(WhichDead(), 9) == []

    fetch(scenario)


def test_a_record_that_cannot_be_read_is_refused_kept_and_stops_no_other(fetch: Any) -> None:
    fetch.office.pages = {None: {"IdCuoi": 7, "data": [record("A-1"), record("A-2", TrangThai="x")]}}

    async def scenario(world: Any, office: Office) -> None:
        assert [one["value"]["dossier"] for one in await events(world)] == ["A-1"]
        assert [said["MaHoSo"] for said in office.told("confirm")] == ["A-1"]
        (refused,) = office.told("return")
        assert refused["data"] == {"MaHoSo": "A-2"}
        assert "cannot be read" in refused["why"]
        (dead,) = await world.store.notices.dead.page(WhichDead(), 9)
        assert (dead.notice, dead.cause, dead.faults[0][0]) == ("step_listed", "mapping", "told[1]/TrangThai")
        (row,) = await world.store.polls.all()
        assert (row.cursor, row.outcome) == ("7", "answered")
        again = await world.arriving.again(dead.id, "cb-014")
        assert again.became == "still_dead"
        assert len(await events(world)) == 1

    fetch(scenario)


def test_a_page_without_records_to_be_found_is_kept_whole(fetch: Any) -> None:
    fetch.office.pages = {None: {"IdCuoi": 7, "data": "hết"}}

    async def scenario(world: Any, office: Office) -> None:
        assert len(await world.store.notices.dead.page(WhichDead(), 9)) == 1
        assert office.told("confirm") == []

    fetch(scenario)
