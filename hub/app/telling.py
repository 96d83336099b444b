"""
What a hub tells operators of itself: its version, its store, its metrics.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

from hub.app.installed import Installed
from hub.dispatcher import Dispatcher
from hub.errors import StoreUnavailable
from hub.masking import masked_store
from hub.pressure import Pressure
from hub.pushing.pusher import Pusher
from hub.settings import Settings
from hub.store.persons import Needing, Persons
from hub.store.reconciled import VERDICTS, Run
from monitoring.events import Observer
from monitoring.metrics import Metrics


def about(settings: Settings, installed: Mapping[str, Installed], pressure: Pressure) -> dict[str, Any]:
    """Return what operators are told about this hub and its store."""
    return {
        "version": version(),
        "node": settings.hub.node,
        "agencies": list(installed),
        "store": masked_store(settings),
        "store_bytes": pressure.used_bytes,
        "store_most_bytes": pressure.most_bytes,
        "store_trouble": pressure.reason,
    }


def version() -> str:
    """Return the version of this distribution; `0` when it runs from a folder that was never installed."""
    try:
        return version_of("lienthong")
    except PackageNotFoundError:
        return "0"


async def counted(
    dispatcher: Dispatcher,
    persons: Persons,
    metrics: Metrics,
    observer: Observer,
    pusher: Pusher | None,
    latest: Callable[[], Awaitable[Sequence[Run]]] | None = None,
) -> bytes:
    """Return the metrics as Prometheus reads them, with what only the store knows counted now."""
    lanes = dispatcher.watch()  # tells the observer, and so the metrics, how every lane is now
    try:
        needing = await persons.needing()
        dead = await pusher.dead_events() if pusher is not None else {}
        compared = {run.agency: run.counts for run in await latest()} if latest is not None else {}
    except StoreUnavailable as error:  # what was last counted stays; the other metrics are needed now more than ever
        observer.fault("needing", error)
    else:
        for name in lanes.keys() | needing.keys():
            metrics.needing(name, *needing.get(name, Needing()))
        if pusher is not None:
            metrics.pushing(pusher.oldest_ages(), dead)
        for name, counts in compared.items():
            metrics.reconciled_last(
                name,
                {
                    operation: {verdict: some.get(verdict, 0) for verdict in VERDICTS}
                    for operation, some in counts.items()
                },
            )
    return metrics.exposition()
