"""
What the keys of a manifest must agree on among themselves and with the mappings. Every fault is told; nothing is fixed.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from connectors.kit.auth import handshake
from connectors.kit.manifest import Manifest, OperationTable
from connectors.kit.notice_compiling import root_tag
from connectors.kit.operation import NoRecord
from connectors.kit.places import read_unwrap
from connectors.kit.rest import read_call
from connectors.kit.signatures import signature_faults
from connectors.kit.wrap import CALL_SOURCES, PAGE_SOURCES, REASON, source_fault, template_faults
from connectors.kit.wsdl import Wsdl
from mappings import engine
from mappings.canonical.shape import sealed_paths
from mappings.errors import FileFault
from mappings.ours import find_field
from mappings.paths import nearest, read_place


def manifest_faults(manifest: Manifest, file: str) -> list[FileFault]:
    """Return where keys of *manifest* contradict each other, or name what is not there."""
    found = [*_auth(manifest)]
    for name, table in manifest.operations.items():
        found += [(f"operations.{name}.{key}", says) for key, says in _operation(name, table, manifest)]
    return [FileFault(file, key, says) for key, says in found]


def mapping_faults(
    manifest: Manifest, mappings: Mapping[str, engine.Mapping], wsdl: Wsdl | None, file: str
) -> list[FileFault]:
    """Return where *manifest* and *mappings* do not fit each other."""
    return [
        FileFault(file, f"operations.{name}.{key}", says)
        for name, table in manifest.operations.items()
        for key, says in _mapped(name, table, manifest, mappings, wsdl)
    ]


def _auth(manifest: Manifest) -> Iterator[tuple[str, str]]:
    auth, operations = manifest.auth, manifest.operations
    logins = [name for name, table in operations.items() if table.kind == "login"]
    if auth is None or auth.login is None:
        yield from ((f"operations.{name}.kind", f'is login, so [auth] must say: login = "{name}"') for name in logins)
    elif auth.login not in logins:
        yield "auth.login", f"names no operation of kind login{nearest(auth.login, logins)}"
    elif not auth.keep:
        yield "auth.keep", 'is missing; say what of the login\'s answer is the session, such as { session = "session" }'
    if auth is None:
        return
    if auth.scheme is not None:
        try:
            needed = handshake(auth.scheme).settings
        except ValueError as error:
            yield "auth.scheme", str(error)
        else:
            yield from (
                (f"settings.{name}", f"is missing; handshake `{auth.scheme}` needs it: declare it with `help`")
                for name in needed
                if name not in manifest.settings
            )
    for place, source in auth.put.items():
        if fault := source_fault(source, manifest.settings, auth.keep):
            yield f"auth.put.{place}", fault
        if manifest.connector.protocol == "soap" and not place.startswith(("header:", "query:")):
            yield f"auth.put.{place}", "is a place of the body, which in SOAP the mapping writes: put it into [fixed]"
    for name, place in auth.keep.items():
        yield from readable(f"auth.keep.{name}", partial(read_place, place))


def _operation(name: str, table: OperationTable, manifest: Manifest) -> Iterator[tuple[str, str]]:
    protocol = manifest.connector.protocol
    if protocol == "desk":
        if table.call is not None:
            yield "call", "has no meaning for a desk: its people work without an interface"
    elif table.call is None:
        yield "call", "is missing; write `POST /path` or the SOAP element"
    elif protocol == "rest":
        yield from readable("call", partial(read_call, table.call))
    if protocol == "soap" and table.wrap:
        yield "wrap", "has no meaning in SOAP, where the contract says what stands around a record"
    yield from template_faults(table.wrap, "wrap", partial(_source_fault, name, manifest))
    for then, target in table.then.items():
        other = manifest.operations.get(target)
        if other is None or other.kind == "login":
            yield f"then.{then}", f"names no operation{nearest(target, manifest.operations)}"
        elif then == "in_doubt" and other.kind != "lookup":
            yield f"then.{then}", f"`{target}` is a {other.kind}; doubt is settled by a look-up"
        elif then == "pending" and (other.kind != "lookup" or other.every is None):
            yield (
                f"then.{then}",
                f"`{target}` is asked again and again; it must be a look-up that says how often: `every`",
            )
    if table.kind == "login" and (table.sends or table.returns):
        yield (
            "sends" if table.sends else "returns",
            "has no meaning for a login: `wrap` says what it sends, [auth] keep what is kept",
        )
    if table.fresh is not None and (table.personal_data or table.kind != "lookup"):
        yield "fresh", "is for look-ups without personal data only; such answers are never kept"
    elif table.fresh is not None and (table.repeat_safe is False or table.then):
        yield "fresh", "is for look-ups that may be repeated and lead to no other operation; nothing else is shared"
    if table.sign is not None:
        yield from signature_faults(table.sign, "sign", manifest.settings, sides=())
        if protocol != "rest":
            yield "sign", "signs places of a REST payload; where SOAP is spoken, the hook `sign` does"
    if table.signed is not None:
        yield from signature_faults(table.signed, "signed", manifest.settings, sides=("header",))
    yield from readable("unwrap", partial(read_unwrap, table.unwrap))
    places = {"code": table.code.at if table.code else None, "says": table.says}
    refs = table.ref if isinstance(table.ref, dict) else {"": table.ref}
    for where, place in {**places, **{f"ref.{one}".rstrip("."): place for one, place in refs.items()}}.items():
        if place is not None:
            yield from readable(where, partial(read_place, place))
    if table.kind == "login" and name != (manifest.auth.login if manifest.auth else name):
        yield "kind", "is login, but [auth] names another; an agency has one"


def _source_fault(operation: str, manifest: Manifest, source: str) -> str | None:
    """What is wrong with *source* in a request of *operation*; the sources of paging and refusing are for those that do."""
    others: tuple[str, ...] = CALL_SOURCES
    if any(notice.from_ == operation for notice in manifest.notices.values()):
        others = (*others, *PAGE_SOURCES)
    if any(notice.refused == operation for notice in manifest.notices.values()):
        others = (*others, REASON)
    return source_fault(source, manifest.settings, manifest.auth.keep if manifest.auth else (), others)


def readable(key: str, read: Callable[[], object]) -> Iterator[tuple[str, str]]:
    """Give *key* and the reason when what an author wrote there cannot be read."""
    try:
        read()
    except ValueError as error:
        yield key, str(error)


def _mapped(
    name: str, table: OperationTable, manifest: Manifest, mappings: Mapping[str, engine.Mapping], wsdl: Wsdl | None
) -> Iterator[tuple[str, str]]:
    missing = False
    for key, named in (("sends", table.sends), ("returns", table.returns)):
        if named is not None and named not in mappings:
            missing = True
            yield key, f"names no mapping: there is no `{named}.map.toml`{nearest(named, mappings)}"
    if missing:
        return
    sends = mappings[table.sends] if table.sends else None
    returns = mappings[table.returns] if table.returns else None
    if returns is not None and sealed_paths(returns.canonical):
        yield "returns", f"mapping `{table.returns}` holds what has to be sealed; only requests and notices may"
    for source in sorted(sends.sources) if sends else ():
        if fault := _source_fault(name, manifest, source):
            yield "sends", f"mapping `{table.sends}`: {fault}"
    request = sends.canonical if sends else NoRecord
    if table.order_by is not None:
        yield from readable("order_by", partial(find_field, request, table.order_by))
    for path in table.agrees:
        yield from readable("agrees", partial(find_field, returns.canonical if returns else NoRecord, path))
    for then, target in table.then.items():
        wanted = mappings.get(manifest.operations[target].sends or "")
        have = {*request.model_fields, *(returns.canonical.model_fields if returns else ()), *_ref_names(table)}
        if wanted is not None and wanted.canonical is not request:
            for name, field in wanted.canonical.model_fields.items():
                if field.is_required() and name not in have:
                    yield (
                        f"then.{then}",
                        f"`{target}` needs `{name}`, which neither request, answer nor references of this operation give",
                    )
    soap = wsdl.operations.get(table.call or "") if wsdl else None
    if soap is not None and not table.unwrap:
        for key, mapping, layout in (("sends", sends, soap.sends), ("returns", returns, soap.returns)):
            if mapping is not None and layout is not None and root_tag(mapping) != layout.tag:
                yield key, f"mapping `{mapping.name}` has another root than the contract's `{layout.tag}`"


def _ref_names(table: OperationTable) -> set[str]:
    return set(table.ref) if isinstance(table.ref, dict) else {table.ref.rpartition("/")[2]} if table.ref else set()
