"""What the power company's system is known to want, stated apart from the files that say it."""

import csv
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from connectors.kit.answers import Signs
from connectors.kit.exchange import WireReply
from connectors.kit.operation import agrees, follow_up_request
from connectors.kit.outcomes import Answered, Broken, Outcome, Result, Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical.document_store import FetchedFile
from mappings.canonical.utilities import UtilityFileQuery, UtilityProgress, UtilityRequest, UtilityRequestQuery
from mappings.errors import MappingFailed
from tests.contract import alone
from tests.contract.test_connectors_facts import words

FOLDER = find_connectors()["power"]
POWER = load_connector(FOLDER)
FILE, LOOK_UP = POWER.operations["file_request"], POWER.operations["lookup_request"]
SAMPLES = {one.name: one for one in load_samples(FOLDER)}
REFERENCE = "01930000000070008000000000000001"
SOURCES = {
    "call.reference": REFERENCE,
    "call.accepted_at": "2026-11-23T20:30:00+07:00",
    "officer.account": "canbo00",
}
STEPS = words("TN PC KS DHD KHD TC KTR TVB PK DDN KDN BDN BTT MNT DTN HT HU")
TABLES = {
    "DV_YEU_CAU": """MA_DVIQLY MA_YCAU_KNAI MA_KHANG TEN_NGUOIYCAU DCHI_NGUOIYCAU SO_NHA DUONG_PHO NGAY_TNHAN
        NOI_DUNG_YCAU NGAY_HTHANH MA_TCHAT MA_HTHUC MA_LOAI_YCAU TINH_TRANG DTHOAI SNGAY_YCAU SNGAY_ND SNGAY_KH NGAY_TAO
        NGUOI_TAO NGAY_SUA NGUOI_SUA MA_CNANG MA_TO CAP_NGAM HTHUC_KYKH""",
    "DV_TIEN_TNHAN": """MA_DVIQLY MA_DVI_TNHAN MA_YCAU_KNAI MA_LOAI_YCAU MA_HTHUC MA_KHANG TEN_KHANG TEN_NGUOIYCAU
        DCHI_NGUOIYCAU SO_NHA DUONG_PHO ID_DIA_CHINH DTHOAI DTHOAI_DVU EMAIL FAX MST GIOI_TINH LOAI_DINHDANH SO_DINHDANH
        MA_HOSO_DVC ID_WEB TOA_DO CQUAN_CHUQUAN DCHI_CQUANCQ NGUOI_UQUYEN NGAY_UQUYEN NOI_DUNG_YCAU MDICH_SHOAT SO_PHA
        MA_NHANG SO_TKHOAN MA_TTO MA_BPHAN MA_NVIEN NGAY_YCAU NGAY_HEN TINH_TRANG MA_CNANG NGAY_TAO NGUOI_TAO NGAY_SUA
        NGUOI_SUA""",
    "CD_KHANG_LIENHE[]": """MA_DVIQLY ID_LIENHE MA_HDONG MA_YCAU_KNAI MA_KHANG STTU_UTIEN TEN_KH_LHE DCHI_KH_LHE SO_CMT
        NGAY_CAP NOI_CAP DTHOAI_DVU FAX EMAIL MA_CNANG""",
    "DV_HSO_GTO[]": """MA_LOAI_HSO TEN_LOAI_HSO SO_GTO NGAY_HLUC NGAY_HET_HLUC NOI_CAP FILE_VALUE TINH_TRANG IS_SELECTED
        KTRA_NHAP MA_DVIQLY MA_YCAU_KNAI MA_CNANG""",
    "DV_TIEN_TRINH[]": """MA_DVIQLY MA_YCAU_KNAI MA_DDO_DDIEN MA_BPHAN_GIAO MA_NVIEN_GIAO MA_BPHAN_NHAN MA_NVIEN_NHAN
        MA_CVIEC MA_CVIECTIEP MA_TNGAI NGUYEN_NHAN NDUNG_XLY NGAY_BDAU NGAY_KTHUC NGAY_HEN KQUA_ID_BUOC SO_LAN
        SO_NGAY_LVIEC WORKFLOW_ID MA_CNANG""",
    "CD_DDO_DDIEN[]": "MA_DDO_DDIEN DV_TIEN_TRINH[]",
}


