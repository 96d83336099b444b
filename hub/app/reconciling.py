"""
Which filings can be compared with what agencies have, and when, from connectors and settings: `hub.reconciling` runs it.
"""

from collections.abc import Mapping

from connectors.kit.operation import Operation
from hub.app.findings import Finding
from hub.app.inboxes import notices_of
from hub.app.installed import Installed
from hub.app.polls import PEOPLE
from hub.comparing import Compared, compared
from hub.lane import Lane
from hub.reconciling import Reconciled
from hub.settings import Settings


def reconciled_of(
    installed: Mapping[str, Installed], lanes: Mapping[str, Lane], settings: Settings
) -> list[Reconciled]:
    """Return every agency of which something can be compared."""
    found = []
    for name, one in installed.items():
        entry = settings.agencies[name]
        operations = _runnable(one, settings)
        if operations:
            scheduled = entry.scheduled_as
            officer, unit = (scheduled.officer, scheduled.unit) if scheduled is not None else (None, None)
            at = _seconds(entry.reconcile) if entry.reconcile is not None else None
            found.append(Reconciled(lanes[name], operations, at, officer, unit))
    return found


def uncompared(installed: Mapping[str, Installed], settings: Settings) -> list[Finding]:
    """Return what is to be compared by the settings and cannot be."""
    found = []
    for name, one in installed.items():
        if settings.agencies[name].reconcile is None or _runnable(one, settings):
            continue
        if compared(one.agency.operations, notices_of(one).values()):
            says = "not compared, since it is asked for personal data, and in nobody's name"
            do = f'write into [agencies.{name}]: scheduled_as = {{ officer = "...", unit = "..." }}, ids of the registers'
        else:
            says = "not compared, since no filing of it names a look-up, or has a reference that notices name"
            do = f"take `reconcile` out of [agencies.{name}]"
        found.append(Finding(f"reconciliation of {name}", says, do))
    return found


def _runnable(one: Installed, settings: Settings) -> dict[str, Compared]:
    """Return what can be compared of an agency in whose name somebody is there to ask."""
    operations = compared(one.agency.operations, notices_of(one).values())
    if settings.agencies[one.name].scheduled_as is not None:
        return operations
    return {name: this for name, this in operations.items() if this.look_up is None or not _for_people(this.look_up)}


def _for_people(look_up: Operation) -> bool:
    """Say whether somebody has to be named who asks: no personal data is looked at in nobody's name."""
    return look_up.personal_data or bool(look_up.needs & PEOPLE)


def _seconds(time: str) -> float:
    hour, minute = time.split(":")
    return int(hour) * 3600.0 + int(minute) * 60.0
