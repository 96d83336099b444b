"""A tax office in a temporary folder whose notices a test writes, bound to invented settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import InDoubt, Outcome
from connectors.kit.registry import bind, load_connector

FACTS = """
[connector]
title = "Tax office"
title_vi = "Cơ quan thuế thử nghiệm"
version = "0.1.0"
owner = "Tổ liên thông"
protocol = "rest"
maturity = "draft"
[settings.security_key]
help = "Key they show"
secret = true
[settings.sign_key]
help = "Key that signs"
secret = true
[contract]
calls_per_second = 5
calls_per_day = 1000
calls_at_once = 4
call_timeout = 10
queue_calls = 20
queue_seconds = 15
backlog_calls = 100
request_bytes = 100000
reply_bytes = 1000000
[inbound]
calls_per_second = 5
calls_at_once = 4
call_timeout = 10
request_bytes = 100000
"""
POLL = """
[operations.list_steps]
kind = "lookup"
call = "POST /list"
wrap = { Loai = "=BUOC", SoDong = "page.size" }
code = "code"
every = 60.0
[operations.confirm_step]
kind = "filing"
call = "POST /confirm"
sends = "asked"
code = "code"
[operations.return_step]
kind = "filing"
call = "POST /return"
sends = "asked"
wrap = { data = "payload", why = "notice.reason" }
code = "code"
[notices.step_listed]
from = "list_steps"
page = { size = 2, after = "TuId", next = "IdCuoi" }
unwrap = ["json", "data[]"]
returns = "step"
unique = ["MaHoSo"]
ref = { code = "MaHoSo" }
taken = "confirm_step"
refused = "return_step"
"""
"""A notice that is fetched, acknowledged and refused; its mappings are `step` and `asked`."""
STEP = """
canonical = "ProcessingStep@1"
agency = "ROOT"
[fields]
"dossier" = "MaHoSo"
"handler" = "Nguoi"
"processed_at" = { at = "Luc", as = "moment yyyyMMddHHmmss" }
"status" = { at = "TrangThai", codes = "status" }
[withheld]
"position" = "not told"
"unit" = "not told"
"content" = "not told"
"started_at" = "not told"
"due_at" = "not told"
"""
STATUS = "ours,theirs\nprocessing,4\nfinished,9\n"
SETTINGS = {"security_key": "k3y", "sign_key": "s1gn"}

Office: TypeAlias = Callable[..., BoundAgency]
"""Takes `[notices]` and `[operations]` as TOML and further files; returns the agency."""


@pytest.fixture
def step_map() -> Callable[[str], str]:
    """The mapping `step` of the office, at a root that a test names."""
    return lambda root: STEP.replace("ROOT", root)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    def made(
        tables: str,
        *,
        root: str = "",
        files: Mapping[str, str] | None = None,
        settings: Mapping[str, str] = SETTINGS,
        answer: Callable[[WireRequest], WireReply | Outcome] = lambda _: InDoubt("nothing"),
        protocol: str = "rest",
    ) -> BoundAgency:
        folder = tmp_path / "tax"
        written = {
            "manifest.toml": FACTS.replace('protocol = "rest"', f'protocol = "{protocol}"') + tables,
            "step.map.toml": STEP.replace("ROOT", root),
            "codes/status.csv": STATUS,
            **(files or {}),
        }
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        connector = load_connector(folder)
        return bind(
            connector,
            name="tax",
            base_url="https://tax.example",
            settings=settings,
            sender=CannedSender(answer),
            now=lambda: 1_767_225_600.0,
            contract=connector.manifest.contract,
        )

    return made
