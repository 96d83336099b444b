"""Operators see how far each poll has come, and run one at once; never where the agency's cursor stands."""

from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from connectors.kit.inbox import Notice
from hub.polled import Poll
from hub.store.polls import PollRow
from hub.web.admin import Office, admin
from hub.web.lanes import LaneOffice
from hub.web.persons import CallOffice
from hub.web.polls import PollOffice
from monitoring.events import Silent

NOTICE = Notice("step_listed", "notice", None, None, False, (), (), "list_steps", 600.0, None, None)
POLL = Poll(cast(Any, SimpleNamespace(name="npsp")), NOTICE, 600.0)
ROW = PollRow("npsp", "step_listed", "000085000001", 1000.0, 1600.0, 3, None, None, 1001.0, "lane.held", "busy", 0, 2)


class Desk:
    """The operators' doors over polls that a test lays out."""

    def __init__(self, row: PollRow | None) -> None:
        self.row = row
        self.wanted: list[tuple[str, str, str]] = []
        nothing = cast(Any, None)
        office = PollOffice(self._rows, self._run)
        app = admin(
            Office(
                "key",
                *[nothing] * 3,
                CallOffice(*[nothing] * 3, {}, nothing),
                nothing,
                nothing,
                LaneOffice(*[nothing] * 8),
                list,
                Silent(),
                nothing,
                office,
            )
        )
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://hub/admin/v1",
            headers={"authorization": "Bearer key"},
        )

    async def _rows(self) -> list[tuple[Poll, PollRow | None]]:
        return [(POLL, self.row)]

    async def _run(self, agency: str, notice: str, by: str) -> bool:
        self.wanted.append((agency, notice, by))
        return (agency, notice) == POLL.key


@pytest.mark.parametrize("row", [ROW, None])
async def test_every_poll_is_listed_without_its_cursor(row: PollRow | None) -> None:
    desk = Desk(row)
    (shown,) = (await desk.http.get("/polls")).json()
    assert (shown["agency"], shown["notice"], shown["operation"], shown["every"]) == (
        "npsp", "step_listed", "list_steps", 600.0,
    )  # fmt: skip
    if row is None:
        assert (shown["last_run"], shown["next_run"], shown["last_outcome"]) == (None, None, None)
    else:
        assert (shown["last_outcome"], shown["cause"], shown["failures"]) == ("lane.held", "busy", 2)
        assert shown["cursor_moved"] < shown["last_run"] < shown["next_run"]
        assert "000085000001" not in str(shown)


async def test_a_poll_is_run_for_an_operator_and_an_unknown_one_is_told() -> None:
    desk = Desk(ROW)
    assert (await desk.http.post("/polls/npsp/step_listed/run")).status_code == 200
    unknown = await desk.http.post("/polls/npsp/step_lost/run")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "operation.unknown")
    assert desk.wanted == [("npsp", "step_listed", "operator"), ("npsp", "step_lost", "operator")]
    assert (await desk.http.get("/polls", headers={"authorization": "Bearer other"})).status_code == 401
