"""
Rules on notices: each is recorded in every way it can end, and the compiled connector reads and answers just so.
"""

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from connectors.kit.carried import SIDES
from connectors.kit.checks.conversations import misfits, there_and_back
from connectors.kit.checks.differences import json_difference, xml_difference
from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.replay import bound_to
from connectors.kit.connector import Connector
from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Inbox, NotTaken, Told, Understood, WireNotice, reason_of
from connectors.kit.notice_reading import ReadyNotice
from connectors.kit.samples import Sample
from connectors.kit.texts import Unreadable, parse_json, parse_xml
from mappings.errors import FileFault, FilesRefused, MappingFailed
from mappings.paths import nearest

WAYS = ("taken", "seen", "refused", "denied", "busy")
REASON = "notice.reason"
_RETRY_AFTER = 1.0


def notices_proven(folder: Folder) -> Iterator[FileFault]:
    """Every notice that is pushed must prove by `auth` or `signed` that the agency sent it."""
    for name, table in folder.notices.items():
        if table.fetched_by is None and table.auth is None and table.signed is None:
            says = "may be sent by anybody; write `auth` or `signed`, or exempt this rule and say what else keeps others out"
            yield FileFault(manifest_file(folder), f"notices.{name}", says)


def notices_recorded(folder: Folder) -> Iterator[FileFault]:
    """Every notice has a recorded push for each way in `replies`, and for `taken` in any case."""
    for sample in folder.samples:
        if sample.operation not in folder.notices:
            continue
        place = folder.file(f"samples/{sample.name}")
        if sample.result not in WAYS:
            says = f"is one of {', '.join(WAYS)} for a notice{nearest(sample.result, WAYS)}"
            yield FileFault(f"{place}/sample.toml", "result", says)
        fetched = folder.notices[sample.operation].fetched_by is not None
        sides = (("request", sample.request_agency, False), ("reply", sample.reply_agency, fetched))
        for side, found, none in sides:
            if none and found is not None:
                says = "is no part of it: what we fetch is answered by `taken`, an operation; remove the file"
                yield FileFault(f"{place}/{side}.agency.{sample.media}", "", says)
            elif found is None and not none:
                says = "is missing; record what comes and what we answer"
                yield FileFault(f"{place}/{side}.agency.{sample.media}", "", says)
    for name, table in folder.notices.items():
        if not folder.samples and any(folder.path.glob(f"samples/{name}.*")):
            continue  # one that cannot be read keeps all away, and has been told
        shown = {sample.result for sample in folder.samples if sample.operation == name}
        for way in WAYS:
            if way not in shown and (way == "taken" or way in table.replies):
                says = f"has no sample that ends so; record one in samples/{name}.<case>/"
                yield FileFault(manifest_file(folder), f"notices.{name}.replies.{way}", says)


def notices_are_read(folder: Folder) -> Iterator[FileFault]:
    """Each sample's push is read as the recorded values, or not taken, as its `sample.toml` says; no two new ones as one."""
    first: dict[tuple[str, str], tuple[str, Told]] = {}
    for sample, ready, connector in _recorded(folder):
        if sample.request_agency is None:
            continue
        try:
            inbox = _inbox(connector, sample)
        except FilesRefused as refused:
            file = folder.file(f"samples/{sample.name}/sample.toml")
            yield from (FileFault(file, f"sources.{fault.key}", fault.says) for fault in refused.faults)
            continue
        name = sample.operation
        found = _read(inbox, sample, ready)
        file = folder.file(f"samples/{sample.name}/request.agency.{sample.media}")
        if found.notice != name:
            yield FileFault(file, "", f"is read as `{found.notice or 'no notice'}`; correct `select` or the sample")
        elif isinstance(found, NotTaken):
            expected = "denied" if sample.result == "denied" else "refused"
            if found.way != expected or sample.result not in ("refused", "denied"):
                why = "; ".join(map(str, found.faults))
                yield FileFault(file, "", f"is {found.way}, where sample.toml says `{sample.result}`: {why}")
        elif sample.result == "denied":
            yield FileFault(file, "", "is believed, where sample.toml says `denied`")
        else:
            yield from _values(folder, sample, ready, found)
            for told in found.told if sample.result == "taken" else ():
                before, same = first.setdefault((name, told.unique or ""), (sample.name, told))
                if told.unique is not None and same.value != told.value:
                    says = (
                        f"has the `unique` of {before} and says something else: the second would be `seen` and told to"
                        " nobody; give it values of its own, or name what else tells them apart in `unique`"
                    )
                    yield FileFault(file, "", says)


