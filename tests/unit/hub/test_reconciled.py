"""What can be compared, and when, follows from settings: never in nobody's name where personal data is asked for."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play
from hub.app.installed import install
from hub.app.reconciling import reconciled_of, uncompared
from hub.cli.sandbox import invented_settings, snippet
from hub.reconciling import Reconciled
from hub.settings import load_settings

PEOPLE = 'scheduled_as = { officer = "hub-duty", unit = "H32" }\n'


async def read(tmp_path: Path, **lines: str) -> tuple[dict[str, Reconciled], list[str]]:
    """Return what can be compared of an installation, and what it is told, where agencies' entries have *lines*."""
    plays = [
        Play(name, folder, invented_settings(folder), base_url=f"https://{name}.example")
        for name, folder in find_connectors().items()
    ]
    text = "\n".join(line for line in snippet(plays).splitlines() if not line.startswith("scheduled_as"))
    for agency, more in lines.items():
        text = text.replace(f"[agencies.{agency}]\n", f"[agencies.{agency}]\n{more}")
    (tmp_path / "hub.toml").write_text(text, "utf-8")
    settings = load_settings({}, tmp_path / "hub.toml")
    installed = install(settings, os.environ, lambda: 1_800_000_000.0)
    lanes: Any = {name: SimpleNamespace(name=name) for name in installed}
    found = {one.lane.name: one for one in reconciled_of(installed, lanes, settings)}
    findings = [f"{one.where}: {one.says}. {one.do}" for one in uncompared(installed, settings)]
    for one in installed.values():
        await one.agency.close()
    return found, findings


async def test_an_agency_is_compared_at_its_moment_and_for_whom_its_entry_names(tmp_path: Path) -> None:
    found, findings = await read(tmp_path, npsp=PEOPLE + 'reconcile = "02:30"\n', payment=PEOPLE)
    npsp, payment = found["npsp"], found["payment"]
    assert (npsp.at, npsp.officer, npsp.unit) == (9000.0, "hub-duty", "H32")
    assert set(npsp.operations) == {"file_dossier", "update_dossier"}
    assert payment.at is None, "only when somebody wants it"
    assert "police" not in found
    assert findings == []


async def test_what_asks_for_personal_data_in_nobodys_name_is_not_compared_and_told(tmp_path: Path) -> None:
    found, (finding,) = await read(tmp_path, npsp='reconcile = "02:30"\n')
    assert "npsp" not in found
    assert "payment" not in found
    assert "reconciliation of npsp" in finding
    assert "scheduled_as" in finding


@pytest.mark.parametrize("agency", ["police", "business_register"])
async def test_an_agency_that_nothing_is_filed_at_cannot_be_compared(tmp_path: Path, agency: str) -> None:
    _, (finding,) = await read(tmp_path, **{agency: PEOPLE + 'reconcile = "23:59"\n'})
    assert f"take `reconcile` out of [agencies.{agency}]" in finding
