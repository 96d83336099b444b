"""
Every recorded conversation of every connector, through the same code that calls the agency: both sides must agree.

A connector that is added as a folder is tried here without a line of test being written for it.
"""

import asyncio
import json
import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lxml import etree

from connectors.kit.checks.replay import sent_and_recorded, with_files
from connectors.kit.exchange import Agency, WireReply
from connectors.kit.http import CannedSender
from connectors.kit.manifest import load_manifest
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, StaleCredentials, Unavailable
from connectors.kit.registry import Connector, bind, find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from mappings.errors import MappingFailed

TEMPLATE = Path(str(files("connectors.kit") / "template"))
FOLDERS = {**find_connectors(), "template": TEMPLATE}
SAMPLES = [
    (name, sample)
    for name, folder in FOLDERS.items()
    for sample in load_samples(folder)
    if sample.operation in load_manifest(folder).operations  # those of notices are replayed by `hub check`
]
NAMES = [f"{name}:{sample.name}" for name, sample in SAMPLES]
NOW = 1_795_392_000.0
OUTCOMES: Mapping[str, type] = {
    **dict.fromkeys(("ok", "not_found", "refused", "exists", "pending"), Answered),
    "login": StaleCredentials,
    "busy": Busy,
    "unavailable": Unavailable,
    "in_doubt": InDoubt,
    "broken": Broken,
}
every_sample = pytest.mark.parametrize(("connector", "sample"), SAMPLES, ids=NAMES)


@lru_cache
def loaded(name: str) -> Connector:
    return load_connector(FOLDERS[name])


def agency(name: str, sample: Sample, sender: CannedSender) -> Agency:
    connector = loaded(name)
    settings = {key: setting.default or "0000" for key, setting in connector.manifest.settings.items()}
    settings |= {key.partition(".")[2]: value for key, value in sample.sources.items() if key.startswith("settings.")}
    return bind(
        connector,
        name=name,
        base_url="https://agency.example/base",
        settings=settings,
        sender=sender,
        now=lambda: NOW,
        contract=connector.manifest.contract,
    )


def answering(sample: Sample) -> CannedSender:
    assert sample.reply_agency is not None
    kind = "text/xml; charset=utf-8" if sample.media == "xml" else "application/json; charset=utf-8"
    return CannedSender(lambda _: WireReply(sample.http, {"content-type": kind}, sample.reply_agency or b""))


def tree_of(body: bytes) -> Any:
    """An XML payload as plain values that compare: names with namespaces, in order, blanks around texts forgiven."""
    return _element(etree.fromstring(body, etree.XMLParser(resolve_entities=False)))


def _element(element: Any) -> Any:
    return (element.tag, (element.text or "").strip(), dict(element.attrib), [_element(child) for child in element])


async def ask(name: str, sample: Sample) -> Any:
    """Return the outcome of *sample* as a lane would see it; for a log-in what it keeps, or the outcome."""
    bound = agency(name, sample, answering(sample))
    operation = bound.operations[sample.operation]
    if operation.kind == "login":
        return await bound.log_in(sample.sources, timeout=1.0)
    request = operation.request.model_validate_json(json.dumps(sample.request))
    wire = with_files(bound.render(sample.operation, request, sample.sources), sample)
    return await bound.send(sample.operation, wire, timeout=1.0)


@every_sample
def test_a_canonical_request_becomes_the_recorded_bytes(connector: str, sample: Sample) -> None:
    sender = answering(sample)
    bound = agency(connector, sample, sender)
    operation = bound.operations[sample.operation]
    if operation.kind == "login":
        asyncio.run(bound.log_in(sample.sources, timeout=1.0))
        wire = sender.sent[0]
    else:
        request = operation.request.model_validate_json(json.dumps(sample.request))
        wire = with_files(bound.render(sample.operation, request, sample.sources), sample)
    if sample.media == "json":  # also what goes into path, query or form
        sent, recorded = sent_and_recorded(loaded(connector), sample, wire)
        assert sent == recorded
    else:
        assert tree_of(wire.body) == tree_of(sample.request_agency or b"")


