"""A database that no hub can use, and an address that is none: told in a sentence that says what to do."""

from collections.abc import Iterator

import psycopg
import pytest

from bench.servers import Postgres
from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.store.database import StoreUnusable
from hub.store.postgres import PostgresStore


def opened(dsn: str) -> PostgresStore:
    return PostgresStore.connect(dsn, "one", VirtualClock(), backlog_calls={"npsp": 100})


@pytest.fixture
def superuser(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def plain(superuser: psycopg.Connection, postgres: Postgres) -> Iterator[str]:
    """Give the address of an empty database as a role that may do nothing in it."""
    superuser.execute("CREATE ROLE plain LOGIN")
    superuser.execute("CREATE DATABASE plain")
    yield postgres.dsn("plain").replace("postgres@", "plain@")
    superuser.execute("DROP DATABASE plain WITH (FORCE)")
    superuser.execute("DROP ROLE plain")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_without_vietnamese_is_refused(
    superuser: psycopg.Connection, postgres: Postgres, encoding: str
) -> None:
    superuser.execute(f"CREATE DATABASE other ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    try:
        with pytest.raises(StoreUnusable, match=f"as {encoding}.* ENCODING 'UTF8' TEMPLATE template0"):
            opened(postgres.dsn("other"))
    finally:
        superuser.execute("DROP DATABASE other WITH (FORCE)")


async def test_the_encoding_of_the_client_is_not_left_to_the_server(
    superuser: psycopg.Connection, database: str
) -> None:
    name = database.rpartition("/")[2]
    superuser.execute(f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'")
    store = opened(database)
    await store.note("backed_up", "operator", "hồ sơ số một")
    assert (await store.journal())[-1].entry.detail == "hồ sơ số một"
    await store.close()


def test_a_role_that_may_make_no_tables_is_told_what_to_ask_for(plain: str) -> None:
    with pytest.raises(StoreUnusable, match=r"GRANT CREATE ON SCHEMA public TO <role>; or make it the owner"):
        opened(plain)


def test_a_database_that_is_read_only_is_told(superuser: psycopg.Connection, plain: str) -> None:
    superuser.execute("ALTER DATABASE plain OWNER TO plain")
    superuser.execute("ALTER ROLE plain SET default_transaction_read_only = on")
    with pytest.raises(StoreUnusable, match=r"read-only: name a server .* default_transaction_read_only"):
        opened(plain)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://hub:Sec/ret9@{at}/hub",
        "postgresql://hub:Sec@ret9@{at}/hub",
        "postgresql://hub:Sec#ret9%zz@{at}/hub",
        "postgresql://hub:12/ret9@{at}/hub",
        "postgresql://postgres@{at}/hub?passwordd=Secret9",
        "postgresql://postgres@{at}/hub?password=Sec%00ret9",
        "postgresql://postgres@{at}:Secret9/hub",
        "postgresql://[::1/hub:Secret9",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_told(postgres: Postgres, address: str) -> None:
    with pytest.raises(StoreUnusable, match="percent-encode @ : / # % in the password") as refused:
        opened(address.format(at=f"127.0.0.1:{postgres.port}"))
    for part in ("Sec", "ret9", "127.0.0.1", "::1"):
        assert part not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("option", ["sslmode=Secret9", "target_session_attrs=Secret9"])
def test_an_option_that_is_none_is_told_without_its_value(postgres: Postgres, option: str) -> None:
    with pytest.raises((StoreUnavailable, StoreUnusable)) as refused:
        opened(f"{postgres.dsn()}?{option}&password=Secret8")
    assert "Secret" not in str(refused.value)


def test_a_password_that_is_encoded_is_none_of_these(postgres: Postgres) -> None:
    with pytest.raises(StoreUnavailable, match="nosuch") as refused:
        opened(f"postgresql://postgres:Sec%2Fret%40%3A9@127.0.0.1:{postgres.port}/nosuch")
    assert "ret" not in str(refused.value)
