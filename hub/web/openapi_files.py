"""What the OpenAPI document says of the doors for documents. See `openapi.py`."""

from typing import Any, Final

from hub.web.openapi_shared import PROBLEM, TEXT

_BYTES: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the content: its id"}
_FILE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A document that the hub keeps; requests name it by `file`",
    "required": ["file", "size", "media_type"],
    "properties": {
        "file": _ID,
        "size": {"type": "integer", "minimum": 1},
        "media_type": {"type": "string", "description": "As the content says, whatever its sender said"},
    },
}
_FETCH: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["agency", "url"],
    "additionalProperties": False,
    "properties": {
        "agency": {"type": "string", "description": "By whose rules, and under whose contract"},
        "url": {"type": "string", "format": "uri", "maxLength": 2000},
    },
}
_KEPT: Final[dict[str, Any]] = {
    "201": {
        "description": "Kept",
        "headers": {"Location": {"schema": TEXT}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/File"}}},
    },
    "default": PROBLEM,
}
_CONTENT: Final[dict[str, Any]] = {
    "200": {
        "description": "The content, as it was handed in",
        "headers": {"ETag": {"schema": TEXT}},
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    "304": {"description": "It is what `If-None-Match` names"},
    "default": PROBLEM,
}
_NAMED: Final = {"name": "id", "in": "path", "required": True, "schema": _ID}
SCHEMAS: Final[dict[str, Any]] = {"File": _FILE}


def _asked(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": True, "description": description, "schema": schema}


def paths() -> dict[str, Any]:
    """Return the paths, by template."""
    return {
        "/v1/files": {
            "post": {
                "operationId": "files.hand_in",
                "summary": "Hand in a document: the body is the document itself",
                "requestBody": {"required": True, "content": _BYTES},
                "responses": _KEPT,
            }
        },
        "/v1/files:fetch": {
            "post": {
                "operationId": "files.fetch",
                "summary": "Let the hub fetch a document that an agency only links to, and keep it",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _FETCH}}},
                "responses": _KEPT,
            }
        },
        "/v1/files/{id}": {
            "parameters": [_NAMED],
            "get": {"operationId": "files.read", "summary": "Read a document", "responses": _CONTENT},
        },
        "/files/{id}": {
            "parameters": [
                _NAMED,
                _asked("until", "When the link ends, in Unix seconds", {"type": "integer"}),
                _asked("for", "Name of the agency that got it", TEXT),
                _asked("sig", "The hub's signature", TEXT),
            ],
            "get": {
                "operationId": "files.read_by_link",
                "summary": "Read a document by a link that the hub gave to an agency, without a key",
                "security": [],
                "responses": _CONTENT,
            },
        },
    }