def bound(reply: WireReply | Outcome = alone.NOBODY) -> Any:
    return alone.bound(POWER, reply)


def request(case: str = "change_owner", **changed: Any) -> UtilityRequest:
    return UtilityRequest.model_validate_json(json.dumps({**SAMPLES[f"file_request.{case}"].request, **changed}))


def written(value: UtilityRequest) -> Any:
    return json.loads(bound().render("file_request", value, SOURCES).body)


async def told(name: str, **changed: Any) -> Outcome:
    """Say how the answer to a look-up is understood, when the recorded one is *changed*."""
    body = {**json.loads(SAMPLES[name].reply_agency or b""), **changed}
    agency = bound(WireReply(200, {"content-type": "application/json"}, json.dumps(body).encode()))
    query = UtilityRequestQuery(request=REFERENCE, unit="PQ0100")
    outcome: Outcome = await agency.send("lookup_request", agency.render("lookup_request", query, {}), timeout=1.0)
    return outcome


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{at}/{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, at)
    else:
        yield at.removeprefix("/"), value


def test_every_known_field_of_a_request_is_listed() -> None:
    with (FOLDER / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        listed = {
            row["field"]
            for row in csv.DictReader(file)
            if (row["operation"], row["direction"]) == ("file_request", "request")
        }
    assert {f"{table}/{field}" for table, fields in TABLES.items() for field in words(fields)} <= listed


def test_a_change_of_owner_says_who_has_the_contract_and_who_takes_it_over() -> None:
    sent = written(request())
    received = sent["DV_TIEN_TNHAN"]
    assert (received["TEN_KHANG"], received["TEN_NGUOIYCAU"]) == ("Nguyễn Văn Không", "Trần Thị Không")
    assert (received["MA_KHANG"], received["SO_DINHDANH"]) == ("PQ01000000001", "000180000011")
    assert received["MA_HOSO_DVC"] == "000.00.14.H32-261123-0001"
    assert {sent[table]["MA_LOAI_YCAU"] for table in ("DV_YEU_CAU", "DV_TIEN_TNHAN")} == {"TDCT"}


def test_each_date_has_the_form_of_its_place() -> None:
    sent = dict(leaves(written(request(representative="Lê Thị Không", authorised_on="2026-11-20"))))
    dates = {place: value for place, value in sent.items() if place.rpartition("/")[2].startswith("NGAY_")}
    assert dates == {
        "DV_YEU_CAU/NGAY_TNHAN": "23/11/2026",
        "DV_YEU_CAU/NGAY_TAO": "2026-11-23 20:30:00",
        "DV_TIEN_TNHAN/NGAY_YCAU": "23/11/2026",
        "DV_TIEN_TNHAN/NGAY_HEN": "27/11/2026",
        "DV_TIEN_TNHAN/NGAY_UQUYEN": "20/11/2026",
        "DV_TIEN_TNHAN/NGAY_TAO": "2026-11-23 20:30:00",
        "CD_KHANG_LIENHE/NGAY_CAP": "17/05/2021",
        "DV_TIEN_TRINH/NGAY_BDAU": "2026-11-23 20:30:00",
        "DV_TIEN_TRINH/NGAY_KTHUC": "2026-11-23 20:30:00",
    }


@pytest.mark.parametrize("case", ["change_owner", "new_connection", "few_words"])
def test_what_is_not_known_is_left_out_and_never_made_up(case: str) -> None:
    """A public client fills it with `1` and `admin`."""
    found = {str(value).lower() for _, value in leaves(written(request(case)))}
    assert not found & {"1", "admin", "", "none", "null"}


def test_without_an_account_of_the_officer_nothing_is_sent() -> None:
    with pytest.raises(MappingFailed, match=r"officer\.account"):
        bound().render("file_request", request(), {**SOURCES, "officer.account": None})


@pytest.mark.parametrize(
    ("given", "branch"),
    [
        ({"customer": "PQ01000000001"}, "PQ0100"),
        ({"customer": "PB02000000001"}, "PB0200"),
        ({"customer": None, "unit": "PB0200"}, "PB0200"),
        ({"customer": "PQ01000000001", "unit": "PQ0300"}, "PQ0300"),
    ],
)
def test_the_branch_is_the_one_given_else_the_beginning_of_the_customers_code(
    given: dict[str, Any], branch: str
) -> None:
    sent = dict(leaves(written(request("few_words", **given))))
    places = {place for place in sent if place.endswith(("/MA_DVIQLY", "/MA_DVI_TNHAN"))}
    assert len(places) == 5
    assert {sent[place] for place in places} == {branch}


def test_a_retry_sends_the_same_request_again_letter_by_letter() -> None:
    sent = [
        bound().render("file_request", request(), {**SOURCES, "exchange.id": number, "exchange.at": at})
        for number, at in (("1", "2026-11-23T20:30:01+07:00"), ("2", "2026-11-24T09:00:00+07:00"))
    ]
    assert sent[0] == sent[1]
    codes = {value for place, value in leaves(json.loads(sent[0].body)) if place.endswith("/MA_YCAU_KNAI")}
    assert codes == {REFERENCE}


def test_doubt_and_waiting_are_looked_up_by_the_code_that_we_gave() -> None:
    assert FILE.then == {"in_doubt": "lookup_request", "pending": "lookup_request"}
    assert not FILE.repeat_safe
    assert FILE.own == {"request": "call.reference"}
    assert LOOK_UP.every is not None
    for why in FILE.then:
        query = follow_up_request(FILE, why, request(), {"request": REFERENCE})
        asked = json.loads(bound().render("lookup_request", query, {}).body)
        assert asked == {"MA_DVIQLY": "PQ0100", "MA_YCAU_KNAI": REFERENCE, "MA_DDO_DDIEN": "-1"}


async def test_only_a_request_at_the_same_branch_settles_a_doubt() -> None:
    found = await told("lookup_request.surveying")
    assert isinstance(found, Answered)
    assert agrees(LOOK_UP, FILE, request(), found.value)
    assert not agrees(LOOK_UP, FILE, request(customer="PQ03000000001"), found.value)
    assert not LOOK_UP.sees_writes


@pytest.mark.parametrize("operation", ["file_request", "file_document", "list_documents", "lookup_catalogue"])
def test_success_has_two_words_and_no_third(operation: str) -> None:
    judge = POWER.operations[operation].judge
    good = "pending" if operation == "file_request" else "ok"
    assert [(row and row.result) for word in ("OK", "SUCCESS") for row in [judge.row_for(Signs(200, word, "OK"))]] == [
        good,
        good,
    ]
    assert all(judge.row_for(Signs(200, word, "OK")) is None for word in ("DONE", "1", None))


@pytest.mark.parametrize("word", ["OK", "SUCCESS"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_request_ends_only_where_it_is_done_or_cancelled(step: str, word: str) -> None:
    outcome = await told("lookup_request.surveying", MA_CVIEC=step, TYPE=word)
    assert isinstance(outcome, Answered)
    assert outcome.result is {"HT": Result.OK, "HU": Result.REFUSED}.get(step, Result.PENDING)
    if isinstance(outcome.value, UtilityProgress):
        assert outcome.value.step == step
        assert outcome.value.status == {"TN": "received", "HT": "finished"}.get(step, "processing")


async def test_no_answer_ends_nothing_and_an_unknown_step_is_not_guessed() -> None:
    assert isinstance(await told("lookup_request.done", TYPE="ERROR", MA_CVIEC=None), Unavailable)
    assert isinstance(await told("lookup_request.done", TYPE="LOI"), Broken)
    assert isinstance(await told("lookup_request.surveying", MA_CVIEC="XYZ"), Broken)


async def test_a_paper_that_comes_as_its_bytes_is_kept_as_they_are() -> None:
    content = SAMPLES["fetch_document.ok"].reply_agency or b""
    agency = bound(WireReply(200, {"content-type": "application/pdf"}, content))
    query = UtilityFileQuery(request=REFERENCE, customer="PQ01000000001", kind="53")
    wire = agency.render("fetch_document", query, {})
    assert wire.url.endswith(f"/getHSGT/123/123/PQ0100/{REFERENCE}/53")
    outcome = await agency.send("fetch_document", wire, timeout=1.0)
    assert isinstance(outcome, Answered)
    name = sha256(content).hexdigest()
    assert outcome.value == FetchedFile(file=name)
    assert outcome.files == {name: content}


def test_who_asks_for_what_needs_an_officer() -> None:
    open_to_all = {name for name, operation in POWER.operations.items() if not operation.personal_data}
    assert open_to_all == {"lookup_catalogue"}
