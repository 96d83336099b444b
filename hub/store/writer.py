"""
One writer: what one tick of the event loop brought is committed together, and every member hears of it after COMMIT.

Syncing the disk is what a commit costs, so thirty-two calls that arrive together pay for one. A member is a function
over the batch; `batch.py` is what members share, `sql_store.py` puts the pieces together. A batch that fails is rolled
back whole, then its members run one by one, so that one bad member fails alone.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from hub.clock import Clock
from hub.errors import HubError, Internal, StoreUnavailable
from hub.store.database import Connection, Database

Failpoint = Callable[[str], None]
"""Called as `<name>.before_commit` and `<name>.after_commit` for each kind of member a commit holds: for tests."""

LARGEST = 512
"""Members of one commit at most, so that none waits for an endless one."""
RETRY_AFTER = 5.0


class SharedBatch(Protocol):
    """What the members of one commit write together. `batch.Batch` is one."""

    def finish(self) -> None:
        """Write what is written once per batch, just before COMMIT."""
        ...

    def keep(self) -> None:
        """The batch is on disk: remember what it changed."""
        ...

    def landed(self, connection: Connection) -> bool:
        """Say whether this batch is on disk, read back after a COMMIT that gave no clear answer."""
        ...


class Shelf(Protocol):
    """Where connections and batches come from. `batch.Book` is one."""

    database: Database

    def connect(self) -> Connection:
        """Open the store for writing and load what batches continue from."""
        ...

    def batch(self, connection: Connection, about: Sequence[object] = ()) -> Any:
        """Begin a batch on *connection*, in a transaction that is already open; *about*: of each member that says it."""
        ...


@dataclass(slots=True)
class Member:
    """One thing to write: *act* is called with the batch and *args*; its result goes to *future* after the commit."""

    name: str
    act: Callable[..., Any]
    args: tuple[Any, ...]
    future: "asyncio.Future[Any]"
    about: object = None
    """What it will look at, so that one question serves all members: see `batch.Batch`."""


Ended = tuple[Any, BaseException | None]


class Writer:
    """Runs batches on one connection. Not for two threads at once; `ThreadedLine` and `InlineLine` see to that."""

    def __init__(self, shelf: Shelf, failpoint: Failpoint | None = None) -> None:
        self._shelf = shelf
        self._database = shelf.database
        self._failpoint = failpoint
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Return the connection, opening it when the last one was given up."""
        if self._connection is None:
            self._connection = self._shelf.connect()
        return self._connection

    def run(self, members: Sequence[Member]) -> list[Ended]:
        """Commit *members* together and say how each ended, in order. Never raises."""
        try:
            return self._together(members)
        except _Failed as failed:
            if failed.nothing_begun or (len(members) == 1 and not self._worth_repeating(failed)):
                return [(None, self._told(failed.error))] * len(members)
        ended: list[Ended] = []
        for member in members:
            try:
                ended += self._alone(member)
            except _Failed as failed:
                ended.append((None, self._told(failed.error)))
                if failed.nothing_begun:  # the rest would only wait as long, one after the other
                    return ended + [(None, self._told(failed.error))] * (len(members) - len(ended))
        return ended

    def close(self) -> None:
        """Close the connection. A later `run` would open it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _alone(self, member: Member) -> list[Ended]:
        """Commit one member; once more where another node was in its way, and what that one did is seen now."""
        try:
            return self._together([member])
        except _Failed as failed:
            if not self._worth_repeating(failed):
                raise
        return self._together([member])

    def _worth_repeating(self, failed: "_Failed") -> bool:
        return not failed.nothing_begun and isinstance(failed.error, self._database.again)

    def _together(self, members: Sequence[Member]) -> list[Ended]:
        connection = self._begun()
        try:
            batch = self._shelf.batch(connection, [one.about for one in members if one.about is not None])
            ended = [_act(member, batch) for member in members]
            batch.finish()
            self._pass("before_commit", members)
        except Exception as error:
            lost = self._database.lost(connection)
            self._roll_back(connection)
            raise _Failed(error, nothing_begun=lost) from error
        try:
            connection.execute("COMMIT")
            self._pass("after_commit", members)
        except self._database.failed as error:
            self._read_back(batch, connection, error)
        batch.keep()
        return ended

    def _begun(self) -> Connection:
        """Return the connection with a transaction open; one that was lost while nothing happened is opened anew."""
        kept = self._connection
        try:
            connection = self.connection()
            connection.execute(self._database.begin)
            return connection
        except self._database.failed as error:
            lost = kept is not None and self._database.lost(kept)
            self._give_up()
            if not lost:
                raise _Failed(error, nothing_begun=True) from error
        return self._begun()

    def _read_back(self, batch: SharedBatch, connection: Connection, error: Exception) -> None:
        """Find out what became of a COMMIT that raised; raise `_Failed` when the batch is not on disk."""
        self._roll_back(connection)
        self._give_up()
        try:
            landed = batch.landed(self.connection())
        except self._database.failed as second:
            self._give_up()
            raise _Failed(second, nothing_begun=True) from error
        if not landed:
            raise _Failed(error, nothing_begun=True) from error

    def _roll_back(self, connection: Connection) -> None:
        try:
            if self._database.in_transaction(connection):
                connection.execute("ROLLBACK")
        except self._database.failed:
            self._give_up()

    def _give_up(self) -> None:
        """Drop a connection whose state is unknown; the next batch opens another."""
        try:
            self.close()
        except self._database.failed:
            self._connection = None

    def _told(self, error: Exception) -> HubError:
        if isinstance(error, HubError):
            return error
        if isinstance(error, self._database.refused):
            return Internal(f"the store refused a row: {self._database.says(error)}")
        if isinstance(error, self._database.failed):
            return StoreUnavailable(f"the store did not write: {self._database.says(error)}", retry_after=RETRY_AFTER)
        told = Internal(f"the store failed by a fault of its own: {type(error).__name__}")
        told.__cause__ = error
        return told

    def _pass(self, place: str, members: Sequence[Member]) -> None:
        if self._failpoint is not None:
            for name in sorted({member.name for member in members}):
                self._failpoint(f"{name}.{place}")


class _Failed(Exception):
    """A batch that is not on disk. *nothing_begun*: running members alone would fail the same way."""

    def __init__(self, error: Exception, *, nothing_begun: bool = False) -> None:
        self.error = error
        self.nothing_begun = nothing_begun
        super().__init__(str(error))


def _act(member: Member, batch: SharedBatch) -> Ended:
    try:
        return member.act(batch, *member.args), None
    except HubError as refusal:  # raised before anything was written: the others of the batch do not mind
        return None, refusal


def _tell(members: Sequence[Member], ended: Sequence[Ended]) -> None:
    for member, (result, error) in zip(members, ended, strict=True):
        if member.future.done():  # its caller went away; what was written stays written
            continue
        if error is None:
            member.future.set_result(result)
        else:
            member.future.set_exception(error)


class Line:
    """Collects what one tick of the loop brings. `do` is the only way into the writer."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        *,
        on_commit: Callable[[float, int], None] | None,
        most_waiting: int = 10_000,
    ) -> None:
        self.writer = writer
        self.clock = clock
        self.on_commit = on_commit
        self._most_waiting = most_waiting
        self._waiting = 0
        self._tick: list[Member] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def do(self, name: str, act: Callable[..., Any], *args: Any, about: object = None) -> "asyncio.Future[Any]":
        """
        Run *act* with the batch and *args* in the next commit; the future is done after it. *about*: as of a `Member`.

        The future raises what *act* raised of `HubError`, or `StoreUnavailable` when nothing was written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._closed or self._waiting >= self._most_waiting:
            why = "the store is closed" if self._closed else "too much waits to be written"
            future.set_exception(StoreUnavailable(why, retry_after=RETRY_AFTER))
            return future
        if not self._tick:
            loop.call_soon(self._end_of_tick)
            self._loop = loop
        self._waiting += 1
        self._tick.append(Member(name, act, args, future, about))
        return future

    async def close(self) -> None:
        """Write what waits, then take nothing more. Idempotent."""
        self._closed = True
        self._end_of_tick()
        self.writer.close()

    def _end_of_tick(self) -> None:
        members, self._tick = self._tick, []
        for first in range(0, len(members), LARGEST):
            self._commit(members[first : first + LARGEST])

    def _commit(self, members: list[Member]) -> None:
        """Write in the loop's own thread: for a store in memory, which never waits for a disk."""
        begun = self.clock.monotonic()
        ended = self.writer.run(members)
        self._committed(members, ended, self.clock.monotonic() - begun)

    def _committed(self, members: Sequence[Member], ended: Sequence[Ended], seconds: float) -> None:
        self._waiting -= len(members)
        _tell(members, ended)
        if self.on_commit is not None:
            self.on_commit(seconds, len(members))


class ThreadedLine(Line):
    """A line whose writer has a thread of its own: syncing the disk never stops the loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inbox: SimpleQueue[tuple[list[Member], asyncio.AbstractEventLoop] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._end_of_tick()
            self._inbox.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _commit(self, members: list[Member]) -> None:
        if self._loop is not None:
            self._inbox.put((members, self._loop))

    def _work(self) -> None:
        """Thread: commit all that has come, tell the loop in one call, until told to stop."""
        stopping = False
        while not stopping:
            taken = self._inbox.get()
            if taken is None:
                break
            members, loop = taken
            while len(members) < LARGEST and not self._inbox.empty():
                more = self._inbox.get()
                if more is None:
                    stopping = True
                    break
                members += more[0]
            begun = self.clock.monotonic()
            ended = self.writer.run(members)
            seconds = self.clock.monotonic() - begun
            try:
                loop.call_soon_threadsafe(self._committed, members, ended, seconds)
            except RuntimeError:  # the loop was closed under us: nobody is left to hear
                continue
        self.writer.close()
