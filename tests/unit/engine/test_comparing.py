"""What can be compared follows from manifests, and what differs is told without a word about a person."""

from typing import Any, cast

import pytest

from connectors.kit.inbox import Notice
from connectors.kit.registry import find_connectors, load_connector
from hub.comparing import Compared, Said, compared, judge
from hub.store.reconciled import DIFFERS, MISSING, SAME, UNKNOWN
from mappings.canonical.shape import Canonical, personal, told
from tests.unit.engine.stage import operation

CONNECTORS = {name: load_connector(folder) for name, folder in find_connectors().items()}


class Person(Canonical):
    name: str = told("Name")


class Matter(Canonical):
    code: str = told("Code")
    status: str = told("State")
    amount: int = told("Money")
    owner: Person = personal("Who")
    summary: str = personal("What")
    remark: str = told("Words")


MATTER = Matter(code="H32-1", status="received", amount=5, owner=Person(name="Trần"), summary="Giấy", remark="hai chữ")


def this(*agrees: str, **then: str) -> Compared:
    return Compared(
        operation("file_matter", "filing", Matter, then=then), operation("look_up", "lookup", Person, agrees=agrees)
    )


def found(**changes: Any) -> Said:
    return Said("ok", MATTER.model_copy(update=changes))


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("npsp", {"file_dossier": "lookup_dossier", "update_dossier": "lookup_dossier"}),
        ("payment", {"start_payment": "lookup_payment"}),
        ("police", {}),
    ],
)
def test_what_can_be_looked_up_is_what_the_manifest_lets_verify(name: str, operations: dict[str, str]) -> None:
    connector = CONNECTORS[name]
    told_ = compared(connector.operations, [notice.about for notice in connector.notices.values()])
    assert {one: known.look_up.name for one, known in told_.items() if known.look_up} == operations


def test_without_a_look_up_notices_tell_that_are_bound_by_the_reference() -> None:
    order = operation("file_order", "filing", Matter, ref={"order": None})
    silent = operation("file_letter", "filing", Matter)
    exists = operation("file_twice", "filing", Matter, then={"exists": "file_order"})
    bound = [
        _notice("order_tracked", "order"),
        _notice("bell_rung", "bell"),
        _notice("order_asked", "order", "question"),
    ]
    operations = {one.name: one for one in (order, silent, exists)}
    assert {name: one.told_by for name, one in compared(operations, bound).items()} == {"file_order": {"order_tracked"}}


def _notice(name: str, ref: str, kind: str = "notice") -> Notice:
    return Notice(name, cast(Any, kind), None, None, False, (), (ref,), None, None, None, None)


def test_only_states_and_codes_of_what_differs_are_shown() -> None:
    changed = found(status="finished", amount=6, summary="khác", remark="ba chữ khác", owner=Person(name="Lê"))
    judged = judge(this("status", "amount", "summary", "remark", "owner.name"), "ok", MATTER, changed)
    assert judged.verdict == DIFFERS
    assert {field: (ours, theirs) for field, ours, theirs in judged.fields} == {
        "status": ("received", "finished"), "amount": ("", ""), "summary": ("", ""), "remark": ("", ""),
        "owner.name": ("", ""),
    }  # fmt: skip


def test_without_named_fields_the_plain_ones_that_are_nobodys_are_compared() -> None:
    assert judge(this(), "ok", MATTER, found(summary="khác", owner=Person(name="Lê"))).verdict == SAME
    assert [field for field, _, _ in judge(this(), "ok", MATTER, found(amount=6)).fields] == ["amount"]
    assert judge(this(), "ok", MATTER, Said("ok")).verdict == SAME, "that it is there is all that can be said"


@pytest.mark.parametrize(
    ("then", "ours", "said", "verdict", "cause"),
    [
        ({}, "ok", Said("not_found"), MISSING, ""),
        ({}, "ok", Said("refused", code="npsp.denied"), UNKNOWN, "npsp.denied"),
        ({}, "ok", Said("pending"), SAME, ""),
        ({"pending": "look_up"}, "pending", Said("pending"), SAME, ""),
        ({"pending": "look_up"}, "pending", Said("ok"), DIFFERS, ""),
        ({"pending": "look_up"}, "ok", Said("refused", code="payment.failed"), DIFFERS, "payment.failed"),
        ({"pending": "look_up"}, "pending", Said("not_found"), MISSING, ""),
    ],
)
def test_each_result_of_a_look_up_is_a_verdict(
    then: dict[str, str], ours: str, said: Said, verdict: str, cause: str
) -> None:
    judged = judge(this("status", **then), ours, MATTER, said)
    assert (judged.verdict, judged.cause) == (verdict, cause)


def test_what_could_be_there_twice_is_not_filed_again() -> None:
    sees = operation("look_up", "lookup", Person, sees_writes=True)
    blind = operation("look_up", "lookup", Person)
    once, safe = (operation("file_matter", "filing", Matter, repeat_safe=one) for one in (False, True))
    own = operation("file_matter", "filing", Matter, repeat_safe=True, own={"reference": "call.reference"})
    assert [Compared(one, look_up).not_again for one, look_up in ((once, sees), (safe, blind), (once, blind), (own, sees))] == [
        "", "", "not_repeat_safe", "another_reference",
    ]  # fmt: skip
