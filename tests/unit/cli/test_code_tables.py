"""Commands go by the code tables of the running hub: the shared ones, or those that the operator completed."""

import json
import re
from pathlib import Path

from connectors.kit.registry import find_connectors
from tests.unit.cli.conftest import Hub


def test_code_tables_are_checked_with_those_that_a_province_completed(hub: Hub, tmp_path: Path) -> None:
    status, out, _ = hub("check", "police", "--tables", "--json")
    told = json.loads(out)
    assert (status, told["passed"]) == (0, True)
    assert {(one["home"], one["table"]) for one in told["tables"]} >= {("shared", "communes"), ("police", "sex")}
    (tmp_path / "codes").mkdir()
    table = "ours,theirs,valid_to,succeeded_by\n99001,97.901.99001,2025-06-30,99002\n99002,98.99002,2024-01-01,\n"
    (tmp_path / "codes" / "communes.csv").write_text(table, "utf-8")
    (tmp_path / "hub.toml").write_text('[hub]\ncodes = "codes"\n', "utf-8")
    status, out, _ = hub("check", "--tables")
    assert status == 1
    assert "codes/communes.csv [code 99001]: is succeeded by `99002`, which has no row for 2025-07-01" in out
    assert "codes/communes.csv [code 99002]: ended on 2024-01-01 and nothing took its place" in out
    (tmp_path / "codes" / "commune.csv").write_text("ours,theirs\n99001,97.99001\n", "utf-8")
    out = hub("check", "--tables")[1]
    assert "codes/commune.csv: stands in for no shared table" in out
    assert "did you mean `communes`" in out
    (tmp_path / "codes" / "communes.csv").write_text("ours,theirs\n99001\n", "utf-8")
    status, out, _ = hub("check", "--tables")
    assert (status, "codes/communes.csv [line 2]: has 1 cells" in out) == (1, True)


def completed(folder: Path, code: str, successors: str) -> None:
    """Write settings in *folder* that name an operator's own communes: ours, and *code* with other *successors*."""
    shared = find_connectors()["npsp"].parents[1] / "mappings/codes/communes.csv"
    row = re.compile(rf"^({code},[0-9]+\.[0-9]+\.{code},,,2025-06-30,)[0-9 ]+,", re.MULTILINE)
    table, rows = row.subn(rf"\g<1>{successors},", shared.read_text("utf-8"))
    assert rows == 1
    (folder / "codes").mkdir()
    (folder / "codes" / "communes.csv").write_text(table, "utf-8")
    (folder / "hub.toml").write_text('[hub]\ncodes = "codes"\n', "utf-8")


def test_samples_are_checked_by_the_code_tables_that_the_hub_would_use(hub: Hub, tmp_path: Path) -> None:
    completed(tmp_path, "22366", "22366 22390")  # the samples speak of it as of one that has one successor
    status, out, _ = hub("check", "civil_status")
    assert status == 1
    assert "no single commune took its place" in out
    (tmp_path / "codes" / "communes.csv").write_text("ours,theirs\n99001\n", "utf-8")
    for words in (("check", "police"), ("check", "police", "civil_status")):
        status, out, errors = hub(*words)
        assert (status, errors.count("codes/communes.csv [line 2]: has 1 cells")) == (2, 1), out


def test_a_dry_run_uses_the_code_tables_that_the_hub_would_use(hub: Hub, tmp_path: Path) -> None:
    folder = find_connectors()["land_vbdlis"] / "samples/file_dossier.ok"
    request = json.loads((folder / "request.canonical.json").read_text("utf-8"))
    request["land"]["location"] = {"province": "56", "old_district": "568", "commune": "22435"}
    one = ("call", "land_vbdlis.file_dossier", "--data", json.dumps(request), "--dry-run")
    assert hub(*one)[0] == 1, "it was divided"
    completed(tmp_path, "22435", "22435")
    status, out, errors = hub(*one)
    assert (status, errors) == (0, "")
    assert json.loads(out)["bytes"] > 0
    table = tmp_path / "codes" / "communes.csv"
    text = table.read_text("utf-8")
    table.write_text(text.replace("22435,56.22435,,2025-07-01,,", "22435,56.22435,,2025-07-01,2126-12-31,"), "utf-8")
    assert hub(*one)[0] == 0, "it stands today; that it ends one day does not matter yet"
