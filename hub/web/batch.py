"""
The bulk door: many calls in one body, each line answered by a line as soon as it is on disk. Next: `lines.py`.

A body of a million lines costs what one group of lines costs. Whoever sends faster than the store writes, than the
quota allows, than the backlog takes or than its own reading of the answers, is not read any further for as long.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import ceil
from operator import or_
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, create_model
from pydantic_core import to_json

from hub.call import Class, Kind, Purpose, Reply, Submission
from hub.errors import (
    CallerQuota,
    HubError,
    HubStopping,
    IdempotencyMissing,
    Internal,
    MediaTypeUnsupported,
    OperationUnknown,
    Refusal,
    RequestFault,
    RequestInvalid,
    RequestTooLarge,
)
from hub.security.identity import Caller
from hub.turn import Payer
from hub.web.bodies import Bodies, Disconnected
from hub.web.calls import DURABLE_SECONDS, ID, Locks, Offered, capped
from hub.web.headers import LONGEST_DEADLINE, LONGEST_MEMBER, URGENCY, Asked, Headers, readable, traceparent
from hub.web.lines import Line, Lines
from hub.web.named_files import NamedFiles
from hub.web.replies import ASK_AGAIN_SECONDS, Header, Receive, Scope, Send, problem_body
from monitoring.events import Observer

NDJSON: Final[Header] = (b"content-type", b"application/x-ndjson")
MOST_FAULTS: Final = 10
"""Faults told of one line: the answers of a group are kept until it is whole."""
MOST_UPLOADS: Final = 8
"""Bodies of one caller at one node: each may hold a line of ten megabytes that is not whole yet."""
STANDSTILL: Final = 30.0
"""Seconds for which a refused line is tried again, before it and what follows is given back to the caller."""
TRY_AGAIN: Final = 2.0
"""Seconds between two tries at most: a full backlog has room again whenever the agency answered."""
QUOTA_PAUSE: Final = 0.25
"""Seconds for which quota gathers at least, so that the lines that it then allows share a commit."""


class BulkEngine(Protocol):
    """What this door needs of `hub.dispatcher.Dispatcher`."""

    def admit(
        self, agency: str, operation: str, cls: Class, payer: Payer, *, interactive: bool, seconds: float
    ) -> None: ...
    async def submit_all(self, submissions: Sequence[Submission]) -> Sequence[Reply | HubError]: ...


def _member(text: str) -> str:
    if not readable(text):
        raise ValueError(f"is a text of 1 to {LONGEST_MEMBER} characters that can be read")
    return text


Member: TypeAlias = Annotated[str, AfterValidator(_member)] | None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class LinePurpose(_Strict):
    """What a line says of its purpose; what it leaves out is as `Hub-Purpose` says."""

    officer: Member = None
    unit: Member = None
    dossier: Member = None
    intake: Member = None
    procedure: Member = None


class BatchLine(_Strict):
    """One line: what a call of its own would say in path, headers and body."""

    operation: str
    request: BaseModel
    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")] | None = None
    purpose: LinePurpose = LinePurpose()
    deadline: Annotated[float, Field(gt=0, le=LONGEST_DEADLINE)] | None = None
    priority: Annotated[int, Field(ge=0, le=7)] | None = None


class BatchDoor:
    """`POST /v1/calls/{agency}:batch`. *offered* holds each agency's operations by name."""

    def __init__(
        self,
        engine: BulkEngine,
        locks: Locks,
        offered: Mapping[str, Mapping[str, Offered]],
        observer: Observer,
        named: NamedFiles,
        *,
        request_bytes: int,
        random_bytes: Callable[[int], bytes],
        new_id: Callable[[], str],
    ) -> None:
        self.engine = engine
        self.locks = locks
        self.offered = offered
        self.observer = observer
        self.named = named
        self.request_bytes = request_bytes
        self.random_bytes = random_bytes
        self.bodies = Bodies()
        self.shapes = {agency: _shape(operations) for agency, operations in offered.items() if operations}
        self._new_id = new_id
        self._headers = Headers()
        self._uploads: Counter[str] = Counter()

    async def hand_in(self, scope: Scope, receive: Receive, send: Send, agency: str, caller: Caller) -> None:
        """Take lines on, and answer each by a line."""
        if agency not in self.shapes:
            raise OperationUnknown
        asked = self._headers.read(scope["headers"])
        _check_headers(asked)
        named = asked.given.get(b"hub-batch", b"").decode("latin-1")
        if self._uploads[caller.name] >= MOST_UPLOADS:
            raise CallerQuota(
                f"A caller may hand in {MOST_UPLOADS} batches at once at one node.", retry_after=STANDSTILL
            )
        upload = _Upload(self, send, agency, caller, asked, named or self._new_id())
        lines = Lines(receive, self.request_bytes)
        self._uploads[caller.name] += 1
        try:
            await upload.run(lines)
        finally:
            self._uploads[caller.name] -= 1
            lines.close()


