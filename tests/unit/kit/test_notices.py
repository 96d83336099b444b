"""What an agency pushes is believed only with its proof, read whole or not at all, and answered in its own words."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic_core import from_json, to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from mappings.canonical import ProcedureQuery, ProcessingStep, ResultPaper
from mappings.errors import FilesRefused, MappingFailed
from tests.unit.kit.conftest import FACTS

Office = Callable[..., BoundAgency]

PUSH = """
[notices.step_taken]
select = { Service = "Buoc" }
unwrap = ["json", "Data"]
returns = "step"
unique = ["MaHoSo", "Luc"]
ref = { dossier = "MaHoSo", receipt = "SoPhieu" }
agrees = ["dossier"]
auth = { put = { "SecurityKey" = "settings.security_key" } }
[notices.step_taken.replies]
taken = { error_code = "=0", message = "=ok" }
refused = { error_code = 1, message = "notice.reason" }
denied = { error_code = "=401" }
[notices.step_undone]
select = { Service = "HuyBuoc" }
unwrap = ["json", "Data"]
returns = "step"
auth = { put = { "SecurityKey" = "settings.security_key" } }
"""
RECORD: Mapping[str, Any] = {"MaHoSo": "A-1", "Nguoi": "Lê Cán Bộ", "Luc": "20260316100000", "TrangThai": "4"}


def push(*, key: str = "k3y", service: str = "Buoc", data: Any = RECORD, headers: Mapping[str, str] = {}) -> WireNotice:
    body = {"SecurityKey": key, "Service": service, "Data": data, "SoPhieu": "P-7"}
    return WireNotice({"content-type": "application/json", **headers}, {}, to_json(body))


def read(agency: BoundAgency, came: WireNotice, notice: str = "step_taken") -> Understood | NotTaken:
    assert agency.inbox is not None
    return agency.inbox.read(notice, came)


def understood(agency: BoundAgency, came: WireNotice, notice: str = "step_taken") -> Understood:
    found = read(agency, came, notice)
    assert isinstance(found, Understood), found
    return found


def not_taken(agency: BoundAgency, came: WireNotice, notice: str = "step_taken") -> NotTaken:
    found = read(agency, came, notice)
    assert isinstance(found, NotTaken), found
    return found


class TestReading:
    def test_a_push_with_its_proof_becomes_our_value_with_its_keys(self, office: Office) -> None:
        (told,) = understood(office(PUSH), push()).told
        assert isinstance(told.value, ProcessingStep)
        assert (told.value.dossier, told.value.status) == ("A-1", "processing")
        assert told.unique == '["A-1","20260316100000"]'
        assert told.refs == {"dossier": "A-1", "receipt": "P-7"}

    def test_a_connector_without_notices_has_no_inbox(self, office: Office) -> None:
        assert office("").inbox is None

    def test_what_select_says_is_read_as_that_notice(self, office: Office) -> None:
        assert understood(office(PUSH), push(service="HuyBuoc")).notice == "step_undone"

    def test_a_message_that_no_notice_is_is_refused_by_the_place_that_says_so(self, office: Office) -> None:
        found = not_taken(office(PUSH), push(service="Khac"))
        assert (found.notice, found.way, [fault.place for fault in found.faults]) == (
            "step_taken",
            "refused",
            ["Service"],
        )

    def test_a_notice_that_does_not_exist_is_the_callers_mistake(self, office: Office) -> None:
        with pytest.raises(KeyError):
            read(office(PUSH), push(), "step_forgotten")

    def test_a_record_that_does_not_fit_is_refused_by_place_and_never_by_value(self, office: Office) -> None:
        found = not_taken(office(PUSH), push(data={**RECORD, "Luc": "hôm qua", "TrangThai": "77"}))
        assert found.way == "refused"
        assert {fault.place for fault in found.faults} == {"Luc", "TrangThai"}
        assert "hôm qua" not in str(found)
        assert "77" not in str(found)

    def test_a_form_is_read_like_the_same_fields_in_json(self, office: Office) -> None:
        agency = office(
            '[notices.step_taken]\nreturns = "step"\nauth = { put = { "header:X-Key" = "settings.security_key" } }'
        )
        body = b"MaHoSo=A-1&Nguoi=L%C3%AA&Luc=20260316100000&TrangThai=4"
        came = WireNotice({"content-type": "application/x-www-form-urlencoded", "x-key": "k3y"}, {}, body)
        assert understood(agency, came).told[0].value is not None

    def test_a_notice_without_a_mapping_tells_only_its_keys(self, office: Office) -> None:
        agency = office(
            '[notices.step_taken]\nref = "MaHoSo"\nauth = { put = { "header:X-Key" = "settings.security_key" } }'
        )
        (told,) = understood(agency, WireNotice({"x-key": "k3y"}, {}, b'{"MaHoSo": "A-1"}')).told
        assert (told.value, told.refs, told.unique) == (None, {"MaHoSo": "A-1"}, None)


def test_what_was_kept_is_read_again_without_the_key_which_is_not_kept(office: Office) -> None:
    agency = office(
        '[notices.step_taken]\nreturns = "step"\nauth = { put = { "header:X-Key" = "settings.security_key" } }\n'
        'signed = { scheme = "sha256 hex", at = "ChuKy", of = ["MaHoSo", "settings.sign_key"] }'
    )
    assert agency.inbox is not None
    kept = WireNotice({}, {}, to_json(RECORD))
    assert not_taken(agency, kept).way == "denied"
    assert isinstance(agency.inbox.read_again("step_taken", kept), Understood)
    still = agency.inbox.read_again("step_taken", WireNotice({}, {}, b"{"))
    assert isinstance(still, NotTaken)
    assert still.way == "refused"


class TestProof:
    @pytest.mark.parametrize("key", ["", "K3Y", "k3y ä", "wrong"])
    def test_who_does_not_show_the_key_is_denied_and_told_nothing_of_it(self, office: Office, key: str) -> None:
        found = not_taken(office(PUSH), push(key=key))
        assert (found.way, [fault.place for fault in found.faults]) == ("denied", ["SecurityKey"])
        assert "k3y" not in str(found)

    def test_a_key_that_stands_twice_proves_nothing(self, office: Office) -> None:
        body = b'{"securitykey": "k3y", "SECURITYKEY": "other", "Service": "Buoc", "Data": {}}'
        assert not_taken(office(PUSH), WireNotice({}, {}, body)).way == "denied"

    def test_a_body_that_cannot_be_read_is_denied_where_the_proof_stands_in_it(self, office: Office) -> None:
        assert not_taken(office(PUSH), WireNotice({}, {}, b"{")).way == "denied"

    @pytest.mark.parametrize(
        ("headers", "way"), [({"x-key": "k3y"}, "refused"), ({"x-key": "no"}, "denied"), ({}, "denied")]
    )
    def test_a_proof_in_a_header_is_looked_at_before_the_body(
        self, office: Office, headers: Mapping[str, str], way: str
    ) -> None:
        agency = office(
            '[notices.step_taken]\nreturns = "step"\nauth = { put = { "header:X-Key" = "settings.security_key" } }'
        )
        assert not_taken(agency, WireNotice(headers, {}, b"no json")).way == way

    def test_a_key_in_the_query_counts_where_the_manifest_says_so(self, office: Office) -> None:
        agency = office(
            '[notices.step_taken]\nreturns = "step"\nauth = { put = { "query:key" = "settings.security_key" } }'
        )
        assert understood(agency, WireNotice({}, {"key": "k3y"}, to_json(RECORD))).told
        assert not_taken(agency, WireNotice({}, {"key": "x"}, to_json(RECORD))).way == "denied"

    def test_the_other_notice_of_an_address_asks_for_its_own_proof(self, office: Office) -> None:
        agency = office(
            PUSH.replace(
                '"SecurityKey" = "settings.security_key" } }\n[notices.step_taken.replies]',
                '"SecurityKey" = "settings.sign_key" } }\n[notices.step_taken.replies]',
            )
        )
        found = not_taken(agency, push(key="s1gn", service="HuyBuoc"))
        assert (found.notice, found.way) == ("step_undone", "denied")

    def test_an_empty_setting_that_proves_is_refused_when_the_agency_is_bound(self, office: Office) -> None:
        with pytest.raises(FilesRefused) as refused:
            office(PUSH, settings={"security_key": "", "sign_key": "x"})
        assert [fault.key for fault in refused.value.faults] == ["agencies.tax.security_key"]

    def test_until_a_key_with_an_empty_default_is_given_nobody_is_believed(self, office: Office) -> None:
        """An installation that an agency does not push to yet starts all the same."""
        manifest = FACTS.replace('help = "Key they show"', 'help = "Key they show"\ndefault = ""') + PUSH
        agency = office("", files={"manifest.toml": manifest}, settings={"sign_key": "x"})
        for key in ("k3y", "", " "):
            assert not_taken(agency, push(key=key)).way == "denied"


SEVERAL = """
[notices.notes_sent]
unwrap = ["json", "Data/Tep", "base64", "xml", "BODY", "ROW_LIST[]"]
returns = "step"
unique = ["MaHoSo", "LIST[]/SO"]
ref = "MaHoSo"
auth = { put = { "SecurityKey" = "settings.security_key" } }
"""
ROW = (
    "<ROW_LIST><MaHoSo>{}</MaHoSo><Nguoi>Lê</Nguoi><Luc>20260316100000</Luc><TrangThai>{}</TrangThai>"
    "<LIST><SO>1</SO></LIST><LIST><SO>2</SO></LIST></ROW_LIST>"
)


def rows(*each: str, dtd: str = "") -> WireNotice:
    file = f"{dtd}<DATA><BODY>{''.join(each)}</BODY></DATA>".encode()
    body = {"SecurityKey": "k3y", "Data": {"Tep": base64.b64encode(file).decode()}}
    return WireNotice({}, {}, to_json(body))


class TestSeveralRecords:
    def test_base64_xml_inside_json_gives_each_of_its_records(self, office: Office) -> None:
        agency = office(SEVERAL, root="ROW_LIST")
        told = understood(agency, rows(ROW.format("A-1", 4), ROW.format("A-2", 9)), "notes_sent").told
        assert [one.refs for one in told] == [{"dossier": "A-1"}, {"dossier": "A-2"}]
        assert [one.unique for one in told] == ['[["A-1"],["1","2"]]', '[["A-2"],["1","2"]]']

    def test_one_bad_record_refuses_them_all_and_its_number_is_told(self, office: Office) -> None:
        agency = office(SEVERAL, root="ROW_LIST")
        found = not_taken(agency, rows(ROW.format("A-1", 4), ROW.format("A-2", "x")), "notes_sent")
        assert (found.way, [fault.place for fault in found.faults]) == ("refused", ["told[1]/TrangThai"])

    def test_a_push_without_a_record_is_refused(self, office: Office) -> None:
        assert not_taken(office(SEVERAL, root="ROW_LIST"), rows(), "notes_sent").way == "refused"

    def test_a_dtd_inside_base64_is_refused_like_any_other(self, office: Office) -> None:
        bomb = '<!DOCTYPE DATA [<!ENTITY a "aaaa">]>'
        found = not_taken(office(SEVERAL, root="ROW_LIST"), rows(ROW.format("A-1", 4), dtd=bomb), "notes_sent")
        assert found.way == "refused"
        assert "DTD" in str(found.faults)

    def test_a_record_without_what_makes_it_the_same_is_refused(self, office: Office) -> None:
        agency = office(SEVERAL.replace('["MaHoSo", "LIST[]/SO"]', '["So"]'), root="ROW_LIST")
        found = not_taken(agency, rows(ROW.format("A-1", 4)), "notes_sent")
        assert [fault.place for fault in found.faults] == ["told[0]/So"]


def test_a_push_with_more_than_its_contract_is_taken_and_the_places_are_told(office: Office) -> None:
    schema = {"type": "object", "properties": {name: {} for name in ("SecurityKey", "Service", "Data")}}
    pinned = to_json({**schema, "additionalProperties": False}).decode()
    agency = office(PUSH, files={"contract/step_taken.request.schema.json": pinned})
    assert understood(agency, push()).told[0].drift == ("SoPhieu",)


def test_places_in_another_letter_case_are_read_and_told(office: Office) -> None:
    data = {**{name: value for name, value in RECORD.items() if name != "Nguoi"}, "NGUOI": "Lê"}
    assert understood(office(PUSH), push(data=data)).told[0].drift == ("Nguoi",)


def test_two_records_whose_unique_places_only_run_together_are_not_the_same(office: Office) -> None:
    agency = office(PUSH.replace('["MaHoSo", "Luc"]', '["MaHoSo", "Nguoi"]'))
    one = understood(agency, push(data={**RECORD, "MaHoSo": "A-1", "Nguoi": "2"})).told[0].unique
    two = understood(agency, push(data={**RECORD, "MaHoSo": "A-12", "Nguoi": '",'})).told[0].unique
    three = understood(agency, push(data={**RECORD, "MaHoSo": "A-1", "Nguoi": '2","'})).told[0].unique
    assert len({one, two, three}) == 3


def test_a_unique_text_of_any_length_stays_short(office: Office) -> None:
    agency = office(PUSH.replace('["MaHoSo", "Luc"]', '["Ghi"]'))
    long = [understood(agency, push(data={**RECORD, "Ghi": "x" * size})).told[0].unique for size in (5000, 5001)]
    assert all(one is not None and one.startswith("sha256:") and len(one) < 100 for one in long)
    assert long[0] != long[1]


SIGNED = """
[notices.step_taken]
returns = "step"
[notices.step_taken.signed]
scheme = "sha256 hex"
at = "ChuKy"
join = "|"
of = ["MaHoSo", "TrangThai", "GhiChu", "settings.sign_key"]
"""


def signed(**changed: Any) -> WireNotice:
    text = "|".join(["A-1", "4", "", "s1gn"])
    return WireNotice({}, {}, to_json({**RECORD, "ChuKy": hashlib.sha256(text.encode()).hexdigest(), **changed}))


class TestSigned:
    def test_a_right_signature_is_believed_in_either_letter_case(self, office: Office) -> None:
        agency = office(SIGNED)
        assert understood(agency, signed()).told
        shown = from_json(signed().body)["ChuKy"]
        assert understood(agency, signed(ChuKy=shown.upper())).told

    @pytest.mark.parametrize(
        "changed", [{"TrangThai": "9"}, {"ChuKy": ""}, {"ChuKy": None}, {"ChuKy": "0" * 64}, {"GhiChu": "x"}]
    )
    def test_whatever_the_signature_does_not_prove_is_denied(self, office: Office, changed: Mapping[str, Any]) -> None:
        assert not_taken(office(SIGNED), signed(**changed)).way == "denied"

    def test_a_place_in_another_letter_case_cannot_stand_beside_the_signed_one(self, office: Office) -> None:
        assert not_taken(office(SIGNED), signed(trangthai="9")).way == "denied"

    def test_a_value_that_holds_the_separator_is_denied(self, office: Office) -> None:
        found = not_taken(office(SIGNED), signed(MaHoSo="A-1|4", TrangThai=""))
        assert found.way == "denied"
        assert "separator" in str(found.faults)

    def test_a_group_where_a_signed_text_is_expected_is_denied(self, office: Office) -> None:
        assert not_taken(office(SIGNED), signed(GhiChu={"a": 1})).way == "denied"

    def test_a_signed_xml_cannot_hold_the_element_of_another_namespace_first(self, office: Office) -> None:
        agency = office(SIGNED.replace('returns = "step"', 'returns = "step"\nunwrap = ["xml"]'), root="B")
        good = from_json(signed().body)
        text = "".join(f"<{name}>{value}</{name}>" for name, value in good.items())
        assert understood(agency, WireNotice({}, {}, f"<B>{text}</B>".encode())).told
        forged = text.replace("<TrangThai>4", "<TrangThai>9")
        body = f'<B xmlns:x="urn:x"><x:TrangThai>4</x:TrangThai>{forged}</B>'
        assert not_taken(agency, WireNotice({}, {}, body.encode())).way == "denied"


class TestReplies:
    def reply(self, agency: BoundAgency, *args: Any, **named: Any) -> tuple[int, Any, Mapping[str, str]]:
        assert agency.inbox is not None
        reply = agency.inbox.reply(*args, **named)
        return reply.status, from_json(reply.body), reply.headers

    def test_their_envelope_says_how_it_ended(self, office: Office) -> None:
        agency = office(PUSH)
        assert self.reply(agency, "step_taken", "taken")[:2] == (200, {"error_code": "0", "message": "ok"})
        assert self.reply(agency, "step_taken", "denied")[:2] == (200, {"error_code": "401"})
        assert self.reply(agency, "step_taken", "refused", reason="Thiếu mã")[:2] == (
            200,
            {"error_code": 1, "message": "Thiếu mã"},
        )

    def test_what_came_twice_is_answered_like_the_first_time_unless_written_otherwise(self, office: Office) -> None:
        agency = office(PUSH)
        assert self.reply(agency, "step_taken", "seen")[:2] == (200, {"error_code": "0", "message": "ok"})

    @pytest.mark.parametrize(
        ("way", "status"), [("taken", 200), ("seen", 200), ("refused", 422), ("denied", 401), ("busy", 503)]
    )
    def test_without_a_template_plain_http_says_it(self, office: Office, way: Any, status: int) -> None:
        found, body, _ = self.reply(office(PUSH), "step_undone", way, reason="vì thế")
        assert (found, body) == (status, {"result": way, "reason": "vì thế"})

    def test_busy_says_when_to_come_again_also_in_their_envelope(self, office: Office) -> None:
        agency = office(PUSH + 'replies = { busy = { error_code = "=9" } }')
        assert self.reply(agency, "step_undone", "busy", retry_after=2.1) == (
            503,
            {"error_code": "9"},
            {"content-type": "application/json; charset=utf-8", "retry-after": "3"},
        )

    def test_a_push_in_xml_is_answered_in_xml(self, office: Office) -> None:
        agency = office(
            '[notices.step_taken]\nunwrap = ["xml"]\nreturns = "step"\n'
            'auth = { put = { "Khoa" = "settings.security_key" } }\n'
            'replies = { taken = { KetQua = { Ma = 0, Loi = "notice.reason", Xong = true } } }',
            root="Buoc",
        )
        assert agency.inbox is not None
        reply = agency.inbox.reply("step_taken", "taken", reason="a\x00<b>")
        assert etree.tostring(etree.fromstring(reply.body)) == (
            b"<KetQua><Ma>0</Ma><Loi>a&#65533;&lt;b&gt;</Loi><Xong>true</Xong></KetQua>"
        )
        assert reply.headers["content-type"].startswith("application/xml")


QUESTION = """
[notices.procedure_asked]
kind = "question"
sends = "procedure"
auth = { put = { "header:X-Key" = "settings.security_key" } }
"""
ASKED = {"procedure.map.toml": 'canonical = "ProcedureQuery@1"\nagency = ""\n[fields]\n"code" = "MaThuTuc"\n'}


class TestQuestions:
    @pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
    def test_a_question_may_come_without_words(self, office: Office, body: bytes) -> None:
        agency = office(QUESTION, files=ASKED)
        assert understood(agency, WireNotice({"x-key": "k3y"}, {}, body), "procedure_asked").told[0].value is None

    def test_the_published_answer_stands_where_the_template_says(self, office: Office) -> None:
        agency = office(QUESTION + 'replies = { taken = { status = "=0", data = ["payload"] } }', files=ASKED)
        assert agency.inbox is not None
        reply = agency.inbox.reply("procedure_asked", "taken", answer=ProcedureQuery(code="1.004194"))
        assert from_json(reply.body) == {"status": "0", "data": [{"MaThuTuc": "1.004194"}]}

    def test_without_a_template_the_answer_stands_alone(self, office: Office) -> None:
        agency = office(QUESTION, files=ASKED)
        assert agency.inbox is not None
        reply = agency.inbox.reply("procedure_asked", "taken", answer=ProcedureQuery(code="1.004194"))
        assert from_json(reply.body) == {"MaThuTuc": "1.004194"}

    def test_a_file_that_an_answer_names_goes_out_as_a_link(self, office: Office) -> None:
        paper = 'canonical = "ResultPaper@1"\nagency = ""\n[fields]\n"name" = "Ten"\n"url" = { at = "Tep", as = "file link" }\n'
        agency = office(QUESTION, files={"procedure.map.toml": paper})
        assert agency.inbox is not None
        reply = agency.inbox.reply("procedure_asked", "taken", answer=ResultPaper(name="Giấy", url="a" * 64))
        assert from_json(reply.body) == {"Ten": "Giấy", "Tep": f"https://hub.example/files/{'a' * 64}"}

    def test_an_answer_that_would_hold_a_whole_file_is_refused_at_load(self, office: Office) -> None:
        paper = 'canonical = "ResultPaper@1"\nagency = ""\n[fields]\n"name" = "Ten"\n"url" = { at = "Tep", as = "file base64" }\n'
        with pytest.raises(FilesRefused, match="send `file link`"):
            office(QUESTION, files={"procedure.map.toml": paper})

    @pytest.mark.parametrize("answer", [None, ProcessingStep])
    def test_what_is_no_answer_to_it_does_not_fit(self, office: Office, answer: Any) -> None:
        agency = office(QUESTION, files=ASKED)
        assert agency.inbox is not None
        given = answer and answer.model_construct()
        with pytest.raises(MappingFailed, match="ProcedureQuery@1"):
            agency.inbox.reply("procedure_asked", "taken", answer=given)


def test_whatever_comes_is_understood_or_not_taken_and_never_raises(office: Office) -> None:
    agency = office(PUSH)
    names = st.sampled_from(["SecurityKey", "Service", "Data", "MaHoSo", "Luc", "x"])
    leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["k3y", "Buoc"])
    trees = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=10
    )

    @settings(max_examples=200, deadline=None)
    @given(body=st.binary(max_size=200) | trees.map(to_json))
    def tried(body: bytes) -> None:
        assert isinstance(read(agency, WireNotice({}, {}, body)), Understood | NotTaken)

    tried()


def test_depth_without_end_is_refused(office: Office) -> None:
    agency = office(
        '[notices.step_taken]\nreturns = "step"\nauth = { put = { "header:X-Key" = "settings.security_key" } }'
    )
    assert not_taken(agency, WireNotice({"x-key": "k3y"}, {}, b"[" * 100_000)).way == "refused"
