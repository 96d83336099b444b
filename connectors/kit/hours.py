"""
When an agency is closed: the texts of `closed` in a contract, read once. The manifest checks them, the hold guard asks.

A rule is `daily 22:00-23:30`, `sun 22:00-05:00` (over midnight: it belongs to the day it begins on), a day
`2027-02-06` or a range of days `2027-02-06..2027-02-10`, all at +07:00.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

ADVICE = "write `daily 22:00-23:30`, `sun 22:00-05:00`, `2027-02-06` or `2027-02-06..2027-02-10`"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIMES = re.compile(r"(daily|mon|tue|wed|thu|fri|sat|sun) (\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?", re.ASCII)
_EPOCH = date(1970, 1, 1)
_OFFSET = 7 * 3600
"""Viet Nam keeps +07:00 all year."""
_DAY = 86_400
_LONGEST_DAYS = 400
"""How far ahead an opening is looked for: who is closed for longer is told so much."""


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds of a day, on one day of the week or on all."""

    weekday: int | None
    begin: int
    end: int
    """Above a day's seconds when it reaches over midnight."""


@dataclass(frozen=True, slots=True)
class _Dates:
    """Whole days, the last included, counted from the epoch."""

    first: int
    last: int


class Hours:
    """The rules of one contract."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        """
        Read *rules*.

        Raises:
            ValueError: One is none of the four forms, or names a day or time that does not exist.
        """
        self._rules = tuple(_read(rule) for rule in rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def closed(self, now: float) -> float:
        """Return for how many seconds the agency is still closed at *now*, Unix seconds; 0.0 when it is open."""
        if not self._rules:
            return 0.0
        here = began = now + _OFFSET
        horizon = began + _LONGEST_DAYS * _DAY
        while here < horizon and (end := self._end_of_closing(here)) is not None:
            here = min(end, horizon)  # one rule may begin where another ends
        return here - began

    def _end_of_closing(self, here: float) -> float | None:
        """Return the end of a rule that covers *here*, in seconds since the epoch as clocks in Viet Nam show them."""
        day, second = divmod(here, _DAY)
        ends = [
            end
            for rule in self._rules
            if (end := _covered_dates(rule, day) if isinstance(rule, _Dates) else _covered_times(rule, day, second))
        ]
        return max(ends, default=None)


def _covered_dates(rule: _Dates, day: float) -> float | None:
    return (rule.last + 1.0) * _DAY if rule.first <= day <= rule.last else None


def _covered_times(rule: _Times, day: float, second: float) -> float | None:
    for back in (0, 1):  # a rule that began yesterday may reach into today
        weekday = (int(day) - back + 3) % 7  # the epoch was a Thursday
        if rule.weekday in (None, weekday) and rule.begin <= second + back * _DAY < rule.end:
            return (day - back) * _DAY + rule.end
    return None


def _read(text: str) -> _Times | _Dates:
    if found := _TIMES.fullmatch(text):
        begin, end = (int(found[at]) * 3600 + int(found[at + 1]) * 60 for at in (2, 4))
        if begin >= _DAY or end > _DAY or int(found[3]) > 59 or int(found[5]) > 59 or begin == end:
            raise ValueError(f"names a time that is none: {ADVICE}")
        weekday = _DAYS.index(found[1]) if found[1] != "daily" else None
        return _Times(weekday, begin, end if end > begin else end + _DAY)
    if found := _DATES.fullmatch(text):
        try:
            first, last = (date.fromisoformat(found[at] or found[1]) for at in (1, 2))
        except ValueError:
            raise ValueError(f"names a day that is none: {ADVICE}") from None
        if last < first:
            raise ValueError(f"ends before it begins: {ADVICE}")
        return _Dates((first - _EPOCH) // timedelta(days=1), (last - _EPOCH) // timedelta(days=1))
    raise ValueError(ADVICE)
