"""
`hub serve --after-restore`: what a hub does before it serves a copy, so that nobody gets more than its contract allows.

What was sent between the copy and now is not known. So each agency counts as having got the most that it may have got,
and as still working on as many calls as it may at once.
"""

from collections.abc import Mapping
from math import ceil
from typing import Protocol

from connectors.kit.manifest import Contract
from hub.app.installed import Installed
from hub.store.protocol import Occupied
from hub.store.restoring import Restored
from hub.surroundings import moment as written
from mappings.errors import FileFault, FilesRefused

OPTION = "--after-restore"
_DAY = 86_400.0
_VIETNAM = 7 * 3600.0


class Restorable(Protocol):
    """What is asked of a store."""

    async def restore(self, moment: float, sent: Mapping[str, int]) -> Restored:
        """Move what waited at *moment*, in one commit, unless the store was used since."""
        ...


def check_copy(copied: float | None, moment: float | None) -> None:
    """
    Compare what the store says of itself, *copied*, with what the command says: *moment*.

    Raises:
        FilesRefused: It is a copy and the command does not say so, or names another moment.
    """
    if copied is None or (moment is not None and abs(copied - moment) < 1.0):
        return
    raise _refused(
        f"this store is a copy, made at {written(copied)}; what waits in it may have been sent since. "
        f"Start it once with `hub serve {OPTION} {written(copied)}`"
    )


async def restore(store: Restorable, installed: Mapping[str, Installed], moment: float, now: float) -> list[Occupied]:
    """
    Apply what follows from serving a copy of *moment* at *now*; return the places that may still be occupied.

    Raises:
        FilesRefused: The store was used after that moment, or the moment is still to come.
        StoreUnavailable: The store did not answer; nothing was done.
    """
    if moment > now:
        raise _refused(f"{written(moment)} is still to come; write the moment of the copy's manifest")
    contracts = {name: one.contract for name, one in installed.items()}
    sent = {name: most_sent(contract, moment, now) for name, contract in contracts.items()}
    restored = await store.restore(moment, sent)
    if restored.moved is None:
        raise _refused(
            f"this store was used at {written(restored.newest)}, after {written(moment)}: it is served already, or no "
            f"copy of that moment. Serve it without {OPTION}, or put the copy in its place once more"
        )
    places = [(name, contract.calls_at_once) for name, contract in contracts.items()]
    return [Occupied("restored", name, now) for name, at_once in places for _ in range(at_once)]


def most_sent(contract: Contract, moment: float, now: float) -> int:
    """Return the most exchanges that an agency may have got today between *moment* and *now*."""
    midnight = now - (now + _VIETNAM) % _DAY
    return min(contract.calls_per_day, ceil(contract.calls_per_second * (now - max(moment, midnight))) + 1)


def _refused(says: str) -> FilesRefused:
    return FilesRefused([FileFault(OPTION, "", says)])
