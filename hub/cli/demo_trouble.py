"""
Trouble in `hub demo`: one agency hangs, and the hub is killed. What must be true all the same is in each act.
"""

import asyncio
import statistics
import time

from connectors.kit.sandbox.faults import Fault
from hub.cli.demo_board import COUNTER, INTAKE, OFFICER, UNIT, Board, dossier_code, must, sample
from hub.cli.demo_stage import Stage
from hub.client import HubClient, Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery, Dossier, Procedure, ProcedureQuery

FILINGS = 12
"""Dossiers handed in just before the hub is killed."""
_FIRST = 101
"""Number of the first of them: none that the rest of the demo files."""


class Trouble:
    """The acts in order."""

    def __init__(self, stage: Stage, board: Board) -> None:
        self._stage = stage
        self._board = board
        self._citizen = sample("police", "lookup_citizen.found", CitizenQuery)
        self._procedure = sample("npsp", "lookup_procedure.ok", ProcedureQuery)
        template = sample("npsp", "file_dossier.ok", Dossier)
        codes = [dossier_code(number) for number in range(_FIRST, _FIRST + FILINGS)]
        self._dossiers = [template.model_copy(update={"code": code}) for code in codes]

    async def play(self) -> None:
        """Play all acts."""
        act = self._board.act
        async with self._stage.client() as hub:
            self._board.scene("One agency hangs")
            await act("police answers while npsp hangs", lambda: self._hang(hub))
            self._board.scene("The hub is killed")
            await act(f"{FILINGS} dossiers handed in, then kill -9", lambda: self._hand_in_and_kill(hub))
        await act("The hub starts again", self._restart)
        async with self._stage.client() as hub:
            await act("Every dossier is where it belongs", lambda: self._nothing_lost(hub))

    async def _hang(self, hub: HubClient) -> str:
        before = await self._police_median(hub)
        self._stage.sandbox.misbehave("npsp", Fault(fault="hang", seconds=60))
        stuck = [asyncio.ensure_future(self._stuck(hub)) for _ in range(8)]
        await asyncio.sleep(0.3)  # a demo shows real time: let the eight get stuck first
        during = await self._police_median(hub)
        codes = await asyncio.gather(*stuck)
        self._stage.sandbox.behave("npsp")
        must(set(codes) == {"call.expired"}, "each caller of the hanging agency hears so")
        must(during < before * 2 + 0.05, "the other agency answers as before")
        return f"median {before * 1000:.0f} ms before, {during * 1000:.0f} ms during; 8 callers of npsp heard `call.expired` after 2 s"

    async def _police_median(self, hub: HubClient) -> float:
        seconds = []
        purpose = Purpose(officer=OFFICER, unit=UNIT, intake=INTAKE)
        for _ in range(9):
            began = time.monotonic()
            await hub.call(
                "police.lookup_citizen", self._citizen, answer=Citizen, purpose=purpose, urgency=COUNTER, wait=10
            )
            seconds.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, 0.115 - seconds[-1]))  # below the contract's rate, or we would time its pacing
        return statistics.median(seconds)

    async def _stuck(self, hub: HubClient) -> str:
        try:
            await hub.call(
                "npsp.lookup_procedure",
                self._procedure,
                answer=Procedure,
                purpose=Purpose(unit=UNIT),
                urgency=COUNTER,
                wait=2,
            )
        except Problem as problem:
            return problem.code
        return "answered"

    async def _hand_in_and_kill(self, hub: HubClient) -> str:
        for dossier in self._dossiers:
            purpose = Purpose(officer=OFFICER, unit=UNIT, dossier=dossier.code)
            await hub.file(
                "npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, urgency=COUNTER, key=dossier.code
            )
        processed = self._stage.sandbox.arrivals.processed
        sent = sum(processed("npsp", "file_dossier", dossier.code) for dossier in self._dossiers)
        await self._stage.kill()
        return f"{FILINGS} tickets given; {sent} had reached the portal"

    async def _restart(self) -> str:
        await self._stage.serve()
        return f"ready after {self._stage.ready_after:.1f} s"

    async def _nothing_lost(self, hub: HubClient) -> str:
        for dossier in self._dossiers:
            (found,) = await hub.find(key=dossier.code)
            filed = await hub.read("npsp", found.call, answer=Dossier, wait=20)
            must(filed.result == "ok", "every ticket ends in an answer")
        portal = {str(one["key"]) for one in self._stage.sandbox.filed("npsp")}
        must({dossier.code for dossier in self._dossiers} <= portal, "the portal has every dossier")
        return f"{FILINGS} of {FILINGS} answered; the portal holds each dossier once"
