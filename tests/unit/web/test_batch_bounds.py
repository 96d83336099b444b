"""Whatever is sent to the bulk door, and however it is sent, it costs what one group of lines costs, and stops nobody."""

import asyncio
import gc
import tracemalloc
from collections import deque
from collections.abc import AsyncIterator, Iterable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from hub.call import Reply, State, Submission
from hub.clock import VirtualClock, run_virtual
from hub.errors import BacklogFull, HubError, HubOverloaded, HubStopping, StoreUnavailable
from hub.security.quotas import Left
from hub.web.batch import MOST_UPLOADS, STANDSTILL
from hub.web.bodies import BODY_SECONDS
from hub.web.doors import Doors
from hub.web.lines import GROUP_BYTES, MOST_LINES, Lines
from tests.unit.web.uploading import BATCH, GOOD, Upload, line


@pytest.fixture
def upload(doors: Doors) -> Upload:
    return Upload(doors)


# --- Bounds ----------------------------------------------------------------------------------------------------------


async def test_a_gigabyte_without_an_end_of_line_costs_one_line(upload: Upload) -> None:
    piece = b"a" * (1 << 20)

    async def endless() -> AsyncIterator[bytes]:
        yield line(1)
        for _ in range(1024):
            yield piece
        yield b"\n" + line(3)

    tracemalloc.start()
    await upload(endless())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first, too_long, third, summary = upload.said
    assert (first["line"], third["line"], summary["lines"]) == (1, 3, 3)
    assert (too_long["line"], too_long["code"], too_long["status"]) == (2, "request.too_large", 413)
    assert peak < 8 << 20


async def test_a_hundred_thousand_tiny_lines_are_refused_each_in_constant_memory(upload: Upload, quota: Any) -> None:
    upload.kept = False
    quota.taken = deque(maxlen=1)
    kept: list[int] = []

    async def many() -> AsyncIterator[bytes]:
        for number in range(100):
            yield b"1\n" * 1000
            if number in (10, 99):
                gc.collect()
                kept.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    await upload(many())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept[1] - kept[0] < 50_000, "what a tenth costs, the whole costs"
    assert peak < 4 << 20


async def test_a_group_is_bounded_in_lines_and_in_bytes(upload: Upload, engine: Any) -> None:
    small = b"".join(line(number) for number in range(1000))
    large = b"".join(line(number, request=GOOD | {"notes": {"a": "b" * 100_000}}) for number in range(30))
    await upload([small, large])
    assert max(len(group) for group in engine.groups) == MOST_LINES
    weights = [sum(len(one.request_json) for one in group) for group in engine.groups]
    assert max(weights) <= GROUP_BYTES + 100_200
    assert upload.said[-1]["accepted"] == 1030


async def test_lines_of_white_space_are_counted_and_left_out(upload: Upload) -> None:
    await upload([b"\n\r\n" + line(3), b"  \n", line(5).rstrip()])
    assert [one.get("line") for one in upload.said] == [3, 5, None]
    assert upload.said[-1]["lines"] == 5


async def test_pieces_may_be_cut_anywhere(upload: Upload) -> None:
    whole = line(1) + line(2, request=GOOD | {"notes": {"a": "Trần Thị Mẫu"}}) + line(3)
    await upload([whole[at : at + 1] for at in range(len(whole))])
    assert upload.said[-1]["accepted"] == 3


async def test_an_empty_body_is_an_empty_batch(upload: Upload, engine: Any) -> None:
    await upload([])
    (summary,) = upload.said
    assert (summary["lines"], summary["accepted"], engine.groups) == (0, 0, [])


# --- Back-pressure ---------------------------------------------------------------------------------------------------


async def test_the_body_is_not_read_while_a_group_is_not_on_disk(upload: Upload, engine: Any) -> None:
    on_disk, waiting = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await on_disk.wait()

    engine.hang = hang
    group = b"".join(line(number) for number in range(MOST_LINES))
    going = asyncio.create_task(upload([group] * 50))
    await asyncio.wait_for(waiting.wait(), 5)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert (upload.taken, len(engine.groups), upload.status) == (1, 1, 0)
    on_disk.set()
    await asyncio.wait_for(going, 30)
    assert upload.said[-1]["accepted"] == 50 * MOST_LINES