def _shape(operations: Mapping[str, Offered]) -> type[BaseModel]:
    """Return the model of a line to one agency: a `BatchLine` whose request is that of its operation."""
    shapes: list[Any] = []
    for name, one in operations.items():
        named: Any = Literal[name]
        asked: Any = one.request
        shapes.append(create_model(name, __base__=BatchLine, operation=(named, ...), request=(asked, ...)))
    line: Any = shapes[0]
    if len(shapes) > 1:
        line = Annotated[reduce(or_, shapes), Field(discriminator="operation")]
    return cast(type[BaseModel], RootModel[line])


def _check_headers(asked: Asked) -> None:
    media, _, charset = asked.media_type.partition(";")
    if media.strip().lower() != "application/x-ndjson" or charset.strip().lower() not in ("", "charset=utf-8"):
        raise MediaTypeUnsupported
    if asked.given.get(b"content-encoding", b"identity") != b"identity":
        raise MediaTypeUnsupported("A compressed body is not taken: its lines could not be bounded.")
    faults = []
    if asked.idempotency_key is not None:
        faults.append(RequestFault("Idempotency-Key", "is said by each line, as `idempotency_key`"))
    named = asked.given.get(b"hub-batch")
    if named is not None and not ID.fullmatch(named.decode("latin-1")):
        faults.append(RequestFault("Hub-Batch", "is a UUID in lower case"))
    if faults:
        raise RequestInvalid(faults=faults)


Read: TypeAlias = tuple[int, Submission | bytes]
"""A line that was read: its number, and what it asks for, or the answer that refuses it."""


class _GivenBack(Exception):
    """The hub takes no more of this body."""

    def __init__(self, error: HubError) -> None:
        self.error = error


