"""The judge of the crash tests sees every broken promise: a history that breaks one is found out, a good one is not."""

from dataclasses import replace

import pytest

from bench.crashing.history import RULES, Arrived, Asked, Contract, Heard, History, Stands, broken

STEP = Asked("k1", "file_progress", "D1", durable=True, repeat_safe=False)
DOSSIER = Asked("k2", "file_dossier", "D2", durable=True, repeat_safe=True)
LOOK_UP = Asked("k3", "lookup_procedure", "P3", durable=False, repeat_safe=True)
TAKEN_BACK = Asked("k4", "file_dossier", "D4", durable=True, repeat_safe=True)
REFUSED = Asked("k5", "file_dossier", "D5", durable=True, repeat_safe=True)


def came(at: float, asked: Asked, outcome: str = "ok", *, late: float = 0.0, at_once: int = 1) -> Arrived:
    return Arrived(at, late, asked.operation, asked.subject, outcome, outcome == "ok", at_once)


GOOD = History(
    Contract(per_second=2, at_once=2, per_minute=20),
    {one.key: one for one in (STEP, DOSSIER, LOOK_UP, TAKEN_BACK, REFUSED)},
    (
        Heard(1.0, "k1", "submit", 0),
        Heard(1.1, "k1", "submit", 202, "c1", "queued"),
        Heard(1.2, "k2", "submit", 503, code="backlog.full"),
        Heard(1.3, "k2", "submit", 202, "c2", "queued"),
        Heard(2.0, "k2", "read", 504, "c2", "in_doubt", code="call.in_doubt"),
        Heard(3.0, "k2", "read", 200, "c2", "answered", "yes"),
        Heard(3.1, "k3", "submit", 200, "c3", "answered", "found"),
        Heard(3.2, "k4", "submit", 202, "c4", "queued"),
        Heard(3.3, "k4", "cancel", 200, "c4", "cancelled"),
        Heard(3.4, "k5", "submit", 503, code="hub.stopping"),
    ),
    (
        came(1.5, DOSSIER, "fault:reset_before"),
        came(1.6, STEP, "login"),
        came(1.7, STEP),
        came(2.6, DOSSIER, at_once=3),
        came(3.0, LOOK_UP),
    ),
    (
        Stands("c1", "answered", "done", "ok"),
        Stands("c2", "answered", "yes", "ok"),
        Stands("c3", "answered", "", "ok"),
        Stands("c4", "cancelled"),
    ),
    {"k5": ()},
)


def standing(call: str, **changes: str) -> History:
    return replace(GOOD, stands=tuple(replace(one, **changes) if one.call == call else one for one in GOOD.stands))


def hearing(*more: Heard) -> History:
    return replace(GOOD, heard=(*GOOD.heard, *more))


def arriving(*more: Arrived) -> History:
    return replace(GOOD, arrived=(*GOOD.arrived, *more))


BAD = {
    "told of it, and it is gone": ("accepted_is_there", replace(GOOD, stands=GOOD.stands[1:])),
    "a look-up's answer that nobody recorded": ("accepted_is_there", replace(GOOD, stands=(*GOOD.stands[:2], GOOD.stands[3]))),
    "listed twice": ("accepted_is_there", replace(GOOD, stands=(*GOOD.stands, GOOD.stands[0]))),
    "on its way for ever": ("accepted_is_there", standing("c1", state="sending")),
    "durable, and just expired": ("accepted_is_there", standing("c1", state="expired")),
    "two calls of one key": ("one_key_one_call", hearing(Heard(1.4, "k2", "submit", 202, "c4", "queued"))),
    "a second call found by its key": ("one_key_one_call", replace(GOOD, under={"k2": ("c1",)})),
    "refused, and there": ("one_key_one_call", replace(GOOD, under={"k5": ("c9",)})),
    "what may not be repeated came twice": ("sent_once", arriving(came(4.5, STEP))),
    "what may not be repeated came again after a cut": ("sent_once", arriving(came(4.5, STEP, "fault:reset_after"))),
    "another answer at the second look": ("heard_stays", hearing(Heard(4.0, "k2", "read", 200, "c2", "answered", "no"))),
    "another end at the second look": ("heard_stays", hearing(Heard(4.0, "k2", "read", 200, "c2", "cancelled"))),
    "another answer in the end": ("heard_stays", standing("c2", said="no")),
    "another end than was told": ("heard_stays", standing("c2", state="in_doubt")),
    "a look-up that was answered, and expired": ("heard_stays", standing("c3", state="expired")),
    "done, though the agency did nothing": ("done_as_told", replace(GOOD, arrived=GOOD.arrived[:2])),
    "sent after it was taken back": ("taken_back_stays_back", arriving(came(4.5, TAKEN_BACK))),
    "two too many in a second": ("contract_held", arriving(came(1.8, LOOK_UP), came(2.4, LOOK_UP))),
    "two too many in a minute": ("contract_held", arriving(*(came(5.0 + number, LOOK_UP) for number in range(17)))),
    "two too many at once": ("contract_held", arriving(came(9.0, LOOK_UP, at_once=4))),
}  # fmt: skip

ALSO_GOOD = {
    "one too many is the jitter of the way": arriving(came(3.3, LOOK_UP)),
    "who noted it was late": arriving(came(1.8, LOOK_UP), came(2.4, LOOK_UP)),
    "it still waits": standing("c1", state="queued", said="", result=""),
    "a person will see to it": standing("c1", state="in_doubt", said="", result=""),
    "arrived before it was taken back": arriving(came(3.25, TAKEN_BACK, late=0.0)),
    "let in only now": arriving(came(4.5, STEP, "fault:429")),
}
ALSO_GOOD["who noted it was late"] = replace(
    ALSO_GOOD["who noted it was late"],
    arrived=tuple(replace(one, late=0.8) for one in ALSO_GOOD["who noted it was late"].arrived),
)


def test_a_good_history_breaks_nothing() -> None:
    assert broken(GOOD) == []


@pytest.mark.parametrize(("rule", "history"), BAD.values(), ids=BAD)
def test_a_broken_promise_is_found_by_its_rule_alone(rule: str, history: History) -> None:
    found = broken(history)
    assert found
    assert {one.partition(":")[0] for one in found} == {rule}


@pytest.mark.parametrize("history", ALSO_GOOD.values(), ids=ALSO_GOOD)
def test_what_is_allowed_is_not_held_against_the_hub(history: History) -> None:
    assert broken(history) == []


def test_an_ill_store_may_miss_the_answer_to_a_look_up_and_nothing_else() -> None:
    ill = replace(GOOD, all_written=False)
    without = tuple(one for one in GOOD.stands if one.call != "c3")
    assert broken(replace(ill, stands=without)) == []
    assert broken(replace(ill, stands=(replace(GOOD.stands[2], state="expired"), *without))) == []
    assert broken(replace(ill, stands=without[1:])) != []


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in BAD.values()}
