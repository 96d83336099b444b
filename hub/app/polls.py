"""
Which notices are fetched, from what agencies' connectors and entries say: `hub.polling` runs them.
"""

from collections.abc import Mapping

from hub.app.installed import Installed
from hub.lane import Lane
from hub.polling import Poll
from hub.settings import Settings


def polls_of(installed: Mapping[str, Installed], lanes: Mapping[str, Lane], settings: Settings) -> list[Poll]:
    """Return every poll of this installation."""
    polls = []
    for name, one in installed.items():
        scheduled = settings.agencies[name].scheduled_as
        officer, unit = (scheduled.officer, scheduled.unit) if scheduled is not None else (None, None)
        inbox = one.agency.inbox
        polls += [
            Poll(lanes[name], notice, notice.every, officer, unit)
            for notice in (inbox.notices.values() if inbox is not None else ())
            if notice.fetched_by is not None and notice.every is not None
        ]
    return polls
