"""
How to make a hub write each thing that a store can write, through its doors alone: one way for each member of a commit.

`WAYS` is total: a test compares it with the store's own code, so that a new kind of member needs a way, and a crash
test with it. A way may take a first step in the life before the one that dies.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import hub.store
from bench.crashing.cluster import AGENCY, REGISTERS
from bench.crashing.node import until
from bench.crashing.run import Run
from connectors.kit.sandbox.faults import Fault

Step = Callable[[Run], Awaitable[object]]
SLOW = Fault(fault="latency", seconds=0.3)


async def nothing(_: Run) -> None:
    """The traffic brings it about."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one kind of member comes about."""

    now: Step = nothing
    """Done in the life that is to die, which may die before it returns."""
    before: Step = nothing
    """Done in the life before it."""
    time: int = 1
    """Which of its commits is meant, where a start has some of its own."""
    careful: bool = False
    """It happens to what may not be repeated: steps of dossiers that are at the agency, and nothing else comes."""
    starting: bool = False
    """It is written before the node is ready."""
    operators: bool = False
    """An operator does it, which leaves others alone: they share a run."""
    lasting: bool = False
    """It takes many seconds to come about, so one form of the hub must do."""
    several: bool = False
    """Only a hub that may have several nodes writes it."""
    kept: Callable[[Run], Awaitable[bool]] | None = None
    """Says, of what an operator did, whether it is there afterwards."""


async def two_ask_the_same(run: Run) -> None:
    run.misbehave(SLOW)
    while run.node.lives:
        for _ in range(10):  # there are five procedures that somebody waits for
            run.traffic.ask("look up, waiting")
        await asyncio.sleep(0.5)


async def many_take_it_back(run: Run) -> None:
    while run.node.lives:
        for _ in range(4):
            run.traffic.ask("file_dossier", cancel=True)
        await asyncio.sleep(0.2)


async def held(run: Run) -> None:
    """Hold the lane, and let something wait in it."""
    await hold(run)
    for _ in range(3):
        asked = run.traffic.ask("file_dossier")
    await until(lambda: run.traffic.told(asked), "a filing that waits")


async def stopped_in_order(run: Run) -> None:
    await held(run)
    await run.node.stop()


async def out_of_time(run: Run) -> None:
    """Let a filing's time run out in a lane that is held, and let the lane go on."""
    await hold(run)
    asked = run.traffic.ask("file_dossier", **{"hub-deadline": "0.2"})
    await until(lambda: run.traffic.told(asked), "a filing with little time")
    await asyncio.sleep(0.3)
    await resume(run)


async def in_doubt(run: Run, then: Step = nothing) -> None:
    """Leave something on the wire that may not be repeated, and do *then* before the node is killed."""
    first = run.traffic.ask("file_dossier")
    await until(lambda: run.arrived("file_dossier", first.subject), "a dossier")
    run.misbehave(Fault(fault="hang", operation="file_progress", seconds=5.0))
    step = run.traffic.ask("file_progress")
    assert step.operation == "file_progress"
    await until(lambda: run.arrived(step.operation, step.subject), "a step")
    await then(run)
    await run.node.kill()


async def in_doubt_for_a_person(run: Run) -> None:
    """Leave something in doubt, in a lane that is held, so that no look-up clears it before a person does."""
    await resume(run)
    await in_doubt(run, hold)


async def give_up_a_doubt(run: Run) -> None:
    async def first() -> str:
        doubts = (await run.cluster.operator("GET", "/admin/v1/doubts")).json()["calls"]
        return doubts[0]["call"] if doubts else ""

    await until(first, "a doubt")
    resolution = {"outcome": "give_up", "by": "cb-102", "reason": "asked by telephone"}
    await run.cluster.operator("POST", f"/admin/v1/doubts/{await first()}", json=resolution)


async def is_given_up(run: Run) -> bool:
    return bool((await run.cluster.operator("GET", "/admin/v1/dead")).json()["calls"])


async def hand_in_a_batch(run: Run) -> None:
    run.traffic.ask_many(5)


