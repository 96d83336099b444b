"""What we send carries the signature of what is really sent, and an answer whose signature proves nothing is no answer."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.carried import Carried
from connectors.kit.exchange import WireReply
from connectors.kit.manifest import Signature
from connectors.kit.outcomes import Answered, Broken, Result
from connectors.kit.signatures import Signing, signature
from mappings.canonical import MASK, ProcessingStep
from mappings.errors import FilesRefused, MappingFailed
from mappings.values_files import write_content

Office = Callable[..., BoundAgency]

FILE = """
[operations.file_step]
kind = "filing"
call = "{call}"
sends = "step"
returns = "step"
unwrap = ["json", "data", "json"]
wrap = {{ Loai = "=BUOC", Ma = "call.id", data = "payload" }}
code = "code"
[operations.file_step.sign]
scheme = "{scheme}"
at = "{at}"
join = "{join}"
of = ["Loai", "Ma", "data/MaHoSo", "data/KhongCo", "settings.sign_key"]
[operations.file_step.signed]
scheme = "sha256 hex"
at = "ChuKy"
join = "|"
of = ["MaHoSo", "TrangThai", "settings.sign_key"]
"""
ANSWERS = {
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,0,,ok,,,\n,200,1,,pending,,,\n"
    ",200,9,,refused,tax.no,Không,No\n"
}
STEP = ProcessingStep.model_validate(
    {"dossier": "A-1", "handler": "Lê", "processed_at": "2026-03-16T10:00:00+07:00", "status": "processing"}
)
SOURCES = {"call.id": "c-1"}
RECORD = {"MaHoSo": "A-1", "Nguoi": "Lê", "Luc": "20260316100000", "TrangThai": "4"}


def agency(office: Office, answer: Callable[[Any], WireReply] | None = None, **changed: str) -> BoundAgency:
    lines = {"call": "POST /steps", "scheme": "sha256 hex", "at": "ChuKy", "join": "|", **changed}
    return office(FILE.format(**lines), files=ANSWERS, answer=answer or (lambda _: WireReply(500, {}, b"")))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestSign:
    def test_the_signature_is_over_the_finished_payload_in_the_order_of_the_manifest(self, office: Office) -> None:
        sent = from_json(agency(office).render("file_step", STEP, SOURCES).body)
        assert sent["ChuKy"] == sha256("BUOC|c-1|A-1||s1gn")  # a place where nothing stands counts as empty

    def test_without_a_separator_the_values_stand_together(self, office: Office) -> None:
        sent = from_json(agency(office, join="").render("file_step", STEP, SOURCES).body)
        assert sent["ChuKy"] == sha256("BUOCc-1A-1s1gn")

    @pytest.mark.parametrize(
        ("scheme", "expected"),
        [
            ("md5 hex", hashlib.md5(b"BUOC|c-1|A-1||s1gn", usedforsecurity=False).hexdigest()),
            ("hmac sha256 hex", hmac.new(b"s1gn", b"BUOC|c-1|A-1|", "sha256").hexdigest()),
        ],
    )
    def test_each_scheme_is_what_its_name_says(self, office: Office, scheme: str, expected: str) -> None:
        assert from_json(agency(office, scheme=scheme).render("file_step", STEP, SOURCES).body)["ChuKy"] == expected

    def test_a_signature_may_stand_in_a_header_or_deep_in_the_payload(self, office: Office) -> None:
        wire = agency(office, at="header:X-Sign").render("file_step", STEP, SOURCES)
        assert wire.headers["X-Sign"] == sha256("BUOC|c-1|A-1||s1gn")
        deep = from_json(agency(office, at="data/BaoMat/ChuKy").render("file_step", STEP, SOURCES).body)
        assert deep["data"]["BaoMat"]["ChuKy"] == sha256("BUOC|c-1|A-1||s1gn")

    def test_what_is_sent_as_a_form_is_signed_too(self, office: Office) -> None:
        lines = FILE.format(call="POST form /steps", scheme="sha256 hex", at="ChuKy", join="|")
        form = lines.replace('wrap = { Loai = "=BUOC", Ma = "call.id", data = "payload" }\n', "")
        wire = office(form, files=ANSWERS).render("file_step", STEP, SOURCES)
        assert f"ChuKy={sha256('||||s1gn')}".encode() in wire.body

    def test_a_value_that_holds_the_separator_is_never_sent(self, office: Office) -> None:
        with pytest.raises(MappingFailed, match="Ma: holds the separator") as failed:
            agency(office).render("file_step", STEP, {"call.id": "c|1"})
        assert "c|1" not in str(failed.value)

    def test_a_file_that_is_put_in_while_it_is_sent_cannot_be_signed(self) -> None:
        signing = Signing(Signature(scheme="md5 hex", at="ChuKy", of=("Tep", "settings.key"), join=""))
        with pytest.raises(MappingFailed, match="Tep: is a file"):
            signing.make(Carried({"Tep": write_content("a" * 64)}), {"settings.key": "k"})

    def test_a_place_that_the_mapping_writes_too_is_no_place_for_a_signature(self, office: Office) -> None:
        with pytest.raises(MappingFailed, match="by the mapping and by `sign`"):
            agency(office, at="data/MaHoSo").render("file_step", STEP, SOURCES)

    @pytest.mark.parametrize("at", ["ChuKy", "header:X-Sign", "query:sign"])
    def test_what_people_are_shown_holds_no_signature(self, office: Office, at: str) -> None:
        bound = agency(office, at=at)
        wire = bound.render("file_step", STEP, SOURCES, mask=True)
        made = sha256("BUOC|c-1|A-1||s1gn")
        assert made in f"{wire.body!r}{wire.headers}{wire.url}"
        assert made not in str(wire.masked)
        if at == "ChuKy":
            assert getattr(wire.masked, "get", lambda _: None)("ChuKy") == MASK

    def test_an_unknown_scheme_is_told_with_its_nearest(self) -> None:
        with pytest.raises(ValueError, match="did you mean 'sha256 hex'"):
            signature("sha256hex")

    @pytest.mark.parametrize(
        ("change", "key", "says"),
        [
            (('scheme = "sha256 hex"\nat = "ChuKy"\njoin = "|"\nof = ["Loai"', 'scheme = "rsa"\nat = "ChuKy"\nof = ["Loai"'), "sign.scheme", "known schemes"),
            (('"Loai", "Ma"', '"Loai[]", "Ma"'), "sign.of", "names one text"),
            (('"data/KhongCo", "settings.sign_key"', '"data/KhongCo", "settings.sing_key"'), "sign.of", "did you mean `settings.sign_key`"),
            (('"data/KhongCo", "settings.sign_key"', '"data/KhongCo"'), "sign.of", "anybody can compute"),
            (('"data/KhongCo", "settings.sign_key"', '"header:X", "settings.sign_key"'), "sign.of", "not there yet"),
            (('"TrangThai", "settings.sign_key"', '"TrangThai"'), "signed.of", "anybody can compute"),
        ],
    )  # fmt: skip
    def test_a_signature_that_could_not_be_made_is_refused_at_load(
        self, office: Office, change: tuple[str, str], key: str, says: str
    ) -> None:
        lines = FILE.format(call="POST /steps", scheme="sha256 hex", at="ChuKy", join="|")
        assert change[0] in lines
        with pytest.raises(FilesRefused) as refused:
            office(lines.replace(*change), files=ANSWERS)
        assert says in {fault.key: fault.says for fault in refused.value.faults}[f"operations.file_step.{key}"]


def answered(code: str, record: Mapping[str, Any] | None) -> Callable[[Any], WireReply]:
    data = to_json(record).decode() if record is not None else ""
    return lambda _: WireReply(200, {}, to_json({"code": code, "data": data}))


async def outcome(office: Office, code: str, record: Mapping[str, Any] | None) -> Any:
    bound = agency(office, answered(code, record))
    return await bound.send("file_step", bound.render("file_step", STEP, SOURCES), timeout=1)


class TestSigned:
    async def test_a_right_signature_inside_the_payload_lets_the_answer_count(self, office: Office) -> None:
        found = await outcome(office, "0", {**RECORD, "ChuKy": sha256("A-1|4|s1gn")})
        assert isinstance(found, Answered)
        assert (found.result, found.value) == (Result.OK, STEP)

    @pytest.mark.parametrize("code", ["0", "1"])
    @pytest.mark.parametrize("shown", [None, "", "0" * 64, sha256("A-1|9|s1gn"), {"a": 1}])
    async def test_an_answer_that_proves_nothing_is_broken_so_that_a_filing_is_in_doubt(
        self, office: Office, code: str, shown: Any
    ) -> None:
        found = await outcome(office, code, {**RECORD, "ChuKy": shown})
        assert isinstance(found, Broken)
        assert (found.cause, found.sent, found.refused_before_processing) == ("signature", True, False)

    async def test_a_no_may_come_unsigned_but_not_with_a_wrong_signature(self, office: Office) -> None:
        plain, forged = await outcome(office, "9", None), await outcome(office, "9", {**RECORD, "ChuKy": "0" * 64})
        assert isinstance(plain, Answered)
        assert plain.result is Result.REFUSED
        assert isinstance(forged, Broken)

    async def test_a_signature_is_never_told(self, office: Office) -> None:
        found = await outcome(office, "0", {**RECORD, "ChuKy": "0" * 64})
        assert "000" not in str(found.faults)
        assert sha256("A-1|4|s1gn") not in str(found.faults)
