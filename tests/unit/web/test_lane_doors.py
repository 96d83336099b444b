"""What operators see of lanes and routes at the admin doors, and what they may order there."""

from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any, cast

import httpx2
import pytest

from connectors.kit.outcomes import Broken, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import HoldCause, Permit, Wanted
from hub.guards.bounds import Bounds
from hub.lane import LaneView
from hub.orders import Orders
from hub.route import RouteView
from hub.route_tables import RouteContract
from hub.store.sqlite import SqliteStore
from hub.web.admin import Office, admin
from hub.web.lanes import LaneOffice
from hub.web.persons import CallOffice
from hub.web.polls import PollOffice
from monitoring.events import Silent

NAMES = ("npsp", "police")
CALL = Wanted("lookup_citizen", Class.NORMAL)
CONTRACT = RouteContract(calls_per_second=10.0, calls_at_once=4)


class Doors:
    """The admin doors of a hub with two lanes, one of them over a route, whose parts a test may touch."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.group = InProcess(
            self.clock,
            Random(3),
            {name: Bounds(10, 4, 10) for name in NAMES},
            {"lgsp": Bounds(10, 4, 10)},
            {"police": "lgsp"},
        )
        self.store = SqliteStore.in_memory(self.clock, backlog_calls={})
        contracts = dict.fromkeys((*NAMES, "route/lgsp"), CONTRACT)
        self.orders = Orders(self.store.orders, self.group, self.clock, Silent(), contracts)
        office = LaneOffice(
            self.orders,
            self.group,
            self._seen,
            self.store.backlog,
            dict.fromkeys(NAMES, CONTRACT),
            dict.fromkeys(NAMES, ("lookup_citizen", "verify_citizen")),
            lambda: [self._route()],
            self.store.persons.needing,
        )
        nothing = cast(Any, None)
        calls = CallOffice(nothing, nothing, nothing, {}, nothing)
        app = admin(
            Office(
                "key",
                dict,
                nothing,
                nothing,
                calls,
                nothing,
                nothing,
                office,
                list,
                Silent(),
                nothing,
                PollOffice(nothing, nothing),
            )
        )
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://hub/admin/v1",
            headers={"authorization": "Bearer key"},
        )
        self.clock.advance(1)

    def _seen(self) -> Mapping[str, LaneView]:
        views = {}
        for name in NAMES:
            stop = self.group.stopped(name, "")
            held = (stop.cause, stop.seconds) if stop else ("", None)
            route = self._route() if name == "police" else None
            views[name] = LaneView(name, self.group.watch(name), *held, False, 0, *self.group.moved(name), route)
        return views

    def _route(self) -> RouteView:
        stop = self.group.stopped("route/lgsp", "")
        held = (stop.cause, stop.seconds) if stop else ("", None)
        numbers = self.group.watch("route/lgsp")
        return RouteView("lgsp", "direct", CONTRACT, *held, None, None, ("police",), numbers)

    async def lane(self, name: str) -> dict[str, Any]:
        return {one["agency"]: one for one in (await self.http.get("/lanes")).json()}[name]

    async def ends(self, lane: str, *outcomes: Any) -> None:
        """Make one exchange after the other, each with its outcome."""
        for outcome in outcomes:
            self.clock.advance(1)
            (permit,) = await self.group.claim(lane, [CALL])
            assert isinstance(permit, Permit)
            await self.group.release(permit, outcome, 0.1)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    made = Doors()
    yield made
    await made.http.aclose()
    await made.store.close()


async def test_a_hold_says_for_how_long_by_whom_and_why(doors: Doors) -> None:
    told = await doors.http.post("/lanes/npsp/hold", json={"seconds": 90, "reason": "  cổng bảo trì "})
    assert told.status_code == 200
    lane = await doors.lane("npsp")
    assert (lane["held"], lane["held_seconds"]) == ("operator", 90)
    assert lane["hold"] == told.json()
    assert (lane["hold"]["by"], lane["hold"]["reason"], lane["hold"]["until"][-6:]) == (
        "operator",
        "cổng bảo trì",
        "+07:00",
    )
    assert (await doors.lane("police"))["hold"] is None
    assert [one["scope"] for one in (await doors.http.get("/orders")).json()] == ["npsp"]


async def test_a_hold_without_seconds_lasts_until_it_is_resumed(doors: Doors) -> None:
    await doors.http.post("/lanes/npsp/hold", json={"reason": "x"})
    lane = await doors.lane("npsp")
    assert (lane["held"], lane["held_seconds"], lane["numbers"]["hold_seconds/operator"]) == ("operator", None, None)
    resumed = (await doors.http.post("/lanes/npsp/resume")).json()
    assert resumed == {"resumed": True, "held": "", "held_seconds": None, "route": None}
    assert (await doors.lane("npsp"))["held"] == ""


async def test_resuming_says_what_stops_the_lane_all_the_same(doors: Doors) -> None:
    await doors.group.hold("npsp", HoldCause.AUTH, 60)
    told = (await doors.http.post("/lanes/npsp/resume", json={})).json()
    assert told == {"resumed": False, "held": "auth", "held_seconds": 60, "route": None}
    told = (await doors.http.post("/lanes/npsp/resume", json={"everything": True})).json()
    assert told == {"resumed": True, "held": "", "held_seconds": None, "route": None}
    await doors.http.post("/routes/lgsp/hold", json={"reason": "x"})
    told = (await doors.http.post("/lanes/police/resume", json={"everything": True})).json()
    assert (told["held"], told["route"]) == ("operator", "lgsp"), "it is for the route to be resumed"


async def test_a_lane_is_lowered_and_lifted_and_shows_beside_its_contract(doors: Doors) -> None:
    assert (await doors.http.put("/lanes/npsp/limits", json={"calls_at_once": 1})).status_code == 200
    assert (await doors.http.put("/lanes/npsp/limits", json={"calls_per_second": 2.5})).status_code == 200
    lane = await doors.lane("npsp")
    assert (lane["lowered"]["calls_at_once"], lane["lowered"]["calls_per_second"]) == (1, 2.5)
    assert (lane["contract"]["calls_at_once"], lane["contract"]["calls_per_second"]) == (4, 10.0)
    assert (lane["numbers"]["concurrency_limit"], lane["moved"]) == (1, "an operator lowered it")
    assert (await doors.http.delete("/lanes/npsp/limits", params={"reason": "xong"})).json() == {"lifted": True}
    assert (await doors.lane("npsp"))["lowered"] is None
    assert (await doors.http.delete("/lanes/npsp/limits")).json() == {"lifted": False}


async def test_what_is_not_below_the_contract_is_refused_with_what_it_allows(doors: Doors) -> None:
    told = await doors.http.put("/lanes/npsp/limits", json={"calls_at_once": 4, "calls_per_second": 11})
    assert (told.status_code, told.json()["code"]) == (400, "request.invalid")
    assert [fault["rule"] for fault in told.json()["errors"]] == [
        "must be below the contract, which allows 4",
        "must be below the contract, which allows 10",
    ]


async def test_retries_are_stopped_with_a_reason_and_allowed_without(doors: Doors) -> None:
    assert (await doors.http.get("/retries")).json() == {"stopped": False, "order": None}
    refused = await doors.http.put("/retries", json={"stopped": True})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/reason")
    told = (await doors.http.put("/retries", json={"stopped": True, "reason": "bão"})).json()
    assert (told["stopped"], told["order"]["reason"]) == (True, "bão")
    assert (await doors.http.get("/retries")).json() == told
    assert (await doors.http.put("/retries", json={"stopped": False})).json() == {"stopped": False, "order": None}


async def test_a_red_route_is_told_apart_from_its_lane(doors: Doors) -> None:
    await doors.http.post("/routes/lgsp/hold", json={"seconds": 30, "reason": "x"})
    lane = await doors.lane("police")
    assert (lane["route"], lane["route_held"], lane["route_held_seconds"]) == ("lgsp", "operator", 30)
    assert (lane["hold"], "hold_seconds/operator" in lane["numbers"]) == (None, False)
    assert (await doors.lane("npsp"))["route"] is None
    (route,) = (await doors.http.get("/routes")).json()
    assert (route["route"], route["held"], route["held_seconds"], route["lanes"]) == (
        "lgsp",
        "operator",
        30,
        ["police"],
    )
    assert (route["hold"]["scope"], route["lowered"], route["contract"]["calls_at_once"]) == ("route/lgsp", None, 4)


async def test_an_operation_that_is_stopped_is_named_and_its_lane_is_not(doors: Doors) -> None:
    await doors.ends("npsp", *[Unavailable("connect")] * 5)
    await doors.ends("police", *[Broken("no_row")] * 5)
    (spared,) = (await doors.lane("npsp"))["stopped"]
    assert (spared["operation"], spared["guard"], spared["cause"]) == ("lookup_citizen", "breaker", "connect")
    assert 0 < spared["seconds"] < 6
    (held,) = (await doors.lane("police"))["stopped"]
    assert (held["operation"], held["guard"], held["cause"]) == ("lookup_citizen", "hold", "contract")
    assert (await doors.lane("npsp"))["held"] == ""


@pytest.mark.parametrize("path", ["/lanes/nobody", "/routes/nowhere", "/routes/police", "/lanes/lgsp"])
async def test_an_unknown_name_is_answered_with_the_known_ones(doors: Doors, path: str) -> None:
    for method, door, body in (
        ("POST", "hold", {"reason": "x"}),
        ("POST", "resume", {}),
        ("PUT", "limits", {"calls_at_once": 1}),
        ("DELETE", "limits", None),
    ):
        told = await doors.http.request(method, f"{path}/{door}", json=body)
        assert (told.status_code, told.json()["code"]) == (404, "operation.unknown")
        known = "this hub has lgsp." if "routes" in path else "this hub has npsp, police."
        assert told.json()["detail"].endswith(known)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/lanes/npsp/hold", {"seconds": 60}, "/reason"),
        ("/lanes/npsp/hold", {"seconds": 60, "reason": "   "}, "/reason"),
        ("/lanes/npsp/hold", {"seconds": 60, "reason": "a\x1b[31mred"}, "/reason"),
        ("/lanes/npsp/hold", {"seconds": 60, "reason": "\u202egnorw"}, "/reason"),
        ("/lanes/npsp/hold", {"seconds": 60, "reason": "x" * 201}, "/reason"),
        ("/lanes/npsp/hold", {"seconds": 0, "reason": "x"}, "/seconds"),
        ("/lanes/npsp/hold", {"seconds": 1e300, "reason": "x"}, "/seconds"),
        ("/lanes/npsp/hold", {"second": 60, "reason": "x"}, "/second"),
        ("/lanes/npsp/limits", {"calls_at_once": 0}, "/calls_at_once"),
        ("/lanes/npsp/limits", {"calls_per_second": 1e-9}, "/calls_per_second"),
    ],
)
async def test_an_order_that_is_no_order_changes_nothing(
    doors: Doors, path: str, body: dict[str, Any], pointer: str
) -> None:
    told = await doors.http.request("PUT" if path.endswith("limits") else "POST", path, json=body)
    assert (told.status_code, told.json()["code"]) == (400, "request.invalid")
    assert [fault["pointer"] for fault in told.json()["errors"]] == [pointer]
    assert doors.orders.in_force() == []
    assert await doors.store.journal() == []


async def test_nobody_orders_anything_without_the_admin_key(doors: Doors) -> None:
    for method, path in (
        ("POST", "/lanes/npsp/hold"),
        ("POST", "/routes/lgsp/resume"),
        ("PUT", "/lanes/npsp/limits"),
        ("DELETE", "/lanes/npsp/limits"),
        ("PUT", "/retries"),
        ("GET", "/orders"),
    ):
        told = await doors.http.request(method, path, json={"reason": "x"}, headers={"authorization": "Bearer other"})
        assert told.status_code == 401
    assert doors.orders.in_force() == []
