"""A running hub finds what an agency lacks or has otherwise, files again exactly what is missing, and counts handling."""

import csv
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from hub.surroundings import ICT
from mappings.canonical import Dossier, PaymentOrder
from tests.integration.test_land_asks_and_tells import LAND, OFFICERS, UNITS, land, told

__all__ = ["land"]
pytestmark = pytest.mark.process
CODES = ("000.00.14.H32-260315-00001", "000.00.14.H32-260315-00002", "000.00.14.H32-260315-00003")


def sample(connector: str, name: str) -> dict[str, Any]:
    (found,) = [one.request for one in load_samples(find_connectors()[connector]) if one.name == name]
    assert isinstance(found, Mapping)
    return dict(found)


def today() -> str:
    return datetime.now(ICT).date().isoformat()


async def filed(stage: Any, operation: str, model: Any, fields: dict[str, Any], dossier: str, key: str) -> None:
    async with stage.client() as hub:
        purpose = Purpose(officer="cb-102", unit="H32", dossier=dossier)
        request = model.model_validate_json(json.dumps(fields))
        await hub.file(operation, request, answer=RootModel[Any], purpose=purpose, key=key, wait=20)


async def compared(stage: Any, agency: str, *words: str, status: int = 0) -> dict[str, Any]:
    """Run `hub reconcile` beside the hub, and return its run with the lines by dossier."""
    aimed = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    ended, out, errors = await stage.hub("reconcile", agency, "--day", today(), "--json", *words, **aimed)
    assert ended == status, errors
    run: dict[str, Any] = json.loads(out)
    return run | {"lines": {line["dossier"]: line for line in run["lines"]}}


async def test_what_the_portal_lacks_is_filed_again_once_and_what_it_shows_otherwise_is_left(stage: Any) -> None:
    await stage.start()
    fields = sample("npsp", "file_dossier.ok") | {"status": "received"}
    for code in CODES:
        await filed(stage, "npsp.file_dossier", Dossier, fields | {"code": code}, code, code)
    records = stage.sandbox._stages["npsp"].played.filed
    (gone,) = [key for key in records._records if key[1] == CODES[1]]
    del records._records[gone]
    (other,) = [one for one in records if one.key == CODES[2]]
    other.payload["TrangThaiHoSo"] = "9"

    run = await compared(stage, "npsp", "--csv", "found.csv")
    assert run["counts"] == {"file_dossier": {"same": 1, "missing": 1, "differs": 1}}
    assert run["lines"][CODES[1]]["verdict"] == "missing"
    assert run["lines"][CODES[2]]["fields"] == [{"field": "status", "ours": "received", "theirs": "finished"}]
    assert fields["summary"] not in json.dumps(run, ensure_ascii=False)
    with (stage.folder / "found.csv").open(encoding="utf-8") as file:
        assert {row["dossier"]: row["verdict"] for row in csv.DictReader(file)} == {
            CODES[1]: "missing", CODES[2]: "differs",
        }  # fmt: skip
    assert stage.arrived("npsp", "file_dossier") == 3, "without --file nothing is filed"

    run = await compared(stage, "npsp", "--file")
    assert [dossier for dossier, line in run["lines"].items() if line["filed_again_as"]] == [CODES[1]]
    await stage.comes("npsp", "file_dossier", 4)
    await stage.until(lambda: any(one["key"] == CODES[1] for one in stage.sandbox.filed("npsp")), "dossier filed again")

    async def there() -> bool:
        counts = (await compared(stage, "npsp", "--file"))["counts"]["file_dossier"]
        return bool(counts == {"same": 2, "superseded": 1, "differs": 1})

    await stage.until_true(there, "three dossiers at the portal")
    assert stage.arrived("npsp", "file_dossier") == 4, "a second --file does nothing"
    assert other.payload["TrangThaiHoSo"] == "9", "what differs is never overwritten"
    async with stage.operator() as http:
        metrics = (await http.get("/metrics")).text
    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="differs"} 1.0' in metrics
    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="missing"} 0.0' in metrics


