"""Operators have a day compared and see how it went; what cannot be compared is told before anything is written."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from hub.store.reconciled import DIFFERS, SAME, Line, Run
from hub.web.admin import Office, admin
from hub.web.lanes import LaneOffice
from hub.web.persons import CallOffice
from hub.web.reconciling import ReconcilingOffice
from monitoring.events import Silent
from tests.unit.web.conftest import NOON

RUN = Run(
    "run-1", "npsp", "2026-11-22", "", True, "operator", NOON, NOON, counts={"file_dossier": {SAME: 4, DIFFERS: 1}}
)
LINE = Line(
    "run-1", "c-1", "file_dossier", "H32-1", DIFFERS, "", (("status", "received", "finished"), ("summary", "", ""))
)


class Desk:
    """The operators' doors over one run that a test lays out."""

    def __init__(self, run: Run = RUN) -> None:
        self.run = run
        self.wanted: list[tuple[Any, ...]] = []
        nothing = cast(Any, None)
        known = {
            "npsp": cast(Any, {"file_dossier": SimpleNamespace(), "update_dossier": SimpleNamespace()}),
            "police": {},
        }
        office = ReconcilingOffice(known, self._want, self._runs, self._run, self._lines, lambda: NOON)
        people, lanes = CallOffice(*[nothing] * 3, {}, nothing), LaneOffice(*[nothing] * 8)
        app = admin(
            Office(
                "key", *[nothing] * 3, people, nothing, nothing, lanes, list, Silent(), nothing, nothing,
                reconciling=office,
            )
        )  # fmt: skip
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://hub/admin/v1",
            headers={"authorization": "Bearer key"},
        )

    async def _want(self, agency: str, day: date, by: str, *, operation: str, files: bool) -> Run:
        self.wanted.append((agency, day, by, operation, files))
        return self.run

    async def _runs(self, agency: str | None) -> list[Run]:
        return [self.run] if agency in (None, self.run.agency) else []

    async def _run(self, run: str) -> Run | None:
        return self.run if run == self.run.id else None

    async def _lines(self, run: str) -> list[Line]:
        return [LINE]


async def test_a_day_is_wanted_and_its_run_is_told_with_what_is_not_the_same() -> None:
    desk = Desk()
    wanted = {"agency": "npsp", "day": "2026-11-22", "operation": "file_dossier", "file": True}
    told = (await desk.http.post("/reconciliations", json=wanted)).json()
    assert (told["run"], told["file"], told["ended_at"], told["goes_on_at"]) == ("run-1", True, None, None)
    assert desk.wanted == [("npsp", date(2026, 11, 22), "operator", "file_dossier", True)]
    (listed,) = (await desk.http.get("/reconciliations?agency=npsp")).json()
    assert listed["counts"] == {"file_dossier": {"same": 4, "differs": 1}}
    assert (await desk.http.get("/reconciliations/run-1")).json() == listed
    (line,) = (await desk.http.get("/reconciliations/run-1/lines")).json()
    assert line["fields"] == [
        {"field": "status", "ours": "received", "theirs": "finished"}, {"field": "summary", "ours": None, "theirs": None},
    ]  # fmt: skip
    assert (await desk.http.get("/reconciliations?agency=police")).json() == []


async def test_a_run_that_rests_says_when_it_goes_on_and_one_that_ended_how() -> None:
    rests = (await Desk(RUN._replace(outcome="held", cause="busy")).http.get("/reconciliations")).json()[0]
    assert (rests["outcome"], rests["cause"], rests["goes_on_at"]) == ("held", "busy", "2026-11-23T12:00:00.000+07:00")
    ended = (await Desk(RUN._replace(outcome="answered", ended_at=NOON)).http.get("/reconciliations")).json()[0]
    assert (ended["outcome"], ended["goes_on_at"]) == ("answered", None)
    assert ended["ended_at"].startswith("2026-11-23T12:00:00")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agency": "police"}, "operation.unknown"),
        ({"agency": "nobody"}, "operation.unknown"),
        ({"operation": "file_progress"}, "request.invalid"),
        ({"day": "2026-11-24"}, "request.invalid"),
        ({"day": "2026-02-30"}, "request.invalid"),
        ({"day": "yesterday"}, "request.invalid"),
        ({"person": "x"}, "request.invalid"),
    ],
)
async def test_what_cannot_be_compared_is_refused(change: dict[str, Any], code: str) -> None:
    desk = Desk()
    reply = await desk.http.post("/reconciliations", json={"agency": "npsp", "day": "2026-11-22"} | change)
    assert reply.json()["code"] == code
    assert desk.wanted == []


async def test_a_run_that_is_not_kept_is_told() -> None:
    desk = Desk()
    assert (await desk.http.get("/reconciliations/run-2")).status_code == 404
    assert (await desk.http.get("/reconciliations/run-2/lines")).status_code == 404
    assert (await desk.http.get("/reconciliations", headers={"authorization": "Bearer x"})).status_code == 401
