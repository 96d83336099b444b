"""
Things that are filed at once and end later, such as payments: what look-ups say of them until the sandbox is told how they end.

A filing that names a look-up under `then`, of which it is not itself the record, is what that look-up tells about; so
are look-ups that ask the same. The words are the samples'; the key, who filed it, and what `agrees` compares are what was filed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.kit.manifest import Manifest
from connectors.kit.sandbox.filed import Filed, Record
from connectors.kit.sandbox.payloads import Names, found, put_value
from connectors.kit.sandbox.spoken import Spoken
from connectors.kit.sandbox.wire import Reply
from connectors.kit.sandbox.words import Words
from mappings.canonical import IDENTITY

PENDING = "pending"
ENDS = (PENDING, "ok", "refused")
"""Results by which a thing can stand."""


class Standing:
    """What is known of one agency's look-ups that tell how something stands."""

    def __init__(self, manifest: Manifest, operations: Mapping[str, Spoken], words: Words) -> None:
        self._words = words
        self._filing: dict[str, Spoken] = {}
        for name, table in manifest.operations.items():
            for then in table.then.values():
                told = operations[then]
                if told.kind == "lookup" and operations[name].model and operations[name].model != told.returns:
                    self._filing |= {one.name: operations[name] for one in _asking_alike(told, operations.values())}
        self._agrees = {name: table.agrees for name, table in manifest.operations.items()}

    def record(self, look_up: Spoken, filed: Filed, key: str) -> Record | None:
        """Return what was filed under *key* and *look_up* tells about, if anything."""
        filing = self._filing.get(look_up.name)
        return filed.get(filing.model, key) if filing is not None else None

    def reply(self, look_up: Spoken, record: Record) -> tuple[Reply, str] | None:
        """Return what *look_up* says of *record*, and what that means; None: no sample has the words."""
        stands = record.stands or PENDING
        for result in (stands, "refused", "not_found"):  # a receipt of what is not paid yet is refused
            if reply := self._words.reply(look_up.name, result):
                return self.about(look_up, self._filing[look_up.name], record, reply), result
        return None

    def about(self, look_up: Spoken, filing: Spoken, record: Record, reply: Reply) -> Reply:
        """Return *reply* of *look_up* as one about *record*, filed by *filing*: its key, who filed it, what is compared."""
        same: list[tuple[Names | None, Any]] = [(look_up.told.get(IDENTITY.get(look_up.returns, "")), record.key)]
        same += [(look_up.told.get(ours), _at(record, filing.sent.get(ours))) for ours in self._agrees[look_up.name]]
        ours = [place for place, source in filing.sources.items() if source.startswith("settings.")]  # who filed it
        same += [(place, _at(record, place[len(filing.payload) :])) for place in ours]
        tree = self._words.tree(reply)
        for place, value in same:
            if place and value is not None and found(tree, place):
                put_value(tree, place, value)
        return self._words.written(reply, tree)


def _asking_alike(look_up: Spoken, operations: Iterable[Spoken]) -> Iterable[Spoken]:
    return (one for one in operations if one.kind == "lookup" and one.model == look_up.model)


def _at(record: Record, place: Names | None) -> Any:
    return next(iter(found(record.payload, place)), None) if place else None
