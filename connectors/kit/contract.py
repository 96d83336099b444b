"""
The pinned shape of requests and replies: JSON Schema by operation, or the schemas of the WSDL.

Strict on what we send, in `hub check`, the sandbox and tests. On a live reply a difference is drift: told, not fatal.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema_rs
from lxml import etree
from pydantic_core import from_json

from connectors.kit.texts import Tree
from mappings.errors import Fault, FileFault, FilesRefused

Check: TypeAlias = Callable[[Tree], tuple[Fault, ...]]
"""A payload to the places where it breaks the contract. Never holds a value, nor a key that may be one."""

FAULTS_AT_MOST = 100
ITEMS_AT_MOST = 10_000
"""Items of lists in which faults are looked for one by one: all are found before the first is told, each with a copy."""
_POSITION = re.compile(r"/?\[\d+\]")
_NAME = re.compile(r"[^\W\d][\w.\-]{0,63}")


def json_contract(file: Path) -> Check | None:
    """
    Return the check that *file* describes, or None when there is no such file.

    Raises:
        FilesRefused: It is no JSON Schema, or refers to one outside the file.
    """
    if not file.is_file():
        return None
    try:
        validator = jsonschema_rs.validator_for(from_json(file.read_bytes()), offline=True)
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        says = f"is no usable JSON Schema: {getattr(error, 'message', error)}"
        raise FilesRefused([FileFault(f"{file.parent.name}/{file.name}", "", says)]) from None

    def faults(tree: Tree) -> tuple[Fault, ...]:
        if validator.is_valid(tree):
            return ()
        found = _first(_json_faults(validator.iter_errors(_shortened(tree, [ITEMS_AT_MOST]))))
        if found:
            return found
        try:
            validator.validate(tree)  # it stands behind what was looked at: the first of them
        except jsonschema_rs.ValidationError as error:
            return _first(_json_faults([error]))
        return ()

    return faults


def xsd_contract(schema: etree.XMLSchema) -> Check:
    """Return the check of an element against *schema*, whichever global element it is."""

    def faults(tree: Tree) -> tuple[Fault, ...]:
        if not isinstance(tree, etree._Element) or schema.validate(tree):
            return ()
        entries: Any = schema.error_log  # iterable, though the stubs do not say so
        return _first(Fault(_place(tree, entry.path), _xsd_rule(entry.type_name)) for entry in entries)

    return faults


def drift(check: Check | None, tree: Tree) -> tuple[str, ...]:
    """Return the places where a live reply differs from its contract; of a list's items one for all."""
    return tuple(dict.fromkeys(_POSITION.sub("[]", fault.place) for fault in check(tree))) if check else ()


def _first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    found: dict[Fault, None] = {}
    for fault in faults:
        found[fault] = None
        if len(found) == FAULTS_AT_MOST:
            break
    return tuple(found)


def _shortened(value: Any, left: list[int]) -> Any:
    """Return *value* with as many items of its lists as *left* counts down."""
    if isinstance(value, dict):
        return {name: _shortened(inner, left) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    found = []
    for inner in value:
        if left[0] <= 0:
            break
        left[0] -= 1
        found.append(_shortened(inner, left))
    return found


def _json_faults(errors: Iterable[Any]) -> Iterable[Fault]:
    for error in errors:
        path = [_name(step) for step in error.instance_path]
        added = getattr(error.kind, "unexpected", None)
        if added is None:
            yield Fault("/".join(path), f"breaks `{error.kind.name}`")
        for name in added or ():
            yield Fault("/".join((*path, _name(name))), "is not in the contract")


def _name(step: object) -> str:
    """A step of a path; a key that is no name may be a person's number."""
    return step if isinstance(step, str) and _NAME.fullmatch(step) else f"[{step}]" if isinstance(step, int) else "*"


def _place(root: etree._Element, path: str | None) -> str:
    """
    Return libxml2's path of a node below *root* as a place: names without prefix and without position.

    Its steps are `ns0:CongDan[2]`, or `*[2]` (the second of all children) where a default namespace leaves no prefix.
    """
    here, names = root, []
    for step in (path or "").split("/")[2:]:
        name, _, position = step.partition("[")
        local = name.rpartition(":")[2]
        alike = [
            child for child in here.iterchildren(etree.Element) if local == "*" or etree.QName(child).localname == local
        ]
        number = int(position[:-1]) - 1 if position else 0
        if not 0 <= number < len(alike):
            break
        here = alike[number]
        names.append(etree.QName(here).localname)
    return "/".join(names)


def _xsd_rule(kind: str) -> str:
    return (
        "is not in the contract, or in another place"
        if kind == "SCHEMAV_ELEMENT_CONTENT"
        else f"breaks `{kind.removeprefix('SCHEMAV_').lower()}`"
    )
