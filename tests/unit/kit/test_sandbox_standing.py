"""A played agency with things that end later: what was filed stands as it is told to, in look-ups that are signed."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import connectors
from connectors.kit.exchange import WireReply
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import Answered, Broken, Outcome, Result, StaleCredentials, Unavailable
from connectors.kit.registry import bind, load_connector
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.played import Played
from connectors.kit.sandbox.server import Play, Sandbox
from connectors.kit.sandbox.wire import Request
from mappings.canonical import PaymentOrder, PaymentQuery, PaymentResult

FOLDER = Path(connectors.__path__[0]) / "payment"
PAYMENT = load_connector(FOLDER)
KEYS = {"partner_code": "TINHKHAC", "sign_key": "another-key-than-that-of-the-samples", "ip": "192.0.2.10"}
STARTED = next(one for one in load_samples(FOLDER) if one.name == "start_payment.started").request
ORDER = PaymentOrder.model_validate_json(json.dumps({**STARTED, "amount": 12_345}))
AT = "2026-11-23T20:30:00+07:00"


class Platform:
    """The played platform on one side, the kit's own connector on the other, without a network between them."""

    def __init__(self, **ours: str) -> None:
        self.played = Played(FOLDER, KEYS, now=lambda: 0.0, chance=random.Random(1), session_seconds=60, validate=True)
        settings = {name: one.default for name, one in PAYMENT.manifest.settings.items() if one.default is not None}
        self.agency: Any = bind(
            PAYMENT,
            name="payment",
            base_url="https://pay.example",
            settings={**settings, **KEYS, **ours},
            sender=CannedSender(self.answer),
            now=lambda: 0.0,
            contract=PAYMENT.manifest.contract,
        )

    def answer(self, wire: Any) -> WireReply:
        headers = {name.lower(): value for name, value in wire.headers.items()}
        path = wire.url.removeprefix("https://pay.example")
        request = Request(wire.method, path, {}, headers, wire.body, True)
        reply = self.played.say(self.played.hear(request), request).reply
        return WireReply(reply.status, {"content-type": reply.content_type}, reply.body)

    async def start(self, reference: str, order: PaymentOrder = ORDER) -> Outcome | StaleCredentials:
        sources = {"call.reference": reference, "call.accepted_at": AT}
        return await self._sent("start_payment", order, sources)

    async def ask(self, reference: str, operation: str = "lookup_payment", at: str = AT) -> Outcome | StaleCredentials:
        query = PaymentQuery.model_validate_json(json.dumps({"reference": reference, "started_at": at}))
        return await self._sent(operation, query, {})

    async def _sent(self, operation: str, request: Any, sources: dict[str, str]) -> Outcome | StaleCredentials:
        wire = self.agency.render(operation, request, sources)
        outcome: Outcome | StaleCredentials = await self.agency.send(operation, wire, timeout=1.0)
        return outcome


def result(outcome: object) -> Result:
    assert isinstance(outcome, Answered), outcome
    return outcome.result


async def test_what_was_started_is_pending_until_it_is_told_to_be_paid() -> None:
    platform = Platform()
    assert result(await platform.start("A1")) is Result.PENDING
    assert result(await platform.ask("A1")) is Result.PENDING
    assert platform.played.filed.stand("A1", "ok") == 1
    paid = await platform.ask("A1")
    assert result(paid) is Result.OK
    assert isinstance(paid, Answered)
    assert isinstance(paid.value, PaymentResult)
    assert (paid.value.reference, paid.value.amount, paid.value.partner) == ("A1", 12_345, "TINHKHAC")


async def test_two_payments_stand_each_for_itself() -> None:
    platform = Platform()
    for reference in ("A1", "A2"):
        await platform.start(reference)
    platform.played.filed.stand("A2", "refused")
    assert result(await platform.ask("A1")) is Result.PENDING
    assert result(await platform.ask("A2")) is Result.REFUSED


async def test_a_start_that_is_repeated_is_one_payment() -> None:
    platform = Platform()
    for _ in range(3):
        assert result(await platform.start("A1")) is Result.PENDING
    (filed,) = platform.played.filed.shown()
    assert (filed["key"], filed["updates"]) == ("A1", 2)


