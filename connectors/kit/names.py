"""
Name resolution for one lane, in threads of its own: a dead name server slows one lane and no other. Used by `http.py`.

The system's resolver may block for half a minute. Two threads per lane bound what that costs, one look-up per name
is under way at a time, and the last good addresses serve when a look-up fails or is slow.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

LookUp: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]
"""Has the signature of `socket.getaddrinfo`, which is what production uses."""

FRESH_SECONDS = 60.0
"""How long addresses are used without asking again: agencies move by changing a record with a TTL of minutes."""
PATIENCE_SECONDS = 1.0
"""How long a call waits for a new answer while last good addresses are at hand."""
LONGEST_WAIT_SECONDS = 5.0
"""How long a call waits when no address was ever known: what `resolv.conf` gives one server by default."""


@dataclass(frozen=True, slots=True)
class Address:
    """One numeric address of a host, ready to connect to."""

    family: int
    host: str
    port: int


class NotResolved(OSError):
    """No address is known for this host. Look at the address in the settings, then at the name server."""


@dataclass(slots=True)
class _Known:
    addresses: list[Address]
    until: float


class Names:
    """Addresses of hosts, fresh where possible, last known where not."""

    def __init__(
        self,
        look_up: LookUp = socket.getaddrinfo,
        *,
        fresh: float = FRESH_SECONDS,
        patience: float = PATIENCE_SECONDS,
        longest_wait: float = LONGEST_WAIT_SECONDS,
    ) -> None:
        self._look_up = look_up
        self._fresh = fresh
        self._patience = patience
        self._longest_wait = longest_wait
        self._threads: ThreadPoolExecutor | None = None
        self._known: dict[tuple[str, int], _Known] = {}
        self._running: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """
        Return addresses of *host*, newest first known; waits at most *longest_wait* seconds.

        Raises:
            NotResolved: The look-up failed or took too long, and no earlier answer is at hand.
        """
        key = (host, port)
        now = asyncio.get_running_loop().time()
        known = self._known.get(key)
        if known is not None and now < known.until:
            return known.addresses
        running = self._running.get(key) or self._start(key)
        await asyncio.wait([running], timeout=self._longest_wait if known is None else self._patience)
        if running.done() and running.exception() is None:
            return running.result()
        if known is None:
            raise NotResolved(
                f"no address for {host!r}: {'the look-up failed' if running.done() else 'no answer in time'}"
            )
        # Serve from memory for a while, or every call of the lane would wait out the patience again.
        known.until = asyncio.get_running_loop().time() + self._fresh / 6
        return known.addresses

    def doubt(self) -> None:
        """Ask again before the next connection: the addresses we have did not take one."""
        for known in self._known.values():
            known.until = 0.0

    def close(self) -> None:
        """Let go of the threads without waiting for a look-up that hangs."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _start(self, key: tuple[str, int]) -> asyncio.Future[list[Address]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix="names")
        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(loop.run_in_executor(self._threads, _addresses, self._look_up, *key))
        self._running[key] = running
        running.add_done_callback(lambda done: self._ended(key, done, loop.time()))
        return running

    def _ended(self, key: tuple[str, int], done: asyncio.Future[list[Address]], now: float) -> None:
        self._running.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self._known[key] = _Known(done.result(), now + self._fresh)


def _addresses(look_up: LookUp, host: str, port: int) -> list[Address]:
    found = look_up(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    addresses = [Address(family, str(where[0]), int(where[1])) for family, _, _, _, where in found]
    if not addresses:
        raise NotResolved(f"no address for {host!r}")
    return addresses
