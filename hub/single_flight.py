"""
Single flight: look-ups of one lane that send the same share one exchange. Read `lane.py` first, then `fresh_answers.py`.

A call *leads* while it stands in the line or is on the wire. A call that asks the same *follows*: it holds no place, no
permit and no exchange, and hears what the leader's exchange brings, with a row and a journal entry of its own written
before. Nobody waits longer for it: a call follows who is on the wire, or who stands where it would stand itself (same
class, caller and unit; in a queue where the newest goes first, the newest); else it stands in the line too, and the first
of them to get a permit leads all. A leader that ends for a reason of its own leaves an heir; an error that would have met
the others as well is shared.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Result
from hub.call import Class, Reply, State
from hub.errors import AgencyBroken, HubError, HubStopping, Internal, LaneFull, RequestInvalid
from hub.fresh_answers import FreshAnswers
from hub.line import Line
from hub.store.protocol import Follower, Shared
from hub.surroundings import ICT, Bound, Surroundings
from hub.turn import Payer, Place, Turn

if TYPE_CHECKING:
    from hub.lane import Lane

Key: TypeAlias = tuple[str, bytes, tuple[str | None, ...]]
"""Operation, canonical request, and the values of the call that go out with it."""
_Stand: TypeAlias = tuple[Class, Payer]
"""Where a call stands in the line: class, then caller and unit."""

_RANK: Final = {cls: rank for rank, cls in enumerate(Class)}
_DEADLY: Final = (AgencyBroken, RequestInvalid, Internal)
"""Errors of calls that end `dead`; with any other they expire."""


@dataclass(slots=True, eq=False)
class _Flight:
    """Calls that send the same and are not answered yet. One at most is on the wire, and then nobody stands."""

    key: Key
    flying: Turn | None = None
    leaders: dict[_Stand, Turn] = field(default_factory=dict)
    """Who stands in the line, or is between two attempts."""
    followers: dict[Turn, None] = field(default_factory=dict)
    """In order of arrival; none of them is known to the store."""


class SingleFlight:
    """Who follows whom in one lane, and what its agency said lately."""

    def __init__(self, lane: "Lane", agency: Bound, line: Line, surroundings: Surroundings) -> None:
        self._lane = lane
        self._operations: Mapping[str, Operation] = agency.operations
        self._most = agency.contract.queue_calls
        self._line = line
        self._around = surroundings
        self._fresh = FreshAnswers(surroundings.clock)
        self._flights: dict[Key, _Flight] = {}
        self._of: dict[Turn, _Flight] = {}

    def __len__(self) -> int:
        """Return how many calls lead or follow."""
        return len(self._of)

    def waiting(self) -> list[Turn]:
        """Return the followers of leaders that are not on the wire: what stops those stops them."""
        return [turn for flight in self._flights.values() if flight.flying is None for turn in flight.followers]

    def behind(self, turn: Turn, *, alone: bool) -> list[Turn]:
        """Return who follows *turn*, which stands in the line; *alone*: nobody if another stands for the same."""
        flight = self._of.get(turn)
        return [] if flight is None or (alone and len(flight.leaders) > 1) else list(flight.followers)

    def queued_bytes(self) -> int:
        """Return how many bytes of requests wait with followers."""
        return sum(len(turn.raw) for flight in self._flights.values() for turn in flight.followers)

    # --- Told by the lane --------------------------------------------------------------------------------------------

    def join(self, turn: Turn) -> bool:
        """Let *turn*, a new interactive call, follow or hear what is fresh; False: it has to stand in the line."""
        key = self._key(turn)
        if key is None:
            return False
        if fresh := self._fresh.get(key):
            self._tell([turn], fresh)
            return True
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(key)
        elif flight.flying is not None or _stand(turn) in flight.leaders:
            if len(flight.followers) >= self._most:
                return False  # it goes alone: what a leader holds in memory has a bound
            older = flight.leaders.get(_stand(turn))
            if older is None or older.place is Place.CLAIMING or not self._line.standing(turn.call.cls):
                self._follow(flight, turn)
                return True
            self._step_down(flight, older)  # the newest goes first now
        flight.leaders[_stand(turn)] = turn
        self._of[turn] = flight
        return False

    def sent(self, turn: Turn) -> None:
        """*turn* got its permit: who stands elsewhere for the same follows it."""
        flight = self._of.get(turn)
        if flight is None:
            return
        if self._key(turn) != flight.key:  # a register has changed: what goes out is not what the others would send
            self.ended(turn, None, own=True)
            return
        del flight.leaders[_stand(turn)]
        flight.flying = turn
        for other in list(flight.leaders.values()):
            self._step_down(flight, other)

    def returned(self, turn: Turn) -> None:
        """*turn* was on the wire and waits for another attempt; nobody of a higher class waits in its row."""
        flight = self._of.get(turn)
        if flight is None:
            return
        flight.flying = None
        flight.leaders[_stand(turn)] = turn
        best = min(flight.followers, key=_first, default=None)
        if best is not None and _RANK[best.call.cls] < _RANK[turn.call.cls]:
            self._lead(flight, best)

    def answered(self, turn: Turn, reply: Reply, outcome: Answered) -> None:
        """*turn*'s exchange brought an answer: its followers hear it too, and it is kept where it may be."""
        flight = self._of.get(turn)
        if flight is None or reply.answer is None or reply.answered_at is None:
            return
        cause = outcome.reason.code if outcome.reason else ""
        shared = Shared(turn.call.id, reply.answer, outcome.result.value, cause, reply.answered_at, dict(outcome.refs))
        operation = self._operations[turn.call.operation]
        if operation.fresh and not operation.personal_data and outcome.result in (Result.OK, Result.NOT_FOUND):
            size = len(turn.raw) + len(reply.answer)
            self._fresh.keep(flight.key, shared, operation.fresh, size)
        followers = list(flight.followers)
        self._forget(flight)
        if followers:
            self._tell(followers, shared)

    def ended(self, turn: Turn, error: HubError | None, *, own: bool) -> None:
        """
        *turn* hears no answer. *own*: for a reason that says nothing about the others, such as its time or its caller.

        Else those who would have met *error* hear it too. Whoever then has nobody to follow gets an heir to lead them.
        """
        flight = self._of.pop(turn, None)
        if flight is None:
            return
        if turn in flight.followers:
            del flight.followers[turn]
            return
        flew = flight.flying is turn
        if flew:
            flight.flying = None
        else:
            del flight.leaders[_stand(turn)]
        beside = [other for other in flight.followers if _stand(other) == _stand(turn)]
        everybody = flew or not (flight.leaders or isinstance(error, LaneFull))
        if error is not None and not own:
            sharing = list(flight.followers) if everybody else beside
            for other in sharing:
                del flight.followers[other], self._of[other]
            self._refuse(sharing, error)
            beside = []
        heirs = beside if beside and not flew else [] if flight.leaders else list(flight.followers)
        if heirs:
            self._lead(flight, min(heirs, key=_first), after=None if flew else turn)
        elif not flight.leaders:
            del self._flights[flight.key]

    def stop(self) -> None:
        """Tell every follower that the hub stops; leaders are the lane's to tell."""
        for flight in list(self._flights.values()):
            followers = list(flight.followers)
            self._forget(flight)
            self._refuse(followers, HubStopping())

    # --- Leading and following ---------------------------------------------------------------------------------------

    def _key(self, turn: Turn) -> Key | None:
        call = turn.call
        alike = self._operations[call.operation].alike
        if alike is None:
            return None
        values: tuple[str | None, ...] = ()
        if alike:
            today = datetime.fromtimestamp(self._around.clock.now(), ICT).date()
            given = dict(self._around.people(call, call.agency, today))
            given |= {"call.dossier": call.purpose.dossier, "call.procedure": call.purpose.procedure}
            values = tuple(given[source] for source in alike)
        return call.operation, turn.raw, values

    def _follow(self, flight: _Flight, turn: Turn) -> None:
        turn.place = Place.FOLLOWS
        flight.followers[turn] = None
        self._of[turn] = flight

    def _step_down(self, flight: _Flight, turn: Turn) -> None:
        """Let a leader follow another, or go its own way if the store has it as queued between two attempts."""
        del flight.leaders[_stand(turn)]
        if turn.recorded:
            del self._of[turn]
        else:
            self._line.leave(turn)
            self._follow(flight, turn)

    def _lead(self, flight: _Flight, turn: Turn, *, after: Turn | None = None) -> None:
        """Let a follower lead: in the place of *after*, or at the head of its row if the flight has had its turn before."""
        del flight.followers[turn]
        flight.leaders[_stand(turn)] = turn
        if after is None or not self._line.hand_over(after, turn):
            self._line.join(turn, head=after is None or after.place not in (Place.LINE, Place.GONE))
            turn.since = turn.stands = turn.until - turn.budget  # it has waited since it came
        self._lane.stir()

    def _forget(self, flight: _Flight) -> None:
        """Let go of all who lead or follow in *flight*."""
        for turn in (*([flight.flying] if flight.flying else []), *flight.leaders.values(), *flight.followers):
            del self._of[turn]
        del self._flights[flight.key]

    # --- Telling -----------------------------------------------------------------------------------------------------

    def _tell(self, turns: list[Turn], shared: Shared) -> None:
        for turn in turns:  # from here on each is like any call whose answer is here: recorded, come what may
            turn.place = Place.WIRE
        self._lane.spawn(self._record(turns, shared))

    async def _record(self, turns: list[Turn], shared: Shared) -> None:
        """Write a row for each of *turns*, then let it hear; who has no row has no answer."""
        clock = self._around.clock
        began = clock.monotonic()
        followers = [Follower(turn.call, sha256(turn.raw).hexdigest(), len(turn.raw)) for turn in turns]
        try:
            refused = await self._around.store.follow(shared, followers)
        except asyncio.CancelledError:
            self._refuse(turns, HubStopping())
            raise
        except Exception as error:
            self._around.observer.fault("follow", error)
            self._refuse(turns, error if isinstance(error, HubError) else Internal())
            return
        seconds = clock.monotonic() - began
        for turn, conflict in zip(turns, refused, strict=True):
            if conflict is not None:  # it names the call that has the key
                self._lane.endings.unsent(turn, State.EXPIRED, conflict.code, conflict)
                continue
            reply = Reply(turn.call.id, State.ANSWERED, shared.answer, clock.now(), fresh_as_of=shared.answered_at)
            self._lane.endings.followed(turn, reply, seconds, shared.cause)

    def _refuse(self, turns: Iterable[Turn], error: HubError) -> None:
        """Tell each of *turns*, which lead and follow no more, the same *error* as its own."""
        state = State.DEAD if isinstance(error, _DEADLY) else State.EXPIRED
        for turn in turns:
            self._lane.endings.unsent(turn, state, error.code, error.about(turn.call.id))


def _stand(turn: Turn) -> _Stand:
    return turn.call.cls, turn.payer


def _first(turn: Turn) -> tuple[int, float]:
    """Sort who is to lead: the highest class, then who has most time left."""
    return _RANK[turn.call.cls], -turn.until
