"""
What goes back to a caller: the one reply shape, problems (RFC 9457), and the ASGI messages that carry them.

The agency's answer is spliced in as the bytes that were settled; nothing is parsed again.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime, timedelta, timezone
from math import ceil
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

from hub.call import Reply, State
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    CallExpired,
    CallGone,
    CallInDoubt,
    HubError,
    Internal,
    Refusal,
    RequestInvalid,
)
from hub.refusals import UNWRITABLE
from hub.store.deciding import TURNINGS, Act
from hub.web.problems import PROBLEMS

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

HANOI: Final = timezone(timedelta(hours=7))
JSON: Final[Header] = (b"content-type", b"application/json")
PROBLEM: Final[Header] = (b"content-type", b"application/problem+json")
PROBLEM_TYPE: Final = "urn:lienthong:problem:"
"""Start of every problem's `type`; the codes are explained in docs/guide/problems.md."""
NOTHING: Final = b'"result":null,"value":null,"reason":null'
ASK_AGAIN_SECONDS: Final = 1.0
"""`Retry-After` of a 503 whose cause gave no number."""


async def answer(send: Send, status: int, body: bytes, *headers: Header, kind: Header = JSON) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [kind, (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def disconnected(receive: Receive) -> None:
    """Return when the caller has gone; what else it sends is dropped: a GET has a body too, empty and not read yet."""
    while (await receive())["type"] != "http.disconnect":
        pass


def problem(send: Send, error: HubError, *headers: Header) -> Awaitable[None]:
    """Send *error* as problem+json, with `Retry-After` where waiting helps."""
    if error.retry_after is not None or isinstance(error, Refusal):
        headers += ((b"retry-after", b"%d" % max(1, ceil(error.retry_after or ASK_AGAIN_SECONDS))),)
    if error.status == 401:
        headers += ((b"www-authenticate", b'Bearer realm="hub"'),)
    return answer(send, error.status, problem_body(error), *headers, kind=PROBLEM)


def problem_body(error: HubError) -> bytes:
    """Return *error* as the JSON of RFC 9457, with our members `code`, `vi`, `errors` and `call`."""
    parts = [_KNOWN.get(type(error)) or _head(type(error))]
    if error.detail:
        parts.append(b',"detail":' + to_json(error.detail))
    if error.faults:
        parts.append(b',"errors":' + to_json([{"pointer": one.pointer, "rule": one.rule} for one in error.faults]))
    if error.call:
        parts.append(b',"call":' + to_json(error.call))
    parts.append(b"}")
    return b"".join(parts)


def _head(error: type[HubError]) -> bytes:
    """Return what every problem of one kind begins with, its last brace left open."""
    body = {
        "type": PROBLEM_TYPE + error.code,
        "title": error.text(),
        "status": error.status,
        "code": error.code,
        "vi": error.vi,
    }
    return to_json(body)[:-1]


_KNOWN: Final = MappingProxyType({error: _head(error) for error in PROBLEMS})
"""Written once: refusing has to stay cheap when everything else is not."""


def moment(seconds: float) -> str:
    """Return Unix *seconds* as ISO 8601 with +07:00 and milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(HANOI).isoformat(timespec="milliseconds")


def reply_body(reply: Reply) -> bytes:
    """Return the one reply shape: `{call, state, result, value, reason, answered_at, fresh_as_of}`."""
    if reply.answer is not None:
        content = reply.answer[1:-1]
    else:
        error = problem_of(reply)
        content = NOTHING if error is None else b'"result":null,"value":null,"reason":' + _reason(error, reply.cause)
        if reply.state is State.CANCELLED and reply.cause == _DISCARDED:
            content = DISCARDED
    at = _quoted(reply.answered_at)
    said = at if reply.fresh_as_of is None else _quoted(reply.fresh_as_of)
    return b'{"call":"%b","state":"%b",%b,"answered_at":%b,"fresh_as_of":%b}' % (
        reply.call.encode(),
        reply.state.encode(),
        content,
        at,
        said if reply.answer is not None else b"null",
    )


_DISCARDED: Final = TURNINGS[Act.DISCARD].cause
_GIVEN_UP: Final = TURNINGS[Act.GIVE_UP].cause
DISCARDED: Final = b'"result":null,"value":null,"reason":' + to_json(
    {
        "agency_code": "",
        "code": "discarded",
        "vi": "Người quản trị đã đóng hồ sơ gửi này; nộp lại bằng khoá mới nếu vẫn cần.",
        "en": "An operator closed this call for good. File again under a new key if it is still needed.",
        "cause": _DISCARDED,
    }
)
"""What its caller reads of a call that a person discarded: it did not take that one back itself."""


def told_body(call: str, state: State, answer: bytes | None, result: str | None, at: float | None, cause: str) -> bytes:
    """
    Return the one reply shape where several calls are told of at once.

    Of an answer that is too long for that (*answer* is None) it has the `result` only: no `value`, no `reason`.
    """
    if state is State.ANSWERED and answer is None:
        answer = b'{"result":%b}' % to_json(result)
    return reply_body(Reply(call, state, answer, at if state is State.ANSWERED else None, cause))


def located(body: bytes, agency: str, call: str, **more: object) -> bytes:
    """Add to the JSON object *body* where the call is read, and *more* members."""
    return body[:-1] + b"," + to_json({"location": f"/v1/calls/{agency}/{call}", **more})[1:]


def _quoted(seconds: float | None) -> bytes:
    return b"null" if seconds is None else b'"%b"' % moment(seconds).encode()


def _reason(error: HubError, cause: str) -> bytes:
    return to_json({"agency_code": "", "code": error.code, "vi": error.vi, "en": error.text(), "cause": cause})


BROKEN: Final = frozenset({"contract", "exists"})
"""Causes of death by an answer that does not fit; others than these and those below are that nothing came through."""
OURS: Final = frozenset({"crash_loop", "fault"})
"""Causes of death by a fault of the hub or of a connector."""


def problem_of(reply: Reply) -> HubError | None:
    """Return what a caller who waits hears when *reply* holds no answer; None while it may still come, or was taken back."""
    match reply.state:
        case State.EXPIRED:
            return CallExpired(call=reply.call)
        case State.IN_DOUBT:
            return CallInDoubt(call=reply.call)
        case State.DEAD if reply.cause == "deadline":
            return CallExpired(call=reply.call)
        case State.DEAD if reply.cause == _GIVEN_UP:  # it was sent, and the agency may have it
            return CallInDoubt("An operator could not learn what became of it; ask them.", call=reply.call)
        case State.DEAD if reply.cause in OURS:
            return Internal(reply.cause, call=reply.call)
        case State.DEAD if reply.cause.startswith("request:"):
            return RequestInvalid(UNWRITABLE, call=reply.call)
        case State.DEAD if reply.cause.partition(":")[0] in BROKEN:
            return AgencyBroken(reply.cause, call=reply.call)
        case State.DEAD:
            return AgencyUnavailable(reply.cause, call=reply.call)
        case State.ANSWERED if reply.answer is None:
            return CallGone("The answer of an interactive look-up is not kept. Ask again.", call=reply.call)
    return None
