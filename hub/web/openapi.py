"""
The OpenAPI 3.1 document of the public doors, typed per operation from the canonical models. Made once, at start.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json

from connectors.kit.inbox import Notice
from hub.call import Kind, State
from hub.errors import HubError
from hub.web import openapi_answers, openapi_files, openapi_handling, openapi_many, openapi_push, openapi_seals
from hub.web.answers import Asked
from hub.web.calls import Offered
from hub.web.openapi_shared import PROBLEM

REF: Final = "#/components/schemas/{model}"


class Described(Offered, Protocol):
    """What the document says of an operation beyond what the doors need."""

    @property
    def answer(self) -> type[BaseModel] | None: ...
    @property
    def then(self) -> Mapping[str, str]: ...


def openapi(
    offered: Mapping[str, Mapping[str, Described]],
    titles: Mapping[str, str],
    errors: Sequence[type[HubError]],
    version: str,
    told: Mapping[str, Mapping[str, Notice]] = MappingProxyType({}),
    asked: Mapping[str, Mapping[str, Asked]] = MappingProxyType({}),
) -> bytes:
    """
    Return the document as JSON. *titles* says what each agency is called, *errors* which problems there are, *told* and
    *asked* what agencies tell and ask.
    """
    answers = {(agency, name): one.answer for agency, some in asked.items() for name, one in some.items()}
    values = list(dict.fromkeys(one.model for some in told.values() for one in some.values() if one.model is not None))
    schemas = _schemas(offered, (*answers.values(), *values))
    paths: dict[str, Any] = {}
    for agency, operations in offered.items():
        for name in operations:
            paths[f"/v1/calls/{agency}/{name}"] = {
                "post": _operation(agency, name, operations, titles.get(agency, agency), schemas)
            }
    paths |= _reading() | openapi_many.paths() | openapi_files.paths() | openapi_push.paths() | openapi_seals.paths()
    paths |= openapi_handling.paths()
    for (agency, name), model in answers.items():
        paths[f"/v1/answers/{agency}/{name}"] = openapi_answers.path(agency, name, schemas["refs"][model])
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Lienthong",
            "version": version,
            "description": "Calls to the agencies of one integration hub.",
        },
        "security": [{"key": []}],
        "tags": [{"name": agency, "description": titles.get(agency, agency)} for agency in offered],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A caller's key, from `hub callers add`"}
            },
            "schemas": schemas["by_name"]
            | {"Problem": _problem(errors), "Reason": _REASON, "Reply": _reply(())}
            | openapi_many.SCHEMAS
            | openapi_files.SCHEMAS
            | openapi_push.SCHEMAS
            | {"Told": openapi_many.told([schemas["refs"][model] for model in values])},
            "parameters": _PARAMETERS,
            "headers": _FIELDS,
        },
    }
    return to_json(document)


def _schemas(offered: Mapping[str, Mapping[str, Described]], more: Sequence[type[BaseModel]]) -> dict[str, Any]:
    models: dict[tuple[type[BaseModel], Any], None] = {(model, "validation"): None for model in more}
    for operations in offered.values():
        for operation in operations.values():
            models[operation.request, "validation"] = None
            if operation.answer is not None:
                models[operation.answer, "validation"] = None  # what we send is what we would take: one schema for both
    refs, top = models_json_schema(list(models), ref_template=REF)
    return {"refs": {model: ref for (model, _), ref in refs.items()}, "by_name": top.get("$defs", {})}


def _values(operation: Described, others: Mapping[str, Described], refs: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Return the schemas of what an operation answers: at once, and when what was pending has ended by another's word."""
    answered = refs[operation.answer] if operation.answer is not None else {"type": "null"}
    look_up = others.get(operation.then.get("pending", ""))
    if look_up is None or look_up.answer in (None, operation.answer):
        return [answered]
    return [answered, refs[look_up.answer]]


def _operation(
    agency: str, name: str, operations: Mapping[str, Described], title: str, schemas: Mapping[str, Any]
) -> dict[str, Any]:
    operation = operations[name]
    filing = operation.kind == Kind.FILING
    values = _values(operation, operations, schemas["refs"])
    waits = (
        "Taken, recorded and delivered later unless `Prefer: wait=N`."
        if filing
        else "Waited for up to 30 seconds unless `Prefer` says otherwise."
    )
    personal = (
        " Touches personal data: `Hub-Purpose` names officer and dossier or intake number."
        if operation.personal_data
        else ""
    )
    described = f"{title}. {'A filing' if filing else 'A look-up'}. {waits}{personal}"
    parameters = ["Prefer", "Priority", "HubDeadline", "HubPurpose", "Traceparent"]
    return {
        "operationId": f"{agency}.{name}",
        "tags": [agency],
        "summary": f"{name.replace('_', ' ').capitalize()} ({agency})",
        "description": described,
        "parameters": [
            {
                "$ref": "#/components/parameters/IdempotencyKeyRequired"
                if filing
                else "#/components/parameters/IdempotencyKey"
            }
        ]
        + [{"$ref": f"#/components/parameters/{parameter}"} for parameter in parameters],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schemas["refs"][operation.request]}},
        },
        "responses": {
            "200": {
                "description": "Answered by the agency",
                "headers": _QUOTA,
                "content": {"application/json": {"schema": _reply(values)}},
            },
            "202": _TICKET | {"headers": _TICKET["headers"] | _QUOTA},
            "default": PROBLEM | {"headers": _QUOTA},
        },
    }


