"""
What `[notices]` of a manifest must agree on, with the rest of it and with the mappings: all that would fail at a door.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from pydantic import BaseModel, ValidationError

from connectors.kit.carried import read_spot
from connectors.kit.manifest import Manifest, NoticeTable
from connectors.kit.manifest_rules import readable
from connectors.kit.notice_compiling import asks_after, media_of, message_of, refs_of, root_tag
from connectors.kit.notice_replies import holds_payload
from connectors.kit.operation import NoRecord, cursor_fault, list_fault
from connectors.kit.places import read_spread, read_unwrap
from connectors.kit.signatures import SETTING, signature_faults
from connectors.kit.wrap import PAYLOAD, REASON, source_fault, template_faults
from connectors.kit.wsdl import InboundWsdl
from mappings import engine
from mappings.canonical.shape import sealed_paths
from mappings.errors import FileFault
from mappings.ours import find_field
from mappings.paths import Layout, nearest, read_place
from mappings.values_files import CONTENT, LINK

_OF_A_PUSH = ("auth", "signed", "select", "replies")
_OF_A_FETCH = ("page", "taken", "refused")
_CURSOR_IN_SOAP = 'let the mapping in `sends` of the operation write it: "..." = "page.after" in [fixed]'


def notice_faults(manifest: Manifest, file: str) -> list[FileFault]:
    """Return where notices of *manifest* contradict it, or name what is not there."""
    found = [
        (f"notices.{name}.{key}", says)
        for name, table in manifest.notices.items()
        for key, says in _table(table, manifest)
    ]
    if manifest.notices and manifest.inbound is None:
        found.append(("inbound", "is missing; an agency that sends notices needs bounds too"))
    fetching = [one for table in manifest.notices.values() for one in table.from_]
    found += [
        (f"notices.{name}.from", f"`{one}` fetches another notice too; an operation fetches one kind")
        for name, table in manifest.notices.items()
        for one in table.from_
        if fetching.count(one) > 1
    ]
    return [FileFault(file, key, says) for key, says in found]


def notice_mapping_faults(
    manifest: Manifest, mappings: Mapping[str, engine.Mapping], inbound: InboundWsdl | None, file: str
) -> list[FileFault]:
    """Return where notices of *manifest*, the *mappings* and the *inbound* WSDL do not fit each other."""
    return [
        FileFault(file, f"notices.{name}.{key}", says)
        for name, table in manifest.notices.items()
        for key, says in _mapped(table, manifest, mappings, inbound)
    ]


def _table(table: NoticeTable, manifest: Manifest) -> Iterator[tuple[str, str]]:
    named = [("from", one) for one in table.from_] + [("taken", table.taken), ("refused", table.refused)]
    for key, target in named:
        if target is not None and target not in manifest.operations:
            yield key, f"names no operation{nearest(target, manifest.operations)}"
        elif key != "from" and target is not None and manifest.operations[target].kind != "filing":
            yield (
                key,
                f"`{target}` is a {manifest.operations[target].kind}; it changes what the agency knows, so a filing",
            )
    yield from _fetched(table, manifest) if table.from_ else _pushed(table, manifest)
    yield from readable("unwrap", partial(read_unwrap, table.unwrap))
    refs = table.ref if isinstance(table.ref, dict) else {"": table.ref}
    for name, place in refs.items():
        if place is not None:
            yield from readable(f"ref.{name}".rstrip("."), partial(read_place, place))
    for place in table.unique:
        yield from readable("unique", partial(read_spread, place))


def _fetched(table: NoticeTable, manifest: Manifest) -> Iterator[tuple[str, str]]:
    for key in _OF_A_PUSH:
        if getattr(table, key):
            yield key, "is for notices that an agency pushes; this one is fetched, and the operation knows the agency"
    if table.kind == "question":
        yield "kind", "a question is asked by the agency; what we fetch is a notice"
    if len(table.from_) > 2:
        yield "from", "names one operation, or two: one that lists and one that fetches"
    soap = manifest.connector.protocol == "soap"
    if table.listed_by is not None:
        if table.page is None:
            yield "page", "is missing; write page = { size = 20 }: how many of what is listed are fetched in one run"
        elif table.page.next:
            yield "page.next", "has no meaning where one operation lists what another fetches; leave it out"
        elif table.page.after:
            if soap:
                yield "page.after", "is no place outside the body in SOAP; leave it out: each run lists anew"
            else:
                yield from readable("page.after", partial(read_place, table.page.after))
    elif table.page is not None:
        for key, place in (("after", table.page.after), ("next", table.page.next)):
            if key == "after" and soap:
                if place is not None:
                    yield f"page.{key}", f"is no place outside the body in SOAP; {_CURSOR_IN_SOAP}"
            elif place is None:
                yield f"page.{key}", "is missing; without it every page would be the first"
            else:
                yield from readable(f"page.{key}", partial(read_place, place))
    after = asks_after(table, manifest)
    if after:
        for key in ("page", "taken", "refused"):
            if getattr(table, key) is not None:
                yield key, f"is for a list that is fetched; `{table.fetched_by}` asks after one call that is pending"
    for name in table.from_:
        operation = manifest.operations.get(name)
        if operation is None:
            continue
        if operation.kind != "lookup":
            yield "from", f"`{name}` is a {operation.kind}; fetching changes nothing, so a lookup"
        if name == table.from_[0] and operation.every is None:
            yield "from", f"`{name}` has no `every`; write how many seconds lie between two polls"
        if name == table.fetched_by and not after and (operation.returns is not None or operation.unwrap):
            yield "from", f"`{name}` has `returns` or `unwrap`; write them at the notice, which reads its answers"
        if name == table.listed_by and operation.returns is None:
            yield "from", f"`{name}` has no `returns`; what it lists is what `{table.fetched_by}` is asked for"
        if operation.fresh is not None:
            yield "from", f"`{name}` has `fresh`; a poll is never answered from memory"


def _pushed(table: NoticeTable, manifest: Manifest) -> Iterator[tuple[str, str]]:
    for key in _OF_A_FETCH:
        if getattr(table, key) is not None:
            yield key, "is for notices that an operation fetches; name it in `from`, or write `replies`"
    question = table.kind == "question"
    if question and table.sends is None:
        yield "sends", "is missing; a question needs the mapping of the answer that a caller publishes"
    if not question and table.sends is not None:
        yield (
            "sends",
            'has no meaning for a notice, which `replies` answers; if it asks for data, write kind = "question"',
        )
    if table.auth is not None:
        yield from _proof(table.auth.put, manifest)
        for key in ("scheme", "login", "keep"):
            if getattr(table.auth, key):
                yield f"auth.{key}", "is how we prove who we are; what an agency must show stands in `put`"
    if table.signed is not None:
        yield from signature_faults(table.signed, "signed", manifest.settings, sides=("header", "query"))
    for place in table.select:
        yield from readable(f"select.{place}", partial(read_spot, place))
    for way, template in table.replies.items():
        yield from template_faults(template, f"replies.{way}", partial(_reply_fault, manifest), numbers=True)
        if holds_payload(template) and not (question and way == "taken"):
            yield f"replies.{way}", "holds `payload`, which is the published answer in `replies.taken` of a question"
    if question and "taken" in table.replies and not holds_payload(table.replies["taken"]):
        says = 'has no place for the answer; write one, `items = "payload"`, or leave `taken` out: it then stands alone'
        yield "replies.taken", says


def _reply_fault(manifest: Manifest, source: str) -> str | None:
    return source_fault(source, manifest.settings, (), (REASON,))


def _proof(put: Mapping[str, str], manifest: Manifest) -> Iterator[tuple[str, str]]:
    if not put:
        yield "auth.put", 'is missing; write what must be there, such as { "header:ApiKey" = "settings.inbound_key" }'
    elif not any(source.startswith(SETTING) for source in put.values()):
        yield "auth.put", "names no setting: what anybody can know proves nothing"
    for place, source in put.items():
        yield from readable(f"auth.put.{place}", partial(read_spot, place))
        if fault := source_fault(source, manifest.settings, (), ()):
            yield f"auth.put.{place}", fault
        elif source == "=":
            yield f"auth.put.{place}", "must not be empty: nothing proves nothing"


def _kept_open(table: NoticeTable, returns: engine.Mapping | None) -> Iterator[tuple[str, str]]:
    """What is sealed in a notice is kept in no other place as it came, and compared with nothing."""
    paths = sealed_paths(returns.canonical) if returns is not None else frozenset()
    hidden = {place for path in paths if returns is not None for place in returns.places_of(path)}
    refs = table.ref.values() if isinstance(table.ref, dict) else [table.ref]
    for key, places in (("ref", refs), ("unique", table.unique)):
        for place in places:
            if place is not None and any(f"/{place}".endswith(f"/{one}") for one in hidden):
                yield key, f"names `{place}`, which has to be sealed, and what stands here is kept as it came"
    for path in table.agrees:
        if tuple(path.split(".")) in paths:
            yield "agrees", f"names `{path}`, which has to be sealed: two seals of one text are not the same"


def _mapped(
    table: NoticeTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping], inbound: InboundWsdl | None
) -> Iterator[tuple[str, str]]:
    missing = [
        (key, f"names no mapping: there is no `{name}.map.toml`{nearest(name, mappings)}")
        for key, name in (("sends", table.sends), ("returns", table.returns))
        if name is not None and name not in mappings
    ]
    yield from missing
    if missing:
        return
    sends = mappings[table.sends] if table.sends else None
    returns = mappings[table.returns] if table.returns else None
    if sends is not None and sealed_paths(sends.canonical):
        yield "sends", f"mapping `{table.sends}` holds what has to be sealed; only requests and notices may"
    yield from _kept_open(table, returns)
    for source in sorted(sends.sources) if sends else ():
        if fault := _reply_fault(manifest, source):
            yield "sends", f"mapping `{table.sends}`: {fault}"
    if sends is not None and CONTENT in sends.files:
        yield "sends", f"mapping `{table.sends}` holds a file in base64; an answer is written whole: send `{LINK}`"
    for path in table.agrees:
        if returns is None:
            yield "agrees", "needs the mapping in `returns`, whose fields it names"
        else:
            yield from readable("agrees", partial(find_field, returns.canonical, path))
    yield from _filled(table, manifest, mappings)
    yield from _paged(table, manifest, mappings)
    media = media_of(table, manifest, inbound=inbound is not None)
    try:
        soap = message_of(table, mappings, inbound, media)
    except ValueError as error:
        yield "select", str(error)
        return
    if soap is None:
        for way, template in table.replies.items() if media == "xml" else ():
            if len(template) != 1:
                yield f"replies.{way}", "is written as XML, so it has one name at its top: the root element"
        return
    if returns is not None and not table.unwrap and root_tag(returns) != soap.sends.tag:
        yield "returns", f"mapping `{returns.name}` has another root than the contract's `{soap.sends.tag}`"
    if table.kind == "question" and "taken" not in table.replies:
        yield "replies.taken", "is missing; write where in the answer of inbound.wsdl `payload` stands"
    for way, template in table.replies.items():
        if soap.returns is None:
            yield f"replies.{way}", f"has nothing to stand in: `{soap.element}` is answered with an empty body"
        else:
            yield from _unknown(template, soap.returns, f"replies.{way}")


def _unknown(template: object, layout: Layout, key: str) -> Iterator[tuple[str, str]]:
    known = {child.name: child for child in layout.children}
    for name, inner in template.items() if isinstance(template, dict) else ():
        if name not in known:
            yield f"{key}.{name}", f"is not in `{layout.name}` of inbound.wsdl{nearest(name, known)}"
        elif inner != PAYLOAD:
            for one in inner if isinstance(inner, list) else [inner]:
                yield from _unknown(one, known[name], f"{key}.{name}")


def _asks(operation: str | None, manifest: Manifest, mappings: Mapping[str, engine.Mapping]) -> type[BaseModel]:
    asked = mappings.get(manifest.operations[operation or ""].sends or "")
    return asked.canonical if asked else NoRecord


def _paged(table: NoticeTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping]) -> Iterator[tuple[str, str]]:
    """In SOAP nothing but the mapping can say after which notice the next page begins."""
    if table.page is None or table.page.next is None or manifest.connector.protocol != "soap":
        return
    asked = mappings.get(manifest.operations[table.from_[0]].sends or "")
    if asked is None or "page.after" not in asked.sources:
        yield "page", f"says where the next page starts, and nobody asks for it; {_CURSOR_IN_SOAP}"


def _listed(
    table: NoticeTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping]
) -> Iterator[tuple[str, str]]:
    """Each item of what one operation lists must be a request of the other."""
    listing = mappings.get(manifest.operations[table.listed_by or ""].returns or "")
    wanted = _asks(table.fetched_by, manifest, mappings)
    if listing is not None and (fault := list_fault(listing.canonical, wanted)):
        yield "from", f"`{table.fetched_by}` cannot be asked for what `{table.listed_by}` lists: {fault}"
    if table.page is not None and table.page.after and (fault := cursor_fault(wanted)):
        says = f"needs a cursor, the one field of the request of `{table.fetched_by}`, and {fault}"
        yield (
            "page.after",
            f"{says}; let `sends` of that operation map such a record, or leave `after` out: each run lists anew",
        )


def _filled(
    table: NoticeTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping]
) -> Iterator[tuple[str, str]]:
    """Operations that fetch, acknowledge and refuse get their requests from the notice alone."""
    returns = mappings[table.returns] if table.returns else None
    given = {*refs_of(table, returns), *(returns.canonical.model_fields if returns else ())}
    if table.listed_by is not None:
        given |= set(_asks(table.fetched_by, manifest, mappings).model_fields)
        yield from _listed(table, manifest, mappings)
    for key, name, has in (
        (
            "from",
            None if asks_after(table, manifest) else next(iter(table.from_), None),
            set[str](),
        ),  # else the call that it asks after
        ("taken", table.taken, given),
        ("refused", table.refused, given),
    ):
        asked = mappings.get(manifest.operations[name].sends or "") if name else None
        for field, about in asked.canonical.model_fields.items() if asked else ():
            if about.is_required() and field not in has:
                yield key, f"`{name}` needs `{field}`, which {'nobody gives' if key == 'from' else 'this notice lacks'}"
        if (
            key == "from"
            and asked is not None
            and not any(one.is_required() for one in asked.canonical.model_fields.values())
        ):
            try:
                asked.canonical()
            except ValidationError as error:
                yield key, f"`{name}` cannot ask without a record: {error.errors()[0]['msg']}"
