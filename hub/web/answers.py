"""
`PUT /v1/answers/{agency}/{question}`: data that callers publish, by which the hub answers agencies at once. `GET` reads it.

The newest counts, whoever published it. Where the agency asks for one of many (a receipt number), each asker is given
an item of the list for good.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json

from hub.asked import items_of
from hub.errors import AuthDenied, OperationUnknown
from hub.security.identity import Caller
from hub.store.published import Answer, Published
from hub.web.bodies import Bodies, check_media_type, read_body
from hub.web.replies import Receive, Scope, Send, answer, moment

NOT_YET: Final = b"null"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that an agency may ask."""

    answer: type[BaseModel]
    """Canonical model of what answers it."""
    hands_out: bool
    """Each asker is owed an item of its own."""


class AnswerDoors:
    """Everything under `/v1/answers`. *questions* are by agency and name."""

    def __init__(
        self,
        published: Published,
        questions: Mapping[str, Mapping[str, Asked]],
        count: Callable[[Caller], None],
        *,
        request_bytes: int,
        left: Callable[[str, str, int], None],
    ) -> None:
        """*count* is `Locks.count`; *left* is told agency, question and how many items are left."""
        self._published = published
        self._questions = questions
        self._count = count
        self._most = request_bytes
        self._left = left
        self._bodies = Bodies()

    async def publish(
        self, scope: Scope, receive: Receive, send: Send, agency: str, question: str, caller: Caller
    ) -> None:
        """`PUT`: let the body answer *question* from now on."""
        asked = self._asked(agency, question, caller)
        self._count(caller)
        headers = dict(scope["headers"])
        check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
        length = headers.get(b"content-length", b"")
        body = await read_body(receive, self._most, int(length) if length.isdigit() and len(length) < 16 else None)
        value: Any = await self._bodies.validated(asked.answer, body)
        kept = value.__pydantic_serializer__.to_json(value)
        items = items_of(value) if asked.hands_out else None
        at = await self._published.publish(agency, question, caller.name, kept, items)
        await self._say(send, agency, question, Answer(caller.name, at, None))

    async def read(self, send: Send, agency: str, question: str, caller: Caller) -> None:
        """`GET`: what answers *question* now; `value` is null while nobody has published any."""
        self._asked(agency, question, caller)
        found = await self._published.answer(agency, question)
        await self._say(send, agency, question, found or Answer("", 0.0, NOT_YET))

    async def _say(self, send: Send, agency: str, question: str, found: Answer) -> None:
        said: dict[str, Any] = {
            "agency": agency,
            "question": question,
            "published_by": found.caller or None,
            "published_at": moment(found.at) if found.caller else None,
        }
        if self._questions[agency][question].hands_out:
            said["left"] = await self._published.left(agency, question)
            self._left(agency, question, said["left"])
        body = to_json(said)
        await answer(send, 200, body if found.value is None else body[:-1] + b',"value":%b}' % found.value)

    def _asked(self, agency: str, question: str, caller: Caller) -> Asked:
        asked = self._questions.get(agency, {}).get(question)
        if asked is None:
            raise OperationUnknown("No agency asks this.")
        if not caller.may_call(agency, question):
            raise AuthDenied(f"{caller.name} may not answer {agency}.{question}")
        return asked
