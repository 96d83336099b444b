"""
A store for simulations: plain dictionaries, no more of the protocol than a hub asks for that never crashes.

It keeps the promises of `hub/store/protocol.py` for calls without order keys on one node: fences, states, due moments,
the bound of the backlog. It has no journal, no answers and no other node. `test_simulator.py` compares it with the
real one.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from hub.call import MOVES, WAITING, Call, Class, State
from hub.clock import Clock
from hub.store.persons import Persons
from hub.store.protocol import Accepted, Leased, Occupied, Record, Recovered, Settled, Settlement, Sought
from hub.turn import Payer


@dataclass(slots=True)
class _Row:
    call: Call
    request: bytes
    number: int
    """Order of acceptance."""
    state: State
    fence: int = 0
    exchange_no: int = 0
    attempts: int = 0
    due_at: float = 0.0
    leased: bool = False
    cause: str = ""


class MemoryStore:
    """Implements `hub.store.protocol.Store` for simulations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._ready: dict[tuple[str, Class], dict[Payer, list[tuple[float, int, str]]]] = {}
        """Durable calls that wait, by due moment and order of acceptance; some may be elsewhere by now."""
        self._backlog: Counter[str] = Counter()
        self._numbers = count()

    async def accept(self, call: Call, request: bytes) -> Accepted:
        row = _Row(call, request, next(self._numbers), State.QUEUED, due_at=call.due_at)
        self._rows[call.id] = row
        self._backlog[call.agency] += 1
        self._wait(row)
        return Accepted(call, new=True)

    async def open(self, call: Call, node: str, digest: str, size: int) -> int:
        self._rows[call.id] = _Row(call, b"", next(self._numbers), State.SENDING, exchange_no=1)
        return 1

    async def lease(
        self, agency: str, node: str, want: Mapping[Class, int], ttl: float, without: Collection[str] = ()
    ) -> Sequence[Leased]:
        now = self._clock.now()
        taken: list[Leased] = []
        for cls, most in want.items():
            payers = self._ready.setdefault((agency, cls), {})
            left, in_vain = most, 0
            while left and in_vain < len(payers):
                payer, calls = next(iter(payers.items()))
                del payers[payer]
                row = self._first(calls, now, without)
                if calls:
                    payers[payer] = calls  # last now: the round goes on with the next
                if row is None:
                    in_vain += 1
                    continue
                row.leased = True
                row.fence += 1
                taken.append(Leased(self._as_it_is(row), row.request, now + ttl))
                left, in_vain = left - 1, 0
        return taken

    def _first(self, calls: list[tuple[float, int, str]], now: float, without: Collection[str]) -> _Row | None:
        """Take out the first of *calls* that may be leased."""
        stopped = []
        found = None
        while calls and found is None and calls[0][0] <= now:
            entry = heapq.heappop(calls)
            row = self._rows.get(entry[2])
            if row is None or row.state is not State.QUEUED or row.leased or row.due_at > now:
                continue
            if row.call.step in without:
                stopped.append(entry)
            else:
                found = row
        for entry in stopped:
            heapq.heappush(calls, entry)
        return found

    async def renew(self, node: str, calls: Sequence[str], ttl: float) -> Sequence[str]:
        return [call for call in calls if self._rows[call].leased]

    async def give_back(self, node: str, calls: Sequence[str], due_at: float | None = None) -> None:
        for call in calls:
            row = self._rows[call]
            if row.leased and row.state is State.QUEUED:
                row.leased = False
                row.due_at = row.due_at if due_at is None else due_at
                self._wait(row)

    async def begin(self, call_id: str, fence: int, node: str) -> int | None:
        row = self._rows[call_id]
        if row.state is not State.QUEUED or row.fence != fence:
            return None
        row.state = State.SENDING
        row.exchange_no += 1
        return row.exchange_no

    async def begin_asking(self, call_id: str, node: str, step: str | None = None) -> tuple[int, int] | None:
        row = self._rows[call_id]
        if row.state is not State.IN_DOUBT:
            return None
        row.fence += 1
        row.exchange_no += 1
        return row.fence, row.exchange_no

    async def ask_now(self, call_id: str) -> str | None:
        return None

    async def settle(self, settlement: Settlement) -> Settled:
        row = self._rows[settlement.call_id]
        if (row.fence, row.exchange_no) != (settlement.fence, settlement.exchange_no):
            return Settled.REFUSED
        if settlement.state not in MOVES[row.state] and not row.state is settlement.state is State.IN_DOUBT:
            return Settled.REFUSED
        row.attempts += settlement.attempt
        row.cause = settlement.cause
        self._move(row, settlement.state)
        if settlement.due_at is not None:
            row.due_at = settlement.due_at
        if row.state is State.QUEUED and not row.call.interactive:
            row.leased = False
            self._wait(row)
        elif row.state not in WAITING and row.state is not State.IN_DOUBT:
            del self._rows[settlement.call_id]
        return Settled.APPLIED

    async def end(self, call_id: str, state: State, cause: str) -> bool:
        row = self._rows.get(call_id)
        if row is None or row.state not in (State.QUEUED, State.IN_DOUBT):
            return False
        self._move(row, state)
        row.cause = cause
        return True

    async def cancel(self, call_id: str, caller: str) -> State | None:
        row = self._rows.get(call_id)
        if row is not None and row.state is State.QUEUED:
            self._move(row, State.CANCELLED)
        return row.state if row else None

    async def get(self, call_id: str, caller: str | None = None) -> Record | None:
        row = self._rows.get(call_id)
        return Record(self._as_it_is(row), None, None, row.cause, None) if row else None

    async def find(self, sought: Sought) -> Sequence[Record]:
        raise NotImplementedError("simulations look calls up by id")

    async def asking_due(self, agency: str, not_after: float, limit: int) -> Sequence[Leased]:
        return [
            Leased(self._as_it_is(row), row.request, 0.0)
            for row in self._rows.values()
            if row.state is State.IN_DOUBT and row.call.agency == agency and row.due_at <= not_after
        ][:limit]

    @property
    def persons(self) -> Persons:
        raise NotImplementedError("nobody decides anything in simulations")

    async def recover(self, node: str, *, starting: bool = True) -> Recovered:
        return Recovered()

    async def occupied(self, since: float) -> Sequence[Occupied]:
        return []

    async def sent_on_day(self, agency: str, day: str) -> int:
        return 0

    async def backlog(self, agency: str) -> int:
        return self._backlog[agency]

    async def next_due(self, agency: str, after: float = 0.0, without: Collection[str] = ()) -> float | None:
        waiting = (
            entry
            for (of, _), payers in self._ready.items()
            if of == agency
            for calls in payers.values()
            for entry in calls
            if entry[0] > after
        )
        return min(
            (due for due, _, call in waiting if call in self._rows and self._rows[call].call.step not in without),
            default=None,
        )

    async def remembered(self, dossier: str, agency: str) -> Mapping[str, str]:
        return {}

    async def close(self) -> None: ...

    def _wait(self, row: _Row) -> None:
        call = row.call
        payers = self._ready.setdefault((call.agency, call.cls), {})
        waiting = payers.setdefault((call.caller, call.purpose.unit or ""), [])
        heapq.heappush(waiting, (row.due_at, row.number, call.id))

    def _move(self, row: _Row, to: State) -> None:
        if not row.call.interactive:
            self._backlog[row.call.agency] += (to in WAITING) - (row.state in WAITING)
        row.state = to

    def _as_it_is(self, row: _Row) -> Call:
        return replace(
            row.call,
            state=row.state,
            fence=row.fence,
            exchange_no=row.exchange_no,
            attempts=row.attempts,
            due_at=row.due_at,
        )
