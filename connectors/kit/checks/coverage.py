"""
Rules on fields: each of our fields, each place of the contract and each row of `fields.csv` is accounted for.

A field that nobody mentions is a field that somebody will miss a year later; here it must be mapped, or given up with
a reason that can be read.
"""

from collections.abc import Iterator

from pydantic import BaseModel

from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.pinned import Direction, contract_of, layout_of, plain
from connectors.kit.checks.used import Used, payload_in, used_by
from mappings.canonical import CANONICAL
from mappings.canonical.shape import inner_models
from mappings.errors import FileFault
from mappings.language import MappingFile
from mappings.paths import nearest

DIRECTIONS: tuple[Direction, ...] = ("request", "reply")
MARKS = ("seen", "memory", "assumption")
_OF_THE_WIRE = ("header:", "query:")  # parts of the handshake, which no schema of a body describes


def ours_covered(folder: Folder) -> Iterator[FileFault]:
    """Every field of the canonical model is in [fields] or [withheld]."""
    for name, mapping in folder.mappings.items():
        file = folder.file(f"{name}.map.toml")
        model = CANONICAL.get(mapping.canonical)
        if model is None:
            yield FileFault(
                file, "canonical", f"`{mapping.canonical}` is no canonical model{nearest(mapping.canonical, CANONICAL)}"
            )
            continue
        for path in _missing(model, "", _spoken(mapping)):
            says = f'our field `{path}` is nowhere; write `"{path}" = "<their place>"` here or `"{path}" = "<why not>"` in [withheld]'
            yield FileFault(file, "fields", says)


def _spoken(mapping: MappingFile) -> frozenset[str]:
    lines = [part.strip() for ours in mapping.fields for part in ours.split("|")]
    return frozenset(path.removesuffix("/*").removesuffix("[]") for path in (*lines, *mapping.withheld))


