"""Callers who wait for a durable call, by call id; `dispatcher.py` lets them wait, `endings.py` wakes them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.call import Reply


class Waiters:
    """Futures of waiting callers. A call that nobody waits for costs nothing."""

    def __init__(self, news: Callable[[], None] = lambda: None) -> None:
        """*news* is told, too, whenever a call has entered a state that lasts; it must return at once."""
        self._news = news
        self._futures: dict[str, list[asyncio.Future[Reply | None]]] = {}

    @contextmanager
    def waiting(self, call_id: str) -> Iterator[asyncio.Future[Reply | None]]:
        """Give a future of *call_id*'s next lasting state; begin before reading the store, or a wake-up is missed."""
        future: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        futures = self._futures.setdefault(call_id, [])
        futures.append(future)
        try:
            yield future
        finally:
            futures.remove(future)
            if not futures and self._futures.get(call_id) is futures:
                del self._futures[call_id]

    def waited_for(self) -> list[str]:
        """Return the ids of all calls that somebody waits for."""
        return list(self._futures)

    def wake(self, call_id: str, reply: Reply | None) -> None:
        """Tell everybody who waits for *call_id*; None: look into the store."""
        self._news()
        for future in self._futures.get(call_id, ()):
            if not future.done():
                future.set_result(reply)
