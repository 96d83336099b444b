"""Every way in which a played agency misbehaves, as the hub's own sender sees it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import InDoubt, Outcome
from connectors.kit.sandbox.faults import FAULTS, Fault, FaultBook
from connectors.kit.sandbox.server import Play, Sandbox

MANIFEST = """
[connector]
title = "Test agency"
title_vi = "Cơ quan thử nghiệm"
version = "0.1.0"
owner = "tests"
protocol = "rest"
maturity = "draft"
[contract]
calls_per_second = 10
calls_per_day = 1000
calls_at_once = 4
call_timeout = 5
queue_calls = 10
queue_seconds = 5
backlog_calls = 10
request_bytes = 10000
reply_bytes = 10000
[operations.lookup_procedure]
kind = "lookup"
call = "POST /g"
sends = "procedure_query"
wrap = { service = "=LayThuTuc", maTTHC = "payload" }
"""
ANSWER = '{"error_code":"0","result":[{"TENTTHC":"Thủ tục thử nghiệm"}]}'.encode()


@pytest.fixture
def connector(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    sample = folder / "samples" / "lookup_procedure.found"
    sample.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "procedure_query.map.toml").write_text(
        'canonical = "ProcedureQuery@1"\nagency = ""\n[fields]\n"code" = ""\n', "utf-8"
    )
    (sample / "request.agency.json").write_text('{"service":"LayThuTuc","maTTHC":"1.001776"}', "utf-8")
    (sample / "reply.agency.json").write_bytes(ANSWER)
    return folder


@pytest.fixture
async def sandbox(connector: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox([Play("tiny", connector)], now=time.time, chance=random.Random(7))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    sender = HttpSender()
    yield sender
    await sender.close()


async def ask(
    sandbox: Sandbox, sender: HttpSender, *, within: float = 2.0, reply_bytes: int = 1_000_000, fresh: bool = False
) -> WireReply | Outcome:
    body = b'{"service":"LayThuTuc","maTTHC":"1.001776"}'
    request = WireRequest("POST", f"{sandbox.base_url('tiny')}/g", {"Content-Type": "application/json"}, body, fresh)
    return await sender.send(request, timeout=within, reply_bytes=reply_bytes)


def replied(status: int, body: bytes) -> Callable[[WireReply | Outcome], bool]:
    return lambda seen: isinstance(seen, WireReply) and seen.status == status and body in seen.body


def doubted(*causes: str) -> Callable[[WireReply | Outcome], bool]:
    return lambda seen: isinstance(seen, InDoubt) and seen.cause in causes


SEEN: MappingProxyType[str, Callable[[WireReply | Outcome], bool]] = MappingProxyType(
    {
        "latency": replied(200, ANSWER),
        "hang": doubted("timeout"),
        "reset_before": doubted("reset"),
        "reset_after": doubted("reset"),
        "429": replied(429, b"<html>"),
        "500": replied(500, b"<html>"),
        "502": replied(502, b"<html>"),
        "503": replied(503, b"<html>"),
        "504": replied(504, b"<html>"),
        "html_200": replied(200, b"<!DOCTYPE html>"),
        "soap_fault_200": replied(200, b"faultcode"),
        "soap_fault_500": replied(500, b"faultcode"),
        "truncated": doubted("truncated"),
        "wrong_charset": lambda seen: isinstance(seen, WireReply) and b"TENTTHC" in seen.body and seen.body != ANSWER,
        "added_element": replied(200, b'"ThemMoi":"1"'),
        "big_body": doubted("too_large"),
        "slow_drip": doubted("timeout"),
        "expired_session": replied(
            200, ANSWER
        ),  # this agency has no sessions; one that has is in test_sandbox_played.py
        "close_idle": replied(200, ANSWER),
    }
)


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_looks_to_the_sender_as_it_should(name: str, sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault=name, count=1, seconds=0.02))  # type: ignore[arg-type]
    seen = await ask(sandbox, sender, within=0.3 if name in ("slow_drip", "hang") else 5.0)
    if name == "hang":
        assert isinstance(seen, InDoubt)
        assert seen.cause in ("timeout", "closed")
    else:
        assert SEEN[name](seen), seen
    assert sandbox.faults("tiny") == []
    again = await ask(sandbox, sender, fresh=True)
    assert isinstance(again, WireReply)
    assert again.body == ANSWER


def test_every_fault_is_seen_by_a_test() -> None:
    assert set(SEEN) == set(FAULTS)


@pytest.mark.parametrize("name", [name for name, happens in FAULTS.items() if not happens])
async def test_a_fault_before_processing_is_logged_as_not_processed(
    name: str, sandbox: Sandbox, sender: HttpSender
) -> None:
    sandbox.misbehave("tiny", Fault(fault=name, count=1, seconds=0.01))  # type: ignore[arg-type]
    await ask(sandbox, sender, within=1)
    [arrival] = sandbox.arrivals.of("tiny")
    assert (arrival.operation, arrival.key, arrival.outcome, arrival.processed) == (
        "lookup_procedure",
        "1.001776",
        f"fault:{name}",
        False,
    )
    assert sandbox.arrivals.processed("tiny", "lookup_procedure", "1.001776") == 0


async def test_a_reset_after_processing_is_counted_as_done(sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault="reset_after", count=1))
    assert isinstance(await ask(sandbox, sender), InDoubt)
    assert sandbox.arrivals.processed("tiny", "lookup_procedure", "1.001776") == 1


async def test_a_gateway_error_may_hide_work_that_was_done_or_not(sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault="502", count=1))
    sandbox.misbehave("tiny", Fault(fault="502", count=1, processed=False))
    for _ in range(2):
        await ask(sandbox, sender)
    assert [arrival.processed for arrival in sandbox.arrivals.of("tiny")] == [True, False]


@pytest.mark.parametrize(
    ("retry_after", "status"), [("5", "429"), (None, "429"), ("Wed, 21 Oct 2026 07:28:00 GMT", "503")]
)
async def test_asking_to_slow_down_says_for_how_long_only_when_told(
    retry_after: str | None, status: str, sandbox: Sandbox, sender: HttpSender
) -> None:
    sandbox.misbehave("tiny", Fault(fault=status, retry_after=retry_after, count=1))  # type: ignore[arg-type]
    seen = await ask(sandbox, sender)
    assert isinstance(seen, WireReply)
    assert seen.headers.get("retry-after") == retry_after


async def test_a_huge_body_is_streamed_until_the_sender_has_enough(sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault="big_body", count=1, bytes=1_000_000))
    assert await ask(sandbox, sender, reply_bytes=100_000) == InDoubt("too_large")
    sandbox.misbehave("tiny", Fault(fault="big_body", count=1, bytes=1_000_000))
    seen = await ask(sandbox, sender, reply_bytes=2_000_000)
    assert isinstance(seen, WireReply)
    assert 900_000 < len(seen.body) < 1_100_000


async def test_a_hang_ends_when_the_caller_gives_up(sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault="hang", seconds=3600, count=1))
    assert await ask(sandbox, sender, within=0.1) == InDoubt("timeout")


async def test_a_kept_connection_that_the_agency_closes_is_not_used_again(sandbox: Sandbox, sender: HttpSender) -> None:
    assert isinstance(await ask(sandbox, sender), WireReply)
    assert sandbox.close_idle("tiny") == 1
    await asyncio.sleep(0)
    assert isinstance(await ask(sandbox, sender), WireReply | InDoubt)
    assert isinstance(await ask(sandbox, sender), WireReply)


async def test_an_idle_close_looks_like_doubt_on_a_kept_connection_and_not_on_a_fresh_one(
    sandbox: Sandbox, sender: HttpSender
) -> None:
    """Why filings that may not be repeated never use a kept connection."""
    for fresh, seen_as in ((False, InDoubt), (True, WireReply)):
        sandbox.misbehave("tiny", Fault(fault="close_idle", seconds=0.05, count=1))
        assert isinstance(await ask(sandbox, sender), WireReply)
        assert isinstance(await ask(sandbox, sender, fresh=fresh), seen_as)
    assert len(list(sandbox.arrivals.of("tiny"))) == 3, "the request on the closing connection was never read"


async def test_faults_by_rate_strike_about_as_often_as_told(sandbox: Sandbox, sender: HttpSender) -> None:
    sandbox.misbehave("tiny", Fault(fault="500", rate=0.3))
    statuses = [seen.status for _ in range(200) if isinstance(seen := await ask(sandbox, sender), WireReply)]
    assert 40 < statuses.count(500) < 80
    sandbox.behave("tiny")
    seen = await ask(sandbox, sender)
    assert isinstance(seen, WireReply)
    assert seen.status == 200


def test_a_fault_strikes_only_its_operation_and_only_so_often() -> None:
    book = FaultBook(random.Random(1))
    book.add(Fault(fault="500", operation="file_dossier", count=2))
    struck = [
        book.strike(name) is not None for name in ("lookup_dossier", "file_dossier", "file_dossier", "file_dossier")
    ]
    assert struck == [False, True, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault": "explode"},
        {"fault": "hang", "rate": 0},
        {"fault": "hang", "often": 1},
        {"fault": "truncated", "processed": False},
    ],
)
def test_a_fault_that_does_not_exist_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)
