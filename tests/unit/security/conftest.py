"""Registers over a store in memory, with two units and an officer, under a clock that tests move."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hub.clock import VirtualClock
from hub.security.access import Access
from hub.security.identity import Identity
from hub.store.sqlite import SqliteStore

AGENCIES = ("npsp", "police")
UNITS = b"unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\nH33,2020-01-01,2026-12-31,,\n"
NEEDS = {"police": {"ask_account": {"officer.account"}}, "npsp": {"file_code": {"unit.code", "call.procedure"}}}
OFFICERS = (
    b"officer,unit,valid_from,valid_to,agency,account\n"
    b"cb-102,H32,2020-01-01,,police,000080000099\n"
    b"cb-103,H32,2026-11-24,2026-11-25,,\n"
    b"cb-104,H32,2020-01-01,,,\n"
    b"cb-104,H33,2020-01-01,,,\n"
)


@dataclass
class Office:
    """The registers, what they are kept in, and the rules that read them."""

    store: SqliteStore
    clock: VirtualClock
    identity: Identity
    access: Access
    random: Callable[[int], bytes]

    async def reread(self) -> Identity:
        """Return the registers as a hub that starts now reads them."""
        other = Identity(self.store.registers, self.clock, self.random, AGENCIES)
        await other.load()
        return other

    async def journal(self) -> list[Any]:
        return [row.entry for row in await self.store.journal()]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    """Two units, three officers, no caller."""
    clock = VirtualClock()  # 2026-11-23 in Vietnam
    store = SqliteStore.in_memory(clock, backlog_calls={})
    drawn = iter(range(1, 200))

    def random(size: int) -> bytes:
        return bytes([next(drawn)]) * size

    identity = Identity(store.registers, clock, random, AGENCIES)
    await identity.load()
    await identity.import_units(UNITS, "operator")
    await identity.import_officers(OFFICERS, "operator")
    yield Office(store, clock, identity, Access(identity, clock, NEEDS), random)
    await store.close()
