"""
Who asks: callers with their keys, officers and units with their days and accounts. `access.py` says what they may do.

Everything is in memory, so that a door asks without waiting. Changes go through the store, in a commit with its
journal entry, and take effect at once.
"""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import TypeAlias

from hub.call import BUILT_IN, Call, Class, Purpose
from hub.clock import Clock
from hub.errors import RequestFault, RequestInvalid
from hub.security.register_files import read_officers, read_units
from hub.store.registers import CallerRow, OfficerLine, Registers, UnitLine

KEY_PREFIX = "lt_"
"""Lets scanners of source code recognise a key that was committed by mistake."""
CALLS_PER_MINUTE = 6000
"""Quota of a caller for which no other is set: a hundred calls a second, more than most agencies take together."""
SEALED = "sealed"
"""What stands after an agency's dot in `allowed` of a caller that may open what is sealed; no operation is called so."""
_MOST_CALLS = 1_000_000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_OPERATION = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Caller:
    """A system that asks, as its key identifies it."""

    name: str
    allowed: frozenset[str]
    """`*`, names of agencies, or `agency.operation`."""
    cls: Class
    """The highest class it may ask for."""
    calls_per_minute: int = CALLS_PER_MINUTE
    """Its quota; `quotas.py` counts."""

    def may_call(self, agency: str, operation: str) -> bool:
        """Say whether one of `allowed` covers *operation* of *agency*, or its notice or question of that name."""
        return self.may_all(agency) or f"{agency}.{operation}" in self.allowed

    def may_open(self, agency: str) -> bool:
        """Say whether it may open what is sealed of *agency*: only where `allowed` says so in so many words."""
        return f"{agency}.{SEALED}" in self.allowed

    def may_all(self, agency: str) -> bool:
        """Say whether one of `allowed` covers all of *agency*."""
        return "*" in self.allowed or agency in self.allowed


@dataclass(frozen=True, slots=True)
class Officer:
    """An officer as registered on a day, with the units the register puts him in."""

    id: str
    units: tuple[str, ...]


Spell: TypeAlias = tuple[str, str, str]
"""First day, last day (`9999` while open), and what was valid."""


