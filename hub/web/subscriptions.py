"""
The doors at which callers say where they want to be pushed what they are told. `hub/pushing/subscribing.py` does it.

`POST /v1/subscriptions` · `GET /v1/subscriptions` · `GET|DELETE /v1/subscriptions/{id}` · `POST .../{id}/resume` ·
`GET|POST .../{id}/dead` · `POST|DELETE .../{id}/dead/{after}`
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import to_json

from hub.errors import MethodNotAllowed, SubscriptionUnknown
from hub.pushing.subscribing import Subscribing
from hub.security.identity import Caller
from hub.store.subscriptions import DeadEvent, Subscription
from hub.web.bodies import Bodies, check_media_type, read_body
from hub.web.calls import ID, UNPRINTED
from hub.web.notices import EVENT_TYPE, LAST
from hub.web.replies import Receive, Scope, Send, answer, moment

BODY_BYTES: Final = 16 * 1024
MOST_AGENCIES: Final = 200
DIGITS: Final = 15


def _printable(text: object) -> object:
    if isinstance(text, str) and not text.isprintable():
        raise ValueError(UNPRINTED)
    return text


Text = Annotated[str, BeforeValidator(_printable), Field(min_length=1, max_length=200)]


class NewSubscription(BaseModel):
    """What a caller wants to be pushed, and where."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    url: str = Field(description="Where each event is sent by POST: a host that an operator has listed")
    agencies: Annotated[tuple[Text, ...], Field(max_length=MOST_AGENCIES)] = Field(
        (), description="Of these agencies alone; else of all that the key reaches"
    )
    dossier: Text | None = Field(None, description="Of this dossier alone")
    after: Annotated[int, Field(ge=0, le=LAST)] | None = Field(
        None, description="Place of the feed after which to begin, as of the stream; else now"
    )


class SubscriptionDoors:
    """Everything under `/v1/subscriptions`."""

    def __init__(self, subscribing: Subscribing, count: Callable[[Caller], None]) -> None:
        """*count* is `Locks.count`: each change is in the journal, so it counts against the quota."""
        self._subscribing = subscribing
        self._count = count
        self._bodies = Bodies()

    async def lead(
        self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send, caller: Caller
    ) -> None:
        """Answer one request; *steps* are what follows `/v1/subscriptions/` in its path."""
        name, act = caller.name, self._subscribing
        if steps and ID.fullmatch(steps[0]) is None:
            raise SubscriptionUnknown
        if method != "GET":
            self._count(caller)
        match steps, method:
            case [], "POST":
                await self._subscribe(scope, receive, send, caller)
            case [], "GET":
                rows = [subscription_shown(*one) for one in await act.all(name)]
                await answer(send, 200, to_json({"subscriptions": rows}))
            case [of], "GET":
                await answer(send, 200, to_json(subscription_shown(*await act.one(of, name))))
            case [of], "DELETE":
                await act.remove(of, name)
                await answer(send, 200, to_json({"id": of, "removed": True}))
            case [of, "resume"], "POST":
                await act.resume(of, name)
                await answer(send, 200, to_json(subscription_shown(*await act.one(of, name))))
            case [of, "dead"], "GET":
                dead = await act.dead(of, name)
                await answer(send, 200, to_json({"events": [dead_shown(one) for one in dead]}))
            case [of, "dead"], "POST":
                await answer(send, 200, to_json({"again": await act.replay(of, None, name)}))
            case [of, "dead", place], "POST":
                await answer(send, 200, to_json({"again": await act.replay(of, _number(place), name)}))
            case [of, "dead", place], "DELETE":
                await act.discard(of, _number(place), name)
                await answer(send, 200, to_json({"discarded": _number(place)}))
            case _:
                raise _not_so(steps)

    async def _subscribe(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        check_media_type(headers.get(b"content-type", ""))
        wanted: Any = await self._bodies.validated(NewSubscription, await read_body(receive, BODY_BYTES, None))
        row, secret = await self._subscribing.subscribe(
            caller, wanted.url, wanted.agencies, wanted.dossier, wanted.after
        )
        made = subscription_shown(row, 0) | {"secret": secret}
        await answer(send, 201, to_json(made), (b"location", f"/v1/subscriptions/{row.id}".encode()))


def subscription_shown(row: Subscription, dead: int) -> dict[str, Any]:
    """Return what its caller, and operators, may see: all but the secret, which nobody sees again."""
    return {
        "id": row.id,
        "url": row.url,
        "agencies": row.agencies,
        "dossier": row.dossier,
        "made_at": moment(row.made_at),
        "after": row.seq,
        "state": "stopped" if row.stopped else "failing" if row.failing_since is not None else "well",
        "cause": row.cause,
        "attempts": row.attempts,
        "failing_since": None if row.failing_since is None else moment(row.failing_since),
        "next_attempt_at": moment(row.due_at) if row.due_at and not row.stopped else None,
        "dead": dead,
    }


def dead_shown(one: DeadEvent) -> dict[str, Any]:
    """Return what is known of an event that could not be delivered; what it says is read where the call is."""
    return {
        "after": one.seq,
        "id": one.id,
        "type": EVENT_TYPE + one.notice,
        "agency": one.agency,
        "call": one.call,
        "died_at": moment(one.died_at),
        "attempts": one.attempts,
        "cause": one.cause,
        "to_be_sent_again": one.again,
    }


def _number(text: str) -> int:
    """
    Read the place of a dead event.

    Raises:
        SubscriptionUnknown: It is no number, so there is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise SubscriptionUnknown
    return int(text)


def _not_so(steps: list[str]) -> MethodNotAllowed | SubscriptionUnknown:
    match steps:
        case []:
            return MethodNotAllowed("POST, GET")
        case [_]:
            return MethodNotAllowed("GET, DELETE")
        case [_, "resume"]:
            return MethodNotAllowed("POST")
        case [_, "dead"]:
            return MethodNotAllowed("GET, POST")
        case [_, "dead", _]:
            return MethodNotAllowed("POST, DELETE")
    return SubscriptionUnknown("This address leads nowhere.")
