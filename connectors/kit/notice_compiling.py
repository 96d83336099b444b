"""
From `[notices]` of a manifest to notices that can be read and answered. Used by `registry.py`, once at load.
"""

from collections.abc import Iterator, Mapping

from connectors.kit.carried import read_spot
from connectors.kit.contract import Check
from connectors.kit.inbox import Notice
from connectors.kit.manifest import Conversation, Manifest, NoticeTable
from connectors.kit.notice_reading import ReadyNotice
from connectors.kit.notice_replies import Media, Replies
from connectors.kit.operation import Operation
from connectors.kit.places import DECODERS, read_spread, read_unwrap
from connectors.kit.signatures import Signing
from connectors.kit.wsdl import InboundWsdl, SoapOperation
from mappings import engine
from mappings.addresses import Told
from mappings.errors import FileFault, FilesRefused
from mappings.paths import Place, clark, read_place
from mappings.slots import Form

ROOT = ""
"""The place of `select` at which the name of a message's own element stands: `select = { "" = "GuiThongBao" }`."""


def media_of(table: NoticeTable, manifest: Manifest, *, inbound: bool) -> Media:
    """
    Return what a push of *table* is written in; *inbound*: we publish a WSDL.

    What its `unwrap` begins with says so: `json` or `xml`. Else it is XML where SOAP is spoken, and JSON elsewhere.
    """
    first = table.unwrap[0] if table.unwrap else ""
    if first in ("json", "xml"):
        return "xml" if first == "xml" else "json"
    soap = inbound if table.fetched_by is None else manifest.connector.protocol == "soap"
    return "xml" if soap else "json"


def mapping_forms(manifest: Manifest, inbound: bool, file: str) -> Mapping[str, Form]:
    """
    Return for every mapping that *manifest* names whether it stands in JSON or in XML.

    Raises:
        FilesRefused: One is named for both.
    """
    found: dict[str, Form] = {}
    faults: list[FileFault] = []
    for key, name, form in _named(manifest, inbound):
        if found.setdefault(name, form) != form:
            says = f"mapping `{name}` stands in {form.upper()} here and in {found[name].upper()} elsewhere; write two"
            faults.append(FileFault(file, key, says))
    if faults:
        raise FilesRefused(faults)
    return found


def _named(manifest: Manifest, inbound: bool) -> Iterator[tuple[str, str, Form]]:
    usual: Form = "xml" if manifest.connector.protocol == "soap" else "json"
    for name, table in manifest.operations.items():
        if table.sends:
            yield f"operations.{name}.sends", table.sends, usual
        if table.returns:
            yield f"operations.{name}.returns", table.returns, _decoded(table, usual)
    for name, notice in manifest.notices.items():
        media = media_of(notice, manifest, inbound=inbound)
        if notice.sends:
            yield f"notices.{name}.sends", notice.sends, media
        if notice.returns:
            yield f"notices.{name}.returns", notice.returns, _decoded(notice, media)


def _decoded(table: Conversation, usual: Form) -> Form:
    decoded = [word for word in table.unwrap if word in DECODERS and word != "base64"]
    return usual if not decoded else "xml" if decoded[-1] == "xml" else "json"


def message_of(
    table: NoticeTable, mappings: Mapping[str, engine.Mapping], inbound: InboundWsdl | None, media: Media
) -> SoapOperation | None:
    """
    Return the message of the inbound WSDL that *table* is; None when it is pushed without an envelope.

    Its element is the root of the mapping in `returns`; where there is none, or `unwrap` leads further in, `select`
    says it at the empty place.

    Raises:
        ValueError: The WSDL has no such message; the text says what to write.
    """
    if inbound is None or media == "json" or table.fetched_by is not None or table.unwrap[:1] == ("xml",):
        return None
    name = table.select.get(ROOT, "").rpartition("}")[2]
    returns = mappings.get(table.returns or "")
    if not name and returns is not None and not table.unwrap:
        steps = read_place(returns.root).steps
        name = steps[0].name if steps else ""
    if name in inbound.operations:
        return inbound.operations[name]
    known = ", ".join(inbound.operations) or "none"
    if name:
        raise ValueError(f"`{name}` is no message of inbound.wsdl; it has {known}")
    raise ValueError(
        f'does not say which message of inbound.wsdl this is: write select = {{ "" = "..." }}; it has {known}'
    )


