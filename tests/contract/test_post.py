"""What the post is known to want, stated apart from the files that say it; and that nothing travels twice, or astray."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.kit.answers import Signs
from connectors.kit.exchange import WireReply
from connectors.kit.outcomes import Answered, Outcome
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import CodedPostOrder, PostOrder, ShipmentStep
from mappings.canonical.post import PostParty
from mappings.errors import MappingFailed
from tests.contract import alone

ROADS = {name: load_connector(find_connectors()[name]) for name in ("post_lgsp", "post_ngsp")}
SAMPLES = {name: {one.name: one for one in load_samples(find_connectors()[name])} for name in ROADS}
GIVEN = {"user_name": "centre", "password": "0000", "customer_code": "KH0000", "tracking_key": "0000-key-of-samples"}
SENT = {"settings.customer_code": "KH0000", "auth.token": "0000-token"}


def bound(road: str, reply: WireReply | Outcome = alone.NOBODY) -> Any:
    known = ROADS[road].manifest.settings
    return alone.bound(ROADS[road], reply, **{name: value for name, value in GIVEN.items() if name in known})


def order(road: str = "post_lgsp", **changed: Any) -> PostOrder:
    return PostOrder.model_validate_json(json.dumps({**SAMPLES[road]["order_shipment.ok"].request, **changed}))


def survives(road: str, mapping: str, value: Any) -> None:
    assert alone.read_back(ROADS[road], mapping, value, SENT) == value


def test_the_token_goes_bare_into_a_header_of_its_own_and_nowhere_else() -> None:
    wire = bound("post_lgsp").render("order_shipment", order(), SENT)
    headers = {name.lower(): value for name, value in wire.headers.items()}
    assert headers["access_token"] == "0000-token"
    assert "authorization" not in headers
    assert b"0000-token" not in wire.body


def test_orders_with_and_without_a_tracking_number_go_to_two_addresses() -> None:
    coded = CodedPostOrder(item_code="EA000000000VN", **order().__dict__)
    plain = bound("post_lgsp").render("order_shipment", order(), SENT)
    other = bound("post_lgsp").render("order_coded_shipment", coded, SENT)
    assert plain.url != other.url
    assert "ItemCode" not in json.loads(plain.body)
    assert json.loads(other.body)["ItemCode"] == "EA000000000VN"


@pytest.mark.parametrize("road", ROADS)
def test_provinces_go_by_the_posts_own_numbers_and_district_0_is_a_number(road: str) -> None:
    sent = json.loads(bound(road).render("order_shipment", order(road), SENT).body)
    sides = ("Sender", "Receiver") if road == "post_lgsp" else ("sender", "receiver")
    assert [sent[f"{side}Province"] for side in sides] == [54, 54]
    assert [sent[f"{side}District"] for side in sides] == [0, 0]


@pytest.mark.parametrize("road", ROADS)
def test_a_province_whose_number_is_not_known_is_refused_before_anything_is_sent(road: str) -> None:
    away = {**SAMPLES[road]["order_shipment.ok"].request["receiver"], "address": {"province": "56", "detail": "Số 0"}}
    with pytest.raises(MappingFailed) as failed:
        bound(road).render("order_shipment", order(road, receiver=away), SENT)
    assert [fault.place.lower() for fault in failed.value.faults] == ["receiverprovince"]


@pytest.mark.parametrize("given", [{"province": "38"}, {"detail": "Số 0"}])
def test_nothing_is_ordered_to_where_the_post_cannot_find(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"address\.province and address\.detail"):
        PostParty.model_validate_json(json.dumps({"full_name": "Trần Thị Không", "address": given}))


@pytest.mark.parametrize("name", ["order_shipment", "order_coded_shipment"])
@pytest.mark.parametrize(
    ("status", "result"), [("100", "ok"), ("101", "ok"), ("102", "refused"), ("500", None), ("0100", None)]
)
def test_only_numbers_that_somebody_told_us_of_mean_anything(name: str, status: str, result: str | None) -> None:
    row = ROADS["post_lgsp"].operations[name].judge.row_for(Signs(200, status, "Thành công"))
    assert (row and row.result) == result


@pytest.mark.parametrize("road", ROADS)
def test_a_shipment_is_known_by_its_order_number_and_not_by_the_dossiers_code(road: str) -> None:
    orders = [one for one in ROADS[road].operations.values() if one.name.startswith("order_")]
    assert orders
    for operation in orders:
        assert operation.own == {"order_number": "request.order_number"}
        assert operation.repeat_safe
        assert operation.order_by == "order_number"
    assert set(ROADS[road].manifest.notices["shipment_progressed"].ref or ()) == {"order_number"}
    assert "dossier" not in PostOrder.model_fields


@pytest.mark.parametrize(
    ("number", "state"), list(enumerate(["not_used", "registered", "collecting", "handed_over", "cancelled"]))
)
def test_collection_has_five_states(number: int, state: str) -> None:
    record = {"orderNumber": "1", "statusDate": "24/11/2026 08:00:00", "collectionStatus": number}
    found = ROADS["post_ngsp"].mappings["shipment_step"].read(record)
    assert found is not None
    assert isinstance(found.value, ShipmentStep)
    assert found.value.collection == state


async def test_the_next_page_of_tracking_begins_after_the_last_step_that_was_told() -> None:
    page = SAMPLES["post_ngsp"]["list_tracking.ok"].reply_agency
    assert page is not None
    agency = bound("post_ngsp", WireReply(200, {"content-type": "application/json"}, page))
    operation = ROADS["post_ngsp"].operations["list_tracking"]
    first = agency.render("list_tracking", operation.request(), SENT)
    assert "lastId" not in json.loads(first.body)
    fetched = await agency.fetch("shipment_progressed", first, timeout=1.0)
    assert isinstance(fetched.outcome, Answered)
    assert fetched.next == "1002"
    following = agency.render("list_tracking", operation.request(), {**SENT, "page.after": fetched.next})
    assert json.loads(following.body)["lastId"] == "1002"


def test_who_sends_and_who_gets_it_is_shown_to_nobody() -> None:
    wire = bound("post_lgsp").render("order_shipment", order(), SENT, mask=True)
    shown = json.dumps(wire.masked, ensure_ascii=False)
    for hidden in ("Trần Thị Không", "0900000000", "Thôn Không", "khong@centre.example"):
        assert hidden not in shown
    assert "000.00.14.H32-261123-0100" in shown
