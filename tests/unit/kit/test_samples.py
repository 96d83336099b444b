"""What a recorded conversation may consist of."""

from pathlib import Path

import pytest

from connectors.kit.samples import load_samples
from mappings.errors import FilesRefused


def put(folder: Path, name: str, **files: str) -> None:
    place = folder / "samples" / name
    place.mkdir(parents=True)
    for key, text in files.items():
        (place / key.replace("__", ".")).write_text(text, "utf-8")


def test_a_conversation_is_read_with_what_its_folder_holds(tmp_path: Path) -> None:
    put(
        tmp_path,
        "lookup_meter.found",
        request__canonical__json='{"code": "1"}',
        reply__agency__xml="<a/>",
        sample__toml='http = 500\nresult = "refused"\n[sources]\n"call.id" = "1"',
    )
    (sample,) = load_samples(tmp_path)
    assert (sample.operation, sample.case, sample.name) == ("lookup_meter", "found", "lookup_meter.found")
    assert (sample.request, sample.reply, sample.request_agency, sample.reply_agency) == (
        {"code": "1"},
        None,
        None,
        b"<a/>",
    )
    assert (sample.media, sample.http, sample.result, sample.sources) == ("xml", 500, "refused", {"call.id": "1"})


def test_without_a_table_the_reply_is_200_and_ok(tmp_path: Path) -> None:
    put(tmp_path, "lookup_meter.found", reply__agency__json="{}")
    (sample,) = load_samples(tmp_path)
    assert (sample.media, sample.http, sample.result) == ("json", 200, "ok")


def test_a_connector_without_samples_has_none(tmp_path: Path) -> None:
    assert load_samples(tmp_path) == ()


def test_every_fault_of_all_samples_is_told(tmp_path: Path) -> None:
    put(tmp_path, "nameless", request__canonical__json="{")
    put(tmp_path, "a_b.c", reply__agency__txt="")
    put(tmp_path, "a_b.d", sample__toml="htp = 200")
    put(tmp_path, "a_b.e", reply__agency__json="{}", reply__agency__xml="<a/>")
    with pytest.raises(FilesRefused) as refused:
        load_samples(tmp_path)
    assert {fault.file for fault in refused.value.faults} == {
        "samples/nameless",
        "nameless/request.canonical.json",
        "a_b.c/reply.agency.txt",
        "a_b.d/sample.toml",
        "a_b.e/reply.agency",
    }
