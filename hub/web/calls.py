"""
The doors at which callers hand in calls, read, find and take them back. `doors.py` leads here.

Cheapest refusals first: who asks, for what, whether its quota is used up, how, with what right and purpose; then
admission, before a byte of the body is read. Quota and admission refuse when the hub can bear least, so what stands
before them makes nothing that a refusal would throw away.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from pydantic import BaseModel
from pydantic_core import to_json

from hub.call import Call, Class, Kind, Purpose, Reply, State, Submission
from hub.errors import (
    AuthMissing,
    CallerQuota,
    CallUnknown,
    IdempotencyMissing,
    OperationUnknown,
    RequestFault,
    RequestInvalid,
)
from hub.security.identity import Caller
from hub.security.quotas import WINDOW, Left
from hub.security.sealing import Sealing
from hub.store.protocol import Record, Sought
from hub.turn import Payer
from hub.web.bodies import Bodies, Disconnected, check_media_type, read_body
from hub.web.headers import Headers, How, bearer, traceparent, urgency
from hub.web.named_files import NamedFiles
from hub.web.replies import Header, Receive, Scope, Send, answer, disconnected, moment, problem_of, reply_body
from monitoring.events import Observer

WAIT_SECONDS: Final = 30.0
"""How long a look-up is waited for when the caller does not say."""
LONGEST_WAIT: Final = 120.0
DURABLE_SECONDS: Final = 7 * 86_400.0
WATCH_AFTER: Final = 0.03
"""Seconds of waiting after which a call is taken back when its caller goes away."""
MOST_FOUND: Final = 100
ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WAIT: Final = re.compile(r"\d{1,6}(\.\d{1,3})?")
UNPRINTED: Final = "is text that can be read: without control characters, such as a zero byte"
"""Rule of what stands in an address. Nothing stored holds such a character, and PostgreSQL cannot even be asked for it."""
STATES: Final = frozenset(str(state) for state in State)
_RANK: Final = {Class.COUNTER: 0, Class.NORMAL: 1, Class.BULK: 2}


class Offered(Protocol):
    """What the doors need to know of an operation; `connectors.kit.registry.Operation` is one."""

    @property
    def kind(self) -> str: ...
    @property
    def personal_data(self) -> bool: ...
    @property
    def request(self) -> type[BaseModel]: ...


class Engine(Protocol):
    """What the doors need of `hub.dispatcher.Dispatcher`."""

    def admit(
        self, agency: str, operation: str, cls: Class, payer: Payer, *, interactive: bool, seconds: float
    ) -> None: ...
    async def submit(self, submission: Submission) -> Reply: ...
    async def wait_for(
        self, call_id: str, caller: str, seconds: float, *, agency: str | None = None, through_pending: bool = False
    ) -> Reply: ...
    async def cancel(self, call_id: str, caller: str, *, agency: str | None = None) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Locks:
    """Who may ask for what: how a key becomes a caller, and what a caller may do."""

    caller_of: Callable[[str], Caller | None]
    check: Callable[[Caller, str, str, bool, Purpose], None]
    """Takes caller, agency, operation, whether it touches personal data, and the purpose; raises a `HubError`."""
    take: Callable[[Caller], Left]
    """Counts a call against its caller's quota, and says what is left of it."""
    sealing: Sealing
    """Seals what a request may not show."""

    def count(self, caller: Caller) -> None:
        """
        Count what is no call against the quota of *caller*.

        Raises:
            CallerQuota: It is used up.
        """
        left = self.take(caller)
        if left.over:
            raise CallerQuota(retry_after=left.over)


_NOTHING: Final[Mapping[str, Offered]] = MappingProxyType({})