@every_sample
def test_a_recorded_reply_becomes_the_recorded_answer(connector: str, sample: Sample) -> None:
    outcome = asyncio.run(ask(connector, sample))
    operation = loaded(connector).operations[sample.operation]
    if operation.kind == "login" and sample.result == "ok":
        assert all(outcome.values())
        return
    if operation.kind == "login" and sample.result == "login":  # there is no other session to log in with
        assert outcome == Answered(Result.REFUSED)
        return
    assert type(outcome) is OUTCOMES[sample.result], outcome
    if not isinstance(outcome, Answered):
        return
    assert outcome.result == sample.result
    if sample.result == "refused":
        assert operation.kind == "login" or (outcome.reason and outcome.reason.vi and outcome.reason.en)
    if sample.reply is None:
        assert outcome.value is None
        return
    assert operation.answer is not None
    assert outcome.value == operation.answer.model_validate_json(json.dumps(sample.reply))
    assert outcome.drift == ()


@every_sample
def test_a_request_without_its_sources_names_them(connector: str, sample: Sample) -> None:
    bound = agency(connector, sample, answering(sample))
    operation = bound.operations[sample.operation]
    needed = {name for name in sample.sources if not name.startswith(("settings.", "page."))}
    if operation.kind == "login" or not needed:
        return
    request = operation.request.model_validate_json(json.dumps(sample.request))
    given: dict[str, str] = {}
    while needed:  # those of the record come first, then those of the handshake
        with pytest.raises(MappingFailed) as failed:
            bound.render(sample.operation, request, given)
        told = " ".join(str(fault) for fault in failed.value.faults)
        named = {name for name in needed if name in told}
        assert named, told
        given |= {name: sample.sources[name] for name in named}
        needed -= named


@every_sample
def test_requests_and_good_replies_keep_the_pinned_contract(connector: str, sample: Sample) -> None:
    """Checked by the schema libraries alone, without our engine."""
    contract = FOLDERS[connector] / "contract"
    bodies = [("request", sample.request_agency)]
    readable = sample.result in ("ok", "not_found", "exists", "pending") and not sample.is_file
    bodies += [("reply", sample.reply_agency)] if readable else []
    for side, body in bodies:
        assert body is not None
        if sample.media == "json":
            schema = json.loads((contract / f"{sample.operation}.{side}.schema.json").read_text("utf-8"))
            jsonschema_rs.validator_for(schema).validate(json.loads(body))
        else:
            _by_xsd(contract, body)


def _by_xsd(contract: Path, body: bytes) -> None:
    inside = etree.fromstring(body)[-1][0]
    alone = etree.fromstring(etree.tostring(inside))
    schemas = [etree.XMLSchema(etree.parse(str(file))) for file in sorted(contract.glob("*.xsd"))]
    assert any(schema.validate(alone) for schema in schemas), [schema.error_log for schema in schemas]


@every_sample
def test_samples_hold_invented_people_only(connector: str, sample: Sample) -> None:
    """Ids of twelve digits begin with 000 or 999, which no province has; hosts are examples."""
    for file in sample.folder.iterdir():
        text = re.sub(r"<dan:MaYeuCau>\d+</dan:MaYeuCau>", "", file.read_text("utf-8", "replace"))
        numbers = re.findall(r"(?<![0-9.-])[0-9]{12}(?![0-9])", text)
        assert all(number.startswith(("000", "999")) for number in numbers), file.name
        hosts = re.findall(r"https?://([^/\s\\\"<]+)", text)
        known = ("schemas.xmlsoap.org", "dancuquocgia.bca", "www.mic.gov.vn", "gtel.vn")
        assert all(host.endswith(".example") or host in known for host in hosts), file.name


@pytest.mark.parametrize("connector", FOLDERS)
def test_every_operation_has_a_good_conversation_and_a_refusal(connector: str) -> None:
    told = {(sample.operation, sample.result) for name, sample in SAMPLES if name == connector}
    for operation in loaded(connector).operations:
        assert {(operation, "ok"), (operation, "pending")} & told  # what is never done at once goes well as `pending`
        assert (operation, "refused") in told


@pytest.mark.parametrize("name", FOLDERS)
def test_no_contract_is_fetched_when_a_connector_is_loaded_or_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WSDL and schemas lie in its folder: an agency whose own copy is slow or gone stops neither start nor exchange."""

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("something was fetched")

    for entrance in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, entrance, asked, raising=False)
    for entrance in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, entrance, asked)
    fresh = load_connector(FOLDERS[name])
    assert fresh.operations
    for of, sample in SAMPLES:
        if of == name and sample.reply_agency is not None:
            asyncio.run(ask(name, sample))
