"""
What the software of the one-stop centre does in `hub demo` for one dossier: it files, it hears, and agencies tell it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, RootModel
from pydantic_core import from_json

from connectors.kit.sandbox.telling import Tell
from hub.cli.demo_board import COUNTER, OFFICER, UNIT, must, there
from hub.cli.demo_stage import Stage
from hub.client import Answer, HubClient, Purpose, Ticket

M = TypeVar("M", bound=BaseModel)

PATIENCE = 30.0
"""Seconds within which the centre's software must have heard of something that has happened."""
PACE = 0.1
"""Seconds before a played agency tells something: at its door, too, a contract counts."""


class Centre:
    """The centre's software, for the dossier *code*; `hub` is its way to the hub, `purpose` why it asks."""

    def __init__(self, stage: Stage, hub: HubClient, code: str) -> None:
        self.hub = hub
        self.code = code
        self.purpose = Purpose(officer=OFFICER, unit=UNIT, dossier=code)
        self._stage = stage

    async def file(
        self, operation: str, request: BaseModel, answer: type[M], *, key: str = "", result: str = "ok"
    ) -> Ticket[M]:
        """File *request* and wait for its *result*; by default one thing of this dossier for each operation."""
        key = key or f"{self.code}-{operation}"
        ticket = await self.hub.file(
            operation, request, answer=answer, purpose=self.purpose, urgency=COUNTER, key=key, wait=10
        )
        filed = ticket.first if ticket.first.state == "answered" else await ticket.result(10)
        must(filed is not None and filed.result == result, f"{operation} ends with {result}")
        return ticket

    def filed(self, agency: str, key: str = "") -> Mapping[str, Any]:
        """Return what *agency* got under *key*, in its own words; without one, what has this dossier's code for a key."""
        (record,) = (one for one in self._stage.sandbox.filed(agency) if one["key"] == (key or self.code))
        payload: Any = record["payload"]
        found: Mapping[str, Any] = payload
        return found

    async def ended(self, agency: str, call: str, answer: type[M]) -> Answer[M]:
        """Return how *call*, which was pending, ended; *agency* is asked after it by the hub alone."""
        async with (
            asyncio.timeout(PATIENCE),
            aclosing(self.hub.settled([agency], answer=RootModel[Any], after="0")) as feed,
        ):
            async for event in feed:
                if event.call.call == call and event.call.result != "pending":
                    break
        return await self.hub.read(agency, call, answer=answer)

    async def tell(
        self,
        agency: str,
        case: str,
        put: Mapping[str, Any] | None = None,
        *,
        times: int = 1,
        wrong: Literal["signature"] | None = None,
    ) -> list[dict[str, Any]]:
        """Have *agency* tell a recorded *case*, with other values at the places of *put*; return what it is answered."""
        to = f"{self._stage.url}/in/{agency}/"
        tell = Tell(samples=[case], to=to, put=dict(put or {}), times=times, wrong=wrong, delay=PACE)
        return [from_json(one.answer) for one in await self._stage.sandbox.tell(agency, tell)]

    async def heard(self, notice: str, value: type[M]) -> M:
        """Return what the centre's software hears of its dossier by *notice*, following the feed."""
        async with (
            asyncio.timeout(PATIENCE),
            aclosing(self.hub.told(notice, value=value, dossier=self.code, after="0")) as feed,
        ):
            return there((await anext(feed)).value, f"{notice} carries a record")
