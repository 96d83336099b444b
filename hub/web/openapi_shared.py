"""What every part of the OpenAPI document says. See `openapi.py`."""

from typing import Any, Final

TEXT: Final[dict[str, Any]] = {"type": "string"}
NUMBER: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
PROBLEM: Final[dict[str, Any]] = {
    "description": "A problem; `Retry-After` where waiting helps",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
