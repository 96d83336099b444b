"""PostgreSQL that is killed, frozen, full or slow to say whether it committed: honest refusals, and then on by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.servers import Postgres
from hub.app.build import admin_key, open_store
from hub.call import Call, Class, Kind, Purpose, State
from hub.clock import SystemClock, VirtualClock
from hub.errors import Internal, StoreUnavailable
from hub.journal import first_break
from hub.settings import load_settings
from hub.store.postgres import PostgresConnection, PostgresStore
from hub.store.protocol import News, Settlement, Sought
from mappings.errors import FilesRefused
from monitoring.events import Silent

CLOCK = VirtualClock()
PATIENCE = 20.0


def a_call(number: int, **changes: Any) -> Call:
    now = CLOCK.now()
    return Call(
        f"call-{number:05}", "npsp", "file_dossier", Kind.FILING, Class.NORMAL, False, "onestop", Purpose(),
        f"{number:064x}", now, now + 1000, now, "file_dossier", **changes,
    )  # fmt: skip


def opened(dsn: str, failpoint: Any = None) -> PostgresStore:
    return PostgresStore.connect(dsn, "one", CLOCK, backlog_calls={"npsp": 100}, failpoint=failpoint)


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    one = opened(database)
    yield one
    await one.close()


@pytest.fixture
async def lonely(own_postgres: Postgres) -> AsyncIterator[PostgresStore]:
    """A store on a server that the test may kill."""
    one = opened(own_postgres.dsn())
    yield one
    await one.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is looked at lies in another process
            await asyncio.sleep(0.01)


def ask(dsn: str, sql: str) -> list[Any]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def break_commit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return what makes the next COMMIT lose its connection: `before` it is done, or `after`."""
    execute = PostgresConnection.execute
    when = [""]

    def broken(self: PostgresConnection, sql: Any, *args: Any, **more: Any) -> Any:
        if sql != "COMMIT" or not when[0]:
            return execute(self, sql, *args, **more)
        if when[0] == "after":
            execute(self, sql)
        when[0] = ""
        self.close()
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(PostgresConnection, "execute", broken)
    yield lambda moment: when.__setitem__(0, moment)
    assert not when[0], "the COMMIT that was to fail never came"


async def test_a_commit_that_was_done_before_the_connection_broke_is_found(
    store: PostgresStore, break_commit: Callable[[str], None]
) -> None:
    await store.accept(a_call(1), b"{}")
    break_commit("after")
    assert (await store.accept(a_call(2), b"{}")).new
    assert len(await store.find(Sought())) == 2
    assert first_break(await store.journal()) is None
    assert await store.backlog("npsp") == 2


async def test_a_commit_that_was_never_done_is_told_as_not_written(
    store: PostgresStore, break_commit: Callable[[str], None]
) -> None:
    break_commit("before")
    with pytest.raises(StoreUnavailable):
        await store.accept(a_call(1), b"{}")
    assert await store.find(Sought()) == []
    assert (await store.accept(a_call(1), b"{}")).new
    assert first_break(await store.journal()) is None


async def test_a_server_that_is_killed_refuses_and_one_that_is_back_serves(
    own_postgres: Postgres, lonely: PostgresStore
) -> None:
    call = (await lonely.accept(a_call(1), b"{}")).call
    (leased,) = await lonely.lease("npsp", "one", {Class.NORMAL: 1}, 60)
    number = await lonely.begin(call.id, leased.call.fence, "one")
    own_postgres.kill()
    ended = await asyncio.gather(*(lonely.accept(a_call(n), b"{}") for n in range(2, 5)), return_exceptions=True)
    assert [type(one) for one in ended] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        await lonely.get(call.id)
    own_postgres.start()
    settlement = Settlement(call.id, leased.call.fence, number or 0, State.ANSWERED, "answered", answer=b"{}")
    await lonely.settle(settlement)
    record = await lonely.get(call.id)
    assert record is not None
    assert record.call.state is State.ANSWERED
    assert [one.call.id for one in await lonely.find(Sought())] == [call.id]
    assert first_break(await lonely.journal()) is None


async def test_a_server_that_restarts_while_nothing_happens_is_not_even_noticed(
    own_postgres: Postgres, lonely: PostgresStore
) -> None:
    await lonely.accept(a_call(1), b"{}")
    await lonely.get("call-00001")
    own_postgres.kill()
    own_postgres.start()
    assert (await lonely.accept(a_call(2), b"{}")).new
    assert await lonely.get("call-00002") is not None


