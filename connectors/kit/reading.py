"""
What `rest.py` and `soap.py` have in common: the parts of a request, and a reply made readable before it is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from connectors.kit.answers import Signs
from connectors.kit.auth import Placed
from connectors.kit.exchange import Sources, WireReply
from connectors.kit.outcomes import Outcome, StaleCredentials
from connectors.kit.texts import Tree


@dataclass(frozen=True, slots=True)
class Written:
    """The parts of a request before the handshake's headers join them."""

    method: str
    address: str
    """Path and query, to stand after the agency's `base_url`; empty for SOAP."""
    headers: Mapping[str, str]
    body: bytes


class RoadFault(Protocol):
    """What the road to an agency says of itself. Implemented by `gateway.GatewayFault` and `xroad.XRoadFault`."""

    def meaning(self, headers: Mapping[str, str], now: float) -> Outcome | StaleCredentials:
        """Return what it means at *now* (Unix seconds); *headers* are those of its reply."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply as a tree, and what it shows of its meaning."""

    tree: Tree
    """The whole JSON, or the element in the body of the envelope; None when that is empty."""
    signs: Signs
    road: RoadFault | None = None
    """What a gateway in front of the agency wrote, in its own envelope; None: these are the agency's words."""


class Wire(Protocol):
    """One operation's way onto the wire and back. Made once, when the agency is bound."""

    def write(self, payload: Any, sources: Sources, placed: Placed, *, shown: bool = False) -> Written:
        """
        Return the request for *payload*: what the mapping wrote, or None when the operation sends no record.

        *shown*: it is for people to see, and holds a mask where its signature would stand.

        Raises:
            mappings.errors.MappingFailed: A source or an address field has no value.
        """
        ...

    def read(self, reply: WireReply) -> Reading:
        """
        Return *reply* as a tree.

        Raises:
            connectors.kit.texts.Unreadable: It is not what this protocol speaks.
        """
        ...

    def drift(self, tree: Tree) -> tuple[str, ...]:
        """Return the places where *tree* breaks the pinned contract; none when there is no contract to break."""
        ...
