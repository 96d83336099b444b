"""
The crash tests looked for what is queued and for what is sent one after the other, and read a run's end too early: a
call whose dead node's lease had ended went back to the queue between the two looks, and neither saw it.
"""

import time
from typing import Any

import httpx2

from bench.crashing.cluster import CONTRACT
from bench.crashing.traffic import Traffic

GOES = ("sending", "queued", "sending", "answered")
"""Where one call stands at one reading after another."""


class OneCall:
    """A hub's door behind which one call moves with every reading."""

    contract = CONTRACT

    def __init__(self) -> None:
        self.readings = 0

    async def ask(self, method: str, path: str, params: dict[str, str] | None = None) -> httpx2.Response:
        state = GOES[min(self.readings, len(GOES) - 1)]
        self.readings += 1
        sought = (params or {}).get("state")
        calls = [{"call": "c1", "state": state}] if sought in {None, state} else []
        return httpx2.Response(200, json={"calls": calls, "before": None})


async def test_a_run_ends_when_each_call_was_seen_to_have_ended() -> None:
    hub: Any = OneCall()
    traffic = Traffic(hub, sandbox=None, now=time.monotonic, seed=1)  # type: ignore[arg-type]  # nothing is sent
    try:
        await traffic.rest()
    finally:
        await traffic.close()
    assert hub.readings == len(GOES)