class _Upload:
    """One body on its way in."""

    def __init__(
        self,
        door: BatchDoor,
        send: Send,
        agency: str,
        caller: Caller,
        asked: Asked,
        batch: str,
    ) -> None:
        self._door = door
        self._send = send
        self._agency = agency
        self._operations = door.offered[agency]
        self._caller = caller
        self._asked = asked
        self._batch = batch
        self._cls = asked.how.cls if b"priority" in asked.given else Class.BULK
        self._started = False
        self._accepted = 0
        self._refused = 0
        self._answered = 0
        """Number of the last line that was answered."""
        self._again: int | None = None
        """Number of the first line that was given back."""

    async def run(self, lines: Lines) -> None:
        """Take on what comes, group by group, and end with a summary."""
        why: HubError | None = None
        try:
            while group := await lines.group():
                await self._take(group)
        except Disconnected:
            return
        except _GivenBack as cut:
            why = cut.error
        except RequestInvalid as slow:
            why = slow
        except Exception as error:
            if not self._started:
                raise
            self._door.observer.fault("batch", error)  # the answer has begun, so only its last line can say so
            why = Internal()
        again = None if why is None else self._again or self._answered + 1
        await self._say(self._summary(lines.read, again, why), last=True)

    async def _take(self, group: Sequence[Line]) -> None:
        ready: list[Read] = []
        for number, text in group:
            await asyncio.sleep(0)  # a counter waits between any two lines of a batch
            while (left := self._door.locks.take(self._caller)).over:
                await self._hand_on(ready)
                ready = []
                await asyncio.sleep(max(left.over, QUOTA_PAUSE))
            try:
                ready.append((number, await self._read(text)))
            except HubError as error:
                error.faults = error.faults[:MOST_FAULTS]
                ready.append((number, self._refuse(number, error)))
        await self._hand_on(ready)

    async def _read(self, text: bytes | None) -> Submission:
        """Make a submission of a line, or say why it is none."""
        if text is None:
            raise RequestTooLarge(f"The limit of a line is {self._door.request_bytes} bytes.")
        try:
            shape: Any = await self._door.bodies.validated(self._door.shapes[self._agency], text)
        except RequestInvalid as invalid:
            raise self._told(invalid) from None
        line: BatchLine = shape.root
        offered = self._operations[line.operation]
        if offered.kind != Kind.LOOKUP and line.idempotency_key is None:
            raise IdempotencyMissing
        given = ((name, getattr(line.purpose, name)) for name in Purpose._fields)
        purpose = self._asked.purpose._replace(**{name: value for name, value in given if value is not None})
        self._door.locks.check(self._caller, self._agency, line.operation, offered.personal_data, purpose)
        try:
            await self._door.named.check(self._caller, self._agency, line.operation, line.request)
            request = self._door.locks.sealing.taken(self._agency, line.request)
        except RequestInvalid as invalid:
            faults = [RequestFault(f"/request{fault.pointer}", fault.rule) for fault in invalid.faults]
            raise RequestInvalid(faults=faults) from None
        return Submission(
            agency=self._agency,
            operation=line.operation,
            caller=self._caller.name,
            cls=capped(self._cls if line.priority is None else URGENCY[line.priority], self._caller),
            request=request,
            request_json=request.__pydantic_serializer__.to_json(request),
            purpose=purpose,
            wait=None,
            deadline=self._asked.how.deadline if line.deadline is None else line.deadline,
            idempotency_key=line.idempotency_key,
            traceparent=traceparent(self._asked.trace, self._door.random_bytes),
            batch=self._batch,
        )

    def _told(self, invalid: RequestInvalid) -> HubError:
        """Return a fault of a line as its sender sees the line: the shape that was chosen by its operation is no step."""
        if any(fault.pointer == "" and "of no known kind" in fault.rule for fault in invalid.faults):
            return OperationUnknown()
        faults = []
        for fault in invalid.faults:
            step, slash, inner = fault.pointer[1:].partition("/")
            faults.append(RequestFault(slash + inner, fault.rule) if step in self._operations else fault)
        return RequestInvalid(invalid.detail, faults=faults)

    async def _hand_on(self, ready: Sequence[Read]) -> None:
        """Have *ready* taken on in its order, waiting while the hub says that it cannot, and answer each line."""
        until = asyncio.get_running_loop().time() + STANDSTILL
        while ready:
            known, refusal = await self._offer(ready)
            if known:
                until = asyncio.get_running_loop().time() + STANDSTILL
                await self._say(b"".join(known))
                self._answered = ready[len(known) - 1][0]
                ready = ready[len(known) :]
            if refusal is None:
                continue
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or isinstance(refusal, HubStopping):
                self._again = ready[0][0]
                await self._say(
                    b"".join(one if isinstance(one, bytes) else self._refuse(number, refusal) for number, one in ready)
                )
                raise _GivenBack(refusal)
            await asyncio.sleep(min(left, TRY_AGAIN, max(refusal.retry_after or ASK_AGAIN_SECONDS, QUOTA_PAUSE)))

    async def _offer(self, ready: Sequence[Read]) -> tuple[Sequence[bytes], Refusal | None]:
        """Return the answers of the first lines, up to one that the hub cannot take on now, and why it cannot."""
        admitted: list[Submission] = []
        stop: Refusal | None = None
        try:
            for _, one in ready:
                if isinstance(one, Submission):
                    self._admit(one)
                    admitted.append(one)
        except Refusal as refusal:
            stop = refusal
        became: Sequence[Reply | HubError] = ()
        try:
            became = await self._door.engine.submit_all(admitted)
        except Refusal as refusal:
            stop = refusal
        said = iter(became)
        answers: list[bytes] = []
        for number, one in ready:
            what = one if isinstance(one, bytes) else next(said, stop)
            if isinstance(what, bytes):
                answers.append(what)
            elif isinstance(what, Reply):
                answers.append(self._ticket(number, what))
            elif what is None or isinstance(what, Refusal):
                return answers, what
            else:
                answers.append(self._refuse(number, what))
        return answers, None

    def _admit(self, one: Submission) -> None:
        payer = (one.caller, one.purpose.unit or "")
        seconds = one.deadline or DURABLE_SECONDS
        self._door.engine.admit(one.agency, one.operation, one.cls, payer, interactive=False, seconds=seconds)

    def _ticket(self, number: int, reply: Reply) -> bytes:
        self._accepted += 1
        ticket = {
            "line": number,
            "call": reply.call,
            "state": reply.state,
            "location": f"/v1/calls/{self._agency}/{reply.call}",
        }
        return to_json(ticket) + b"\n"

    def _refuse(self, number: int, error: HubError) -> bytes:
        self._refused += 1
        return b'{"line":%d,%b\n' % (number, _with_seconds(error)[1:])

    def _summary(self, lines: int, again: int | None, why: HubError | None) -> bytes:
        told = {
            "batch": self._batch,
            "lines": lines,
            "accepted": self._accepted,
            "refused": self._refused,
            "send_again_from": again,
            "location": f"/v1/calls/{self._agency}:batch/{self._batch}",
        }
        return to_json(told)[:-1] + b',"problem":%b}\n' % (b"null" if why is None else _with_seconds(why))

    async def _say(self, body: bytes, *, last: bool = False) -> None:
        """Send lines of the answer; returns when the caller has read enough of those before."""
        if not self._started:
            self._started = True
            location = f"/v1/calls/{self._agency}:batch/{self._batch}".encode()
            headers = [NDJSON, (b"hub-batch", self._batch.encode()), (b"location", location)]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        if body or last:
            await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def _with_seconds(error: HubError) -> bytes:
    """Return a problem with what `Retry-After` would say: a line has no headers."""
    if error.retry_after is None and not isinstance(error, Refusal):
        return problem_body(error)
    seconds = max(1, ceil(error.retry_after or ASK_AGAIN_SECONDS))
    return problem_body(error)[:-1] + b',"retry_after":%d}' % seconds
