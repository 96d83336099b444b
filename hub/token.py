"""
The token of a route: fetched once for all the lanes that take it, renewed before it ends, or when the gateway refuses it.

Never inside a permit, and never by a lane: a token door that hangs stops nobody whose token is still good. A gateway
gives the same token to all who ask while it is good, so asking early may bring nothing new, and must not be repeated.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from random import Random

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome
from connectors.kit.tokens import Bearer, Token, Tokens
from hub.coordination.protocol import ROUTE, HoldCause
from hub.guards.hold import LONGEST, SHORTEST
from hub.surroundings import Surroundings
from hub.turned_away import WITNESS, Trouble, TurnedAway
from hub.verdicts import name_of

TIMEOUT = 10.0
"""Seconds that a token door may take."""
_GRACE = 1.0
REFUSED = (60.0, LONGEST)
"""Seconds of hold after a refusal, doubling: keys are locked by those who keep trying."""
_FAILED = (1.0, 60.0)
"""Seconds before the next try after a door that did not answer, doubling."""
_JITTER = 0.1
_AHEAD = 60.0
"""Seconds before its end in which a token is renewed, or the last tenth of its life when that is less."""
_PART = 0.1
_LEAST = 5.0
"""Seconds for which a token that just came is used, whatever life it was given: a clock that is off must not make a storm."""


class TokenState(StrEnum):
    """What operators are told of a token."""

    NONE = "none"
    """There was none yet, or it has ended and nobody has needed another."""
    VALID = "valid"
    REFUSED = "refused"
    """The gateway does not take it, or does not take the key that would bring another."""


def pause(seconds: tuple[float, float], times: int, random: Random) -> float:
    """Return how many seconds to wait after having failed *times* before: first and longest of *seconds*, doubling."""
    first, longest = seconds
    return min(longest, first * 2.0 ** min(times, 10)) * (1 + _JITTER * random.random())


class RouteToken:
    """Keeps the token of the route *name*, and puts it on *bearer*."""

    def __init__(
        self,
        name: str,
        source: Tokens,
        bearer: Bearer,
        surroundings: Surroundings,
        lanes: Mapping[str, Callable[[], None]],
    ) -> None:
        """*lanes* of the route, as far as they have joined it, each with what makes it look again; it returns at once."""
        self.generation = 0
        """Rises with every token that differs, and with every one that replaces a refused one."""
        self._address = f"{ROUTE}{name}"
        self._name = name
        self._source = source
        self._bearer = bearer
        self._around = surroundings
        self._lanes = lanes
        self._fetching: asyncio.Task[None] | None = None
        self._until = 0.0
        self._renew_at = 0.0
        self._refused = False
        """The token, or the key, was refused, and no other has come since."""
        self._away = TurnedAway(surroundings.clock)
        self._failures = 0
        self._refusals = 0
        self._fruitless = 0
        self._renewable_at = 0.0
        """Before this moment a refused token is not renewed: the last time that brought the same one again."""
        self._stopped = False

    @property
    def ready(self) -> bool:
        """True: there is a token to send with."""
        return self._until > self._around.clock.monotonic()

    def serves(self, lane: str) -> bool:
        """Return whether *lane* may send now."""
        return self.ready and not self._away.waits(lane)

    @property
    def state(self) -> tuple[TokenState, float | None]:
        """What the token is, and the seconds left of it; None: until it is refused, or there is none."""
        if self.ready:
            left = self._until - self._around.clock.monotonic()
            return TokenState.VALID, left if left < float("inf") else None
        return TokenState.REFUSED if self._refused else TokenState.NONE, None

    def want(self) -> None:
        """Fetch a token now, unless that is under way."""
        if self._fetching is None and not self._stopped:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    def use(self) -> None:
        """Note that a lane sends with the token; near its end another is fetched meanwhile."""
        if self._around.clock.monotonic() >= self._renew_at:
            self.want()

    def proved(self, lane: str, generation: int) -> None:
        """Note that *lane* was served with the token of *generation*."""
        if generation == self.generation and self.ready:
            self._refusals = 0
            if self._away.served(lane):
                self._stir()

    async def refused(self, lane: str, generation: int, *, again: bool) -> bool:
        """
        Note that the gateway refused *lane* the token of *generation*; *again*: the same call for the second time.

        True: others are served with this very token, so it is this lane that has to be held; what the route needs is
        seen to in here.
        """
        if generation != self.generation or not self.ready:
            return False  # somebody said so before
        match self._away.refused(lane, again=again, alone=len(self._lanes) < 2):
            case Trouble.LANE:
                return True
            case Trouble.ROUTE:
                self._drop()
                self._refusals += 1
                await self._hold(self._pause(REFUSED, self._refusals - 1))
            case Trouble.OLD if self._around.clock.monotonic() >= self._renewable_at:
                self._drop()
                self.want()
            case Trouble.WAIT:
                self._stir_after_witness()
        return False

    async def stop(self) -> None:
        """Fetch nothing more, and close the connections."""
        self._stopped = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._source.close()

    def _stir_after_witness(self) -> None:
        # A little later: a timer may fire a hair early, and a lane that looks too soon would look no more.
        asyncio.get_running_loop().call_later(1.01 * WITNESS, self._stir)

    def _stir(self) -> None:
        for stir in self._lanes.values():
            stir()

    def _drop(self) -> None:
        self._until = 0.0
        self._refused = True

    async def _fetch(self) -> None:
        try:
            began = self._around.clock.monotonic()
            told = await self._ask(began)
            if isinstance(told, Token):
                self._take(told, began)
            else:
                await self._failed(told)
        finally:
            self._fetching = None
        self._stir()

    async def _ask(self, began: float) -> Token | Outcome:
        around = self._around
        told: Token | Outcome
        try:
            async with asyncio.timeout(TIMEOUT + _GRACE):
                told = await self._source.fetch(timeout=TIMEOUT)
        except TimeoutError:
            told = InDoubt("timeout")
        except Exception as error:  # the kit may not raise; if it does, the lanes must hear of it all the same
            around.observer.fault("token", error)
            told = Broken("fault")
        seconds = around.clock.monotonic() - began
        outcome, cause = ("answered", "") if isinstance(told, Token) else (name_of(told), getattr(told, "cause", ""))
        around.observer.exchange("", self._address, "token", outcome, "auth", cause, seconds, "")
        return told

    def _take(self, token: Token, began: float) -> None:
        now = self._around.clock.monotonic()
        same = token.value == self._bearer.value
        if self._refused and same:
            self._renewable_at = now + self._pause(_FAILED, self._fruitless)
            self._fruitless += 1
        elif not same:
            self._fruitless = 0
        if self._refused or not same:
            self.generation += 1
            if self._away.another():
                self._stir_after_witness()
        self._bearer.value = token.value
        self._refused = False
        self._failures = 0
        life = float("inf") if token.seconds is None else token.seconds
        self._until = max(began + life, now + _LEAST)
        # The same token again: asking before it ends brings no other.
        self._renew_at = self._until if same else self._until - min(_AHEAD, _PART * life)

    async def _failed(self, told: Outcome) -> None:
        refused = isinstance(told, Answered | Broken)
        wait = self._pause(REFUSED if refused else _FAILED, self._failures)
        if isinstance(told, Busy) and told.retry_after is not None:
            wait = min(LONGEST, max(SHORTEST, told.retry_after)) * (1 + _JITTER * self._around.random.random())
        self._failures += 1
        self._renew_at = self._around.clock.monotonic() + wait
        if not self.ready:
            self._refused = self._refused or refused
            await self._hold(wait)

    def _pause(self, seconds: tuple[float, float], times: int) -> float:
        return pause(seconds, times, self._around.random)

    async def _hold(self, seconds: float) -> None:
        await self._around.coordination.hold(self._address, HoldCause.AUTH, seconds)
        self._around.observer.route_hold(self._name, HoldCause.AUTH.value, seconds)
