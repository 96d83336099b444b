"""
What the engine is given from outside, once, so that nothing in it reads a clock, a random number or a store on its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import Protocol, TypeAlias

from connectors.kit.exchange import Agency
from connectors.kit.inbox import Tells
from connectors.kit.manifest import Contract
from connectors.kit.operation import Operation
from hub.call import Call
from hub.clock import Clock
from hub.coordination.protocol import Coordination
from hub.files import Files
from hub.handling import Handling
from hub.security.sealing import Sealing
from hub.store.protocol import Store
from hub.waiters import Waiters
from monitoring.events import Observer

ICT = timezone(timedelta(hours=7))
"""Viet Nam's time, all year."""

People: TypeAlias = Callable[[Call, str, date], Mapping[str, str | None]]
"""
Gives the sources `officer.id`, `officer.account`, `officer.name`, `unit.id` and `unit.code` of a call at an agency on a day (+07:00).

Raises nothing; what a register does not hold is None, and missed only if the agency wants it.
"""


class Bound(Agency, Tells, Protocol):
    """A connector bound to one agency's settings, as `connectors.kit.registry.bind` makes it."""

    @property
    def operations(self) -> Mapping[str, Operation]: ...
    @property
    def contract(self) -> Contract: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that a lane shares with the others."""

    store: Store
    coordination: Coordination
    clock: Clock
    random: Random
    observer: Observer
    people: People
    node: str
    """Name of this process in leases and exchange rows; a restarted process keeps it."""
    new_id: Callable[[], str]
    """Gives a UUIDv7: ids of calls, and of log-ins."""
    waiters: Waiters
    """Callers who wait for a durable call of any lane."""
    files: Files
    """What requests name by id, and what comes with answers."""
    sealing: Sealing
    """Opens what is sealed, on its way to the agency."""
    handling: Handling = field(default_factory=Handling)
    """Which steps of a dossier are counted."""


def moment(seconds: float) -> str:
    """Return Unix *seconds* as ISO 8601 with +07:00, as sources give moments."""
    return datetime.fromtimestamp(seconds, ICT).isoformat()