async def test_a_payment_of_which_the_platform_knows_nothing_is_listed_and_never_started_again(stage: Any) -> None:
    """The platform has no word for a payment that it does not know (answers.csv): it is listed as not to be told."""
    stage.entry("payment", 'scheduled_as = { officer = "cb-102", unit = "H32" }')
    await stage.start()
    order = sample("payment", "start_payment.started")
    for number in range(3):
        await filed(stage, "payment.start_payment", PaymentOrder, order, order["dossier"], f"payment-{number}")
    records = stage.sandbox._stages["payment"].played.filed
    first, second, _ = [key for key, record in records._records.items() if not record.seeded]
    stage.sandbox.stand("payment", second[1], "ok")
    del records._records[first]
    aimed = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    ended, out, errors = await stage.hub("reconcile", "payment", "--day", today(), "--file", "--json", **aimed)
    assert ended == 0, errors
    run = json.loads(out)
    assert run["counts"] == {"start_payment": {"same": 1, "unknown": 1, "differs": 1}}
    differs, unknown = sorted(run["lines"], key=lambda line: str(line["verdict"]))
    assert unknown["cause"]
    assert differs["fields"] == [{"field": "result", "ours": "pending", "theirs": "ok"}]
    assert [line["filed_again_as"] for line in run["lines"]] == [None, None]
    assert stage.arrived("payment", "start_payment") == 3


async def test_how_a_dossier_was_handled_is_counted_from_what_passes(land: Any) -> None:
    await land.start()
    async with land.operator() as http:
        for register, content in (("units", UNITS), ("officers", OFFICERS)):
            assert (await http.put(f"/admin/v1/{register}", content=content.encode())).status_code == 200
    fields = sample(LAND, "file_dossier.ok") | {"documents": []}
    begun = datetime.now(ICT).replace(microsecond=0)
    for code, days in ((CODES[0], 5), (CODES[1], -1)):
        due = {"code": code, "due_at": (begun + timedelta(days)).isoformat()}
        await filed(land, f"{LAND}.file_dossier", Dossier, fields | due, code, code)

    async def counts() -> dict[str, int]:
        async with land.client() as hub:
            (row,) = await hub.handling(agency=LAND)
            return {name: number for name, number in row.model_dump().items() if isinstance(number, int) and number}

    assert await counts() == {"received": 2, "forwarded": 2, "overdue": 1}
    for code in CODES:
        for _ in range(2):
            said = await told(land, "result_returned", SoBienNhan=code, NgayKetThuc=_of_land(begun))
            assert said["Result"] == 1
    assert await counts() == {"received": 2, "forwarded": 2, "returned": 2, "on_time": 1, "late": 1}
    async with land.client() as hub:
        reply = await hub.send("GET", "/v1/handling", headers={"accept": "text/csv"})
    (row,) = [row for row in csv.DictReader(reply.text.splitlines()) if row["agency"] == LAND]
    assert (row["returned"], row["late"], row["procedure"]) == ("2", "1", fields["procedure_code"])


def _of_land(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_killed_at_each_of_its_commits_a_comparison_ends_and_files_again_once(stage: Any) -> None:
    await stage.start()
    fields = sample("npsp", "file_dossier.ok") | {"status": "received"}
    for code in CODES:
        await filed(stage, "npsp.file_dossier", Dossier, fields | {"code": code}, code, code)
    records = stage.sandbox._stages["npsp"].played.filed
    (gone,) = [key for key in records._records if key[1] == CODES[1]]
    del records._records[gone]
    for name in ("want_reconciliation", "lease_reconciliation", "take_stretch"):
        for place in ("before", "after"):
            await stage.stop()
            await stage.start(HUB_FAILPOINT=f"{name}.{place}_commit", HUB_TESTING="1")
            async with stage.operator() as http:
                with suppress(httpx2.TransportError):  # it may die before it has answered
                    wanted = {"agency": "npsp", "day": today(), "file": True}
                    (await http.post("/admin/v1/reconciliations", json=wanted)).raise_for_status()
            assert await stage.ended() == -9, (name, place)
            await stage.start()

    async def there() -> bool:
        counts = (await compared(stage, "npsp"))["counts"]["file_dossier"]
        return bool(counts == {"same": 3, "superseded": 1})

    await stage.until_true(there, "three dossiers at the portal")
    assert stage.arrived("npsp", "file_dossier") == 4, "what is missing is filed again once"