async def second_place(run: Run) -> int:
    """Return the place of the second event of the caller's feed, 0 while there is none."""
    page = (await run.cluster.ask("GET", f"/v1/notices/{AGENCY}?after=0&limit=2")).json()
    return page["after"] if len(page["events"]) == 2 else 0


async def acknowledge(run: Run) -> None:
    await until(lambda: second_place(run), "two events")
    body = {"after": await second_place(run)}
    await run.cluster.ask("PUT", f"/v1/notices/{AGENCY}/cursor", json=body)


async def is_acknowledged(run: Run) -> bool:
    following = (await run.cluster.ask("GET", f"/v1/notices/{AGENCY}?limit=1")).json()
    return following["after"] > await second_place(run) or not following["events"]


async def another_is_dead(run: Run) -> None:
    """Let another node have died, for good as far as this one knows."""
    other = run.cluster.nodes[1]
    if not other.deaths:
        await other.start()
        await other.kill()
    await until(lambda: run.cluster.dead(other, run.node), "a node taken for dead")


async def stopped(run: Run) -> None:
    await run.node.stop()


async def dossiers(run: Run) -> None:
    """File what steps can be added to."""
    filed = [run.traffic.ask("file_dossier", wait=True) for _ in range(12)]
    for one in filed:
        await until(lambda one=one: run.arrived(one.operation, one.subject), "a dossier at the agency")


async def killed(run: Run) -> None:
    asked = run.traffic.ask("file_dossier")
    await until(lambda: run.traffic.told(asked), "a ticket")
    await run.node.kill()


async def hold(run: Run) -> None:
    await run.cluster.operator("POST", f"/admin/v1/lanes/{AGENCY}/hold", json={"reason": "asked to"})


async def resume(run: Run) -> None:
    await run.cluster.operator("POST", f"/admin/v1/lanes/{AGENCY}/resume")


async def is_held(run: Run) -> bool:
    (lane,) = (await run.cluster.operator("GET", "/admin/v1/lanes")).json()
    return lane["hold"] is not None


async def is_not_held(run: Run) -> bool:
    return not await is_held(run)


async def add_caller(run: Run) -> None:
    caller = {"name": "tax", "allowed": ["*"], "top_class": "normal"}
    await run.cluster.operator("POST", "/admin/v1/callers", json=caller)


async def knows_caller(run: Run) -> bool:
    return "tax" in [one["name"] for one in (await run.cluster.operator("GET", "/admin/v1/callers")).json()]


def add_line(register: str, line: str) -> Step:
    async def put(run: Run) -> None:
        content = REGISTERS[register] + line
        await run.cluster.operator("PUT", f"/admin/v1/{register}", content=content.encode())

    return put


def knows_lines(register: str, count: int) -> Callable[[Run], Awaitable[bool]]:
    async def known(run: Run) -> bool:
        return len((await run.cluster.operator("GET", f"/admin/v1/{register}")).json()) == count

    return known


async def subscribe(run: Run) -> None:
    """Have what settles pushed to where nobody listens, so that each try fails."""
    await run.cluster.ask("POST", "/v1/subscriptions", json={"url": "http://127.0.0.1:9/"})


async def subscriptions(run: Run) -> list[str]:
    return [one["id"] for one in (await run.cluster.ask("GET", "/v1/subscriptions")).json()["subscriptions"]]


async def only_one(run: Run) -> None:
    """Leave one subscription, whatever there was."""
    await unsubscribe(run)
    await subscribe(run)


async def unsubscribe(run: Run) -> None:
    for one in await subscriptions(run):
        await run.cluster.ask("DELETE", f"/v1/subscriptions/{one}")


async def go_on(run: Run) -> None:
    for one in await subscriptions(run):
        await run.cluster.ask("POST", f"/v1/subscriptions/{one}/resume")


async def is_subscribed(run: Run) -> bool:
    return bool(await subscriptions(run))


async def is_not_subscribed(run: Run) -> bool:
    return not await is_subscribed(run)


