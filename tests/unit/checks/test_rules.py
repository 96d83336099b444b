"""Each rule of `hub check` finds the fault that it is there for, says where, and says what to write instead."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kit.checks.rules import RULES, UNUSED, check_folder

Spoil = Callable[[Path, str, str, str], None]

PLANTED: tuple[tuple[str, str, str, str, str, str], ...] = (
    # rule, file, what stands there, what is planted, key of the finding, words of the finding
    (
        "readable",
        "manifest.toml",
        "queue_calls      =",
        "queue_cals       =",
        "contract.queue_cals",
        "did you mean `queue_calls`",
    ),
    ("readable", "manifest.toml", "calls_at_once    = 2", "", "contract.calls_at_once", "is missing"),
    ("readable", "step.map.toml", '"MaHoSo"', '"MaHoSo" =', "", "is not TOML"),
    ("readable", "codes/status.csv", "theirs", "thiers", "thiers", "did you mean `theirs`"),
    ("readable", "codes/status.csv", "received,2", "received,1", "line 3", "same `theirs`"),
    ("readable", "answers.csv", ",200,9,", "find_step,,0,,refused,a.b,Không,No\n,200,9,", "line 3", "overlaps line 2"),
    (
        "readable",
        "contract/file_step.request.schema.json",
        '"type": "array"',
        '"type": "aray"',
        "",
        "is no usable JSON Schema",
    ),
    ("readable", "contract/find_step.reply.schema.json", "{", "", "", "is not JSON"),
    ("readable", "contract/fields.csv", "operation,direction", "op,direction", "line 1", "must name the columns"),
    (
        "mappings_exist",
        "manifest.toml",
        'returns       = "step"',
        'returns       = "stepp"',
        "operations.find_step.returns",
        "did you mean `step`",
    ),
    (
        "mappings_exist",
        "step.map.toml",
        'codes = "status"',
        'codes = "statuss"',
        "fields.status.codes",
        "did you mean `status`",
    ),
    (
        "tables_lead_on",
        "codes/status.csv",
        """ours,theirs
registered,1
received,2
not_received,3
processing,4
supplement_requested,5
payment_requested,6
withdrawn,7
stopped,8
finished,9
returned,10""",
        """ours,theirs,valid_to
