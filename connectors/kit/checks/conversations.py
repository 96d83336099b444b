"""
Rules on samples: every operation has a recorded conversation, and the compiled connector says exactly the same.

A request must come out as recorded and a reply be understood as recorded, byte order, prefixes and blanks aside.
"""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from connectors.kit.answers import RESULTS
from connectors.kit.checks.differences import json_difference, xml_difference
from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.replay import (
    NOW,
    inside_envelope,
    playable,
    rendered,
    result_of,
    sent_and_recorded,
    settings_of,
)
from connectors.kit.connector import Connector
from connectors.kit.contract import Check, xsd_contract
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.judging import judge, session_in
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Broken
from connectors.kit.samples import Sample
from connectors.kit.texts import Unreadable, parse_json, parse_xml
from mappings import engine
from mappings.errors import Fault, FileFault, FilesRefused, MappingFailed
from mappings.paths import nearest

READABLE = ("ok", "pending", "not_found", "exists", "refused")
"""Results whose replies are the agency's own words, and so must fit its contract."""
LACKS = re.compile(r"(?:source )?`?(?P<source>[a-z]+\.\w+)`? (?:has no value|is not given)")
"""What a fault says of a source, such as `auth.token`, that nobody has given."""


def samples_recorded(folder: Folder) -> Iterator[FileFault]:
    """Every operation has a recorded conversation that went well; every conversation is of an operation or a notice."""
    for sample in folder.samples if folder.manifest else ():  # without one nobody knows which are of notices
        place = folder.file(f"samples/{sample.name}")
        if sample.operation in folder.notices:
            continue  # `notices_recorded`
        if sample.operation not in folder.operations:
            near = nearest(sample.operation, folder.conversations)
            yield FileFault(place, "", f"the manifest has no operation or notice `{sample.operation}`{near}")
        if sample.result not in RESULTS:
            yield FileFault(
                f"{place}/sample.toml", "result", f"is one of {', '.join(RESULTS)}{nearest(sample.result, RESULTS)}"
            )
        for side, found in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            if found is None:
                media = "xml" if folder.wsdl else "json"
                yield FileFault(f"{place}/{side}.agency.{media}", "", "is missing; record what goes over the wire")
    for name in folder.operations:
        if not folder.samples and any(folder.path.glob(f"samples/{name}.*")):
            continue  # one that cannot be read keeps all away, and has been told
        if not any(sample.operation == name and sample.result in ("ok", "pending") for sample in folder.samples):
            yield FileFault(
                manifest_file(folder), f"operations.{name}", f"has no sample; record one in samples/{name}.<case>/"
            )


def samples_fit_contract(folder: Folder) -> Iterator[FileFault]:
    """What the samples send and get fits the pinned contract, letter by letter."""
    for sample in folder.samples if folder.manifest else ():
        for side, body in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            check = _check(folder, sample, side)
            if body is None or check is None or (side == "reply" and sample.is_file):
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


def _check(folder: Folder, sample: Sample, side: str) -> Check | None:
    """The contract of what stands on that *side* of *sample*; None where none speaks of it."""
    notice = sample.operation in folder.notices
    if (side == "reply" and not notice and sample.result not in READABLE) or (
        side == "request" and notice and sample.result in ("refused", "denied")
    ):
        return None  # what is refused may be broken in any way
    if notice and (folder.connector is None or folder.connector.notices[sample.operation].soap is None):
        return folder.checks.get(f"{sample.operation}.{side}")
    wsdl = folder.inbound if notice else folder.wsdl
    return xsd_contract(wsdl.schema) if wsdl else folder.checks.get(f"{sample.operation}.{side}")


def requests_come_out(folder: Folder) -> Iterator[FileFault]:
    """Each sample's request, written by the connector with its headers and the sample's sources, is the recorded one."""
    for sample, operation, connector in playable(folder):
        file = folder.file(f"samples/{sample.name}/request.canonical.json")
        if sample.request is None and operation.sends is not None:
            yield FileFault(file, "", "is missing; write what a caller asks or files")
            continue
        try:
            wire = rendered(connector, sample, operation)
        except ValidationError as error:
            yield from misfits(file, error)
        except (MappingFailed, FilesRefused) as failed:
            yield from (_unwritten(folder, sample, fault) for fault in failed.faults)
        except Exception as error:  # only hooks can raise anything else
            yield FileFault(
                folder.file("hooks.py"),
                sample.name,
                f"fails with {type(error).__name__}; a hook gets and returns what `kit/hooks.py` says",
            )
        else:
            if sample.request_agency is not None:
                yield from _different(folder, sample, connector, wire)


def _unwritten(folder: Folder, sample: Sample, fault: Fault | FileFault) -> FileFault:
    """Return why the request of *sample* cannot be written: a source that it does not give, or what does not fit."""
    file = folder.file(f"samples/{sample.name}/request.canonical.json")
    place, rule = (fault.place, fault.rule) if isinstance(fault, Fault) else (fault.key, fault.says)
    if lacks := LACKS.fullmatch(rule):
        says = f"lacks `{lacks['source']}`, which the connector writes to {place}; add it with an invented value"
        return FileFault(folder.file(f"samples/{sample.name}/sample.toml"), "sources", says)
    return FileFault(file, place, rule)


def _different(folder: Folder, sample: Sample, connector: Connector, wire: WireRequest) -> Iterator[FileFault]:
    file = folder.file(f"samples/{sample.name}/request.agency.{sample.media}")
    try:
        if sample.media == "xml":
            place = xml_difference(parse_xml(sample.request_agency or b"", {}), parse_xml(wire.body, {}))
        else:
            place = json_difference(*sent_and_recorded(connector, sample, wire))
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
    for sample, operation, connector in playable(folder):
        if sample.reply_agency is None:
            continue
        file = folder.file(f"samples/{sample.name}/reply.agency.{sample.media}")
        reply = WireReply(sample.http, {"content-type": f"application/{sample.media}"}, sample.reply_agency)
        try:
            said = connector.hooks.classify(sample.operation, reply) if connector.hooks.classify else None
        except Exception as error:
            yield FileFault(folder.file("hooks.py"), sample.name, f"`classify` fails with {type(error).__name__}")
            continue
        auth = connector.manifest.auth
        judged = judge(
            operation,
            reply,
            now=NOW,
            knows_us=auth is not None,
            said=said,
            settings=settings_of(connector, sample),
        )
        outcome = judged.outcome
        meant = result_of(outcome)
        if auth and auth.login == sample.operation and meant == "ok":
            session = session_in(judged.tree, auth.keep)
            outcome, meant = (session, "broken") if isinstance(session, Broken) else (outcome, meant)
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
        yield from misfits(file, error)
        return
    for name in operation.answer.model_fields:
        if getattr(expected, name) != getattr(value, name):
            yield FileFault(
                file, name, "is not what the connector reads from the recorded reply; correct the mapping or the sample"
            )
    if operation.returns.sources <= sample.sources.keys() and expected == value:
        yield from there_and_back(file, sample, operation.returns, value)


def there_and_back(file: str, sample: Sample, returns: engine.Mapping, value: BaseModel) -> Iterator[FileFault]:
    """Give the fields of *value*, read from *sample* by *returns*, that are lost when it is written and read again."""
    try:
        again = returns.read(returns.write(value, sample.sources))
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


def misfits(file: str, error: ValidationError) -> Iterator[FileFault]:
    """Give the places of a canonical *file* that do not fit its model."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        yield FileFault(file, ".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, "))