def _reading() -> dict[str, Any]:
    one = {
        "200": {
            "description": "The call",
            "content": {"application/json": {"schema": {"$ref": REF.format(model="Reply")}}},
        }
    }
    path = [{"$ref": "#/components/parameters/Agency"}, {"$ref": "#/components/parameters/Id"}]
    found = {
        "description": "The caller's own calls, newest first, without values",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    return {
        "/v1/calls/{agency}/{id}": {
            "parameters": path,
            "get": {
                "operationId": "calls.read",
                "summary": "Read a call, or wait for its answer",
                "parameters": [_query("wait", "Seconds to wait for the answer", "number")],
                "responses": one | {"202": _TICKET, "default": PROBLEM},
            },
            "delete": {
                "operationId": "calls.cancel",
                "summary": "Take a call back while it is queued",
                "responses": one | {"default": PROBLEM},
            },
        },
        "/v1/calls": {
            "get": {
                "operationId": "calls.find",
                "summary": "Find own calls, such as a lost ticket",
                "parameters": [_query(name, text, "string") for name, text in _FINDING.items()],
                "responses": {"200": found, "default": PROBLEM},
            }
        },
    }


def _reply(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    moment = {"type": ["string", "null"], "format": "date-time"}
    return {
        "type": "object",
        "required": ["call", "state", "result", "value", "reason", "answered_at", "fresh_as_of"],
        "properties": {
            "call": {"type": "string", "format": "uuid", "description": "Id of the call"},
            "state": {"enum": [str(state) for state in State], "description": "Where the call stands"},
            "result": {
                "enum": ["ok", "not_found", "refused", "pending", None],
                "description": "What the agency's answer means",
            },
            "value": {"anyOf": [*map(dict, values), {"type": "null"}]}
            if values
            else {"description": "What the agency answered"},
            "reason": {"anyOf": [{"$ref": REF.format(model="Reason")}, {"type": "null"}]},
            "answered_at": moment | {"description": "When this call was answered"},
            "fresh_as_of": moment
            | {"description": "How fresh the value is: when the agency said so; an answer that was kept is older"},
        },
    }


def _problem(errors: Sequence[type[HubError]]) -> dict[str, Any]:
    fault = {
        "type": "object",
        "properties": {
            "pointer": {
                "type": "string",
                "description": "JSON pointer into the body, or the name of a header or parameter",
            },
            "rule": {"type": "string", "description": "The rule it breaks"},
        },
    }
    return {
        "type": "object",
        "description": "A problem as RFC 9457 says.",
        "required": ["type", "title", "status", "code", "vi"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string", "description": "What to do, in English"},
            "vi": {"type": "string", "description": "What to do, in Vietnamese"},
            "status": {"type": "integer"},
            "code": {"enum": sorted(error.code for error in errors), "description": "Stable; decide by this"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": fault, "maxItems": 100},
            "call": {"type": "string", "format": "uuid"},
        },
    }


def _query(name: str, description: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind}}


def _header(name: str, description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


_FINDING: Final = {
    "dossier": "Dossier code named in `Hub-Purpose`",
    "key": "Idempotency key",
    "state": "State the call is in",
    "agency": "Agency the call goes to",
    "before": "Id of the last call of the page before",
}
_REASON: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Why, in words an officer can read out.",
    "properties": {
        "agency_code": {"type": "string", "description": "The agency's own code"},
        "code": {"type": "string", "description": "Our stable code"},
        "vi": {"type": "string"},
        "en": {"type": "string"},
        "cause": {"type": "string", "description": "Why a call that is not answered stands where it stands"},
    },
}
_FIELDS: Final[dict[str, Any]] = {
    "RateLimitPolicy": {
        "description": "The caller's quota: `q` calls in `w` seconds",
        "schema": {"type": "string"},
        "example": '"caller";q=6000;w=60',
    },
    "RateLimit": {
        "description": "What is left of it: `r` calls, never refused when spread over `t` seconds",
        "schema": {"type": "string"},
        "example": '"caller";r=999;t=10',
    },
}
_QUOTA: Final[dict[str, Any]] = {
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimitPolicy"},
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
}
_TICKET: Final[dict[str, Any]] = {
    "description": "Not answered yet: read it at `Location`",
    "headers": {"Location": {"schema": {"type": "string"}}},
    "content": {"application/json": {"schema": {"$ref": REF.format(model="Reply")}}},
}
_KEY: Final = "Makes a repeat safe: the same key and request is the same call"
_PARAMETERS: Final[dict[str, Any]] = {
    "IdempotencyKey": _header("Idempotency-Key", _KEY, "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f"),
    "IdempotencyKeyRequired": _header("Idempotency-Key", _KEY, "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f", required=True),
    "Prefer": _header("Prefer", "`wait=N` seconds, or `respond-async` for a ticket at once", "wait=10"),
    "Priority": _header("Priority", "`u=0..2` a citizen stands at the counter, `3..4` normal, `5..7` bulk", "u=1"),
    "HubDeadline": _header("Hub-Deadline", "Seconds from now after which the call is no longer wanted", "20"),
    "HubPurpose": _header(
        "Hub-Purpose",
        "For whom and why: officer, unit, dossier or intake number, procedure",
        'officer="cb-102", unit="H32", intake="TN-000-1"',
    ),
    "Traceparent": _header(
        "traceparent", "W3C trace context", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ),
    "Agency": {"name": "agency", "in": "path", "required": True, "schema": {"type": "string"}},
    "Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
}
