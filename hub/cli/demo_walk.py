"""
One land dossier in `hub demo`, from the counter to the result: four agencies that are called, and that call us.

The software of the one-stop centre speaks here through the typed client; the played agencies tell what they would tell.
"""

from base64 import b64decode
from hashlib import sha256
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, RootModel
from pydantic_core import from_json

from hub.cli.demo_board import COUNTER, INTAKE, OFFICER, UNIT, Board, dossier_code, must, sample, there
from hub.cli.demo_centre import Centre
from hub.cli.demo_others import Others
from hub.cli.demo_stage import Stage
from hub.client import HubClient, Purpose, Ticket
from mappings.canonical import (
    Citizen,
    CitizenQuery,
    Dossier,
    DossierQuery,
    PaymentOrder,
    PaymentResult,
    Procedure,
    ProcedureQuery,
    ProcessingStep,
)
from mappings.canonical.catalogues import Catalogue, CatalogueEntry, ReceiptNumbers
from mappings.canonical.dossier_notices import ReturnedResult
from mappings.canonical.dossier_parts import Document, Owner
from mappings.canonical.payment import Payer, PaymentItem
from mappings.canonical.tax import TaxNotice, TaxVoucher
from mappings.canonical.transfer import Acknowledgement

M = TypeVar("M", bound=BaseModel)

PAPER = b"%PDF-1.7\n% an application about land, of nobody\n%%EOF\n"


