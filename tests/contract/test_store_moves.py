"""Promises of a store: whatever is asked, and in whatever order, no call makes a move that `hub.call.MOVES` lacks."""

from random import Random
from typing import Any

import pytest

from hub.call import MOVES, Call, Kind, State
from hub.journal import first_break
from hub.store.deciding import TURNINGS, Act, Fate
from hub.store.protocol import Follower, Leased, Settled, Settlement, Shared, Sought


async def reach(bench: Any, state: State) -> Call:
    """Return a call that stands in *state*."""
    if state is State.QUEUED:
        call: Call = await bench.accepted()
    elif state is State.CANCELLED:
        call = await bench.accepted()
        await bench.store.cancel(call.id, "onestop")
    elif state is State.EXPIRED:
        call = await bench.opened(agency="npsp")
        await bench.settle(call, state, "in_doubt")
    else:
        call = (await bench.sending()).call
        if state is not State.SENDING:
            await bench.settle(call, state, "in_doubt", result="ok")
    assert await bench.state(call) is state
    return call


@pytest.mark.parametrize("was", State)
async def test_only_what_waits_or_is_in_doubt_is_ended_and_only_as_the_moves_allow(bench: Any, was: State) -> None:
    for to in State:
        call = await reach(bench, was)
        may = to is State.DEAD and was in (State.QUEUED, State.IN_DOUBT)
        assert await bench.store.end(call.id, to, "deadline") is may
        assert await bench.state(call) is (to if may else was)


@pytest.mark.parametrize("was", State)
async def test_a_person_decides_only_about_what_is_dead_or_in_doubt(bench: Any, was: State) -> None:
    for act, turning in TURNINGS.items():
        call = await reach(bench, was)
        may = was is turning.was
        assert await bench.decided(call, act) is (Fate.MOVED if may else Fate.MOVED_MEANWHILE)
        assert await bench.state(call) is (turning.to if may else was)
        assert turning.to in MOVES[turning.was]


@pytest.mark.parametrize("was", State)
async def test_only_what_is_queued_is_cancelled_or_leased(bench: Any, was: State) -> None:
    call = await reach(bench, was)
    assert len(await bench.leased()) == (was is State.QUEUED)
    after = State.CANCELLED if was is State.QUEUED else was
    assert await bench.store.cancel(call.id, "onestop") is after
    assert await bench.state(call) is after


@pytest.mark.parametrize("was", State)
async def test_only_what_is_queued_begins(bench: Any, was: State) -> None:
    """With the fence the call has now, and on the node that had it."""
    call = await reach(bench, was)
    fence = (await bench.record(call)).call.fence
    if was is State.QUEUED:
        (leased,) = await bench.leased()
        fence = leased.call.fence
    begun = await bench.store.begin(call.id, fence, "node-1")
    assert (begun is not None) is (was is State.QUEUED)


@pytest.mark.parametrize("ending", ["end", "cancel", "decide"])
async def test_what_a_person_or_a_caller_ends_is_fenced_off(bench: Any, ending: str) -> None:
    """A node that leased the call, or verifies it, may no longer speak for it."""
    call = await bench.accepted()
    (leased,) = await bench.leased()
    if ending == "cancel":
        await bench.store.cancel(call.id, "onestop")
    elif ending == "end":
        await bench.store.end(call.id, State.DEAD, "deadline")
    else:
        await bench.store.begin(call.id, leased.call.fence, "node-1")
        await bench.settle(leased, State.IN_DOUBT, "in_doubt")
        fence, number = await bench.store.begin_asking(call.id, "node-1")
        assert await bench.decided(call, Act.NOT_DONE) is Fate.MOVED
        assert await bench.answered(leased, number, fence=fence) is Settled.REFUSED
    assert await bench.store.begin(call.id, leased.call.fence, "node-1") is None


