"""The contract that the centre proposes to water companies, and that another company's names change nothing of it."""

import json
from typing import Any

import pytest

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.outcomes import Answered, Outcome
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.utilities import UtilityProgress, UtilityRequest, UtilityRequestQuery
from tests.contract import alone

NAMES = ("water_khawassco", "water_other")
both = pytest.mark.parametrize("name", NAMES)
CONNECTORS = {name: load_connector(find_connectors()[name]) for name in NAMES}
SAMPLES = {name: {one.name: one for one in load_samples(find_connectors()[name])} for name in NAMES}
KEYS = {"water_khawassco": "ApiKey 0000-inbound", "water_other": "Bearer 0000-inbound"}
PORTAL = list(DossierStatus)  # the portal numbers them from 1 in this order
STATUSES = {
    "water_khawassco": "RECEIVED SURVEYING QUOTED WAIT_PAYMENT WAIT_SUPPLEMENT INSTALLING DONE REJECTED",
    "water_other": "TIEPNHAN KHAOSAT BAOGIA CHOTHANHTOAN CHOBOSUNG THICONG HOANTHANH TUCHOI",
}
MEAN = [2, 4, 4, 6, 5, 4, 9, 8]
WORDS = [
    (name, word, PORTAL[number - 1])
    for name in NAMES
    for word, number in zip(STATUSES[name].split(), MEAN, strict=True)
]
PLACE = {"water_khawassco": "status", "water_other": "TrangThai"}


def bound(name: str, reply: WireReply | Outcome = alone.NOBODY) -> Any:
    given = {"client_id": "one-stop"} if name == "water_other" else {}
    return alone.bound(CONNECTORS[name], reply, secret_key="0000", inbound_key=KEYS[name], **given)


def pushed(name: str, key: str | None = None, **changed: Any) -> Understood | NotTaken:
    body = {**json.loads(SAMPLES[name]["request_progressed.taken"].request_agency or b""), **changed}
    headers = {"authorization": KEYS[name] if key is None else key, "content-type": "application/json"}
    found: Understood | NotTaken = bound(name).inbox.read(
        "request_progressed", WireNotice(headers, {}, json.dumps(body).encode())
    )
    return found


@pytest.mark.parametrize(("name", "word", "means"), WORDS, ids=[f"{name}:{word}" for name, word, _ in WORDS])
async def test_the_companys_word_is_kept_and_its_meaning_stands_beside_it(
    name: str, word: str, means: DossierStatus
) -> None:
    found = pushed(name, **{PLACE[name]: word})
    assert isinstance(found, Understood)
    value = found.told[0].value
    assert isinstance(value, UtilityProgress)
    assert (value.step, value.status) == (word, means)
    recorded = SAMPLES[name]["lookup_request.surveying"]
    body = {**json.loads(recorded.reply_agency or b""), PLACE[name]: word}
    agency = bound(name, WireReply(200, {}, json.dumps(body).encode()))
    query = UtilityRequestQuery.model_validate(recorded.request)
    sources = {"exchange.id": "01930000-0000-7000-8000-000000000001", "auth.token": "0000"}
    asked = await agency.send("lookup_request", agency.render("lookup_request", query, sources), timeout=1.0)
    assert isinstance(asked, Answered)
    assert isinstance(asked.value, UtilityProgress)
    assert (asked.value.step, asked.value.status) == (word, means)


@both
def test_a_word_that_nobody_agreed_on_is_kept_for_a_person(name: str) -> None:
    for word in ("PAUSED", "", None):
        found = pushed(name, **{PLACE[name]: word})
        assert isinstance(found, NotTaken)
        assert found.way == "refused"


@both
@pytest.mark.parametrize("key", ["", "0000", "0000-inbound", "Bearer 0000-other"])
def test_who_does_not_show_the_key_is_not_believed(name: str, key: str) -> None:
    found = pushed(name, key)
    assert isinstance(found, NotTaken)
    assert found.way == "denied"


@both
def test_a_step_is_known_by_request_status_and_moment(name: str) -> None:
    first, again, other = pushed(name), pushed(name), pushed(name, **{PLACE[name]: STATUSES[name].split()[-2]})
    assert isinstance(first, Understood)
    assert isinstance(again, Understood)
    assert isinstance(other, Understood)
    assert first.told[0].unique == again.told[0].unique != other.told[0].unique
    assert first.told[0].refs == {"request": "YC-000001"}


@both
def test_one_request_a_dossier_so_a_filing_without_an_answer_is_sent_again(name: str) -> None:
    filing = CONNECTORS[name].operations["file_request"]
    assert filing.repeat_safe
    assert filing.order_by == "dossier"
    assert {SAMPLES[name][f"file_request.{case}"].http for case in ("change_owner", "again")} == {201, 200}


@both
def test_each_exchange_has_an_id_that_both_sides_log(name: str) -> None:
    value = UtilityRequest.model_validate_json(json.dumps(SAMPLES[name]["file_request.change_owner"].request))
    wires = [
        bound(name).render("file_request", value, {"exchange.id": one, "auth.token": "0000"}) for one in ("a-1", "a-2")
    ]
    assert [wire.headers["X-Request-Id"] for wire in wires] == ["a-1", "a-2"]
    assert wires[0].body == wires[1].body


def test_another_companys_names_change_nothing_of_what_is_said() -> None:
    theirs, others = (SAMPLES[name] for name in NAMES)
    for case in theirs:
        mine, other = theirs[case].reply, others[case].reply
        assert (mine is None) == (other is None), case
        if isinstance(mine, dict):
            assert _without_codes(mine) == _without_codes(other), case


def _without_codes(value: dict[str, Any]) -> dict[str, Any]:
    """What is said, but for codes of the company's own and how it words an address."""
    return {key: inner for key, inner in value.items() if key not in ("customer", "step", "address")}


def test_the_same_record_goes_to_power_and_to_water() -> None:
    power = load_connector(find_connectors()["power"])
    models = {connector.operations["file_request"].request for connector in (power, *CONNECTORS.values())}
    assert models == {UtilityRequest}
