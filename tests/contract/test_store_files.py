"""Every store keeps a content once, in parts, for whoever holds it, and lets it go when nobody has for long enough."""

from hashlib import sha256

import pytest

from hub.errors import StoreUnavailable
from hub.journal import first_break
from hub.store.files import MOST_FILES, PART_BYTES, STORED, UNFINISHED, StoredFile
from tests.contract.conftest import Bench
from tests.contract.test_store_retention import DAY, one_pass, rows

PARTS = (b"a" * PART_BYTES, b"b" * PART_BYTES, b"\x00\xff")


def described(upload: str, *parts: bytes) -> StoredFile:
    content = b"".join(parts)
    return StoredFile(sha256(content).hexdigest(), upload, len(content), "application/pdf")


async def stored(bench: Bench, upload: str, holder: str, *parts: bytes) -> StoredFile:
    first, *more = parts
    await bench.store.files.begin(upload, first)
    for number, part in enumerate(more, 1):
        await bench.store.files.add(upload, number, part)
    return await bench.store.files.finish(described(upload, *parts), holder)


async def test_what_was_written_in_parts_is_read_in_parts(bench: Bench) -> None:
    file = await stored(bench, "u1", "onestop", *PARTS)
    assert file == described("u1", *PARTS)
    assert await bench.store.files.find(file.id) == file
    assert tuple([await bench.store.files.part("u1", number) for number in range(3)]) == PARTS
    assert await bench.store.files.part("u1", 3) is None
    assert await bench.store.files.part("u2", 0) is None


async def test_a_file_is_not_seen_before_it_is_whole(bench: Bench) -> None:
    await bench.store.files.begin("u1", b"half")
    assert await bench.store.files.find(described("u1", b"half").id) is None


async def test_only_its_holders_see_a_file(bench: Bench) -> None:
    file = await stored(bench, "u1", "onestop", b"x")
    assert await bench.store.files.find(file.id, ["onestop"]) == file
    assert await bench.store.files.find(file.id, ["other", "agency/npsp"]) is None
    assert await bench.store.files.find(file.id, ["one_top", "%"]) is None
    assert await bench.store.files.find(file.id, []) is None
    assert await bench.store.files.hold(file.id, "agency/npsp") == file
    assert await bench.store.files.find(file.id, ["other", "agency/npsp"]) == file


async def test_nobody_holds_what_is_not_there(bench: Bench) -> None:
    assert await bench.store.files.hold("0" * 64, "onestop") is None
    assert await rows(bench, "file_holders") == 0


async def test_the_same_content_is_kept_once_for_all_who_hand_it_in(bench: Bench) -> None:
    first = await stored(bench, "u1", "onestop", *PARTS)
    second = await stored(bench, "u2", "other", *PARTS)
    assert second == first
    assert (await rows(bench, "files"), await rows(bench, "file_parts")) == (1, 3)
    assert await bench.store.files.find(first.id, ["other"]) == first


async def test_who_handed_in_which_file_is_in_the_journal(bench: Bench) -> None:
    file = await stored(bench, "u1", "onestop", b"x")
    entries = await bench.store.journal()
    assert [(row.entry.event, row.entry.caller, row.entry.detail) for row in entries] == [(STORED, "onestop", file.id)]
    assert first_break(entries) is None


async def test_an_upload_that_is_dropped_leaves_nothing(bench: Bench) -> None:
    await bench.store.files.begin("u1", b"x")
    await bench.store.files.drop("u1")
    assert (await rows(bench, "files"), await rows(bench, "file_parts")) == (0, 0)


async def test_an_upload_that_was_swept_cannot_be_finished(bench: Bench) -> None:
    await bench.store.files.begin("u1", b"x")
    await bench.store.files.drop("u1")
    with pytest.raises(StoreUnavailable):
        await bench.store.files.finish(described("u1", b"x"), "onestop")
    assert await rows(bench, "file_holders") == 0


async def test_a_file_goes_when_its_last_holder_has_had_it_for_long_enough(bench: Bench) -> None:
    file = await stored(bench, "u1", "onestop", *PARTS)
    bench.clock.advance(60 * DAY)
    await bench.store.files.hold(file.id, "other")
    bench.clock.advance(40 * DAY)
    await one_pass(bench, files=90)
    assert await bench.store.files.find(file.id, ["onestop"]) is None
    assert await bench.store.files.find(file.id, ["other"]) == file
    bench.clock.advance(60 * DAY)
    await one_pass(bench, files=90)
    assert await bench.store.files.find(file.id) is None
    assert (await rows(bench, "files"), await rows(bench, "file_parts"), await rows(bench, "file_holders")) == (0, 0, 0)


async def test_handing_it_in_again_keeps_it_for_longer(bench: Bench) -> None:
    file = await stored(bench, "u1", "onestop", b"x")
    bench.clock.advance(60 * DAY)
    await stored(bench, "u2", "onestop", b"x")
    bench.clock.advance(60 * DAY)
    await one_pass(bench, files=90)
    assert await bench.store.files.find(file.id, ["onestop"]) == file


async def test_what_was_given_up_is_swept_and_what_goes_on_is_not(bench: Bench) -> None:
    await bench.store.files.begin("old", b"x")
    bench.clock.advance(UNFINISHED)
    await bench.store.files.begin("young", b"y")
    await one_pass(bench)
    assert await bench.store.files.part("old", 0) is None
    assert await bench.store.files.part("young", 0) == b"y"


async def test_a_pass_removes_many_files_bit_by_bit(bench: Bench) -> None:
    for number in range(2 * MOST_FILES + 1):
        await stored(bench, f"u{number}", "onestop", b"%d" % number)
    bench.clock.advance(100 * DAY)
    steps = await one_pass(bench, files=90)
    assert max(steps) <= MOST_FILES
    assert await rows(bench, "files") == 0
