"""A played agency calls the hub with its recorded pushes: as they are, twice, changed, or proving nothing."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import from_json, to_json

import connectors
from connectors.kit.binding import BoundAgency
from connectors.kit.carried import Carried
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import HttpSender
from connectors.kit.inbox import Inbox, NotTaken, Understood, Way, WireNotice
from connectors.kit.manifest import Signature
from connectors.kit.samples import load_samples
from connectors.kit.sandbox import telling
from connectors.kit.sandbox.server import Play, Sandbox
from connectors.kit.sandbox.telling import Tell, Teller
from connectors.kit.sandbox.wire import Listener, Reply, Request
from connectors.kit.signatures import Signing

Office = Callable[..., BoundAgency]
CONTRACTS = Path(__file__).parent / "contracts"
NOTICES = """
[notices.step_taken]
unwrap = ["json"]
returns = "step"
auth = { put = { "header:X-Key" = "settings.security_key", "query:who" = "=tax" } }
replies = { taken = { ma = "=0" }, denied = { ma = "=401" }, refused = { ma = "=1" } }
[notices.step_taken.signed]
scheme = "SCHEME"
at = "ChuKy"
join = "|"
of = ["MaHoSo", "SoTien", "KhongCo", "header:X-Time", "settings.sign_key"]
[notices.file_sent]
unwrap = ["json", "Data/Tep", "base64", "xml", "ROW[]"]
returns = "file_step"
auth = { put = { "Khoa" = "settings.security_key" } }
[notices.step_sent]
select = { "" = "GuiBuoc" }
auth = { put = { "Khoa" = "settings.security_key" } }
replies = { taken = { Ma = 1 } }
"""
RECORD: Mapping[str, Any] = {"MaHoSo": "A-1", "Nguoi": "Lê", "Luc": "20260316100000", "TrangThai": "4"}
FIELDS = "".join(f"<{name}>{value}</{name}>" for name, value in RECORD.items())
ROWS = base64.b64encode(f"<DATA><ROW>{FIELDS}</ROW><ROW>{FIELDS}</ROW></DATA>".encode()).decode()
SAMPLES: Mapping[str, str] = {
    "step_taken.one/request.agency.json": to_json({**RECORD, "SoTien": 150000, "ChuKy": "as recorded"}).decode(),
    "step_taken.one/sample.toml": 'result = "taken"\n[sources]\n"header:X-Time" = "noon"\n"settings.sign_key" = "other"\n',
    "file_sent.two/request.agency.json": to_json({"Khoa": "as recorded", "Data": {"Tep": ROWS}}).decode(),
    "step_sent.one/request.agency.xml": '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    f'<GuiBuoc xmlns="urn:centre">{FIELDS}<Khoa>as recorded</Khoa></GuiBuoc></s:Body></s:Envelope>',
}


class Hub:
    """A door of ours that reads with the kit and remembers what came."""

    def __init__(self, inbox: Inbox) -> None:
        self.came: list[Understood | NotTaken] = []
        self.inbox = inbox
        self.listener = Listener(self.answer)

    async def answer(self, request: Request, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        notice, came = request.path.rpartition("/")[2], WireNotice(request.headers, request.query, request.body)
        read = self.inbox.read_soap(came) if notice == "soap" else self.inbox.read(notice, came)
        self.came.append(read)
        way: Way = read.way if isinstance(read, NotTaken) else "taken"
        reply = self.inbox.reply(read.notice, way)
        writer.write(Reply(reply.status, reply.body, reply.headers["content-type"]).wire)
        await writer.drain()
        return request.keep


class Stage:
    def __init__(self, sandbox: Sandbox, hub: Hub, to: str) -> None:
        self.sandbox, self.hub, self.to = sandbox, hub, to

    async def tell(self, sample: str, **how: Any) -> list[Any]:
        return await self.sandbox.tell("tax", Tell(samples=[sample], to=self.to, **how))

    @property
    def values(self) -> list[Any]:
        return [told.value for read in self.hub.came if isinstance(read, Understood) for told in read.told]


@pytest.fixture
def scheme() -> str:
    return "sha256 hex"


@pytest.fixture
async def stage(office: Office, step_map: Callable[[str], str], tmp_path: Path, scheme: str) -> AsyncIterator[Stage]:
    files = {
        "contract/inbound.wsdl": (CONTRACTS / "inbound.wsdl").read_text("utf-8"),
        "file_step.map.toml": step_map("ROW"),
        **{f"samples/{name}": text for name, text in SAMPLES.items()},
    }
    agency = office(NOTICES.replace("SCHEME", scheme), files=files)
    assert agency.inbox is not None
    hub = Hub(agency.inbox)
    sandbox = Sandbox(
        [Play("tax", tmp_path / "tax", {"security_key": "k3y", "sign_key": "s1gn"})],
        now=lambda: 7.0,
        chance=random.Random(7),
    )
    await sandbox.start()
    to = await hub.listener.start("127.0.0.1", 0)
    yield Stage(sandbox, hub, f"{to}/in/tax/")
    await hub.listener.stop()
    await sandbox.stop()


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"])), min_size=3, max_size=3),
    number=st.integers() | st.booleans() | st.none(),
    scheme=st.sampled_from(["sha256 hex", "md5 hex", "hmac sha256 hex"]),
)
def test_kit_and_sandbox_make_the_same_signature_each_by_itself(texts: list[str], number: Any, scheme: str) -> None:
    of = ["A", "B/C", "So", "header:X", "settings.key"]
    table = Signature.model_validate({"scheme": scheme, "at": "Ky", "join": "|", "of": of})
    tree = {"A": texts[0], "B": {"C": texts[1]}, "So": number}
    settings, beside = {"settings.key": "k"}, {"header": {"X": texts[2]}, "query": {}}
    ours = Signing(table).make(Carried(tree, {"x": texts[2]}), settings)
    assert ours == telling.signature_of(table, tree, beside, settings)


@pytest.mark.parametrize("scheme", ["sha256 hex", "md5 hex", "hmac sha256 hex"])
async def test_a_recorded_push_comes_with_the_plays_own_keys_and_signature(stage: Stage) -> None:
    (told,) = await stage.tell("step_taken.one")
    assert (told.status, from_json(told.answer), told.notice, told.at) == (200, {"ma": "0"}, "step_taken", 7.0)
    assert [value.dossier for value in stage.values] == ["A-1"]


async def test_it_comes_as_often_as_is_asked(stage: Stage) -> None:
    assert len(await stage.tell("step_taken.one", times=3)) == 3
    assert len(stage.values) == 3


async def test_another_value_is_signed_again_unless_the_test_wants_a_forgery(stage: Stage) -> None:
    await stage.tell("step_taken.one", put={"MaHoSo": "A-9", "SoTien": 1})
    assert stage.values[0].dossier == "A-9"
    (told,) = await stage.tell("step_taken.one", put={"SoTien": 1}, signed=False)
    assert from_json(told.answer) == {"ma": "401"}


@pytest.mark.parametrize("wrong", ["secret", "signature"])
async def test_what_proves_nothing_is_denied_by_the_hub(stage: Stage, wrong: str) -> None:
    (told,) = await stage.tell("step_taken.one", wrong=wrong)
    assert from_json(told.answer) == {"ma": "401"}
    assert isinstance(stage.hub.came[0], NotTaken)
    assert stage.hub.came[0].way == "denied"


async def test_a_value_inside_a_file_is_changed_there(stage: Stage) -> None:
    (told,) = await stage.tell("file_sent.two", put={"ROW/MaHoSo": "A-7"})
    assert told.status == 200
    assert [value.dossier for value in stage.values] == ["A-7", "A-7"]


async def test_an_agency_that_speaks_soap_calls_the_soap_door(stage: Stage) -> None:
    (told,) = await stage.tell("step_sent.one")
    assert "GuiBuocDap" in told.answer
    assert [read.notice for read in stage.hub.came] == ["step_sent"]


async def test_a_hub_that_does_not_answer_is_told_as_no_answer(stage: Stage) -> None:
    await stage.hub.listener.stop()
    (told,) = await stage.tell("step_taken.one")
    assert told.status == 0
    assert "Error" in told.answer


@pytest.mark.parametrize(
    ("sample", "how", "says"),
    [("step_taken.two", {}, "known: "), ("step_taken.one", {"put": {"SoTienn": 1}}, "nothing stands at 'SoTienn'")],
)
async def test_what_cannot_be_told_is_said(stage: Stage, sample: str, how: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        await stage.tell(sample, **how)


def test_an_address_may_lack_the_slash_at_its_end() -> None:
    assert Tell(samples=["a.b"], to="http://127.0.0.1/in/tax").to == "http://127.0.0.1/in/tax/"


@pytest.mark.parametrize("to", ["http://127.0.0.1", "127.0.0.1/in/tax/", "http://127.0.0.1/in/tax/?x=1"])
def test_an_address_that_is_none_of_an_agency_is_refused(to: str) -> None:
    with pytest.raises(ValidationError):
        Tell(samples=["a.b"], to=to)


async def test_the_control_door_tells_and_remembers(stage: Stage) -> None:
    sender = HttpSender()

    async def door(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = b"" if body is None else to_json(body)
        reply = await sender.send(
            WireRequest(method, stage.sandbox.control_url + path, {}, content, False), timeout=5, reply_bytes=1_000_000
        )
        assert isinstance(reply, WireReply)
        return reply.status, from_json(reply.body)

    status, said = await door("POST", "/tell/tax", {"samples": ["step_taken.one"], "to": stage.to, "times": 2})
    assert (status, [one["status"] for one in said["told"]]) == (200, [200, 200])
    assert (await door("GET", "/arrivals?agency=tax"))[1]["told"] == said["told"]
    assert (await door("POST", "/tell/nobody", {"samples": ["step_taken.one"], "to": stage.to}))[0] == 404
    assert (await door("POST", "/tell/tax", {"samples": ["x"], "to": stage.to}))[0] == 400
    for body, says in (
        ({"samples": ["step_taken.one"], "to": "tax"}, "to is written in another way"),
        ({"sample": ["step_taken.one"], "to": stage.to}, "did you mean `samples`?"),
        (None, "body invalid JSON"),
    ):
        status, said = await door("POST", "/tell/tax", body)
        assert status == 400
        assert says in said["detail"]
        assert '{"samples":["tax_notice_received.two"],"to":"http://127.0.0.1:8080/in/tax/"}' in said["detail"]
        assert "^" not in said["detail"], "a regular expression is no advice"
    await sender.close()


def test_a_sample_that_is_denied_is_told_with_the_key_that_it_records() -> None:
    template = Path(connectors.__path__[0]) / "kit" / "template"
    teller = Teller(template, {"inbound_key": "k3y"})
    keys = {
        case: teller.pushes(Tell(samples=[f"supplement_received.{case}"], to="http://127.0.0.1/in/tax"))[0].headers[
            "X-Key"
        ]
        for case in ("taken", "denied")
    }
    recorded = next(one for one in load_samples(template) if one.name == "supplement_received.denied")
    assert keys == {"taken": "k3y", "denied": recorded.sources["header:X-Key"]}
