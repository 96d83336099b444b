"""
Rules on samples: every operation has a recorded conversation, and the compiled connector says exactly the same.

A request must come out as recorded and a reply be understood as recorded, byte order, prefixes and blanks aside.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from connectors.kit.answers import RESULTS
from connectors.kit.binding import bind
from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.pinned import contract_of
from connectors.kit.connector import Connector
from connectors.kit.contract import Check, json_contract, xsd_contract
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.judging import judge
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from connectors.kit.samples import Sample
from connectors.kit.texts import Unreadable, parse_json, parse_xml
from mappings.errors import FileFault, FilesRefused, MappingFailed
from mappings.paths import nearest

NOW = 1_767_225_600.0
"""Unix seconds at which samples are replayed, 2026-01-01; only handshakes depend on it, and they are not recorded."""
READABLE = ("ok", "pending", "not_found", "exists", "refused")
"""Results whose replies are the agency's own words, and so must fit its contract."""


def samples_recorded(folder: Folder) -> Iterator[FileFault]:
    """Every operation has a recorded conversation that went well, and every conversation is of an operation."""
    for sample in folder.samples:
        place = folder.file(f"samples/{sample.name}")
        if sample.operation not in folder.operations:
            yield FileFault(
                place,
                "",
                f"the manifest has no operation `{sample.operation}`{nearest(sample.operation, folder.operations)}",
            )
        if sample.result not in RESULTS:
            yield FileFault(
                f"{place}/sample.toml", "result", f"is one of {', '.join(RESULTS)}{nearest(sample.result, RESULTS)}"
            )
        for side, found in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            if found is None:
                yield FileFault(place, f"{side}.agency", "is missing; record what goes over the wire")
    for name in folder.operations:
        if not any(sample.operation == name and sample.result in ("ok", "pending") for sample in folder.samples):
            yield FileFault(
                manifest_file(folder), f"operations.{name}", f"has no sample; record one in samples/{name}.<case>/"
            )


def samples_fit_contract(folder: Folder) -> Iterator[FileFault]:
    """What the samples send and get fits the pinned contract, letter by letter."""
    for sample in folder.samples:
        for side, body in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            check = _contract(folder, sample.operation, side)
            if body is None or check is None or (side == "reply" and sample.result not in READABLE):
                continue
            file = folder.file(f"samples/{sample.name}/{side}.agency.{sample.media}")
            try:
                tree = inside_envelope(parse_xml(body, {})) if sample.media == "xml" else parse_json(body, {})
            except Unreadable as error:
                yield FileFault(file, "", error.rule)
                continue
            if tree is not None:
                yield from (
                    FileFault(file, fault.place, f"{fault.rule} of the pinned contract") for fault in check(tree)
                )


def _contract(folder: Folder, operation: str, side: str) -> Check | None:
    if folder.wsdl:
        return xsd_contract(folder.wsdl.schema)
    if (
        f"{operation}.{side}" not in folder.schemas
        or contract_of(folder, operation, "request" if side == "request" else "reply") is None
    ):
        return None
    try:
        return json_contract(folder.schema_files[f"{operation}.{side}"])
    except FilesRefused:
        return None  # told by the rule on contracts


def inside_envelope(root: etree._Element) -> etree._Element | None:
    """Return what stands in the body of a SOAP envelope; None when that is empty or a fault, which no contract describes."""
    if etree.QName(root).localname != "Envelope":
        return root
    inside = root.find("{*}Body/*")
    return None if inside is None or etree.QName(inside).localname == "Fault" else inside


def requests_come_out(folder: Folder) -> Iterator[FileFault]:
    """Each sample's request, written by the connector, is the recorded one."""
    for sample, operation, connector in _playable(folder):
        file = folder.file(f"samples/{sample.name}/request.canonical.json")
        if sample.request is None and operation.sends is not None:
            yield FileFault(file, "", "is missing; write what a caller asks or files")
            continue
        try:
            wire = rendered(connector, sample, operation)
        except ValidationError as error:
            yield from _misfits(file, error)
        except (MappingFailed, FilesRefused) as failed:
            yield from (FileFault(file, getattr(fault, "place", ""), str(fault)) for fault in failed.faults)
        except Exception as error:  # only hooks can raise anything else
            yield FileFault(
                folder.file("hooks.py"),
                sample.name,
                f"fails with {type(error).__name__}; a hook gets and returns what `kit/hooks.py` says",
            )
        else:
            if sample.request_agency is not None:
                yield from _different(folder, sample, wire.body)


