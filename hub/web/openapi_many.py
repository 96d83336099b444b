"""What the OpenAPI document says of the doors for many calls: batches, their results, and the feed. See `openapi.py`."""

from collections.abc import Sequence
from typing import Any, Final

from hub.call import State
from hub.feed import PAGE
from hub.web.batch import LinePurpose
from hub.web.batch_results import LONGEST_PAGE
from hub.web.openapi_shared import NUMBER, PROBLEM, TEXT

_AGENCY: Final = {"$ref": "#/components/parameters/Agency"}
_UUID: Final = {"type": "string", "format": "uuid"}
_LINE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "One line of a batch: what a call of its own would say in path, headers and body",
    "required": ["operation", "request"],
    "additionalProperties": False,
    "properties": {
        "operation": {"type": "string", "description": "Name of an operation of this agency"},
        "request": {"type": "object", "description": "Its canonical request"},
        "idempotency_key": {"type": "string", "maxLength": 200, "description": "Required for a filing"},
        "purpose": {
            "type": "object",
            "description": "What takes the place of members of `Hub-Purpose`",
            "properties": dict.fromkeys(LinePurpose.model_fields, TEXT),
            "additionalProperties": False,
        },
        "deadline": {"type": "number", "description": "Seconds from now after which it is no longer wanted"},
        "priority": {"type": "integer", "minimum": 0, "maximum": 7, "description": "As `u` of `Priority`"},
    },
}
_TOLD: Final[dict[str, Any]] = {
    "description": "The answer to a line, in its place, or the summary, which comes last",
    "anyOf": [
        {
            "title": "Ticket",
            "type": "object",
            "required": ["line", "call", "state", "location"],
            "properties": {"line": NUMBER, "call": _UUID, "state": {"enum": list(State)}, "location": TEXT},
        },
        {
            "title": "Refused line",
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "required": ["line"],
            "properties": {"line": NUMBER, "retry_after": NUMBER},
        },
        {
            "title": "Summary",
            "type": "object",
            "required": ["batch", "lines", "accepted", "refused", "send_again_from", "location", "problem"],
            "properties": {
                "batch": _UUID,
                "lines": NUMBER,
                "accepted": NUMBER,
                "refused": NUMBER,
                "send_again_from": {
                    "type": ["integer", "null"],
                    "description": "First line that is to be sent again; null: all were read",
                },
                "location": TEXT,
                "problem": {"anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]},
            },
        },
    ],
}
_MEMBER: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The shape of every reply, with where the call is read. Of an answer above 16 KB `value` and `reason` are left out",
    "required": ["call", "state", "result", "location"],
    "properties": {
        "call": _UUID,
        "state": {"enum": list(State)},
        "result": {"enum": ["ok", "not_found", "refused", "pending", None]},
        "value": {"description": "What the agency answered"},
        "reason": {"anyOf": [{"$ref": "#/components/schemas/Reason"}, {"type": "null"}]},
        "answered_at": {"type": ["string", "null"], "format": "date-time"},
        "fresh_as_of": {"type": ["string", "null"], "format": "date-time"},
        "location": TEXT,
        "cause": {"type": "string", "description": "Why a call that is not answered stands where it stands"},
        "operation": TEXT,
        "idempotency_key": {"type": ["string", "null"]},
    },
}
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A CloudEvent 1.0. The same `id` may come more than once",
    "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": TEXT,
        "source": {"type": "string", "example": "/v1/calls/npsp"},
        "type": {"type": "string", "example": "vn.lienthong.call.settled"},
        "subject": {"type": "string", "description": "Id of the call; of a notice the dossier, or empty"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "description": "Of a notice: canonical name of its `value`, if it has one"},
        "data": {"anyOf": [{"$ref": "#/components/schemas/Member"}, {"$ref": "#/components/schemas/Told"}]},
    },
}
_CURSOR: Final = {"type": "object", "required": ["after"], "properties": {"after": NUMBER}}
SCHEMAS: Final[dict[str, Any]] = {
    "BatchLine": _LINE,
    "BatchAnswer": _TOLD,
    "Member": _MEMBER,
    "Event": _EVENT,
}


