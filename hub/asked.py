"""
Questions of agencies, answered from what a caller published. Read by `arriving.py`; `web/answers.py` publishes.

What was read once is kept until another edition is published, here or at another node: a catalogue of megabytes is
neither fetched nor validated for each agency that asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from connectors.kit.inbox import Notice
from connectors.kit.operation import only_list
from hub.store.published import Published

NOTHING_YET: Final = "nobody has published an answer to this question yet"
NONE_LEFT: Final = "no item is left to be given out; more have to be published first"


@dataclass(frozen=True, slots=True)
class Found:
    """What an agency is answered."""

    answer: BaseModel | None
    """None: nothing can be said, and `reason` says why."""
    reason: str = ""
    size: int = 0
    """Bytes of the answer as JSON, to judge how long writing it takes."""
    left: int | None = None
    """Where items are given out: how many are left."""


class Questions:
    """Answers to questions, at one node."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._known: dict[tuple[str, str], tuple[float, BaseModel, int]] = {}

    async def answer(self, agency: str, question: Notice, keys: Sequence[str | None]) -> Found:
        """
        Answer *question*; each of *keys* that is no None is owed an item of its own, where it hands out items.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        newest = await self._newest(agency, question)
        if newest is None:
            return Found(None, NOTHING_YET)
        answer, size = newest
        named = [key for key in keys if key is not None]
        place = only_list(question.answer) if named else None
        handed = await self._published.asked(agency, question.name, named if place is not None else None)
        if place is None:
            return Found(answer, size=size)
        if handed is None:
            return Found(None, NONE_LEFT, left=0)
        return Found(_with_items(answer, place, handed.items), left=handed.left)

    async def _newest(self, agency: str, question: Notice) -> tuple[BaseModel, int] | None:
        known = self._known.get((agency, question.name))
        published = await self._published.answer(agency, question.name, known[0] if known is not None else 0.0)
        if published is None or question.answer is None:
            return None
        if published.value is None and known is not None:
            return known[1:]
        if published.value is None:
            return None
        try:
            answer = question.answer.model_validate_json(published.value)
        except ValidationError:  # published under a model of another version
            return None
        self._known[agency, question.name] = (published.at, answer, len(published.value))
        return answer, len(published.value)


def items_of(answer: BaseModel) -> list[str] | None:
    """Return the items that *answer* hands out, each as JSON; None: it hands out none."""
    place = only_list(type(answer))
    if place is None:
        return None
    return [to_json(item).decode() for item in answer.model_dump(mode="json", include={place})[place] or ()]


def _with_items(answer: BaseModel, place: str, items: Sequence[str]) -> BaseModel:
    rest = answer.model_copy(update={place: ()}).model_dump(mode="json")
    return type(answer).model_validate_json(to_json(rest | {place: [from_json(item) for item in items]}))