def _different(folder: Folder, sample: Sample, body: bytes) -> Iterator[FileFault]:
    file = folder.file(f"samples/{sample.name}/request.agency.{sample.media}")
    try:
        if sample.media == "xml":
            place = xml_difference(parse_xml(sample.request_agency or b"", {}), parse_xml(body, {}))
        else:
            place = _json_difference(parse_json(sample.request_agency or b"", {}), parse_json(body, {}))
    except Unreadable as error:
        yield FileFault(file, "", error.rule)
        return
    if place is not None:
        yield FileFault(
            file,
            place,
            "is not what the connector writes for request.canonical.json; correct the mapping or the sample",
        )


def replies_are_understood(folder: Folder) -> Iterator[FileFault]:
    """Each sample's reply means what `sample.toml` says, and reads as the recorded value, there and back again."""
    for sample, operation, connector in _playable(folder):
        if sample.reply_agency is None:
            continue
        file = folder.file(f"samples/{sample.name}/reply.agency.{sample.media}")
        reply = WireReply(sample.http, {"content-type": f"application/{sample.media}"}, sample.reply_agency)
        try:
            said = connector.hooks.classify(sample.operation, reply) if connector.hooks.classify else None
        except Exception as error:
            yield FileFault(folder.file("hooks.py"), sample.name, f"`classify` fails with {type(error).__name__}")
            continue
        outcome = judge(operation, reply, now=NOW, knows_us=connector.manifest.auth is not None, said=said).outcome
        meant = result_of(outcome)
        if meant != sample.result:
            why = f"; {'; '.join(map(str, outcome.faults))}" if isinstance(outcome, Broken) and outcome.faults else ""
            yield FileFault(file, "", f"means `{meant}`, where sample.toml says `{sample.result}`{why}")
        elif isinstance(outcome, Answered):
            yield from _value_faults(folder, sample, operation, outcome.value)


def _value_faults(folder: Folder, sample: Sample, operation: Operation, value: BaseModel | None) -> Iterator[FileFault]:
    file = folder.file(f"samples/{sample.name}/reply.canonical.json")
    if value is None or operation.answer is None or operation.returns is None:
        if sample.reply is not None:
            yield FileFault(file, "", f"a reply that means `{sample.result}` here carries no value; remove the file")
        return
    if sample.reply is None:
        yield FileFault(file, "", "is missing; write the value that a caller gets")
        return
    try:
        expected = operation.answer.model_validate_json(to_json(sample.reply))
    except ValidationError as error:
        yield from _misfits(file, error)
        return
    for name in operation.answer.model_fields:
        if getattr(expected, name) != getattr(value, name):
            yield FileFault(
                file, name, "is not what the connector reads from the recorded reply; correct the mapping or the sample"
            )
    if operation.returns.sources <= sample.sources.keys() and expected == value:
        yield from _there_and_back(file, sample, operation, value)


def _there_and_back(file: str, sample: Sample, operation: Operation, value: BaseModel) -> Iterator[FileFault]:
    if operation.returns is None:
        return
    try:
        again = operation.returns.read(operation.returns.write(value, sample.sources))
    except MappingFailed as failed:
        yield from (
            FileFault(file, fault.place, f"cannot be written and read again: {fault.rule}") for fault in failed.faults
        )
        return
    for name in type(value).model_fields:
        if again is None or getattr(again.value, name) != getattr(value, name):
            yield FileFault(
                file, name, "is not the same after being written and read again; choose a converter that loses nothing"
            )


