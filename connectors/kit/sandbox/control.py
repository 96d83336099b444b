"""
The sandbox's own door, apart from the agencies': what arrived, what was filed, and which faults are on.

`GET /plays` · `GET /routes` · `GET /arrivals?agency=&after=` · `DELETE /arrivals` · `GET|POST|DELETE /faults/{agency}` ·
`POST /tell/{agency}` · `POST /expire-sessions/{agency}` · `POST /expire-tokens/{route}` · `POST /close-idle/{agency}` · `GET /filed/{agency}` ·
`POST /stand/{agency}?key=&as=`: from now on look-ups find what was filed under that key `ok`, `pending` or `refused`

A gateway takes faults under the route's name: `429` throttles in its own words, `operation` is an agency or `token`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from inspect import isawaitable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from connectors.kit.sandbox.arrivals import Arrivals, Telling
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.telling import Tell
from connectors.kit.sandbox.wire import Answer, Reply, Request
from mappings.table_faults import faults_of

T = TypeVar("T", bound=BaseModel)


class Controlled(Protocol):
    """What the door opens onto; `server.Sandbox`."""

    arrivals: Arrivals

    def plays_shown(self) -> list[dict[str, str]]: ...
    def misbehave(self, agency: str, fault: Fault) -> None: ...
    def behave(self, agency: str) -> None: ...
    def faults(self, agency: str) -> list[Fault]: ...
    def routes_shown(self) -> list[dict[str, object]]: ...
    def expire_sessions(self, agency: str) -> int: ...
    def expire_tokens(self, route: str) -> int: ...
    def close_idle(self, agency: str) -> int: ...
    def stand(self, agency: str, key: str, result: str) -> int: ...
    def filed(self, agency: str) -> list[dict[str, object]]: ...
    async def tell(self, agency: str, tell: Tell) -> list[Telling]: ...


def control(sandbox: Controlled) -> Answer:
    """Return what answers at the control port of *sandbox*."""

    async def answer(request: Request, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        status, content = await _answered(sandbox, request)
        writer.write(Reply(status, to_json(content), "application/json; charset=utf-8").wire)
        await writer.drain()
        return request.keep

    return answer


async def _answered(sandbox: Controlled, request: Request) -> tuple[int, Any]:
    _, what, agency = (f"{request.path}//").split("/", 3)[:3]
    found = _DOORS.get((request.method, what))
    if found is None:
        known = sorted({f"{method} /{name}" for method, name in _DOORS})
        return 404, {"detail": f"no such door; known: {', '.join(known)}"}
    try:
        said = found(sandbox, agency, request)
        return 200, await said if isawaitable(said) else said
    except KeyError:
        return 404, {"detail": f"no agency {agency!r} is played here; see GET /plays"}
    except ValueError as error:
        return 400, {"detail": str(error)}


def _read(model: type[T], body: bytes) -> T:
    """
    Return *body* as a *model*.

    Raises:
        ValueError: It is none; the text says what is wrong with which key, and shows a body that is one.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = [f"{fault.key or 'body'} {fault.says}" for fault in faults_of(error, model, "")]
        example = {
            name: (field.examples or [None])[0] for name, field in model.model_fields.items() if field.is_required()
        }
        raise ValueError(f"{'; '.join(faults)}. For example: {to_json(example).decode()}") from None


def _arrivals(sandbox: Controlled, _agency: str, request: Request) -> Any:
    return sandbox.arrivals.shown(request.query.get("agency"), after=int(request.query.get("after", 0)))


def _misbehave(sandbox: Controlled, agency: str, request: Request) -> Any:
    sandbox.misbehave(agency, _read(Fault, request.body))
    return _faults(sandbox, agency, request)


def _behave(sandbox: Controlled, agency: str, request: Request) -> Any:
    sandbox.behave(agency)
    return _faults(sandbox, agency, request)


def _faults(sandbox: Controlled, agency: str, _request: Request) -> Any:
    return {"faults": [fault.model_dump(exclude_none=True) for fault in sandbox.faults(agency)]}


async def _tell(sandbox: Controlled, agency: str, request: Request) -> Any:
    told = await sandbox.tell(agency, _read(Tell, request.body))
    return {"told": [asdict(one) for one in told]}


def _stand(sandbox: Controlled, agency: str, request: Request) -> Any:
    return {"standing": sandbox.stand(agency, request.query.get("key", ""), request.query.get("as", ""))}


def _cleared(sandbox: Controlled, _agency: str, _request: Request) -> Any:
    sandbox.arrivals.clear()
    return {}


_DOORS: dict[tuple[str, str], Callable[[Controlled, str, Request], Any]] = {
    ("GET", "plays"): lambda sandbox, _agency, _request: {"plays": sandbox.plays_shown()},
    ("GET", "routes"): lambda sandbox, _agency, _request: {"routes": sandbox.routes_shown()},
    ("GET", "arrivals"): _arrivals,
    ("DELETE", "arrivals"): _cleared,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _misbehave,
    ("DELETE", "faults"): _behave,
    ("POST", "tell"): _tell,
    ("POST", "expire-sessions"): lambda sandbox, agency, _request: {"expired": sandbox.expire_sessions(agency)},
    ("POST", "expire-tokens"): lambda sandbox, route, _request: {"expired": sandbox.expire_tokens(route)},
    ("POST", "close-idle"): lambda sandbox, agency, _request: {"closed": sandbox.close_idle(agency)},
    ("POST", "stand"): _stand,
    ("GET", "filed"): lambda sandbox, agency, _request: {"filed": sandbox.filed(agency)},
}
