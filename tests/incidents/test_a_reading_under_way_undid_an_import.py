"""
A node that reads its registers anew, as it does whenever it begins to listen, had read the units just before an operator
imported them. It took what it had read for true afterwards, and refused the officers, whose units it did not know.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from hub.clock import VirtualClock
from hub.security.identity import Identity
from hub.store.registers import CallerRow, OfficerLine, UnitLine

UNITS = b"unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\n"
OFFICERS = b"officer,unit,valid_from,valid_to,agency,account\ncb-102,H32,2020-01-01,,npsp,cb-102\n"


class Slow:
    """Registers whose readings come late: each shows what was there when it was asked for."""

    def __init__(self) -> None:
        self._units: Sequence[UnitLine] = ()
        self.late = asyncio.Event()
        self.asked = asyncio.Event()

    async def callers(self) -> Sequence[CallerRow]:
        return ()

    async def officers(self) -> Sequence[OfficerLine]:
        return ()

    async def units(self) -> Sequence[UnitLine]:
        seen = self._units
        self.asked.set()
        await self.late.wait()
        return seen

    async def put_caller(self, *_: Any) -> None: ...

    async def replace_officers(self, *_: Any) -> None: ...

    async def replace_units(self, lines: Sequence[UnitLine], by: str) -> None:
        self._units = lines


async def test_an_import_that_meets_a_reading_counts() -> None:
    kept = Slow()
    identity = Identity(kept, VirtualClock(), bytes, ["npsp"])
    reading = asyncio.create_task(identity.load())
    await kept.asked.wait()
    importing = asyncio.create_task(identity.import_units(UNITS, "operator"))
    await asyncio.sleep(0)
    kept.late.set()
    await asyncio.gather(reading, importing)
    assert await identity.import_officers(OFFICERS, "operator") == 1


async def test_officers_may_have_units_that_were_imported_at_another_node() -> None:
    kept = Slow()
    kept.late.set()
    here, there = (Identity(kept, VirtualClock(), bytes, ["npsp"]) for _ in range(2))
    await there.import_units(UNITS, "operator")
    assert await here.import_officers(OFFICERS, "operator") == 1