def envelopes_as_zeep(folder: Folder) -> Iterator[FileFault]:
    """The envelope of each SOAP request equals the one that zeep makes from the WSDL of the same values."""
    for sample, operation, connector in _playable(folder):
        if connector.wsdl is None:
            continue
        try:
            ours = parse_xml(rendered(connector, sample, operation).body, {})
            inside = inside_envelope(ours)
            call = connector.manifest.operations[sample.operation].call or ""
            theirs = connector.wsdl.by_zeep(call, _values(inside) if inside is not None else {})
        except (ValidationError, MappingFailed, FilesRefused, Unreadable):
            continue  # told by requests_come_out
        except Exception as error:  # zeep has many kinds for "this does not fit the WSDL"
            says = f"zeep cannot make this request from the WSDL ({type(error).__name__}); the mapping writes what the contract lacks, or lacks what it requires"
            yield FileFault(folder.file(f"samples/{sample.name}"), "", says)
            continue
        place = xml_difference(theirs, ours)
        if place is not None:
            yield FileFault(
                folder.file(f"samples/{sample.name}"),
                place,
                "differs from the envelope that zeep makes of the same values",
            )


def _values(element: etree._Element) -> dict[str, Any]:
    """Return the children of *element* by local name, as zeep takes them; a repeated one becomes a list."""
    found: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        value = _values(child) if len(child) else (child.text or "")
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _playable(folder: Folder) -> Iterator[tuple[Sample, Operation, Connector]]:
    """Give the samples of a connector that loads; of one that does not, the rules before have said why."""
    if folder.connector is not None:
        for sample in folder.samples:
            if operation := folder.connector.operations.get(sample.operation):
                yield sample, operation, folder.connector


def rendered(connector: Connector, sample: Sample, operation: Operation) -> WireRequest:
    """
    Return the request that *connector* makes of *sample*, with the sample's sources; settings it does not give say `sample`.

    Raises:
        ValidationError: The recorded canonical request does not fit its model.
        MappingFailed: It cannot be written.
        FilesRefused: The sample's settings are none of the connector's.
    """
    request = operation.request.model_validate_json(to_json(sample.request if sample.request is not None else {}))
    given = {
        name.removeprefix("settings."): value for name, value in sample.sources.items() if name.startswith("settings.")
    }
    declared = {name: setting.default or "sample" for name, setting in connector.manifest.settings.items()}
    agency = bind(
        connector,
        name=connector.name,
        base_url="https://sample.example",
        settings={**declared, **given},
        sender=CannedSender(lambda _: InDoubt("no_sample")),
        now=lambda: NOW,
        contract=connector.manifest.contract,
    )
    return agency.render(sample.operation, request, {**_kept(connector), **sample.sources})


def _kept(connector: Connector) -> dict[str, str]:
    auth = connector.manifest.auth
    return {f"auth.{name}": "sample" for name in (auth.keep if auth else {})}


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


def _misfits(file: str, error: ValidationError) -> Iterator[FileFault]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        yield FileFault(file, ".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, "))


def xml_difference(one: etree._Element, other: etree._Element, at: str = "") -> str | None:
    """Return the first place where two elements differ, or None; prefixes, comments and blanks between elements do not count."""
    here = f"{at}/{etree.QName(one).localname}" if at else etree.QName(one).localname
    if one.tag != other.tag or dict(one.attrib) != dict(other.attrib):
        return here
    if len(one) != len(other) or (not len(one) and (one.text or "").strip() != (other.text or "").strip()):
        return here
    return next(
        (
            place
            for mine, theirs in zip(one, other, strict=True)
            if (place := xml_difference(mine, theirs, here)) is not None
        ),
        None,
    )


def _json_difference(one: Any, other: Any, at: str = "") -> str | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(str(key) for key in (*one, *other)):
            here = f"{at}/{name}" if at else name
            if name not in one or name not in other:
                return here
            if (place := _json_difference(one[name], other[name], here)) is not None:
                return place
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(
            (
                place
                for number, (mine, theirs) in pairs
                if (place := _json_difference(mine, theirs, f"{at}[{number}]")) is not None
            ),
            None,
        )
    return None if type(one) is type(other) and one == other else at or "the whole"
