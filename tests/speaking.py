"""An agency that speaks to us in JSON, without a connector: what doors and engine are tested against."""

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Notice, NotTaken, Told, Understood, Way, WireNotice
from mappings.canonical.dossier import DossierQuery, ProcessingStep
from mappings.errors import Fault

KEY = "invented-inbound-key"
STEP: dict[str, Any] = {
    "dossier": "H32.1-261123-0001",
    "handler": "Người Thử",
    "processed_at": "2026-11-27T08:00:00+07:00",
    "status": "processing",
}


class Numbers(BaseModel):
    """Numbers of receipts, of which each asker gets one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    book: str
    numbers: tuple[str, ...]


def notice(name: str, model: type[BaseModel] | None = ProcessingStep, **changes: Any) -> Notice:
    facts: dict[str, Any] = {
        "kind": "notice", "answer": None, "personal_data": True, "agrees": (), "ref": ("slip",), "fetched_by": None,
        "every": None, "acknowledged_by": None, "refused_by": None,
    }  # fmt: skip
    return Notice(name=name, model=model, **(facts | changes))


NOTICES = {
    one.name: one
    for one in (
        notice("dossier_progressed"),
        notice("payment_confirmed", agrees=("status",)),
        notice("request_progressed", fetched_by="lookup_request", every=60.0, asked_after=True),
        notice("bell_rung", None),
        notice("procedures_asked", None, kind="question", answer=DossierQuery),
        notice("number_asked", None, kind="question", answer=Numbers),
    )
}


class Spoken:
    """An `Inbox`. A body is `{"records": [{value, unique, refs, file}]}`; `mended` lets through what has no `handler`."""

    def __init__(self, wsdl: bytes | None = b"<wsdl/>") -> None:
        self.mended = False
        self.threads: set[str] = set()
        self._wsdl = wsdl

    @property
    def notices(self) -> Mapping[str, Notice]:
        return NOTICES

    def denies(self, notice: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        return headers.get("apikey") != KEY

    def read(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        self.threads.add(threading.current_thread().name)
        return NotTaken(notice, "denied") if came.headers.get("apikey") != KEY else self.read_again(notice, came)

    def read_again(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        try:
            records = json.loads(came.body)["records"]
        except (ValueError, KeyError, TypeError):
            return NotTaken(notice, "refused", (Fault("body", "is no JSON with records"),))
        told: list[Told] = []
        faults: list[Fault] = []
        model = self.notices[notice].model
        for place, record in enumerate(records):
            try:
                value = None if model is None else self._value(record.get("value"))
            except ValidationError as error:
                faults += [Fault(f"told[{place}]/{one['loc'][0]}", one["type"]) for one in error.errors()]
                continue
            file = record.get("file", "").encode()
            files = {hashlib.sha256(file).hexdigest(): file} if file else {}
            told.append(Told(value, record.get("unique"), record.get("refs", {}), files=files))
        return NotTaken(notice, "refused", tuple(faults)) if faults else Understood(notice, tuple(told))

    def _value(self, value: Any) -> ProcessingStep:
        if self.mended and isinstance(value, dict):
            value = {"handler": "Người Thử"} | value
        return ProcessingStep.model_validate_json(json.dumps(value))

    def read_soap(self, came: WireNotice) -> Understood | NotTaken:
        if b"dossier_progressed" in came.body:
            return Understood("dossier_progressed", (Told(None, None),))
        return NotTaken("", "refused", (Fault("Body", "is no message of ours"),))

    def reply(
        self, notice: str, way: Way, *, reason: str = "", answer: BaseModel | None = None, retry_after: float = 0.0
    ) -> WireReply:
        said = {"result": way, "reason": reason, "data": answer.model_dump(mode="json") if answer else None}
        headers = {"content-type": "application/json"} | ({"retry-after": "1"} if retry_after else {})
        return WireReply(200, headers, json.dumps(said).encode())

    def wsdl(self, address: str) -> bytes | None:
        return self._wsdl and self._wsdl + address.encode()


def body(*records: Any) -> bytes:
    return json.dumps({"records": records}, ensure_ascii=False).encode()


def step(unique: str | None = None, refs: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    return {"value": STEP | changes, "unique": unique, "refs": dict(refs or {})}


def pushed(content: bytes, key: str = KEY) -> WireNotice:
    return WireNotice({"apikey": key, "content-type": "application/json"}, {}, content)