class Walk:
    """Two nodes and a person who do anything, at any time, with what they remember, however old."""

    def __init__(self, bench: Any, seed: int) -> None:
        self.bench = bench
        self.random = Random(seed)
        self.known: dict[str, Call] = {}
        self.order: list[str] = []
        self.tokens: list[tuple[str, int, int]] = []
        self.leases: list[tuple[str, Leased]] = []
        self.moves: set[tuple[State, State]] = set()

    async def step(self) -> None:
        acts = [
            self.accept,
            self.open,
            self.follow,
            self.lease,
            self.begin,
            self.begin,
            self.settle,
            self.settle,
            self.settle,
        ]
        await self.random.choice(
            [*acts, self.verify, self.decide, self.end, self.cancel, self.recover, self.pass_time]
        )()
        await self.compare()

    async def accept(self) -> None:
        if await self.bench.store.backlog("npsp") < self.bench.backlog_calls["npsp"]:
            kind = self.random.choice([Kind.FILING, Kind.FILING, Kind.LOOKUP])
            key = self.random.choice([None, None, "D1", "D2"])
            call = await self.bench.accepted(kind=kind, repeat_safe=self.random.random() < 0.5, order_key=key)
            self.order.append(call.id)

    async def open(self) -> None:
        call = await self.bench.opened(agency="npsp")
        self.order.append(call.id)
        self.tokens.append((call.id, 0, 1))

    async def follow(self) -> None:
        if self.order:
            one = Follower(self.bench.lookup(agency="npsp"), "d" * 64, 120)
            result = self.random.choice(["ok", "pending"])
            await self.bench.store.follow(Shared(self.order[-1], b"1", result, "", 1.0), [one])
            self.order.append(one.call.id)

    async def lease(self) -> None:
        node = self.random.choice(["node-1", "node-2"])
        self.leases += [(node, one) for one in await self.bench.leased(want=2, node=node, ttl=40)]

    async def begin(self) -> None:
        if self.leases:
            node, leased = self.random.choice(self.leases[-4:])
            number = await self.bench.store.begin(leased.call.id, leased.call.fence, node)
            if number is not None:
                self.tokens.append((leased.call.id, leased.call.fence, number))

    async def settle(self) -> None:
        if self.tokens:
            call, fence, number = self.random.choice(self.tokens[-4:])
            to, result = self.random.choice([*State]), self.random.choice(["ok", "pending"])
            attempt = self.random.random() < 0.5
            told = Settlement(call, fence, number, to, "answered", attempt=attempt, answer=b"1", result=result)
            before = (await self.bench.store.get(call)).call
            verdict = await self.bench.store.settle(told)
            after = (await self.bench.store.get(call)).call
            if verdict is Settled.REFUSED:
                assert after == before

    def some(self, *preferred: State) -> str:
        """Return the id of a call: most often one that stands where something can happen."""
        likely = [id_ for id_, call in self.known.items() if call.state in preferred]
        return self.random.choice(likely if likely and self.random.random() < 0.7 else self.order)

    async def verify(self) -> None:
        if self.order:
            call = self.some(State.IN_DOUBT, State.ANSWERED)
            begun = await self.bench.store.begin_asking(call, "node-1")
            if begun is not None:
                self.tokens.append((call, *begun))

    async def decide(self) -> None:
        if self.order:
            await self.bench.decided(self.some(State.DEAD, State.IN_DOUBT), self.random.choice([*Act]))

    async def end(self) -> None:
        if self.order:
            await self.bench.store.end(self.some(State.QUEUED), self.random.choice([*State]), "deadline")

    async def cancel(self) -> None:
        if self.order:
            await self.bench.store.cancel(self.some(State.QUEUED), "onestop")

    async def recover(self) -> None:
        if self.random.random() < 0.3:
            await self.bench.store.recover("node-1", starting=self.random.random() < 0.5)

    async def pass_time(self) -> None:
        self.bench.clock.advance(self.random.choice([1, 10, 60]))

    async def compare(self) -> None:
        now = {one.call.id: one.call for one in await self.bench.store.find(Sought(limit=9999))}
        for id_, call in now.items():
            was = self.known.get(id_)
            if was is None:
                assert call.state in MOVES[None]
            elif was != call:
                self.judge(was, call, now)
        self.known = now

    def judge(self, was: Call, call: Call, now: dict[str, Call]) -> None:
        if was.state is not call.state:
            self.moves.add((was.state, call.state))
            assert call.state in MOVES[was.state]
        assert call.fence >= was.fence
        assert call.exchange_no - was.exchange_no in (0, 1)
        assert not (call.state is State.EXPIRED and not call.interactive), "durable calls never expire"
        assert not (call.state is State.IN_DOUBT and call.kind is Kind.LOOKUP), "lookups are never in doubt"
        if call.state is State.SENDING and call.order_key is not None:
            older = [
                now[id_] for id_ in self.order[: self.order.index(call.id)] if now[id_].order_key == call.order_key
            ]
            assert all(one.state in (State.ANSWERED, State.CANCELLED) for one in older), "one at a time, in order"


@pytest.mark.parametrize("seed", [0, 3, 4])
async def test_no_walk_leads_to_a_move_that_is_not_in_the_table(bench: Any, seed: int) -> None:
    walk = Walk(bench, seed)
    for _ in range(600):
        await walk.step()
    assert len(walk.moves) >= 10, "a walk that goes nowhere proves nothing"
    waiting = [one for one in walk.known.values() if not one.interactive and one.state in ("queued", "sending")]
    assert await bench.store.backlog("npsp") == len(waiting)
    assert first_break(await bench.store.journal(limit=99_999)) is None


async def test_the_chains_of_the_journal_are_known_with_their_ends(bench: Any) -> None:
    assert await bench.store.chains() == {}
    await bench.accepted()
    await bench.accepted()
    rows = await bench.store.journal()
    ((chain, head),) = (await bench.store.chains()).items()
    assert (head.seq, head.hash) == (2, rows[-1].hash)
    assert await bench.store.journal(chain=chain) == rows
    assert list(await bench.store.journal(chain="nobody's")) == []
