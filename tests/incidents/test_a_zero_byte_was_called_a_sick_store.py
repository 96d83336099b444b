"""
`?dossier=%00` at a hub on PostgreSQL was answered 503 with `Retry-After`: PostgreSQL has no zero byte in text, and what
the driver said of it was taken for a store that does not answer. A client tried again for ever. Others got a 500.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from hub.call import State
from hub.clock import VirtualClock
from hub.errors import Internal
from hub.security.register_files import read_units
from hub.store.persons import Which
from hub.store.postgres import PostgresStore
from hub.store.protocol import Sought
from hub.web.admin import NewBackup
from mappings.errors import FilesRefused
from tests.unit.web.conftest import (
    BATCH,
    ID,
    KEY,
    came,
    doors,
    engine,
    faults,
    feed,
    fetching,
    files,
    inbound,
    link_clock,
    links,
    quota,
    refused,
    spoken,
    store_is,
    store_of_calls,
)
from tests.unit.web.test_person_doors import Doors as AdminDoors

__all__ = [
    "came",
    "doors",
    "engine",
    "faults",
    "feed",
    "fetching",
    "files",
    "inbound",
    "link_clock",
    "links",
    "quota",
    "refused",
    "spoken",
    "store_is",
    "store_of_calls",
]


@pytest.fixture
async def client(doors: Any) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=doors), base_url="http://hub", headers=headers
    ) as http:
        yield http


@pytest.fixture
async def admin() -> AsyncIterator[httpx2.AsyncClient]:
    one = AdminDoors()
    yield one.http
    await one.http.aclose()
    await one.store.close()


def pointers(reply: httpx2.Response) -> list[str]:
    assert (reply.status_code, reply.json()["code"]) == (400, "request.invalid")
    return [fault["pointer"] for fault in reply.json()["errors"]]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/calls?dossier=%00", "?dossier"),
        ("/v1/calls?before=%00", "?before"),
        ("/v1/calls?key=a%0Ab", "?key"),
        (f"/v1/calls/police:batch/{BATCH}?after=%00", "?after"),
        (f"/v1/calls/police:batch/{BATCH}?after=x", "?after"),
        (f"/v1/calls/police:batch/{BATCH}?after={ID.upper()}", "?after"),
    ],
)
async def test_callers_hear_which_parameter_cannot_be_read(client: httpx2.AsyncClient, path: str, pointer: str) -> None:
    assert pointers(await client.get(path)) == [pointer]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/calls?dossier=%00", "/dossier"),
        ("/calls?before=%00", "/before"),
        ("/calls/%00x", "/call"),
        ("/doubts/%00", "/call"),
        ("/doubts?cause=%00", "/cause"),
        ("/dead?agency=%00", "/agency"),
        ("/dead/tolls?agency=%00", "/agency"),
        ("/dead?after=1~1.0~%00", "/after"),
        (f"/dead?after={10**30}~1.0~npsp", "?after"),
        ("/dead?after=-1~1.0~npsp", "?after"),
        ("/dead?after=1~nan~npsp", "?after"),
        ("/dead?after=1~inf~npsp", "?after"),
    ],
)
async def test_operators_hear_which_part_of_the_address_cannot_be_read(
    admin: httpx2.AsyncClient, path: str, pointer: str
) -> None:
    assert pointers(await admin.get(path)) == [pointer]


@pytest.mark.parametrize("door", ["/dead/replay", "/dead/discard"])
@pytest.mark.parametrize("call", ['"\\u0000"', '"\\ud800"', '"a\\nb"'])
async def test_no_call_has_such_an_id(admin: httpx2.AsyncClient, door: str, call: str) -> None:
    body = f'{{"calls":[{call}],"by":"x","reason":"y"}}'
    reply = await admin.post(door, content=body.encode(), headers={"content-type": "application/json"})
    assert pointers(reply)[0] == "/calls/0"


@pytest.mark.parametrize("changed", [{"moment": "\0"}, {"journal_seq": 1 << 63}, {"journal_seq": -1}])
def test_the_record_of_a_backup_is_words_and_a_number_that_is_counted(changed: dict[str, Any]) -> None:
    sound = {"moment": "2026-11-27T08:30:00+07:00", "journal_seq": 1, "sha256": "a" * 64}
    NewBackup(**sound)
    with pytest.raises(ValueError, match=next(iter(changed))):
        NewBackup(**(sound | changed))


@pytest.mark.parametrize("cell", ["H3\0002", "H3\x1b[2J2", '"H3\n2"', "H3\u202e2"])
def test_a_register_with_such_a_cell_is_refused_by_line(cell: str) -> None:
    text = f"unit,valid_from,valid_to,agency,code\nH31,2020-01-01,,,\n{cell},2020-01-01,,,\n"
    with pytest.raises(FilesRefused) as caught:
        read_units(text.encode(), agencies=["npsp"])
    assert [fault.key for fault in caught.value.faults] == ["line 3 unit"]
    assert "H3" not in str(caught.value)


async def test_what_postgresql_cannot_be_asked_is_no_store_that_is_away(database: str) -> None:
    store = PostgresStore.connect(database, "one", VirtualClock(), backlog_calls={"npsp": 100})
    try:
        for asking in (
            store.find(Sought(caller="counter", dossier="secret\0")),
            store.get("\0"),
            store.persons.case("\0"),
            store.persons.page(Which(State.DEAD, "secret\0"), 10),
        ):
            with pytest.raises(Internal) as told:
                await asking
            assert "secret" not in str(told.value)
        assert await store.find(Sought(caller="counter", dossier="000-1")) == [], "the next question is answered"
    finally:
        await store.close()
