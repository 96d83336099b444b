"""
Parsing and normalizing run in one step that keeps the interpreter to itself, in a thread as well.

A request of ten megabytes, with millions of values or one text of millions of letters, held all others for a second.
"""

import time

import pytest

from hub.errors import RequestInvalid
from hub.web.bodies import MOST_VALUES, Bodies
from mappings.canonical import CitizenQuery
from mappings.text import clean, clean_name

MEGABYTES = 10_000_000


def refused(body: bytes) -> tuple[str, float]:
    began = time.process_time()
    with pytest.raises(RequestInvalid) as caught:
        Bodies().validate(CitizenQuery, body)
    return caught.value.faults[0].rule, time.process_time() - began


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * 3_000_000 + b"0]",
        b"[" + b"0," * 5_000_000 + b"0]",
        b"{" + b'"a":0,' * 1_500_000 + b'"a":0}',
        b"{" + b",".join(b'"%d":0' % number for number in range(900_000)) + b"}",
        b"[" + b'"\\",",' * 1_500_000 + b"0]",
    ],
)
def test_millions_of_values_are_refused_before_they_are_parsed(body: bytes) -> None:
    rule, seconds = refused(body)
    assert rule == f"holds more than {MOST_VALUES} values"
    assert seconds < 0.2


def test_commas_inside_a_text_are_no_values() -> None:
    rule, _ = refused(b'{"citizen_id":"' + b'a, \\", b, ' * MOST_VALUES + b'"}')
    assert "values" not in rule


@pytest.mark.parametrize("letter", ["x", "\u0101", "a\u0323\u0302"])
def test_a_text_longer_than_any_field_is_refused_unread(letter: str) -> None:
    began = time.process_time()
    for rule in (clean, clean_name):
        with pytest.raises(ValueError, match="longer than any field"):
            rule(letter * (MEGABYTES // len(letter)))
    assert time.process_time() - began < 0.2
