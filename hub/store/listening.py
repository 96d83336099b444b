"""
Hearing what other nodes commit: a connection of its own that only listens, in a thread that sleeps until something comes.

What comes while it is lost is lost: so it says `missed` whenever it begins to listen.
"""

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from hub.store.news import heard as understood
from hub.store.protocol import News

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Listener:
    """Listens from `start` to `stop`, over connections that *connect* opens; hears everybody but *node*."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], channel: str, node: str) -> None:
        self._connect = connect
        self._channel = channel
        self._node = node
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._pause = _FIRST_PAUSE
        self._bell, self._ring = socket.socketpair()

    def start(self, loop: asyncio.AbstractEventLoop, heard: Callable[[News], None]) -> None:
        """Listen from now on and call *heard* in *loop*."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(loop, heard), name="store-listener", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Listen no more; returns when the thread has ended. Idempotent."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._ring.close()  # wakes whoever waits on the bell
        if self._thread is not None:
            self._thread.join()
        self._bell.close()

    def _work(self, loop: asyncio.AbstractEventLoop, heard: Callable[[News], None]) -> None:
        def tell(news: News) -> None:
            if not self._stopping.is_set():
                loop.call_soon_threadsafe(heard, news)

        while not self._stopping.is_set():
            try:
                self._listen(tell)
            except Exception:  # whatever it was: a node that hears nothing more lets in whose key was taken back
                if loop.is_closed():  # nobody is left to hear
                    return
                self._wait(self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _listen(self, tell: Callable[[News], None]) -> None:
        """Hand on what comes until the connection is lost."""
        with self._connect() as connection, selectors.DefaultSelector() as selector:
            connection.execute(f"LISTEN {self._channel}")
            tell(News(missed=True))
            self._pause = _FIRST_PAUSE
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._stopping.is_set():
                while (told := connection.pgconn.notifies()) is not None:
                    news = understood(told.extra.decode(), self._node)
                    if news is not None:
                        tell(news)
                selector.select()
                connection.pgconn.consume_input()

    def _wait(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            selector.select(seconds)
