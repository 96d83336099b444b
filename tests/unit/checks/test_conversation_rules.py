"""The rules on samples find a connector that says something else than was recorded, and people who may be real."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from connectors.kit.checks.differences import xml_difference
from connectors.kit.checks.findings import Finding
from connectors.kit.checks.rules import check_folder

Spoil = Callable[[Path, str, str, str], None]


def found(folder: Path, rule: str) -> list[Finding]:
    return [finding for finding in check_folder(folder).findings if finding.rule == rule]


PLANTED: tuple[tuple[str, str, str, str, str, str], ...] = (
    # rule, file, what stands there, what is planted, key of the finding, words of the finding
    ("loads", "step.map.toml", "moment yyyyMMddHHmmss", "moment yyyymmddhhmmss", "fields.processed_at", "did you mean"),
    (
        "loads",
        "manifest.toml",
        "data = [",
        'session = "auth.session", data = [',
        "operations.file_step.wrap.session",
        "is no source",
    ),
    (
        "samples_recorded",
        "samples/find_step.not_found/sample.toml",
        "not_found",
        "notfound",
        "result",
        "did you mean `not_found`",
    ),
    (
        "samples_fit_contract",
        "samples/find_step.found/request.agency.json",
        "20260316100000",
        "2026-03-16",
        "ThoiDiem",
        "`pattern` of the pinned contract",
    ),
    (
        "samples_fit_contract",
        "samples/find_step.found/reply.agency.json",
        '"result"',
        '"results"',
        "results",
        "is not in the contract",
    ),
    ("requests_come_out", "step.map.toml", "cut 50", "no accents", "Nguoi", "is not what the connector writes"),
    (
        "requests_come_out",
        "samples/find_step.found/request.canonical.json",
        "A-1",
        "A-2",
        "MaHoSo",
        "is not what the connector writes",
    ),
    (
        "requests_come_out",
        "samples/find_step.found/request.canonical.json",
        "processing",
        "procesing",
        "status",
        "should be",
    ),
    (
        "requests_come_out",
        "samples/file_step.done/request.agency.json",
        "[{",
        "[{}, {",
        "data",
        "is not what the connector writes",
    ),
    (
        "replies_are_understood",
        "samples/find_step.found/reply.canonical.json",
        "A-1",
        "A-2",
        "dossier",
        "is not what the connector reads",
    ),
    (
        "replies_are_understood",
        "samples/find_step.found/reply.agency.json",
        '"0"',
        '"9"',
        "",
        "means `refused`, where sample.toml says `ok`",
    ),
    (
        "replies_are_understood",
        "samples/find_step.found/reply.agency.json",
        '"4"',
        '"14"',
        "",
        "TrangThai: is not an agency code",
    ),
    ("replies_are_understood", "samples/find_step.not_found/sample.toml", "not_found", "ok", "", "means `not_found`"),
    (
        "people_are_invented",
        "samples/find_step.found/request.agency.json",
        "Lê Cán Bộ",
        "056180000011",
        "",
        "may be a real citizen id",
    ),
    (
        "hosts_are_invented",
        "samples/find_step.found/request.agency.json",
        "Lê Cán Bộ",
        "https://portal.gov.test/x",
        "",
        "ends in .example",
    ),
)


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "key", "words"),
    PLANTED,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(PLANTED)],
)
def test_a_planted_fault_is_found_where_it_is(
    small: Path, spoil: Spoil, rule: str, file: str, old: str, new: str, key: str, words: str
) -> None:
    spoil(small, file, old, new)
    findings = found(small, rule)
    assert any(key in finding.key and words in finding.says for finding in findings), str(check_folder(small))


def test_an_operation_without_a_sample_is_found(small: Path) -> None:
    """No operation without a recorded conversation: the sandbox could not play it."""
    for file in (small / "samples" / "file_step.done").iterdir():
        file.unlink()
    (small / "samples" / "file_step.done").rmdir()
    assert [finding.key for finding in found(small, "samples_recorded")] == ["operations.file_step"]


@pytest.mark.parametrize("missing", ["request.agency.json", "reply.agency.json"])
def test_a_sample_without_a_side_is_found(small: Path, missing: str) -> None:
    (small / "samples" / "find_step.found" / missing).unlink()
    assert [finding.file.rpartition("/")[2] for finding in found(small, "samples_recorded")] == [missing]


AUTH_IN_QUERY = """
[settings.key]
help = "Key given by the agency"
[auth]
put = { "query:key" = "settings.key" }
[operations.find_step]"""
BY_ADDRESS = ["GET /find/{MaHoSo}", "GET /find", "POST form /find", "POST form /find/{MaHoSo}", "PUT /find/{MaHoSo}"]


@pytest.mark.parametrize("call", BY_ADDRESS)
def test_a_payload_is_recorded_whole_wherever_its_fields_go(small: Path, spoil: Spoil, call: str) -> None:
    """An agency that is asked by path, query or form is recorded like any other: one JSON object."""
    spoil(small, "manifest.toml", "POST /find", call)
    assert check_folder(small).passed, str(check_folder(small))


@pytest.mark.parametrize("call", BY_ADDRESS)
@pytest.mark.parametrize("place", ["MaHoSo", "Nguoi"])
def test_a_field_that_differs_from_the_recording_is_found_wherever_it_goes(
    small: Path, spoil: Spoil, call: str, place: str
) -> None:
    spoil(small, "manifest.toml", "POST /find", call)
    spoil(small, "samples/find_step.found/request.agency.json", {"MaHoSo": "A-1", "Nguoi": "Cán"}[place], "B")
    assert [finding.key for finding in found(small, "requests_come_out")] == [place]


def test_a_handshake_in_the_query_is_no_part_of_what_is_recorded(small: Path, spoil: Spoil) -> None:
    spoil(small, "manifest.toml", "POST /find", "GET /find")
    spoil(small, "manifest.toml", "[operations.find_step]", AUTH_IN_QUERY)
    assert not found(small, "requests_come_out")


def test_a_sample_that_does_not_give_what_a_header_is_made_of_is_found(small: Path, spoil: Spoil) -> None:
    spoil(
        small,
        "manifest.toml",
        "[operations.find_step]",
        '[auth]\nput = { "header:X-Id" = "exchange.id" }\n\n[operations.find_step]',
    )
    told = found(small, "requests_come_out")
    assert len(told) == 7, told
    assert all(one.key == "sources" and "lacks `exchange.id`" in one.says for one in told)
    assert "small/samples/find_step.found/sample.toml" in {one.file for one in told}
    for sample in (small / "samples").iterdir():
        with (sample / "sample.toml").open("a", encoding="utf-8") as file:
            file.write('[sources]\n"exchange.id" = "1"\n')
    assert not found(small, "requests_come_out")


def test_a_sample_that_cannot_be_read_is_told_once(small: Path) -> None:
    """The other samples are not missing because of it."""
    (small / "samples" / "find_step.found" / "sample.toml").write_text("htpp = 3", "utf-8")
    assert [(finding.rule, finding.key) for finding in check_folder(small).findings] == [("readable", "htpp")]


def test_a_sample_of_an_unknown_operation_is_found(small: Path) -> None:
    (small / "samples" / "find_step.found").rename(small / "samples" / "find_steps.found")
    assert any("did you mean `find_step`" in finding.says for finding in found(small, "samples_recorded"))


@pytest.mark.parametrize(
    ("missing", "rule"),
    [("request.canonical.json", "requests_come_out"), ("reply.canonical.json", "replies_are_understood")],
)
def test_a_sample_without_our_side_is_found(small: Path, missing: str, rule: str) -> None:
    (small / "samples" / "find_step.found" / missing).unlink()
    assert [finding.file.rpartition("/")[2] for finding in found(small, rule)] == [missing]


def test_a_value_beside_a_reply_that_has_none_is_found(small: Path) -> None:
    (small / "samples" / "find_step.not_found" / "reply.canonical.json").write_text("{}", "utf-8")
    assert "remove the file" in found(small, "replies_are_understood")[0].says


def test_a_soap_request_outside_the_schema_is_found(small_soap: Path, spoil: Spoil) -> None:
    spoil(small_soap, "samples/ask_citizen.yes/request.agency.xml", "000180000011", "00018000001")
    assert [finding.key for finding in found(small_soap, "samples_fit_contract")] == ["So"]


def test_a_soap_request_in_another_order_is_found(small_soap: Path, spoil: Spoil) -> None:
    """One agency refuses elements in another order, so order is part of what is compared."""
    spoil(
        small_soap,
        "samples/ask_citizen.yes/request.agency.xml",
        "<t:Ma>TINY</t:Ma><t:So>000180000011</t:So>",
        "<t:So>000180000011</t:So><t:Ma>TINY</t:Ma>",
    )
    assert found(small_soap, "requests_come_out")


def test_prefixes_and_blanks_make_no_difference(small_soap: Path, spoil: Spoil) -> None:
    file = small_soap / "samples" / "ask_citizen.yes" / "request.agency.xml"
    file.write_text(
        file.read_text("utf-8").replace("t:", "ns1:").replace("xmlns:t", "xmlns:ns1").replace("><", ">\n  <"), "utf-8"
    )
    report = check_folder(small_soap)
    assert report.passed, str(report)


def test_an_envelope_that_zeep_would_not_make_is_found(small_soap: Path, spoil: Spoil) -> None:
    """A required element that the mapping never writes: zeep, which knows the WSDL by itself, says no."""
    spoil(small_soap, "question.map.toml", '"full_name"  = { at = "Ten", as = "upper name" }', "")
    spoil(
        small_soap,
        "question.map.toml",
        "[withheld]",
        '[dropped]\n"Ten" = "why not"\n[withheld]\n"full_name" = "why not"',
    )
    assert found(small_soap, "envelopes_as_zeep")


@pytest.mark.parametrize(
    "other",
    [
        "<a><b/></a>",
        "<a><b>2</b></a>",
        "<a><b>1</b><c/></a>",
        "<a><c>1</c></a>",
        '<a><b x="1">1</b></a>',
        '<a xmlns="urn:x"><b>1</b></a>',
    ],
)
def test_elements_that_differ_differ(other: str) -> None:
    assert xml_difference(etree.fromstring("<a><b>1</b></a>"), etree.fromstring(other)) is not None


def test_a_real_looking_number_in_our_own_words_is_found(small_soap: Path, spoil: Spoil) -> None:
    spoil(small_soap, "samples/ask_citizen.yes/request.canonical.json", "000180000011", "056180000011")
    files = [(finding.file.rpartition("/")[2], finding.key) for finding in found(small_soap, "people_are_invented")]
    assert files == [("request.canonical.json", "citizen_id")]


def test_hooks_that_break_the_rules_are_never_run(small: Path) -> None:
    """The check of a stranger's folder must not execute what it has just found to be dangerous."""
    (small / "hooks.py").write_text(f"import pathlib\npathlib.Path({str(small / 'ran')!r}).touch()\n", "utf-8")
    assert found(small, "hooks_stay_inside")
    assert not (small / "ran").exists()
