"""Who asks: keys that are nowhere in the clear, and registers whose changes count at once and are journaled."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hub.call import Call, Class, Kind, Purpose
from hub.clock import VirtualClock
from hub.errors import RequestInvalid, StoreUnavailable
from hub.journal import first_break
from hub.security.identity import KEY_PREFIX, Caller, Identity
from hub.store.sqlite import SqliteStore
from mappings.errors import FilesRefused

TODAY = "2026-11-23"


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def of(purpose: Purpose) -> Call:
    return Call(
        "id", "police", "lookup_citizen", Kind.LOOKUP, Class.COUNTER, True, "onestop", purpose, "f" * 64,
        0.0, 30.0, 0.0, "lookup_citizen",
    )  # fmt: skip


async def test_a_key_opens_the_door_of_its_caller_and_no_other(office: Any) -> None:
    first = await office.identity.add_caller("onestop", ["police", "npsp.file_dossier"], Class.COUNTER, "operator")
    second = await office.identity.add_caller("tax-desk", ["*"], Class.BULK, "operator")
    assert first.startswith(KEY_PREFIX)
    assert first != second
    expected = Caller("onestop", frozenset({"police", "npsp.file_dossier"}), Class.COUNTER)
    assert office.identity.caller_of(first) == expected
    assert office.identity.caller_of(second).name == "tax-desk"


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1], lambda key: key + "A", str.upper, lambda _: "", lambda _: "ổ"]
)
async def test_anything_but_the_key_itself_opens_nothing(office: Any, change: Any) -> None:
    key = await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    assert office.identity.caller_of(change(key)) is None


async def test_the_digest_that_is_kept_is_no_key(office: Any) -> None:
    """Whoever reads the store cannot ask with what he finds there."""
    await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    (row,) = office.identity.callers()
    assert office.identity.caller_of(row.key_digest) is None


async def test_a_key_has_256_bits_of_the_source_it_was_given(office: Any) -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    identity = Identity(office.store.registers, office.clock, random, ["police"])
    await identity.load()
    await identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    assert asked == [32]


async def test_a_key_is_nowhere_in_the_file(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls={})
    identity = Identity(store.registers, clock, lambda size: bytes(range(size)), ["police"])
    await identity.load()
    key = await identity.add_caller("onestop", ["police"], Class.COUNTER, "operator")
    written = contents(tmp_path)
    await store.close()
    (row,) = identity.callers()
    assert row.key_digest.encode() in written, "what is kept of a key"
    assert key.encode() not in written
    assert key.removeprefix(KEY_PREFIX).encode() not in written
    assert bytes(range(32)) not in written


async def test_a_revoked_key_is_worthless_at_once_and_after_a_restart(office: Any) -> None:
    key = await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    assert (await office.reread()).caller_of(key).name == "onestop"
    assert await office.identity.revoke_caller("onestop", "operator")
    assert office.identity.caller_of(key) is None
    assert (await office.reread()).caller_of(key) is None
    assert not await office.identity.revoke_caller("onestop", "operator")
    assert not await office.identity.revoke_caller("nobody", "operator")


async def test_a_revoked_caller_may_have_a_new_key_and_the_old_stays_worthless(office: Any) -> None:
    old = await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    await office.identity.revoke_caller("onestop", "operator")
    new = await office.identity.add_caller("onestop", ["police"], Class.BULK, "operator")
    assert office.identity.caller_of(old) is None
    assert office.identity.caller_of(new) == Caller("onestop", frozenset({"police"}), Class.BULK)
    assert [row.name for row in office.identity.callers()] == ["onestop"]


@pytest.mark.parametrize(
    ("name", "allowed", "pointers"),
    [
        ("One Stop", ["*"], ["/name"]),
        ("hub", ["*"], ["/name"]),
        ("taken", ["*"], ["/name"]),
        ("onestop", [], ["/allowed"]),
        ("onestop", ["police", "tax"], ["/allowed/1"]),
        ("onestop", ["tax.lookup_debt"], ["/allowed/0"]),
        ("onestop", ["police."], ["/allowed/0"]),
        ("onestop", ["police.lookup_citizen *"], ["/allowed/0"]),
        ("-", ["", "police lookup"], ["/name", "/allowed/0", "/allowed/1"]),
    ],
)
async def test_every_fault_of_a_new_caller_is_told_at_once(
    office: Any, name: str, allowed: list[str], pointers: list[str]
) -> None:
    await office.identity.add_caller("taken", ["*"], Class.COUNTER, "operator")
    with pytest.raises(RequestInvalid) as refused:
        await office.identity.add_caller(name, allowed, Class.COUNTER, "operator")
    assert [fault.pointer for fault in refused.value.faults] == pointers
    assert len(office.identity.callers()) == 1


async def test_of_two_who_add_one_caller_at_the_same_time_one_has_the_key(office: Any) -> None:
    """A second key would make the first worthless without anybody having revoked it."""
    both = [office.identity.add_caller("onestop", ["*"], Class.COUNTER, by) for by in ("an", "binh")]
    ended = await asyncio.gather(*both, return_exceptions=True)
    keys = [one for one in ended if isinstance(one, str)]
    assert len(keys) == 1
    assert office.identity.caller_of(keys[0]) is not None
    assert sum(isinstance(one, RequestInvalid) for one in ended) == 1


async def test_a_change_that_was_not_written_did_not_happen(office: Any) -> None:
    key = await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    await office.store.close()
    with pytest.raises(StoreUnavailable):
        await office.identity.revoke_caller("onestop", "operator")
    with pytest.raises(StoreUnavailable):
        await office.identity.import_officers(b"officer,unit,valid_from,valid_to,agency,account\n", "operator")
    with pytest.raises(StoreUnavailable):
        await office.identity.add_caller("tax-desk", ["*"], Class.COUNTER, "operator")
    assert office.identity.caller_of(key) is not None
    assert office.identity.officer("cb-102", TODAY) is not None
    assert [row.name for row in office.identity.callers()] == ["onestop"]


async def test_a_name_whose_adding_failed_is_free_again(office: Any) -> None:
    whole = office.identity._registers

    class Failing:
        callers, officers, units = whole.callers, whole.officers, whole.units

        async def put_caller(self, *_: Any) -> None:
            raise StoreUnavailable("the disk is full")

    office.identity._registers = Failing()
    with pytest.raises(StoreUnavailable):
        await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    office.identity._registers = whole
    assert await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")


async def test_a_quota_changes_while_the_key_stays_and_survives_a_restart(office: Any) -> None:
    key = await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator")
    assert office.identity.caller_of(key).calls_per_minute == 6000
    assert await office.identity.set_quota("onestop", 120, "an")
    assert office.identity.caller_of(key).calls_per_minute == 120
    assert (await office.reread()).caller_of(key).calls_per_minute == 120
    assert not await office.identity.set_quota("nobody", 120, "an")
    await office.identity.revoke_caller("onestop", "an")
    assert not await office.identity.set_quota("onestop", 60, "an")
    entries = await office.journal()
    assert (entries[-2].event, entries[-2].caller) == ("caller_quota", "an")
    assert entries[-2].detail.endswith(", 120 calls a minute")


@pytest.mark.parametrize("calls", [0, -1, 1_000_001])
async def test_a_quota_has_bounds(office: Any, calls: int) -> None:
    with pytest.raises(RequestInvalid) as refused:
        await office.identity.add_caller("One Stop", ["*"], Class.COUNTER, "operator", calls)
    assert [fault.pointer for fault in refused.value.faults] == ["/name", "/calls_per_minute"]
    await office.identity.add_caller("onestop", ["*"], Class.COUNTER, "operator", 1_000_000)
    with pytest.raises(RequestInvalid):
        await office.identity.set_quota("onestop", calls, "operator")
    (row,) = office.identity.callers()
    assert row.calls_per_minute == 1_000_000


async def test_who_changed_a_register_is_in_the_journal_and_no_key(office: Any) -> None:
    key = await office.identity.add_caller("onestop", ["police"], Class.NORMAL, "binh")
    await office.identity.revoke_caller("onestop", "an")
    entries = await office.journal()
    assert [(one.event, one.caller) for one in entries] == [
        ("units_imported", "operator"),
        ("officers_imported", "operator"),
        ("caller_added", "binh"),
        ("caller_revoked", "an"),
    ]
    assert entries[1].detail.startswith("4 lines, sha256 ")
    assert entries[2].detail == "onestop may call police, at most normal, 6000 calls a minute"
    assert key not in repr(entries)
    assert "000080000099" not in repr(entries)
    assert first_break(await office.store.journal()) is None


@pytest.mark.parametrize(
    ("day", "known"), [("2026-11-23", False), ("2026-11-24", True), ("2026-11-25", True), ("2026-11-26", False)]
)
async def test_an_officer_is_registered_from_the_first_to_the_last_day(office: Any, day: str, known: bool) -> None:
    assert (office.identity.officer("cb-103", day) is not None) is known


async def test_an_officer_has_the_units_of_the_day(office: Any) -> None:
    assert office.identity.officer("cb-104", TODAY).units == ("H32", "H33")
    assert office.identity.officer("cb-000", TODAY) is None


async def test_units_and_their_codes_have_days_too(office: Any) -> None:
    assert office.identity.unit_known("H33", "2026-12-31")
    assert not office.identity.unit_known("H33", "2027-01-01")
    assert not office.identity.unit_known("H34", TODAY)
    assert office.identity.unit_code("H32", "npsp", TODAY) == "000.00.14.H32"
    assert office.identity.unit_code("H32", "police", TODAY) is None
    assert office.identity.unit_code("H32", "npsp", "2019-12-31") is None


async def test_an_account_may_pass_to_another_as_of_a_day(office: Any) -> None:
    lines = (
        b"officer,unit,valid_from,valid_to,agency,account\n"
        b"cb-102,H32,2020-01-01,2026-11-23,police,000080000001\n"
        b"cb-102,H32,2026-11-24,,police,000080000002\n"
    )
    await office.identity.import_officers(lines, "operator")
    assert office.identity.account("cb-102", "police", "2026-11-23") == "000080000001"
    assert office.identity.account("cb-102", "police", "2026-11-24") == "000080000002"
    assert office.identity.account("cb-102", "npsp", TODAY) is None


async def test_an_officer_has_a_name_at_an_agency_that_asks_for_it(office: Any) -> None:
    lines = (
        "officer,unit,valid_from,valid_to,agency,account,name\n"
        "cb-102,H32,2020-01-01,,police,000080000001,\n"
        "cb-102,H32,2020-01-01,,npsp,000080000001,Nguyễn  Văn Không\n"
    )
    await office.identity.import_officers(lines.encode(), "operator")
    for identity in (office.identity, await office.reread()):
        assert identity.name("cb-102", "npsp", TODAY) == "Nguyễn Văn Không"
        assert identity.name("cb-102", "police", TODAY) is None
        assert identity.name("cb-102", "npsp", "2019-12-31") is None


async def test_an_import_replaces_the_register_at_once_and_for_good(office: Any) -> None:
    lines = b"officer,unit,valid_from,valid_to,agency,account\ncb-900,H33,2020-01-01,,,\n"
    assert await office.identity.import_officers(lines, "operator") == 1
    for identity in (office.identity, await office.reread()):
        assert identity.officer("cb-102", TODAY) is None
        assert identity.account("cb-102", "police", TODAY) is None
        assert identity.officer("cb-900", TODAY).units == ("H33",)


async def test_a_refused_import_changes_nothing(office: Any) -> None:
    with pytest.raises(FilesRefused):
        await office.identity.import_officers(b"officer,unit\ncb-900,H32\n", "operator")
    with pytest.raises(FilesRefused):
        await office.identity.import_units(b"unit,valid_from,valid_to,agency,code\nH40,yesterday,,,\n", "operator")
    for identity in (office.identity, await office.reread()):
        assert identity.account("cb-102", "police", TODAY) == "000080000099"
        assert identity.unit_known("H32", TODAY)
    assert len(await office.journal()) == 2


async def test_a_mapping_is_given_what_the_registers_say_of_the_call(office: Any) -> None:
    day = date.fromisoformat(TODAY)
    assert office.identity.people(of(Purpose("cb-102")), "police", day) == {
        "officer.id": "cb-102", "officer.account": "000080000099", "officer.name": None, "unit.id": "H32", "unit.code": None,
    }  # fmt: skip
    assert office.identity.people(of(Purpose("cb-104", "H32")), "npsp", day) == {
        "officer.id": "cb-104", "officer.account": None, "officer.name": None, "unit.id": "H32", "unit.code": "000.00.14.H32",
    }  # fmt: skip
    assert set(office.identity.people(of(Purpose()), "npsp", day).values()) == {None}
