"""
The road to one agency: its line, its guards, its session, and what becomes of each call. `dispatcher.py` leads here.

One task per lane takes turns from the line as permits come; one task per exchange carries a turn through. A lane
shares nothing with another but what `surroundings.py` names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from connectors.kit.inbox import Fetched, Inbox, Understood
from connectors.kit.outcomes import Answered, Outcome, StaleCredentials
from hub.admission import COLD, Admission
from hub.asking_after import AskingAfter
from hub.backlog import SWEEP, Backlog
from hub.call import Call, Reply, State
from hub.coordination.protocol import Permit
from hub.endings import Endings
from hub.errors import CallExpired, HubError, HubStopping, Internal, LaneFull, StoreUnavailable
from hub.exchanges import Ended, Exchanges
from hub.granting import Granting
from hub.line import Line
from hub.logging_in import LoggingIn
from hub.own_look_ups import OwnLookUps
from hub.route import Route, RouteView
from hub.settling import Settling
from hub.single_flight import SingleFlight
from hub.store.protocol import Leased, Occupied
from hub.surroundings import Bound, Surroundings
from hub.turn import Place, Turn
from hub.turned_away import let_through

Hears: TypeAlias = Callable[[str, Understood], Awaitable[object]]
"""Keeps what the agency of this name told."""
_GRACE = 0.25
"""Seconds after its deadline in which an answer that is already here may still be recorded before its caller hears."""
_LOOKS = 5
"""Sweeps between two looks into the store that nobody asked for: forty idle lanes cost less than a statement a second."""
_PATIENCE = 0.1
"""Seconds between looks, while stopping, whether everything has ended."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane as operators and callers may see it."""

    agency: str
    numbers: Mapping[str, float]
    """By metric name, labels after slashes (`monitoring/metrics.py`)."""
    held: str
    """Cause of the hold in force, its route's included, or empty."""
    held_seconds: float | None
    """Seconds left of it; None when only an operator can say, and when there is none."""
    log_in_needed: bool
    unwritten: int
    """Exchanges whose end the store has not taken yet."""
    moved: str = ""
    """Why the limit of exchanges at once last moved."""
    moved_seconds: float = 0.0
    """How long ago that was."""
    route: RouteView | None = None
    """The road it shares with others, and whether that is what is held; None: it has one of its own."""


