"""
Bodies as the played agencies see them: JSON and XML as one plain tree, and what stands where. Next: `lines.py`.

Places compare by local names and without indices: the agency's own software would find them so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from lxml import etree
from pydantic_core import from_json, to_json

from connectors.kit.wsdl import ENVELOPES
from mappings.paths import Step

Names: TypeAlias = tuple[str, ...]
"""A place without indices and namespaces, e.g. `("data", "MaHoSo")`."""


class Unreadable(Exception):
    """The body is not what this protocol speaks."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body twice: as it came, and as a plain tree of dicts, lists and texts."""

    tree: Any
    """JSON value, or the element inside the SOAP body."""
    plain: Any

    @property
    def element(self) -> str:
        """Tag of the element, with its namespace; empty for JSON."""
        return str(self.tree.tag) if isinstance(self.tree, etree._Element) else ""


def read_body(body: bytes, *, xml: bool, form: bool = False) -> Body:
    """
    Return *body* as a tree.

    Raises:
        Unreadable: It is neither.
    """
    if xml:
        element = soap_payload(body)
        return Body(element, plain(element))
    if form:
        pairs = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return Body(pairs, pairs)
    try:
        value = from_json(body) if body else None
    except ValueError:
        raise Unreadable from None
    return Body(value, value)


def soap_payload(body: bytes) -> etree._Element:
    """
    Read *body* and return the first element inside the SOAP body, or the root when there is no envelope.

    Raises:
        Unreadable: It is not well-formed, has a DTD, or the body is empty.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, remove_blank_text=True,
        huge_tree=True,  # a scan in base64 is a text above the parser's own ten million bytes
    )  # fmt: skip
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        raise Unreadable from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable
    return soap_body(root)


def soap_body(root: etree._Element) -> etree._Element:
    """
    Return the first element inside the body of an envelope of either SOAP version, or *root* when it is none.

    Raises:
        Unreadable: The body is empty.
    """
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in ENVELOPES.values():
        return root
    inner = root.find(f"{{{name.namespace}}}Body")
    if inner is None or len(inner) == 0:
        raise Unreadable
    return inner[0]


def plain(element: etree._Element) -> Any:
    """Return *element* as dict of its children by local name (repeated ones as list), or its text when it has none."""
    if len(element) == 0:
        return element.text or ""
    tree: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        value = plain(child)
        if name not in tree:
            tree[name] = value
        elif isinstance(tree[name], list):
            tree[name].append(value)
        else:
            tree[name] = [tree[name], value]
    return tree


def leaves(tree: Any, at: Names = ()) -> Iterator[tuple[Names, str]]:
    """Give every value of *tree* that is not empty, with its place; items of a list share theirs, in order."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*at, name))
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value, at)
    elif tree is not None and tree != "":
        yield at, _text(tree)


def _text(value: Any) -> str:
    """Return *value* in the form in which manifests and mappings write it: true, not True."""
    return value if isinstance(value, str) else to_json(value).decode()


def found(tree: Any, names: Names) -> list[Any]:
    """Return what stands at *names* in plain *tree*: every item where lists lie on the way."""
    if isinstance(tree, list):
        return [one for item in tree for one in found(item, names)]
    if not names:
        return [tree]
    return found(tree[names[0]], names[1:]) if isinstance(tree, dict) and names[0] in tree else []


def value_at(tree: Any, names: Names) -> str | None:
    """Return the first value at *names* as text, or None when there is none."""
    first = next(iter(found(tree, names)), None)
    return None if first is None or first == "" or isinstance(first, dict) else _text(first)


def put_value(tree: Any, names: Names, value: Any) -> None:
    """Write *value* at *names* in JSON or XML *tree*, wherever the place exists; dicts on the way are made."""
    for here in _parents(tree, names[:-1]):
        if isinstance(here, dict):
            here[names[-1]] = value
        elif isinstance(here, etree._Element):
            for child in here:
                if child.tag.rpartition("}")[2] == names[-1]:
                    child.text = value


def _parents(tree: Any, names: Names) -> list[Any]:
    if isinstance(tree, list):
        return [one for item in tree for one in _parents(item, names)]
    if not names:
        return [tree]
    if isinstance(tree, dict):
        return _parents(tree.setdefault(names[0], {}), names[1:])
    if isinstance(tree, etree._Element):
        return [one for child in tree if child.tag.rpartition("}")[2] == names[0] for one in _parents(child, names[1:])]
    return []


def put_payload(tree: Any, steps: Sequence[Step], payload: Any) -> bool:
    """Put *payload* in place of what stands at *steps* of a reply; False when the reply has no such place."""
    if not steps:
        return False
    *above, last = steps
    parents = _parents(tree, tuple(step.name for step in above))
    if not parents:
        return False
    here = parents[0]
    if isinstance(here, dict):
        here[last.name] = [payload] if last.each or last.index is not None else payload
        return True
    if isinstance(here, etree._Element) and isinstance(payload, etree._Element):
        shown = [child for child in here if child.tag.rpartition("}")[2] == last.name]
        if shown:
            for old in list(shown[0]):
                shown[0].remove(old)
            shown[0].extend(_copied(payload))
            return True
    return False


def _copied(element: etree._Element) -> list[etree._Element]:
    return list(etree.fromstring(etree.tostring(element)))
