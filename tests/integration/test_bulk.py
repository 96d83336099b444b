"""A batch and its feed through a real hub that is killed in the middle: every line settles once, every end is heard."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic import RootModel

from hub.client import BatchLine, HubClient, Purpose

pytestmark = pytest.mark.process
LINES = 300
BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"


class _Heard:
    """What one listener heard, and where it goes on."""

    def __init__(self) -> None:
        self.place = "0"
        self.ends: Counter[tuple[str, str]] = Counter()
        self.calls: list[str] = []

    async def listen(self, hub: HubClient) -> None:
        async for event in hub.settled(["npsp"], answer=RootModel[Any], after=self.place):
            self.place = event.place
            self.ends[event.id, event.call.state] += 1
            self.calls.append(event.call.call)


async def test_a_batch_outlives_a_hub_that_is_killed_and_its_feed_goes_on(
    stage: Any, dossier: Any, purpose: Purpose
) -> None:
    def lines() -> Any:
        for number in range(LINES):
            code = f"{dossier.code[:-4]}{number:04d}"
            one = dossier.model_copy(update={"code": code})
            yield BatchLine("file_dossier", one, key=code, purpose=Purpose(dossier=code))

    await stage.start()
    heard = _Heard()
    async with stage.client() as hub:
        tickets = [one async for one in hub.batch("npsp", lines(), purpose=purpose, batch=BATCH)]
        assert [ticket.problem for ticket in tickets] == [None] * LINES
        listening = asyncio.create_task(heard.listen(hub))
        await stage.until(lambda: len(heard.calls) >= 20, "20 events")
        await stage.kill()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert len(heard.calls) < LINES

    await stage.start()
    async with stage.client() as hub:
        again = [one async for one in hub.batch("npsp", lines(), purpose=purpose, batch=BATCH)]
        assert [ticket.call for ticket in again] == [ticket.call for ticket in tickets]
        listening = asyncio.create_task(heard.listen(hub))
        mine = {ticket.call for ticket in tickets}
        await stage.until(lambda: mine <= set(heard.calls), "an end of every call", 120)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        members = [one async for one in hub.batch_results("npsp", BATCH, answer=RootModel[Any])]
        assert [one.call for one in members] == [ticket.call for ticket in tickets]
        states = Counter(one.state for one in members)
        assert set(states) <= {"answered", "in_doubt"}
        # Resumed by place, nothing came twice; who was sending when the hub was killed is in doubt, and may be answered yet.
        assert set(heard.ends.values()) == {1}
        assert Counter(heard.calls).most_common(1)[0][1] <= 2
