"""
The operators' doors, on a listener of their own: `/metrics`, and `/admin/v1/...` behind the admin key.

FastAPI serves here, where comfort beats microseconds. No door shows the content of a call: that is personal data, and
an operator has no purpose for it.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from hub.call import Class
from hub.errors import (
    AuthMissing,
    HubError,
    Internal,
    MethodNotAllowed,
    OperationUnknown,
    RequestFault,
    RequestInvalid,
)
from hub.heartbeat import NodeView
from hub.pushing.subscribing import Subscribing
from hub.security.identity import CALLS_PER_MINUTE, Identity
from hub.store.registers import CallerRow, Registers
from hub.web.bodies import read_body
from hub.web.calls import UNPRINTED
from hub.web.handling import Counting, handling_doors
from hub.web.headers import bearer
from hub.web.lanes import OPERATOR, Doors, LaneOffice, Words, lane_doors
from hub.web.persons import CallOffice, person_doors
from hub.web.polls import PollOffice, poll_doors
from hub.web.reconciling import ReconcilingOffice, reconciling_doors
from hub.web.replies import moment, problem_body
from hub.web.subscription_office import subscription_doors
from mappings.errors import FilesRefused
from monitoring.events import Observer

REGISTER_BYTES = 32 << 20
PROBLEM = "application/problem+json"


class NewCaller(BaseModel):
    """A caller to be added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the system, such as one-stop")
    allowed: tuple[str, ...] = Field(description="`*`, agencies, or agency.operation")
    top_class: Class = Field(Class.NORMAL, description="The highest class it may ask for")
    calls_per_minute: int = Field(CALLS_PER_MINUTE, description="Its quota")


class NewQuota(BaseModel):
    """How much a caller may ask from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls_per_minute: int = Field(description="Its quota")


class NewBackup(BaseModel):
    """A copy of the store that was made beside the running hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    moment: Words = Field(max_length=40, description="When it was made, ISO 8601")
    journal_seq: int = Field(ge=0, lt=1 << 63, description="Number of the last entry of the journal in it")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the file")


