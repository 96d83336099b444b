"""
A connector as it is loaded: its facts, mappings, judges and compiled operations. `registry.py` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.kit.answers import Judge
from connectors.kit.hooks import Hooks
from connectors.kit.manifest import Manifest
from connectors.kit.notice_reading import ReadyNotice
from connectors.kit.operation import Operation
from connectors.kit.wsdl import InboundWsdl, Wsdl
from mappings import engine


@dataclass(frozen=True, slots=True)
class Connector:
    """One kind of agency, ready to be bound to settings."""

    name: str
    folder: Path
    manifest: Manifest
    mappings: Mapping[str, engine.Mapping]
    answers: Mapping[str, Judge]
    """By operation."""
    operations: Mapping[str, Operation]
    """By `verb_noun`, the login included."""
    wsdl: Wsdl | None
    """The pinned WSDL of a SOAP connector."""
    hooks: Hooks
    notices: Mapping[str, ReadyNotice]
    """By `noun_verbed`."""
    inbound: InboundWsdl | None
    """The WSDL of what we offer the agency."""
