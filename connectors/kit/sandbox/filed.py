"""
What has been filed at one played agency: kept as it came, found again by its key, steps in order.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from connectors.kit.sandbox.payloads import Names, plain, put_value


@dataclass(slots=True)
class Record:
    """One filed thing."""

    model: str
    key: str
    payload: Any
    """JSON value or element, as the agency would give it back; None when only its existence is known."""
    filed_at: float
    seeded: bool = False
    """True: the samples show it to be there; nobody filed it."""
    updates: int = 0
    steps: list[Any] = field(default_factory=list)
    stands: str | None = None
    """How it stands, as the sandbox was told: a result of answers.csv; None: as things stand that were just filed."""

    @property
    def untouched(self) -> bool:
        """Whether it is as the samples show it."""
        return self.seeded and not self.updates and not self.steps


class Filed:
    """Everything filed at one agency, in order of filing."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}

    def get(self, model: str, key: str) -> Record | None:
        return self._records.get((model, key))

    def create(self, model: str, key: str, payload: Any, now: float, *, seeded: bool = False) -> None:
        self._records[model, key] = Record(model, key, copy.deepcopy(payload), now, seeded)

    def update(self, record: Record, payload: Any) -> None:
        """Put *payload* in place of what was filed; steps stay."""
        record.payload = copy.deepcopy(payload)
        record.updates += 1

    def stand(self, key: str, result: str) -> int:
        """Let everything that was filed under *key* stand so; returns how many things that is."""
        there = [record for record in self if record.key == key and not record.seeded]
        for record in there:
            record.stands = result
        return len(there)

    def append(self, record: Record, step: Any, status: str | None, status_at: Names | None) -> None:
        """Add *step*; where it names a status, that becomes the status of what was filed."""
        record.steps.append(copy.deepcopy(step))
        if status is not None and status_at and record.payload is not None:
            put_value(record.payload, status_at, status)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def shown(self) -> list[dict[str, object]]:
        """Return everything that was filed or changed, as JSON-able data."""
        return [
            {
                "model": record.model,
                "key": record.key,
                "filed_at": record.filed_at,
                "updates": record.updates,
                "payload": _shown(record.payload),
                "steps": [_shown(step) for step in record.steps],
                "stands": record.stands,
            }
            for record in self
            if not record.untouched
        ]


def _shown(payload: Any) -> Any:
    return plain(payload) if isinstance(payload, etree._Element) else payload
