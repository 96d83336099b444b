"""What a caller can rely on who hands in many calls at once, and what the hub can rely on whatever it is sent."""

import asyncio
import gc
import gzip
import json
import tracemalloc
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

import pytest

from hub.call import Class, Purpose, Reply, State, Submission
from hub.clock import VirtualClock, run_virtual
from hub.errors import (
    BacklogFull,
    HubError,
    HubOverloaded,
    HubStopping,
    IdempotencyConflict,
    StoreUnavailable,
)
from hub.security.quotas import Left
from hub.web.batch import STANDSTILL
from hub.web.bodies import BODY_SECONDS
from hub.web.doors import Doors
from hub.web.lines import GROUP_BYTES, MOST_LINES, Lines

PATH = "/v1/calls/police:batch"
BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"
GOOD = {"citizen_id": "000180000011"}


def line(number: int, **changes: Any) -> bytes:
    given = {"operation": "file_person", "request": GOOD, "idempotency_key": f"k{number}"} | changes
    return json.dumps({name: value for name, value in given.items() if value is not None}).encode() + b"\n"


class Upload:
    """One body on its way, sent piece by piece, and what is heard of it."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.taken = 0
        """Pieces of the body that the door asked for."""
        self.reading: Callable[[], Awaitable[None]] | None = None
        """What the caller does before it takes the next piece of the answer."""
        self.kept = True

    async def __call__(
        self,
        body: Iterable[bytes] | AsyncIterator[bytes],
        *headers: tuple[bytes, bytes],
        key: str = "counter-key",
        path: str = PATH,
        media: bytes = b"application/x-ndjson",
        leaves: bool = False,
    ) -> "Upload":
        """Send *body*; with *leaves*, go away where it ends, in the middle of the request."""
        pieces = body if isinstance(body, AsyncIterator) else _slowly(body)

        async def receive() -> MutableMapping[str, Any]:
            piece = await anext(pieces, None)
            if piece is None:
                return {"type": "http.disconnect"} if leaves else {"type": "http.request", "more_body": False}
            self.taken += 1
            return {"type": "http.request", "body": piece, "more_body": True}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
                return
            if self.reading is not None:
                await self.reading()
            if self.kept:
                self.pieces.append(message["body"])

        given = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", media), *headers]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": given}
        await self._doors(scope, receive, send)
        return self

    @property
    def said(self) -> list[Any]:
        return [json.loads(text) for text in b"".join(self.pieces).splitlines()]

    @property
    def problem(self) -> Any:
        return json.loads(b"".join(self.pieces))


async def _slowly(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.fixture
def upload(doors: Doors) -> Upload:
    return Upload(doors)


# --- What a line says ------------------------------------------------------------------------------------------------


async def test_every_line_is_answered_in_its_place_and_the_last_one_sums_up(upload: Upload, engine: Any) -> None:
    await upload([line(1) + line(2) + b"not json\n" + line(4)])
    assert upload.status == 200
    assert upload.headers[b"content-type"] == b"application/x-ndjson"
    assert upload.headers[b"location"].decode() == f"{PATH}/{BATCH}"
    first, second, bad, fourth, summary = upload.said
    assert first == {
        "line": 1,
        "call": first["call"],
        "state": "queued",
        "location": f"/v1/calls/police/{first['call']}",
    }
    assert (second["line"], fourth["line"], len({first["call"], second["call"], fourth["call"]})) == (2, 4, 3)
    assert (bad["line"], bad["code"], bad["status"]) == (3, "request.invalid", 400)
    assert summary == {
        "batch": BATCH,
        "lines": 4,
        "accepted": 3,
        "refused": 1,
        "send_again_from": None,
        "location": f"{PATH}/{BATCH}",
        "problem": None,
    }
    ((one, *others),) = engine.groups
    assert len(others) == 2, "one commit for all"
    assert isinstance(one, Submission)
    assert (one.batch, one.cls, one.wait, one.idempotency_key) == (BATCH, Class.BULK, None, "k1")


async def test_a_line_says_otherwise_than_the_headers(upload: Upload, engine: Any) -> None:
    headers = (
        (b"hub-purpose", b'officer="cb-102", unit="H32", intake="TN-000-1"'),
        (b"priority", b"u=4"),
        (b"hub-deadline", b"60"),
    )
    purpose = {"dossier": "000.1", "unit": "H33"}
    await upload([line(1) + line(2, purpose=purpose, priority=1, deadline=5)], *headers)
    ((one, other),) = engine.groups
    assert one.purpose == Purpose("cb-102", "H32", None, "TN-000-1")
    assert (one.cls, one.deadline) == (Class.NORMAL, 60.0)
    assert other.purpose == Purpose("cb-102", "H33", "000.1", "TN-000-1")
    assert (other.cls, other.deadline) == (Class.COUNTER, 5.0)


async def test_a_key_caps_the_class_of_each_line(upload: Upload, engine: Any) -> None:
    await upload([line(1, priority=0)], key="bulk-key")
    assert engine.groups[0][0].cls is Class.BULK


@pytest.mark.parametrize(
    ("text", "code", "pointer"),
    [
        (line(1, idempotency_key=None), "idempotency.missing", None),
        (line(1, operation="lookup_person"), "purpose.missing", None),
        (line(1, operation="file_nothing"), "operation.unknown", None),
        (line(1, request={"citizen_id": "12"}), "request.invalid", "/request/citizen_id"),
        (line(1, request=None), "request.invalid", "/request"),
        (line(1, surplus=1), "request.invalid", "/surplus"),
        (line(1, priority=8), "request.invalid", "/priority"),
        (line(1, priority=True), "request.invalid", "/priority"),
        (line(1, deadline=0), "request.invalid", "/deadline"),
        (line(1, idempotency_key="with space"), "request.invalid", "/idempotency_key"),
        (line(1, purpose={"officer": "\u202eevil"}), "request.invalid", "/purpose/officer"),
        (line(1, purpose={"citizen": "x"}), "request.invalid", "/purpose/citizen"),
        (b'{"operation":"file_person","operation":"file_person"}\n', "request.invalid", None),
        (b'{"request":{}}\n', "request.invalid", ""),
        (b"[1,2]\n", "request.invalid", None),
        (b"\xff\xfe\n", "request.invalid", ""),
        (b'{"operation": "file_person", "requ', "request.invalid", ""),
        (gzip.compress(line(1)), "request.invalid", ""),
    ],
)
async def test_a_bad_line_is_refused_alone(
    upload: Upload, engine: Any, text: bytes, code: str, pointer: str | None
) -> None:
    await upload([line(0), text.replace(b"\n", b"") + b"\n", line(2)])
    first, bad, last, summary = upload.said
    assert ("call" in first, "call" in last) == (True, True)
    assert (bad["line"], bad["code"]) == (2, code)
    assert (summary["accepted"], summary["refused"], summary["send_again_from"]) == (2, 1, None)
    if pointer is not None:
        assert [fault["pointer"] for fault in bad["errors"]] == [pointer]
    assert "evil" not in json.dumps(bad)


async def test_a_look_up_needs_no_key_and_one_agency_may_have_one_operation_only(upload: Upload, engine: Any) -> None:
    await upload([line(1, operation="lookup_place", idempotency_key=None)])
    assert engine.groups[0][0].idempotency_key is None


async def test_lines_under_one_key_and_a_key_used_otherwise_are_told_each(upload: Upload, engine: Any) -> None:
    call = Reply(BATCH, State.QUEUED)
    engine.becomes = lambda group: [call, call, IdempotencyConflict(call=BATCH)]
    await upload([line(1), line(1), line(1)])
    one, other, conflict, summary = upload.said
    assert one["call"] == other["call"] == conflict["call"]
    assert (conflict["line"], conflict["code"]) == (3, "idempotency.conflict")
    assert summary["accepted"] == 2


@pytest.mark.parametrize(
    ("headers", "media", "code"),
    [
        ((), b"application/json", "media_type.unsupported"),
        ((), b"application/x-ndjson; charset=utf-16", "media_type.unsupported"),
        (((b"content-encoding", b"gzip"),), b"application/x-ndjson", "media_type.unsupported"),
        (((b"idempotency-key", b"k"),), b"application/x-ndjson", "request.invalid"),
        (((b"hub-batch", b"mine"),), b"application/x-ndjson", "request.invalid"),
        (((b"hub-deadline", b"soon"),), b"application/x-ndjson", "request.invalid"),
    ],
)
async def test_what_is_wrong_with_the_whole_is_one_problem_and_nothing_is_read(
    upload: Upload, headers: Sequence[tuple[bytes, bytes]], media: bytes, code: str
) -> None:
    await upload([line(1)], *headers, media=media)
    assert upload.problem["code"] == code
    assert upload.taken == 0


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        (PATH, "nobodys", 401),
        ("/v1/calls/nowhere:batch", "counter-key", 404),
        ("/v1/calls/tax:batch", "counter-key", 404),
        (f"{PATH}/{BATCH}/more", "counter-key", 404),
        (f"{PATH}/{BATCH}", "counter-key", 405),
    ],
)
async def test_who_may_not_or_asks_nowhere_is_refused_unread(upload: Upload, path: str, key: str, status: int) -> None:
    await upload([line(1)], path=path, key=key)
    assert (upload.status, upload.taken) == (status, 0)


async def test_an_upload_that_broke_off_goes_on_under_its_batch(doors: Doors, engine: Any) -> None:
    mine = (b"hub-batch", b"01990a5e-1111-7cc3-98c4-dc0c0c07398f")
    await Upload(doors)([line(1), line(2), b'{"half a li'], mine, leaves=True)
    again = await Upload(doors)([line(1), line(2), line(3)], mine)
    assert {one.batch for group in engine.groups for one in group} == {mine[1].decode()}
    assert again.said[-1]["batch"] == mine[1].decode()


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
    doors._batch.locks = doors._batch.locks.__class__(doors._batch.locks.caller_of, doors._batch.locks.check, take)
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
