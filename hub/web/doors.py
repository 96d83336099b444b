"""
The ASGI application in front: a request is led to its door by its path, and every error becomes a problem.

A framework would cost more here than the hub's own work. The admin doors have one (`admin.py`), on a listener of
their own.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from pydantic_core import to_json

from hub.errors import HubError, Internal, MethodNotAllowed, OperationUnknown, RequestTooLarge
from hub.web.answers import AnswerDoors
from hub.web.batch import BatchDoor
from hub.web.batch_results import BatchResults
from hub.web.bodies import Disconnected
from hub.web.calls import CallDoors
from hub.web.files import FileDoors
from hub.web.handling import HandlingDoor
from hub.web.inbound import DRAINED_BYTES, InboundDoors
from hub.web.notices import NoticeDoors
from hub.web.replies import Header, Receive, Scope, Send, answer, problem
from hub.web.seals import SealDoor
from hub.web.subscriptions import SubscriptionDoors
from monitoring.events import Observer
from monitoring.health import Readiness

BATCH: Final = ":batch"
_CLOSE: Final[tuple[Header, ...]] = ((b"connection", b"close"),)


class Doors:
    """The public doors."""

    def __init__(
        self,
        calls: CallDoors,
        readiness: Readiness,
        observer: Observer,
        *,
        batch: BatchDoor,
        batch_results: BatchResults,
        notices: NoticeDoors,
        files: FileDoors,
        answers: AnswerDoors,
        inbound: InboundDoors,
        operations: Callable[[], bytes],
        openapi: bytes,
        subscriptions: SubscriptionDoors,
        seals: SealDoor,
        handling: HandlingDoor,
    ) -> None:
        self._calls = calls
        self._batch = batch
        self._batch_results = batch_results
        self._notices = notices
        self._files = files
        self._subscriptions = subscriptions
        self._seals = seals
        self._answers = answers
        self._inbound = inbound
        self._readiness = readiness
        self._observer = observer
        self._operations = operations
        self._openapi = openapi
        self._handling = handling
        self._small_doors: Mapping[str, Callable[[Scope, Send], Awaitable[None]]] = {
            "/livez": self._live,
            "/readyz": self._ready,
            "/openapi.json": self._describe,
            "/v1/operations": self._list,
            "/v1/handling": self._count_handling,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks."""
        if scope["type"] != "http":
            return
        fields: list[Header] = []
        try:
            await self._lead(scope, receive, send, fields)
        except HubError as error:
            await problem(send, error, *_more(error, scope), *fields)
        except Disconnected:
            return
        except Exception as error:
            self._observer.fault("door", error)
            await problem(send, Internal(), *fields)

    def _lead(self, scope: Scope, receive: Receive, send: Send, fields: list[Header]) -> Awaitable[None]:
        path: str = scope["path"]
        method: str = scope["method"]
        if path.startswith("/v1/calls/") or path == "/v1/calls":
            return self._lead_call(path.split("/")[3:], method, scope, receive, send, fields)
        if path.startswith("/v1/notices/"):
            return self._lead_notice(path.split("/")[3:], method, scope, receive, send)
        if path.startswith(("/v1/files", "/files/")):
            return self._lead_file(path, method, scope, receive, send)
        if path == "/v1/subscriptions" or path.startswith("/v1/subscriptions/"):
            caller = self._calls.caller(scope)
            return self._subscriptions.lead(path.split("/")[3:], method, scope, receive, send, caller)
        if path.startswith("/in/"):
            return self._inbound.lead(path.split("/")[2:], method, scope, receive, send)
        if path.startswith("/v1/answers/"):
            return self._lead_answer(path.split("/")[3:], method, scope, receive, send)
        if path.startswith("/v1/seals/"):
            _allow(method, "POST")
            return self._seals.open(scope, receive, send, path.removeprefix("/v1/seals/"), self._calls.caller(scope))
        door = self._small_doors.get(path)
        if door is None:
            raise OperationUnknown("This address leads nowhere.")
        _allow(method, "GET", "HEAD")
        return door(scope, send)

    def _lead_call(
        self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send, fields: list[Header]
    ) -> Awaitable[None]:
        if steps and steps[0].endswith(BATCH):
            return self._lead_batch(steps, method, scope, receive, send)
        match steps, method:
            case [agency, operation], "POST":
                return self._calls.submit(scope, receive, send, fields, agency, operation)
            case [agency, call_id], "GET":
                return self._calls.read(scope, receive, send, agency, call_id)
            case [agency, call_id], "DELETE":
                return self._calls.cancel(scope, send, agency, call_id)
            case [], "GET":
                return self._calls.find(scope, send)
            case [_, _], _:
                raise MethodNotAllowed("POST, GET, DELETE")
            case [], _:
                raise MethodNotAllowed("GET")
        raise OperationUnknown("This address leads nowhere.")

    def _lead_batch(self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        agency = steps[0].removesuffix(BATCH)
        match steps[1:]:
            case []:
                _allow(method, "POST")
                return self._batch.hand_in(scope, receive, send, agency, self._calls.caller(scope))
            case [batch]:
                _allow(method, "GET")
                return self._batch_results.read(scope, send, agency, batch, self._calls.caller(scope))
        raise OperationUnknown("This address leads nowhere.")

    def _lead_notice(
        self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        match steps:
            case [agency, "cursor"]:
                _allow(method, "PUT")
                return self._notices.acknowledge(scope, receive, send, agency, self._calls.caller(scope))
            case ["stream"]:
                _allow(method, "GET")
                return self._notices.stream(scope, receive, send, self._calls.caller(scope))
            case [agency]:
                _allow(method, "GET")
                return self._notices.page(scope, send, agency, self._calls.caller(scope))
        raise OperationUnknown("This address leads nowhere.")

    def _lead_file(self, path: str, method: str, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        match path.split("/")[1:]:
            case ["v1", "files"]:
                _allow(method, "POST")
                return self._files.take(scope, receive, send, self._calls.caller(scope))
            case ["v1", "files:fetch"]:
                _allow(method, "POST")
                return self._files.fetch(scope, receive, send, self._calls.caller(scope))
            case ["v1", "files", file]:
                _allow(method, "GET", "HEAD")
                return self._files.read(scope, send, file, self._calls.caller(scope))
            case ["files", file]:
                _allow(method, "GET", "HEAD")
                return self._files.read_by_link(scope, send, file)
        raise OperationUnknown("This address leads nowhere.")

    def _lead_answer(
        self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        match steps:
            case [agency, question]:
                _allow(method, "GET", "PUT")
                caller = self._calls.caller(scope)
                if method == "PUT":
                    return self._answers.publish(scope, receive, send, agency, question, caller)
                return self._answers.read(send, agency, question, caller)
        raise OperationUnknown("This address leads nowhere.")

    async def _live(self, _: Scope, send: Send) -> None:
        await answer(send, 200, b'{"live":true}')

    async def _ready(self, _: Scope, send: Send) -> None:
        verdict = await self._readiness.verdict()
        await answer(
            send, 200 if verdict.ready else 503, to_json({"ready": verdict.ready, "checks": dict(verdict.checks)})
        )

    async def _describe(self, _: Scope, send: Send) -> None:
        await answer(send, 200, self._openapi)

    async def _count_handling(self, scope: Scope, send: Send) -> None:
        await self._handling.read(scope, send, self._calls.caller(scope))

    async def _list(self, scope: Scope, send: Send) -> None:
        self._calls.caller(scope)
        await answer(send, 200, self._operations())


def _allow(method: str, *methods: str) -> None:
    if method not in methods:
        raise MethodNotAllowed(", ".join(methods))


def _more(error: HubError, scope: Scope) -> tuple[Header, ...]:
    """Return the headers that belong to this problem beside those that all have."""
    if isinstance(error, MethodNotAllowed):
        return ((b"allow", error.detail.encode()),)
    for name, value in scope["headers"]:
        if name == b"content-length":
            return () if value.isdigit() and len(value) < 10 and int(value) <= DRAINED_BYTES else _CLOSE
    return _CLOSE if isinstance(error, RequestTooLarge) else ()  # who sends in chunks need not come to an end
