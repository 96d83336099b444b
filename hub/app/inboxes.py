"""
From installed agencies to what they tell and ask: what the doors at which they call, and those of callers, are made of.
"""

from collections.abc import Mapping

from connectors.kit.inbox import Notice
from connectors.kit.operation import only_list
from hub.app.installed import Installed
from hub.arriving import Speaking
from hub.web.answers import Asked


def speaking(installed: Mapping[str, Installed]) -> dict[str, Speaking]:
    """Return the agencies that speak to us."""
    return {
        name: Speaking(inbox, one.agency.operations, _secrets(one))
        for name, one in installed.items()
        if (inbox := one.agency.inbox) is not None
    }


def notices_of(one: Installed) -> dict[str, Notice]:
    """Return what an agency tells, pushed or fetched."""
    inbox = one.agency.inbox
    return {name: notice for name, notice in (inbox.notices if inbox else {}).items() if notice.kind == "notice"}


def questions_of(one: Installed) -> dict[str, Asked]:
    """Return what an agency asks and callers may answer. Who names what it asks for, and by a list, is handed an item."""
    inbox = one.agency.inbox
    tables = one.connector.manifest.notices
    return {
        name: Asked(notice.answer, bool(tables[name].unique) and only_list(notice.answer) is not None)
        for name, notice in (inbox.notices if inbox else {}).items()
        if notice.kind == "question" and notice.answer is not None
    }


def _secrets(one: Installed) -> frozenset[str]:
    declared = one.connector.manifest.settings
    return frozenset(value for key, value in one.settings.items() if value and declared[key].secret)
