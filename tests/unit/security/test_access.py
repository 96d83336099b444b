"""Whether a call may be made: promise 7, every access to personal data has a caller, an officer and a purpose."""

from typing import Any

import pytest

from hub.call import Class, Purpose
from hub.errors import AuthDenied, PurposeMissing, RequestInvalid
from hub.security.identity import Caller

COUNTER = Caller("onestop", frozenset({"*"}), Class.COUNTER)
WHOLE = Purpose("cb-102", "H32", "H32.1-261123-0001")


def check(office: Any, purpose: Purpose = WHOLE, caller: Caller = COUNTER, **more: Any) -> None:
    asked = {"agency": "police", "operation": "lookup_citizen", "personal_data": True} | more
    office.access.check(caller, purpose=purpose, **asked)


@pytest.mark.parametrize("allowed", ["*", "police", "police.lookup_citizen"])
async def test_a_key_reaches_what_it_was_given(office: Any, allowed: str) -> None:
    check(office, caller=Caller("onestop", frozenset({allowed}), Class.COUNTER))


@pytest.mark.parametrize("allowed", ["npsp", "police.verify_citizen", "pol", "police.", "lookup_citizen"])
async def test_a_key_reaches_nothing_else(office: Any, allowed: str) -> None:
    with pytest.raises(AuthDenied):
        check(office, caller=Caller("onestop", frozenset({allowed}), Class.COUNTER))


@pytest.mark.parametrize("top", list(Class))
@pytest.mark.parametrize("asked", list(Class))
async def test_a_key_caps_the_class(office: Any, top: Class, asked: Class) -> None:
    order = [Class.COUNTER, Class.NORMAL, Class.BULK]
    caller = Caller("onestop", frozenset({"*"}), top)
    if order.index(asked) < order.index(top):
        with pytest.raises(AuthDenied):
            check(office, caller=caller, cls=asked)
    else:
        check(office, caller=caller, cls=asked)


async def test_who_may_not_call_hears_nothing_about_officers(office: Any) -> None:
    """Otherwise any key could try out which officers exist."""
    with pytest.raises(AuthDenied):
        check(office, Purpose("nobody"), Caller("onestop", frozenset({"npsp"}), Class.COUNTER))


@pytest.mark.parametrize(
    ("purpose", "rules"),
    [
        (Purpose(), ["officer is missing", "dossier or intake is missing"]),
        (Purpose(unit="H32", dossier="D"), ["officer is missing"]),
        (Purpose(officer="cb-102", unit="H32"), ["dossier or intake is missing"]),
        (Purpose(officer="cb-102", procedure="1.000001"), ["dossier or intake is missing"]),
    ],
)
async def test_personal_data_needs_an_officer_and_a_dossier_or_intake(
    office: Any, purpose: Purpose, rules: list[str]
) -> None:
    with pytest.raises(PurposeMissing) as refused:
        check(office, purpose)
    assert [fault.rule for fault in refused.value.faults] == rules


@pytest.mark.parametrize("why", [{"dossier": "H32.1-261123-0001"}, {"intake": "TN-000-1"}])
async def test_a_dossier_or_an_intake_number_is_purpose_enough(office: Any, why: dict[str, str]) -> None:
    check(office, Purpose("cb-102", "H32", **why))


async def test_data_about_nobody_needs_no_purpose(office: Any) -> None:
    check(office, Purpose(), personal_data=False)


