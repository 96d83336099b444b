"""
`hub call agency.operation`: make one call by hand, against a running hub, against a sandbox, or not at all (`--dry-run`).
"""

import asyncio
import random
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import from_json, to_json

from connectors.kit.checks.replay import result_of
from connectors.kit.connector import Connector
from connectors.kit.exchange import Agency, WireRequest
from connectors.kit.files import as_recorded
from connectors.kit.http import HttpSender
from connectors.kit.operation import Operation, follow_up_request
from connectors.kit.outcomes import Answered, Outcome, Result, StaleCredentials
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.server import Play, Sandbox
from hub.app.installed import codes_of, connector_folder, known_connectors, refuse_code, today
from hub.cli.output import fail, show_json
from hub.cli.sandbox import invented_settings
from hub.cli.settings import Config, read_settings, settings_if_any
from hub.client import HubClient, Purpose
from hub.settings import Settings
from mappings.errors import MappingFailed
from mappings.values_files import MARK_BEGINS

Target = Annotated[str, typer.Argument(metavar="AGENCY.OPERATION", help="What to ask, such as police.lookup_citizen.")]
Data = Annotated[str, typer.Option(help="The request as JSON, or @file.")]
SampleCase = Annotated[str, typer.Option("--sample", help="Case of a recorded sample to send, such as found.")]
InSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Play the agency for this one call; nothing leaves the machine.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the payload with personal places masked; send nothing.")]
Officer = Annotated[str | None, typer.Option(help="Id of the officer, from the register.")]
Unit = Annotated[str | None, typer.Option(help="Id of the unit, from the register.")]
Dossier = Annotated[str | None, typer.Option(help="Code of the dossier.")]
Intake = Annotated[str | None, typer.Option(help="Intake number.")]
Key = Annotated[str, typer.Option(envvar="HUB_KEY", help="Key of a caller of the running hub.")]
Url = Annotated[str, typer.Option(help="The running hub; else where hub.toml says it listens.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for the answer.")]

