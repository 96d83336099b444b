"""
A hub is copied under load, lost, and served again from the copy. Judged from outside only: what callers hear and what
came to the agency.
"""

import asyncio
import shutil
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from pydantic_core import from_json

from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from hub.client import Purpose
from mappings.canonical import CitizenQuery, Dossier, ProcessingStep
from tests.integration.conftest import Stage

pytestmark = pytest.mark.process


async def backed_up(stage: Stage, name: str) -> dict[str, Any]:
    status, out, errors = await stage.hub(
        "backup", name, "--json", HUB__HUB__ADMIN=stage.admin_url.removeprefix("http://")
    )
    assert status == 0, errors
    told: dict[str, Any] = from_json(out)
    return told


async def hold(stage: Stage, agency: str) -> None:
    async with stage.operator() as http:
        held = await http.post(f"/admin/v1/lanes/{agency}/hold", json={"seconds": None, "reason": "moving"})
        assert held.status_code == 200


def put_back(stage: Stage, copy: str) -> None:
    """Lose the store, and put the copy in its place."""
    for name in ("hub.db", "hub.db-wal", "hub.db-shm"):
        (stage.folder / name).unlink(missing_ok=True)
    shutil.copy(stage.folder / copy, stage.folder / "hub.db")


async def serve_restored(stage: Stage, moment: str) -> None:
    stage.child = await stage.run("serve", "--after-restore", moment)
    stage._reading = asyncio.create_task(stage._read(stage.child))
    await stage.line("ready")
    ready = next(line for line in reversed(stage.lines) if line["event"] == "ready")
    stage.url, stage.admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"


async def refused_to_serve(stage: Stage, *words: str) -> str:
    status, _, errors = await stage.hub("serve", *words)
    assert status == 2, errors
    return errors


async def test_a_copy_made_under_load_is_whole_and_what_waited_in_it_is_in_doubt(
    stage: Stage, dossier: Dossier, step: ProcessingStep, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    admin = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    assert (await stage.hub("callers", "quota", "one-stop", "1000000", **admin))[
        0
    ] == 0  # the load asks without a pause
    stop = asyncio.Event()
    told: list[str] = []

    async def load(hub: Any) -> None:
        while not stop.is_set():
            ticket = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose)
            told.append(ticket.call)

    async with stage.client() as hub:
        await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="answered", wait=30)
        await hold(stage, "npsp")
        waiting = await hub.file("npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key="waiting")
        loads = [asyncio.create_task(load(hub)) for _ in range(4)]
        await stage.until(lambda: len(told) > 50, "fifty tickets")
        before = list(told)
        made = await backed_up(stage, "copy.db")
        at_most = list(told)
        stop.set()
        await asyncio.gather(*loads)
        async with stage.operator() as http:  # the original goes on, and sends what waits in the copy
            assert (await http.post("/admin/v1/lanes/npsp/resume", json={})).status_code == 200
        await hub.read("npsp", waiting.call, answer=ProcessingStep, wait=30)
    await stage.kill()
    sent = stage.arrived("npsp", "file_progress")
    assert sent == 1

    copy = stage.folder / "copy.db"
    line = from_json((stage.folder / "copy.db.manifest").read_bytes())
    assert line["sha256"] == made["sha256"] == sha256(copy.read_bytes()).hexdigest()
    assert line["moment"] == made["moment"]
    assert {(stage.folder / name).stat().st_mode & 0o777 for name in ("copy.db", "copy.db.manifest")} == {0o600}

    put_back(stage, "copy.db")
    assert made["moment"] in await refused_to_serve(stage)
    assert made["moment"] in await refused_to_serve(stage, "--after-restore", "2026-01-01T00:00:00+07:00")
    await serve_restored(stage, made["moment"])
    async with stage.client() as hub:
        (found,) = await hub.find(key="waiting")
        assert (found.call, found.state, found.cause) == (waiting.call, "in_doubt", "restored")
        (answered,) = await hub.find(key="answered")
        assert answered.state == "answered"
        kept = await known(stage, told)
        assert set(before) <= kept <= set(at_most) | set(told[len(at_most) : len(at_most) + 8])
    async with stage.operator() as http:
        lanes = (await http.get("/admin/v1/lanes")).json()
        day = next(lane for lane in lanes if lane["agency"] == "npsp")["numbers"]["day_quota_remaining"]
    contract = load_manifest(find_connectors()["npsp"]).contract
    assert contract.calls_per_day - day >= len(list(stage.sandbox.arrivals.of("npsp"))) > 1, (
        "what may have been sent, was"
    )
    assert stage.arrived("npsp", "file_progress") == sent, "nothing that waited in the copy goes out by itself"
    await stage.kill()
    assert "was used at" in await refused_to_serve(stage, "--after-restore", made["moment"])
    await stage.start()


async def known(stage: Stage, calls: Sequence[str]) -> set[str]:
    async with httpx2.AsyncClient(base_url=stage.url, headers={"authorization": f"Bearer {stage.key}"}) as http:
        return {call for call in calls if (await http.get(f"/v1/calls/npsp/{call}")).status_code != 404}


async def test_a_copy_is_made_when_no_hub_runs_and_takes_no_other_file_s_place(stage: Stage) -> None:
    await stage.start()
    await stage.kill()
    made = await backed_up(stage, "copy.db")
    assert made["size"] == (stage.folder / "copy.db").stat().st_size
    status, _, errors = await stage.hub("backup", "copy.db")
    assert (status, "not overwritten" in errors) == (1, True)
    status, _, errors = await stage.hub("serve", "--after-restore", "yesterday")
    assert (status, "2026-11-27T08:30:00+07:00" in errors) == (2, True)
    status, _, errors = await stage.hub("serve", "--after-restore", made["moment"])
    assert (status, "was used at" in errors) == (2, True), "a store that was never lost is no copy"
