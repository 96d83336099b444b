"""A sample holds a document as it goes over the wire, and its id where we name it: the check sees that they are one."""

import base64
import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.kit.checks.conversations import replies_are_understood, requests_come_out
from connectors.kit.checks.folder import read_folder

PAPERS = Path(__file__).parents[3] / "bench/connectors/papers"
SCAN = b"%PDF-1.7 invented"
OURS = {"name": "Đơn", "url": sha256(SCAN).hexdigest()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "papers"
    shutil.copytree(PAPERS, place)
    wire = json.dumps({"Ten": "Đơn", "Tep": base64.b64encode(SCAN).decode()}, ensure_ascii=False)
    sample = place / "samples" / "lookup_paper.found"
    sample.mkdir(parents=True)
    for side in ("request", "reply"):
        (sample / f"{side}.canonical.json").write_text(json.dumps(OURS, ensure_ascii=False), "utf-8")
        (sample / f"{side}.agency.json").write_text(wire, "utf-8")
    return place


def test_a_sample_with_a_document_is_what_the_connector_writes_and_reads(folder: Path) -> None:
    read = read_folder(folder)
    assert [*requests_come_out(read), *replies_are_understood(read)] == []


@pytest.mark.parametrize("side", ["request", "reply"])
def test_another_document_is_another_value(folder: Path, side: str) -> None:
    file = folder / "samples" / "lookup_paper.found" / f"{side}.canonical.json"
    file.write_text(json.dumps(OURS | {"url": "0" * 64}, ensure_ascii=False), "utf-8")
    read = read_folder(folder)
    faults = [*requests_come_out(read), *replies_are_understood(read)]
    assert len(faults) == 1, faults