MOST_STEPS = 3
"""Exchanges of one call by hand: create, then update because it exists, is the longest there is."""
RENEWED = (
    "the sample says that the session is over: the hub then logs in again, once, and so it ends with a new session"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The operation to be called, and what to send."""

    agency: str
    connector: Connector
    operation: Operation
    request: BaseModel
    sources: Mapping[str, str]
    recorded: bytes
    """What the samples send, all of it: the files of a call in the sandbox are found there."""
    renews: bool = False
    """Its sample says that the session is over, which the played agency says to nobody who has just logged in."""


def call(
    target: Target,
    *,
    data: Data = "",
    sample: SampleCase = "",
    sandbox: InSandbox = False,
    dry_run: DryRun = False,
    officer: Officer = None,
    unit: Unit = None,
    dossier: Dossier = None,
    intake: Intake = None,
    key: Key = "",
    url: Url = "",
    wait: Wait = 30.0,
    config: Config = None,
) -> None:
    """Make one call by hand and print how it ended; exit 1 when no answer came."""
    chosen = _choose(target, data, sample, config)
    purpose = Purpose(officer=officer, unit=unit, dossier=dossier, intake=intake)
    if dry_run or sandbox:
        try:
            ended = _rendered(chosen, purpose) if dry_run else asyncio.run(_in_sandbox(chosen, purpose))
        except MappingFailed as failed:
            faults = [f"  {fault}" for fault in failed.faults]
            fail("\n".join(["The request cannot be written for this agency:", *faults]))
        show_json(ended)
        if not dry_run and ended["outcome"] != "answered":
            raise typer.Exit(1)
        return
    if not key:
        fail("Give a caller's key with --key or HUB_KEY (`hub callers add` makes one), or try --sandbox or --dry-run.")
    where = url or f"http://{read_settings(config).hub.listen}"
    show_json(asyncio.run(_through_hub(where, key, target, chosen, purpose, wait)))


def _choose(target: str, data: str, sample: str, config: Path | None) -> Chosen:
    agency, dot, name = target.partition(".")
    if not dot:
        fail(f"{target}: write agency.operation, such as police.lookup_citizen.")
    connector = _connector(agency, config)
    operation = connector.operations.get(name)
    offered = [one.name for one in connector.operations.values() if one.kind != "login"]
    if name in connector.notices:
        fail(
            f"{target} is what the agency tells or asks; let `hub sandbox` do so: POST /tell/{agency}, connectors/README.md"
        )
    if operation is None or name not in offered:
        fail(f"{agency} has no operation {name}; it has {', '.join(offered)}.")
    samples = {one.case: one for one in load_samples(connector.folder) if one.operation == name}
    taken = _sample(samples, sample, target)
    body = _body(data) if data else _sent(taken, target)
    try:
        request = operation.request.model_validate_json(body)
    except ValidationError as error:
        faults = [
            f"  {'.'.join(map(str, one['loc'])) or '(all)'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        fail("\n".join([f"The request does not fit {operation.request.__name__}:", *faults[:100]]))
    sources = {
        place: value for place, value in (taken.sources if taken else {}).items() if not place.startswith("settings.")
    }
    recorded = b"\n".join(one.request_agency or b"" for one in load_samples(connector.folder))
    renews = any(one.kind == "login" for one in connector.operations.values()) and bool(
        taken and taken.result == "login"
    )
    return Chosen(agency, connector, operation, request, sources, recorded, renews)


def _connector(agency: str, config: Path | None) -> Connector:
    """As the running hub has it: the folder and the code tables that its settings name, as they are today."""
    settings = settings_if_any(config) if agency in find_connectors() else read_settings(config)
    folder = find_connectors()[agency] if settings is None else _folder(agency, settings)
    codes = None if settings is None else codes_of(settings)
    return load_connector(folder, today=lambda: today(time.time()), codes=codes)


def _folder(agency: str, settings: Settings) -> Path:
    entry = settings.agencies.get(agency)
    if entry is not None:
        return connector_folder(agency, entry, settings)
    folders = known_connectors(settings)
    if agency not in folders:
        fail(f"{agency} is no agency of hub.toml and no connector; connectors are {', '.join(folders)}.")
    refuse_code([agency], folders)
    return folders[agency]


def _sample(samples: Mapping[str, Sample], case: str, target: str) -> Sample | None:
    if case and case not in samples:
        fail(f"{target} has no sample {case}; it has {', '.join(samples) or 'none'}.")
    return samples[case] if case else next(iter(samples.values()), None)


def _body(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        fail(f"{data[1:]} cannot be read ({type(error).__name__}); name a file that holds the request as JSON.")


def _sent(sample: Sample | None, target: str) -> bytes:
    if sample is None or sample.request is None:
        fail(f"{target}: say what to send with --data '{{...}}', --data @file or --sample case.")
    return to_json(sample.request)


def _sources(chosen: Chosen, purpose: Purpose) -> dict[str, str | None]:
    """What a running hub would give: ids of this call, and the officer as a sample names him."""
    call_id = str(uuid.uuid4())
    at = time.strftime("%Y-%m-%dT%H:%M:%S+07:00", time.gmtime(time.time() + 7 * 3600))
    made: dict[str, str | None] = {
        "call.id": call_id,
        "call.reference": call_id.replace("-", ""),
        "call.accepted_at": at,
        "call.dossier": purpose.dossier,
        "call.procedure": purpose.procedure,
        "exchange.id": str(uuid.uuid4()),
        "exchange.at": at,
        "officer.id": purpose.officer or "officer",
        "officer.account": "000000000099",
        "officer.name": "Nguyễn Văn Không",
        "unit.id": purpose.unit or "unit",
        "unit.code": "000.00.00.H00",
    }
    return made | {
        place: value for place, value in chosen.sources.items() if not place.startswith(("exchange.", "call."))
    }


def _bound(chosen: Chosen, base_url: str, settings: Mapping[str, str], sender: HttpSender) -> Agency:
    contract = chosen.connector.manifest.contract
    return bind(
        chosen.connector,
        name=chosen.agency,
        base_url=base_url,
        settings=settings,
        sender=sender,
        now=time.time,
        contract=contract,
    )


def _rendered(chosen: Chosen, purpose: Purpose) -> dict[str, Any]:
    agency = _bound(chosen, "https://agency.example", invented_settings(chosen.connector.folder), HttpSender())
    auth = chosen.connector.manifest.auth
    kept = {f"auth.{name}": "***" for name in (auth.keep if auth else {})}
    wire = agency.render(chosen.operation.name, chosen.request, _sources(chosen, purpose) | kept, mask=True)
    call = chosen.connector.manifest.operations[chosen.operation.name].call
    return {"call": call, "headers": sorted(wire.headers), "bytes": len(wire.body), "payload": wire.masked}


async def _in_sandbox(chosen: Chosen, purpose: Purpose) -> dict[str, Any]:
    settings = invented_settings(chosen.connector.folder)
    play = Play(chosen.agency, chosen.connector.folder, settings)
    stage = Sandbox([play], now=time.time, chance=random.Random(secrets.randbits(64)))  # noqa: S311 - names sessions of an invented agency
    await stage.start()
    agency = _bound(chosen, play.base_url, settings, HttpSender())
    try:
        steps: list[str] = []
        outcome = await _exchanged(chosen, agency, _sources(chosen, purpose), steps)
        note = {"note": RENEWED} if chosen.renews and not isinstance(outcome, StaleCredentials) else {}
        return {"steps": steps, **_told(outcome), **note}
    finally:
        await agency.close()
        await stage.stop()


async def _exchanged(
    chosen: Chosen, agency: Agency, sources: dict[str, str | None], steps: list[str]
) -> Outcome | StaleCredentials:
    timeout = chosen.connector.manifest.contract.call_timeout
    session = await agency.log_in(sources, timeout=timeout)
    if not isinstance(session, Mapping):
        return session
    step, request = chosen.operation, chosen.request
    outcome: Outcome | StaleCredentials = StaleCredentials()
    for _ in range(MOST_STEPS):
        steps.append(step.name)
        wire = _with_files(agency.render(step.name, request, {**sources, **session}), chosen.recorded)
        outcome = await agency.send(step.name, replace(wire, fresh_connection=True), timeout=timeout)
        if not (isinstance(outcome, Answered) and outcome.result is Result.EXISTS and "exists" in step.then):
            break
        request = follow_up_request(step, "exists", request, outcome.refs)
        step = chosen.connector.operations[step.then["exists"]]
    return outcome


def _with_files(wire: WireRequest, recorded: bytes) -> WireRequest:
    """Return *wire* with its files put in, which a running hub would take from its store, from what was *recorded*."""
    if not wire.files:
        return wire
    body = as_recorded(wire, recorded)
    if MARK_BEGINS.encode() in body:
        fail(
            "The request names a file that no recorded request.agency.* holds in base64, and only a running hub has others:"
            " send a --sample that holds its files, or upload the file there (POST /v1/files) and call without --sandbox."
        )
    return replace(wire, body=body, files=())


def _told(outcome: Outcome | StaleCredentials) -> dict[str, Any]:
    if isinstance(outcome, Answered):
        value = None if outcome.value is None else from_json(outcome.value.model_dump_json(exclude_none=True))
        return {
            "outcome": "answered",
            "result": outcome.result,
            "value": value,
            "reason": outcome.reason,
            "drift": outcome.drift,
        }
    return {
        "outcome": result_of(outcome),
        "cause": outcome.cause,
        "faults": [str(fault) for fault in getattr(outcome, "faults", ())],
    }


async def _through_hub(url: str, key: str, target: str, chosen: Chosen, purpose: Purpose, wait: float) -> Any:
    async with HubClient(url, key) as hub:
        answer = await hub.call(
            target, chosen.request, answer=RootModel[Any], purpose=purpose, wait=wait, urgency=1, key=str(uuid.uuid4())
        )
    return answer.model_dump(mode="json", exclude_none=True)
