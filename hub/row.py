"""
One row of a line: the calls of one class that wait, shared fairly between those for whom they are made.

Between payers (caller, unit) it is fair queueing by virtual time with service times that nobody knows beforehand: a
guess is charged when a call leaves, and put right when it is back. For one payer it is first come, first served; while
people have waited for long, last come, first served, because who came last can still be answered in time. Next: `line.py`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from hub.turn import Payer, Turn

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


class _Flow:
    """What waits for one payer."""

    __slots__ = ("spent", "turns")

    def __init__(self, spent: float) -> None:
        self.spent = spent
        self.turns: OrderedDict[str, Turn] = OrderedDict()


class Row:
    """Calls of one class, interactive or durable, by call id."""

    def __init__(self, share: float, *, interactive: bool) -> None:
        self.share = share
        self.spent = 0.0
        """Seconds at the agency, divided by the share: the row that has had least goes next."""
        self.turns: OrderedDict[str, Turn] = OrderedDict()
        """All that wait, oldest first."""
        self._interactive = interactive
        self._flows: dict[Payer, _Flow] = {}
        self._now = 0.0
        """Virtual time of the flow that went last: who comes new or comes back begins here and has saved nothing up."""
        self._came = self._went = 0
        """Calls that wanted to wait, and that left, since the last look."""
        self._stands = False
        self._busy_at = 0.0

    def join(self, turn: Turn) -> None:
        """Let *turn* wait, last unless it joined the line before others that are here."""
        flow = self._flows.get(turn.payer)
        if flow is None:
            self._forget()
            flow = self._flows[turn.payer] = _Flow(self._now)
        elif not flow.turns:
            flow.spent = max(flow.spent, self._now)
        _put(self.turns, turn)
        _put(flow.turns, turn)

    def leave(self, turn: Turn) -> bool:
        """Take *turn* out, wherever it stands; False if it is not here."""
        if self.turns.get(turn.call.id) is not turn:
            return False
        del self.turns[turn.call.id]
        del self._flows[turn.payer].turns[turn.call.id]
        return True

    def take(self, now: float, may: Callable[[Payer], bool]) -> Turn | None:
        """Take out the turn that goes next among payers who *may* have another permit; None if there is none."""
        best: _Flow | None = None
        for payer, flow in self._flows.items():
            if flow.turns and (best is None or flow.spent < best.spent) and may(payer):
                best = flow
        if best is None:
            return None
        newest = self.standing(now)
        _, turn = best.turns.popitem(last=newest)
        del self.turns[turn.call.id]
        return turn

    def charge(self, payer: Payer, seconds: float) -> None:
        """Note that a turn of *payer* left, for about so many seconds."""
        self._went += 1
        flow = self._flows[payer]
        self._now = max(self._now, flow.spent)
        flow.spent += seconds
        self.spent += seconds / self.share

    def correct(self, payer: Payer, seconds: float, *, gone: bool) -> None:
        """Note that what was charged to *payer* was wrong by *seconds*; *gone*: nothing else of it is under way."""
        self.spent += seconds / self.share
        flow = self._flows.get(payer)
        if flow is None:
            return
        flow.spent += seconds
        if gone and not flow.turns and flow.spent <= self._now:
            del self._flows[payer]

    def pressed(self) -> None:
        """Note that a call wanted to wait here, whether it was let in or refused."""
        self._came += 1

    def standing(self, now: float) -> bool:
        """Return whether people have waited here for long and more come than go: then the newest goes first."""
        oldest = next(iter(self.turns.values()), None) if self._interactive else None
        if oldest is not None:
            self._busy_at = now
        elif now - self._busy_at > _CALM_SECONDS:
            self._came = self._went = 0
            self._stands = False
        if self._went >= _LOOK_EVERY:
            long = oldest is not None and now - oldest.stands > STANDING_PART * oldest.budget
            self._stands = (self._stands or long) and self._came > _MORE * self._went
            self._came = self._went = 0
        return self._stands

    def ahead(self, payer: Payer) -> int:
        """Return how many calls would go before one of *payer* that came now, as virtual time shares the row."""
        own = self._flows.get(payer)
        mine = len(own.turns) if own else 0
        return mine + sum(min(len(flow.turns), mine + 1) for flow in self._flows.values() if flow is not own)

    def waiting(self, payer: Payer) -> int:
        """Return how many calls of *payer* wait here."""
        flow = self._flows.get(payer)
        return len(flow.turns) if flow else 0

    def heaviest(self) -> tuple[Payer, int] | None:
        """Return the payer for whom most calls wait, and how many; None when nothing waits."""
        waiting = [(len(flow.turns), payer) for payer, flow in self._flows.items() if flow.turns]
        if not waiting:
            return None
        count, payer = max(waiting)
        return payer, count

    def youngest(self, payer: Payer) -> Turn:
        """Return the turn of *payer* that came last."""
        turns = self._flows[payer].turns
        return turns[next(reversed(turns))]

    def __iter__(self) -> Iterator[Turn]:
        return iter(list(self.turns.values()))

    def _forget(self) -> None:
        """Let go of payers for whom nothing waits and who owe nothing, when many are remembered."""
        if len(self._flows) >= _MANY:
            for payer in [one for one, flow in self._flows.items() if not flow.turns and flow.spent <= self._now]:
                del self._flows[payer]


def _put(turns: OrderedDict[str, Turn], turn: Turn) -> None:
    """Put *turn* where it belongs by the order of joining: nearly always last, or first when it was taken out and comes back."""
    first, last = next(iter(turns.values()), None), turns[next(reversed(turns))] if turns else None
    turns[turn.call.id] = turn
    if first is None or last is None or last.joined < turn.joined:
        return
    turns.move_to_end(turn.call.id, last=False)
    if first.joined < turn.joined:
        ordered = sorted(turns.values(), key=lambda one: one.joined)
        turns.clear()
        turns.update((one.call.id, one) for one in ordered)