async def test_a_server_that_is_frozen_is_given_up_after_a_while(
    own_postgres: Postgres, lonely: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine still answers for it: only our own patience tells."""
    monkeypatch.setattr("hub.store.postgres._ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("hub.store.postgres._CONNECT_SECONDS", 2)
    await lonely.accept(a_call(1), b"{}")
    await lonely.get("call-00001")
    own_postgres.freeze()
    ended = await asyncio.gather(
        lonely.accept(a_call(2), b"{}"), lonely.accept(a_call(3), b"{}"), lonely.get("call-00001"),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(one) for one in ended] == [StoreUnavailable] * 3
    own_postgres.thaw()
    monkeypatch.undo()
    assert (await lonely.accept(a_call(4), b"{}")).new
    assert first_break(await lonely.journal()) is None


async def test_a_connection_that_only_the_server_still_believes_in_is_ended(store: PostgresStore) -> None:
    """A network that swallowed our farewell must not keep us from our own name."""
    await store.accept(a_call(1), b"{}")
    writer = store._line.writer
    kept, writer._connection = writer._connection, None
    assert kept is not None
    assert (await store.accept(a_call(2), b"{}")).new
    with pytest.raises(psycopg.OperationalError):
        kept.execute("SELECT 1")
    kept.close()
    assert first_break(await store.journal()) is None


async def test_a_full_disk_is_told_and_leaves_nothing_half_written(database: str) -> None:
    full = [False]

    def disk(moment: str) -> None:
        if full[0] and moment.endswith("before_commit"):
            raise psycopg.errors.DiskFull("could not extend file")

    store = opened(database, disk)
    await store.accept(a_call(1), b"{}")
    full[0] = True
    with pytest.raises(StoreUnavailable) as caught:
        await store.accept(a_call(2), b"{}")
    assert caught.value.retry_after
    assert "53100" in caught.value.detail
    full[0] = False
    assert [one.call.id for one in await store.find(Sought())] == ["call-00001"]
    assert (await store.accept(a_call(2), b"{}")).new
    assert first_break(await store.journal()) is None
    await store.close()


async def test_a_row_that_is_refused_is_told_without_what_it_holds(store: PostgresStore) -> None:
    """PostgreSQL takes no zero byte in text, and quotes a key that is there twice."""
    with pytest.raises(Internal) as zero:
        await store.accept(a_call(1, order_key="secret\0"), b"{}")
    await store.accept(a_call(2), b"{}")
    with pytest.raises(Internal) as twice:
        await store.accept(a_call(2, order_key="secret"), b"{}")
    assert "23505" in str(twice.value)
    for caught in (zero, twice):
        assert "refused" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "call-0000" not in str(caught.value)


async def test_listening_that_was_lost_begins_anew_and_says_that_something_was_missed(
    store: PostgresStore, database: str
) -> None:
    heard: list[News] = []
    store.listen(heard.append)
    await until(lambda: heard == [News(missed=True)])
    await asyncio.to_thread(
        ask, database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lienthong one listens'",
    )  # fmt: skip
    await until(lambda: heard == [News(missed=True)] * 2)
    other = PostgresStore.connect(database, "two", CLOCK, backlog_calls={"npsp": 100})
    await other.accept(a_call(1), b"{}")
    await until(lambda: len(heard) == 3)
    assert set(heard[2].ready) == {"npsp"}
    await other.close()


async def test_a_store_that_has_nothing_to_do_asks_nothing(store: PostgresStore, database: str) -> None:
    heard: list[News] = []
    store.listen(heard.append)
    await store.accept(a_call(1), b"{}")
    await store.get("call-00001")
    await until(lambda: heard)
    asked = "SELECT application_name, query_start FROM pg_stat_activity WHERE application_name LIKE 'lienthong%'"
    before = ask(database, asked)
    await asyncio.to_thread(ask, database, "SELECT pg_sleep(1.5)")
    assert ask(database, asked) == before
    assert len(before) == 3


async def test_a_server_that_is_not_there_is_told_when_the_store_is_opened() -> None:
    with pytest.raises(StoreUnavailable, match="does not let us in"):
        opened("postgresql://postgres@127.0.0.1:1/hub")


async def test_the_builder_opens_what_a_reference_leads_to(tmp_path: Path, database: str) -> None:
    environ = {"HUB__HUB__STORE": "env:HUB_STORE", "HUB_STORE": database}
    settings = load_settings(environ, tmp_path / "hub.toml")
    store = open_store(settings, environ, SystemClock(), Silent(), {})
    assert isinstance(store, PostgresStore)
    await store.close()
    with pytest.raises(FilesRefused, match="leads to no address"):
        open_store(settings, environ | {"HUB_STORE": "hub.db"}, SystemClock(), Silent(), {})
    with pytest.raises(FilesRefused, match="HUB_STORE is not set"):
        open_store(settings, {}, SystemClock(), Silent(), {})


def test_without_a_file_to_lie_beside_the_admin_key_has_to_be_given(tmp_path: Path) -> None:
    environ = {"HUB__HUB__STORE": "postgresql://hub@db.example/hub"}
    with pytest.raises(FilesRefused, match="set the same one for every node"):
        admin_key(load_settings(environ, tmp_path / "hub.toml"), environ)
    environ |= {"HUB__HUB__ADMIN_KEY": "env:KEY", "KEY": "lta_1"}
    assert admin_key(load_settings(environ, tmp_path / "hub.toml"), environ) == "lta_1"