WAYS = {
    "accept": Way(),
    "accept_batch": Way(hand_in_a_batch),
    "open": Way(),
    "follow": Way(two_ask_the_same),
    "lease": Way(time=3),
    "renew": Way(held, lasting=True),
    "give_back": Way(stopped_in_order),
    "begin": Way(time=2, careful=True),
    "begin_asking": Way(before=in_doubt),
    "settle": Way(time=2, careful=True),
    "end": Way(out_of_time),
    "cancel": Way(many_take_it_back),
    "recover": Way(before=killed, starting=True),
    "put_caller": Way(add_caller, kept=knows_caller, operators=True),
    "replace_units": Way(add_line("units", "H33,2020-01-01,,npsp,000.00.15.H32\n"), kept=knows_lines("units", 2), operators=True),
    "replace_officers": Way(add_line("officers", "cb-103,H32,2020-01-01,,npsp,cb-103\n"), kept=knows_lines("officers", 2), operators=True),
    "orders_in_force": Way(before=killed, starting=True, operators=True),
    "give_order": Way(hold, kept=is_held, operators=True),
    "take_order_back": Way(resume, before=hold, kept=is_not_held, operators=True),
    "decide": Way(give_up_a_doubt, before=in_doubt_for_a_person, kept=is_given_up),
    "acknowledge": Way(acknowledge, kept=is_acknowledged),
    "beat": Way(starting=True, several=True),
    "depart": Way(stopped, several=True),
    "inherit": Way(before=another_is_dead, starting=True, lasting=True, several=True),
    "subscribe": Way(subscribe, before=unsubscribe, kept=is_subscribed, operators=True),
    "unsubscribe": Way(unsubscribe, before=only_one, kept=is_not_subscribed, operators=True),
    "resume_subscription": Way(go_on, before=only_one, operators=True),
    "lease_subscriptions": Way(before=only_one, starting=True, operators=True),
    "move_subscription": Way(before=only_one, operators=True),
    "release_subscriptions": Way(stopped, before=only_one, operators=True),
}  # fmt: skip

_MEMBER = re.compile(r'_write\(\s*"(\w+)"')
_SOURCES = sorted(Path(hub.store.__file__).parent.glob("*.py"))


_OF_AGENCIES = frozenset(
    {"take_notices", "keep_dead_notice", "still_dead_notice", "discard_dead_notices", "publish", "question"}
)
_PUSHED_IN_VAIN = frozenset({"bury_event", "replay_events", "discard_event", "tried_again"})
_POLLED = frozenset({"ask_now", "plan_polls", "lease_poll", "take_page", "end_poll", "release_polls", "run_poll_now"})
_COMPARED = frozenset(
    {"want_reconciliation", "lease_reconciliation", "take_stretch", "end_reconciliation", "release_reconciliations"}
)
_OF_FILES = frozenset({"file", "file_part", "file_drop"})
_ONCE = frozenset({"note", "name", "begin_retention", "retention", "restore", "try_out"})
BESIDE = _ONCE | _OF_AGENCIES | _PUSHED_IN_VAIN | _POLLED | _COMPARED | _OF_FILES
"""
What no traffic brings about, and which moves no call that anybody waits for: the copying and the restoring of a store
(`tests/integration/test_backup_and_restore.py`), the removal of what has ended (`tests/contract/test_store_retention.py`),
a trial that leaves nothing, what agencies tell and ask, of which these have nothing to say (killed at each of those commits
in `tests/integration/test_agencies_call_us.py`), events that were pushed in vain for days
(`tests/contract/test_store_subscriptions.py`), files, which nobody sees before they are whole
(`tests/contract/test_store_files.py`), the name of a store, comparisons with agencies, which operators want (killed at their
commits in `tests/integration/test_what_agencies_have_is_compared.py`), and polls and what is heard of a pending call
(`tests/unit/engine/test_polling.py`, `test_asking_after.py`), which none of these agencies has.
"""


def members_of_the_store() -> frozenset[str]:
    """Return the names of all members, as the store's own code gives them to its failpoints."""
    return frozenset(name for file in _SOURCES for name in _MEMBER.findall(file.read_text("utf-8")))
