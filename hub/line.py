"""
The line in front of one agency: who goes next, and who makes room when it is full. Next: `lane.py`, which takes from it.

Interactive and durable calls of each class stand in rows of their own (`row.py`). Rows take turns by their shares of the
agency's time, so that no class starves another, and a row without calls gives its turns away.
"""

from collections import Counter, OrderedDict
from collections.abc import Container, Iterator
from types import MappingProxyType

from hub.call import Class
from hub.clock import Clock
from hub.guards.deadline import ENOUGH
from hub.row import STANDING_PART, Row, present
from hub.turn import Payer, Place, Turn, Wish

SHARES: MappingProxyType[tuple[Class, bool], float] = MappingProxyType(
    {
        (Class.COUNTER, True): 40.0,
        (Class.COUNTER, False): 20.0,
        (Class.NORMAL, True): 20.0,
        (Class.NORMAL, False): 10.0,
        (Class.BULK, True): 7.0,
        (Class.BULK, False): 3.0,
    }
)
"""Share of each (class, interactive): 60/30/10 for the classes, and two thirds of each for people who wait."""
_FIRST = (Class.COUNTER, True)
"""Whoever goes first while the lane rises again after a stop."""
_ROOM_PART = 4
"""A payer holds at most a quarter of a line while another waits."""
_PERMIT_PART = 2
"""A payer holds at most half of the permits while another waits."""
_SHED_PART = 2 * STANDING_PART
"""Of its patience, after which a caller in a standing queue is told rather than kept: it would most likely be in vain."""
_SMOOTHING = 0.1