def notices_are_answered(folder: Folder) -> Iterator[FileFault]:
    """What we answer each sample's push, when it ends as `sample.toml` says, is the recorded reply, with the hub's reason."""
    for sample, ready, connector in _recorded(folder):
        if sample.reply_agency is None or sample.result not in WAYS:
            continue
        file = folder.file(f"samples/{sample.name}/reply.agency.{sample.media}")
        answer: BaseModel | None = None
        try:
            if ready.about.answer is not None and sample.result == "taken":
                answer = ready.about.answer.model_validate_json(to_json(sample.reply))
            inbox = _inbox(connector, sample)
            why = _why(inbox, sample, ready)
            reason = sample.sources.get(REASON, why or "")
            if why is not None and reason != why:
                says = f"is not what the hub says of this push, which is: {why}"
                yield FileFault(folder.file(f"samples/{sample.name}/sample.toml"), f"sources.{REASON}", says)
            reply = inbox.reply(
                sample.operation,
                sample.result,  # type: ignore[arg-type]  # one of WAYS
                reason=reason,
                answer=answer,
                retry_after=_RETRY_AFTER,
            )
        except ValidationError as error:
            yield from misfits(folder.file(f"samples/{sample.name}/reply.canonical.json"), error)
            continue
        except MappingFailed as failed:
            yield from (FileFault(file, fault.place, fault.rule) for fault in failed.faults)
            continue
        except FilesRefused:
            continue  # told by notices_are_read
        if reply.status != sample.http:
            yield FileFault(file, "", f"goes out with HTTP {reply.status}, where sample.toml says {sample.http}")
        try:
            place = _difference(sample.reply_agency, reply)
        except Unreadable as error:
            yield FileFault(file, "", error.rule)
            continue
        if place is not None:
            yield FileFault(file, place, "is not what we answer; correct `replies` or the sample")


def _recorded(folder: Folder) -> Iterator[tuple[Sample, ReadyNotice, Connector]]:
    if folder.connector is not None:
        for sample in folder.samples:
            if ready := folder.connector.notices.get(sample.operation):
                yield sample, ready, folder.connector


def _inbox(connector: Connector, sample: Sample) -> Inbox:
    """
    Return what doors would use, with the settings of *sample*.

    Raises:
        FilesRefused: They are none of the connector's, or empty where they prove something.
    """
    inbox = bound_to(connector, sample).inbox
    assert inbox is not None  # noqa: S101 - a connector with a notice has one
    return inbox


def _read(inbox: Inbox, sample: Sample, ready: ReadyNotice) -> Understood | NotTaken:
    came = WireNotice(_beside(sample, "header"), _beside(sample, "query"), sample.request_agency or b"")
    read = inbox.read_again if ready.about.fetched_by else inbox.read
    return inbox.read_soap(came) if ready.soap else read(sample.operation, came)


def _why(inbox: Inbox, sample: Sample, ready: ReadyNotice) -> str | None:
    """Return the reason that the hub gives for a push that it cannot read; None: one that it reads, or does not believe."""
    found = _read(inbox, sample, ready) if sample.request_agency is not None and sample.result == "refused" else None
    return reason_of(found.faults) if isinstance(found, NotTaken) and found.way == "refused" else None


def _beside(sample: Sample, side: str) -> dict[str, str]:
    found = {
        name.removeprefix(f"{side}:"): value for name, value in sample.sources.items() if name.startswith(f"{side}:")
    }
    if side == SIDES[0]:
        found = {name.lower(): value for name, value in found.items()}
        found.setdefault("content-type", f"application/{sample.media}")
    return found


def _values(folder: Folder, sample: Sample, ready: ReadyNotice, found: Understood) -> Iterator[FileFault]:
    file = folder.file(f"samples/{sample.name}/request.canonical.json")
    recorded = sample.request if isinstance(sample.request, list) else None
    if recorded is None or len(recorded) != len(found.told):
        says = "is missing" if sample.request is None else "is another number of values than the push has records"
        values = f"a list of {len(found.told)}, one for each record" if ready.returns else "[null]: it tells no value"
        yield FileFault(file, "", f"{says}; write {values}")
        return
    for number, (value, told) in enumerate(zip(recorded, found.told, strict=True)):
        if ready.about.model is None or told.value is None or ready.returns is None:
            if value is not None:
                yield FileFault(file, f"[{number}]", "is no value of this notice, which carries none; write null")
            continue
        try:
            expected = ready.about.model.model_validate_json(to_json(value))
        except ValidationError as error:
            yield from misfits(file, error)
            continue
        for name in ready.about.model.model_fields:
            if getattr(expected, name) != getattr(told.value, name):
                says = "is not what the connector reads from the recorded push; correct the mapping or the sample"
                yield FileFault(file, f"[{number}].{name}", says)
        if expected == told.value and ready.returns.sources <= sample.sources.keys():
            yield from there_and_back(file, sample, ready.returns, told.value)


def _difference(recorded: bytes, reply: WireReply) -> str | None:
    if "json" in reply.headers.get("content-type", ""):
        return json_difference(parse_json(recorded, {}), parse_json(reply.body, {}))
    return xml_difference(parse_xml(recorded, {}), parse_xml(reply.body, {}))