class Found(Protocol):
    """What an operator should know: `hub.app.findings.Finding` is one."""

    @property
    def where(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def do(self) -> str: ...
    @property
    def since(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Office:
    """What the operators' doors open onto."""

    key: str
    about: Callable[[], Mapping[str, Any]]
    """Version, node, addresses, how the store is: no secret."""
    identity: Identity
    registers: Registers
    calls: CallOffice
    note: Callable[[str, str, str], Awaitable[None]]
    """Writes event, who, and detail into the journal."""
    metrics: Callable[[], Awaitable[bytes]]
    lanes: LaneOffice
    nodes: Callable[[], Sequence[NodeView]]
    observer: Observer
    subscribing: Subscribing
    polls: PollOffice
    findings: Callable[[], Sequence[Found]] = tuple
    """What is wrong just now."""
    counting: Counting | None = None
    """How agencies handle dossiers; None: of none it is counted."""
    reconciling: ReconcilingOffice | None = None
    """Comparing what was filed; None: nothing can be."""


def admin(office: Office) -> FastAPI:
    """Return the application of the admin listener."""
    app = FastAPI(title="Lienthong administration", docs_url=None, redoc_url=None, openapi_url="/admin/openapi.json")

    async def metrics() -> Response:
        return Response(await office.metrics(), media_type="text/plain; version=0.0.4")

    app.add_api_route("/metrics", metrics, methods=["GET"])
    locked = [Depends(_lock(office.key)), Depends(_legible_address)]
    doors = {
        **_callers(office),
        **_registers(office),
        **person_doors(office.calls),
        **_state(office),
        **lane_doors(office.lanes),
        **subscription_doors(office.subscribing),
        **poll_doors(office.polls),
        **(handling_doors(office.counting) if office.counting is not None else {}),
        **(reconciling_doors(office.reconciling) if office.reconciling is not None else {}),
    }
    for (method, path), door in doors.items():
        app.add_api_route(f"/admin/v1{path}", door, methods=[method], dependencies=locked, response_model=None)
    _tell_problems(app, office.observer)
    return app


def _lock(key: str) -> Callable[[Request], Awaitable[None]]:
    async def unlock(request: Request) -> None:
        if not hmac.compare_digest(bearer(request.scope["headers"]).encode(), key.encode()):
            raise AuthMissing("The admin doors want the admin key, not a caller's.")

    return unlock


async def _legible_address(request: Request) -> None:
    """Refuse what a database could not be asked for, once for all doors."""
    given = [*request.path_params.items(), *request.query_params.multi_items()]
    faults = [RequestFault(f"/{name}", UNPRINTED) for name, value in given if not value.isprintable()]
    if faults:
        raise RequestInvalid(faults=[fault for fault in faults if fault.pointer.isprintable()])


def _state(office: Office) -> Doors:
    async def about() -> dict[str, Any]:
        return dict(office.about())

    async def nodes() -> list[dict[str, Any]]:
        return [
            asdict(node) | {"started_at": moment(node.started_at), "heard_at": moment(node.heard_at)}
            for node in office.nodes()
        ]

    async def findings() -> list[dict[str, Any]]:
        return [
            {
                "where": one.where,
                "says": one.says,
                "since": None if one.since is None else moment(one.since),
                "do": one.do,
            }
            for one in office.findings()
        ]

    async def backed_up(made: NewBackup) -> dict[str, Any]:
        detail = f"as of {made.moment}, up to entry {made.journal_seq}, sha256 {made.sha256}"
        await office.note("backed_up", OPERATOR, detail)
        return made.model_dump()

    return {
        ("GET", "/hub"): about,
        ("GET", "/nodes"): nodes,
        ("GET", "/findings"): findings,
        ("POST", "/backups"): backed_up,
    }


def _callers(office: Office) -> Doors:
    async def listed() -> list[dict[str, Any]]:
        return [_caller(row) for row in office.identity.callers()]

    async def add(caller: NewCaller) -> dict[str, Any]:
        key = await office.identity.add_caller(
            caller.name, caller.allowed, caller.top_class, OPERATOR, caller.calls_per_minute
        )
        return {"name": caller.name, "key": key}

    async def revoke(name: str) -> dict[str, Any]:
        return {"name": name, "revoked": await office.identity.revoke_caller(name, OPERATOR)}

    async def quota(name: str, wanted: NewQuota) -> dict[str, Any]:
        return {"name": name, "changed": await office.identity.set_quota(name, wanted.calls_per_minute, OPERATOR)}

    return {
        ("GET", "/callers"): listed,
        ("POST", "/callers"): add,
        ("DELETE", "/callers/{name}"): revoke,
        ("PUT", "/callers/{name}/quota"): quota,
    }


def _registers(office: Office) -> Doors:
    async def officers() -> list[dict[str, Any]]:
        lines = [asdict(line) for line in await office.registers.officers()]
        for line in lines:  # an account may be a person's own number
            line |= {"account": bool(line["account"]), "name": bool(line["name"])}
        return lines

    async def units() -> list[dict[str, Any]]:
        return [asdict(line) for line in await office.registers.units()]

    async def take_officers(request: Request) -> dict[str, int]:
        return {"lines": await office.identity.import_officers(await _content(request), OPERATOR)}

    async def take_units(request: Request) -> dict[str, int]:
        return {"lines": await office.identity.import_units(await _content(request), OPERATOR)}

    return {
        ("GET", "/officers"): officers,
        ("PUT", "/officers"): take_officers,
        ("GET", "/units"): units,
        ("PUT", "/units"): take_units,
    }


async def _content(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    return await read_body(request.receive, REGISTER_BYTES, int(length) if length.isdigit() else None)


def _caller(row: CallerRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "allowed": row.allowed,
        "top_class": row.top_class,
        "calls_per_minute": row.calls_per_minute,
        "enabled": row.enabled,
        "added_at": moment(row.added_at),
    }


def _tell_problems(app: FastAPI, observer: Observer) -> None:
    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, HubError)  # noqa: S101 - registered for this class only; narrows the type
        return Response(problem_body(error), error.status, media_type=PROBLEM)

    async def files(request: Request, error: Exception) -> Response:
        assert isinstance(error, FilesRefused)  # noqa: S101 - registered for this class only; narrows the type
        faults = [RequestFault(fault.key or fault.file, fault.says) for fault in error.faults[:100]]
        return await ours(request, RequestInvalid("Nothing was changed.", faults=faults))

    async def shape(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only; narrows the type
        faults = [
            RequestFault("/" + "/".join(map(str, one["loc"][1:])), str(one["msg"])) for one in error.errors()[:100]
        ]
        return await ours(request, RequestInvalid(faults=faults))

    async def nowhere(request: Request, _: Exception) -> Response:
        return await ours(request, OperationUnknown("This address leads nowhere."))

    async def method(request: Request, _: Exception) -> Response:
        return await ours(request, MethodNotAllowed())

    async def fault(request: Request, error: Exception) -> Response:
        observer.fault("admin", error)
        return await ours(request, Internal())

    handlers: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        HubError: ours,
        FilesRefused: files,
        RequestValidationError: shape,
        404: nowhere,
        405: method,
        Exception: fault,
    }
    for kind, tell in handlers.items():
        app.add_exception_handler(kind, tell)
