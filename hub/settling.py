"""
Writing how exchanges ended, until it is written. Read `store/protocol.py` for what a settle promises.

An end that cannot be written is the one thing a hub may not forget: it stays in memory and is tried again, and the
lane grants nothing while too many of them wait.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hub.errors import StoreUnavailable
from hub.store.protocol import Settled, Settlement
from hub.surroundings import Surroundings

_FIRST = 0.5
_LONGEST = 10.0
_NO_FILES: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Unwritten:
    settlement: Settlement
    written: Callable[[Settled], None]
    files: Mapping[str, bytes]
    holder: str


class Settling:
    """The ends of one lane's exchanges. *stir* is told when one that waited is written at last."""

    def __init__(self, surroundings: Surroundings, stir: Callable[[], None]) -> None:
        self._around = surroundings
        self._stir = stir
        self._unwritten: dict[str, _Unwritten] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._unwritten)

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._unwritten

    async def write(
        self,
        settlement: Settlement,
        written: Callable[[Settled], None],
        files: Mapping[str, bytes] = _NO_FILES,
        holder: str = "",
    ) -> bool:
        """
        Write *settlement* and call *written* with what became of it; False if that will happen later.

        First the *files* (id -> content) that its answer names are stored for *holder*. *written* must not raise; it runs after the commit, exactly once, unless the process ends first.
        """
        unwritten = _Unwritten(settlement, written, files, holder)
        try:
            settled = await self._write(unwritten)
        except StoreUnavailable as error:
            self._around.observer.fault("settle", error)
            self._keep(unwritten)
            return False
        written(settled)
        return True

    def keep(self, settlement: Settlement, written: Callable[[Settled], None]) -> None:
        """Write *settlement* as soon as the store answers again."""
        self._keep(_Unwritten(settlement, written, _NO_FILES, ""))

    def _keep(self, unwritten: _Unwritten) -> None:
        self._unwritten[unwritten.settlement.call_id] = unwritten
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._retry())

    async def stop(self) -> None:
        """Stop trying; what is not written is found as `sending` at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self, unwritten: _Unwritten) -> Settled:
        if unwritten.files:
            await self._around.files.keep(unwritten.files, unwritten.holder)
        return await self._around.store.settle(unwritten.settlement)

    async def _retry(self) -> None:
        wait = _FIRST
        while self._unwritten:
            await asyncio.sleep(wait * (0.5 + 0.5 * self._around.random.random()))
            for call_id, unwritten in list(self._unwritten.items()):
                try:
                    settled = await self._write(unwritten)
                except StoreUnavailable:
                    wait = min(_LONGEST, 2 * wait)
                    break
                wait = _FIRST
                del self._unwritten[call_id]
                unwritten.written(settled)
                self._stir()
