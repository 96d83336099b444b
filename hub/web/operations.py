"""
`GET /v1/operations`: what this hub offers, with contract, maturity and the present state of each lane; what agencies tell
and ask beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic_core import to_json

from connectors.kit.inbox import Notice
from hub.web.answers import Asked
from hub.web.notices import EVENT_TYPE
from hub.web.openapi import Described
from mappings.canonical import canonical_name

SHOWN = ("calls_per_second", "calls_at_once", "calls_per_day", "call_timeout", "queue_seconds")
"""Keys of a contract that callers may plan by."""


class RouteState(Protocol):
    """What is told of a shared route; `hub.route.RouteView` is one."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def contract(self) -> BaseModel: ...
    @property
    def held(self) -> str: ...
    @property
    def held_seconds(self) -> float | None: ...
    @property
    def token(self) -> str | None: ...
    @property
    def token_seconds(self) -> float | None: ...
    @property
    def lanes(self) -> Sequence[str]: ...
    @property
    def numbers(self) -> Mapping[str, float]: ...


class LaneState(Protocol):
    """What is told of a lane; `hub.lane.LaneView` is one."""

    @property
    def held(self) -> str: ...
    @property
    def held_seconds(self) -> float | None: ...
    @property
    def numbers(self) -> Mapping[str, float]: ...
    @property
    def route(self) -> RouteState | None: ...


@dataclass(frozen=True, slots=True)
class AgencyFacts:
    """What is told of an agency beside its operations."""

    title: str
    title_vi: str
    maturity: str
    contract: BaseModel
    operations: Mapping[str, Described]
    notices: Mapping[str, Notice] = field(default_factory=dict)
    """What it tells."""
    questions: Mapping[str, Asked] = field(default_factory=dict)
    """What it asks."""


def operations(
    agencies: Mapping[str, AgencyFacts], lanes: Callable[[], Mapping[str, LaneState]]
) -> Callable[[], bytes]:
    """Return what answers at the door; what does not change is put together once."""
    told = [
        _told(agency, facts, name) | {"value": canonical_name(notice.model) if notice.model else None}
        for agency, facts in agencies.items()
        for name, notice in facts.notices.items()
    ]
    asked = [
        _asked(agency, facts, name, question)
        for agency, facts in agencies.items()
        for name, question in facts.questions.items()
    ]
    fixed = [
        (agency, _operation(agency, name, facts, operation))
        for agency, facts in agencies.items()
        for name, operation in facts.operations.items()
    ]

    def listed() -> bytes:
        states = {agency: _lane(lane) for agency, lane in lanes().items()}
        offered = [one | {"lane": states.get(agency)} for agency, one in fixed]
        return to_json({"operations": offered, "notices": told, "questions": asked})

    return listed


def _operation(agency: str, name: str, facts: AgencyFacts, operation: Described) -> dict[str, Any]:
    return {
        "operation": f"{agency}.{name}",
        "agency": agency,
        "title": facts.title,
        "title_vi": facts.title_vi,
        "kind": operation.kind,
        "personal_data": operation.personal_data,
        "maturity": facts.maturity,
        "request": operation.request.__name__,
        "answer": operation.answer.__name__ if operation.answer else None,
        "contract": facts.contract.model_dump(mode="json", include=set(SHOWN)),
        "href": f"/v1/calls/{agency}/{name}",
    }


def _told(agency: str, facts: AgencyFacts, name: str) -> dict[str, Any]:
    return {
        "notice": f"{agency}.{name}",
        "agency": agency,
        "title": facts.title,
        "title_vi": facts.title_vi,
        "personal_data": facts.notices[name].personal_data,
        "maturity": facts.maturity,
        "type": EVENT_TYPE + name,
        "href": f"/v1/notices/{agency}",
    }


def _asked(agency: str, facts: AgencyFacts, name: str, question: Asked) -> dict[str, Any]:
    return {
        "question": f"{agency}.{name}",
        "agency": agency,
        "title": facts.title,
        "title_vi": facts.title_vi,
        "maturity": facts.maturity,
        "answer": canonical_name(question.answer),
        "hands_out": question.hands_out,
        "href": f"/v1/answers/{agency}/{name}",
    }


def _lane(lane: LaneState) -> dict[str, Any]:
    return {
        "state": "held" if lane.held else "open",
        "cause": lane.held or None,
        "seconds": lane.held_seconds,
        "route": _route(lane.route) if lane.route else None,
        "waiting": sum(count for name, count in lane.numbers.items() if name.startswith("queue_calls/")),
    }


def _route(route: RouteState) -> dict[str, Any]:
    """The road of a lane: when it is held, that is the one cause why all its lanes are."""
    return {
        "name": route.name,
        "state": "held" if route.held else "open",
        "cause": route.held or None,
        "seconds": route.held_seconds,
    }
