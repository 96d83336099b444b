"""
Rules on what the manifest declares: that everything it names exists, and that follow-ups and guesses are honest.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from connectors.kit.checks import hooks
from connectors.kit.checks.coverage import DIRECTIONS
from connectors.kit.checks.folder import Folder, layers, manifest_file
from connectors.kit.checks.pinned import contract_of, plain
from connectors.kit.checks.shown import can_come
from connectors.kit.manifest import OperationTable
from mappings.canonical import CANONICAL, personal_paths
from mappings.errors import FileFault
from mappings.paths import nearest

TEMPLATE_TITLE = "an agency to be named"
README_SECTIONS = ("quirks", "sources", "how sure")
_SHARED = Path(__file__).parents[3] / "mappings" / "codes"


def readable(folder: Folder) -> Iterator[FileFault]:
    """Manifest, mappings, code tables, answers and contract can be read, and contradict themselves nowhere."""
    yield from folder.faults


def loads(folder: Folder) -> Iterator[FileFault]:
    """The registry takes the connector, as it will when the hub starts."""
    yield from folder.refusals


def hooks_stay_inside(folder: Folder) -> Iterator[FileFault]:
    """`hooks.py` imports the kit, mappings and harmless parts of the standard library, and defines nothing but hooks."""
    yield from hooks.hooks_stay_inside(folder.path)


def mappings_exist(folder: Folder) -> Iterator[FileFault]:
    """Every mapping and code table that is named exists, and every one that exists is named."""
    named: set[str] = set()
    for place, name in _named_mappings(folder):
        named.add(name)
        if name not in folder.mappings and not _is_unreadable(folder, f"{name}.map.toml"):
            file, _, key = place.partition(" ")
            says = f"there is no {name}.map.toml{nearest(name, folder.mappings)}"
            yield FileFault(folder.file(file), key, says)
    for name in sorted(set(folder.mappings) - named) if folder.manifest else ():
        yield FileFault(folder.file(f"{name}.map.toml"), "", "is named by no operation and no `map`; remove it")
    shared = {file.stem for place in (_SHARED, folder.codes) if place for file in place.glob("*.csv")}
    tables: set[str] = set()
    for name, mapping in folder.mappings.items():
        for ours, line in mapping.fields.items():
            if line.codes:
                tables.add(line.codes)
                if (
                    line.codes not in folder.tables
                    and line.codes not in shared
                    and not _is_unreadable(folder, f"{line.codes}.csv")
                ):
                    near = nearest(line.codes, [*folder.tables, *shared])
                    yield FileFault(
                        folder.file(f"{name}.map.toml"),
                        f"fields.{ours}.codes",
                        f"there is no codes/{line.codes}.csv{near}",
                    )
    for name in sorted(set(folder.tables) - tables) if not _is_unreadable(folder, ".map.toml", "") else ():
        yield FileFault(folder.file(f"codes/{name}.csv"), "", "is named by no line of a mapping; remove it")


def _is_unreadable(folder: Folder, name: str, before: str = "/") -> bool:
    return any(fault.file.endswith(before + name) for fault in folder.faults)


def _named_mappings(folder: Folder) -> Iterator[tuple[str, str]]:
    if folder.manifest:
        for kind, tables in (("operations", folder.manifest.operations), ("notices", folder.manifest.notices)):
            for name, table in tables.items():
                for key, mapping in (("sends", table.sends), ("returns", table.returns)):
                    if mapping:
                        yield f"manifest.toml {kind}.{name}.{key}", mapping
    for name, mapping_file in folder.mappings.items():
        for ours, line in mapping_file.fields.items():
            if line.map:
                yield f"{name}.map.toml fields.{ours}.map", line.map


def model_of(folder: Folder, mapping: str | None) -> type[BaseModel] | None:
    """Return the canonical model of the mapping called *mapping*, if both are known."""
    known = folder.mappings.get(mapping or "")
    return CANONICAL.get(known.canonical) if known else None


def follow_ups_filled(folder: Folder) -> Iterator[FileFault]:
    """Every `then` names an operation whose required fields the call can fill; doubt, and what is pending, can end."""
    for name, table in folder.operations.items():
        if "pending" not in table.then and table.kind == "filing" and _can_be_pending(folder, name):
            says = (
                "a row of answers.csv can make it `pending`, and nothing tells how that ends: write"
                " `then = { pending = <a lookup> }`, or a notice with the `ref` by which its dossier is found"
            )
            yield FileFault(manifest_file(folder), f"operations.{name}.then.pending", says)
        for why, target in table.then.items():
            key = f"operations.{name}.then.{why}"
            next_one = folder.operations.get(target)
            if next_one is None:
                yield FileFault(
                    manifest_file(folder), key, f"there is no operation `{target}`{nearest(target, folder.operations)}"
                )
                continue
            if why == "in_doubt" and next_one.kind != "lookup":
                yield FileFault(
                    manifest_file(folder),
                    key,
                    f"`{target}` is a {next_one.kind}; doubt is settled by a lookup, which changes nothing",
                )
            sources = _sources_of(folder, table)
            for field in _required(model_of(folder, next_one.sends)) - sources:
                says = f"`{target}` needs `{field}`, which neither request, answer nor `ref` of `{name}` has"
                yield FileFault(manifest_file(folder), key, says)


def _can_be_pending(folder: Folder, name: str) -> bool:
    """Whether operation *name* may be answered `pending`, and no notice ever tells more."""
    rows = folder.connector.operations[name].judge.rows if folder.connector else ()
    told = any(one.ref for one in folder.notices.values())
    return not told and any(
        row.result == "pending" and can_come(row, rows, folder.operations[name], soap=folder.wsdl is not None)
        for row in rows
    )


def _required(model: type[BaseModel] | None) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()} if model else set()


def _sources_of(folder: Folder, table: OperationTable) -> set[str]:
    found: set[str] = set(table.ref) if isinstance(table.ref, dict) else set()
    for mapping in (table.sends, table.returns):
        if model := model_of(folder, mapping):
            found |= set(model.model_fields)
    return found


def compared_places_exist(folder: Folder) -> Iterator[FileFault]:
    """`agrees` and `order_by` name fields of ours, `sign.of` names places of the request or settings."""
    for name, table in folder.operations.items():
        key, file = f"operations.{name}", manifest_file(folder)
        sends, returns = model_of(folder, table.sends), model_of(folder, table.returns)
        if table.order_by and sends and not _has(sends, table.order_by):
            near = nearest(table.order_by, sends.model_fields)
            yield FileFault(file, f"{key}.order_by", f"`{table.order_by}` is no field of what `{name}` sends{near}")
        for field in table.agrees:
            if returns and not _has(returns, field):
                yield FileFault(
                    file,
                    f"{key}.agrees",
                    f"`{field}` is no field of what `{name}` returns{nearest(field, returns.model_fields)}",
                )
            for asker, other in folder.operations.items():
                asked = model_of(folder, other.sends)
                if name in other.then.values() and asked and not _has(asked, field):
                    yield FileFault(
                        file,
                        f"{key}.agrees",
                        f"`{field}` is no field of what `{asker}` sends, so it cannot be compared",
                    )
        contract = contract_of(folder, name, "request")
        for place in table.sign.of if table.sign else ():
            if not place.startswith(("settings.", "auth.")) and contract is not None and plain(place) not in contract:
                yield FileFault(
                    file,
                    f"{key}.sign.of",
                    f"`{place}` is not in the pinned request of `{name}`{nearest(place, contract)}",
                )


def _has(model: type[BaseModel], path: str) -> bool:
    name, _, rest = path.partition(".")
    field = model.model_fields.get(name)
    if field is None or not rest:
        return field is not None
    inner = next(
        (
            value
            for value in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if hasattr(value, "model_fields")
        ),
        None,
    )
    return inner is not None and _has(inner, rest)


def assumed_places_exist(folder: Folder) -> Iterator[FileFault]:
    """What `assumed` lists is an operation or a notice, `operation: place`, or a place of the contract."""
    places: dict[str, frozenset[str]] = {}
    for operation in folder.conversations:
        found = [contract_of(folder, operation, direction) or frozenset[str]() for direction in DIRECTIONS]
        places[operation] = frozenset().union(*found)
    for entry in folder.manifest.connector.assumed if folder.manifest else ():
        operation, colon, place = entry.partition(":")
        known = places.get(operation.strip(), frozenset()) if colon else frozenset().union(*places.values())
        wanted = plain((place if colon else entry).strip())
        if not colon and entry in folder.conversations:
            continue
        if not any(here == wanted or here.endswith(f"/{wanted}") for here in known):
            says = f"`{entry}` is neither an operation or notice, `operation: place` nor a place of the contract{nearest(entry, folder.conversations)}; doubts in words go into README.md"
            yield FileFault(manifest_file(folder), "connector.assumed", says)


def personal_data_declared(folder: Folder) -> Iterator[FileFault]:
    """A look-up or notice that holds personal fields says `personal_data = true`: to ask needs an officer, to be told care."""
    for name, table in folder.conversations.items():
        if table.kind not in ("lookup", "notice") or table.personal_data:
            continue
        for key, mapping in (("sends", table.sends), ("returns", table.returns)):
            model = model_of(folder, mapping)
            found = sorted(".".join(path) for path in personal_paths(model)) if model else []
            if found:
                says = f"`{key}` holds personal fields such as `{found[0]}`; write `personal_data = true`"
                yield FileFault(manifest_file(folder), f"{folder.key(name)}.personal_data", says)
                break


def readme_tells(folder: Folder) -> Iterator[FileFault]:
    """README.md tells the agency's quirks, the sources of our facts, and how sure they are."""
    file = next(
        (
            layer / "README.md"
            for layer in reversed(layers(folder.path, folder.manifest))
            if (layer / "README.md").is_file()
        ),
        None,
    )
    if file is None:
        yield FileFault(
            folder.file("README.md"),
            "",
            "is missing; write what is odd about this agency, where the facts come from, and how sure they are",
        )
        return
    headings = [
        line.lstrip("#").strip().lower() for line in file.read_text("utf-8").splitlines() if line.startswith("#")
    ]
    if TEMPLATE_TITLE in headings and folder.path.name != "template":
        says = f"has still the title of the template, `{TEMPLATE_TITLE.capitalize()}`; write which agency this is"
        yield FileFault(folder.file("README.md"), "", says)
    for section in README_SECTIONS:
        if not any(section in heading for heading in headings):
            yield FileFault(folder.file("README.md"), "", f"has no heading with `{section.capitalize()}`")
