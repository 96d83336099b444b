"""
One row of a line: the calls of one class that wait, shared fairly between those for whom they are made.

Between payers (caller, unit) it is fair queueing by virtual time with service times that nobody knows beforehand: a
guess is charged when a call leaves, and put right when it is back. For one payer it is first come, first served; while
people have waited for long, last come, first served, because who came last can still be answered in time. Next: `line.py`.
"""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import takewhile

from hub.turn import Payer, Turn, Wish

STANDING_PART = 0.1
"""Of its patience: an oldest caller who has waited for longer stands in a queue that does not drain by itself."""
_LOOK_EVERY = 20
"""Calls that leave between two looks at whether more come than go: at 0.8 times the capacity chance alone seldom shows it."""
_MORE = 1.1
"""Times as many as go must come, or be refused at the door, for a queue that stands; a burst drains by itself."""
_CALM_SECONDS = 10.0
"""How long nobody must have waited before what was counted is forgotten."""
_MANY = 256
"""Payers remembered before those are looked for that may be forgotten."""


class Spending:
    """The agency's time that somebody had, in virtual seconds: what is known of it, and guesses for what is under way."""

    __slots__ = ("_out", "guessed", "settled")

    def __init__(self, settled: float = 0.0) -> None:
        self.settled = settled
        self.guessed = 0.0
        self._out = 0

    @property
    def total(self) -> float:
        """Whoever has least of it goes next."""
        return self.settled + self.guessed

    @property
    def under_way(self) -> bool:
        """True while something was charged that is not settled yet."""
        return self._out > 0

    def charge(self, guess: float) -> None:
        """Note that something leaves that will take about *guess*."""
        self._out += 1
        self.guessed += guess

    def settle(self, guess: float, took: float) -> None:
        """Note that what was charged with *guess* is back and *took* so much."""
        self._out -= 1
        self.guessed = self.guessed - guess if self._out else 0.0  # no sum of roundings stays behind
        self.settled += took

    def begin(self, present: float) -> None:
        """Note that it waits again at *present*: nobody has saved up what it did not use."""
        self.settled = max(self.settled, present - self.guessed)


def present(all_of_them: Iterable[tuple[Spending, bool]]) -> float:
    """
    Return the virtual time at which somebody new begins, from everybody's spending and whether they wait now.

    It is that of whoever waits and has had least, guesses left out: what turns out to be a wrong guess must not put a
    newcomer behind. Where nobody waits nobody is owed anything, and all begin as late as whoever had most.
    """
    waiting: list[float] = []
    rest = [0.0]
    for spending, waits in all_of_them:
        (waiting if waits else rest).append(spending.settled)
    return min(waiting) if waiting else max(rest)


class _Flow:
    """What waits for one payer, apart by what it wants: a stopped operation must not be looked through call by call."""

    __slots__ = ("count", "queues", "spent")

    def __init__(self) -> None:
        self.spent = Spending()
        self.queues: dict[Wish, OrderedDict[str, Turn]] = {}
        self.count = 0

    def add(self, turn: Turn) -> None:
        """Let *turn* wait; it is not to change its wish while it does."""
        _insert(self.queues.setdefault(turn.wish, OrderedDict()), turn)
        self.count += 1

    def remove(self, turn: Turn) -> None:
        """Take *turn* out."""
        queue = self.queues[turn.wish]
        del queue[turn.call.id]
        self.count -= 1
        if not queue:
            del self.queues[turn.wish]

    def first(self, without: Container[Wish], *, newest: bool) -> Turn | None:
        """Return the oldest turn, or the *newest*, that is not one of *without*."""
        ends = [
            queue[next(reversed(queue) if newest else iter(queue))]
            for wish, queue in self.queues.items()
            if wish not in without
        ]
        return (max if newest else min)(ends, key=_when, default=None)


def _when(turn: Turn) -> int:
    return turn.joined


