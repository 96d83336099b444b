"""
Serving: two listeners in one process, from the first line that says `ready` to the last that says `stopped`.

SIGTERM and SIGINT end it gently: refuse, let what is on the wire end, close. A second one does not wait.
"""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, BinaryIO

from hub.app.build import build
from hub.app.hub import Hub
from hub.app.listening import Listener
from hub.app.telling import version
from hub.app.watching import watch
from hub.clock import SystemClock
from hub.settings import Settings
from mappings.errors import FileFault, FilesRefused
from monitoring.events import Fan
from monitoring.logs import LibraryLines, LineWriter, LogLines
from monitoring.metrics import Metrics

_YOUNG = 10_000
"""
Objects after which the collector looks for cycles. A call makes next to none, and a look at every 700 objects, as Python
has it, took 20 of the 750 microseconds of a durable call.
"""


def run(settings: Settings, environ: Mapping[str, str], out: BinaryIO, *, after_restore: float | None = None) -> None:
    """
    Serve until told to stop; lines of JSON go to *out*. *after_restore*: the store is a copy of that moment.

    Raises:
        FilesRefused: Settings or connectors cannot be used, or an address is taken.
        StoreInUse: Another process serves this store.
    """
    clock = SystemClock()
    writer = LineWriter(out, clock.now)
    libraries = LibraryLines(writer)
    logging.getLogger().addHandler(libraries)
    try:
        _on_fast_loop(_serve(settings, environ, clock, writer, after_restore))
    finally:
        logging.getLogger().removeHandler(libraries)
        writer.close()


def _on_fast_loop(main: Coroutine[Any, Any, None]) -> None:
    factory = None
    if sys.platform != "win32":
        import uvloop  # not there on Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


async def _serve(
    settings: Settings,
    environ: Mapping[str, str],
    clock: SystemClock,
    writer: LineWriter,
    after_restore: float | None,
) -> None:
    metrics = Metrics(clock.monotonic)
    hub = build(settings, environ, clock, Fan(metrics, LogLines(writer, clock.monotonic)), metrics)
    try:
        public = _listener(hub.public, settings.hub.listen, "hub.listen")
        operators = _listener(hub.operators, settings.hub.admin, "hub.admin")
        stops = _signals()
        await hub.start(after_restore)
    except FilesRefused:
        await hub.close()
        raise
    public.start()
    operators.start()
    watching = [
        asyncio.create_task(watch(metrics, hub.shedding, hub.dispatcher.queued_bytes, hub.memory)),
        asyncio.create_task(hub.store_watch.run()),
    ]
    gc.collect()
    gc.freeze()  # what was built stays: the collector need not walk it again and again
    gc.set_threshold(_YOUNG)
    writer.event("ready", public.address, operators.address, tuple(hub.installed), version())
    writer.flush()
    await stops[0].wait()
    await _stop(hub, stops[1], writer)
    for task in watching:
        task.cancel()
    await public.stop()
    await operators.stop()
    writer.event("stopped")


def _listener(app: Any, address: str, key: str) -> Listener:
    try:
        return Listener(app, address)
    except OSError as error:
        says = f"{address} cannot be taken ({error.strerror}); stop what listens there, or choose another"
        raise FilesRefused([FileFault("hub.toml", key, says)]) from None


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return what the first and what the second signal sets."""
    first, second = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (second if first.is_set() else first).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled)
    return first, second


async def _stop(hub: Hub, at_once: asyncio.Event, writer: LineWriter) -> None:
    writer.event("stopping", hub.patience)
    hub.readiness.stop()
    gently = asyncio.create_task(hub.stop(hub.patience))
    hurry = asyncio.create_task(at_once.wait())
    await asyncio.wait({gently, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not gently.done():
        gently.cancel()  # what is on the wire is found by the crash rules at the next start
        await asyncio.gather(gently, return_exceptions=True)
        await hub.close()
        return
    await gently
