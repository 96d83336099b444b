"""The operators' doors to comparing what was filed with what agencies have: want a run, and see how each went."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from hub.comparing import Compared
from hub.errors import CallUnknown, OperationUnknown, RequestFault, RequestInvalid
from hub.store.reconciled import Line, Run
from hub.web.lanes import OPERATOR, Doors
from hub.web.replies import HANOI, moment

Want = Callable[..., Awaitable[Run]]
AGENCIES: Final = "Nothing of this agency can be compared: it has no filing whose `then` names a look-up, or of whose reference notices tell; or the look-up asks for an officer, and the agency's entry names none in `scheduled_as`."


class Wanted(BaseModel):
    """A day to be compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agency: str = Field(description="Whose filings", max_length=100)
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="When they were accepted, +07:00")
    operation: str = Field("", description="Only this filing", max_length=100)
    file: bool = Field(False, description="File again what the agency does not have")


@dataclass(frozen=True, slots=True)
class ReconcilingOffice:
    """What the doors open onto."""

    known: Mapping[str, Mapping[str, Compared]]
    """By agency: the filings that can be compared."""
    want: Want
    """Takes agency, day, and who wants it; `operation` and `files` by name."""
    runs: Callable[[str | None], Awaitable[Sequence[Run]]]
    run: Callable[[str], Awaitable[Run | None]]
    lines: Callable[[str], Awaitable[Sequence[Line]]]
    now: Callable[[], float]


def reconciling_doors(office: ReconcilingOffice) -> Doors:
    """Return the doors, by method and path."""

    async def want(wanted: Wanted) -> dict[str, Any]:
        known = office.known.get(wanted.agency)
        if not known:
            raise OperationUnknown(AGENCIES)
        faults = []
        if wanted.operation and wanted.operation not in known:
            faults.append(RequestFault("/operation", f"is one of {', '.join(sorted(known))}"))
        day = _day(wanted.day)
        if day is None or day > datetime.fromtimestamp(office.now(), HANOI).date():
            faults.append(RequestFault("/day", "is a day until today, as 2026-03-15"))
        if faults or day is None:
            raise RequestInvalid(faults=faults)
        run = await office.want(wanted.agency, day, OPERATOR, operation=wanted.operation, files=wanted.file)
        return shown(run)

    async def listed(agency: Annotated[str | None, Query(max_length=100)] = None) -> list[dict[str, Any]]:
        return [shown(run) for run in await office.runs(agency)]

    async def one(run: str) -> dict[str, Any]:
        found = await office.run(run)
        if found is None:
            raise CallUnknown("No such run is kept; `hub reconcile` lists those that are.")
        return shown(found)

    async def lines(run: str) -> list[dict[str, Any]]:
        await one(run)
        return [_line(line) for line in await office.lines(run)]

    return {
        ("POST", "/reconciliations"): want,
        ("GET", "/reconciliations"): listed,
        ("GET", "/reconciliations/{run}"): one,
        ("GET", "/reconciliations/{run}/lines"): lines,
    }


def shown(run: Run) -> dict[str, Any]:
    """Return how a run stands."""
    return {
        "run": run.id,
        "agency": run.agency,
        "day": run.day,
        "operation": run.operation or None,
        "file": run.files,
        "wanted_by": run.wanted_by,
        "wanted_at": moment(run.wanted_at),
        "ended_at": moment(run.ended_at) if run.ended_at is not None else None,
        "outcome": run.outcome or None,
        "cause": run.cause or None,
        "goes_on_at": moment(run.due_at) if run.ended_at is None and run.outcome else None,
        "counts": run.counts,
    }


def _line(line: Line) -> dict[str, Any]:
    fields = [{"field": field, "ours": ours or None, "theirs": theirs or None} for field, ours, theirs in line.fields]
    return {
        "call": line.call, "operation": line.operation, "dossier": line.dossier, "verdict": line.verdict,
        "cause": line.cause or None, "fields": fields, "filed_again_as": line.filed,
    }  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
