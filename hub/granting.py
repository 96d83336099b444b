"""
Who goes now: takes turns from the line as permits come, and says no to those whose time will end first.

One task per lane. It sleeps until somebody stirs it: a call that joined, a permit that came back, the end of a wait.
"""

import asyncio
import math
from typing import TYPE_CHECKING

from hub.backlog import SWEEP
from hub.call import State
from hub.coordination.protocol import NOBODY_GRANTS, UNSENT, HoldCause, Permit, Wait
from hub.errors import LaneWaitTooLong
from hub.guards.retry import STOPPED
from hub.line import Line
from hub.logging_in import LoggingIn
from hub.refusals import by_wait
from hub.surroundings import Surroundings
from hub.turn import Place, Turn, Wish

if TYPE_CHECKING:
    from hub.lane import Lane

_SHORT = 1.0
"""Seconds that a leased call waits here; giving it back and leasing it again costs more than such a wait."""
_LEAST = 0.0005
"""Seconds between two looks: what is left of a wait may be less than the clock can show, and would never be over."""
_SAME = 0.01
"""Seconds by which two ends of a wait may differ and be the same."""
_BY_A_PERSON = frozenset({HoldCause.OPERATOR, HoldCause.MAINTENANCE, STOPPED})
"""Causes of waits that nothing in the lane ends."""
_STOPS = frozenset({"hold", "breaker", "day", NOBODY_GRANTS})
"""Guards that stop a whole lane for a while; the others only make it wait its turn."""
_WHOEVER_ASKS = frozenset({"hold", "breaker"})
"""Guards that stop an operation; the others make one class, a repeat, or a call with little time wait."""


