"""News of a commit arrive whole, however many, and each payload is one that PostgreSQL takes."""

import pytest

from hub.call import Class
from hub.store.news import Noted, heard
from hub.store.protocol import News


def test_news_are_heard_as_they_were_noted() -> None:
    noted = Noted()
    noted.ready("npsp", Class.NORMAL)
    noted.ready("npsp", "bulk")
    noted.ready("npsp", Class.NORMAL)
    noted.ended("call-1")
    noted.doubt("police")
    noted.orders()
    noted.registers()
    (payload,) = noted.payloads("one")
    assert heard(payload, "two") == News(
        ready={"npsp": frozenset({Class.NORMAL, Class.BULK})}, ended=("call-1",), doubt=frozenset({"police"}),
        orders=True, registers=True,
    )  # fmt: skip


def test_a_node_does_not_hear_itself() -> None:
    noted = Noted()
    noted.orders()
    (payload,) = noted.payloads("one")
    assert heard(payload, "one") is None


def test_a_commit_without_news_tells_nothing() -> None:
    assert list(Noted().payloads("one")) == []


def test_many_news_are_told_in_several_payloads_and_none_is_lost() -> None:
    noted = Noted()
    ids = [f"0198{number:032}" for number in range(1000)]
    for one in ids:
        noted.ended(one)
    payloads = list(noted.payloads("node_with_a_name"))
    assert len(payloads) > 1
    assert all(len(payload.encode()) < 8000 for payload in payloads)
    assert [one for payload in payloads for one in heard(payload, "other").ended] == ids  # type: ignore[union-attr]


@pytest.mark.parametrize("payload", ["x\nready npsp bogus", "x\nready a b c", "x\nready"])
def test_what_cannot_be_understood_is_reason_to_look_at_everything(payload: str) -> None:
    assert heard(payload, "hub_1") == News(missed=True)
