"""
How the hub is asked: `HubClient`, and the `Ticket` of what was filed. `many.py` is of many calls at once, `feed.py` of what settles and is told, `shapes.py`
what is said and heard.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from hub.client import feed, files, many
from hub.client.feed import Settled, Told
from hub.client.many import BatchLine, BatchTicket, Member
from hub.client.shapes import Answer, Found, FoundPage, HandlingCounts, HandlingPage, HubFile, Problem, Purpose, Quota
from hub.client.webhooks import DeadEvent, DeadEventPage, Subscription, SubscriptionPage

T = TypeVar("T", bound=BaseModel)

LONGEST_WAIT = 120.0
"""Seconds one request may wait; the hub grants no more."""
UNREACHABLE = "hub.unreachable"
"""Code of a `Problem` that the hub did not send, because it could not be reached."""


@dataclass(frozen=True, slots=True)
class Ticket(Generic[T]):
    """A call the hub has on disk. `key` is its idempotency key: handing in the same again under it is safe."""

    hub: "HubClient"
    agency: str
    call: str
    key: str
    answer: type[T]
    first: Answer[T]
    """The call as it stood when it was handed in; already answered if the hub knew the key."""

    async def result(self, wait: float = 30.0) -> Answer[T] | None:
        """
        Wait up to *wait* seconds for the agency's answer; None when it has not come by then.

        Raises:
            Problem: The call is in doubt, expired or needs a person.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + wait
        while True:
            seconds = min(until - clock(), LONGEST_WAIT)
            reply = await self.hub.read(self.agency, self.call, answer=self.answer, wait=max(seconds, 0.001))
            if reply.state == "answered":
                return reply
            if until - clock() <= 0 or reply.state not in ("queued", "sending"):
                return None

    async def cancel(self) -> None:
        """
        Take the call back.

        Raises:
            Problem: `call.not_cancellable`: it is no longer queued.
        """
        await self.hub.cancel(self.agency, self.call)


