"""A connector alone, before an agency that is not there: what it sends and understands, and its mappings both ways."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from connectors.kit.binding import BoundAgency, bind
from connectors.kit.connector import Connector
from connectors.kit.exchange import Sender, WireReply
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import Outcome, Unavailable

NOBODY = Unavailable("connect")


def bound(
    connector: Connector, reply: WireReply | Outcome = NOBODY, *, sender: Sender | None = None, **given: str
) -> BoundAgency:
    """Bind *connector* with the settings *given*, else their defaults; every exchange ends with *reply*, or *sender* says."""
    return bind(
        connector,
        name=connector.name,
        base_url="https://agency.example",
        settings=given,
        sender=sender or CannedSender(lambda _: reply),
        now=lambda: 0.0,
        contract=connector.manifest.contract,
    )


def read_back(connector: Connector, mapping: str, value: BaseModel, sources: Mapping[str, str] | None = None) -> Any:
    """Write *value* by *mapping*, and return what the same mapping reads of it."""
    known = connector.mappings[mapping]
    found = known.read(known.write(value, sources or {}))
    assert found is not None
    return found.value
