"""
The session of a lane: logged in once for all its calls, on a permit of its own, and refreshed when the agency refuses it.

Never inside another permit: with one call at once, a call that held the permit while logging in would wait for itself.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from connectors.kit.outcomes import Answered, Busy, InDoubt, Outcome, Result, StaleCredentials
from hub.call import Class
from hub.coordination.protocol import STALE, UNSENT, HoldCause, Permit, Wanted
from hub.surroundings import Bound, Surroundings, moment
from hub.token import RouteToken
from hub.turned_away import let_through
from hub.verdicts import name_of

_REFUSED = (60.0, 900.0)
"""Seconds of hold after a refusal, doubling: accounts are locked by those who keep trying."""
_FAILED = (1.0, 60.0)
"""Seconds of hold after a log-in that did not come through."""
_JITTER = 0.1


class LoggingIn:
    """Credentials of one lane."""

    def __init__(self, agency: Bound, surroundings: Surroundings, token: RouteToken | None = None) -> None:
        """*token*: what the lane's route needs besides, and for which the log-in itself may be refused."""
        self.operation = next((name for name, known in agency.operations.items() if known.kind == "login"), None)
        """The operation that logs in; None: this agency needs no session."""
        self.values: Mapping[str, str] = MappingProxyType({})
        self.generation = 0
        """Rises with every log-in that succeeded."""
        self._agency = agency
        self._timeout = agency.contract.call_timeout
        self._around = surroundings
        self._token = token
        self._turned_away = 0
        self._known = self.operation is None
        self._proven = False
        self._in_a_row = 0

    @property
    def needed(self) -> bool:
        """True: nothing can be sent before somebody logs in."""
        return not self._known

    def wanted(self) -> Wanted:
        """Return the wish for the log-in's own permit."""
        return Wanted(self.operation or "", Class.COUNTER, harmless=True)

    async def log_in(self, permit: Permit) -> None:
        """Log in once under *permit*; a failure holds the lane, cause `auth`, for longer each time."""
        around = self._around
        began = around.clock.monotonic()
        under = self._token.generation if self._token else 0
        told: Mapping[str, str] | Outcome | StaleCredentials = InDoubt("cut")
        back: Outcome | str = UNSENT
        try:
            if not await around.coordination.leave(permit, math.inf):
                return  # nobody can say that it may: it is asked for anew
            began = around.clock.monotonic()
            back = InDoubt("cut")  # what is true if we are cancelled from here on
            sources = {"exchange.id": around.new_id(), "exchange.at": moment(around.clock.now())}
            told = await self._agency.log_in(sources, timeout=self._timeout)
            ended = Answered(Result.OK) if isinstance(told, Mapping) else told
            back = STALE if isinstance(ended, StaleCredentials) else ended
        except Exception as error:  # a connector may not raise
            ended = told = InDoubt("cut")
            around.observer.fault("connector", error)
        finally:
            seconds = around.clock.monotonic() - began
            await around.coordination.release(permit, back, seconds)
        around.observer.exchange(
            "", permit.lane, permit.operation, name_of(ended), "auth", getattr(ended, "cause", ""), seconds, ""
        )
        if isinstance(told, Mapping):
            self.values = MappingProxyType(
                {f"auth.{name.removeprefix('auth.')}": value for name, value in told.items()}
            )
            self.generation += 1
            self._known, self._proven = True, False
        elif not (isinstance(told, Busy) or await self._stale_on_the_road(permit.lane, told, under)):
            await self._hold(permit.lane, _REFUSED if isinstance(told, Answered | StaleCredentials) else _FAILED)
        if self._token is not None and let_through(ended):
            self._turned_away = 0
            self._token.proved(permit.lane, under)

    async def _stale_on_the_road(self, lane: str, told: Outcome | StaleCredentials, under: int) -> bool:
        """Return whether the gateway stopped the log-in for a token that the route sees to."""
        if self._token is None or not isinstance(told, StaleCredentials):
            return False
        self._turned_away += 1
        return not await self._token.refused(lane, under, again=self._turned_away > 1)

    async def refused(self, lane: str, generation: int, *, again: bool) -> None:
        """
        Note that an exchange under *generation* had its credentials refused; *again*: the same call for the second time.

        The first refusal asks for a new log-in. Refused again, or before the session ever served: hold, cause `auth`.
        """
        if generation < self.generation:
            return  # somebody has logged in since
        if self.operation is None or again or not self._proven:
            await self._hold(lane, _REFUSED)
        self._known = self.operation is None

    def proved(self, generation: int) -> None:
        """Note that the agency accepted the credentials of *generation*."""
        if generation == self.generation:
            self._proven = True
            self._in_a_row = 0

    async def _hold(self, lane: str, seconds: tuple[float, float]) -> None:
        first, longest = seconds
        wait = min(longest, first * 2.0 ** min(self._in_a_row, 10)) * (1 + _JITTER * self._around.random.random())
        self._in_a_row += 1
        await self._around.coordination.hold(lane, HoldCause.AUTH, wait)
        self._around.observer.hold(lane, HoldCause.AUTH.value, wait)