def told(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of what an agency told, whose record is one of *values*."""
    value = {"anyOf": [*values, {"type": "null"}], "description": "The record, if the notice carries one"}
    keys = {"type": "object", "additionalProperties": TEXT, "description": "The agency's own keys, by our name"}
    return {"type": "object", "required": ["value", "refs"], "properties": {"value": value, "refs": keys}}


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_DOSSIER: Final = {
    "name": "dossier",
    "in": "query",
    "description": "Only what is known to be about this dossier",
    "schema": {"type": "string"},
}


def _got(description: str, media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": description, "content": {media: {"schema": schema}}}, "default": PROBLEM}


def _page_of(name: str, schema: str, **more: Any) -> dict[str, Any]:
    members = {name: {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"type": "object", "required": [name, *more], "properties": members | more}


def paths() -> dict[str, Any]:
    """Return the paths, by template."""
    parameters = [f"#/components/parameters/{name}" for name in ("Priority", "HubDeadline", "HubPurpose")]
    named = {
        "name": "Hub-Batch",
        "in": "header",
        "description": "Id to hand these in under: that of an upload which broke off; else one is made",
        "schema": _UUID,
    }
    counts = {"type": ["object", "null"], "additionalProperties": NUMBER, "description": "By state; on the first page"}
    following = {"type": ["string", "null"], "description": "Address of the next page"}
    return {
        "/v1/calls/{agency}:batch": {
            "parameters": [_AGENCY],
            "post": {
                "operationId": "batches.hand_in",
                "summary": "Hand in many durable calls, one a line; each is answered by a line once it is on disk",
                "parameters": [*({"$ref": one} for one in parameters), named],
                "requestBody": {
                    "required": True,
                    "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/BatchLine"}}},
                },
                "responses": _got(
                    "A line for each line, and a summary",
                    "application/x-ndjson",
                    {"$ref": "#/components/schemas/BatchAnswer"},
                ),
            },
        },
        "/v1/calls/{agency}:batch/{id}": {
            "parameters": [_AGENCY, {"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "batches.read",
                "summary": "Read what became of a batch, by page",
                "parameters": [
                    _query("after", "Id of the last call of the page before", _UUID),
                    _query("limit", "Calls of a page", {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE}),
                    _query("state", "State the calls are in", {"enum": list(State)}),
                ],
                "responses": _got(
                    "Calls in order of acceptance",
                    "application/json",
                    _page_of("calls", "Member", batch=_UUID, counts=counts, following=following),
                ),
            },
        },
        "/v1/notices/{agency}": {
            "parameters": [_AGENCY],
            "get": {
                "operationId": "notices.read",
                "summary": "Read what settled and what the agency told, by page",
                "parameters": [
                    _DOSSIER,
                    _query("after", "Place after which to go on: `after` of the page before; else the cursor", NUMBER),
                    _query("limit", "Events of a page", {"type": "integer", "minimum": 1, "maximum": PAGE}),
                ],
                "responses": _got("Events in order", "application/json", _page_of("events", "Event", after=NUMBER)),
            },
        },
        "/v1/notices/{agency}/cursor": {
            "parameters": [_AGENCY],
            "put": {
                "operationId": "notices.acknowledge",
                "summary": "Say up to which place everything is dealt with: pages begin there when `after` is not given",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _CURSOR}}},
                "responses": _got("The place; never moved back", "application/json", _CURSOR),
            },
        },
        "/v1/notices/stream": {
            "get": {
                "operationId": "notices.stream",
                "summary": "Hear what settles and what agencies tell as it happens, as server-sent events; each has an `Event` as its data",
                "parameters": [
                    _query("agencies", "Names of agencies, with commas between them; else all the key reaches", TEXT),
                    _DOSSIER,
                    _query("after", "Place after which to begin; else now", NUMBER),
                    {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "description": "Place after which to go on when the stream broke off",
                        "schema": TEXT,
                    },
                ],
                "responses": _got("A stream without an end", "text/event-stream", TEXT),
            },
        },
    }
