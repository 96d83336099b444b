"""PostgreSQL, with whatever statistics it has of a backlog that grew since: no lease reads more of it than it takes."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hub.call import Call, Class, Kind, Purpose
from hub.clock import VirtualClock
from hub.store.feed import FeedStatements
from hub.store.notices import Arrival, Owner
from hub.store.postgres import Postgres, PostgresStore
from hub.store.prepared import Prepared, postgres_dialect
from hub.store.statements import Statements

CLOCK = VirtualClock()
WAITING = 2_000
PLACE = {"agency": "npsp", "class": "normal", "now": CLOCK.now(), "without": ","}


def a_call(number: int) -> Call:
    now = CLOCK.now()
    return Call(
        f"call-{number:05}", "npsp", "file_dossier", Kind.FILING, Class.NORMAL, False, f"caller{number % 20:02}", Purpose(),
        f"{number:064x}", now, now + 1000, now, "file_dossier", order_key=f"{number}",
    )  # fmt: skip


async def accepted(dsn: str, numbers: range) -> None:
    store = PostgresStore.connect(dsn, "one", CLOCK, backlog_calls={"npsp": 2 * WAITING})
    await asyncio.gather(*(store.accept(a_call(number), b"{}") for number in numbers))
    await store.close()


@pytest.fixture(params=["never looked at", "looked at while empty"])
def writes(request: pytest.FixtureRequest, database: str) -> Iterator[Any]:
    """The connection of a node that writes, over a backlog of which the server does not know."""
    asyncio.run(accepted(database, range(1)))
    if request.param == "looked at while empty":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ANALYZE")
    asyncio.run(accepted(database, range(1, WAITING)))
    connection = Postgres(database, "two").connect()
    yield connection
    connection.close()


def plan(connection: Any, statement: Prepared, values: dict[str, Any]) -> str:
    rows = connection.execute(f"EXPLAIN {statement.sql}", statement.order(values)).fetchall()
    return "\n".join(line for (line,) in rows)


def test_the_oldest_of_a_payer_are_read_in_their_order(writes: Any) -> None:
    say = Statements(postgres_dialect())
    told = plan(writes, say.leasable, PLACE | {"payer": "caller03", "want": 5})
    assert "using calls_turn on calls" in told, told
    assert "Sort" not in told, told


def test_the_next_payer_is_read_and_no_other(writes: Any) -> None:
    say = Statements(postgres_dialect())
    told = plan(writes, say.next_payer, PLACE | {"after": "caller03"})
    assert "using calls_turn on calls" in told, told
    assert "Sort" not in told, told


def test_of_calls_to_move_only_these_are_read(writes: Any) -> None:
    say = Statements(postgres_dialect())
    assert say.standings is not None
    told = plan(writes, say.standings, {"calls": [f"call-{number:05}" for number in range(30)]})
    assert "Index Cond: (id = ANY" in told, told
    assert "Filter" not in told, told


def test_each_arm_of_the_feed_walks_its_own_index(database: str) -> None:
    """Whatever the server knows of the table: a page is read in the order of numbers, and nothing is sorted whole."""

    async def told() -> None:
        store = PostgresStore.connect(database, "one", CLOCK, backlog_calls={})
        for number in range(20):
            owners = [Owner(f"D{number}", None if at % 10 == 0 else f"c{at % 7}", "") for at in range(100)]
            await store.notices.take(
                [
                    Arrival(f"n{number}-{at}", "tax", "told", None, None, b"{}", owner=owner)
                    for at, owner in enumerate(owners)
                ]
            )
        await store.close()

    asyncio.run(told())
    say = FeedStatements(Statements(postgres_dialect()))
    asked = {
        "caller": "c1",
        "agencies": ",tax,",
        "notices": ",",
        "dossier": "D5",
        "after": 0,
        "upto": 10**9,
        "limit": 5,
    }
    connection = Postgres(database, "two").connect()
    for analysed in (False, True):
        if analysed:
            connection.execute("ANALYZE")
        both = plan(connection, say.told, asked)
        assert "Index Scan using notices_of_all" in both, both
        assert "notices_dossier" in plan(connection, say.told_of_dossier, asked)
    assert "notices_caller" in both, both
    connection.close()
