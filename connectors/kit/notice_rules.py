"""
What `[notices]` of a manifest must agree on, with the rest of it and with the mappings: all that would fail at a door.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from pydantic import ValidationError

from connectors.kit.carried import read_spot
from connectors.kit.manifest import Manifest, NoticeTable
from connectors.kit.manifest_rules import readable
from connectors.kit.notice_compiling import media_of, message_of, refs_of, root_tag
from connectors.kit.notice_replies import holds_payload
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


def notice_faults(manifest: Manifest, file: str) -> list[FileFault]:
    """Return where notices of *manifest* contradict it, or name what is not there."""
    found = [
        (f"notices.{name}.{key}", says)
        for name, table in manifest.notices.items()
        for key, says in _table(table, manifest)
    ]
    if manifest.notices and manifest.inbound is None:
        found.append(("inbound", "is missing; an agency that sends notices needs bounds too"))
    fetched = [table.from_ for table in manifest.notices.values() if table.from_]
    found += [
        (f"notices.{name}.from", f"`{table.from_}` fetches another notice too; an operation fetches one kind")
        for name, table in manifest.notices.items()
        if table.from_ and fetched.count(table.from_) > 1
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
    for key in ("from_", "taken", "refused"):
        target = getattr(table, key)
        if target is not None and target not in manifest.operations:
            yield key.rstrip("_"), f"names no operation{nearest(target, manifest.operations)}"
        elif key != "from_" and target is not None and manifest.operations[target].kind != "filing":
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
    if table.page is not None:
        for key in ("after", "next"):
            yield from readable(f"page.{key}", partial(read_place, getattr(table.page, key)))
        if manifest.connector.protocol == "soap":
            yield (
                "page.after",
                'is a place of the body, which in SOAP the mapping writes: "..." = "page.after" in [fixed]',
            )
    operation = manifest.operations.get(table.from_ or "")
    if operation is None:
        return
    if operation.kind != "lookup":
        yield "from", f"`{table.from_}` is a {operation.kind}; fetching changes nothing, so a lookup"
    if operation.every is None:
        yield "from", f"`{table.from_}` has no `every`; write how many seconds lie between two polls"
    if operation.returns is not None or operation.unwrap:
        yield "from", f"`{table.from_}` has `returns` or `unwrap`; write them at the notice, which reads its answers"
    if operation.fresh is not None:
        yield "from", f"`{table.from_}` has `fresh`; a poll is never answered from memory"


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


def _filled(
    table: NoticeTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping]
) -> Iterator[tuple[str, str]]:
    """Operations that fetch, acknowledge and refuse get their requests from the notice alone."""
    returns = mappings[table.returns] if table.returns else None
    given = {*refs_of(table, returns), *(returns.canonical.model_fields if returns else ())}
    for key, name, has in (
        ("from", table.from_, set[str]()),
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