def _missing(model: type[BaseModel], above: str, spoken: frozenset[str]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{above}{name}"
        if path in spoken:
            continue
        inner = next(inner_models(field.annotation), None)
        if inner and any(other.startswith(f"{path}.") for other in spoken):
            yield from _missing(inner, f"{path}.", spoken)
        else:
            yield path


def contract_pinned(folder: Folder) -> Iterator[FileFault]:
    """Every operation has a pinned contract for what goes out and for what comes back, every notice that says something for what comes."""
    if folder.manifest and folder.manifest.connector.protocol == "desk":
        return
    for name, table in folder.operations.items():
        if folder.wsdl and layout_of(folder, name, "request") is None:
            near = nearest(table.call or "", folder.wsdl.operations)
            says = f"`{table.call}` is no element that the pinned WSDL sends{near}"
            yield FileFault(manifest_file(folder), f"operations.{name}.call", says)
        for direction in () if folder.wsdl else DIRECTIONS:
            yield from _schema(folder, name, direction)
    for name, ready in folder.connector.notices.items() if folder.connector else ():
        if ready.about.fetched_by is None and ready.media == "json" and used_by(folder, name, "request"):
            yield from _schema(folder, name, "request")


def _schema(folder: Folder, name: str, direction: Direction) -> Iterator[FileFault]:
    if f"{name}.{direction}" not in folder.schemas:
        file = folder.file(f"contract/{name}.{direction}.schema.json")
        yield FileFault(file, "", f"is missing; pin the JSON Schema of the {direction} of `{name}`")


def theirs_known(folder: Folder) -> Iterator[FileFault]:
    """Every place that manifest and mappings name is in the pinned contract."""
    for operation, direction, contract, used in _spoken_of(folder):
        in_address = _address_fields(folder, operation)
        for one in used:
            if one.place and one.place not in contract and one.place.rpartition("/")[2] not in in_address:
                near = nearest(one.place, contract)
                says = f"`{one.place}` is not in the pinned contract of the {direction} of `{operation}`{near}"
                yield FileFault(one.file, one.key, says)


def theirs_covered(folder: Folder) -> Iterator[FileFault]:
    """
    Every place of the pinned contract is mapped, fixed, or dropped with a reason.

    What stands in an envelope, beside the payload that `unwrap` leads to, or in the answer to a log-in, is in no mapping's
    reach: why nobody reads it stands in the note of its row in `fields.csv`.
    """
    noted = {(row.operation, row.direction, plain(row.field)) for row in folder.fields if row.note}
    for operation, direction, contract, used in _spoken_of(folder):
        places = {one.place for one in used}
        branches = tuple(f"{one.place}/" for one in used if one.branch)
        table = folder.conversations[operation]
        name = table.sends if (direction == "request") == (operation in folder.operations) else table.returns
        file = folder.file(f"{name}.map.toml") if name else manifest_file(folder)
        inside = payload_in(folder, operation, direction)
        for place in sorted(contract - places):
            if place.startswith(branches) or any(other.startswith(f"{place}/") for other in (*contract, *places)):
                continue  # inside a dropped branch, or only the way to other places
            beside = table.kind == "login" or (bool(inside) and not place.startswith(f"{inside}/"))
            if beside and (operation, direction, place) in noted:
                continue
            says = f"is in the contract of the {direction} of `{operation}` and nowhere here; map it, fix it, or drop it with a reason"
            advice = ": it is in no mapping's reach, so in the note of its row in contract/fields.csv" if beside else ""
            yield FileFault(file, place, says + advice)


def _spoken_of(folder: Folder) -> Iterator[tuple[str, Direction, frozenset[str], tuple[Used, ...]]]:
    for operation in folder.conversations:
        for direction in DIRECTIONS:
            contract = contract_of(folder, operation, direction)
            if contract is not None:
                yield operation, direction, contract, used_by(folder, operation, direction)


def _address_fields(folder: Folder, operation: str) -> frozenset[str]:
    table = folder.operations.get(operation)
    parts = ((table.call if table else None) or "").split("{")[1:]
    return frozenset(part.partition("}")[0] for part in parts)


def dropped_has_no_home(folder: Folder) -> Iterator[FileFault]:
    """No place is dropped for which another mapping of the same model has a field of ours."""
    homes: dict[tuple[str, str], tuple[str, str]] = {}
    for name, mapping in folder.mappings.items():
        for ours, line in mapping.fields.items():
            for place in (*(line.at or ()), *(line.parts or ())):
                homes.setdefault((mapping.canonical, plain(place)), (name, ours))
    for name, mapping in folder.mappings.items():
        for place in mapping.dropped:
            home = homes.get((mapping.canonical, plain(place)))
            if home:
                says = f"is our `{home[1]}` in {home[0]}.map.toml; map it here too"
                yield FileFault(folder.file(f"{name}.map.toml"), f"dropped.{place}", says)


def fields_listed(folder: Folder) -> Iterator[FileFault]:
    """`contract/fields.csv` names exactly the places of the contract, each with its mark and source."""
    file = folder.file("contract/fields.csv")
    if not folder.fields:
        yield FileFault(file, "", "is missing or empty; list every field of the contract with mark and source")
        return
    for row in folder.fields:
        yield from (
            FileFault(file, f"line {row.line}", says)
            for says in _row_faults(folder, row.operation, row.direction, row.mark, row.source)
        )
    for operation in folder.conversations:
        for direction in DIRECTIONS:
            contract = contract_of(folder, operation, direction)
            if contract is not None:
                yield from _compared(folder, file, operation, direction, contract)


def _row_faults(folder: Folder, operation: str, direction: str, mark: str, source: str) -> Iterator[str]:
    if operation != "*" and folder.operations and operation not in folder.conversations:
        yield f"the manifest has no operation and no notice `{operation}`{nearest(operation, folder.conversations)}"
    if direction not in DIRECTIONS:
        yield "direction is `request` or `reply`"
    if mark not in MARKS:
        yield f"mark is one of {', '.join(MARKS)}"
    if not source and mark != "assumption":
        yield "needs a source, since it is no assumption"


def _compared(
    folder: Folder, file: str, operation: str, direction: Direction, contract: frozenset[str]
) -> Iterator[FileFault]:
    layout = layout_of(folder, operation, direction)
    listed: dict[str, int] = {}
    for row in folder.fields:
        mine = (operation, "*") if operation in folder.operations else (operation,)
        if row.operation not in mine or row.direction != direction or row.field.startswith(_OF_THE_WIRE):
            continue
        place = plain(row.field)
        if layout is not None and place.split("/")[0] == layout.name:
            place = place.partition("/")[2]
        if not place or place.rpartition("/")[2].startswith("@"):
            continue  # the root element itself, and attributes, which carry nothing that mappings read
        if place in listed:
            yield FileFault(file, f"line {row.line}", f"names the same place as line {listed[place]}")
        listed[place] = row.line
        if place not in contract and row.operation != "*":
            says = f"`{row.field}` is not in the pinned contract of the {direction} of `{operation}`{nearest(place, contract)}"
            yield FileFault(file, f"line {row.line}", says)
    for place in sorted(contract - set(listed)):
        yield FileFault(
            file,
            f"{operation} {direction}",
            f"`{place}` is in the pinned contract and has no row; add it with mark and source",
        )