class CallDoors:
    """Everything under `/v1/calls`. *offered* holds each agency's operations by name."""

    def __init__(
        self,
        engine: Engine,
        find: Callable[[Sought], Coroutine[Any, Any, Sequence[Record]]],
        locks: Locks,
        offered: Mapping[str, Mapping[str, Offered]],
        observer: Observer,
        named: NamedFiles,
        *,
        request_bytes: int,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._engine = engine
        self._named = named
        self._find = find
        self._locks = locks
        self._offered = offered
        self._observer = observer
        self._most = request_bytes
        self._random = random_bytes
        self._headers = Headers()
        self._bodies = Bodies()

    def caller(self, scope: Scope) -> Caller:
        """
        Return who asks.

        Raises:
            AuthMissing: No key, or one that nobody has.
        """
        key = bearer(scope["headers"])
        caller = self._locks.caller_of(key) if key else None
        if caller is None:
            raise AuthMissing
        return caller

    async def submit(
        self, scope: Scope, receive: Receive, send: Send, fields: list[Header], agency: str, operation: str
    ) -> None:
        """`POST /v1/calls/{agency}/{operation}`. *fields* takes up what every reply has to carry, problems too."""
        caller = self.caller(scope)
        left = self._locks.take(caller)
        fields += _rate_limit(caller, left)
        offered = self._offered.get(agency, _NOTHING).get(operation)
        if offered is None:
            raise OperationUnknown
        if left.over:
            cls = capped(urgency(scope["headers"]), caller)
            self._observer.admission(agency, cls.value, "refused", CallerQuota.code)
            raise CallerQuota(retry_after=left.over)
        asked = self._headers.read(scope["headers"])
        how = asked.how
        cls = capped(how.cls, caller)
        lookup = offered.kind == Kind.LOOKUP
        if not lookup and asked.idempotency_key is None:
            raise IdempotencyMissing
        wait = _waiting(how, lookup)
        interactive = lookup and wait is not None
        self._locks.check(caller, agency, operation, offered.personal_data, asked.purpose)
        seconds = min(how.deadline or LONGEST_WAIT, wait or 0.0) if interactive else how.deadline or DURABLE_SECONDS
        payer = (caller.name, asked.purpose.unit or "")
        self._engine.admit(agency, operation, cls, payer, interactive=interactive, seconds=seconds)

        check_media_type(asked.media_type)
        request = await self._bodies.validated(offered.request, await read_body(receive, self._most, asked.length))
        await self._named.check(caller, agency, operation, request)
        request = self._locks.sealing.taken(agency, request)
        submission = Submission(
            agency=agency,
            operation=operation,
            caller=caller.name,
            cls=cls,
            request=request,
            request_json=request.__pydantic_serializer__.to_json(request),
            purpose=asked.purpose,
            wait=wait,
            deadline=how.deadline,
            idempotency_key=asked.idempotency_key,
            traceparent=traceparent(asked.trace, self._random),
        )
        reply = await _while_connected(receive, self._engine.submit(submission))
        await _send_reply(send, reply, agency, waited=wait is not None, more=(*_applied(how, wait), *fields))

    async def read(self, scope: Scope, receive: Receive, send: Send, agency: str, call_id: str) -> None:
        """
        `GET /v1/calls/{agency}/{id}?wait=N`: who waits hears an outcome, who only reads sees a state.

        Of an answer that is pending, whoever reads it with `wait` waits for its end.
        """
        caller = self.caller(scope)
        self._known(agency, call_id)
        text = query(scope, {"wait"}).get("wait")
        if text is not None and not _WAIT.fullmatch(text):
            raise RequestInvalid(faults=[RequestFault("?wait", "is a number of seconds")])
        seconds = min(float(text or 0), LONGEST_WAIT)
        waiting = self._engine.wait_for(call_id, caller.name, seconds, agency=agency, through_pending=True)
        reply = await _while_connected(receive, waiting)
        await _send_reply(send, reply, agency, waited=seconds > 0)

    async def cancel(self, scope: Scope, send: Send, agency: str, call_id: str) -> None:
        """`DELETE /v1/calls/{agency}/{id}`: take a call back while it is queued."""
        caller = self.caller(scope)
        self._known(agency, call_id)
        reply = await self._engine.cancel(call_id, caller.name, agency=agency)
        await answer(send, 200, reply_body(reply))

    async def find(self, scope: Scope, send: Send) -> None:
        """`GET /v1/calls?dossier=&key=&state=&agency=&before=`: the caller's own calls, newest first, without values."""
        caller = self.caller(scope)
        sought = query(scope, {"dossier", "key", "state", "agency", "before"})
        state = sought.pop("state", None)
        if state is not None and state not in STATES:
            raise RequestInvalid(faults=[RequestFault("?state", f"is one of {', '.join(State)}")])
        records = await self._find(
            Sought(caller=caller.name, state=State(state) if state else None, limit=MOST_FOUND, **sought)
        )
        following = records[-1].call.id if len(records) == MOST_FOUND else None
        await answer(send, 200, to_json({"calls": [_listed(record) for record in records], "before": following}))

    def _known(self, agency: str, call_id: str) -> None:
        if agency not in self._offered or not ID.fullmatch(call_id):
            raise CallUnknown


def _rate_limit(caller: Caller, left: Left) -> tuple[Header, Header]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-11."""
    return (
        (b"ratelimit-policy", b'"caller";q=%d;w=%d' % (caller.calls_per_minute, WINDOW)),
        (b"ratelimit", b'"caller";r=%d;t=%d' % (left.calls, left.seconds)),
    )


def capped(cls: Class, caller: Caller) -> Class:
    """Return *cls*, or the highest class that *caller* may ask for."""
    return cls if _RANK[cls] >= _RANK[caller.cls] else caller.cls


def _waiting(how: How, lookup: bool) -> float | None:
    """Seconds the caller waits; None when it wants a ticket at once."""
    wait = how.wait if how.wait is not None else WAIT_SECONDS if lookup else None
    return min(wait, LONGEST_WAIT) if wait and not how.respond_async else None


def _applied(how: How, wait: float | None) -> tuple[Header, ...]:
    if how.respond_async:
        return ((b"preference-applied", b"respond-async"),)
    return ((b"preference-applied", b"wait=%d" % wait),) if how.wait is not None and wait is not None else ()


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, Reply]) -> Reply:
    """
    Await *work*; cancel it when the caller goes away, since nobody is left to hear.

    Raises:
        Disconnected: The caller went away.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in one; narrows the type
    watch = _Watch(receive, task)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.gone:
            task.uncancel()
            raise Disconnected from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels a task when its caller goes away; looks only after a moment, since most answers come sooner."""

    def __init__(self, receive: Receive, task: asyncio.Task[Any]) -> None:
        self.gone = False
        self._receive = receive
        self._task = task
        self._watcher: asyncio.Future[Any] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER, self._start)

    def _start(self) -> None:
        self._watcher = asyncio.ensure_future(disconnected(self._receive))
        self._watcher.add_done_callback(self._leave)

    def _leave(self, watcher: asyncio.Future[Any]) -> None:
        self.gone = not watcher.cancelled()
        if self.gone:
            self._task.cancel()

    def end(self) -> None:
        """Look no more: the work is done."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.remove_done_callback(self._leave)
            self._watcher.cancel()


async def _send_reply(send: Send, reply: Reply, agency: str, *, waited: bool, more: tuple[Header, ...] = ()) -> None:
    error = problem_of(reply) if waited or reply.state is State.ANSWERED else None
    if error is not None:
        raise error
    if reply.state in (State.ANSWERED, State.CANCELLED):
        await answer(send, 200, reply_body(reply), *more)
        return
    location = f"/v1/calls/{agency}/{reply.call}".encode()
    await answer(send, 202, reply_body(reply), (b"location", location), *more)


def query(scope: Scope, known: set[str]) -> dict[str, str]:
    """
    Return the parameters of the address that have a value.

    Raises:
        RequestInvalid: They cannot be read, or one is not *known*, or holds a character that no stored value has.
    """
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict"
        )
    except ValueError:
        raise RequestInvalid(
            faults=[RequestFault("?", "cannot be read; write name=value pairs in percent-encoded UTF-8")]
        ) from None
    if any(name not in known for name, _ in pairs):
        raise RequestInvalid(
            faults=[RequestFault("?", f"holds a parameter of unknown name; known are {', '.join(sorted(known))}")]
        )
    faults = [RequestFault(f"?{name}", UNPRINTED) for name, value in pairs if not value.isprintable()]
    if faults:
        raise RequestInvalid(faults=faults)
    return {name: value for name, value in pairs if value}


def whole_number(asked: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """
    Return the parameter *name* as a number, *default* when it is not given.

    Raises:
        RequestInvalid: It is none from *least* to *most*.
    """
    text = asked.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= most):
        raise RequestInvalid(faults=[RequestFault(f"?{name}", f"is a whole number from {least} to {most}")])
    return int(text)


def _listed(record: Record) -> dict[str, object]:
    call: Call = record.call
    return {
        "call": call.id,
        "agency": call.agency,
        "operation": call.operation,
        "state": call.state,
        "result": record.result,
        "cause": record.cause,
        "accepted_at": moment(call.accepted_at),
        "answered_at": moment(record.answered_at) if record.answered_at is not None else None,
        "dossier": call.purpose.dossier,
        "location": f"/v1/calls/{call.agency}/{call.id}",
    }
