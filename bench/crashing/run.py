"""
One run of an installation to which things are done: a played agency, the installation before it, and its callers. Start here.

`node.py` is one process, `cluster.py` the installation, `traffic.py` its callers, `history.py` the promises.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.crashing.cluster import AGENCY, CONTRACT, Cluster, Form
from bench.crashing.history import Contract, History, broken
from bench.crashing.node import Node, until
from bench.crashing.traffic import Traffic
from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.server import Play, Sandbox

TROUBLE = (
    Fault(fault="reset_after", rate=0.02),
    Fault(fault="reset_before", rate=0.02),
    Fault(fault="hang", rate=0.02, seconds=5.0),
    Fault(fault="429", rate=0.01, retry_after="1"),
    Fault(fault="latency", rate=0.2, seconds=0.8),
    Fault(fault="latency", rate=0.4, seconds=0.1),
)
"""How an agency of this country behaves on an ordinary day."""


@dataclass(slots=True)
class Run:
    """Everything of one run."""

    sandbox: Sandbox
    cluster: Cluster
    traffic: Traffic

    @property
    def node(self) -> Node:
        """The first node, the one to which things are done."""
        return self.cluster.nodes[0]

    def misbehave(self, *faults: Fault) -> None:
        """Let the agency have *faults*, and no others, from now on."""
        self.sandbox.behave(AGENCY)
        for fault in faults:
            self.sandbox.misbehave(AGENCY, fault)

    def arrived(self, operation: str, subject: str) -> int:
        """Return how often *operation* about *subject* came to the agency's door so far."""
        return sum((one.operation, one.key) == (operation, subject) for one in self.sandbox.arrivals.of(AGENCY))

    def done(self, operation: str) -> int:
        """Return how often the agency has done *operation* so far."""
        return sum(one.operation == operation and one.processed for one in self.sandbox.arrivals.of(AGENCY))

    def answered(self) -> int:
        """Return how many answers callers have heard so far."""
        return sum(one.state == "answered" for one in self.traffic.heard)

    def unwritable(self) -> int:
        """Return how often callers were told so far that the store cannot be written."""
        return sum(one.code == "store.unavailable" for one in self.traffic.heard)

    async def served(self, more: int) -> None:
        """Wait until *more* answers than so far have been heard."""
        enough = self.answered() + more
        await until(lambda: self.answered() >= enough, "service")

    async def refused(self, more: int) -> None:
        """Wait until callers were told *more* times than so far that the store cannot be written."""
        enough = self.unwritable() + more
        await until(lambda: self.unwritable() >= enough, "honest refusals")

    async def ends_well(self, *, all_written: bool = True, restarting: bool = True) -> History:
        """Let the agency be well, let everything come to rest, and fail if any promise was broken."""
        self.misbehave()
        if restarting:
            await asyncio.gather(*(node.start() for node in self.cluster.nodes if not node.lives))
        history = await self.traffic.end(all_written=all_written)
        faults = broken(history)
        assert not faults, "\n".join(faults)
        return history


@asynccontextmanager
async def running(
    folder: Path, form: Form, servers: Mapping[str, str], contract: Contract = CONTRACT, seed: int = 1
) -> AsyncIterator[Run]:
    """Make a run in *folder*, on *servers* that run; its nodes are not started yet, and are ended in the end."""
    began, since = time.time(), time.monotonic()

    def now() -> float:
        """Wall time that never steps."""
        return began + time.monotonic() - since

    source = find_connectors()[AGENCY]
    settings = {
        name: f"made-up-{name}" if one.default is None else one.default
        for name, one in load_manifest(source).settings.items()
    }
    play = Play(AGENCY, source, settings)
    sandbox = Sandbox([play], now=now, chance=Random(seed))
    await sandbox.start()
    cluster = Cluster(folder, form, play, servers, contract)
    traffic = Traffic(cluster, sandbox, now, seed)
    try:
        yield Run(sandbox, cluster, traffic)
    finally:
        await traffic.close()
        await cluster.close()
        await sandbox.stop()
