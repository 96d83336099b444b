"""The traceparent header is read as W3C trace context says, and a bad one starts a trace of our own."""

import pytest

from monitoring.tracing import make_traceparent, next_span, parse_traceparent

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (GOOD, GOOD),
        (f" {GOOD} ", GOOD),
        ("cc" + GOOD[2:], GOOD),
        ("cc" + GOOD[2:] + "-what-comes-later", GOOD),
        (GOOD + "-more", None),
        ("ff" + GOOD[2:], None),
        (GOOD.upper(), None),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", None),
        (GOOD[:-1], None),
        ("", None),
    ],
)
def test_traceparents_are_read_or_replaced(text: str, read: str | None) -> None:
    assert parse_traceparent(text) == read


def test_a_new_trace_is_well_formed_and_keeps_its_id_over_hops() -> None:
    first = make_traceparent(lambda count: bytes(range(1, count + 1)))
    assert parse_traceparent(first) == first
    hop = next_span(first, lambda count: b"\xaa" * count)
    assert parse_traceparent(hop) == hop
    assert hop[:36] == first[:36]
    assert hop[36:52] == "aa" * 8
