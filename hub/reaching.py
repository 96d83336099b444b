"""
What a caller is told: as much as its key reaches. One rule for pages, streams and what is pushed.

A key that reaches an operation of an agency is told whatever that agency tells; one that names a single notice
(`tax.tax_notice_received`) is told that.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from hub.errors import AuthDenied, OperationUnknown
from hub.security.identity import Caller
from hub.store.feed import Reach
from hub.store.registers import CallerRow


class Registered(Protocol):
    """What is asked of `hub.security.identity.Identity`."""

    def callers(self) -> Sequence[CallerRow]: ...


class Reaching:
    """What keys reach. *offered* and *told* hold names of each agency's operations, and of its notices."""

    def __init__(
        self, identity: Registered, offered: Mapping[str, Collection[str]], told: Mapping[str, Collection[str]]
    ) -> None:
        self._identity = identity
        self._offered = offered
        self._told = told

    def known(self, agency: str) -> bool:
        """Say whether there is such an agency."""
        return agency in self._offered

    def of(self, caller: Caller, agencies: Collection[str] = (), dossier: str | None = None) -> Reach:
        """
        Return what *caller* is told of *agencies*, or of all that its key reaches, at wish of one *dossier* only.

        Raises:
            OperationUnknown: There is no such agency.
            AuthDenied: The key names nothing of one of them.
        """
        if any(name not in self._offered for name in agencies):
            raise OperationUnknown
        reach = self._within(caller, agencies, dossier)
        reached = {*reach.agencies, *(name.partition(".")[0] for name in reach.notices)}
        if any(name not in reached for name in agencies):
            raise AuthDenied
        return reach

    def now(self, name: str, agencies: Collection[str], dossier: str | None) -> Reach:
        """Return what of it the caller called *name* reaches now: nothing once its key was taken back."""
        for row in self._identity.callers():
            if row.name == name and row.enabled:
                caller = Caller(row.name, frozenset(row.allowed), row.top_class, row.calls_per_minute)
                return self._within(caller, agencies, dossier)
        return Reach(())

    def _within(self, caller: Caller, agencies: Collection[str], dossier: str | None) -> Reach:
        whole = {*filter(caller.may_all, self._told), *_reached(self._offered, caller)}
        single = {agency: names for agency, names in _reached(self._told, caller).items() if agency not in whole}
        wanted = agencies or [*sorted(whole), *single]
        notices = [f"{agency}.{name}" for agency in wanted for name in single.get(agency, ())]
        return Reach([agency for agency in wanted if agency in whole], notices, dossier)


def _reached(names: Mapping[str, Collection[str]], caller: Caller) -> dict[str, list[str]]:
    """Return those of *names* that the caller's key reaches, by agency; none where it reaches none."""
    found = {agency: [name for name in some if caller.may_call(agency, name)] for agency, some in names.items()}
    return {agency: some for agency, some in found.items() if some}
