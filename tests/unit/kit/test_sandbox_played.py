"""What played agencies answer: from samples, from what was filed, and only to those who prove who they are."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json, to_json

import connectors
from connectors.kit.auth import HANDSHAKES, handshake
from connectors.kit.sandbox.checks import CHECKS
from connectors.kit.sandbox.played import Played, Said
from connectors.kit.sandbox.wire import Request

FOLDER = Path(connectors.__path__[0])
C06 = {"service_code": "DVC-TEST", "user_name": "centre", "secret_key": "s3cret", "service_path": "/dancu"}
PORTAL = {"user_name": "centre", "password": "s3cret"}
NOW = 1_795_400_000.0


class Moment:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def police(moment: Moment) -> Played:
    return Played(FOLDER / "police", C06, now=moment, chance=random.Random(1), session_seconds=1800, validate=True)


@pytest.fixture
def portal(moment: Moment) -> "Portal":
    return Portal(
        Played(FOLDER / "npsp", PORTAL, now=moment, chance=random.Random(1), session_seconds=1800, validate=True)
    )


def said(played: Played, request: Request) -> Said:
    return played.say(played.hear(request), request)


def asks(body: bytes, *, settings: dict[str, str] = C06, at: float = NOW, **headers: str) -> Request:
    signed = {name.lower(): value for name, value in handshake("c06").headers(settings, at).items()}
    return Request("POST", "/", {}, signed | headers, body, True)


def sample(connector: str, name: str, side: str = "request") -> bytes:
    return next((FOLDER / connector / "samples" / name).glob(f"{side}.agency.*")).read_bytes()


class Portal:
    """The portal with a client that is logged in."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.session = ""

    def log_in(self, **changed: str) -> Said:
        answer = self._said("/mapi/login", {"username": "centre", "password": "s3cret"} | changed)
        self.session = from_json(answer.reply.body).get("session", "")
        return answer

    def ask(self, service: str, session: str | None = None, **fields: Any) -> Said:
        envelope = {
            "session": self.session if session is None else session,
            "madonvi": "000.00.14.H32",
            "service": service,
        }
        return self._said("/mapi/g", envelope | fields)

    def file(self, dossier: dict[str, Any], updating: bool = False) -> Said:
        return self.ask("DongBoHoSoMC", isUpdating=str(updating), data=[dossier])

    def look_up(self, code: str) -> Any:
        return from_json(self.ask("TraCuuHoSo", MaHoSo=code).reply.body)["result"]

    def step(self, code: str, status: str, moment: str = "20261123200509") -> Said:
        step = {"MaHoSo": code, "NguoiXuLy": "Lê Cán Bộ", "ThoiDiemXuLy": moment, "TrangThai": status}
        template = from_json(sample("npsp", "file_progress.ok"))["data"][0]
        return self.ask("CapNhatTienDoHoSoMC", data=[dict.fromkeys(template, "") | step])

    def _said(self, path: str, body: Any) -> Said:
        headers = {"charset": "utf-8", "dstcode": ""}
        return said(self.played, Request("POST", path, {}, headers, to_json(body), True))


@pytest.fixture
def dossier() -> dict[str, Any]:
    filed: dict[str, Any] = copy.deepcopy(from_json(sample("npsp", "file_dossier.ok"))["data"][0])
    return filed | {"MaHoSo": "000.00.14.H32-261123-7777"}