class Walk:
    """The acts in order, and what the centre's software knows of its dossier by then."""

    def __init__(self, stage: Stage, hub: HubClient, board: Board) -> None:
        self._stage = stage
        self._sandbox = stage.sandbox
        self._hub = hub
        self._board = board
        self._dossier = sample("land_vbdlis", "file_dossier.ok", Dossier).model_copy(update={"code": dossier_code(1)})
        self._centre = Centre(stage, hub, self._dossier.code)
        self._others = Others(stage, self._centre, board)
        self._owed = sample("payment", "start_payment.started", PaymentOrder)
        self._payment: Ticket[RootModel[Any]] | None = None
        self._reference = ""

    async def play(self) -> None:
        """Play all acts."""
        act = self._board.act
        self._board.scene("A citizen stands at the counter")
        await act("police: look up the citizen, for an intake number", self._look_up_citizen)
        await act("npsp: look up the procedure", self._look_up_procedure)
        await act("The citizen's paper is handed in", self._hand_in_paper)
        await act("npsp: file the dossier", self._file_with_portal)
        await act("npsp: file it again under the same key", self._file_with_portal)
        self._board.scene("The dossier goes to the land register")
        await act("land_vbdlis asks for procedures and receipt numbers", self._answer_land_register)
        await act("land_vbdlis: file the same dossier", self._file_with_land_register)
        await self._others.ask_opinion(self._dossier)
        await act("npsp tells what tax asks for", self._hear_tax_notice)
        self._board.scene("It is paid, and nobody says so")
        await act("payment: start to pay it", self._start_payment)
        await act("The callback gets lost; the hub asks", self._recover_payment)
        await act("Callbacks that are not to be believed", self._refuse_callbacks)
        await act("The callback after all, twice", self._take_late_callback)
        await act("npsp tells that tax has its money", self._hear_voucher)
        self._board.scene("The result")
        await act("land_vbdlis tells the result", self._hear_result)
        await act("npsp: report two steps of its processing", self._tell_portal)
        await act("npsp: look the dossier up again", self._look_up_dossier)
        await self._others.move_in(self._dossier.owner)

    async def _look_up_citizen(self) -> str:
        query = sample("police", "lookup_citizen.found", CitizenQuery)
        purpose = Purpose(officer=OFFICER, unit=UNIT, intake=INTAKE)
        found = await self._hub.call(
            "police.lookup_citizen", query, answer=Citizen, purpose=purpose, urgency=COUNTER, wait=10
        )
        citizen = there(found.value, "the citizen is found")
        owner = Owner(full_name=citizen.full_name, kind=self._dossier.owner.kind, identity_number=citizen.citizen_id)
        self._dossier = self._dossier.model_copy(update={"owner": owner})
        return f"result {found.result}, over SOAP, signed for officer {OFFICER}"

    async def _look_up_procedure(self) -> str:
        query = sample("npsp", "lookup_procedure.ok", ProcedureQuery)
        found = await self._hub.call(
            "npsp.lookup_procedure", query, answer=Procedure, purpose=Purpose(unit=UNIT), urgency=COUNTER
        )
        procedure = there(found.value, "the procedure is found")
        must(procedure.code == self._dossier.procedure_code, "it is that of the dossier")
        return f"result {found.result}: {procedure.code}"

    async def _hand_in_paper(self) -> str:
        kept = await self._hub.upload(PAPER)
        must(kept.file == sha256(PAPER).hexdigest(), "a file is named by its content")
        paper = Document(name="Đơn đăng ký biến động.pdf", file_name="don-dang-ky.pdf", originals=1, url=kept.file)
        self._dossier = self._dossier.model_copy(update={"documents": (paper,)})
        return f"{kept.size} bytes, {kept.media_type}, named {kept.file[:8]}… by its SHA-256"

    async def _file_with_portal(self) -> str:
        ticket = await self._centre.file("npsp.file_dossier", self._dossier, Dossier)
        processed = self._sandbox.arrivals.processed("npsp", "file_dossier", self._dossier.code)
        must(processed == 1, "the portal has it once")
        (paper,) = self._centre.filed("npsp")["TaiLieuNop"]
        async with httpx2.AsyncClient() as portal:
            fetched = (await portal.get(paper["DuongDanTaiTepTin"])).raise_for_status().content
        must(fetched == PAPER, "the portal can fetch the paper by its link")
        return f"call {ticket.call[:8]}…, processed {processed} time; the portal fetched the paper by a signed link"

    async def _answer_land_register(self) -> str:
        entry = CatalogueEntry(code=self._dossier.procedure_code, name=self._dossier.procedure_name)
        await self._hub.publish("land_vbdlis.procedures_asked", Catalogue(entries=(entry,)))
        numbers = [dossier_code(number) for number in (901, 902)]
        await self._hub.publish("land_vbdlis.receipt_number_asked", ReceiptNumbers(numbers=tuple(numbers)))
        (listed,) = await self._centre.tell("land_vbdlis", "procedures_asked.taken")
        must(listed["Data"][0]["MaThuTucHanhChinh"] == entry.code, "it is told the published procedures")
        first, again = await self._centre.tell("land_vbdlis", "receipt_number_asked.taken", times=2)
        (other,) = await self._centre.tell("land_vbdlis", "receipt_number_asked.taken", {"MaYeuCau": "YC-0002"})
        given = [one["Data"] for one in (first, again, other)]
        must(given == [numbers[:1], numbers[:1], numbers[1:]], "each request gets a number of its own, for good")
        return "answered at once from what the centre published; who asks twice gets the same number"

    async def _file_with_land_register(self) -> str:
        await self._centre.file("land_vbdlis.file_dossier", self._dossier, Acknowledgement)
        (paper,) = self._centre.filed("land_vbdlis")["DanhSachGiayToDinhKem"]
        must(b64decode(paper["TapTin"]["data"]) == PAPER, "the paper is inside, byte for byte")
        return "the same canonical dossier in its own words, the paper inside it in base64"

    async def _hear_tax_notice(self) -> str:
        place = "BODY/ROW_LIST/MA_HSO"  # inside base64, inside XML
        (said,) = await self._centre.tell("npsp", "tax_notice_received.one", {place: self._dossier.code})
        must(said["error_code"] == "0", "the portal is told that it was taken")
        (item,) = (await self._centre.heard("npsp.tax_notice_received", TaxNotice)).items
        amount = there(item.amount, "the notice names an amount")
        citizen = self._dossier.owner
        changes = {
            "amount": amount,
            "dossier": self._dossier.code,
            "purpose": f"THANH TOAN HO SO {self._dossier.code}",
            "payer": Payer(full_name=citizen.full_name, identity_number=citizen.identity_number),
            "fine": None,
            "fees": (),
            "items": (PaymentItem(content=item.name or item.notice_number, amount=amount),),
        }
        self._owed = self._owed.model_copy(update=changes)
        return f"notice {item.notice_number}, {amount:,} đồng, out of XML in base64, with the dossier it belongs to"

    async def _start_payment(self) -> str:
        self._payment = await self._centre.file("payment.start_payment", self._owed, RootModel[Any], result="pending")
        (started,) = self._sandbox.filed("payment")
        self._reference = str(started["key"])
        must(self._reference == self._payment.call.replace("-", ""), "the reference is the hub's, one for each call")
        return f"pending: a link to pay at, reference {self._reference[:8]}…"

    async def _recover_payment(self) -> str:
        payment = there(self._payment, "a payment was started")
        must(self._sandbox.stand("payment", self._reference, "ok") == 1, "somebody pays it")
        ended = await self._centre.ended("payment", payment.call, PaymentResult)
        result = there(ended.value, "the answer is how the payment ended")
        must((ended.result, result.state, result.amount) == ("ok", "paid", self._owed.amount), "it is paid in full")
        must(not await self._told_of_payment(), "nobody told, it was asked")
        asked = self._sandbox.arrivals.processed("payment", "lookup_payment", self._reference)
        return f"paid, found by asking (asked {asked} time; in this demo after a second, else after five minutes)"

    async def _refuse_callbacks(self) -> str:
        right = {"MaThamChieu": self._reference, "SoTien": self._owed.amount}
        (forged,) = await self._centre.tell("payment", "payment_settled.taken", right, wrong="signature")
        must(forged["MaLoi"] == "99", "a wrong signature is denied")
        must(await self._stage.dead_notices() == [], "and nothing of it is kept")
        (less,) = await self._centre.tell("payment", "payment_settled.taken", right | {"SoTien": 1})
        must(less["MaLoi"] == "99", "a wrong amount is refused")
        (dead,) = await self._stage.dead_notices()
        must((dead["notice"], dead["cause"]) == ("payment_settled", "agrees"), "it is kept for a person")
        must(not await self._told_of_payment(), "the centre hears of neither")
        return "a wrong signature is denied; a wrong amount is refused, and kept as a dead notice for a person"

    async def _take_late_callback(self) -> str:
        right = {"MaThamChieu": self._reference, "SoTien": self._owed.amount}
        said = await self._centre.tell("payment", "payment_settled.taken", right, times=2)
        must([one["MaLoi"] for one in said] == ["00", "00"], "both times the platform hears that it was taken")
        must(len(await self._told_of_payment()) == 1, "the centre hears of it once")
        must(self._sandbox.arrivals.processed("payment", "start_payment", self._reference) == 1, "it was paid once")
        return "taken, then known: the centre hears of it once, and one payment was made"

    async def _hear_voucher(self) -> str:
        (said,) = await self._centre.tell("npsp", "tax_voucher_received.taken", {"Data/MaHoSo": self._dossier.code})
        must(said["error_code"] == "0", "the portal is told that it was taken")
        voucher = await self._centre.heard("npsp.tax_voucher_received", TaxVoucher)
        must((voucher.status, voucher.amount) == ("paid", self._owed.amount), "tax has what was paid")
        return f"voucher for notice {voucher.notice_number}: {voucher.status}, {voucher.amount:,} đồng"

    async def _hear_result(self) -> str:
        (said,) = await self._centre.tell("land_vbdlis", "result_returned.taken", {"SoBienNhan": self._dossier.code})
        must(said["Result"] == 1, "the land register is told that it was taken")
        result = await self._centre.heard("land_vbdlis.result_returned", ReturnedResult)
        must(result.ending == "result", "there is a result")
        return f"ending {result.ending}: {', '.join(one.name for one in result.documents)}"

    async def _tell_portal(self) -> str:
        template = sample("npsp", "file_progress.ok", ProcessingStep)
        for status in ("processing", "finished"):
            changed = template.model_dump() | {"dossier": self._dossier.code, "status": status}
            step = ProcessingStep.model_validate(changed, strict=False)
            await self._centre.file("npsp.file_progress", step, ProcessingStep, key=f"{self._dossier.code}-{status}")
        return "processing, finished: in this order"

    async def _look_up_dossier(self) -> str:
        found = await self._hub.call(
            "npsp.lookup_dossier",
            DossierQuery(code=self._dossier.code),
            answer=Dossier,
            purpose=self._centre.purpose,
            urgency=COUNTER,
        )
        must(there(found.value, "the dossier is found").status == "finished", "the portal shows the last step")
        calls = await self._hub.find(dossier=self._dossier.code)
        must({"npsp", "land_vbdlis", "payment"} <= {one.agency for one in calls}, "all calls are found by the dossier")
        return "status finished, as reported"

    async def _told_of_payment(self) -> list[dict[str, Any]]:
        """Return every notice of the payment platform that the centre's software finds about its dossier."""
        query = {"after": "0", "dossier": self._dossier.code}
        page = from_json((await self._hub.send("GET", "/v1/notices/payment", params=query)).content)
        return [one for one in page["events"] if one["type"].endswith(".payment_settled")]
