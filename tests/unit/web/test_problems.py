"""Every problem has one code, one status for it, advice in two languages, and a line in the guide."""

from pathlib import Path

from pydantic_core import from_json

from hub.errors import HubError, Refusal, RequestFault, RequestInvalid
from hub.web.problems import PROBLEMS, page
from hub.web.replies import problem_body

STATUSES = {
    "request.invalid": 400, "purpose.missing": 400, "idempotency.missing": 400, "auth.missing": 401, "auth.denied": 403,
    "operation.unknown": 404, "call.unknown": 404, "file.unknown": 404, "method.not_allowed": 405, "idempotency.conflict": 409, "call.not_cancellable": 409,
    "call.gone": 410, "link.expired": 410, "request.too_large": 413, "media_type.unsupported": 415, "caller.quota": 429, "internal": 500, "agency.broken": 502,
    "lane.full": 503, "lane.wait_too_long": 503, "lane.held": 503, "lane.open": 503, "backlog.full": 503, "store.unavailable": 503,
    "hub.overloaded": 503, "hub.stopping": 503, "agency.unavailable": 503, "call.expired": 504, "call.in_doubt": 504,
    "subscription.unknown": 404,
}  # fmt: skip
"""What callers decide by. A change here breaks them."""


def below(kind: type[HubError]) -> set[type[HubError]]:
    return {kind}.union(*(below(one) for one in kind.__subclasses__()))


def test_codes_and_statuses_are_what_callers_were_told() -> None:
    assert {one.code: one.status for one in PROBLEMS} == STATUSES
    assert len(PROBLEMS) == len(STATUSES)


def test_every_error_that_can_be_raised_is_in_the_list() -> None:
    ours = {one for one in below(HubError) if one.__module__ == "hub.errors"}
    assert ours - {HubError, Refusal} == set(PROBLEMS)


def test_a_problem_that_several_share_is_each_ones_own() -> None:
    first = RequestInvalid("why", retry_after=2.0, faults=[RequestFault("/a", "is missing")], call="c1")
    other = first.about("c2")
    assert problem_body(other) == problem_body(first).replace(b"c1", b"c2")
    assert (type(other), other.retry_after, first.call) == (RequestInvalid, 2.0, "c1")


def test_every_problem_advises_in_english_and_vietnamese() -> None:
    assert len({one.text() for one in PROBLEMS}) == len(PROBLEMS)
    assert len({one.vi for one in PROBLEMS}) == len(PROBLEMS)
    for one in PROBLEMS:
        assert one.text().endswith("."), one
        assert one.vi.endswith("."), one


def test_a_problem_is_rfc_9457() -> None:
    error = RequestInvalid("More.", faults=[RequestFault("/a", "is missing")], call="c")
    assert from_json(problem_body(error)) == {
        "type": "urn:lienthong:problem:request.invalid",
        "title": RequestInvalid.text(),
        "status": 400,
        "code": "request.invalid",
        "vi": RequestInvalid.vi,
        "detail": "More.",
        "errors": [{"pointer": "/a", "rule": "is missing"}],
        "call": "c",
    }


def test_the_page_of_the_guide_is_fresh() -> None:
    """Stale? `python -m hub.web.problems > docs/guide/problems.md`"""
    file = Path(__file__).parents[3] / "docs/guide/problems.md"
    assert file.read_text("utf-8") == page()