class Identity:
    """The three registers. *agencies* are the names that imports and callers may use."""

    def __init__(
        self, registers: Registers, clock: Clock, random_bytes: Callable[[int], bytes], agencies: Collection[str]
    ) -> None:
        self._registers = registers
        self._clock = clock
        self._random_bytes = random_bytes
        self._agencies = agencies
        self._rows: dict[str, CallerRow] = {}
        self._by_key: dict[str, Caller] = {}
        self._members: dict[str, list[Spell]] = {}
        self._accounts: dict[tuple[str, str], list[Spell]] = {}
        self._units: dict[str, list[Spell]] = {}
        self._codes: dict[tuple[str, str], list[Spell]] = {}
        self.edition = 0
        """Rises with every change of officers or units."""
        self._changing = asyncio.Lock()  # what one change was checked against must still be true when it is written

    async def load(self) -> None:
        """Read all registers: before anybody asks, and whenever another node may have changed them."""
        async with self._changing:  # else what was read before a change would be taken for true after it
            await self._read()

    async def _read(self) -> None:
        self._rows = {row.name: row for row in await self._registers.callers()}
        self._take_callers()
        self._take_units(await self._registers.units())
        self._take_officers(await self._registers.officers())

    # --- Asked on every call -----------------------------------------------------------------------------------------

    def caller_of(self, key: str) -> Caller | None:
        """Return whose *key* this is, None if nobody's: unknown, or revoked."""
        # Looked up by digest: how long that takes tells nothing about a key, since nobody chooses a digest's bytes.
        return self._by_key.get(_digest(key))

    def officer(self, officer: str, day: str) -> Officer | None:
        """Return the officer if the register has him on *day* (`yyyy-mm-dd`)."""
        units = tuple(dict.fromkeys(_valid(self._members.get(officer, ()), day)))
        return Officer(officer, units) if units else None

    def account(self, officer: str, agency: str, day: str) -> str | None:
        """Return the account by which *agency* knows the officer on *day*."""
        return next(_valid(self._accounts.get((officer, agency), ()), day), None)

    def unit_known(self, unit: str, day: str) -> bool:
        """Say whether the register has *unit* on *day*."""
        return any(True for _ in _valid(self._units.get(unit, ()), day))

    def unit_code(self, unit: str, agency: str, day: str) -> str | None:
        """Return the code by which *agency* knows the unit on *day*."""
        return next(_valid(self._codes.get((unit, agency), ()), day), None)

    def people(self, call: Call, agency: str, day: date) -> Mapping[str, str | None]:
        """Return the sources that mappings may name; the unit is the officer's own when the call names none."""
        return self.sources(call.purpose, agency, day.isoformat())

    def sources(self, purpose: Purpose, agency: str, day: str) -> dict[str, str | None]:
        """Return the same for a call that is not made yet; *day* is `yyyy-mm-dd`."""
        officer, unit = purpose.officer, purpose.unit
        if unit is None and officer is not None:
            known = self.officer(officer, day)
            unit = known.units[0] if known else None
        return {
            "officer.id": officer,
            "officer.account": self.account(officer, agency, day) if officer else None,
            "unit.id": unit,
            "unit.code": self.unit_code(unit, agency, day) if unit else None,
        }

    # --- Changed by operators ----------------------------------------------------------------------------------------

    def callers(self) -> Sequence[CallerRow]:
        """List all callers, revoked ones too, by name."""
        return sorted(self._rows.values(), key=lambda row: row.name)

    async def add_caller(
        self,
        name: str,
        allowed: Sequence[str],
        top_class: Class,
        by: str,
        calls_per_minute: int = CALLS_PER_MINUTE,
    ) -> str:
        """
        Add a caller, or give a revoked one a new key; return the key, which is shown this once and kept nowhere.

        Raises:
            hub.errors.RequestInvalid: Every fault of the name, of what it may call and of its quota.
        """
        async with self._changing:
            await self._read()  # another node may have changed them
            faults = [*self._caller_faults(name, allowed), *_quota_faults(calls_per_minute)]
            if faults:
                raise RequestInvalid(faults=faults)
            key = KEY_PREFIX + urlsafe_b64encode(self._random_bytes(32)).decode().rstrip("=")
            row = CallerRow(name, _digest(key), tuple(allowed), top_class, True, self._clock.now(), calls_per_minute)
            await self._put(row, "caller_added", by)
            return key

    async def revoke_caller(self, name: str, by: str) -> bool:
        """Make a caller's key worthless; False if there is no such caller with a key."""
        async with self._changing:
            await self._read()  # another node may have changed them
            row = self._rows.get(name)
            if row is None or not row.enabled:
                return False
            await self._put(replace(row, enabled=False), "caller_revoked", by)
            return True

    async def set_quota(self, name: str, calls_per_minute: int, by: str) -> bool:
        """
        Let a caller make so many calls a minute, from its next one on; False if there is no such caller with a key.

        Raises:
            hub.errors.RequestInvalid: The quota is out of bounds.
        """
        async with self._changing:
            await self._read()  # another node may have changed them
            faults = list(_quota_faults(calls_per_minute))
            if faults:
                raise RequestInvalid(faults=faults)
            row = self._rows.get(name)
            if row is None or not row.enabled:
                return False
            await self._put(replace(row, calls_per_minute=calls_per_minute), "caller_quota", by)
            return True

    async def import_officers(self, content: bytes, by: str) -> int:
        """
        Make `officers.csv` the register; return the number of its lines.

        Raises:
            mappings.errors.FilesRefused: Every fault of the file; nothing changed.
        """
        async with self._changing:
            await self._read()  # another node may have changed them
            lines = read_officers(content, units=self._units.keys(), agencies=self._agencies)
            await self._registers.replace_officers(lines, by)
            self._take_officers(lines)
            return len(lines)

    async def import_units(self, content: bytes, by: str) -> int:
        """
        Make `units.csv` the register; return the number of its lines.

        Raises:
            mappings.errors.FilesRefused: Every fault of the file; nothing changed.
        """
        async with self._changing:
            await self._read()  # another node may have changed them
            lines = read_units(content, agencies=self._agencies)
            await self._registers.replace_units(lines, by)
            self._take_units(lines)
            return len(lines)

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _caller_faults(self, name: str, allowed: Sequence[str]) -> Iterable[RequestFault]:
        if not _NAME.fullmatch(name):
            yield RequestFault("/name", "is a letter, then up to 39 of a-z, 0-9 and -")
        if name == BUILT_IN:
            yield RequestFault("/name", "is the hub's own caller; choose another")
        if name in self._rows and self._rows[name].enabled:
            yield RequestFault("/name", "exists already; revoke it first to give it a new key")
        if not allowed:
            yield RequestFault("/allowed", "names what it may call: `*`, an agency, or agency.operation")
        for place, item in enumerate(allowed):
            agency, dot, operation = item.partition(".")
            if item != "*" and agency not in self._agencies:
                yield RequestFault(f"/allowed/{place}", "names an agency that this hub does not have")
            elif dot and not _OPERATION.fullmatch(operation):  # a space would part it in two when it is read back
                yield RequestFault(f"/allowed/{place}", "names no operation after the dot, e.g. police.lookup_citizen")

    async def _put(self, row: CallerRow, event: str, by: str) -> None:
        await self._registers.put_caller(row, event, by)
        self._rows[row.name] = row
        self._take_callers()

    def _take_callers(self) -> None:
        enabled = (row for row in self._rows.values() if row.enabled)
        self._by_key = {
            row.key_digest: Caller(row.name, frozenset(row.allowed), row.top_class, row.calls_per_minute)
            for row in enabled
        }

    def _take_officers(self, lines: Iterable[OfficerLine]) -> None:
        self._members, self._accounts = {}, {}
        self.edition += 1
        for line in lines:
            spell = (line.valid_from, line.valid_to or "9999")
            self._members.setdefault(line.officer, []).append((*spell, line.unit))
            if line.agency:
                self._accounts.setdefault((line.officer, line.agency), []).append((*spell, line.account))

    def _take_units(self, lines: Iterable[UnitLine]) -> None:
        self._units, self._codes = {}, {}
        self.edition += 1
        for line in lines:
            spell = (line.valid_from, line.valid_to or "9999")
            self._units.setdefault(line.unit, []).append((*spell, line.unit))
            if line.agency:
                self._codes.setdefault((line.unit, line.agency), []).append((*spell, line.code))


def _quota_faults(calls_per_minute: int) -> Iterable[RequestFault]:
    if not 1 <= calls_per_minute <= _MOST_CALLS:
        yield RequestFault("/calls_per_minute", f"is from 1 to {_MOST_CALLS}")


def _valid(spells: Iterable[Spell], day: str) -> Iterator[str]:
    return (what for first, last, what in spells if first <= day <= last)


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()
