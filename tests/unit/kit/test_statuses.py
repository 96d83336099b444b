"""HTTP alone: every status has one meaning, every form of `Retry-After` one reading."""

import pytest

from connectors.kit.outcomes import Broken, Busy, InDoubt, StaleCredentials
from connectors.kit.statuses import by_status, retry_after

NOW = 1_795_400_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("1000000000", 1e9),
        ("9" * 400, None),
        ("-5", None),
        ("abc", None),
        ("٣", None),
        ("12 seconds", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 - NOW),
        ("Fri, 99 Dec 2026 23:59:59 GMT", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
        ("2026-11-23T08:00:00Z", None),
        ("2026-Nov-23 02:13:30+0000 UTC", 10),
        ("2026-Nov-31 02:13:30+0000 UTC", None),
    ],
)
def test_every_form_of_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_a_date_counts_from_the_moment_that_is_passed_in() -> None:
    date = "Mon, 23 Nov 2026 08:00:00 GMT"
    moment = 1_795_420_800.0
    assert retry_after(date, moment - 90) == 90
    assert retry_after(date, moment + 1) == 0
    assert retry_after(date.replace("GMT", "+0700"), moment - 7 * 3600) == 0


def test_every_status_means_something_and_only_2xx_leaves_it_to_the_content() -> None:
    silent = [status for status in range(-1, 1200) if by_status(status, {}, now=NOW, knows_us=True) is None]
    assert silent == list(range(200, 300))


@pytest.mark.parametrize(
    ("status", "headers", "meant"),
    [
        (429, {}, Busy(None)),
        (429, {"retry-after": "3"}, Busy(3)),
        (503, {"retry-after": "3"}, Busy(3)),
        (503, {"retry-after": "soon"}, InDoubt("http_503")),
        (500, {}, InDoubt("http_500")),
        (502, {"retry-after": "3"}, InDoubt("http_502")),
        (504, {}, InDoubt("http_504")),
        (401, {}, StaleCredentials("http_401")),
        (403, {}, StaleCredentials("http_403")),
    ],
)
def test_statuses_that_the_lane_acts_on(status: int, headers: dict[str, str], meant: object) -> None:
    assert by_status(status, headers, now=NOW, knows_us=True) == meant


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 499])
def test_a_refused_request_was_not_processed(status: int) -> None:
    meant = by_status(status, {}, now=NOW, knows_us=False)
    assert isinstance(meant, Broken)
    assert meant.refused_before_processing


@pytest.mark.parametrize("status", [0, 100, 101, 301, 302, 307, 399, 600, 999])
def test_what_is_no_answer_proves_nothing(status: int) -> None:
    meant = by_status(status, {}, now=NOW, knows_us=True)
    assert isinstance(meant, Broken)
    assert not meant.refused_before_processing
