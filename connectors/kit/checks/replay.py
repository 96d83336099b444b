"""
A sample played through the compiled connector: the request it makes, and what an outcome is called in `answers.csv`.
"""

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree
from pydantic_core import to_json

from connectors.kit.binding import BoundAgency, bind
from connectors.kit.checks.folder import Folder
from connectors.kit.connector import Connector
from connectors.kit.exchange import WireRequest
from connectors.kit.files import as_recorded
from connectors.kit.http import CannedSender
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from connectors.kit.rest import read_call
from connectors.kit.samples import Sample
from connectors.kit.signatures import SETTING
from connectors.kit.texts import Json, parse_json

BASE_URL = "https://sample.example"
NOW = 1_767_225_600.0
"""Unix seconds at which samples are replayed, 2026-01-01; only handshakes depend on it, and they are not recorded."""


def playable(folder: Folder) -> Iterator[tuple[Sample, Operation, Connector]]:
    """Give the samples of a connector that loads; of one that does not, the rules before have said why."""
    if folder.connector is not None:
        for sample in folder.samples:
            if operation := folder.connector.operations.get(sample.operation):
                yield sample, operation, folder.connector


def bound_to(connector: Connector, sample: Sample) -> BoundAgency:
    """
    Return *connector* bound to the settings of *sample*; those it does not give say `sample`.

    Raises:
        FilesRefused: The sample's settings are none of the connector's.
    """
    given = {
        name.removeprefix("settings."): value for name, value in sample.sources.items() if name.startswith("settings.")
    }
    declared = {name: setting.default or "sample" for name, setting in connector.manifest.settings.items()}
    return bind(
        connector,
        name=connector.name,
        base_url=BASE_URL,
        settings={**declared, **given},
        sender=CannedSender(lambda _: InDoubt("no_sample")),
        now=lambda: NOW,
        contract=connector.manifest.contract,
    )


def rendered(connector: Connector, sample: Sample, operation: Operation) -> WireRequest:
    """
    Return the request that *connector* makes of *sample*, headers too, with the sample's sources and no other.

    Raises:
        ValidationError: The recorded canonical request does not fit its model.
        MappingFailed: It cannot be written.
        FilesRefused: The sample's settings are none of the connector's.
    """
    request = operation.request.model_validate_json(to_json(sample.request if sample.request is not None else {}))
    wire = bound_to(connector, sample).render(sample.operation, request, sample.sources)
    return with_files(wire, sample)


def with_files(wire: WireRequest, sample: Sample) -> WireRequest:
    """Return *wire* with the contents of its files, which *sample* holds: what a running hub would put in."""
    return replace(wire, body=as_recorded(wire, sample.request_agency or b""), files=()) if wire.files else wire


def settings_of(connector: Connector, sample: Sample) -> dict[str, str]:
    """Return the settings of *sample* as sources, `settings.x`: what signatures in it are made with."""
    declared = connector.manifest.settings.items()
    given = {key: sample.sources.get(SETTING + key, setting.default or "sample") for key, setting in declared}
    return connector.manifest.sources(given)


def sent_and_recorded(connector: Connector, sample: Sample, wire: WireRequest) -> tuple[Json, Json]:
    """
    Return the JSON payload that *wire* carries, and the recorded one.

    A payload is recorded whole, wherever its fields go: path, query, form or body. In a query or a form every value is
    a text. What the handshake adds to the query is no part of it.

    Raises:
        Unreadable: The recorded request is not JSON.
    """
    recorded = parse_json(sample.request_agency or b"", {})
    call = read_call(connector.manifest.operations[sample.operation].call or "")
    sent = call.content(wire.url.removeprefix(BASE_URL), wire.body)
    auth = connector.manifest.auth
    for place in auth.put if auth and call.bodiless else ():  # a body may have a field of the same name
        if place.startswith("query:") and isinstance(sent, dict):
            sent.pop(place.removeprefix("query:"), None)
    return sent, recorded


def result_of(outcome: Outcome | StaleCredentials) -> str:
    """Return the word of `answers.csv` that leads to *outcome*."""
    match outcome:
        case Answered(result=result):
            return str(result)
        case StaleCredentials():
            return "login"
        case Busy():
            return "busy"
        case Unavailable():
            return "unavailable"
        case InDoubt():
            return "in_doubt"
        case Broken():
            return "broken"


def inside_envelope(root: etree._Element) -> etree._Element | None:
    """Return what stands in the body of a SOAP envelope; None when that is empty or a fault, which no contract describes."""
    if etree.QName(root).localname != "Envelope":
        return root
    inside = root.find("{*}Body/*")
    return None if inside is None or etree.QName(inside).localname == "Fault" else inside