received,2,2025-06-30""",
        "code received",
        "ended on 2025-06-30 and nothing took its place",
    ),
    (
        "contract_pinned",
        "manifest.toml",
        "[operations.file_step]",
        "[operations.file_steps]",
        "",
        "pin the JSON Schema",
    ),
    (
        "fields_listed",
        "contract/fields.csv",
        "find_step,request,Nguoi,seen,invented,\n",
        "",
        "find_step request",
        "`Nguoi` is in the pinned contract",
    ),
    (
        "fields_listed",
        "contract/fields.csv",
        "find_step,request,Nguoi,seen",
        "find_step,request,NguoiX,seen",
        "line 3",
        "did you mean `Nguoi`",
    ),
    (
        "fields_listed",
        "contract/fields.csv",
        "find_step,request,Nguoi,seen",
        "find_step,request,Nguoi,sure",
        "line 3",
        "mark is one of",
    ),
    (
        "fields_listed",
        "contract/fields.csv",
        "request,Nguoi,seen,invented",
        "request,Nguoi,seen,",
        "line 3",
        "needs a source",
    ),
    (
        "fields_listed",
        "contract/fields.csv",
        "find_step,request,Nguoi",
        "find_step,request,MaHoSo",
        "line 3",
        "same place as line 2",
    ),
    ("ours_covered", "step.map.toml", '"unit"       = "not asked for"\n', "", "fields", "our field `unit` is nowhere"),
    (
        "ours_covered",
        "step.map.toml",
        "ProcessingStep@1",
        "ProcesingStep@1",
        "canonical",
        "did you mean `ProcessingStep@1`",
    ),
    ("theirs_known", "step.map.toml", '"MaHoSo"', '"MaHosSo"', "fields.dossier", "did you mean `MaHoSo`"),
    (
        "theirs_known",
        "manifest.toml",
        'says          = "message"',
        'says          = "mesage"',
        "operations.find_step.says",
        "did you mean `message`",
    ),
    ("theirs_known", "manifest.toml", "data = [", "date = [", "operations.file_step.wrap", "did you mean `data`"),
    (
        "theirs_covered",
        "step.map.toml",
        '"GhiChu" = "free words for their own clerks"',
        "",
        "GhiChu",
        "map it, fix it, or drop it",
    ),
    ("theirs_covered", "step.map.toml", '"Nguon" = "=hub"', "", "Nguon", "map it, fix it, or drop it"),
    (
        "follow_ups_filled",
        "manifest.toml",
        '"find_step" }',
        '"file_step" }',
        "operations.file_step.then.in_doubt",
        "settled by a lookup",
    ),
    (
        "follow_ups_filled",
        "manifest.toml",
        '"find_step" }',
        '"find_stp" }',
        "operations.file_step.then.in_doubt",
        "did you mean `find_step`",
    ),
    (
        "compared_places_exist",
        "manifest.toml",
        'agrees        = ["dossier"]',
        'agrees        = ["code"]',
        "operations.find_step.agrees",
        "`code` is no field",
    ),
    (
        "compared_places_exist",
        "manifest.toml",
        'order_by = "dossier"',
        'order_by = "dosier"',
        "operations.file_step.order_by",
        "did you mean `dossier`",
    ),
    (
        "assumed_places_exist",
        "manifest.toml",
        "find_step: GhiChu",
        "somewhere",
        "connector.assumed",
        "doubts in words go into README.md",
    ),
    (
        "addresses_said",
        "manifest.toml",
        'maturity = "draft"',
        'maturity = "draft"\naddresses = "two_level"',
        "connector.addresses",
        "no mapping holds one",
    ),
    (
        "personal_data_declared",
        "manifest.toml",
        "personal_data = true\n",
        "",
        "operations.find_step.personal_data",
        "write `personal_data = true`",
    ),
    ("readme_tells", "README.md", "## Sources", "## Where from", "", "no heading with `Sources`"),
)


@pytest.mark.parametrize("connector", ["small", "small_soap"])
def test_a_sound_connector_passes_every_rule(connector: str, request: pytest.FixtureRequest) -> None:
    """Without this, the tests below could find faults that are always there."""
    report = check_folder(request.getfixturevalue(connector))
    assert report.passed, str(report)
    assert report.rules == len(RULES) + 1


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "key", "words"),
    PLANTED,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(PLANTED)],
)
def test_a_planted_fault_is_found_where_it_is(
    small: Path, spoil: Spoil, rule: str, file: str, old: str, new: str, key: str, words: str
) -> None:
    spoil(small, file, old, new)
    found = [finding for finding in check_folder(small).findings if finding.rule == rule and words in finding.says]
    assert found, str(check_folder(small))
    assert any(key in finding.key for finding in found), found
    assert all(finding.file.startswith("small") for finding in found), found


def test_a_table_that_only_the_operator_has_is_there_where_the_operator_is_asked(
    small: Path, tmp_path: Path, spoil: Spoil
) -> None:
    spoil(small, "step.map.toml", 'codes = "status"', 'codes = "steps"')
    theirs = tmp_path / "codes"
    theirs.mkdir()
    (small / "codes/status.csv").rename(theirs / "steps.csv")
    assert check_folder(small, theirs).passed, str(check_folder(small, theirs))
    assert "mappings_exist" in {finding.rule for finding in check_folder(small).findings}


def test_all_faults_are_reported_at_once(small: Path, spoil: Spoil) -> None:
    """A broken manifest hides no fault of a mapping, and neither hides a fault of a table."""
    spoil(small, "manifest.toml", "queue_calls      =", "queue_cals       =")
    spoil(small, "step.map.toml", '"unit"       = "not asked for"\n', "")
    spoil(small, "codes/status.csv", "theirs", "thiers")
    files = {finding.file.rpartition("/")[2] for finding in check_folder(small).findings}
    assert {"manifest.toml", "step.map.toml", "status.csv"} <= files


def test_a_manifest_that_cannot_be_read_is_told_once_and_echoes_nowhere(small: Path, spoil: Spoil) -> None:
    """An author who mistyped one key must not have to find it among twenty consequences."""
    spoil(small, "manifest.toml", "queue_calls      =", "queue_cals       =")
    assert {(finding.rule, finding.key) for finding in check_folder(small).findings} == {
        ("readable", "contract.queue_calls"),
        ("readable", "contract.queue_cals"),
    }


def test_a_manifest_that_is_no_toml_turns_no_sample_of_a_notice_into_a_fault(small: Path, spoil: Spoil) -> None:
    shutil.copytree(small / "samples/find_step.found", small / "samples/step_done.two")
    (small / "samples/step_done.two/sample.toml").write_text('result = "taken"\n', "utf-8")
    spoil(small, "manifest.toml", "queue_calls      =", "queue_calls      = =")
    (one,) = check_folder(small).findings
    assert "is not TOML" in one.says


def test_a_mapping_that_is_no_toml_is_told_once(small: Path, spoil: Spoil) -> None:
    spoil(small, "step.map.toml", '"MaHoSo"', '"MaHoSo" =')
    (one,) = check_folder(small).findings
    assert "is not TOML" in one.says


def test_what_can_be_pending_and_never_ends_is_found(small: Path, spoil: Spoil) -> None:
    spoil(small, "answers.csv", ",200,9,", "file_step,202,0,,pending,,,\n,200,9,")
    shutil.copytree(small / "samples/file_step.done", small / "samples/file_step.later")
    (small / "samples/file_step.later/sample.toml").write_text('http = 202\nresult = "pending"\n', "utf-8")
    (one,) = check_folder(small).findings
    assert (one.rule, one.key) == ("follow_ups_filled", "operations.file_step.then.pending")
    spoil(small, "manifest.toml", "{ in_doubt =", '{ pending = "find_step", in_doubt =')
    spoil(small, "manifest.toml", "agrees        =", "every = 600\nagrees        =")
    assert check_folder(small).passed


def test_a_readme_with_the_title_of_the_template_is_found(small: Path, spoil: Spoil) -> None:
    spoil(small, "README.md", "# Tiny", "# An agency to be named")
    (one,) = check_folder(small).findings
    assert "title of the template" in one.says


def test_findings_are_sorted_and_none_is_told_twice(small: Path, spoil: Spoil) -> None:
    spoil(small, "step.map.toml", "[withheld]", "[withheld]\n#")
    spoil(small, "step.map.toml", '"unit"       = "not asked for"\n', "")
    findings = check_folder(small).findings
    keys = [(finding.file, finding.key, finding.rule, finding.says) for finding in findings]
    assert keys == sorted(set(keys))


def test_a_mapping_or_table_that_nobody_names_is_found(small: Path) -> None:
    (small / "old.map.toml").write_text((small / "step.map.toml").read_text("utf-8"), "utf-8")
    (small / "codes" / "old.csv").write_text("ours,theirs\na,b\n", "utf-8")
    found = {(finding.rule, finding.file) for finding in check_folder(small).findings}
    assert found == {("mappings_exist", "small/old.map.toml"), ("mappings_exist", "small/codes/old.csv")}


def test_a_field_with_a_home_may_not_be_dropped_elsewhere(small: Path, spoil: Spoil) -> None:
    """What one mapping knows how to carry, another of the same model must not leave behind."""
    other = (
        (small / "step.map.toml")
        .read_text("utf-8")
        .replace('"status"       = { at = "TrangThai", codes = "status" }\n', "")
    )
    other = other.replace("[dropped]", '[dropped]\n"TrangThai" = "not needed"').replace(
        "[withheld]", '[withheld]\n"status" = "not needed"'
    )
    (small / "step_query.map.toml").write_text(other, "utf-8")
    spoil(
        small,
        "manifest.toml",
        'call          = "POST /find"\nsends         = "step"',
        'call          = "POST /find"\nsends         = "step_query"',
    )
    found = [finding for finding in check_folder(small).findings if finding.rule == "dropped_has_no_home"]
    assert [(finding.file, finding.key) for finding in found] == [("small/step_query.map.toml", "dropped.TrangThai")]
    assert "step.map.toml" in found[0].says


def test_a_soap_call_must_be_in_the_wsdl(small_soap: Path, spoil: Spoil) -> None:
    spoil(small_soap, "manifest.toml", '"Hoi"', '"Hooi"')
    found = [finding for finding in check_folder(small_soap).findings if finding.rule == "contract_pinned"]
    assert [finding.key for finding in found] == ["operations.ask_citizen.call"]
    assert "did you mean `Hoi`" in found[0].says


def test_a_soap_element_that_nobody_mentions_is_found(small_soap: Path, spoil: Spoil) -> None:
    spoil(small_soap, "question.map.toml", '"Ma" = "settings.code"', "")
    found = {(finding.rule, finding.key) for finding in check_folder(small_soap).findings}
    assert ("theirs_covered", "Ma") in found


def test_an_exemption_spares_its_rule_and_is_shown_with_its_reason(small: Path, spoil: Spoil) -> None:
    spoil(small, "README.md", "## Sources", "## Where from")
    with (small / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('\n[exempt]\nreadme_tells = "the sources are secret"\n')
    report = check_folder(small)
    assert report.passed, str(report)
    assert [(each.rule, each.reason, each.spared) for each in report.exemptions] == [
        ("readme_tells", "the sources are secret", 1)
    ]
    assert "the sources are secret" in str(report)


@pytest.mark.parametrize(
    ("line", "words"),
    [('readme_tells = "why"', "spares nothing"), ('readme_tels = "why"', "did you mean `readme_tells`")],
)
def test_an_exemption_that_spares_nothing_is_itself_a_finding(small: Path, line: str, words: str) -> None:
    with (small / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(f"\n[exempt]\n{line}\n")
    report = check_folder(small)
    assert [finding.rule for finding in report.findings] == [UNUSED]
    assert words in report.findings[0].says


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import requests\n", "standard library only"),
        ("from hub.call import State\n", "standard library only"),
        ("from connectors.police import hooks\n", "standard library only"),
        ("import socket\n", "lane's work"),
        ("import time\n", "lane's work"),
        ("import logging\n", "lane's work"),
        ("from urllib import request\n", "lane's work"),
        ("from urllib.request import urlopen\n", "lane's work"),
        ("def sign(x):\n    import asyncio\n", "lane's work"),
        ("from . import other\n", "relatively"),
        ("SEEN = {}\n", "change between calls"),
        ("SEEN: list[str] = list()\n", "change between calls"),
        ("def handle(x):\n    return x\n", "is no hook"),
        ("class Thing:\n    pass\n", "only imports, constants and functions"),
        ("async def sign(x):\n    return x\n", "only imports, constants and functions"),
        ("def sign(x):\n    return open(x)\n", "calls `open`"),
        ("def sign(x):\n    global Y\n    Y = x\n", "keeps state"),
        ("print('hello')\n", "runs when it is imported"),
        ("def sign(x:\n", "is not Python"),
        ("#\n" * 101, "100 is the most"),
    ],
)
def test_a_hook_that_leaves_its_place_is_found(small: Path, text: str, words: str) -> None:
    (small / "hooks.py").write_text(text, "utf-8")
    found = [finding for finding in check_folder(small).findings if finding.rule == "hooks_stay_inside"]
    assert any(words in finding.says for finding in found), found


MODEST = '''"""Why."""

import hashlib
from mappings.text import clean

MARK = "|"


def sign(operation, payload, sources):
    _hash(clean(operation + MARK))
    return payload


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
'''


def test_a_modest_hook_is_no_finding(small: Path) -> None:
    (small / "hooks.py").write_text(MODEST, "utf-8")
    report = check_folder(small)
    assert report.passed, str(report)


def test_a_hook_that_fails_on_a_sample_is_found(small: Path) -> None:
    """A hook's mistake is the author's to read about, and must not end the check."""
    (small / "hooks.py").write_text(MODEST.replace("operation, payload, sources", "payload"), "utf-8")
    findings = [finding for finding in check_folder(small).findings if finding.file == "small/hooks.py"]
    assert findings
    assert all("TypeError" in finding.says for finding in findings)


def test_every_rule_has_a_sentence_and_a_name_of_its_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(rule.says.endswith(".") for rule in RULES)


def test_what_is_no_folder_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder"):
        check_folder(tmp_path / "nowhere")
