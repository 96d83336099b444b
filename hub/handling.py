"""
Which steps of a dossier a call or a notice is, by the names of the dossier profile (design section 12). Pure.

Counted are the agencies that a dossier is moved to and that tell when they are done with it; one that only takes copies,
as the national portal does, handles nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from hub.call import Call
from hub.handled import Ending, Handled
from mappings.canonical.dossier_notices import Ending as Told
from mappings.canonical.dossier_notices import ReturnedResult

FILES = "file_dossier"
RETURNS = "result_returned"
_ENDINGS: Mapping[str, Ending] = {Told.RESULT: "result", Told.NO_RESULT: "no_result"}


def handles(operations: Collection[str], notices: Collection[str]) -> bool:
    """Say whether an agency with these *operations* and *notices* is one whose handling is counted."""
    return FILES in operations and RETURNS in notices


class Handling:
    """Knows whose handling is counted: *agencies*."""

    def __init__(self, agencies: Collection[str] = ()) -> None:
        self.agencies = frozenset(agencies)

    def taken_on(self, call: Call, request: BaseModel) -> Handled | None:
        """Return what is known once *call* is on record; None: it moves no dossier."""
        if call.agency not in self.agencies:
            return None
        match call.operation, _moment(request, "due_at"):
            case "file_dossier", due_at:
                return Handled(
                    "received", _text(request, "code"), _text(request, "procedure_code"), due_at, call.accepted_at
                )
            case "file_supplement", float(due_at):
                return Handled("moved", _text(request, "dossier"), due_at=due_at, at=call.accepted_at)
        return None

    def answered(self, call: Call, request: BaseModel) -> Handled | None:
        """Return what is known once the agency has said that it did what *call* asks; None: nothing more."""
        if call.agency not in self.agencies:
            return None
        match call.operation:
            case "file_dossier":
                received = self.taken_on(call, request)
                return replace(received, step="forwarded") if received is not None else None
            case "refuse_result":
                return Handled("reopened", _text(request, "dossier"), at=call.accepted_at)
            case "withdraw_dossier":
                dossier = _text(request, "dossier") or _text(request, "code")
                return Handled("ended", dossier, at=call.accepted_at, ending="withdrawn")
        return None

    def told(self, agency: str, notice: str, value: BaseModel | None, came_at: float | None = None) -> Handled | None:
        """Return what a *notice* of *agency* says, which *came_at* another moment than it is written at; None: nothing."""
        if agency not in self.agencies or value is None:
            return None
        dossier = _text(value, "dossier")
        match notice, value:
            case "result_returned", ReturnedResult():
                ended = value.finished_at.timestamp()
                at = ended if came_at is None else min(ended, came_at)
                return Handled("ended", dossier, at=at, ending=_ENDINGS[value.ending])
            case "dossier_returned", _:
                return Handled("ended", dossier, at=came_at, ending="sent_back")
            case "supplement_received", _ if (due_at := _moment(value, "due_at")) is not None:
                return Handled("moved", dossier, due_at=due_at, at=came_at)
        return None


def _text(model: BaseModel, field: str) -> str:
    value: Any = getattr(model, field, None)
    return value if isinstance(value, str) else ""


def _moment(model: BaseModel, field: str) -> float | None:
    value = getattr(model, field, None)
    return value.timestamp() if isinstance(value, datetime) else None
