"""
How agencies handled dossiers, as JSON or, for whoever accepts `text/csv`, as a table: counts only, no dossier, no person.

A caller sees the agencies its key names; an operator, at a door of his own, all.
"""

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import Request
from pydantic_core import to_json

from hub.errors import OperationUnknown, RequestFault, RequestInvalid
from hub.reaching import Reaching
from hub.security.identity import Caller
from hub.store.handling import Counts, KeptHandling, Period
from hub.web.calls import query
from hub.web.lanes import Doors
from hub.web.replies import HANOI, Header, Scope, Send, answer, moment

LONGEST_DAYS: Final = 366
"""Days of a period."""
ASKED: Final = frozenset({"from", "to", "agency", "procedure"})
COLUMNS: Final = ("agency", "procedure", *Counts._fields)
CSV: Final = "text/csv; charset=utf-8; header=present"


class Counting:
    """Counts of the *agencies* whose handling is counted; *now* gives Unix seconds."""

    def __init__(self, kept: KeptHandling, agencies: Collection[str], now: Callable[[], float]) -> None:
        self.agencies = frozenset(agencies)
        self._kept = kept
        self._now = now

    async def counts(self, asked: Mapping[str, str], agencies: Collection[str]) -> dict[str, Any]:
        """
        Return what *asked* wants to know of those *agencies* that count.

        Raises:
            RequestInvalid: A day is none, or the period too long.
        """
        now = self._now()
        first, last = _days(asked, now)
        begin, end = (datetime(day.year, day.month, day.day, tzinfo=HANOI) for day in (first, last + timedelta(1)))
        those = self.agencies & frozenset(agencies)
        period = Period(those, begin.timestamp(), end.timestamp(), now, asked.get("procedure"))
        counts = await self._kept.counts(period) if those else ()
        return {
            "from": first.isoformat(),
            "to": last.isoformat(),
            "counted_at": moment(now),
            "counts": [
                {"agency": agency, "procedure": procedure, **found._asdict()} for agency, procedure, found in counts
            ],
        }


class HandlingDoor:
    """`GET /v1/handling?from=&to=&agency=&procedure=`."""

    def __init__(self, counting: Counting, reaching: Reaching, count: Callable[[Caller], None]) -> None:
        """*count* counts a question against its caller's quota."""
        self._counting = counting
        self._reaching = reaching
        self._count = count

    async def read(self, scope: Scope, send: Send, caller: Caller) -> None:
        """Answer in the form that the caller accepts."""
        asked = query(scope, set(ASKED))
        self._count(caller)
        reach = self._reaching.of(caller, [asked["agency"]] if "agency" in asked else [])
        reached = {*reach.agencies, *(name.partition(".")[0] for name in reach.notices)}
        told = await self._counting.counts(asked, reached)
        accepts = (value for name, value in scope["headers"] if name == b"accept")
        if any(value.strip().lower().startswith(b"text/csv") for value in accepts):
            kind: Header = (b"content-type", CSV.encode())
            await answer(send, 200, as_csv(told["counts"]), (b"vary", b"accept"), kind=kind)
        else:
            await answer(send, 200, to_json(told), (b"vary", b"accept"))


def handling_doors(counting: Counting) -> Doors:
    """Return the operators' door, by method and path."""

    async def read(request: Request) -> dict[str, Any]:
        asked = query(request.scope, set(ASKED))
        agency = asked.get("agency")
        if agency is not None and agency not in counting.agencies:
            raise OperationUnknown("The handling of no such agency is counted.")
        return await counting.counts(asked, [agency] if agency is not None else counting.agencies)

    return {("GET", "/handling"): read}


def as_csv(counts: Sequence[Mapping[str, Any]]) -> bytes:
    """Return *counts* as a table with a head (RFC 4180)."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows([one[name] for name in COLUMNS] for one in counts)
    return text.getvalue().encode()


def _days(asked: Mapping[str, str], now: float) -> tuple[date, date]:
    """Return the first and the last day of the period; of this month until today where nothing is said."""
    today = datetime.fromtimestamp(now, HANOI).date()
    faults: list[RequestFault] = []
    last = _day(asked, "to", faults) or today
    first = _day(asked, "from", faults) or last.replace(day=1)
    if not faults and not timedelta(0) <= last - first < timedelta(LONGEST_DAYS):
        faults.append(RequestFault("?from", f"is a day at most {LONGEST_DAYS - 1} days before ?to"))
    if faults:
        raise RequestInvalid(faults=faults)
    return first, last


def _day(asked: Mapping[str, str], name: str, faults: list[RequestFault]) -> date | None:
    text = asked.get(name)
    if text is None:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=HANOI).date()
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year < 3000 or day.isoformat() != text:
        faults.append(RequestFault(f"?{name}", "is a day as 2026-03-15"))
        return None
    return day
