"""
A page that was fetched, sorted: which records are taken, which are kept for a person, and what writes all of it.

A push is taken whole or not at all, because whoever sent it hears that and sends it again. Of a page every record is
taken that can be; where one cannot, the page is kept as it came, and read again what was taken is known.
"""

from collections.abc import Sequence

from pydantic_core import to_json

from connectors.kit.inbox import Fetched, NotTaken, Poison, Understood
from connectors.kit.notice_reading import FAULTS_AT_MOST
from hub.arriving import AGREES, MAPPING, Arriving, Record
from hub.polled import Sorted
from hub.store.batch import Batch
from hub.store.dead_notices import Found, Raw
from hub.store.notices import KeptNotices


class FetchedPages:
    """Implements `polled.Sorting`."""

    def __init__(self, arriving: Arriving, store: KeptNotices) -> None:
        self._arriving = arriving
        self._store = store

    async def sort(self, agency: str, notice: str, fetched: Fetched) -> Sorted:
        """See `polled.Sorting.sort`."""
        read = fetched.read
        found = await self._arriving.find(agency, read) if isinstance(read, Understood) else []
        taken = [one for one in found if not one.faults]
        differing = [Poison(one.faults, one.told.refs) for one in found if one.faults]
        unread = [*fetched.poison, *([Poison(read.faults)] if isinstance(read, NotTaken) else [])]
        dead = self._dead(agency, notice, fetched, unread, differing)
        await self._arriving.keep_files(taken)
        keeps = self._store.keeping([one.arrival for one in taken], dead)
        new: list[bool] = []

        def keep(batch: Batch) -> int:
            new[:] = keeps(batch)
            return sum(new)

        told = [(one.told, _dossier(one)) for one in taken]
        return Sorted(keep, told, [*fetched.poison, *differing], lambda: self._arriving.kept(taken, new))

    def _dead(
        self, agency: str, notice: str, fetched: Fetched, unread: Sequence[Poison], differing: Sequence[Poison]
    ) -> tuple[Raw, Found] | None:
        poison = [*unread, *differing]
        if not poison or fetched.came is None:
            return None
        faults = [(fault.place, fault.rule) for one in poison for fault in one.faults][:FAULTS_AT_MOST]
        asked = to_json(sorted(fetched.came.query.items())) if fetched.came.query else b""
        return self._arriving.raw(agency, notice, fetched.came, asked), Found(MAPPING if unread else AGREES, faults)


def _dossier(record: Record) -> str | None:
    return record.arrival.owner.dossier if record.arrival.owner is not None else None
