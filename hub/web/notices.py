"""
What callers are told, as CloudEvents 1.0: streamed (server-sent events) or by page, out of one feed.

A call that settled, and what an agency told. Each event says of whom it is (`source`, `subject`) and when it happened; its number in the feed is the id of the
server-sent event, and so what a stream is resumed by. Told again, an event has the same `id`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from hub.call import State
from hub.errors import StoreUnavailable
from hub.feed import PAGE, Feed
from hub.reaching import Reaching
from hub.security.identity import Caller
from hub.store.feed import CALL_SETTLED, Noticed, Reach
from hub.web.bodies import Bodies, check_media_type, read_body
from hub.web.calls import query, whole_number
from hub.web.replies import Header, Receive, Scope, Send, answer, disconnected, located, moment, told_body

EVENT_TYPE: Final = "vn.lienthong."
"""Start of every event's `type`; its name follows, such as `call.settled`."""
STREAM: Final[tuple[Header, ...]] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or a proxy keeps the first events until it has enough
)
RETRY: Final = b"retry: 2000\n"
"""After how many milliseconds a stream that broke off is opened again."""
BEAT: Final = b":\n\n"
CURSOR_BYTES: Final = 1000
LAST: Final = 10**15
"""Above every number of the feed."""


class Cursor(BaseModel):
    """Up to which place of the feed a caller has dealt with everything."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    after: Annotated[int, Field(ge=0, le=LAST)]


class NoticeDoors:
    """Everything under `/v1/notices`."""

    def __init__(self, feed: Feed, reaching: Reaching) -> None:
        self._feed = feed
        self._reaching = reaching
        self._bodies = Bodies()

    async def stream(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """`GET /v1/notices/stream?agencies=&dossier=&after=`, with `Last-Event-ID`: tell what happens as it happens."""
        asked = query(scope, {"agencies", "dossier", "after"})
        reach = self._reach(asked.get("agencies", ""), caller, asked.get("dossier"))
        for name, value in scope["headers"]:
            if name == b"last-event-id":  # a stream that is resumed; what it was begun with is behind it
                asked["after"] = value.decode("latin-1")
        after = whole_number(asked, "after", -1, 0, LAST)
        async with self._feed.listen(caller.name, reach, None if after < 0 else after) as listener:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM})
            begun = RETRY + b"id: %d\n\n" % listener.place  # one that breaks off before its first event knows its place
            await send({"type": "http.response.body", "body": begun, "more_body": True})
            gone = asyncio.ensure_future(disconnected(receive))
            gone.add_done_callback(lambda _: listener.close())
            try:
                async for body in _events(listener.next):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except StoreUnavailable:
                pass  # it ends here, and is resumed from the last event that arrived
            finally:
                gone.cancel()
            await send({"type": "http.response.body", "body": b""})

    async def page(self, scope: Scope, send: Send, agency: str, caller: Caller) -> None:
        """`GET /v1/notices/{agency}?dossier=&after=&limit=`: the same events, for those who ask now and then."""
        asked = query(scope, {"dossier", "after", "limit"})
        reach = self._reach(agency, caller, asked.get("dossier"))
        after = whole_number(asked, "after", -1, 0, LAST)
        if after < 0:
            after = await self._feed.acknowledged(caller.name, agency)
        limit = whole_number(asked, "limit", PAGE, 1, PAGE)
        told = await self._feed.page(caller.name, reach, after, limit)
        events = b",".join(event(one) for one in told)
        last = told[-1].seq if told else after
        await answer(send, 200, b'{"events":[%b],"after":%d}' % (events, last))

    async def acknowledge(self, scope: Scope, receive: Receive, send: Send, agency: str, caller: Caller) -> None:
        """`PUT /v1/notices/{agency}/cursor`: say up to which place everything is dealt with."""
        self._reach(agency, caller)
        check_media_type(
            next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")
        )
        cursor: Any = await self._bodies.validated(Cursor, await read_body(receive, CURSOR_BYTES, None))
        await self._feed.acknowledge(caller.name, agency, cursor.after)
        await answer(send, 200, b'{"after":%d}' % await self._feed.acknowledged(caller.name, agency))

    def _reach(self, text: str, caller: Caller, dossier: str | None = None) -> Reach:
        return self._reaching.of(caller, [name for name in text.split(",") if name], dossier)


async def _events(following: Callable[[], Any]) -> AsyncIterator[bytes]:
    """Give what is written next: some events, or a beat that says that there are none."""
    while (told := await following()) is not None:
        yield (
            b"".join(b"id: %d\nevent: %b\ndata: %b\n\n" % (one.seq, one.notice.encode(), event(one)) for one in told)
            or BEAT
        )


def event(noticed: Noticed) -> bytes:
    """Return *noticed* as a CloudEvent in JSON; of a settled call `data` is the one reply shape."""
    told = noticed.notice != CALL_SETTLED
    call = noticed.call or ""
    envelope = {
        "specversion": "1.0",
        "id": noticed.id,
        "source": f"/v1/{'agencies' if told else 'calls'}/{noticed.agency}",
        "type": EVENT_TYPE + noticed.notice,
        "subject": noticed.dossier or "" if told else call,
        "time": moment(noticed.at),
        "datacontenttype": "application/json",
    }
    if told:
        if noticed.model is not None:
            envelope["dataschema"] = noticed.model
        return to_json(envelope)[:-1] + b',"data":%b}' % noticed.told
    said = noticed.data
    body = told_body(call, State(said["state"]), noticed.answer, said["result"], noticed.at, said["cause"])
    data = located(body, noticed.agency, call, cause=said["cause"])
    return to_json(envelope)[:-1] + b',"data":%b}' % data
