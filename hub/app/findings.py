"""
What is wrong with a hub just now, in sentences for an operator: what, since when, what to do. `build.py` puts it together.

`hub doctor` shows it and `GET /admin/v1/findings` tells it; what was never well is no finding here but a refusal to start.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hub.app.nodes import Group
from hub.app.restoring import OPTION
from hub.clock import Clock
from hub.coordination.epochs import JOINING, Phase
from hub.heartbeat import NodeView
from hub.pressure import Pressure
from hub.surroundings import moment

_SHARES = "each node keeps to its share of every contract until all nodes reach it again"
_ALONE = "this node grants nothing until it reaches it or all nodes know; nodes that do reach it go on"
_NOT_RUNNING = "a hub that is started now would not count in it"
_PHASES = {
    Phase.REDIS: "until all nodes have agreed to count in Redis",
    Phase.LEAVING: "while the nodes go from Redis to shares",
    Phase.SHARES: "until the nodes have agreed who shares",
    Phase.RETURNING: "while the nodes go back from shares to Redis",
}


class Finding(NamedTuple):
    """Something that an operator should know."""

    where: str
    says: str
    do: str
    since: float | None = None
    """Unix seconds; None: nobody knows."""


class Findings:
    """One process's view. It serves from `serve` on; before that, its doors stand over the store of a hub that does not run."""

    def __init__(
        self,
        pressure: Pressure,
        clock: Clock,
        copied: float | None,
        group: Group | None,
        nodes: Callable[[], Sequence[NodeView]],
        settled: Sequence[Finding] = (),
    ) -> None:
        """
        *copied*: when the store was copied, if it is a copy; *group* is None where one process serves the store.

        *settled*: what the settings leave out, which stays so until the next start.
        """
        self._pressure = pressure
        self._clock = clock
        self._copied = copied
        self._group = group
        self._nodes = nodes
        self._settled = settled
        self._serving = False

    def serve(self) -> None:
        """Note that this process serves its store from now on."""
        self._serving = True

    def all(self) -> list[Finding]:
        """Return what is wrong now, the store first: without it nothing goes."""
        return [*self._store(), *self._dead(), *self._counting(), *self._settled]

    def _store(self) -> Iterator[Finding]:
        if self._pressure.reason:
            yield Finding("store", self._pressure.reason, "see `When the store is short` in the guide")
        if self._copied is not None and not self._serving:
            says = f"it is a copy of {moment(self._copied)} that no hub has served yet"
            yield Finding(
                "store", says, f"start it once with `hub serve {OPTION} {moment(self._copied)}`", self._copied
            )

    def _dead(self) -> Iterator[Finding]:
        for node in self._nodes():
            if not node.alive:
                yield Finding(
                    f"node {node.node}",
                    "it is dead: it says nothing any more; the nodes that live take over what it had leased",
                    "start it again; if it is gone for good, do nothing: it is forgotten after a day",
                    node.heard_at,
                )

    def _counting(self) -> Iterator[Finding]:
        if self._group is None:
            return
        permits, epochs = self._group.permits, self._group.epochs
        trouble = permits.trouble
        mode = permits.mode if self._serving else ""
        if trouble is not None:
            meanwhile = {"shares": _SHARES, "none": _ALONE}.get(mode, _NOT_RUNNING)
            yield Finding("redis", f"{trouble.says}; {meanwhile}", trouble.do, trouble.since)
        if mode == "none" and (trouble is None or epochs.phase is not Phase.REDIS):
            joining = epochs.epoch == JOINING
            yield Finding(
                "permits",
                f"nobody grants here {'until this node has heard of the others' if joining else _PHASES[epochs.phase]}",
                "wait some seconds, a minute where a route has calls_per_minute; if it lasts, see `Who grants permits` in the guide",
                self._clock.now() - permits.idle_seconds,
            )
