"""What the law hides is told sealed: only this hub opens it, for the agency of which it is, and it tells nothing by itself."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RequestInvalid
from hub.security.sealing import Sealing
from mappings.canonical import DossierQuery
from mappings.canonical.complaints import Complaint, ForwardedFeedback, Sender
from mappings.canonical.shape import MASK, mask
from mappings.errors import MappingFailed

NAME = "Trần Thị Không"
SEALING = Sealing("key-of-the-tests")


def complaint(id_: str = "400001", **sender: Any) -> Complaint:
    given = {"id": id_, "kind": "denunciation", "content": "Nhận tiền", "sender": {"full_name": NAME, **sender}}
    return Complaint.model_validate_json(json.dumps(given))


def forwarded(name: str | None) -> ForwardedFeedback:
    given = {"id": "400001", "kind": "denunciation", "to_agency": "H32.1", "content": "Nhận tiền"}
    return ForwardedFeedback.model_validate_json(json.dumps({**given, "sender": name and {"full_name": name}}))


def name_in(value: Any) -> str:
    assert isinstance(value.sender, Sender)
    assert value.sender.full_name is not None
    return value.sender.full_name


def test_what_is_told_holds_a_seal_in_place_of_each_text_of_the_sender_and_is_else_unchanged() -> None:
    value = complaint(phone="0900000000")
    told = SEALING.sealed("portal", value)
    assert told.sender is not None
    assert (told.id, told.content, told.sender.email) == (value.id, value.content, None)
    for text in (told.sender.full_name, told.sender.phone):
        assert (text or "").startswith("sealed:portal:")
    shown = told.model_dump_json()
    assert NAME not in shown
    assert "0900000000" not in shown
    assert Complaint.model_validate_json(shown) == told


@given(name=st.text(min_size=1, max_size=500).filter(lambda text: text == text.strip("\0 ")))
def test_a_seal_opens_to_the_very_text(name: str) -> None:
    sealed = SEALING.sealed("portal", Sender.model_construct(full_name=name)).full_name or ""
    assert len(sealed) <= 2900
    assert SEALING.opened("portal", sealed) == name


def test_a_caller_hands_the_seal_on_and_the_agency_gets_the_text() -> None:
    seal = name_in(SEALING.sealed("portal", complaint()))
    asked = SEALING.taken("portal", forwarded(seal))
    assert name_in(asked) == seal
    assert name_in(SEALING.open("portal", asked)) == NAME


def test_what_a_caller_says_in_plain_is_sealed_at_the_door_and_alike_when_said_again() -> None:
    asked = SEALING.taken("portal", forwarded(NAME))
    assert name_in(asked).startswith("sealed:portal:")
    assert SEALING.taken("portal", forwarded(NAME)) == asked, "else the same request again were another one"


def test_a_seal_tells_neither_who_it_is_nor_that_two_records_are_of_one_person() -> None:
    first, second = (name_in(SEALING.sealed("portal", complaint(id_))) for id_ in ("1", "2"))
    assert first != second
    short = name_in(SEALING.sealed("portal", complaint(full_name="An")))
    assert len(short) == len(first), "nor how long a name is"


@pytest.mark.parametrize("other", ["agency", "key", "changed", "cut", "nothing", "rubbish", "letters"])
def test_what_is_not_ours_or_of_another_agency_is_refused_and_never_opened(other: str) -> None:
    seal = name_in(SEALING.sealed("portal", complaint()))
    wrong = {
        "agency": seal.replace("portal", "tax"),
        "key": name_in(Sealing("another-key").sealed("portal", complaint())),
        "changed": seal[:-9] + ("A" if seal[-9] != "A" else "B") + seal[-8:],
        "cut": seal[:-20],
        "nothing": "sealed:portal:",
        "rubbish": "sealed:portal:!!!",
        "letters": "sealed:portal:Đá",
    }[other]
    assert SEALING.opened("portal", wrong) is None
    with pytest.raises(RequestInvalid) as refused:
        SEALING.taken("portal", forwarded(wrong))
    assert [fault.pointer for fault in refused.value.faults] == ["/sender/full_name"]
    with pytest.raises(MappingFailed) as failed:
        SEALING.open("portal", forwarded(wrong))
    assert wrong not in str(failed.value)


def test_what_is_in_plain_is_never_written_for_an_agency_as_if_it_had_been_sealed() -> None:
    with pytest.raises(MappingFailed):
        SEALING.open("portal", forwarded(NAME))


def test_a_text_of_an_agency_that_looks_like_a_seal_is_sealed_like_any_other() -> None:
    told = SEALING.sealed("portal", complaint(full_name="sealed:portal:AAAA"))
    assert SEALING.opened("portal", name_in(told)) == "sealed:portal:AAAA"


def test_a_record_without_sealed_places_is_handed_through() -> None:
    query = DossierQuery(code="H32.1-261123-0001")
    assert SEALING.sealed("portal", query) is query
    assert SEALING.open("portal", query) is query


def test_whoever_is_shown_a_masked_record_sees_not_even_the_seal() -> None:
    shown = mask(SEALING.sealed("portal", complaint()))
    assert shown["sender"]["full_name"] == MASK


@given(body=st.binary(max_size=300))
def test_what_cannot_be_read_is_sealed_whole_and_the_same_each_time(body: bytes) -> None:
    sealed = SEALING.whole("portal", body)
    assert sealed == SEALING.whole("portal", body)
    assert len(body) < 8 or body not in sealed
    assert SEALING.opened_whole("portal", sealed) == body
    assert Sealing("another-key").opened_whole("portal", sealed) is None
    assert SEALING.opened_whole("portal", sealed[:-1]) is None
    assert SEALING.opened_whole("portal", b"{" + body) == b"{" + body, "kept before it was sealed"
