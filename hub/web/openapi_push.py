"""What the OpenAPI document says of subscriptions, and of what is pushed. See `openapi.py`."""

from typing import Any, Final

from hub.web.openapi_shared import NUMBER, PROBLEM, TEXT
from hub.web.subscriptions import NewSubscription

_MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
_SUBSCRIPTION: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A subscription, and how it goes",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "url": TEXT,
        "agencies": {"type": "array", "items": TEXT, "description": "Empty: all that the key reaches"},
        "dossier": {"type": ["string", "null"]},
        "made_at": _MOMENT,
        "after": NUMBER | {"description": "Place of the feed up to which everything was delivered, or died"},
        "state": {"enum": ["well", "failing", "stopped"], "description": "`stopped`: the receiver answered 410"},
        "cause": TEXT | {"description": "Of the last failure"},
        "attempts": NUMBER,
        "failing_since": _MOMENT,
        "next_attempt_at": _MOMENT,
        "dead": NUMBER | {"description": "Events that could not be delivered"},
    },
}
_DEAD: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An event that could not be delivered",
    "properties": {
        "after": NUMBER | {"description": "Its place in the feed, by which it is sent again or discarded"},
        "id": TEXT | {"description": "Its `webhook-id`"},
        "type": TEXT,
        "agency": TEXT,
        "call": {"type": ["string", "null"]},
        "died_at": _MOMENT,
        "attempts": NUMBER,
        "cause": TEXT,
        "to_be_sent_again": {"type": "boolean"},
    },
}
_NEW: Final = NewSubscription.model_json_schema()
_MADE: Final[dict[str, Any]] = {
    "allOf": [{"$ref": "#/components/schemas/Subscription"}],
    "properties": {"secret": TEXT | {"description": "`whsec_` and base64; shown this once"}},
}
SCHEMAS: Final[dict[str, Any]] = {
    "NewSubscription": _NEW,
    "Subscription": _SUBSCRIPTION,
    "MadeSubscription": _MADE,
    "DeadEvent": _DEAD,
}


def _path(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


_ID: Final = _path("id", "Id of the subscription", TEXT)
_AFTER: Final = _path("after", "Place of the dead event", NUMBER)


def _does(act: str, summary: str, schema: dict[str, Any], status: str = "200", **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    responses = {status: {"description": "Done", "content": content}, "default": PROBLEM}
    return {"operationId": f"subscriptions.{act}", "summary": summary, **more, "responses": responses}


def _listed(name: str, schema: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return {"type": "object", "required": [name], "properties": {name: items}}


def paths() -> dict[str, Any]:
    """Return the paths, by template."""
    one = {"$ref": "#/components/schemas/Subscription"}
    again = {"type": "object", "properties": {"again": NUMBER}}
    wanted = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewSubscription"}}},
    }
    made = {"$ref": "#/components/schemas/MadeSubscription"}
    removed = {"type": "object", "properties": {"id": TEXT, "removed": {"const": True}}}
    discarded = {"type": "object", "properties": {"discarded": NUMBER}}
    return {
        "/v1/subscriptions": {
            "post": _does(
                "make", "Be pushed what is told, each event by a signed POST", made, "201", requestBody=wanted
            ),
            "get": _does("list", "List own subscriptions", _listed("subscriptions", "Subscription")),
        },
        "/v1/subscriptions/{id}": {
            "parameters": [_ID],
            "get": _does("read", "Read how one goes", one),
            "delete": _does("remove", "Push it no more", removed),
        },
        "/v1/subscriptions/{id}/resume": {
            "parameters": [_ID],
            "post": _does("resume", "Try again at once, also after a 410", one),
        },
        "/v1/subscriptions/{id}/dead": {
            "parameters": [_ID],
            "get": _does("dead", "List events that could not be delivered", _listed("events", "DeadEvent")),
            "post": _does("replay_all", "Send all of them again, once", again),
        },
        "/v1/subscriptions/{id}/dead/{after}": {
            "parameters": [_ID, _AFTER],
            "post": _does("replay", "Send it again, once", again),
            "delete": _does("discard", "Forget it", discarded),
        },
    }
