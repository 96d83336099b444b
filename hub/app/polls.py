"""
Which notices are fetched, from what agencies' connectors and entries say: `hub.polling` runs them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from connectors.kit.inbox import Notice
from hub.app.findings import Finding
from hub.app.installed import Installed
from hub.lane import Lane
from hub.polled import Poll
from hub.settings import Settings

PEOPLE: Final = frozenset({"officer.id", "officer.account", "officer.name", "unit.id", "unit.code"})
"""Sources that only `scheduled_as` can fill in a call that nobody asked for."""


def polls_of(installed: Mapping[str, Installed], lanes: Mapping[str, Lane], settings: Settings) -> list[Poll]:
    """Return every poll of this installation that can be run; what is told by asking after calls is none."""
    polls = []
    for name, one in installed.items():
        scheduled = settings.agencies[name].scheduled_as
        officer, unit = (scheduled.officer, scheduled.unit) if scheduled is not None else (None, None)
        polls += [
            Poll(lanes[name], notice, notice.every, officer, unit)
            for notice in _fetched(one)
            if notice.every is not None and (scheduled is not None or not _for_people(one, notice))
        ]
    return polls


def unscheduled(installed: Mapping[str, Installed], settings: Settings) -> list[Finding]:
    """Return what is not fetched because nobody said on whose behalf the hub itself asks."""
    found = []
    for name, one in installed.items():
        waiting = [notice.name for notice in _fetched(one) if _for_people(one, notice)]
        if waiting and settings.agencies[name].scheduled_as is None:
            says = f"{', '.join(waiting)}: not fetched, since the agency is asked for an officer and a unit"
            do = f'write into [agencies.{name}]: scheduled_as = {{ officer = "...", unit = "..." }}, ids of the registers'
            found.append(Finding(f"polls of {name}", says, do))
    return found


def _fetched(one: Installed) -> Iterator[Notice]:
    inbox = one.agency.inbox
    known = inbox.notices.values() if inbox is not None else ()
    yield from (notice for notice in known if notice.fetched_by and not notice.asked_after)


def _for_people(one: Installed, notice: Notice) -> bool:
    """Say whether an operation that lists or fetches *notice*, acknowledges or refuses it, names an officer or a unit."""
    asked = filter(None, (notice.listed_by, notice.fetched_by, notice.acknowledged_by, notice.refused_by))
    return any(one.agency.operations[operation].needs & PEOPLE for operation in asked)
