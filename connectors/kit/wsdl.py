"""
The pinned WSDL of a SOAP agency, read once at load: which element carries what, in which order. Next: `soap.py`.

zeep understands WSDL so that we need not; it never sees an exchange. `Wsdl.by_zeep` writes an envelope as zeep
would, and `Wsdl.unlike_zeep` compares it with ours for `hub check`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from mappings.errors import Fault, FileFault, FilesRefused
from mappings.paths import Layout

ENVELOPES: Mapping[str, str] = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
INBOUND = "inbound.wsdl"
"""Name of the file in `contract/` that says what we offer the agency."""
_XS = "{http://www.w3.org/2001/XMLSchema}"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_PORTS = tuple(f"{{http://schemas.xmlsoap.org/wsdl/{name}/}}address" for name in ("soap", "soap12"))


@dataclass(frozen=True, slots=True)
class SoapOperation:
    """One operation of the WSDL: what goes into the body of the envelope, and what comes back in it."""

    element: str
    action: str
    version: str
    sends: Layout
    returns: Layout | None
    """None: the operation answers with an empty body."""


class Wsdl:
    """One pinned WSDL with the schemas it names. Made by `read_wsdl`."""

    def __init__(self, document: Any, schema: etree.XMLSchema, operations: Mapping[str, SoapOperation]) -> None:
        self.operations = operations
        """By local name of the element in the request's body."""
        self.schema = schema
        self._document = document

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """Messages, and the groups inside them, by `{namespace}name`; of two that are called the same the outer one."""
        found: dict[str, Layout] = {}
        level = [
            layout for one in self.operations.values() for layout in (one.sends, one.returns) if layout is not None
        ]
        while level:
            for layout in level:
                found.setdefault(layout.tag, layout)
            level = [child for layout in level for child in layout.children if child.children]
        return found

    def by_zeep(self, element: str, values: Mapping[str, Any]) -> etree._Element:
        """Return the whole envelope that zeep writes for *values*: children of the body's element, nested, by name."""
        envelope: etree._Element = _find(self._document, element).create(**values).content
        return envelope

    def unlike_zeep(self, element: str, envelope: bytes) -> tuple[Fault, ...]:
        """Return where *envelope*, as we write it, is not what zeep writes for the same data; nothing when they are equal."""
        ours = etree.fromstring(envelope, etree.XMLParser(resolve_entities=False, no_network=True))
        try:
            theirs = self.by_zeep(element, _values(ours[0][0]))
        except Exception as error:  # zeep raises many kinds; each means that it would not send this
            return (Fault("", f"zeep writes no envelope for these data: {type(error).__name__}"),)
        mine, its = (
            [(one.tag, (one.text or "").strip()) for one in root.iter(etree.Element)] for root in (ours, theirs)
        )
        return tuple(
            Fault(etree.QName(one[0] or other[0]).localname, "differs from what zeep writes, in place, name or text")
            for one, other in zip_longest(mine, its, fillvalue=("", ""))
            if one != other
        )


class InboundWsdl(Wsdl):
    """The WSDL of what we offer the agency. Made by `read_inbound_wsdl`."""

    def __init__(self, wsdl: Wsdl, text: bytes) -> None:
        super().__init__(wsdl._document, wsdl.schema, wsdl.operations)
        self.version = next((operation.version for operation in wsdl.operations.values()), "1.1")
        """SOAP version of its first operation: what a message is answered in that is none of them."""
        self._text = text

    def at(self, address: str) -> bytes:
        """Return its text with *address* at every port."""
        root = etree.fromstring(self._text, etree.XMLParser(resolve_entities=False, no_network=True))
        for port in root.iter(*_PORTS):
            port.set("location", address)
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def read_inbound_wsdl(folder: Path) -> InboundWsdl | None:
    """
    Read `inbound.wsdl` of *folder*, which an agency gets as one document; None when there is none.

    Raises:
        FilesRefused: It cannot be used, names other files, or no port.
    """
    file = folder / INBOUND
    if not file.is_file():
        return None
    wsdl, text = _read(file), file.read_bytes()
    root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))
    named = [one for one in root.iter(f"{_XS}import", f"{_XS}include", f"{_WSDL}import") if _names_a_file(one)]
    faults = [
        FileFault(f"{folder.name}/{INBOUND}", "", says)
        for wrong, says in (
            (named, "names other files; put their schemas inside, since the agency gets this document alone"),
            (not any(True for _ in root.iter(*_PORTS)), "has no port with an address, where ours belongs"),
        )
        if wrong
    ]
    if faults:
        raise FilesRefused(faults)
    return InboundWsdl(wsdl, text)


def _names_a_file(element: etree._Element) -> bool:
    return bool(element.get("schemaLocation") or element.get("location"))


def read_wsdl(folder: Path) -> Wsdl | None:
    """
    Read the one `*.wsdl` of *folder* that says what the agency offers, with the XSD files beside it and nothing from the
    network; None when it has none.

    Raises:
        FilesRefused: There are several, or it cannot be used; the fault says why.
    """
    files = sorted(file for file in folder.glob("*.wsdl") if file.name != INBOUND)
    if not files:
        return None
    if len(files) > 1:
        raise FilesRefused(
            [FileFault(folder.name, "", f"holds {len(files)} WSDL files; keep the one that is in force")]
        )
    return _read(files[0])


