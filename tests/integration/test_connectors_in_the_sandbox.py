"""Every recorded conversation once more, this time through sockets: hub side and played agency share no code but the kit's."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from connectors.kit.checks.replay import with_files
from connectors.kit.exchange import Agency
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import Answered, Broken, InDoubt, Result, StaleCredentials, Unavailable
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.server import Play, Sandbox
from mappings.canonical import Dossier, PaymentQuery

OUTCOMES: Mapping[str, type] = {
    "login": StaleCredentials,
    "in_doubt": InDoubt,
    "broken": Broken,
    "unavailable": Unavailable,
}
SETTINGS = {
    "police": {
        "service_code": "DVC-TEST",
        "user_name": "centre",
        "secret_key": "0000-invented",
        "service_path": "/dancu/TraCuuThongTinCongDan",
    },
    "police_lgsp": {"service_code": "DVC-TEST"},
    "npsp": {"user_name": "centre", "password": "0000-invented", "security_key": "0000-invented"},
    "payment": {"partner_code": "TINHTN", "sign_key": "0000-sign-key-of-samples", "ip": "192.0.2.10"},
    "business_register": {"authorization": "Bearer 0000-invented"},
    "power": {"authorization": "Bearer 0000-invented"},
    "water_khawassco": {"secret_key": "ApiKey 0000-invented", "inbound_key": "ApiKey 0000-inbound"},
    "water_other": {"client_id": "one-stop", "secret_key": "0000-invented", "inbound_key": "Bearer 0000-inbound"},
    "land_vbdlis": {"security_code": "0000-invented"},
    "land_ilis": {
        "security_code": "0000-invented",
        "user_name": "centre",
        "password": "0000-invented",
        "client_id": "one-stop",
        "client_secret": "0000-invented",
    },
    "department": {"organ_code": "H32.00", "organ_name": "Sở Thử nghiệm", "security_key": "0000-invented"},
    "social_insurance": {"user_name": "00000_BV", "password": "0000-invented"},
    "social_insurance_lgsp": {"authorization": "Bearer 0000-invented"},
    "civil_status": {"province": "56", "authorization": "Bearer 0000-invented"},
    "civil_status_portal": {"client_id": "centre", "client_secret": "0000-invented"},
    "tax": {"authorization": "Bearer 0000-invented", "security_key": "0000-invented"},
}
LOGGING_IN = {"exchange.id": "01930000-0000-7000-8000-000000000000", "exchange.at": "2026-11-23T08:00:00+07:00"}
"""What a lane gives a log-in of its own."""
CONNECTORS = {name: load_connector(folder) for name, folder in find_connectors().items() if name in SETTINGS}
PLAYED = [
    (name, sample)
    for name, connector in CONNECTORS.items()
    for sample in load_samples(connector.folder)
    # A log-in is made by every test here, and the sandbox itself decides whom it lets in.
    if sample.operation in connector.operations
    and sample.result != "login"
    and connector.operations[sample.operation].kind != "login"
    # What sends nothing asks the same each time, and so is answered the same.
    and (connector.operations[sample.operation].sends is not None or sample.result == "ok")
]


class Table:
    """One played agency and the hub's side of it."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        self.name, self.settings = name, settings
        play = Play(name, CONNECTORS[name].folder, SETTINGS[name])
        self.sandbox = Sandbox([play], now=time.time, chance=random.Random(7))
        self.kept: dict[str, str] = {}

    async def __aenter__(self) -> "Table":
        await self.sandbox.start()
        connector = CONNECTORS[self.name]
        self.agency: Agency = bind(
            connector,
            name=self.name,
            base_url=self.sandbox.base_url(self.name),
            settings=self.settings,
            sender=HttpSender(),
            now=time.time,
            contract=connector.manifest.contract,
        )
        kept = await self.agency.log_in(LOGGING_IN, timeout=5.0)
        assert isinstance(kept, Mapping), kept
        self.kept = dict(kept)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.agency.close()
        await self.sandbox.stop()

    async def ask(
        self, operation: str, request: Any, sources: Mapping[str, str | None], sample: Sample | None = None
    ) -> Any:
        """Return how it ends; the contents of files that the request names are those that *sample* holds."""
        known = {**sources, **{f"settings.{key}": value for key, value in self.settings.items()}, **self.kept}
        wire = self.agency.render(operation, request, known)
        return await self.agency.send(operation, with_files(wire, sample) if sample else wire, timeout=5.0)


def request_of(name: str, sample: Sample) -> Any:
    return CONNECTORS[name].operations[sample.operation].request.model_validate_json(json.dumps(sample.request))


