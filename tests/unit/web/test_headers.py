"""Headers mean what their RFCs say, whichever of our two readers of structured fields reads them."""

from contextlib import suppress
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.call import Purpose
from hub.errors import RequestInvalid
from hub.web.headers import Headers, urgency

VISIBLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
PAIRS = st.lists(st.tuples(st.sampled_from([*Purpose._fields, "x"]), VISIBLE), min_size=1, max_size=4)
LIKELY = PAIRS.map(lambda pairs: ", ".join(f'{name}="{text}"' for name, text in pairs))


@given(LIKELY | VISIBLE.filter(bool))
def test_a_purpose_is_what_the_parser_reads(text: str) -> None:
    try:
        members: dict[str, Any] = dict(http_sf.parse(text.encode(), tltype="dictionary"))
        read = Purpose(**{name: next(iter(member)) for name, member in members.items()})
        refused = any(given is not None and not (isinstance(given, str) and given) for given in read)
    except (ValueError, TypeError):  # no dictionary; a member of unknown name
        refused = True
    try:
        assert Headers().read([(b"hub-purpose", text.encode())]).purpose == read
    except RequestInvalid:
        assert refused
    else:
        assert not refused


@given(
    st.dictionaries(
        st.sampled_from(
            [
                b"prefer",
                b"priority",
                b"hub-deadline",
                b"hub-purpose",
                b"idempotency-key",
                b"traceparent",
                b"content-length",
            ]
        ),
        st.binary(max_size=40),
    )
)
def test_no_header_makes_it_fail_otherwise_than_by_a_problem(headers: dict[bytes, bytes]) -> None:
    with suppress(RequestInvalid):
        Headers().read(headers.items())


def test_a_purpose_may_be_written_in_every_form_of_the_rfc() -> None:
    for text in (
        b'officer="cb-102", unit="H32"',
        b"officer=cb-102,unit=H32",
        b'officer="cb-102";a=1,  unit=%"H32"',
        b'officer="x", officer="cb-102", unit="H32"',
    ):
        assert Headers().read([(b"hub-purpose", text)]).purpose == Purpose(officer="cb-102", unit="H32")


def test_a_header_given_twice_is_one_list() -> None:
    purpose = Headers().read([(b"hub-purpose", b'officer="a"'), (b"hub-purpose", b'unit="b"')]).purpose
    assert purpose == Purpose(officer="a", unit="b")


def test_headers_that_come_again_mean_the_same_again() -> None:
    reader = Headers()
    given = [(b"hub-purpose", b'officer="cb-102", unit="H32"'), (b"prefer", b"wait=5"), (b"priority", b"u=1")]
    first = reader.read(given)
    again = reader.read([*given, (b"content-length", b"7"), (b"idempotency-key", b"k"), (b"traceparent", b"t")])
    assert again.how is first.how, "read once"
    assert (again.length, again.idempotency_key, again.trace) == (7, "k", "t")
    assert (first.length, first.idempotency_key, first.trace) == (None, None, "")
    for name, value in ((b"prefer", b"wait=6"), (b"priority", b"u=2"), (b"hub-deadline", b"9")):
        assert reader.read([*(one for one in given if one[0] != name), (name, value)]).how is not first.how


def test_a_fault_that_comes_again_is_a_fault_again() -> None:
    reader = Headers()
    for _ in range(2):
        with pytest.raises(RequestInvalid) as refused:
            reader.read([(b"hub-purpose", b'oficer="a"'), (b"hub-deadline", b"-1")])
        assert [fault.pointer for fault in refused.value.faults] == ["Hub-Deadline", "Hub-Purpose"]


def test_long_headers_are_not_kept() -> None:
    reader = Headers()
    given = [(b"prefer", b"wait=5" + b", x" * 100)]
    assert reader.read(given).how == reader.read(given).how
    assert reader.read(given).how is not reader.read(given).how


def test_no_purpose_is_kept() -> None:
    """It names an officer and a dossier, and nearly every one is new."""
    reader = Headers()
    first, second = (reader.read([(b"hub-purpose", b'officer="cb-%d"' % number)]) for number in (1, 2))
    assert first.how is second.how
    assert (first.purpose.officer, second.purpose.officer) == ("cb-1", "cb-2")


@pytest.mark.parametrize(
    "text",
    [
        b'officer="cb-102", unit=""',
        b'officer="' + b"x" * 201 + b'"',
        b'officer="cb-102", oficer="x"',
        b'officer="a"b"',
        b'="a"',
        b'officer="a", ',
        b'"',
    ],
)
def test_the_short_way_judges_no_milder(text: bytes) -> None:
    with pytest.raises(RequestInvalid) as refused:
        Headers().read([(b"hub-purpose", text)])
    assert [fault.pointer for fault in refused.value.faults] == ["Hub-Purpose"]


def test_the_class_alone_is_read_as_with_all_headers() -> None:
    for value in (b"u=0", b"u=4", b"u=7", b"i, u=2", b"u=9", b"u=;", b""):
        assert urgency([(b"host", b"x"), (b"priority", value)]) is Headers().read([(b"priority", value)]).how.cls
    assert urgency([]) is Headers().read([]).how.cls
