"""`hub handling` counts from the store, whether a hub runs or not."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Hub


def test_nothing_handled_is_told_as_nothing(hub: Hub, settings: Path, tmp_path: Path) -> None:
    assert "Handling from 2026-03-01 to 2026-03-15: none" in hub("handling", "--to", "2026-03-15")[1]
    told = json.loads(hub("handling", "--to", "2026-03-15", "--json")[1])
    assert (told["from"], told["to"], told["counts"]) == ("2026-03-01", "2026-03-15", [])
    hub("handling", "--csv", "counts.csv", "--agency", "land_vbdlis")
    assert (tmp_path / "counts.csv").read_text("utf-8").startswith("agency,procedure,received,forwarded,returned")


def test_who_handles_nothing_and_days_that_are_none_are_told(hub: Hub, settings: Path) -> None:
    status, _, errors = hub("handling", "--agency", "npsp")
    assert status == 1
    assert "no such agency" in errors
    assert "2026-03-15" in hub("handling", "--from", "15/3/2026")[2]