@pytest.mark.parametrize(("name", "sample"), PLAYED, ids=[f"{name}:{sample.name}" for name, sample in PLAYED])
async def test_the_played_agency_says_what_was_recorded(name: str, sample: Sample) -> None:
    async with Table(name, SETTINGS[name]) as table:
        outcome = await table.ask(sample.operation, request_of(name, sample), sample.sources, sample)
    assert type(outcome) is OUTCOMES.get(sample.result, Answered), outcome
    if isinstance(outcome, Answered):
        assert outcome.result == sample.result
    if sample.reply is not None:
        answer = CONNECTORS[name].operations[sample.operation].answer
        assert answer is not None
        assert outcome.value == answer.model_validate_json(json.dumps(sample.reply))


@pytest.mark.parametrize("changed", ["secret_key", "user_name", "service_path"])
async def test_a_wrong_hash_is_told_from_a_business_no(changed: str) -> None:
    sample = next(one for one in load_samples(CONNECTORS["police"].folder) if one.name == "lookup_citizen.found")
    settings = SETTINGS["police"] | {changed: SETTINGS["police"][changed] + "/"}
    async with Table("police", settings) as table:
        outcome = await table.ask("lookup_citizen", request_of("police", sample), sample.sources)
    assert isinstance(outcome, StaleCredentials)


async def test_a_session_that_ended_is_renewed_by_one_log_in() -> None:
    sample = next(one for one in load_samples(CONNECTORS["npsp"].folder) if one.name == "lookup_procedure.ok")
    async with Table("npsp", SETTINGS["npsp"]) as table:
        table.sandbox.expire_sessions("npsp")
        request = request_of("npsp", sample)
        assert isinstance(await table.ask("lookup_procedure", request, sample.sources), StaleCredentials)
        kept = await table.agency.log_in({}, timeout=5.0)
        assert isinstance(kept, Mapping)
        table.kept = dict(kept)
        assert (await table.ask("lookup_procedure", request, sample.sources)).result is Result.OK


async def test_a_new_dossier_is_created_updated_moved_on_and_found_again() -> None:
    samples = {one.name: one for one in load_samples(CONNECTORS["npsp"].folder)}
    sources = samples["file_dossier.ok"].sources
    dossier = request_of("npsp", samples["file_dossier.ok"]).model_copy(update={"code": "000.00.14.H32-261123-0500"})
    step = request_of("npsp", samples["file_progress.ok"]).model_copy(update={"dossier": dossier.code})
    query = request_of("npsp", samples["lookup_dossier.ok"]).model_copy(update={"code": dossier.code})
    async with Table("npsp", SETTINGS["npsp"]) as table:
        said = [
            await table.ask("lookup_dossier", query, sources),
            await table.ask("update_dossier", dossier, sources),
            await table.ask("file_progress", step, sources),
            await table.ask("file_dossier", dossier, sources),
            await table.ask("file_dossier", dossier, sources),
            await table.ask("update_dossier", dossier, sources),
            await table.ask("file_progress", step, sources),
        ]
        found = await table.ask("lookup_dossier", query, sources)
    assert [one.result for one in said] == ["not_found", "refused", "refused", "ok", "exists", "ok", "ok"]
    assert isinstance(found.value, Dossier)
    assert found.value == dossier.model_copy(update={"status": step.status})


async def test_calls_at_once_do_not_mix_up_their_answers() -> None:
    samples = [
        one for one in load_samples(CONNECTORS["police"].folder) if one.reply and one.operation == "lookup_citizen"
    ]
    async with Table("police", SETTINGS["police"]) as table:
        asked = samples * 8
        answers = await asyncio.gather(
            *(table.ask(one.operation, request_of("police", one), one.sources) for one in asked)
        )
    assert [one.value.citizen_id for one in answers] == [one.reply["citizen_id"] for one in asked]


async def test_a_payment_is_started_once_and_found_paid_by_asking() -> None:
    """Nobody calls back: what is not told is asked after, by the reference that the start went out with."""
    samples = {one.name: one for one in load_samples(CONNECTORS["payment"].folder)}
    order = request_of("payment", samples["start_payment.evening"])
    sources = {"call.reference": "0193", "call.accepted_at": "2026-11-23T20:30:00+07:00"}
    query = PaymentQuery.model_validate_json('{"reference": "0193", "started_at": "2026-11-23T20:30:00+07:00"}')
    async with Table("payment", SETTINGS["payment"]) as table:
        said = [await table.ask("start_payment", order, sources) for _ in range(2)]
        said.append(await table.ask("lookup_payment", query, {}))
        assert [one["key"] for one in table.sandbox.filed("payment")] == ["0193"]
        async with aiohttp.ClientSession() as session:
            door = f"{table.sandbox.control_url}/stand/payment?key=0193&as=ok"
            async with session.post(door) as reply:
                assert await reply.json() == {"standing": 1}
        said.append(await table.ask("lookup_payment", query, {}))
    assert [one.result for one in said] == ["pending", "pending", "pending", "ok"]
    assert said[-1].value.amount == order.amount
