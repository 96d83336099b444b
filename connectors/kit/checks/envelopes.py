"""
The rule on SOAP envelopes: zeep, which reads the WSDL without us, would send the same. See `conversations.py` first.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree
from pydantic import ValidationError

from connectors.kit.checks.differences import xml_difference
from connectors.kit.checks.folder import Folder
from connectors.kit.checks.replay import inside_envelope, playable, rendered
from connectors.kit.texts import Unreadable, parse_xml
from mappings.errors import FileFault, FilesRefused, MappingFailed


def envelopes_as_zeep(folder: Folder) -> Iterator[FileFault]:
    """The envelope of each SOAP request equals the one that zeep makes from the WSDL of the same values."""
    for sample, operation, connector in playable(folder):
        if connector.wsdl is None:
            continue
        try:
            ours = parse_xml(rendered(connector, sample, operation).body, {})
            inside = inside_envelope(ours)
            call = connector.manifest.operations[sample.operation].call or ""
            theirs = connector.wsdl.by_zeep(call, _values(inside) if inside is not None else {})
        except (ValidationError, MappingFailed, FilesRefused, Unreadable):
            continue  # told by requests_come_out
        except Exception as error:  # zeep has many kinds for "this does not fit the WSDL"
            says = f"zeep cannot make this request from the WSDL ({type(error).__name__}); the mapping writes what the contract lacks, or lacks what it requires"
            yield FileFault(folder.file(f"samples/{sample.name}"), "", says)
            continue
        place = xml_difference(theirs, ours)
        if place is not None:
            yield FileFault(
                folder.file(f"samples/{sample.name}"),
                place,
                "differs from the envelope that zeep makes of the same values",
            )


def _values(element: etree._Element) -> dict[str, Any]:
    """Return the children of *element* by local name, as zeep takes them; a repeated one becomes a list."""
    found: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        value = _values(child) if len(child) else (child.text or "")
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