async def test_the_body_is_not_read_while_the_answer_is_not(upload: Upload, engine: Any) -> None:
    reads, waiting = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        waiting.set()
        await reads.wait()

    upload.reading = slow
    group = b"".join(line(number) for number in range(MOST_LINES))
    going = asyncio.create_task(upload([group] * 50))
    await asyncio.wait_for(waiting.wait(), 5)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert (upload.taken, len(engine.groups)) == (1, 1)
    reads.set()
    await asyncio.wait_for(going, 30)


async def test_a_sender_that_pauses_hears_of_what_it_sent(upload: Upload) -> None:
    heard = asyncio.Event()

    async def told() -> None:
        heard.set()

    async def asks_then_waits() -> AsyncIterator[bytes]:
        yield line(1)
        await asyncio.wait_for(heard.wait(), 5)
        yield line(2)

    upload.reading = told
    await asyncio.wait_for(upload(asks_then_waits()), 10)
    assert upload.said[-1]["accepted"] == 2


def played(doors: Doors, body: Iterable[bytes] | AsyncIterator[bytes]) -> tuple[Upload, float]:
    """Send *body* under a virtual clock; return what was heard, and how many seconds it took."""
    upload, clock = Upload(doors), VirtualClock()
    run_virtual(upload(body), clock)
    return upload, clock.monotonic()


def test_a_backlog_that_has_room_again_slows_the_upload_and_refuses_nothing(doors: Doors, engine: Any) -> None:
    def two_at_a_time(group: Sequence[Submission]) -> list[Reply | HubError]:
        return [Reply(BATCH, State.QUEUED) if place < 2 else BacklogFull(retry_after=60) for place in range(len(group))]

    engine.becomes = two_at_a_time
    upload, seconds = played(doors, [line(number) for number in range(10)])
    assert [one["line"] for one in upload.said[:-1]] == list(range(1, 11))
    assert upload.said[-1]["accepted"] == 10
    assert 8 <= seconds < 12
    keys = [group[0].idempotency_key for group in engine.groups]
    assert keys == ["k0", "k2", "k4", "k6", "k8"], "in their order, none passed another"


@pytest.mark.parametrize("refusal", [BacklogFull(retry_after=60), StoreUnavailable(retry_after=5)])
def test_a_standstill_gives_the_rest_back_honestly(doors: Doors, engine: Any, refusal: HubError) -> None:
    def three(group: Sequence[Submission]) -> list[Reply | HubError]:
        if len(engine.groups) > 1:
            raise refusal
        return [Reply(BATCH, State.QUEUED) if place < 3 else BacklogFull(retry_after=60) for place in range(len(group))]

    engine.becomes = three
    upload, seconds = played(doors, [b"".join(line(number) for number in range(5)), *([line(9)] * 10_000)])
    *lines, summary = upload.said
    assert STANDSTILL <= seconds < STANDSTILL + 5
    assert [one["line"] for one in lines] == list(range(1, len(lines) + 1))
    assert len(lines) <= 2 * MOST_LINES
    assert {one["code"] for one in lines[3:]} == {refusal.code}
    assert all(one["retry_after"] == refusal.retry_after for one in lines[3:])
    assert (summary["accepted"], summary["send_again_from"]) == (3, 4)
    assert (summary["problem"]["code"], summary["problem"]["retry_after"]) == (refusal.code, refusal.retry_after)
    assert upload.taken < 1000, "the rest was not read"


def test_a_hub_that_stops_gives_back_at_once_and_one_that_is_too_busy_is_waited_for(doors: Doors, engine: Any) -> None:
    engine.refusal = HubStopping(retry_after=5)
    upload, seconds = played(doors, [line(1)])
    assert seconds < 1
    assert (upload.said[0]["code"], upload.said[-1]["send_again_from"]) == ("hub.stopping", 1)

    engine.refusal = HubOverloaded("late", retry_after=3)

    async def calms_down() -> AsyncIterator[bytes]:
        asyncio.get_running_loop().call_later(5, setattr, engine, "refusal", None)
        yield line(1)

    upload, seconds = played(doors, calms_down())
    assert upload.said[-1]["accepted"] == 1
    assert 5 <= seconds < 8