class Row:
    """Calls of one class, interactive or durable, by call id."""

    def __init__(self, share: float, *, interactive: bool) -> None:
        self.share = share
        self.spent = Spending()
        """Seconds at the agency, divided by the share: the row that has had least goes next."""
        self.turns: OrderedDict[str, Turn] = OrderedDict()
        """All that wait, oldest first."""
        self._interactive = interactive
        self._flows: dict[Payer, _Flow] = {}
        self._came = self._went = 0
        """Calls that wanted to wait, and that left, since the last look."""
        self._stands = False
        self._long = False
        """Whether the oldest had waited for long when last looked at."""
        self._busy_at = 0.0

    def join(self, turn: Turn) -> None:
        """Let *turn* wait, last unless it joined the line before others that are here."""
        flow = self._flows.get(turn.payer)
        if flow is None or not flow.count:
            now = present((one.spent, one.count > 0) for one in self._flows.values())
            if flow is None:
                self._forget(now)
            flow = self._flow(turn.payer)
            flow.spent.begin(now)
        _insert(self.turns, turn)
        flow.add(turn)

    def leave(self, turn: Turn) -> bool:
        """Take *turn* out, wherever it stands; False if it is not here."""
        if self.turns.get(turn.call.id) is not turn:
            return False
        del self.turns[turn.call.id]
        self._flows[turn.payer].remove(turn)
        return True

    def take(self, now: float, may: Callable[[Payer], bool], without: Container[Wish] = ()) -> Turn | None:
        """Take out the turn that goes next, of payers who *may* have another permit and none of *without*; or None."""
        newest = self.standing(now)
        least: float | None = None
        best: Turn | None = None
        for payer, flow in self._flows.items():
            if flow.count and (least is None or flow.spent.total < least) and may(payer):
                turn = flow.first(without, newest=newest)
                if turn is not None:
                    least, best = flow.spent.total, turn
        if best is not None:
            self.leave(best)
        return best

    def alike(self, wish: Wish, since: int) -> Iterator[Turn]:
        """Yield those who wait with *wish* and joined after number *since*."""
        for flow in self._flows.values():
            yield from takewhile(lambda turn: turn.joined > since, reversed(flow.queues.get(wish, {}).values()))

    def charge(self, payer: Payer, seconds: float) -> None:
        """Note that a turn of *payer* left, for about so many seconds."""
        self._went += 1
        self._flow(payer).spent.charge(seconds)
        self.spent.charge(seconds / self.share)

    def settle(self, payer: Payer, charged: float, seconds: float) -> None:
        """Note that a turn of *payer* that was *charged* with a guess is back and took *seconds*."""
        self._flow(payer).spent.settle(charged, seconds)
        self.spent.settle(charged / self.share, seconds / self.share)

    def pressed(self) -> None:
        """Note that a call wanted to wait here, whether it was let in or refused."""
        self._came += 1

    def standing(self, now: float) -> bool:
        """Return whether people have waited here for long and more come than go: then the newest goes first."""
        oldest = next(iter(self.turns.values()), None) if self._interactive else None
        long = oldest is not None and now - oldest.stands > STANDING_PART * oldest.budget
        if oldest is not None:
            self._busy_at = now
        elif now - self._busy_at > _CALM_SECONDS:
            self._stands = False
        if long and not self._long and not self._stands:
            self._came = self._went = (
                0  # a burst is over by then: only what comes on top of it makes a queue that stands
            )
        self._long = long
        if self._went >= _LOOK_EVERY:
            self._stands = (self._stands or long) and self._came > _MORE * self._went
            self._came = self._went = 0
        return self._stands

    def ahead(self, payer: Payer) -> int:
        """Return how many calls would go before one of *payer* that came now, as virtual time shares the row."""
        own = self._flows.get(payer)
        mine = ahead = own.count if own else 0
        for flow in self._flows.values():
            if flow is not own:
                ahead += flow.count if flow.count <= mine else mine + 1
        return ahead

    def waiting(self, payer: Payer) -> int:
        """Return how many calls of *payer* wait here."""
        flow = self._flows.get(payer)
        return flow.count if flow else 0

    def heaviest(self) -> tuple[Payer, int] | None:
        """Return the payer for whom most calls wait, and how many; None when nothing waits."""
        waiting = [(flow.count, payer) for payer, flow in self._flows.items() if flow.count]
        if not waiting:
            return None
        count, payer = max(waiting)
        return payer, count

    def youngest(self, payer: Payer) -> Turn:
        """Return the turn of *payer* that came last."""
        found = self._flows[payer].first((), newest=True)
        assert found is not None  # noqa: S101 - asked of who waits; narrows the type
        return found

    def __iter__(self) -> Iterator[Turn]:
        return iter(list(self.turns.values()))

    def _flow(self, payer: Payer) -> _Flow:
        """Return what is known of *payer*, who may have been forgotten while its turn asked for a permit."""
        return self._flows.setdefault(payer, _Flow())

    def _forget(self, now: float) -> None:
        """Let go of payers for whom nothing waits and who owe nothing at *now*, when many are remembered."""
        if len(self._flows) < _MANY:
            return
        for payer, flow in list(self._flows.items()):
            if not flow.count and not flow.spent.under_way and flow.spent.settled <= now:
                del self._flows[payer]


def _insert(turns: OrderedDict[str, Turn], turn: Turn) -> None:
    """Put *turn* where it belongs by when it joined: last if it is new; one that was taken out keeps its place."""
    if not turns or turns[next(reversed(turns))].joined < turn.joined:
        turns[turn.call.id] = turn
        return
    first = turns[next(iter(turns))]
    turns[turn.call.id] = turn
    if turn.joined < first.joined:  # nearly always: whoever is put back was the first
        turns.move_to_end(turn.call.id, last=False)
        return
    ordered = sorted(turns.values(), key=lambda one: one.joined)
    turns.clear()
    turns.update((one.call.id, one) for one in ordered)
