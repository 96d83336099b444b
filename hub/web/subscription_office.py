"""
The operators' doors to subscriptions, of all callers. `admin.py` puts them on; `subscriptions.py` has the callers' own.

`GET /subscriptions` · `DELETE /subscriptions/{id}` · `POST .../{id}/resume` · `GET|POST .../{id}/dead` ·
`POST|DELETE .../{id}/dead/{after}`
"""

from typing import Annotated, Any

from fastapi import Path

from hub.pushing.subscribing import Subscribing
from hub.web.lanes import OPERATOR, Doors
from hub.web.notices import LAST
from hub.web.subscriptions import dead_shown, subscription_shown

Place = Annotated[int, Path(ge=0, le=LAST)]


def subscription_doors(subscribing: Subscribing) -> Doors:
    """Return all of them."""

    async def listed(caller: str | None = None) -> list[dict[str, Any]]:
        return [subscription_shown(*one) | {"caller": one[0].caller} for one in await subscribing.all(caller)]

    async def remove(of: str) -> dict[str, Any]:
        await subscribing.remove(of, None, OPERATOR)
        return {"id": of, "removed": True}

    async def resume(of: str) -> dict[str, Any]:
        await subscribing.resume(of, None, OPERATOR)
        return subscription_shown(*await subscribing.one(of, None))

    async def dead(of: str) -> list[dict[str, Any]]:
        return [dead_shown(one) for one in await subscribing.dead(of, None)]

    async def replay_all(of: str) -> dict[str, Any]:
        return {"again": await subscribing.replay(of, None, None, OPERATOR)}

    async def replay(of: str, after: Place) -> dict[str, Any]:
        return {"again": await subscribing.replay(of, after, None, OPERATOR)}

    async def discard(of: str, after: Place) -> dict[str, Any]:
        await subscribing.discard(of, after, None, OPERATOR)
        return {"discarded": after}

    return {
        ("GET", "/subscriptions"): listed,
        ("DELETE", "/subscriptions/{of}"): remove,
        ("POST", "/subscriptions/{of}/resume"): resume,
        ("GET", "/subscriptions/{of}/dead"): dead,
        ("POST", "/subscriptions/{of}/dead"): replay_all,
        ("POST", "/subscriptions/{of}/dead/{after}"): replay,
        ("DELETE", "/subscriptions/{of}/dead/{after}"): discard,
    }