def test_a_quota_that_runs_out_sets_the_pace_and_refuses_nothing(doors: Doors, quota: Any, engine: Any) -> None:
    left = 0

    def take(caller: Any) -> Left:
        nonlocal left
        quota.taken.append(caller.name)
        left -= 1
        if left >= 0:
            return Left(0.0, left, 1)
        left = 3  # by the time it asks again
        return Left(1.0, 0, 1)

    quota.take = take
    doors._batch.locks = replace(doors._batch.locks, take=take)
    upload, seconds = played(doors, [b"".join(line(number) for number in range(9)) + b"bad\n"])
    assert upload.said[-1]["accepted"] == 9
    assert upload.said[-1]["refused"] == 1
    assert [len(group) for group in engine.groups if group] == [3, 3, 3]
    assert 4 <= seconds < 6


def test_a_dripping_body_ends_and_one_that_lives_long_does_not(doors: Doors) -> None:
    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b"x\n"
            await asyncio.sleep(10)

    upload, seconds = played(doors, drips())
    assert BODY_SECONDS <= seconds < BODY_SECONDS + 11
    assert upload.said[-1]["problem"]["code"] == "request.invalid"
    assert upload.said[-1]["send_again_from"] == upload.said[-2]["line"] + 1

    async def flows() -> AsyncIterator[bytes]:
        for number in range(200):
            yield b"".join(line(number) for _ in range(50))
            await asyncio.sleep(30)

    upload, seconds = played(doors, flows())
    assert seconds > 5000
    assert upload.said[-1]["accepted"] == 10_000


async def test_who_goes_away_leaves_nothing_running(upload: Upload, engine: Any) -> None:
    before = asyncio.all_tasks()
    await upload([line(1) + line(2), b'{"half'], leaves=True)
    assert engine.groups == [], "nobody heard of these two; who sends them again loses nothing"
    assert asyncio.all_tasks() == before


async def test_a_fault_of_ours_in_the_middle_ends_the_answer_with_a_summary(
    upload: Upload, engine: Any, faults: list[BaseException]
) -> None:
    def breaks(group: Sequence[Submission]) -> list[Reply | HubError]:
        if len(engine.groups) == 2:
            raise RuntimeError("broken")
        return [Reply(BATCH, State.QUEUED)] * len(group)

    engine.becomes = breaks
    await upload([b"".join(line(number) for number in range(MOST_LINES + 5))])
    summary = upload.said[-1]
    assert (summary["accepted"], summary["send_again_from"]) == (MOST_LINES, MOST_LINES + 1)
    assert summary["problem"]["code"] == "internal"
    assert [type(error) for error in faults] == [RuntimeError]


async def test_others_have_their_turn_between_any_two_lines(upload: Upload) -> None:
    turns = 0

    async def counter() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(counter())
    await upload([b"".join(line(number) for number in range(200))])
    other.cancel()
    assert turns >= 200


async def test_lines_read_alone_keep_at_most_one_piece_and_one_line() -> None:
    pieces = iter([b"a" * 50, b"b" * 60, b"\nshort\n", b""])

    async def receive() -> MutableMapping[str, Any]:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    lines = Lines(receive, 100)
    assert [(one.number, one.text) for one in await lines.group()] == [(1, None), (2, b"short\n")]
    assert await lines.group() == []


async def test_a_ninth_upload_of_one_caller_is_refused_unread(doors: Doors, engine: Any) -> None:
    on_disk, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def hang() -> None:
        waiting.release()
        await on_disk.wait()

    engine.hang = hang
    uploads = [Upload(doors) for _ in range(MOST_UPLOADS)]
    going = [asyncio.create_task(one([line(1)])) for one in uploads]
    async with asyncio.timeout(10):
        for _ in going:
            await waiting.acquire()
    ninth = await Upload(doors)([line(1)])
    assert (ninth.status, ninth.problem["code"], ninth.taken) == (429, "caller.quota", 0)
    on_disk.set()
    await asyncio.gather(*going)
    assert (await Upload(doors)([line(1)])).status == 200