@pytest.mark.parametrize(
    ("purpose", "says"),
    [
        (Purpose("cb-999", "H32", "D"), ["officer is not registered, or not valid today"]),
        (Purpose("cb-103", "H32", "D"), ["officer is not registered, or not valid today"]),
        (Purpose("cb-102", "H33", "D"), ["officer does not belong to this unit today"]),
        (Purpose("cb-104", None, "D"), ["unit must be named: this officer belongs to several"]),
        (
            Purpose("cb-999", "H99", "D"),
            ["unit is not registered, or not valid today", "officer is not registered, or not valid today"],
        ),
    ],
)
@pytest.mark.parametrize("personal_data", [True, False])
async def test_officer_and_unit_are_those_of_the_register(
    office: Any, purpose: Purpose, says: list[str], personal_data: bool
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        check(office, purpose, personal_data=personal_data)
    assert [fault.rule for fault in refused.value.faults] == says
    assert {fault.pointer for fault in refused.value.faults} == {"Hub-Purpose"}
    assert str(purpose.officer) not in str(refused.value) + repr(refused.value.faults)


async def test_an_officer_of_one_unit_need_not_name_it(office: Any) -> None:
    check(office, Purpose("cb-102", None, "D"))


async def test_days_begin_at_midnight_in_vietnam(office: Any) -> None:
    """cb-103 serves on 24 and 25 November alone."""
    served = Purpose("cb-103", "H32", "D")
    midnight = 1_795_366_800.0 + 86_400  # 2026-11-24 00:00 +07:00, still 23 November in London
    office.clock.step_wall(midnight - 0.5 - office.clock.now())
    with pytest.raises(RequestInvalid):
        check(office, served)
    office.clock.advance(0.5)
    check(office, served)
    office.clock.advance(2 * 86_400 - 1)
    check(office, served)
    office.clock.advance(1)
    with pytest.raises(RequestInvalid):
        check(office, served)


async def test_a_unit_that_is_closed_serves_nobody(office: Any) -> None:
    office.clock.advance(40 * 86_400)
    with pytest.raises(RequestInvalid):
        check(office, Purpose("cb-104", "H33", "D"))


async def test_an_import_counts_for_the_next_call(office: Any) -> None:
    check(office)
    lines = b"officer,unit,valid_from,valid_to,agency,account\ncb-900,H32,2020-01-01,,,\n"
    await office.identity.import_officers(lines, "operator")
    with pytest.raises(RequestInvalid):
        check(office)
    check(office, Purpose("cb-900", "H32", "D"))


@pytest.mark.parametrize(
    ("purpose", "operation", "says"),
    [
        (Purpose("cb-104", "H32", "D"), "police.ask_account", ["this officer has no account at this agency"]),
        (Purpose(), "police.ask_account", ["officer is missing"]),
        (
            Purpose("cb-104", "H33", "D"),
            "npsp.file_code",
            ["procedure is missing", "this unit has no code at this agen"],
        ),
        (Purpose(procedure="1.000001"), "npsp.file_code", ["unit is missing"]),
    ],
)
async def test_what_only_the_registers_could_fill_is_missed_at_the_door(
    office: Any, purpose: Purpose, operation: str, says: list[str]
) -> None:
    """Else a filing would get its ticket and die unseen, because nothing could be written for the agency."""
    agency, _, name = operation.partition(".")
    with pytest.raises(RequestInvalid) as refused:
        check(office, purpose, agency=agency, operation=name, personal_data=False)
    found = [fault.rule for fault in refused.value.faults]
    assert [rule[: len(words)] for rule, words in zip(found, says, strict=True)] == says
    assert {fault.pointer for fault in refused.value.faults} == {"Hub-Purpose"}


async def test_what_the_registers_fill_passes_also_for_a_unit_that_is_not_named(office: Any) -> None:
    check(office, Purpose("cb-102", None, "D"), operation="ask_account")
    check(
        office, Purpose("cb-102", None, procedure="1.000001"), agency="npsp", operation="file_code", personal_data=False
    )


async def test_what_passed_once_is_judged_anew_after_an_import(office: Any) -> None:
    check(office)
    await office.identity.import_officers(b"officer,unit,valid_from,valid_to,agency,account\n", "operator")
    with pytest.raises(RequestInvalid):
        check(office)


async def test_what_passed_once_is_judged_anew_on_the_next_day(office: Any) -> None:
    purpose = Purpose("cb-103", "H32", "H32.1-261123-0001")  # registered on the 24th and 25th
    with pytest.raises(RequestInvalid):
        check(office, purpose)
    office.clock.advance(86_400)
    check(office, purpose)
    check(office, purpose)
    office.clock.advance(2 * 86_400)
    with pytest.raises(RequestInvalid):
        check(office, purpose)


async def test_what_passed_for_one_operation_is_judged_anew_for_another(office: Any) -> None:
    purpose = Purpose("cb-104", "H32", "H32.1-261123-0001")  # no account at the police
    check(office, purpose, operation="lookup_citizen")
    with pytest.raises(RequestInvalid):
        check(office, purpose, operation="ask_account")
    check(office, WHOLE, operation="ask_account")
    check(office, Purpose("cb-102", "H32", "D", None, "1.001776"), agency="npsp", operation="file_code")
    with pytest.raises(RequestInvalid):
        check(office, Purpose("cb-102", "H32", "D"), agency="npsp", operation="file_code")


async def test_what_passed_for_one_caller_gives_another_no_right(office: Any) -> None:
    check(office)
    with pytest.raises(AuthDenied):
        check(office, caller=Caller("other", frozenset({"npsp"}), Class.COUNTER))
    with pytest.raises(PurposeMissing):
        check(office, Purpose("cb-102", "H32"))