def _read(file: Path) -> Wsdl:
    try:
        document = _by_zeep(file)
        operations = {one.element: one for one in _operations(document)}
        return Wsdl(document, _schema(file), operations)
    except Exception as error:  # zeep and lxml raise many kinds; each means that the author's file is not usable
        name = f"{file.parent.name}/{file.name}"
        raise FilesRefused([FileFault(name, "", f"cannot be read as WSDL: {error}")]) from error


def _by_zeep(file: Path) -> Any:
    # Imported here because it takes 0.2 s, which installations without a SOAP agency need not spend.
    from zeep import Settings
    from zeep.transports import Transport
    from zeep.wsdl import Document

    class Pinned(Transport):
        def load(self, url: str) -> Any:
            if urlsplit(url).scheme not in ("", "file"):
                raise ValueError(f"it names `{url}`; pin that file beside the WSDL and name it without address")
            return super().load(url)  # type: ignore[no-untyped-call]

    transport: Any = Pinned()  # type: ignore[no-untyped-call]  # zeep annotates the class where it takes an object
    return Document(str(file), transport, settings=Settings(strict=True))


def _find(document: Any, element: str) -> Any:
    for binding in document.bindings.values():
        for operation in binding.all().values():
            if operation.input.body is not None and operation.input.body.qname.localname == element:
                return operation
    raise KeyError(element)


def _values(element: etree._Element) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        value: Any = _values(child) if len(child) else child.text or ""
        known = values.get(name)
        values[name] = value if name not in values else [*known, value] if isinstance(known, list) else [known, value]
    return values


def _operations(document: Any) -> Iterator[SoapOperation]:
    for binding in document.bindings.values():
        space = getattr(binding, "nsmap", {}).get("soap-env", "")
        version = next((version for version, namespace in ENVELOPES.items() if namespace == space), None)
        for operation in binding.all().values() if version else ():
            if operation.style != "document":
                raise ValueError(
                    f"operation `{operation.name}` has style `{operation.style}`; only document/literal is understood"
                )
            answer = operation.output.body if operation.output is not None else None
            yield SoapOperation(
                operation.input.body.qname.localname,
                (operation.soapaction or "").strip('"'),
                str(version),
                _layout(operation.input.body, ()),
                _layout(answer, ()) if answer is not None else None,
            )


def _layout(element: Any, inside: tuple[Any, ...]) -> Layout:
    if element.type in inside:
        raise ValueError(f"element `{element.qname.localname}` contains itself without end")
    parts = getattr(element.type, "elements_nested", ())
    children = tuple(_layout(child, (*inside, element.type)) for child in _children(parts)) if parts else ()
    return Layout(element.qname.localname, element.qname.namespace or None, children, bool(element.accepts_multiple))


def _children(nested: Any) -> Iterator[Any]:
    """Yield the elements of sequences, choices and groups in the contract's order; of a choice all branches."""
    for _, part in nested:
        if hasattr(part, "qname") and hasattr(part, "type"):
            yield part
        elif hasattr(part, "_element"):  # a group keeps its elements in one indicator
            yield from _children([(None, part.child)])
        else:
            yield from _children([(one.name, one) for one in part] if hasattr(part, "__iter__") else ())


def _schema(file: Path) -> etree.XMLSchema:
    """Return one schema for all the namespaces of the WSDL, inline schemas included."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.parse(str(file), parser).getroot()
    inline = list(root.iter(f"{_XS}schema"))
    places = {
        schema.get("targetNamespace"): f"inline:{number}"
        for number, schema in enumerate(inline)
        if schema.get("targetNamespace")
    }
    driver = etree.Element(f"{_XS}schema")
    imports = dict(places)
    for schema in inline:
        for one in schema.iter(f"{_XS}import"):
            space = one.get("namespace")
            if space in places:
                one.set("schemaLocation", places[space])
            elif one.get("schemaLocation"):
                imports.setdefault(space, one.get("schemaLocation"))
    for namespace, place in imports.items():
        etree.SubElement(driver, f"{_XS}import", {"namespace": str(namespace), "schemaLocation": str(place)})
    parser.resolvers.add(_Inline(inline, file))
    return etree.XMLSchema(etree.fromstring(etree.tostring(driver), parser, base_url=str(file)))


class _Inline(etree.Resolver):
    """Gives libxml2 the schemas that stand inside the WSDL."""

    def __init__(self, schemas: list[etree._Element], file: Path) -> None:
        super().__init__()
        self._texts = {f"inline:{number}": etree.tostring(schema) for number, schema in enumerate(schemas)}
        self._file = str(file)

    def resolve(self, system_url: str, public_id: str, context: Any = None) -> Any:  # noqa: ARG002 - lxml's signature
        text = self._texts.get(system_url)
        return None if text is None else self.resolve_string(text, context, base_url=self._file)
