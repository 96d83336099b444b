"""
The way to Redis: one script, few connections, short patience. The only module that knows the client. Next: `group_clock.py`.

Whatever goes wrong on the way is `Unreached`: gone, slow, full, a replica that may not write, an answer of another kind.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionError_
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from hub.clock import Clock

_CONNECTIONS = 4
"""For swaps: each road has one under way at a time, and an answer takes less than a millisecond. One more listens."""
_SECONDS = 1.0
"""For which an answer is waited for: a Redis that takes longer is as good as gone."""
_PAUSE = 0.5
"""Seconds before the listening connection is tried again."""
_ALIVE_MS = 5000
_ALONE_MS = 20
"""For which a node that insists is waited for: some swaps, so that one that died meanwhile costs the others little."""
_POLICY = 60.0
"""Seconds between two looks at what Redis would do when its memory is full."""
_WHY = (
    (("READONLY", "ReadOnly"), "it may not be written: it is a replica", "name the primary in hub.redis"),
    (("OOM", "OutOfMemory"), "its memory is full", "give it more; a hub needs some megabytes"),
    (("NOAUTH", "Authentication"), "it does not take the password", "correct the address of hub.redis"),
    (("NOPERM", "NoPermission"), "its user may do too little", "let that user run scripts, and write keys of `hub:`"),
    (("LOADING", "BusyLoading"), "it still reads what it had on disk", "wait until it has"),
)
"""By what Redis says: what is wrong, and what to do."""


class Unreached(Exception):
    """Nothing is known to have been done; `cause` says in one word what stands in the way."""

    def __init__(self, cause: str = "redis") -> None:
        super().__init__(cause)
        self.cause = cause


class Trouble(NamedTuple):
    """Why Redis cannot be used, for an operator."""

    says: str
    do: str
    since: float
    """Unix seconds."""


class RedisEvicts(Exception):
    """This Redis throws keys away when its memory is full, and permits with them."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
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
    ours: bool = False
    """If not done: nobody else may set it just now."""


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
        self._checked_at = -_POLICY
        self.trouble: Trouble | None = None
        """Why it is not reached, if it was tried and is not."""
        self.cycle = 0
        """Part of every key: a new one makes all roads begin anew."""
        self.reaches = False
        """Whether the last that was asked of Redis was done."""
        self.changed: Callable[[], None] = lambda: None
        """Called when `reaches` changes."""

    async def swap(
        self,
        key: str,
        old: str,
        new: str,
        clock: bytes,
        state: bytes,
        seconds: float,
        says: Sequence[tuple[str, str]],
        *,
        insists: bool = False,
    ) -> Reply:
        """
        Set what *key* holds, if its version is still *old*; keep it for *seconds*, and say what there is to say.

        With *new* empty only ask. *says*: channels of `channel` and `everywhere`, and what is said there. *insists*: if
        others are first this time, nobody but this node may set it for a moment.
        """
        said = [part for pair in says for part in pair]
        asked = self._clock.monotonic()
        who, alone = self._node if new else "", _ALONE_MS if insists else 0
        arguments = (
            1, f"{self.prefix}{self.cycle}:{{{key}}}", old, new, clock, state, int(1000 * seconds), who, alone, *said,
        )  # fmt: skip
        answer = await self._ask(lambda: self._run(arguments))
        answered = self._clock.monotonic()
        try:
            server = int(answer[1]) + int(answer[2]) / 1e6 if self._server_time is None else self._server_time()
            if answer[0] == 1:
                if new:
                    self._reached(True)
                return Reply(True, server, asked, answered)
            ours = bool(who) and answer[6].decode() == who
            return Reply(False, server, asked, answered, answer[3].decode(), answer[4], answer[5], ours)
        except (IndexError, TypeError, ValueError, AttributeError) as strange:
            self._unreached(
                "it answers in another way than a Redis does", "look what listens at the address of hub.redis"
            )
            raise Unreached from strange

    @property
    def quiet(self) -> float:
        """Seconds since Redis last answered anything."""
        return self._clock.monotonic() - self._answered_at

    @property
    def unchecked(self) -> bool:
        """Whether nobody has looked for long what Redis does when its memory is full: somebody may have set it anew."""
        return self._clock.monotonic() - self._checked_at >= _POLICY

    async def try_again(self) -> None:
        """
        Find out whether Redis does what it is asked, writing included.

        Raises:
            RedisEvicts: It would forget permits.
            Unreached: It does not.
        """
        memory: Any = await self._ask(lambda: self._redis.info("memory"))
        policy = memory.get("maxmemory_policy", "") if isinstance(memory, dict) else ""
        self._checked_at = self._clock.monotonic()
        if policy and policy != "noeviction":
            self._unreached(f"its maxmemory-policy is {policy}: it would forget permits", "set it to `noeviction`")
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
            self._unreached(*_why(error))
            raise Unreached from error

    def _unreached(self, says: str, do: str) -> None:
        """Note why; *since* stays as long as nothing is reached in between, whatever the reason becomes."""
        since = self.trouble.since if self.trouble is not None else self._clock.now()
        self.trouble = Trouble(says, do, since)
        self._reached(False)

    def _reached(self, reached: bool) -> None:
        if reached:
            self.trouble = None
        if reached is not self.reaches:
            self.reaches = reached
            self.changed()


def _why(error: Exception) -> tuple[str, str]:
    """Return what is wrong and what to do, without a word of the address."""
    told = f"{type(error).__name__} {error}"
    for words, says, do in _WHY:
        if any(word in told for word in words):
            return says, do
    if isinstance(error, TimeoutError | RedisTimeout):
        return f"it does not answer within {_SECONDS:g} s", "look what keeps its machine, or the way there, busy"
    if isinstance(error, OSError | ConnectionError_):
        return "it cannot be reached", "start it, or look at the way there"
    return f"it refuses what it is asked ({type(error).__name__})", "look into its log"
