"""
The way to Redis: one script, few connections, short patience. The only module that knows the client. Next: `group_clock.py`.

Whatever goes wrong on the way is `Unreached`: gone, slow, full, a replica that may not write, an answer of another kind.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from hub.clock import Clock

_CONNECTIONS = 4
"""For swaps: each road has one under way at a time, and an answer takes less than a millisecond. One more listens."""
_SECONDS = 1.0
"""For which an answer is waited for: a Redis that takes longer is as good as gone."""
_PAUSE = 0.5
"""Seconds before the listening connection is tried again."""
_ALIVE_MS = 5000


class Unreached(Exception):
    """Nothing is known to have been done; `cause` says in one word what stands in the way."""

    def __init__(self, cause: str = "redis") -> None:
        super().__init__(cause)
        self.cause = cause


class RedisEvicts(Exception):
    """This Redis throws keys away when its memory is full, and permits with them."""

    def __init__(self, policy: str) -> None:
        super().__init__(
            f"Redis has maxmemory-policy {policy}: it would forget permits when its memory is full, and more would be "
            "sent than the contracts allow. Set `maxmemory-policy noeviction` in its configuration and start again."
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a swap came to."""

    done: bool
    server: float
    """What Redis's clock showed, in Unix seconds."""
    asked: float
    answered: float
    """Between which two moments of this node's clock it showed that."""
    version: str = ""
    """If not done: what stands there instead; empty: nothing."""
    clock: bytes = b""
    state: bytes = b""


class Link:
    """Connections of one node to one Redis. Never raises anything but `Unreached`, except where said."""

    def __init__(
        self, address: str, clock: Clock, prefix: str, node: str, server_time: Callable[[], float] | None = None
    ) -> None:
        """
        *prefix* begins every key and channel; *node* is this process and no other, ever.

        *server_time* takes the place of Redis's own clock, for tests under a clock that they move.
        """
        self._clock = clock
        self._server_time = server_time
        self._node = node
        self.prefix = prefix
        """Begins every key and channel; of one hub, and no other."""
        self._script = files("hub.coordination").joinpath("swap.lua").read_text("utf-8")
        self._sha = sha1(self._script.encode()).hexdigest()  # noqa: S324 - how Redis names scripts
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            address, max_connections=_CONNECTIONS + 1, timeout=_SECONDS, socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS, retry=Retry(NoBackoff(), 0), protocol=2,
        )  # fmt: skip
        self._redis: Redis = Redis.from_pool(pool)
        self._answered_at = clock.monotonic()
        self.cycle = 0
        """Part of every key: a new one makes all roads begin anew."""
        self.reaches = False
        """Whether the last that was asked of Redis was done."""
        self.changed: Callable[[], None] = lambda: None
        """Called when `reaches` changes."""

    async def swap(
        self, key: str, old: str, new: str, clock: bytes, state: bytes, seconds: float, says: Sequence[tuple[str, str]]
    ) -> Reply:
        """
        Set what *key* holds, if its version is still *old*; keep it for *seconds*, and say what there is to say.

        With *new* empty only ask. *says*: channels of `channel` and `everywhere`, and what is said there.
        """
        said = [part for pair in says for part in pair]
        asked = self._clock.monotonic()
        arguments = (1, f"{self.prefix}{self.cycle}:{{{key}}}", old, new, clock, state, int(1000 * seconds), *said)
        answer = await self._ask(lambda: self._run(arguments))
        answered = self._clock.monotonic()
        try:
            server = int(answer[1]) + int(answer[2]) / 1e6 if self._server_time is None else self._server_time()
            if answer[0] == 1:
                if new:
                    self._reached(True)
                return Reply(True, server, asked, answered)
            return Reply(False, server, asked, answered, answer[3].decode(), answer[4], answer[5])
        except (IndexError, TypeError, ValueError, AttributeError) as strange:
            self._reached(False)
            raise Unreached from strange

    @property
    def quiet(self) -> float:
        """Seconds since Redis last answered anything."""
        return self._clock.monotonic() - self._answered_at

    async def try_again(self) -> None:
        """
        Find out whether Redis does what it is asked, writing included.

        Raises:
            RedisEvicts: It would forget permits.
            Unreached: It does not.
        """
        memory: Any = await self._ask(lambda: self._redis.info("memory"))
        policy = memory.get("maxmemory_policy", "") if isinstance(memory, dict) else ""
        if policy and policy != "noeviction":
            self._reached(False)
            raise RedisEvicts(policy)
        await self._ask(lambda: self._redis.set(f"{self.prefix}alive:{self._node}", 1, px=_ALIVE_MS))
        self._reached(True)

    def channel(self, node: str) -> str:
        """Return the channel on which *node* hears which of its lanes may ask again."""
        return f"{self.prefix}wake:{node}"

    @property
    def everywhere(self) -> str:
        """The channel on which all nodes hear of which road something changed that none may miss."""
        return f"{self.prefix}changed"

    async def listen(self, began: Callable[[], None], heard: Callable[[str, str], None]) -> None:
        """
        Call *heard* with channel and what is said on it, for ever; *began* each time that it can be heard from then on.
        """
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channels:
                    await channels.subscribe(self.channel(self._node), self.everywhere)
                    began()
                    while True:
                        message = await channels.get_message(timeout=None)
                        if message is not None and message["type"] == "message":
                            heard(*(bytes(message[part]).decode("utf-8", "replace") for part in ("channel", "data")))
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(_PAUSE)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()

    async def _run(self, arguments: tuple[Any, ...]) -> Any:
        try:
            return await self._redis.evalsha(self._sha, *arguments)
        except NoScriptError:  # it was restarted, or another took its place
            return await self._redis.eval(self._script, *arguments)

    async def _ask(self, what: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(2 * _SECONDS):
                answer = await what()
                self._answered_at = self._clock.monotonic()
                return answer
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self._reached(False)
            raise Unreached from error

    def _reached(self, reached: bool) -> None:
        if reached is not self.reaches:
            self.reaches = reached
            self.changed()
