"""
`POST /v1/seals/{agency}`: open what is sealed, for a caller that may, and not before the journal says who asked and why.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic_core import to_json

from hub.errors import AuthDenied, RequestFault, RequestInvalid
from hub.security.identity import SEALED, Caller
from hub.security.sealing import Sealing
from hub.web.bodies import Bodies, check_media_type, read_body
from hub.web.calls import Locks
from hub.web.headers import Headers
from hub.web.replies import Receive, Scope, Send, answer

OPENED: Final = "seal_opened"
"""Event in the journal."""
SEALS_BYTES: Final = 65_536


class Seals(BaseModel):
    """What is to be opened."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    sealed: Annotated[
        tuple[Annotated[str, Field(max_length=3000)], ...], Strict(False), Field(min_length=1, max_length=20)
    ]


class SealDoor:
    """Opens seals. *note* writes into the journal."""

    def __init__(self, locks: Locks, sealing: Sealing, note: Callable[[str, str, str], Awaitable[None]]) -> None:
        self._locks = locks
        self._sealing = sealing
        self._note = note
        self._headers = Headers()
        self._bodies = Bodies()

    async def open(self, scope: Scope, receive: Receive, send: Send, agency: str, caller: Caller) -> None:
        """
        Answer with the texts that hide behind the seals of *agency* in the body, in the same order.

        Raises:
            AuthDenied: The caller's key does not name `<agency>.sealed`.
            PurposeMissing: No officer, or neither dossier nor intake number.
            RequestInvalid: One is no seal of this hub for this agency; nothing is opened.
            StoreUnavailable: The journal cannot be written; nothing is opened.
        """
        self._locks.count(caller)
        if not caller.may_open(agency):
            raise AuthDenied(f"{caller.name} may not open what is sealed of {agency}")
        asked = self._headers.read(scope["headers"])
        self._locks.check(caller, agency, SEALED, True, asked.purpose)
        check_media_type(asked.media_type)
        body: Any = await self._bodies.validated(Seals, await read_body(receive, SEALS_BYTES, asked.length))
        opened = [self._sealing.opened(agency, text) for text in body.sealed]
        faults = [
            RequestFault(f"/sealed/{place}", "is no seal of this hub for this agency")
            for place, text in enumerate(opened)
            if text is None
        ]
        if faults:
            raise RequestInvalid(faults=faults)
        why = [f"{name}={_word(value)}" for name, value in asked.purpose._asdict().items() if value is not None]
        await self._note(OPENED, caller.name, " ".join((agency, str(len(opened)), *why)))
        await answer(send, 200, to_json({"opened": opened}))


def _word(value: str) -> str:
    """Return *value* so that it cannot look like two, such as a dossier and another officer."""
    return to_json(value).decode() if " " in value else value
