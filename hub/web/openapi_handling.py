"""What the OpenAPI document says of the door to counts of handling. See `openapi.py`."""

from typing import Any, Final

from hub.web.openapi_shared import NUMBER, PROBLEM, TEXT

_SAYS: Final = {
    "received": "Taken on by the hub in the period",
    "forwarded": "Taken by the agency in the period",
    "returned": "Ended by the agency in the period, with a result or without",
    "sent_back": "Given back by the agency in the period, to be mended and filed again",
    "withdrawn": "Withdrawn in the period",
    "on_time": "Of the returned: until the promised moment",
    "late": "Of the returned: after it",
    "overdue": "At the agency now, though promised for a moment that has passed; of no period",
}
_ASKED: Final = {
    "from": "First day (+07:00), such as 2026-03-01; without it, the first of the month of `to`",
    "to": "Last day; without it, today. At most 366 days",
    "agency": "One agency; without it, all that the key reaches",
    "procedure": "One procedure code",
}


def paths() -> dict[str, Any]:
    """Return the door."""
    counts = {name: NUMBER | {"description": says} for name, says in _SAYS.items()}
    row = {"type": "object", "properties": {"agency": TEXT, "procedure": TEXT} | counts}
    whole = {
        "from": TEXT | {"format": "date"},
        "to": TEXT | {"format": "date"},
        "counted_at": TEXT | {"format": "date-time"},
        "counts": {"type": "array", "items": row},
    }
    schema = {"type": "object", "properties": whole}
    asked = [{"name": name, "in": "query", "description": says, "schema": TEXT} for name, says in _ASKED.items()]
    return {
        "/v1/handling": {
            "get": {
                "operationId": "handling.read",
                "summary": "Count how agencies handled dossiers, by procedure",
                "description": "Counts only. A dossier that goes round twice is counted by its last end.",
                "parameters": asked,
                "responses": {
                    "200": {
                        "description": "The counts; `Accept: text/csv` gives them as a table",
                        "content": {"application/json": {"schema": schema}, "text/csv": {"schema": TEXT}},
                    },
                    "default": PROBLEM,
                },
            }
        }
    }