class TestHandshake:
    def test_every_handshake_of_the_kit_is_checked_by_the_other_side(self) -> None:
        assert set(CHECKS) == set(HANDSHAKES)

    @pytest.mark.parametrize(
        "variant",
        [
            {},
            {"timestamp_unit": "s"},
            {"timestamp_header": "X-Moment"},
            {"x_road_client": "VN/H32", "api_key": "k", "api_key_header": "apikey"},
        ],
    )
    def test_what_the_kit_sends_is_what_the_agency_computes(self, variant: dict[str, str], moment: Moment) -> None:
        settings = C06 | variant
        played = Played(
            FOLDER / "police", settings, now=moment, chance=random.Random(1), session_seconds=1, validate=True
        )
        assert said(played, asks(sample("police", "lookup_citizen.found"), settings=settings)).outcome == "ok"

    @pytest.mark.parametrize(
        "wrong", [{"secret_key": "other"}, {"user_name": "other"}, {"service_path": "/dancu/"}, {"timestamp_unit": "s"}]
    )
    def test_any_wrong_part_of_the_hash_is_refused_in_the_agencys_own_words(
        self, police: Played, wrong: dict[str, str]
    ) -> None:
        answer = said(police, asks(sample("police", "lookup_citizen.found"), settings=C06 | wrong))
        assert (answer.outcome, answer.reply.status, answer.processed) == ("login", 401, False)
        assert answer.reply.body == sample("police", "lookup_citizen.wrong_hash", "reply")

    @pytest.mark.parametrize(("off", "outcome"), [(299, "ok"), (-299, "ok"), (301, "login"), (-301, "login")])
    def test_a_timestamp_is_good_for_five_minutes_either_way(self, police: Played, off: float, outcome: str) -> None:
        assert said(police, asks(sample("police", "lookup_citizen.found"), at=NOW + off)).outcome == outcome

    @pytest.mark.parametrize(
        "header", [{"authorization": "Basic !!!"}, {"authorization": "Bearer x"}, {"timestamp": "now"}]
    )
    def test_a_header_that_is_no_handshake_is_refused(self, police: Played, header: dict[str, str]) -> None:
        assert said(police, asks(sample("police", "lookup_citizen.found"), **header)).outcome == "login"

    def test_a_missing_gateway_key_is_refused(self, moment: Moment) -> None:
        played = Played(
            FOLDER / "police",
            C06 | {"api_key": "k"},
            now=moment,
            chance=random.Random(1),
            session_seconds=1,
            validate=True,
        )
        assert said(played, asks(sample("police", "lookup_citizen.found"))).outcome == "login"


class TestSamples:
    @pytest.mark.parametrize(
        "name",
        [
            path.name
            for path in sorted((FOLDER / "police" / "samples").iterdir())
            if "wrong_hash" not in path.name and path.is_dir()
        ],
    )
    def test_the_request_of_a_sample_gets_its_reply_byte_by_byte(self, police: Played, name: str) -> None:
        assert said(police, asks(sample("police", name))).reply.body == sample("police", name, "reply")

    def test_ids_and_officers_that_differ_from_call_to_call_do_not_matter(self, police: Played) -> None:
        body = (
            sample("police", "lookup_citizen.found")
            .replace(b"000080000099", b"000080000011")
            .replace(b">00209", b">77777")
        )
        assert said(police, asks(body)).outcome == "ok"

    @pytest.mark.parametrize(
        ("right", "wrong"), [(b"000085000001", b"000085000099"), ("ĐÁ".encode(), b"DA"), (b"19850315", b"19850316")]
    )
    def test_a_person_is_found_only_if_number_name_and_birth_all_fit(
        self, police: Played, right: bytes, wrong: bytes
    ) -> None:
        answer = said(police, asks(sample("police", "lookup_citizen.found").replace(right, wrong)))
        assert (answer.outcome, answer.reply.body) == (
            "not_found",
            sample("police", "lookup_citizen.not_found", "reply"),
        )

    def test_a_prefix_may_be_any(self, police: Played) -> None:
        body = sample("police", "lookup_citizen.found").replace(b"dan:", b"q:").replace(b"xmlns:dan", b"xmlns:q")
        assert said(police, asks(body)).outcome == "ok"