class HubClient:
    """Speaks to one hub with one caller's key. Use it as an async context manager, or `close` it."""

    def __init__(
        self, url: str, key: str, *, patience: float = 0.0, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """
        Make a client for the hub at *url*.

        *patience*: for how many seconds in all a call may be sent again when the hub says `Retry-After`; 0 never does.
        """
        self._patience = patience
        self.quota: Quota | None = None
        """What the last reply to a call said is left; None before the first."""
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(10.0, read=LONGEST_WAIT + 15.0),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.aclose()

    async def call(
        self,
        operation: str,
        request: BaseModel,
        *,
        answer: type[T],
        purpose: Purpose | None = None,
        wait: float | None = None,
        urgency: int | None = None,
        deadline: float | None = None,
        key: str | None = None,
    ) -> Answer[T]:
        """
        Ask and wait: *operation* is `agency.verb_noun`, *answer* the model of what comes back.

        *wait* and *deadline* are in seconds, *urgency* is 0 to 7 (0-2: a citizen stands at the counter). A filing needs
        *key*; when its answer does not come within *wait* its state says so, and `file` gives a ticket instead.

        Raises:
            Problem: The hub refused, or no answer came in time.
        """
        headers = _headers(purpose, urgency, deadline, key) | (
            {"prefer": f"wait={_whole(wait)}"} if wait is not None else {}
        )
        reply = await self.send("POST", _path(operation), content=request.model_dump_json(), headers=headers)
        return _read(answer, reply.content)

    async def file(
        self,
        operation: str,
        request: BaseModel,
        *,
        answer: type[T],
        purpose: Purpose | None = None,
        wait: float | None = None,
        urgency: int | None = None,
        deadline: float | None = None,
        key: str | None = None,
    ) -> Ticket[T]:
        """
        Hand in something that must not get lost; it is on disk when this returns.

        *key* makes a repeat safe: choose one per thing that is filed. Without one it is made, and found on the ticket.

        Raises:
            Problem: The hub refused; nothing was stored.
        """
        key = key or str(uuid.uuid4())
        prefer = "respond-async" if wait is None else f"wait={_whole(wait)}"
        headers = _headers(purpose, urgency, deadline, key) | {"prefer": prefer}
        reply = await self.send("POST", _path(operation), content=request.model_dump_json(), headers=headers)
        first = _read(answer, reply.content)
        return Ticket(self, operation.partition(".")[0], first.call, key, answer, first)

    async def read(self, agency: str, call: str, *, answer: type[T], wait: float | None = None) -> Answer[T]:
        """
        Read a call. With *wait* seconds: hear its outcome if it comes by then.

        Raises:
            Problem: It is unknown; with *wait* also: it is in doubt, expired or needs a person.
        """
        query = {} if wait is None else {"wait": f"{min(wait, LONGEST_WAIT):.3f}"}
        reply = await self.send("GET", f"/v1/calls/{quote(agency, safe='')}/{quote(call, safe='')}", params=query)
        return _read(answer, reply.content)

    async def cancel(self, agency: str, call: str) -> None:
        """
        Take a call back while it is queued.

        Raises:
            Problem: It is unknown, or no longer queued.
        """
        await self.send("DELETE", f"/v1/calls/{quote(agency, safe='')}/{quote(call, safe='')}")

    async def find(
        self, *, key: str | None = None, dossier: str | None = None, state: str | None = None, agency: str | None = None
    ) -> Sequence[Found]:
        """Find own calls, newest first, at most a hundred: a lost ticket by its *key*, all of a *dossier*."""
        query = {"key": key, "dossier": dossier, "state": state, "agency": agency}
        reply = await self.send("GET", "/v1/calls", params={name: text for name, text in query.items() if text})
        return FoundPage.model_validate_json(reply.content).calls

    async def operations(self) -> Sequence[Mapping[str, Any]]:
        """List what this hub offers, with the state of each lane."""
        reply = await self.send("GET", "/v1/operations")
        listed: Sequence[Mapping[str, Any]] = from_json(reply.content)["operations"]
        return listed

    def batch(
        self,
        agency: str,
        lines: Iterable[BatchLine] | AsyncIterable[BatchLine],
        *,
        purpose: Purpose | None = None,
        urgency: int | None = None,
        deadline: float | None = None,
        batch: str | None = None,
        patience: float = 3600.0,
    ) -> AsyncIterator[BatchTicket]:
        """
        Hand in many calls to one agency; give a ticket for each line, in order, once it is on disk.

        *batch*: a UUID to go on under, when an earlier try broke off; lines that have their key are not doubled. While
        the hub takes nothing on, it is asked again as it says, for *patience* seconds since it last did.

        Raises:
            Problem: It took nothing on for so long, or not at all; lines that have no ticket are to be sent again.
        """
        headers = _headers(purpose, urgency, deadline, None) | {"content-type": "application/x-ndjson"}
        return many.batch(self, agency, lines, headers | {"hub-batch": batch or str(uuid.uuid4())}, patience)

    def batch_results(
        self, agency: str, batch: str, *, answer: type[T], state: str | None = None
    ) -> AsyncIterator[Member[T]]:
        """
        Give every call of a batch in the order in which they were handed in, or those in one *state*.

        Raises:
            Problem: No call was handed in with this batch.
        """
        return many.batch_results(self, agency, batch, answer, state)

    def settled(
        self, agencies: Sequence[str] = (), *, answer: type[T], after: str | None = None
    ) -> AsyncGenerator[Settled[T], None]:
        """
        Follow the feed of *agencies*, or of all: what settles, as it settles, in order, at least once; without an end.

        *after*: `place` of the last event that was dealt with, `"0"` for all that is kept; None: from now on. A stream
        that breaks off is opened again where it was.

        Raises:
            Problem: The key may not listen there.
        """
        return feed.settled(self, agencies, answer, after)

    def told(
        self, notice: str, *, value: type[T], dossier: str | None = None, after: str | None = None
    ) -> AsyncGenerator[Told[T], None]:
        """
        Follow what an agency tells by one *notice*, `agency.noun_verbed`, of one *dossier* if given; as `settled` does.

        *value*: the model that `GET /v1/operations` names for it.

        Raises:
            Problem: The key may not listen there.
        """
        return feed.told(self, notice, value, dossier, after)

    async def upload(self, content: bytes | AsyncIterable[bytes]) -> HubFile:
        """
        Hand in a document, whole or in pieces of any size; its `file` is what requests name it by.

        Raises:
            Problem: It is too large, or the hub takes none now. What came in pieces is not sent again by `patience`.
        """
        return await files.upload(self, content)

    async def fetch_file(self, agency: str, url: str) -> HubFile:
        """
        Let the hub fetch a document that *agency* only links to, and keep it.

        Raises:
            Problem: The agency's rules do not allow this address, or it could not be had.
        """
        return await files.fetch(self, agency, url)

    def download(self, file: str) -> AsyncIterator[bytes]:
        """
        Give the content of a document in pieces.

        Raises:
            Problem: There is none of this caller; or, code `file.cut`, what came is not the whole.
        """
        return files.download(self, file)

    async def subscribe(
        self, url: str, *, agencies: Sequence[str] = (), dossier: str | None = None, after: str | None = None
    ) -> Subscription:
        """
        Be pushed what `settled` tells, each event by a signed POST to *url*; keep the `secret`, nobody shows it again.

        *after*: place of the feed to begin behind; None: from now on. `webhooks.verify` is for the receiver.

        Raises:
            Problem: The hub may not call there, or the key reaches less.
        """
        wanted = {
            "url": url,
            "agencies": list(agencies),
            "dossier": dossier,
            "after": None if after is None else int(after),
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        return Subscription.model_validate_json((await self.send("POST", "/v1/subscriptions", json=given)).content)

    async def subscriptions(self) -> Sequence[Subscription]:
        """List own subscriptions, and how they go; without their secrets."""
        reply = await self.send("GET", "/v1/subscriptions")
        return SubscriptionPage.model_validate_json(reply.content).subscriptions

    async def unsubscribe(self, subscription: str) -> None:
        """
        Be pushed nothing more; what is on its way may still come, for a few seconds.

        Raises:
            Problem: There is none.
        """
        await self.send("DELETE", f"/v1/subscriptions/{quote(subscription, safe='')}")

    async def resume(self, subscription: str) -> None:
        """
        Say that the receiver is well again: what waits is pushed at once, also after it answered 410.

        Raises:
            Problem: There is none.
        """
        await self.send("POST", f"/v1/subscriptions/{quote(subscription, safe='')}/resume")

    async def dead_events(self, subscription: str) -> Sequence[DeadEvent]:
        """
        List events that could not be delivered, oldest first.

        Raises:
            Problem: There is no such subscription.
        """
        reply = await self.send("GET", f"/v1/subscriptions/{quote(subscription, safe='')}/dead")
        return DeadEventPage.model_validate_json(reply.content).events

    async def replay(self, subscription: str, after: int | None = None) -> None:
        """
        Have the dead event at place *after* sent again, once; None: all of them.

        Raises:
            Problem: There is none.
        """
        place = "" if after is None else f"/{after}"
        await self.send("POST", f"/v1/subscriptions/{quote(subscription, safe='')}/dead{place}")

    async def publish(self, question: str, answer: BaseModel) -> None:
        """
        Let *answer* be what the hub answers an agency that asks *question*, `agency.noun_verbed`, from now on.

        Raises:
            Problem: The key may not answer it, or the answer does not fit.
        """
        agency, _, name = question.partition(".")
        path = f"/v1/answers/{quote(agency, safe='')}/{quote(name, safe='')}"
        await self.send("PUT", path, content=answer.model_dump_json(), headers=_headers(None, None, None, None))

    async def handling(
        self,
        first: date | None = None,
        last: date | None = None,
        *,
        agency: str | None = None,
        procedure: str | None = None,
    ) -> Sequence[HandlingCounts]:
        """
        Count how agencies handled dossiers from *first* to *last*, both included: from the first of this month until today.

        Raises:
            Problem: The key does not name the agency, or the period is too long.
        """
        asked = {"from": first and first.isoformat(), "to": last and last.isoformat()}
        asked |= {"agency": agency, "procedure": procedure}
        given = {name: text for name, text in asked.items() if text is not None}
        reply = await self.send("GET", "/v1/handling", params=given)
        return HandlingPage.model_validate_json(reply.content).counts

    async def open_seals(self, agency: str, sealed: Sequence[str], *, purpose: Purpose) -> Sequence[str]:
        """
        Open at most twenty texts that are *sealed* for *agency*, such as who denounces; they come in the same order.

        The hub's journal keeps who asked and why before anything is opened.

        Raises:
            Problem: The key does not name `<agency>.sealed`, the purpose lacks officer or dossier, or one is no seal.
        """
        body, headers = to_json({"sealed": list(sealed)}), _headers(purpose, None, None, None)
        reply = await self.send("POST", f"/v1/seals/{quote(agency, safe='')}", content=body, headers=headers)
        return [str(text) for text in from_json(reply.content)["opened"]]

    @asynccontextmanager
    async def stream(
        self, path: str, *, params: Mapping[str, str], headers: Mapping[str, str], silence: float
    ) -> AsyncIterator[AsyncIterator[str]]:
        """
        Open a stream of lines that may be silent for *silence* seconds.

        Raises:
            Problem: The hub refused.
            httpx2.HTTPError: It could not be reached, or went away.
        """
        async with self.opened(path, params=params, headers=headers, silence=silence) as reply:
            yield reply.aiter_lines()

    @asynccontextmanager
    async def opened(self, path: str, *, silence: float, **more: Any) -> AsyncIterator[httpx2.Response]:
        """Open a body of any length that may be silent for *silence* seconds. Raises as `stream` does."""
        patient = httpx2.Timeout(10.0, read=silence)
        async with self._http.stream("GET", path, timeout=patient, **more) as reply:
            if reply.status_code >= 300:
                await reply.aread()
                raise _refused(reply)
            yield reply

    async def send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """
        Send one request of any kind, and again as `patience` allows when the hub says `Retry-After`.

        Raises:
            Problem: The hub refused, or could not be reached.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        while True:
            try:
                return await self.send_once(method, path, **more)
            except Problem as problem:
                if problem.retry_after is None or clock() + problem.retry_after > until:
                    raise
                await asyncio.sleep(problem.retry_after)

    async def send_once(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Send one request of any kind, once. Raises as `send` does."""
        try:
            reply = await self._http.request(method, path, **more)
        except httpx2.HTTPError as error:
            title = "The hub could not be reached, or went away. What had a key may be sent again under it."
            raise Problem({"code": UNREACHABLE, "title": title, "detail": type(error).__name__}, 1.0) from error
        self.quota = Quota.read(reply.headers.get("ratelimit", "")) or self.quota
        if reply.status_code < 300:
            return reply
        raise _refused(reply)


def _refused(reply: httpx2.Response) -> Problem:
    after = reply.headers.get("retry-after", "")
    return Problem(_problem(reply), float(after) if after.isdigit() else None)


def _problem(reply: httpx2.Response) -> dict[str, Any]:
    try:
        body = from_json(reply.content)
    except ValueError:
        body = None
    known = isinstance(body, dict) and "code" in body
    return (
        body if known else {"status": reply.status_code, "detail": f"HTTP status {reply.status_code}"}
    )  # some proxy in between


def _read(answer: type[T], content: bytes) -> Answer[T]:
    shape: type[Answer[T]] = Answer.__class_getitem__(answer)  # type: ignore[assignment]  # the type is known at run time only
    return shape.model_validate_json(content)


def _headers(purpose: Purpose | None, urgency: int | None, deadline: float | None, key: str | None) -> dict[str, str]:
    headers = {
        "hub-purpose": purpose.header() if purpose else None,
        "priority": None if urgency is None else f"u={urgency}",
        "hub-deadline": None if deadline is None else f"{deadline:.3f}",
        "idempotency-key": key,
    }
    return {"content-type": "application/json"} | {name: text for name, text in headers.items() if text}


def _path(operation: str) -> str:
    agency, _, name = operation.partition(".")
    return f"/v1/calls/{quote(agency, safe='')}/{quote(name, safe='')}"


def _whole(seconds: float) -> int:
    return max(1, round(seconds))