def root_tag(mapping: engine.Mapping) -> str:
    """Return the element at which *mapping* begins, as `{namespace}name`; empty when it names none."""
    steps = read_place(mapping.root).steps
    return clark(steps[0].name, steps[0].namespace) if steps else ""


def asks_after(table: NoticeTable, manifest: Manifest) -> bool:
    """Return whether the operation that fetches the notice of *table* asks after calls that are pending."""
    return any((one.then.get("pending"),) == table.from_ for one in manifest.operations.values())


def refs_of(table: Conversation, returns: engine.Mapping | None) -> Mapping[str, Place]:
    """Places of the agency's own keys by name: as the manifest says, else our field that stands there, else the place's last word."""
    if table.ref is None or isinstance(table.ref, dict):
        return {name: read_place(place) for name, place in (table.ref or {}).items()}
    place = read_place(table.ref)
    ours = next(
        (
            path
            for path in (returns.ours if returns else ())
            if returns and table.ref in returns.places_of(path.split("."))
        ),
        None,
    )
    return {ours or place.steps[-1].name: place}


def ready_notices(
    manifest: Manifest,
    mappings: Mapping[str, engine.Mapping],
    operations: Mapping[str, Operation],
    inbound: InboundWsdl | None,
    contracts: Mapping[str, Check | None],
    told: Mapping[str, Told],
) -> Mapping[str, ReadyNotice]:
    """Return the notices of a *manifest* in which `notice_rules.py` found no fault, ready for work; *told* by mapping."""
    return {
        name: _ready(name, table, manifest, mappings, operations, inbound, contracts.get(name), told)
        for name, table in manifest.notices.items()
    }


def _ready(
    name: str,
    table: NoticeTable,
    manifest: Manifest,
    mappings: Mapping[str, engine.Mapping],
    operations: Mapping[str, Operation],
    inbound: InboundWsdl | None,
    contract: Check | None,
    told: Mapping[str, Told],
) -> ReadyNotice:
    sends = mappings[table.sends] if table.sends else None
    returns = mappings[table.returns] if table.returns else None
    media = media_of(table, manifest, inbound=inbound is not None)
    soap = message_of(table, mappings, inbound, media)
    fetching = operations[table.fetched_by] if table.fetched_by else None
    polled = operations[table.from_[0]] if table.from_ else None
    ref = refs_of(table, returns)
    about = Notice(
        name=name,
        kind=table.kind,
        model=returns.canonical if returns else None,
        answer=sends.canonical if sends else None,
        personal_data=table.personal_data,
        agrees=table.agrees,
        ref=tuple(ref),
        fetched_by=table.fetched_by,
        every=polled.every if polled else None,
        asked_after=asks_after(table, manifest),
        acknowledged_by=table.taken,
        refused_by=table.refused,
        listed_by=table.listed_by,
    )
    return ReadyNotice(
        about=about,
        media=media,
        soap=soap,
        put={place: (read_spot(place), source) for place, source in (table.auth.put if table.auth else {}).items()},
        signed=Signing(table.signed) if table.signed else None,
        select={
            place: (read_spot(place), text if place != ROOT else text.rpartition("}")[2])
            for place, text in table.select.items()
        },
        unwrap=read_unwrap(table.unwrap),
        several=bool(table.unwrap) and table.unwrap[-1].endswith("[]"),
        returns=returns,
        unique={place: read_spread(place) for place in table.unique},
        ref=ref,
        contract=contract if fetching is None else None,
        replies=Replies(table, sends, media, soap, told.get(table.sends or "")),
        fetched_over=fetching.wire if fetching else None,
        next=read_place(table.page.next) if table.page and table.page.next else None,
    )