class Granting:
    """The loop of one lane."""

    def __init__(self, lane: "Lane", line: Line, session: LoggingIn, surroundings: Surroundings) -> None:
        self._lane = lane
        self._line = line
        self._session = session
        self._around = surroundings
        self._woken = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop: asyncio.Task[None] | None = None
        self._logging_in = False
        self._stopped = False
        self._stopped_by = ""
        """The guard that stopped the whole lane, until something goes again."""
        self._told: dict[Wish, tuple[float, int]] = {}
        """Wishes that have to wait: until when, and the number of the last turn that was looked at for it."""

    def start(self) -> None:
        """Begin to grant."""
        self._loop = asyncio.get_running_loop().create_task(self._serve())

    async def stop(self) -> None:
        """Grant nothing more."""
        self._stopped = True
        self.stir()
        if self._loop is not None:
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()

    def stir(self) -> None:
        """Look whether something can go now."""
        self._woken.set()

    async def _serve(self) -> None:
        while not self._stopped:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._grant()
            except Exception as error:  # a lane that stops granting is the worst that can happen; say so and go on
                self._around.observer.fault("lane", error)
                asyncio.get_running_loop().call_later(1.0, self.stir)

    async def _grant(self) -> None:
        aside: list[Turn] = []
        waits: dict[Wish, Wait] = {}
        """What stands in the way of one wish: nobody behind it need ask again."""
        blocked: Wait | None = None
        granted = False
        try:
            while not (blocked or self._stopped) and len(self._lane.settling) < self._lane.contract.calls_at_once:
                pace = self._around.coordination.pace(self._lane.name)
                if self._line and not self._on_its_way():
                    if (blocked := self._no_token()) is None:
                        break
                    continue
                if self._session.needed and self._line:
                    if self._logging_in:
                        break
                    blocked = await self._log_in()
                    continue
                turn = self._line.take(pace.at_once, ramping=pace.ramping, without=waits)
                if turn is None:
                    break
                if self.too_late(turn):
                    continue
                aside.append(turn)
                wait = await self._claim(turn)
                granted = granted or wait is None
                if wait is not None and wait.whole:
                    blocked = wait
                elif wait is not None:
                    if turn.place is Place.CLAIMING and not self._stays(turn, wait):
                        turn.place = Place.GONE
                    if wait.guard != "deadline":
                        waits[turn.wish] = wait
                        self._tell_others(turn.wish, wait)
                if turn.place is not Place.CLAIMING:
                    aside.pop()
        finally:
            for turn in reversed(aside):
                self._line.put_back(turn)
        if granted:
            self._tell_in_vain()
        if blocked is not None and blocked.guard == NOBODY_GRANTS:
            self._lane.backlog.rest(blocked.seconds or SWEEP)
        if blocked is not None:
            self._stopped_by = blocked.guard if blocked.guard in _STOPS else ""
            self._turn_away(blocked)
        every = [*waits.values(), *((blocked,) if blocked is not None else ())]
        self._wake_in(min((wait.seconds or SWEEP for wait in every), default=None))
        self._lane.backlog.fill()

    def _on_its_way(self) -> bool:
        """Return whether the route has what every exchange must wear."""
        token = self._lane.route.token if self._lane.route is not None else None
        return token is None or token.serves(self._lane.name)

    def _no_token(self) -> Wait | None:
        """Ask for the route's token, which stirs this lane when it has come. Or return the stop that is in its way."""
        stop = self._around.coordination.stopped(self._lane.name, "")
        token = self._lane.route.token if self._lane.route is not None else None
        if stop is None and token is not None and not token.ready:  # else another lane tries it first
            token.want()
        return stop

    def _tell_others(self, wish: Wish, wait: Wait) -> None:
        """Look through those who have the same *wish*, once for each end of a *wait*, and then only at who came since."""
        end = math.inf if wait.seconds is None else self._around.clock.monotonic() + wait.seconds
        before, since = self._told.get(wish, (end, 0))
        if not math.isclose(before, end, abs_tol=_SAME):
            since = 0
        self._told[wish] = (end, self._line.joined)
        for turn in self._line.alike(wish, since):
            if not self._stays(turn, wait):
                self._line.leave(turn)

    async def _claim(self, turn: Turn) -> Wait | None:
        """Send *turn* if it gets a permit; else return what it has to wait for, with the turn still `CLAIMING`."""
        wanted = turn.wanted(self._around.clock.monotonic())
        (got,) = await self._around.coordination.claim(self._lane.name, [wanted])
        if isinstance(got, Wait):
            if got.probe:
                self._lane.own.try_ground(got.probe)
            return got
        self._told.pop(turn.wish, None)
        if turn.place is Place.CLAIMING:
            self._line.send(turn)
            self._lane.flights.sent(turn)
            self._lane.spawn(self._lane.carry(turn, got))
        else:  # its caller left while we asked
            await self._around.coordination.release(got, UNSENT, 0.0)
        return None

    async def _log_in(self) -> Wait | None:
        """Begin to log in, or return what it has to wait for."""
        (got,) = await self._around.coordination.claim(self._lane.name, [self._session.wanted()])
        if isinstance(got, Wait):
            return got
        self._logging_in = True
        self._lane.spawn(self._logged_in(got))
        return None

    async def _logged_in(self, permit: Permit) -> None:
        try:
            await self._session.log_in(permit)
        finally:
            self._logging_in = False
            self.stir()

    def _turn_away(self, wait: Wait) -> None:
        """Tell at once every caller whose time ends before a long stop does, or who would wait for a person."""
        if wait.guard not in _STOPS or self._ends_by_itself(wait):
            return
        end = self._end_of(wait)
        for turn in (*self._lane.flights.waiting(), *self._line):  # followers first, or they would stand as heirs
            if turn.interactive and turn.until < end:
                self._lane.endings.unsent(turn, State.EXPIRED, wait.cause or wait.guard, by_wait(wait, turn))
                self._line.leave(turn)

    def _tell_in_vain(self) -> None:
        """Tell at once those who would most likely wait in vain, with how long it would take now."""
        if self._stopped_by:
            self._line.resumed()
            self._stopped_by = ""
        for turn in self._line.in_vain(self._around.coordination.pace(self._lane.name).p95):
            wait = self._lane.admission.predicted_wait(turn.call.cls, turn.payer)
            error = LaneWaitTooLong("shed", retry_after=wait, call=turn.call.id)
            self._lane.endings.unsent(turn, State.EXPIRED, "shed", error)

    def _stays(self, turn: Turn, wait: Wait) -> bool:
        """Return whether *turn*, whose own operation, class or repeat has to wait, can wait in memory."""
        if turn.interactive:
            waits_for_nobody = wait.guard == "deadline" or wait.cause == STOPPED
            end = self._end_of(wait)
            behind = self._lane.flights.behind(turn, alone=wait.guard not in _WHOEVER_ASKS)
            for late in (turn,) if wait.guard == "deadline" else (*behind, turn):
                if late.until < end or (late is turn and waits_for_nobody):
                    self._lane.endings.unsent(late, State.EXPIRED, wait.cause or wait.guard, by_wait(wait, late))
            return turn.place is not Place.GONE
        if self._ends_by_itself(wait):
            return True
        if wait.guard == "day" and not turn.asks_after:  # its whole class stands: nobody would go in its place
            return True
        if wait.seconds is not None and wait.seconds < _SHORT:
            return True
        seconds = wait.seconds or SWEEP
        if turn.asks_after:
            self._lane.forget(turn)
            self._lane.asking_after.due(seconds)
        elif wait.guard in ("hold", "breaker"):
            self._lane.spawn(self._lane.backlog.spare(turn, seconds))
        else:
            self._lane.spawn(self._lane.backlog.give_back([turn], self._around.clock.now() + seconds))
        return False

    @staticmethod
    def _ends_by_itself(wait: Wait) -> bool:
        """Return whether something that is under way ends *wait*: a probe, or an exchange that holds the slot."""
        return wait.seconds is None and wait.cause not in _BY_A_PERSON

    def _end_of(self, wait: Wait) -> float:
        """Return the monotonic moment at which *wait* ends, as far as it is known; never, if only a person can end it."""
        if wait.seconds is None:
            return 0.0 if self._ends_by_itself(wait) else math.inf
        return self._around.clock.monotonic() + wait.seconds

    def too_late(self, turn: Turn) -> bool:
        """Return whether *turn* is a durable call past its deadline, which then is for a person."""
        if turn.interactive or turn.asks_after or turn.call.deadline > self._around.clock.now():
            return False
        self._lane.forget(turn)
        self._lane.spawn(self._lane.endings.die(turn.call, "deadline"))
        return True

    def _wake_in(self, seconds: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if seconds is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(_LEAST, seconds), self.stir)