async def test_there_is_a_receipt_once_it_is_paid() -> None:
    platform = Platform()
    await platform.start("A1")
    assert result(await platform.ask("A1", "lookup_receipt")) is Result.REFUSED
    platform.played.filed.stand("A1", "ok")
    assert result(await platform.ask("A1", "lookup_receipt")) is Result.OK


async def test_of_what_nobody_started_nothing_stands() -> None:
    platform = Platform()
    assert platform.played.filed.stand("A9", "ok") == 0
    assert isinstance(await platform.ask("A9"), Broken | Unavailable)


async def test_who_signs_with_another_key_is_not_known_and_does_not_believe_the_answer() -> None:
    """The platform's side makes signatures of its own, so that a mistake of ours would show here."""
    stranger = Platform(sign_key="somebody-else")
    assert isinstance(await stranger.start("A1"), StaleCredentials)
    assert stranger.played.filed.shown() == []


async def test_recorded_answers_are_signed_with_the_keys_of_the_play() -> None:
    recorded = await Platform().ask("01930000000070008000000000000001", at="2026-11-23T08:00:00+07:00")
    assert result(recorded) is Result.OK


def test_nothing_stands_as_what_no_look_up_says() -> None:
    sandbox = Sandbox([Play("payment", FOLDER, KEYS)], now=lambda: 0.0, chance=random.Random(1))
    with pytest.raises(ValueError, match="pending"):
        sandbox.stand("payment", "A1", "paid")
    assert sandbox.stand("payment", "A1", "ok") == 0
    with pytest.raises(KeyError):
        sandbox.stand("nobody", "A1", "ok")


class TestWhatAnAgencyAnswersInOtherWords:
    """A department gives back what was filed in a shape of its own, and says so in `then`."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return shutil.copytree(FOLDER.parent / "department", tmp_path / "department")

    def said(self, played: Played, path: str, body: Any, method: str = "POST") -> tuple[str, Any]:
        """Return what the answer of *played* means, and the answer."""
        request = Request(method, path, {}, {}, json.dumps(body).encode() if body else b"", True)
        answer = played.say(played.hear(request), request)
        return answer.outcome, json.loads(answer.reply.body)

    def department(self, folder: Path) -> Played:
        settings = {"organ_code": "H32.00", "organ_name": "Sở Thử nghiệm", "security_key": "0000-invented"}
        return Played(folder, settings, now=lambda: 0.0, chance=random.Random(1), session_seconds=60, validate=True)

    def recorded(self, folder: Path, name: str) -> Any:
        return json.loads((folder / "samples" / name / "request.agency.json").read_bytes())

    def test_a_recorded_filing_is_played_though_a_look_up_shows_it_later(self, folder: Path) -> None:
        filed = self.recorded(folder, "file_dossier.ok")
        shown = folder / "samples" / "lookup_dossier.ok"
        for file in shown.iterdir():
            file.write_text(file.read_text("utf-8").replace("000.00.10.H32-261123-0011", filed["DocCode"]), "utf-8")
        table = folder / "samples" / "file_dossier.ok" / "sample.toml"
        table.write_text('result = "pending"\n' + table.read_text("utf-8"), "utf-8")
        played = self.department(folder)
        assert self.said(played, "/Document/SyncDocument", filed)[0] == "pending"
        assert self.said(played, "/Document/SyncDocument", filed)[0] == "exists"

    def test_a_look_up_never_answers_with_a_request_that_is_no_reply(self, folder: Path) -> None:
        filed = self.recorded(folder, "file_dossier.ok") | {"DocCode": "000.00.10.H32-261123-0077"}
        agreed = folder / "contract" / "lookup_dossier.reply.schema.json"
        schema = json.loads(agreed.read_bytes())
        schema["properties"]["Data"]["required"].append("SuccessDate")  # no dossier that is filed has one
        agreed.write_text(json.dumps(schema), "utf-8")
        played = self.department(folder)
        assert self.said(played, "/Document/SyncDocument", filed)[0] == "ok"
        path = f"/Document/{load_connector(folder).manifest.settings['lookup_path'].default}/{filed['DocCode']}"
        result, reply = self.said(played, path, None, "GET")
        assert result == "ok"
        assert reply["Data"]["SuccessDate"]
        assert reply["Data"]["DocCode"] == "000.00.10.H32-261123-0077"