class TestContract:
    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            (b"SoDinhDanh", b"SoDinhDang"),
            (b"000085000001", b"85000001"),
            ("NGUYỄN VĂN ĐÁ".encode(), "Nguyễn Văn Đá".encode()),
            (b"<dan:MaDVC>DVC-TEST</dan:MaDVC>", b""),
        ],
    )
    def test_a_request_that_breaks_the_schema_is_refused_without_its_values(
        self, police: Played, right: bytes, wrong: bytes
    ) -> None:
        answer = said(police, asks(sample("police", "lookup_citizen.found").replace(right, wrong)))
        assert (answer.outcome, answer.reply.status) == ("invalid", 500)
        assert b"85000001" not in answer.reply.body

    def test_elements_in_another_order_are_refused(self, police: Played) -> None:
        code, part = b"<dan:MaDVC>DVC-TEST</dan:MaDVC>", b"<dan:MaTichHop>037</dan:MaTichHop>"
        body = sample("police", "lookup_citizen.found").replace(code, b"@").replace(part, code).replace(b"@", part)
        assert said(police, asks(body)).outcome == "invalid"

    def test_a_json_request_that_breaks_the_schema_is_refused(self, portal: "Portal", dossier: dict[str, Any]) -> None:
        portal.log_in()
        assert portal.file(dossier | {"TrangThaiHoSo": "11"}).outcome == "invalid"
        assert portal.file(dossier | {"LaLung": "1"}).outcome == "invalid"
        assert portal.played.filed.shown() == []

    @pytest.mark.parametrize("body", [b"", b"<a", b"{", b"[]", b'"x"', b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
    def test_what_is_no_request_at_all_is_heard_as_none(self, police: Played, portal: "Portal", body: bytes) -> None:
        assert said(police, asks(body)).outcome == "invalid"
        assert said(portal.played, Request("POST", "/mapi/g", {}, {}, body, True)).outcome == "invalid"

    def test_benchmarks_may_switch_the_contract_off(self, moment: Moment) -> None:
        played = Played(FOLDER / "police", C06, now=moment, chance=random.Random(1), session_seconds=1, validate=False)
        body = sample("police", "lookup_citizen.found").replace(b"<dan:MaDVC>DVC-TEST</dan:MaDVC>", b"")
        assert said(played, asks(body)).outcome == "ok"


class TestSessions:
    def test_a_session_is_issued_and_needed(self, portal: "Portal") -> None:
        assert portal.ask("TraCuuHoSo", session="made-up", MaHoSo="x").outcome == "login"
        assert portal.log_in().outcome == "ok"
        assert portal.session != "0000-session-of-samples"
        assert portal.ask("TraCuuHoSo", MaHoSo="x").outcome == "not_found"

    def test_wrong_credentials_get_the_portals_own_refusal(self, portal: "Portal") -> None:
        answer = portal.log_in(password="wrong")
        assert (answer.outcome, answer.reply.body) == ("refused", sample("npsp", "log_in.refused", "reply"))

    def test_a_session_runs_out(self, portal: "Portal", moment: Moment) -> None:
        portal.log_in()
        moment.now += 1801
        answer = portal.ask("TraCuuHoSo", MaHoSo="x")
        assert (answer.outcome, answer.reply.body) == ("login", sample("npsp", "lookup_dossier.expired", "reply"))

    def test_expired_on_demand_needs_a_new_log_in(self, portal: "Portal") -> None:
        portal.log_in()
        request = Request(
            "POST",
            "/mapi/g",
            {},
            {"charset": "utf-8"},
            to_json({"session": portal.session, "madonvi": "1", "service": "TraCuuHoSo", "MaHoSo": "x"}),
            True,
        )
        assert portal.played.say(portal.played.hear(request), request, stale=True).outcome == "login"
        assert said(portal.played, request).outcome == "login"
        portal.log_in()
        assert portal.ask("TraCuuHoSo", MaHoSo="x").outcome == "not_found"

    def test_a_missing_fixed_header_of_put_is_not_the_sessions_business(self, portal: "Portal") -> None:
        portal.log_in()
        body = {"session": portal.session, "madonvi": "000.00.14.H32", "service": "TraCuuHoSo", "MaHoSo": "x"}
        wrong = Request("POST", "/mapi/g", {}, {"dstcode": "elsewhere"}, to_json(body), True)
        assert said(portal.played, wrong).outcome == "login", "a setting that is placed in a header is checked"


class TestFiled:
    def test_what_was_filed_is_found_as_it_was_filed(self, portal: "Portal", dossier: dict[str, Any]) -> None:
        portal.log_in()
        assert portal.look_up(dossier["MaHoSo"]) == []
        assert portal.file(dossier).outcome == "ok"
        assert portal.look_up(dossier["MaHoSo"]) == [dossier]

    def test_creating_twice_is_answered_exists_and_changes_nothing(
        self, portal: "Portal", dossier: dict[str, Any]
    ) -> None:
        portal.log_in()
        portal.file(dossier)
        answer = portal.file(dossier | {"GhiChu": "khác"})
        assert (answer.outcome, answer.processed) == ("exists", False)
        assert answer.reply.body == sample("npsp", "file_dossier.exists", "reply")
        assert portal.look_up(dossier["MaHoSo"]) == [dossier]

    def test_an_update_replaces_and_one_of_an_unknown_dossier_is_refused(
        self, portal: "Portal", dossier: dict[str, Any]
    ) -> None:
        portal.log_in()
        answer = portal.file(dossier, updating=True)
        assert (answer.outcome, answer.processed) == ("unknown", False)
        assert answer.reply.body == sample("npsp", "update_dossier.unknown", "reply")
        portal.file(dossier)
        changed = dossier | {"GhiChu": "khác"}
        assert portal.file(changed, updating=True).outcome == "ok"
        assert portal.look_up(dossier["MaHoSo"]) == [changed]

    def test_steps_are_kept_in_order_and_move_the_status(self, portal: "Portal", dossier: dict[str, Any]) -> None:
        portal.log_in()
        portal.file(dossier | {"TrangThaiHoSo": "2"})
        for status in ("4", "9", "10"):
            assert portal.step(dossier["MaHoSo"], status).outcome == "ok"
        assert portal.look_up(dossier["MaHoSo"])[0]["TrangThaiHoSo"] == "10"
        [record] = portal.played.filed.shown()
        steps: Any = record["steps"]
        assert [step["TrangThai"] for step in steps] == ["4", "9", "10"]
        assert (record["model"], record["key"], record["updates"]) == ("Dossier@1", dossier["MaHoSo"], 0)

    def test_a_step_of_an_unknown_dossier_is_refused(self, portal: "Portal") -> None:
        portal.log_in()
        answer = portal.step("000.00.14.H32-261123-8888", "4")
        assert (answer.outcome, answer.processed) == ("unknown", False)
        assert answer.reply.body == sample("npsp", "file_progress.unknown", "reply")

    def test_what_samples_show_to_be_there_is_there_and_not_counted_as_filed(self, portal: "Portal") -> None:
        portal.log_in()
        existing = from_json(sample("npsp", "file_dossier.exists"))["data"][0]
        assert portal.file(existing).outcome == "exists"
        assert portal.played.filed.shown() == []

    def test_a_sample_dossier_is_there_until_somebody_begins_to_file_it(self, portal: "Portal") -> None:
        """Or a filing that was cut before it was processed would be found, and thought done."""
        portal.log_in()
        filing = from_json(sample("npsp", "file_dossier.ok"))["data"][0]
        body = {
            "session": portal.session,
            "madonvi": "000.00.14.H32",
            "service": "DongBoHoSoMC",
            "isUpdating": "False",
            "data": [filing],
        }
        portal.played.hear(Request("POST", "/mapi/g", {}, {"dstcode": ""}, to_json(body), True))  # heard, then cut
        assert portal.look_up(filing["MaHoSo"]) == []
        assert portal.step(filing["MaHoSo"], "4").outcome == "unknown"
        assert portal.file(filing).outcome == "ok"
        assert portal.look_up(filing["MaHoSo"]) == [filing]

    def test_a_sample_of_a_refusal_is_said_whenever_its_request_comes(self, portal: "Portal") -> None:
        portal.log_in()
        answer = portal.file(from_json(sample("npsp", "file_dossier.refused"))["data"][0])
        assert (answer.outcome, answer.processed) == ("refused", False)
        assert answer.reply.body == sample("npsp", "file_dossier.refused", "reply")

    @pytest.mark.parametrize("name", ["file_dossier.ok_early", "file_dossier.exists_minus"])
    def test_of_samples_that_end_alike_the_very_one_is_said(self, portal: "Portal", name: str) -> None:
        portal.log_in()
        assert portal.file(from_json(sample("npsp", name))["data"][0]).reply.body == sample("npsp", name, "reply")


class TestOtherShapes:
    """Shapes that neither of the two first agencies has, in a connector of a few lines."""

    @pytest.fixture
    def tiny(self, tmp_path: Path, moment: Moment) -> Played:
        folder = tmp_path / "tiny"
        folder.mkdir()
        contract = (FOLDER / "npsp" / "manifest.toml").read_text("utf-8").split("[contract]")[1].split("[operations")[0]
        (folder / "manifest.toml").write_text(
            '[connector]\ntitle="T"\ntitle_vi="T"\nversion="0.1.0"\nowner="t"\nprotocol="rest"\nmaturity="draft"\n'
            '[settings.key]\nhelp="k"\n[settings.begun]\nhelp="b"\ndefault="begun"\n[settings.done]\nhelp="d"\n'
            '[auth]\nput = { "query:key" = "settings.key" }\n'
            f"[contract]{contract}"
            '[operations.lookup_dossier]\nkind="lookup"\ncall="GET /dossiers/{code}"\nsends="query"\n'
            '[operations.file_note]\nkind="filing"\ncall="POST form /notes"\nsends="query"\n'
            '[operations.begin_work]\nkind="filing"\ncall="POST /steps/{settings.begun}"\nsends="query"\n'
            '[operations.end_work]\nkind="filing"\ncall="POST /steps/{settings.done}"\nsends="ended"\n',
            "utf-8",
        )
        (folder / "query.map.toml").write_text(
            'canonical = "DossierQuery@1"\nagency = ""\n[fields]\n"code" = "code"\n', "utf-8"
        )
        (folder / "ended.map.toml").write_text(
            'canonical = "DossierQuery@1"\nagency = ""\n[fields]\n"code" = "code"\n'
            '[fixed]\n"ended" = { from = "=true", as = "json code" }\n',
            "utf-8",
        )
        (folder / "contract").mkdir()
        (folder / "contract" / "lookup_dossier.request.schema.json").write_text(
            '{"type": "object", "required": ["code"], "properties": {"code": {}}, "additionalProperties": false}',
            "utf-8",
        )
        found = folder / "samples" / "lookup_dossier.found"
        found.mkdir(parents=True)
        (found / "request.canonical.json").write_text('{"code": "A-1"}', "utf-8")
        (found / "reply.agency.json").write_text('{"found": true}', "utf-8")
        settings = {"key": "k", "done": "finished"}
        return Played(folder, settings, now=moment, chance=random.Random(1), session_seconds=1, validate=True)

    @pytest.mark.parametrize(
        ("path", "key", "outcome", "status"),
        [
            ("/dossiers/A-1", "k", "ok", 200),
            ("/dossiers/A-2", "k", "not_found", 404),
            ("/dossiers/A-1", "x", "login", 401),
            ("/other", "k", "invalid", 404),
        ],
    )
    def test_a_key_in_the_path_and_a_secret_in_the_query(
        self, tiny: Played, path: str, key: str, outcome: str, status: int
    ) -> None:
        answer = said(tiny, Request("GET", path, {"key": key}, {}, b"", True))
        assert (answer.outcome, answer.reply.status) == (outcome, status)

    def test_a_form_is_kept_under_its_key(self, tiny: Played) -> None:
        request = Request("POST", "/notes", {"key": "k"}, {}, "code=A-9&ghi+chu=Đã+nhận".encode(), True)
        assert said(tiny, request).outcome == "ok"
        assert [(one["key"], one["payload"]) for one in tiny.filed.shown()] == [
            ("A-9", {"code": "A-9", "ghi chu": "Đã nhận"})
        ]

    @pytest.mark.parametrize(
        ("path", "body", "operation"),
        [
            ("/steps/begun", b'{"code": "A-9"}', "begin_work"),
            ("/steps/finished", b'{"code": "A-9", "ended": true}', "end_work"),
            ("/steps/finished", b'{"code": "A-9", "ended": false}', None),
            ("/steps/other", b'{"code": "A-9", "ended": true}', None),
        ],
    )
    def test_addresses_that_settings_name_and_a_fixed_yes_tell_operations_apart(
        self, tiny: Played, path: str, body: bytes, operation: str | None
    ) -> None:
        heard = tiny.hear(Request("POST", path, {"key": "k"}, {}, body, True))
        assert (heard and heard.operation.name) == operation


def test_operations_whose_addresses_are_settings_are_told_apart_by_them(moment: Moment) -> None:
    settings = {"user_name": "centre", "password": "s3cret", "customer_code": "KH0000", "coded_order_path": "with"}
    post = Played(FOLDER / "post_lgsp", settings, now=moment, chance=random.Random(1), session_seconds=1, validate=True)
    body = sample("post_lgsp", "order_shipment.ok")
    heard = {path: post.hear(Request("POST", path, {}, {}, body, True)) for path in ("/order", "/with", "/order-item")}
    told = {path: one.operation.name for path, one in heard.items() if one is not None}
    assert told == {"/order": "order_shipment", "/with": "order_coded_shipment"}


def test_operations_whose_addresses_an_installation_names_are_told_apart(moment: Moment) -> None:
    folder, paths = FOLDER / "social_insurance_lgsp", {"participation_path": "one", "household_path": "other"}
    played = Played(folder, paths, now=moment, chance=random.Random(1), session_seconds=1800, validate=True)
    body = sample("social_insurance_lgsp", "lookup_household.ok")
    for path, meant in (("/one", "lookup_participation"), ("/other", "lookup_household"), ("/third", None)):
        heard = played.hear(Request("POST", path, {}, {}, body, True))
        assert (heard and heard.operation.name) == meant
