"""
Whether a call may be made: by this caller, for this purpose. Asked at the door, in memory, before a body is read.

Whose key it is says `identity.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from hub.call import Class, Purpose
from hub.clock import Clock
from hub.errors import AuthDenied, PurposeMissing, RequestFault, RequestInvalid
from hub.security.identity import Caller, Identity
from hub.store.batch import Days

HEADER: Final = "Hub-Purpose"
UNFILLED: Final = {
    "officer.account": "this officer has no account at this agency; an operator adds it to the register of officers",
    "officer.name": "this officer has no name at this agency; an operator adds it to the register of officers",
    "unit.code": "this unit has no code at this agency; an operator adds it to the register of units",
}
_KEPT: Final = 10_000
"""Officers and units, by operation, that the registers of today are known to let pass."""
_RANK: Final = {Class.COUNTER: 0, Class.NORMAL: 1, Class.BULK: 2}


class Access:
    """The rules of promise 7: every access to personal data has a caller, an officer and a purpose."""

    def __init__(self, identity: Identity, clock: Clock, needs: Mapping[str, Mapping[str, Collection[str]]]) -> None:
        """*needs* holds, per agency and operation, the sources that purpose and registers must fill for it."""
        self._identity = identity
        self._clock = clock
        self._needs = needs
        self._days = Days()
        self._passed: set[tuple[object, ...]] = set()
        self._passed_as_of: tuple[str, int] = ("", 0)

    def check(
        self,
        caller: Caller,
        agency: str,
        operation: str,
        personal_data: bool,
        purpose: Purpose,
        cls: Class | None = None,
    ) -> None:
        """
        Return if *caller* may make this call for this purpose; *cls* is given by doors that do not cap it themselves.

        Raises:
            hub.errors.AuthDenied: The caller's key does not reach this agency, operation or class.
            hub.errors.PurposeMissing: Personal data is asked for without an officer, or without a dossier or intake number.
            hub.errors.RequestInvalid: Officer or unit are not registered today, or do not belong together; or the agency
                wants an account, a unit's code or a number that neither the purpose nor the registers give.
        """
        if not caller.may_call(agency, operation):
            raise AuthDenied(f"{caller.name} may not call {agency}.{operation}")
        if cls is not None and _RANK[cls] < _RANK[caller.cls]:
            raise AuthDenied(f"{caller.name} may ask for class {caller.cls.value} at most")
        if personal_data:
            missing = list(_missing(purpose))
            if missing:
                raise PurposeMissing(faults=missing)
        today = self._days.of(self._clock.now())
        if self._passed_as_of != (today, self._identity.edition) or len(self._passed) >= _KEPT:
            self._passed.clear()
            self._passed_as_of = (today, self._identity.edition)
        who = (agency, operation, purpose.officer, purpose.unit, purpose.dossier is None, purpose.procedure is None)
        if who in self._passed:
            return
        faults = list(self._unregistered(purpose, today)) or list(self._unfilled(agency, operation, purpose, today))
        if faults:
            raise RequestInvalid(faults=faults)
        self._passed.add(who)

    def _unregistered(self, purpose: Purpose, today: str) -> Iterable[RequestFault]:
        if purpose.unit is not None and not self._identity.unit_known(purpose.unit, today):
            yield RequestFault(HEADER, "unit is not registered, or not valid today")
        if purpose.officer is None:
            return
        officer = self._identity.officer(purpose.officer, today)
        if officer is None:
            yield RequestFault(HEADER, "officer is not registered, or not valid today")
        elif purpose.unit is not None and purpose.unit not in officer.units:
            yield RequestFault(HEADER, "officer does not belong to this unit today")
        elif purpose.unit is None and len(officer.units) > 1:
            yield RequestFault(HEADER, "unit must be named: this officer belongs to several")

    def _unfilled(self, agency: str, operation: str, purpose: Purpose, today: str) -> Iterable[RequestFault]:
        """Yield what would keep the request from being written, while its caller still listens."""
        needs = self._needs.get(agency, {}).get(operation)
        if not needs:
            return
        given = self._identity.sources(purpose, agency, today)
        given |= {"call.dossier": purpose.dossier, "call.procedure": purpose.procedure}
        for source in sorted(needs):
            if given[source] is None:
                kind, _, what = source.partition(".")
                named = given.get(f"{kind}.id")
                yield RequestFault(
                    HEADER, UNFILLED[source] if named else f"{what if kind == 'call' else kind} is missing"
                )


def _missing(purpose: Purpose) -> Iterable[RequestFault]:
    if purpose.officer is None:
        yield RequestFault(HEADER, "officer is missing")
    if purpose.dossier is None and purpose.intake is None:
        yield RequestFault(HEADER, "dossier or intake is missing")
