"""
What else the citizen's new house asks for in `hub demo`: an opinion, a health card, the result by post, power and water.

Scenes of the walk in `demo_walk.py`; all of them belong to its dossier.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import RootModel

from hub.cli.demo_board import COUNTER, Board, must, sample, there
from hub.cli.demo_centre import Centre
from hub.cli.demo_stage import DOSSIER_AGENCIES, Stage
from mappings.canonical import Dossier
from mappings.canonical.dossier_notices import GivenOpinion
from mappings.canonical.dossier_parts import Owner
from mappings.canonical.health_insurance import HealthCard, HealthCardQuery
from mappings.canonical.post import PostOrder, ShipmentStep
from mappings.canonical.utilities import UtilityProgress, UtilityReceipt, UtilityRequest

DEPARTMENT = "department_construction"
WATER = "water_khawassco"


class Others:
    """The acts in order."""

    def __init__(self, stage: Stage, centre: Centre, board: Board) -> None:
        self._stage = stage
        self._centre = centre
        self._board = board

    async def ask_opinion(self, dossier: Dossier) -> None:
        """Play how a department is asked for its opinion on *dossier*, and gives it."""
        await self._board.act(f"{DEPARTMENT}: file the same dossier", lambda: self._file_with_department(dossier))
        await self._board.act(f"{DEPARTMENT} gives its opinion", self._hear_opinion)

    async def move_in(self, owner: Owner) -> None:
        """Play what *owner* needs once the result is there."""
        self._board.scene("The result goes home, and the contracts change hands")
        await self._board.act("social_insurance: look up a health card of the household", self._look_up_card)
        await self._board.act("post_lgsp: order that the result is brought", lambda: self._order_post(owner))
        await self._board.act("power: the contract changes hands", lambda: self._change_power(owner))
        await self._board.act(f"{WATER}: so does that for water", lambda: self._change_water(owner))

    async def _file_with_department(self, dossier: Dossier) -> str:
        await self._centre.file(f"{DEPARTMENT}.file_dossier", dossier, RootModel[Any])
        got = self._centre.filed(DEPARTMENT)
        must(got["CitizenName"] == dossier.owner.full_name, "it has the dossier in the words of the LGSP")
        others = [name for name in DOSSIER_AGENCIES if name != DEPARTMENT]
        must(not any(self._stage.sandbox.filed(name) for name in others), "none of the other agencies has it")
        return f"one of {len(DOSSIER_AGENCIES)} agencies of one connector behind one LGSP; the others heard nothing"

    async def _hear_opinion(self) -> str:
        (said,) = await self._centre.tell(DEPARTMENT, "opinion_given.taken", {"DocCode": self._centre.code})
        must(said["Status"] == 200, "the department is told that it was taken")
        opinion = await self._centre.heard(f"{DEPARTMENT}.opinion_given", GivenOpinion)
        must(bool(opinion.documents), "its letter came along")
        return f"{opinion.opinion}, letter {opinion.letter_number}, kept as a file of the hub"

    async def _look_up_card(self) -> str:
        found = await self._centre.hub.call(
            "social_insurance.lookup_card",
            sample("social_insurance", "lookup_card.ok", HealthCardQuery),
            answer=HealthCard,
            purpose=self._centre.purpose,
            urgency=COUNTER,
            wait=10,
        )
        card = there(found.value, "the card is found")
        return f"{card.status} until {card.valid_until}; the gateway is told which officer asks"

    async def _order_post(self, owner: Owner) -> str:
        order = sample("post_lgsp", "order_shipment.ok", PostOrder)
        number = f"{self._centre.code}-2"
        receiver = order.receiver.model_copy(update={"full_name": owner.full_name})
        asked = order.model_copy(update={"order_number": number, "receiver": receiver})
        await self._centre.file("post_lgsp.order_shipment", asked, RootModel[Any])
        put = {"OrderNumber": number}
        said = await self._centre.tell("post_lgsp", "shipment_progressed.taken", put, times=2)
        must([one["Status"] for one in said] == ["100", "101"], "the post hears that it was taken, then known")
        step = await self._centre.heard("post_lgsp.shipment_progressed", ShipmentStep)
        return f"order {number}: {step.step_name}, told twice and heard once"

    async def _change_power(self, owner: Owner) -> str:
        ticket = await self._centre.file(
            "power.file_request", self._change("power", owner), RootModel[Any], result="pending"
        )
        key = ticket.call.replace("-", "")
        must(
            self._centre.filed("power", key)["DV_YEU_CAU"]["TEN_NGUOIYCAU"] == owner.full_name, "its tables are filled"
        )
        must(self._stage.sandbox.stand("power", key, "ok") == 1, "the company does its work")
        ended = await self._centre.ended("power", ticket.call, UtilityProgress)
        progress = there(ended.value, "the answer is how far it came")
        must((ended.result, progress.status) == ("ok", "finished"), "the contract has changed hands")
        steps = " → ".join(str(one.step) for one in progress.steps)
        return f"asked after until it was done: {steps} (in this demo every second, else every hour)"

    async def _change_water(self, owner: Owner) -> str:
        ticket = await self._centre.file(f"{WATER}.file_request", self._change(WATER, owner), UtilityReceipt)
        filed = await self._centre.hub.read(WATER, ticket.call, answer=UtilityReceipt)
        put: Mapping[str, Any] = {
            "requestId": there(filed.value, "the company gives it a number").request,
            "dossierCode": self._centre.code,
        }
        (said,) = await self._centre.tell(WATER, "request_progressed.done", put)
        must(said["result"] == "taken", "the company is told that it was taken")
        progress = await self._centre.heard(f"{WATER}.request_progressed", UtilityProgress)
        return f"the same request in its words; the company tells {progress.step}, which is {progress.status}"

    def _change(self, company: str, owner: Owner) -> UtilityRequest:
        request = sample(company, "file_request.change_owner", UtilityRequest)
        applicant = request.applicant.model_copy(
            update={"full_name": owner.full_name, "identity_number": owner.identity_number}
        )
        changes = {"dossier": self._centre.code, "applicant": applicant, "documents": ()}
        return request.model_copy(update=changes)
