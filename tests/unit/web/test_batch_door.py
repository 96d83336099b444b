"""What a caller can rely on who hands in many calls at once: each line is answered for itself."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from hub.call import Class, Purpose, Reply, State, Submission
from hub.errors import IdempotencyConflict
from hub.web.batch import _shape
from hub.web.doors import Doors
from tests.unit.web.uploading import BATCH, PATH, Upload, line


@pytest.fixture
def upload(doors: Doors) -> Upload:
    return Upload(doors)


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


async def test_a_line_of_which_the_agency_cannot_be_told_is_refused_alone(doors: Doors) -> None:
    upload = await Upload(doors)([line(1, request={"citizen_id": "0" * 12}), line(2)])
    refused, taken, _ = upload.said
    assert [(one["pointer"], one["rule"]) for one in refused["errors"]] == [("/request/citizen_id", "says nobody")]
    assert "call" in taken


async def test_an_agency_of_one_operation_is_told_its_faults_likewise(doors: Doors) -> None:
    door = doors._batch
    door.offered = {"police": {"file_person": door.offered["police"]["file_person"]}}
    door.shapes = {"police": _shape(door.offered["police"])}
    upload = await Upload(doors)([line(1), line(2, request={"citizen_id": "12"}), line(3, operation="lookup_place")])
    good, bad, unknown, _ = upload.said
    assert "call" in good
    assert [fault["pointer"] for fault in bad["errors"]] == ["/request/citizen_id"]
    assert [fault["pointer"] for fault in unknown["errors"]] == ["/operation"]
