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
_XS = "{http://www.w3.org/2001/XMLSchema}"


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


def read_wsdl(folder: Path) -> Wsdl | None:
    """
    Read the one `*.wsdl` of *folder*, with the XSD files beside it and nothing from the network; None when it has none.

    Raises:
        FilesRefused: There are several, or it cannot be used; the fault says why.
    """
    files = sorted(folder.glob("*.wsdl"))
    if not files:
        return None
    name = f"{folder.name}/{files[0].name}"
    if len(files) > 1:
        raise FilesRefused(
            [FileFault(folder.name, "", f"holds {len(files)} WSDL files; keep the one that is in force")]
        )
    try:
        document = _by_zeep(files[0])
        operations = {one.element: one for one in _operations(document)}
        return Wsdl(document, _schema(files[0]), operations)
    except Exception as error:  # zeep and lxml raise many kinds; each means that the author's file is not usable
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
