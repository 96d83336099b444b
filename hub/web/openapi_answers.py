"""What the OpenAPI document says of the doors at which callers publish answers to agencies' questions. See `openapi.py`."""

from typing import Any

from hub.web.openapi_shared import PROBLEM


def path(agency: str, question: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the doors of one question, which is answered by what *schema* says."""
    text = {"type": ["string", "null"]}
    about = {
        "agency": {"type": "string"},
        "question": {"type": "string"},
        "published_by": text | {"description": "The caller whose answer this is; null: nobody has published any"},
        "published_at": text | {"format": "date-time"},
        "left": {"type": "integer", "minimum": 0, "description": "Where each asker is given one: how many are left"},
    }
    whole = about | {"value": {"anyOf": [schema, {"type": "null"}]}}
    title = question.replace("_", " ")
    return {
        "put": {
            "operationId": f"{agency}.{question}.publish",
            "tags": [agency],
            "summary": f"Publish what answers: {title} ({agency})",
            "description": "The newest counts, whoever published it.",
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": _got("It answers from now on", about),
        },
        "get": {
            "operationId": f"{agency}.{question}.read",
            "tags": [agency],
            "summary": f"Read what answers: {title} ({agency})",
            "responses": _got("What answers now", whole),
        },
    }


def _got(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {
        "200": {"description": description, "content": {"application/json": {"schema": schema}}},
        "default": PROBLEM,
    }
