"""
From folders to connectors: everything an author wrote is read, checked against each other and compiled, once.

`find_connectors` says which there are, `load_connector` reads one, `bind` makes it the agency that a lane holds.
What only `hub check` wants to know is in `checks/`; what would make a call fail is refused here.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

from connectors.kit.answers import CodeRule, Judge, load_answers
from connectors.kit.binding import bind
from connectors.kit.connector import Connector
from connectors.kit.contract import Check, json_contract, xsd_contract
from connectors.kit.hooks import Hooks, load_hooks
from connectors.kit.manifest import FILE, Manifest, OperationTable, load_manifest
from connectors.kit.manifest_rules import manifest_faults, mapping_faults
from connectors.kit.notice_compiling import mapping_forms, ready_notices, refs_of
from connectors.kit.notice_rules import notice_faults, notice_mapping_faults
from connectors.kit.operation import OF_REQUEST, NoRecord, Operation
from connectors.kit.places import read_unwrap
from connectors.kit.reading import Wire
from connectors.kit.rest import Rest, read_call
from connectors.kit.signatures import Signing
from connectors.kit.soap import Soap
from connectors.kit.wrap import PURPOSE_SOURCES, sources_in
from connectors.kit.wsdl import InboundWsdl, Wsdl, read_inbound_wsdl, read_wsdl
from mappings import engine
from mappings.addresses import Addresses, Levels, Told, shape_faults
from mappings.canonical import CANONICAL
from mappings.codes import CodeTable, read_code_tables
from mappings.conversion import Today
from mappings.errors import FileFault, FilesRefused
from mappings.language import read_mapping_file
from mappings.paths import Layout, Place
from mappings.slots import Form
from mappings.values import converter
from mappings.values_files import CONTENT

__all__ = ["Connector", "Operation", "bind", "find_connectors", "load_connector"]

T = TypeVar("T")


def find_connectors() -> Mapping[str, Path]:
    """Return name and folder of every connector of this package."""
    # By way of the kit: a folder `connectors` where the hub is started must not stand in for the package.
    with as_file(files("connectors.kit")) as kit:
        return {folder.name: folder for folder in sorted(kit.parent.iterdir()) if (folder / FILE).is_file()}


def load_connector(folder: Path, *, today: Today | None = None, codes: Path | None = None) -> Connector:
    """
    Return the connector in *folder*, ready to be bound. *today* gives the day for code tables; without, any day counts.

    *codes*: a folder of code tables that stand in for shared ones of the same name.

    Raises:
        FilesRefused: Every fault of all its files at once, each with file, key path and what to write instead.
    """
    faults: list[FileFault] = []
    manifest = _told(faults, partial(load_manifest, folder))
    hooks = _told(faults, partial(load_hooks, folder)) or Hooks()
    if manifest is None:  # the other files need its words; what is wrong with them by themselves is told all the same
        for path in sorted(folder.glob("*.map.toml")):
            _told(faults, partial(read_mapping_file, path))
        raise FilesRefused(faults)
    faults += manifest_faults(manifest, f"{folder.name}/{FILE}")
    base = folder.parent / manifest.connector.like if manifest.connector.like else None
    wsdl = _told(faults, partial(_wsdl, folder, base, manifest))
    inbound = _told(faults, partial(_inbound_wsdl, folder, base))
    forms = _told(faults, partial(mapping_forms, manifest, inbound is not None, f"{folder.name}/{FILE}")) or {}
    mappings: Mapping[str, engine.Mapping] = {}
    shared = _told(faults, partial(shared_tables, codes))
    if shared is not None and (wsdl is not None or manifest.connector.protocol != "soap"):
        form: Form = "xml" if manifest.connector.protocol == "soap" else "json"
        layouts = {**(wsdl.layouts if wsdl else {}), **(inbound.layouts if inbound else {})}
        mappings = _told(faults, partial(_mappings, folder, base, form, layouts, today, forms, shared)) or {}
    rules: dict[str, CodeRule] = {
        name: table.code.as_ if table.code else "text" for name, table in manifest.operations.items()
    }
    answers = _told(faults, partial(load_answers, folder, rules, under=base)) or {}
    contracts = {
        name: _told(faults, partial(_contract, folder, base, name, "reply", wsdl)) for name in manifest.operations
    }
    pushes = {
        name: _told(faults, partial(_contract, folder, base, name, "request", inbound)) for name in manifest.notices
    }
    faults += notice_faults(manifest, f"{folder.name}/{FILE}")
    if not faults:
        faults += mapping_faults(manifest, mappings, wsdl, f"{folder.name}/{FILE}")
        faults += notice_mapping_faults(manifest, mappings, inbound, f"{folder.name}/{FILE}")
    if faults or shared is None:
        raise FilesRefused(list(dict.fromkeys(faults)))
    told = told_by(manifest.connector.addresses, mappings, shared, today)
    operations = {
        name: _operation(
            name, manifest, mappings, answers[name], _wire(name, manifest, contracts[name], wsdl), hooks, told
        )
        for name in manifest.operations
    }
    notices = ready_notices(manifest, mappings, operations, inbound, pushes, told)
    return Connector(
        folder.name, folder, manifest, mappings, answers, operations, wsdl, hooks, notices, inbound if notices else None
    )


def _told(faults: list[FileFault], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except FilesRefused as refused:
        faults += refused.faults
        return None


def _mappings(
    folder: Path,
    base: Path | None,
    form: Form,
    layouts: Mapping[str, Layout],
    today: Today | None,
    forms: Mapping[str, Form],
    codes: Mapping[str, CodeTable],
) -> Mapping[str, engine.Mapping]:
    return engine.load_mappings(
        folder,
        form=form,
        canonical=CANONICAL,
        converters=converter,
        shared_codes=codes,
        layouts=layouts,
        today=today,
        forms=forms,
        under=base,
    )


def shared_tables(codes: Path | None = None) -> Mapping[str, CodeTable]:
    """
    Return the code tables that every connector may name; those of the folder *codes* instead of ours of the same name.

    Raises:
        FilesRefused: Every fault of all tables.
    """
    theirs = read_code_tables(codes) if codes else {}
    faults = [
        FileFault(f"codes/{name}.csv", f"code {code}", says)
        for name, table in theirs.items()
        for code, says in shape_faults(table)
    ]
    if faults:
        raise FilesRefused(faults)
    with as_file(files("mappings") / "codes") as shared:
        return {**read_code_tables(shared), **theirs}


def told_by(
    levels: Levels | None,
    mappings: Mapping[str, engine.Mapping],
    shared: Mapping[str, CodeTable],
    today: Today | None,
) -> Mapping[str, Told]:
    """Return, for those *mappings* that write addresses, what the agency is told of them; none where *levels* is not said."""
    addresses = Addresses(levels, shared, today) if levels else None
    return {name: Told(addresses, one.addresses) for name, one in mappings.items() if addresses and one.addresses}


def _inbound_wsdl(folder: Path, base: Path | None) -> InboundWsdl | None:
    return read_inbound_wsdl(folder / "contract") or (read_inbound_wsdl(base / "contract") if base else None)


def _wsdl(folder: Path, base: Path | None, manifest: Manifest) -> Wsdl | None:
    if manifest.connector.protocol != "soap":
        return None
    wsdl = read_wsdl(folder / "contract") or (read_wsdl(base / "contract") if base else None)
    if wsdl is None:
        raise FilesRefused(
            [FileFault(f"{folder.name}/contract", "", "has no *.wsdl; pin the agency's WSDL there, with its XSD files")]
        )
    missing = [
        FileFault(
            f"{folder.name}/{FILE}",
            f"operations.{name}.call",
            f"is no element of the WSDL; it has {', '.join(wsdl.operations) or 'none'}",
        )
        for name, table in manifest.operations.items()
        if table.call not in wsdl.operations
    ]
    if missing:
        raise FilesRefused(missing)
    return wsdl


def _contract(folder: Path, base: Path | None, name: str, direction: str, wsdl: Wsdl | None) -> Check | None:
    if wsdl is not None:
        return xsd_contract(wsdl.schema)
    own = folder / "contract" / f"{name}.{direction}.schema.json"
    return json_contract(own if base is None or own.is_file() else base / "contract" / own.name)


def _wire(name: str, manifest: Manifest, contract: Check | None, wsdl: Wsdl | None) -> Wire:
    table = manifest.operations[name]
    return Rest(table, contract) if wsdl is None else Soap(table, wsdl.operations[table.call or ""], contract)


def _operation(
    name: str,
    manifest: Manifest,
    mappings: Mapping[str, engine.Mapping],
    judge: Judge,
    wire: Wire,
    hooks: Hooks,
    told: Mapping[str, Told],
) -> Operation:
    table = manifest.operations[name]
    needs = frozenset(PURPOSE_SOURCES).intersection(_named(name, manifest, mappings))
    sends = mappings[table.sends] if table.sends else None
    returns = mappings[table.returns] if table.returns else None
    fetching = {one for notice in manifest.notices.values() for one in notice.from_[:1]}
    refs = refs_of(table, returns)
    own = _own(refs, sends)
    asked: dict[str, str | None] = {key: manifest.operations[then].sends for key, then in table.then.items()}
    return Operation(
        name=name,
        kind=table.kind,
        request=sends.canonical if sends else NoRecord,
        answer=returns.canonical if returns else None,
        sends=sends,
        returns=returns,
        personal_data=table.personal_data,
        repeat_safe=table.kind != "filing" if table.repeat_safe is None else table.repeat_safe,
        order_by=table.order_by,
        fresh=table.fresh,
        probe=table.probe,
        every=table.every,
        then={str(key): then for key, then in table.then.items()},
        then_requests={key: mappings[wanted].canonical if wanted else NoRecord for key, wanted in asked.items()},
        agrees=table.agrees,
        sees_writes=table.sees_writes,
        ref={name: place for name, place in refs.items() if name not in own},
        signed=Signing(table.signed) if table.signed else None,
        page=next((notice.page for notice in manifest.notices.values() if name in notice.from_[:1]), None),
        judge=judge,
        unwrap=read_unwrap(table.unwrap),
        wire=wire,
        needs=needs,
        alike=None
        if name in fetching
        else _alike(
            table, returns, needs, hooks
        ),  # pages differ by their cursor alone, lists by when they are asked for
        own=own,
        told=told.get(table.sends or ""),
    )


def _alike(
    table: OperationTable, returns: engine.Mapping | None, needs: frozenset[str], hooks: Hooks
) -> tuple[str, ...] | None:
    """Return `Operation.alike`: for look-ups that may be repeated and lead to no further step, which a call's own past fills."""
    if table.kind != "lookup" or table.repeat_safe is False or table.then:
        return None
    if returns is not None and CONTENT in returns.files:
        return None  # what comes is stored for one caller, and another may not read it
    # A signing hook is given all sources and may write any of them where no mapping shows it.
    return tuple(sorted(needs)) if hooks.sign is None else PURPOSE_SOURCES


def _named(name: str, manifest: Manifest, mappings: Mapping[str, engine.Mapping]) -> Iterator[str]:
    """Give every source that a request of operation *name*, or of one that follows on it, names."""
    for step in (name, *manifest.operations[name].then.values()):
        table = manifest.operations[step]
        yield from mappings[table.sends].sources if table.sends else ()
        yield from sources_in(table.wrap)
        if manifest.connector.protocol == "rest" and table.call:
            yield from (field for field in read_call(table.call).fields if "." in field)
        if table.kind != "login" and manifest.auth:
            yield from sources_in(manifest.auth.put)


def _own(refs: Mapping[str, Place], sends: engine.Mapping | None) -> Mapping[str, str]:
    """Those of *refs* that our own request carries, with what fills them there: no reply needs to repeat them."""
    if sends is None:
        return {}
    filled = {place: f"{OF_REQUEST}{path}" for path in sorted(sends.ours) for place in sends.places_of(path.split("."))}
    filled |= {place: source for place, source in sends.fixed.items() if source.startswith("call.")}
    return {name: filled[str(place)] for name, place in refs.items() if str(place) in filled}
