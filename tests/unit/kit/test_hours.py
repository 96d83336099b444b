"""An agency's hours are read as they are written, and told to the second, whatever stands beside and over whatever."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.hours import Hours

ICT = timezone(timedelta(hours=7))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ICT).timestamp()


def until(closed: float, now: str) -> str:
    return datetime.fromtimestamp(at(now) + closed, ICT).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("rule", "now", "opens"),
    [
        ("daily 22:00-23:30", "2026-11-23T21:59", "2026-11-23T21:59"),
        ("daily 22:00-23:30", "2026-11-23T22:00", "2026-11-23T23:30"),
        ("daily 22:00-23:30", "2026-11-23T23:29", "2026-11-23T23:30"),
        ("daily 22:00-23:30", "2026-11-23T23:30", "2026-11-23T23:30"),
        ("daily 22:00-24:00", "2026-11-23T23:59", "2026-11-24T00:00"),
        ("daily 00:00-06:00", "2026-11-23T00:00", "2026-11-23T06:00"),
        ("daily 22:00-05:00", "2026-11-23T23:00", "2026-11-24T05:00"),
        ("daily 22:00-05:00", "2026-11-23T04:59", "2026-11-23T05:00"),
        ("daily 22:00-05:00", "2026-11-23T05:00", "2026-11-23T05:00"),
        ("sun 22:00-05:00", "2026-11-22T22:00", "2026-11-23T05:00"),  # a Sunday
        ("sun 22:00-05:00", "2026-11-23T04:00", "2026-11-23T05:00"),  # the Monday after it
        ("sun 22:00-05:00", "2026-11-22T04:00", "2026-11-22T04:00"),  # the Sunday before it begins
        ("sun 22:00-05:00", "2026-11-23T22:00", "2026-11-23T22:00"),
        ("2027-02-06", "2027-02-06T00:00", "2027-02-07T00:00"),
        ("2027-02-06", "2027-02-05T23:59", "2027-02-05T23:59"),
        ("2027-02-06..2027-02-10", "2027-02-08T12:00", "2027-02-11T00:00"),
        ("2027-02-06..2027-02-06", "2027-02-06T23:59", "2027-02-07T00:00"),
    ],
)
def test_each_form_of_rule_closes_and_opens_at_the_minute_in_viet_nam(rule: str, now: str, opens: str) -> None:
    assert until(Hours([rule]).closed(at(now)), now) == opens


@pytest.mark.parametrize(
    ("rules", "now", "opens"),
    [
        (("fri 22:00-24:00", "2026-11-28", "sun 00:00-06:00"), "2026-11-27T23:00", "2026-11-29T06:00"),
        (("daily 22:00-23:00", "daily 23:00-01:00", "daily 00:30-02:00"), "2026-11-23T22:30", "2026-11-24T02:00"),
        (("2027-02-06", "2027-02-08"), "2027-02-06T10:00", "2027-02-07T00:00"),
    ],
)
def test_rules_that_meet_are_one_closing(rules: tuple[str, ...], now: str, opens: str) -> None:
    assert until(Hours(rules).closed(at(now)), now) == opens


def test_no_rules_mean_always_open() -> None:
    assert not Hours()
    assert Hours().closed(at("2026-11-23T03:00")) == 0.0


def test_an_agency_that_never_opens_is_told_as_closed_and_does_not_hang_the_hub() -> None:
    for rules in (["daily 00:00-24:00"], ["2000-01-01..2099-12-31"], ["daily 00:00-13:00", "daily 12:00-01:00"]):
        assert Hours(rules).closed(at("2026-11-23T03:00")) > 300 * 86_400


@pytest.mark.parametrize(
    "text",
    [
        "", "closed", "daily", "daily 22:00", "daily 22:00-22:00", "daily 24:00-05:00", "daily 22:00-24:01", "daily 7:00-08:00",
        "daily 22:60-23:00", "daily 22:00-23:60", "daily  22:00-23:00", "Sun 22:00-23:00", "CN 22:00-23:00", "sunday 22:00-23:00",
        "daily 22:00-23:00 ", "2027-02-30", "2027-13-01", "2027-2-6", "27-02-06", "2027-02-10..2027-02-06", "2027-02-06..",
        "2027-02-06..2027-02-30", "2027-02-06...2027-02-07", "daily 22.00-23.00", "daily ２２:00-23:00", "daily -1:00-23:00",
    ],
)  # fmt: skip
def test_any_other_text_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `daily 22:00-23:30`"):
        Hours([text])


TIMES = st.builds(
    lambda day, begin, length: (day, begin, length),
    st.sampled_from(("daily", *DAYS)),
    st.integers(0, 1439),
    st.integers(1, 1439),
)
FIRST = date(2026, 11, 16)
DATES = st.tuples(st.integers(0, 13), st.integers(0, 3))


@settings(max_examples=60)
@given(times=st.lists(TIMES, max_size=3), dates=st.lists(DATES, max_size=2), second=st.integers(0, 7 * 86_400 - 1))
def test_it_agrees_with_a_calendar_that_is_coloured_in_minute_by_minute(
    times: list[tuple[str, int, int]], dates: list[tuple[int, int]], second: int
) -> None:
    rules = [
        f"{day} {begin // 60:02}:{begin % 60:02}-{(begin + length) % 1440 // 60:02}:{(begin + length) % 60:02}"
        for day, begin, length in times
    ] + [
        f"{FIRST + timedelta(first)}..{FIRST + timedelta(first + more)}" for first, more in dates
    ]  # fmt: skip
    minutes = 21 * 1440
    closed = bytearray(minutes + 2 * 1440)
    for day, begin, length in times:
        for number in range(-1, 22):  # the day before the first may reach into it
            if day == "daily" or DAYS[(number + FIRST.weekday()) % 7] == day:
                for minute in range(number * 1440 + begin, number * 1440 + begin + length):
                    if 0 <= minute < len(closed):
                        closed[minute] = 1
    for first, more in dates:
        for minute in range(first * 1440, (first + more + 1) * 1440):
            closed[minute] = 1
    now = at(FIRST.isoformat()) + second
    minute = second // 60
    end = minute
    while end < minutes and closed[end]:
        end += 1
    told = Hours(rules).closed(now)
    if end == minutes:
        assert told >= (end - minute) * 60 - 60, "always closed, as far as the calendar goes"
    else:
        assert told == (end * 60 - second if closed[minute] else 0)
