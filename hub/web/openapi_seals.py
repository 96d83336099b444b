"""What the OpenAPI document says of the door that opens seals. See `openapi.py`."""

from typing import Any

from hub.web.openapi_shared import PROBLEM


def paths() -> dict[str, Any]:
    """Return the path, by template."""
    texts = {"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "string"}}
    asked = {"type": "object", "required": ["sealed"], "additionalProperties": False, "properties": {"sealed": texts}}
    got = {"type": "object", "required": ["opened"], "properties": {"opened": texts}}
    return {
        "/v1/seals/{agency}": {
            "parameters": [{"$ref": "#/components/parameters/Agency"}],
            "post": {
                "operationId": "seals.open",
                "summary": "Open what is sealed, such as who denounces",
                "description": "For a key that names `{agency}.sealed`. `Hub-Purpose` names officer and dossier or intake"
                " number; the journal has who asked and why before anything is opened.",
                "parameters": [{"$ref": "#/components/parameters/HubPurpose"}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
                "responses": {
                    "200": {
                        "description": "The texts, in the order of their seals",
                        "content": {"application/json": {"schema": got}},
                    },
                    "default": PROBLEM,
                },
            },
        }
    }