class Lane:
    """One agency's lane. Made before the loop runs, started on it."""

    def __init__(self, agency: Bound, surroundings: Surroundings, route: Route | None = None) -> None:
        """*route*: the road it shares with others; None: one of its own."""
        self.name = agency.name
        self.route = route
        self.operations = agency.operations
        self.contract = agency.contract
        self._agency = agency
        self._around = surroundings
        self._clock = surroundings.clock
        self._coordination = surroundings.coordination
        self._line = Line(surroundings.clock, COLD * agency.contract.call_timeout)
        self._turns: dict[str, Turn] = {}
        """Durable calls of this lane that are in our hands, by id."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweeps = 0
        self._tasks: set[asyncio.Task[None]] = set()
        contract = agency.contract
        self.admission = Admission(self.name, contract, self._line, self._coordination, self._clock)
        self.settling = Settling(surroundings, self.stir)
        self._token = route.token if route is not None else None
        if route is not None:
            route.join(self.name, self.stir)
        self._session = LoggingIn(agency, surroundings, self._token)
        self._exchanges = Exchanges(agency, surroundings)
        self._granting = Granting(self, self._line, self._session, surroundings)
        self.asking_after = AskingAfter(
            self.name,
            contract,
            self.operations,
            self._line,
            self._turns,
            self._parsed,
            self.stir,
            surroundings,
            _told_by_asking(agency.inbox),
        )
        self._hears: Hears | None = None
        self.backlog = Backlog(
            self.name,
            contract.calls_at_once,
            contract.call_timeout,
            self._line,
            self._turns,
            self._ready,
            self.stir,
            surroundings,
        )
        self.endings = Endings(self, surroundings)
        self.flights = SingleFlight(self, agency, self._line, surroundings)
        self.own = OwnLookUps(self, agency, self._line, surroundings)

    # --- Beginning and end -------------------------------------------------------------------------------------------

    async def start(self, occupied: list[Occupied], sent_today: int) -> None:
        """Take over what an earlier process left, and begin to serve."""
        now = self._clock.now()
        left = [one.sent_at + self.asking_after.patience - now for one in occupied if one.agency == self.name]
        await self._coordination.restore(self.name, left, sent_today)
        self._coordination.subscribe(self.name, self.stir)
        self._granting.start()
        self._sweep()

    async def stop(self, patience: float) -> None:
        """Give back what waits in the store, let what is under way end for *patience* seconds, and cut the rest."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.asking_after.stop()
        await self.backlog.stop()
        end = self._clock.monotonic() + patience
        while (self._tasks or self._line) and (left := end - self._clock.monotonic()) > 0:
            self.stir()
            await (
                asyncio.wait(self._tasks, timeout=min(left, _PATIENCE))
                if self._tasks
                else asyncio.sleep(min(left, _PATIENCE))
            )
        await self._granting.stop()
        self.flights.stop()
        for turn in self._line:
            self._line.leave(turn)
            self.fail(turn, HubStopping(call=turn.call.id))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.settling.stop()
        await self._agency.close()

    def stir(self) -> None:
        """Look whether something can go now."""
        self._granting.stir()

    def view(self) -> LaneView:
        """Return the lane's numbers as they are."""
        numbers = dict(self._coordination.watch(self.name))
        for cls, interactive, count in self._line.counts():
            numbers[f"queue_calls/{cls.value}/{'interactive' if interactive else 'backlog'}"] = float(count)
            if interactive:
                numbers[f"predicted_wait_seconds/{cls.value}"] = self.admission.predicted_wait(cls)
        for cls, interactive, age in self._line.oldest():
            numbers[f"queue_oldest_age_seconds/{cls.value}/{'interactive' if interactive else 'backlog'}"] = age
        for caller, part in self._line.shares():
            numbers[f"share_ratio/{caller}"] = part
        stop = self._coordination.stopped(self.name, "")
        moved, ago = self._coordination.moved(self.name)
        return LaneView(
            self.name,
            numbers,
            stop.cause if stop else "",
            stop.seconds if stop else None,
            self._session.needed,
            len(self.settling),
            moved,
            ago,
            self.route.view() if self.route is not None else None,
        )

    def queued_bytes(self) -> int:
        """Return how many bytes of requests wait in the line, and with those who follow."""
        return sum(len(turn.raw) for turn in self._line) + self.flights.queued_bytes()

    # --- Turns -------------------------------------------------------------------------------------------------------

    def join(self, turn: Turn) -> None:
        """
        Let an interactive call wait in memory; its future hears of it.

        It follows one that asks the same, or stands in the line, if need be in the place of another.
        """
        turn.timer = asyncio.get_running_loop().call_at(turn.until, self.out_of_time, turn)
        if self.flights.join(turn):
            return
        if self._line.count(interactive=True) >= self.contract.queue_calls and not self._make_room(turn):
            self.fail(turn, LaneFull(retry_after=self.admission.predicted_wait(turn.call.cls, turn.payer)))
            return
        self._line.join(turn)
        self.stir()

    def _make_room(self, turn: Turn) -> bool:
        """Send away who has least right to stand in a full line, unless that is *turn* itself."""
        other = self._line.gives_way(turn.call.cls, turn.payer)
        if other is None:
            return False
        self._line.leave(other)
        wait = self.admission.predicted_wait(other.call.cls, other.payer)
        error = LaneFull("displaced", retry_after=max(1.0, wait), call=other.call.id)
        self.endings.unsent(other, State.EXPIRED, "displaced", error)
        return True

    def leave(self, turn: Turn) -> None:
        """Its caller has gone: a call that is not on the wire is taken back, one that is will be recorded."""
        if turn.place in (Place.WIRE, Place.GONE):  # gone: it ended, and its caller left before it could hear
            return
        self.endings.unsent(turn, State.CANCELLED, "left")
        self._line.leave(turn)

    def drop(self, call_id: str) -> None:
        """Forget a durable call that was cancelled in the store."""
        turn = self._turns.get(call_id)
        if turn is not None and self._line.leave(turn):
            del self._turns[call_id]

    def rejoin(self, turn: Turn, *, head: bool = False) -> None:
        """Let *turn* wait for its next exchange."""
        if turn.place is not Place.GONE:
            self._line.join(turn, head=head)
            self.stir()

    def forget(self, turn: Turn) -> None:
        """Let go of a turn whose call is somewhere else now; who follows it goes on without it."""
        self.flights.ended(turn, None, own=True)
        turn.place = Place.GONE
        if turn.timer is not None:
            turn.timer.cancel()
        if self._turns.get(turn.call.id) is turn:
            del self._turns[turn.call.id]

    def answer(self, turn: Turn, reply: Reply) -> None:
        """Tell the interactive caller, if it still listens."""
        if turn.future is not None and not turn.future.done():
            turn.future.set_result(reply)

    def fail(self, turn: Turn, error: HubError, *, own: bool = False) -> None:
        """Tell the interactive caller, if it still listens, why there is no answer; *own*: for reasons of its own alone."""
        self.flights.ended(turn, error, own=own)
        self.forget(turn)
        if turn.future is not None and not turn.future.done():
            turn.future.set_exception(error)

    def listen(self, hears: Hears) -> None:
        """Hand to *hears* from now on what look-ups say, as notices, of calls that are pending."""
        self._hears = hears

    def heard(self, brought: Fetched | None) -> None:
        """Hand on what a look-up said of a call. What cannot be kept now is told when it is asked for again."""
        if self._hears is not None and brought is not None and isinstance(brought.read, Understood):
            self.spawn(self._hand_on(self._hears, brought.read))

    async def _hand_on(self, hears: Hears, read: Understood) -> None:
        try:
            await hears(self.name, read)
        except StoreUnavailable as error:
            self._around.observer.fault("told", error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* to its end, or until the lane stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- One exchange ------------------------------------------------------------------------------------------------

    async def carry(self, turn: Turn, permit: Permit) -> None:
        """Make *turn*'s next exchange under *permit*, and settle it."""
        began = self._clock.monotonic()
        generation, token = self._session.generation, self._token
        under = token.generation if token is not None else 0
        if token is not None:
            token.use()
        ended: Ended | None = None
        try:
            ended = await self._exchanges.make(turn, permit, self._session.values)
        except StoreUnavailable as error:
            self.endings.not_recorded(turn, error)
            return
        except HubError as error:  # the store found an idempotency key that was used for something else
            self.fail(turn, error, own=True)
            return
        except asyncio.CancelledError:
            self.fail(turn, HubStopping(call=turn.call.id))
            raise
        except Exception as error:
            self._around.observer.fault("exchange", error)
            self.fail(turn, Internal(call=turn.call.id))
            return
        finally:
            self._line.returned(turn, ended.seconds if ended else 0.0)
        if ended is None:
            self.fail(turn, CallExpired(call=turn.call.id), own=True)
            return
        turn.overhead += self._clock.monotonic() - began - ended.seconds
        await self._note(turn, ended.outcome, generation, under)
        await self.endings.settle(turn, ended)

    async def _note(self, turn: Turn, outcome: Outcome | StaleCredentials | None, session: int, under: int) -> None:
        """Note what *outcome* says of the credentials it went under: generations of the *session* and of the token."""
        token = self._token
        if token is not None and let_through(outcome):
            turn.turned_away = 0
            token.proved(self.name, under)
        by_id = self.route if self.route is not None and self.route.knows_us_by_id else None
        if by_id is not None and let_through(outcome):
            by_id.proved()
        if by_id is not None and isinstance(outcome, StaleCredentials) and outcome.route:
            await by_id.refused()
        elif token is not None and isinstance(outcome, StaleCredentials) and outcome.route:
            turn.turned_away += 1
            if await token.refused(self.name, under, again=turn.turned_away > 1):
                await self._session.refused(self.name, session, again=True)
        elif isinstance(outcome, StaleCredentials):
            turn.stale += 1
            await self._session.refused(self.name, session, again=turn.stale > 1)
        elif isinstance(outcome, Answered):
            turn.stale = 0
            self._session.proved(session)

    # --- From the store ----------------------------------------------------------------------------------------------

    def _ready(self, leased: Leased, until: float) -> Turn | None:
        """Make a turn of a leased call, unless its time is over or nobody can read it any more."""
        call = leased.call
        if call.deadline <= self._clock.now():
            self.spawn(self.endings.die(call, "deadline"))
            return None
        turn = self._parsed(leased, until)
        if turn is None:
            self.spawn(self.endings.die(call, "contract:request"))
            return None
        turn.repeat = call.exchange_no > 0 and call.step == call.operation and not leased.by_person
        return turn

    def _parsed(self, leased: Leased, until: float) -> Turn | None:
        call: Call = leased.call
        operation = self.operations.get(call.operation)
        if operation is None or call.step not in self.operations:
            return None
        try:
            request = operation.request.model_validate_json(leased.request)
        except ValidationError:  # the model has changed since this call was accepted
            return None
        return Turn(call, request, leased.request, until)

    def out_of_time(self, turn: Turn) -> None:
        """The time of *turn* is over: its caller hears so, whatever still comes."""
        if turn.place is Place.WIRE:  # the exchange ends by its own time-out; its caller hears in any case
            turn.timer = asyncio.get_running_loop().call_later(_GRACE, self._give_up, turn)
            return
        self.endings.unsent(turn, State.EXPIRED, "deadline", CallExpired(turn.cause, call=turn.call.id))
        self._line.leave(turn)

    def _give_up(self, turn: Turn) -> None:
        if turn.future is not None and not turn.future.done():
            turn.future.set_exception(CallExpired(call=turn.call.id))

    def _sweep(self) -> None:
        for turn in self._line:
            if self._granting.too_late(turn):
                self._line.leave(turn)
        if self._sweeps % _LOOKS == 0:
            self.backlog.more()
            self.asking_after.due(0.0)
        self._sweeps += 1
        self.stir()
        wait = SWEEP * (0.9 + 0.2 * self._around.random.random())
        self._sweeper = asyncio.get_running_loop().call_later(wait, self._sweep)


def _told_by_asking(inbox: Inbox | None) -> Mapping[str, str]:
    """Return the notices that are told by asking after calls, by the look-up that does."""
    notices = inbox.notices.values() if inbox is not None else ()
    return {one.fetched_by: one.name for one in notices if one.asked_after and one.fetched_by is not None}