class Line:
    """Turns that wait for a permit, by call id. A call stands in it once."""

    def __init__(self, clock: Clock, guess: float) -> None:
        """*guess*: seconds an exchange takes as long as none has ended."""
        self._clock = clock
        self._rows = {key: Row(share, interactive=key[1]) for key, share in SHARES.items()}
        self._turns = {
            waits: tuple(row.turns for (_, interactive), row in self._rows.items() if interactive is waits)
            for waits in (True, False)
        }
        """Those of each row, by whether somebody waits for them."""
        self._heads: OrderedDict[str, Turn] = OrderedDict()
        """Further steps of calls that were sent already: before everything else, in the order they came."""
        self._out: Counter[Payer] = Counter()
        self._guess = guess
        self.joined = 0
        """Number of the turn that joined last."""

    def __len__(self) -> int:
        return sum(len(row.turns) for row in self._rows.values())

    def __iter__(self) -> Iterator[Turn]:
        for row in self._rows.values():
            yield from row

    def count(self, *, interactive: bool) -> int:
        """Return how many interactive, or durable, calls wait."""
        return sum(map(len, self._turns[interactive]))

    def shares_waiting(self) -> float:
        """Return the sum of the shares of all rows in which somebody waits: they divide the agency's time."""
        total = 0.0
        for row in self._rows.values():
            if row.turns:
                total += row.share
        return total

    def counts(self) -> Iterator[tuple[Class, bool, int]]:
        """Yield class, interactive, and how many wait."""
        for (cls, interactive), row in self._rows.items():
            yield cls, interactive, len(row.turns)

    def oldest(self) -> Iterator[tuple[Class, bool, float]]:
        """Yield class, interactive, and for how many seconds the oldest call has waited; 0.0 when none waits."""
        now = self._clock.monotonic()
        for (cls, interactive), row in self._rows.items():
            turn = next(iter(row.turns.values()), None)
            yield cls, interactive, now - turn.since if turn else 0.0

    def shares(self) -> Iterator[tuple[str, float]]:
        """Yield each caller that has calls under way, and its part of all permits that are out."""
        out: Counter[str] = Counter()
        for (caller, _), count in self._out.items():
            out[caller] += count
        all_out = sum(out.values())
        for caller, count in out.items():
            yield caller, count / all_out

    # --- Joining and leaving -----------------------------------------------------------------------------------------

    def join(self, turn: Turn, *, head: bool = False) -> None:
        """Let *turn* wait, last in its row, or before everything else."""
        row = self._row(turn)
        if not row.turns:
            row.spent.begin(present((one.spent, bool(one.turns)) for one in self._rows.values()))
        self.joined += 1
        turn.place, turn.joined = Place.LINE, self.joined
        turn.since = turn.stands = self._clock.monotonic()
        row.join(turn)
        if head:
            self._heads[turn.call.id] = turn

    def leave(self, turn: Turn) -> bool:
        """Take *turn* out, wherever it stands; False if it is not in the line."""
        if not self._row(turn).leave(turn):
            return False
        self._heads.pop(turn.call.id, None)
        turn.place = Place.GONE
        return True

    def hand_over(self, turn: Turn, heir: Turn) -> bool:
        """Let *heir* stand where *turn* stands, which leaves; False if it is not in the line, or in another row."""
        row, head = self._row(turn), turn.call.id in self._heads
        if row is not self._row(heir) or not self.leave(turn):
            return False
        heir.place, heir.joined = Place.LINE, turn.joined
        heir.since = heir.stands = max(turn.stands, heir.until - heir.budget)  # it has waited since it came
        row.join(heir)
        if head:
            self._heads[heir.call.id] = heir
        return True

    # --- Who goes next -----------------------------------------------------------------------------------------------

    def take(self, at_once: int, *, ramping: bool = False, without: Container[Wish] = ()) -> Turn | None:
        """
        Take out the turn that goes next and is none of *without*, or None; it is `CLAIMING` until it is sent or put back.

        *at_once* is how many permits there are; while *ramping*, people at the counter go before all others.
        """
        turn = self._next_head(without) or self._next(at_once, ramping, without)
        if turn is not None:
            turn.place = Place.CLAIMING
        return turn

    def put_back(self, turn: Turn) -> None:
        """Return *turn*, which got no permit, to its place; if its caller has left meanwhile, forget it."""
        if turn.place is not Place.CLAIMING:
            self._heads.pop(turn.call.id, None)
            return
        turn.place = Place.LINE
        self._row(turn).join(turn)

    def send(self, turn: Turn) -> None:
        """Note that *turn* got its permit: its row and its payer have had their turn."""
        row = self._row(turn)
        self._heads.pop(turn.call.id, None)
        turn.charged = self._guess
        row.charge(turn.payer, turn.charged)
        self._out[turn.payer] += 1
        turn.place = Place.WIRE

    def returned(self, turn: Turn, seconds: float) -> None:
        """Note that *turn*'s exchange is over and how many *seconds* of the agency's time it took; 0.0 if it was not sent."""
        payer = turn.payer
        self._out[payer] -= 1
        if self._out[payer] <= 0:
            del self._out[payer]
        self._row(turn).settle(payer, turn.charged, seconds)
        if seconds > 0:
            self._guess += _SMOOTHING * (seconds - self._guess)

    def alike(self, wish: Wish, since: int) -> list[Turn]:
        """Return all that wait with *wish* and joined after number *since*."""
        return [turn for row in self._rows.values() for turn in row.alike(wish, since)]

    def _next_head(self, without: Container[Wish]) -> Turn | None:
        for key, turn in list(self._heads.items()):
            if turn.place is Place.LINE and turn.wish not in without:
                self._row(turn).leave(turn)
                return turn
            if turn.place is Place.GONE:  # it left while it asked for a permit
                del self._heads[key]
        return None

    def _next(self, at_once: int, ramping: bool, without: Container[Wish]) -> Turn | None:
        now = self._clock.monotonic()
        rows = sorted((row for row in self._rows.values() if row.turns), key=lambda row: row.spent.total)
        if ramping and self._rows[_FIRST].turns:
            rows = [self._rows[_FIRST], *(row for row in rows if row is not self._rows[_FIRST])]
        most = max(1, at_once // _PERMIT_PART)
        # Within a row alone: that the counter is one payer must not hand its turns to a lower class. Nor may a payer
        # that nobody else waits beside be kept from what is free.
        for row in rows:
            for may in (lambda payer: self._out[payer] < most, lambda _: True):
                if turn := row.take(now, may, without):
                    return turn
        return None

    # --- Room, and who gives way -------------------------------------------------------------------------------------

    def ahead(self, cls: Class, payer: Payer) -> int:
        """Return how many interactive calls of *cls* would go before one of *payer* that came now."""
        return self._rows[cls, True].ahead(payer)

    def has_room(self, cls: Class, payer: Payer, most: int) -> bool:
        """
        Return whether an interactive call of *payer* may wait in a line of *most*, if need be in the place of another.

        A payer that holds its quarter may not, while somebody else waits.
        """
        waiting = self.count(interactive=True)
        quarter = max(1, most // _ROOM_PART)
        if waiting > quarter and quarter <= self._waiting(payer) < waiting:
            return False
        return waiting < most or self.gives_way(cls, payer) is not None

    def pressed(self, cls: Class) -> None:
        """Note that an interactive call of *cls* came to the door, whether it is let in or refused."""
        self._rows[cls, True].pressed()

    def standing(self, cls: Class) -> bool:
        """Return whether a queue of interactive calls of *cls* stands: then nobody is kept waiting for long."""
        return self._rows[cls, True].standing(self._clock.monotonic())

    def resumed(self) -> None:
        """Note that a stop of the lane is over: who waited for its end has not stood in a queue."""
        now = self._clock.monotonic()
        for turn in self:
            turn.stands = now

    def gives_way(self, cls: Class, payer: Payer) -> Turn | None:
        """Return who leaves a full line for a call of *payer*: the youngest of the lowest class and heaviest payer, if any must."""
        for lower in (Class.BULK, Class.NORMAL, Class.COUNTER):
            row = self._rows[lower, True]
            heaviest = row.heaviest()
            if heaviest is not None and (lower is not cls or heaviest[1] > row.waiting(payer) + 1):
                return row.youngest(heaviest[0])
            if lower is cls:
                return None
        return None

    def in_vain(self, p95: float) -> list[Turn]:
        """
        Take out those who wait in a standing queue and would most likely wait in vain, oldest first.

        Who has waited for a fifth of its patience, or has less left than the agency's *p95* seconds: the newest go
        first now, so its turn does not come before the queue is gone. It is better to say so at once.
        """
        now = self._clock.monotonic()
        found = []
        for row in self._rows.values():
            if row.standing(now):
                found += [
                    turn
                    for turn in row
                    if now - turn.stands > _SHED_PART * turn.budget or turn.until - now < min(p95, ENOUGH * turn.budget)
                ]
        return [turn for turn in found if turn.call.id not in self._heads and self.leave(turn)]

    def _waiting(self, payer: Payer) -> int:
        """Return how many interactive calls of *payer* wait."""
        return sum(row.waiting(payer) for (_, interactive), row in self._rows.items() if interactive)

    def _row(self, turn: Turn) -> Row:
        return self._rows[turn.call.cls, turn.interactive]
