"""
The moving of dossiers between agencies has one profile: whoever takes part speaks in the same models, by the same names.

Beyond names each one is tried at work: a dossier is walked through its played system, from the samples it brings.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import BaseModel

from connectors.kit.checks.replay import bound_to
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.operation import agrees, follow_up_request
from connectors.kit.outcomes import Answered, InDoubt
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.telling import Tell, Teller
from mappings.canonical import Dossier, DossierQuery
from mappings.canonical.dossier_notices import (
    DossierProgress,
    GivenOpinion,
    ReturnedDossier,
    ReturnedResult,
    SupplementRequest,
    WithdrawnDossier,
)
from mappings.canonical.files import file_paths, files_in
from mappings.canonical.transfer import FiledSupplement, ResultConfirmation, ResultRefusal
from mappings.codes import CodeTable, read_code_tables
from mappings.language import Line, read_mapping_file
from tests.integration.test_connectors_in_the_sandbox import SETTINGS, Table

FOLDERS = find_connectors()
CONNECTORS = {name: load_connector(folder) for name, folder in FOLDERS.items()}
ASKED: dict[str, type[BaseModel]] = {
    "file_dossier": Dossier,
    "file_supplement": FiledSupplement,
    "withdraw_dossier": WithdrawnDossier,
    "lookup_dossier": DossierQuery,
    "confirm_result": ResultConfirmation,
    "refuse_result": ResultRefusal,
}
TOLD: dict[str, type[BaseModel]] = {
    "dossier_progressed": DossierProgress,
    "supplement_requested": SupplementRequest,
    "result_returned": ReturnedResult,
    "dossier_returned": ReturnedDossier,
    "opinion_given": GivenOpinion,
}
AFTERWARDS = ("file_supplement", "confirm_result", "refuse_result", "withdraw_dossier")
"""What may be filed of a dossier that is there, in the order of the walk."""
LACKS: dict[str, set[str]] = {
    # The portal is told how dossiers go; it does not work on them.
    "npsp": {*AFTERWARDS, *TOLD},
    # The land systems' contracts were seen whole: no look-up, no withdrawal, and nobody asks them for an opinion.
    "land_vbdlis": {"lookup_dossier", "withdraw_dossier", "opinion_given"},
    "land_ilis": {"lookup_dossier", "withdraw_dossier", "opinion_given"},
}
"""What one that takes part does not have. Who is not named here has all of it."""
OPERATIONS = [(name, one) for name, connector in CONNECTORS.items() for one in ASKED if one in connector.operations]
NOTICES = [(name, one) for name, connector in CONNECTORS.items() for one in TOLD if one in connector.notices]
TAKING_PART = [name for name, connector in CONNECTORS.items() if "file_dossier" in connector.operations]
LOOKED_UP = [name for name in TAKING_PART if "lookup_dossier" in CONNECTORS[name].operations]
NEW = "000.00.14.H32-261124-09001"

every_one = pytest.mark.parametrize("name", TAKING_PART)
every_operation = pytest.mark.parametrize(("name", "operation"), OPERATIONS)
every_notice = pytest.mark.parametrize(("name", "notice"), NOTICES)


def samples(name: str, about: str, *results: str) -> Iterator[Sample]:
    """Give the recorded conversations of *about*, its own or those of the connector that it is like."""
    like = CONNECTORS[name].manifest.connector.like
    own = [one for one in load_samples(FOLDERS[name]) if one.operation == about]
    found = own or [one for one in load_samples(FOLDERS[like]) if one.operation == about] if like else own
    return (one for one in found if one.result in results)


def line(name: str, mapping: str | None, field: str) -> Line | None:
    """Return the line of a mapping of ours that holds *field*."""
    like = CONNECTORS[name].manifest.connector.like
    files = [FOLDERS[one] / f"{mapping}.map.toml" for one in (name, like) if one]
    return read_mapping_file(next(file for file in files if file.is_file())).fields.get(field)


def tables(name: str) -> Mapping[str, CodeTable]:
    """Return the code tables of a connector, those of the one that it is like below its own."""
    like = CONNECTORS[name].manifest.connector.like
    below = read_code_tables(FOLDERS[like] / "codes") if like else {}
    return {**below, **read_code_tables(FOLDERS[name] / "codes")}


def request_of(name: str, operation: str, sample: Sample, **changed: Any) -> Any:
    request = CONNECTORS[name].operations[operation].request
    return request.model_validate_json(json.dumps({**sample.request, **changed}))


@every_one
def test_who_takes_part_speaks_the_whole_profile_or_is_known_for_what_it_lacks(name: str) -> None:
    has = {one for other, one in (*OPERATIONS, *NOTICES) if other == name}
    assert {*ASKED, *TOLD} - has == LACKS.get(name, set())


@every_operation
def test_an_operation_of_the_profile_takes_the_model_of_the_profile(name: str, operation: str) -> None:
    found = CONNECTORS[name].operations[operation]
    assert found.request is ASKED[operation]
    assert found.personal_data
    assert operation != "lookup_dossier" or found.answer is Dossier


@every_operation
def test_what_is_filed_of_one_dossier_keeps_its_order_in_every_agency(name: str, operation: str) -> None:
    found = CONNECTORS[name].operations[operation]
    if found.kind == "filing":
        assert found.order_by == ("code" if operation == "file_dossier" else "dossier")


@every_notice
def test_a_notice_of_the_profile_tells_the_model_of_the_profile_and_finds_its_dossier(name: str, notice: str) -> None:
    found = CONNECTORS[name].notices[notice].about
    assert found.model is TOLD[notice]
    assert found.ref == ("dossier",)
    assert found.personal_data


@every_notice
def test_a_push_finds_the_dossier_that_it_is_about_and_is_the_same_only_about_the_same(name: str, notice: str) -> None:
    """Told of another dossier, word for word, it is another notice: its own, and never one that is known already."""
    mapping = line(name, CONNECTORS[name].manifest.notices[notice].returns, "dossier")
    assert mapping is not None
    assert mapping.at is not None
    sample = next(samples(name, notice, "taken"))
    first, other = (read(name, notice, sample, {mapping.at[0]: code}) for code in (NEW, f"{NEW}9"))
    assert [one.told[0].refs["dossier"] for one in (first, other)] == [NEW, f"{NEW}9"]
    assert first.told[0].unique is None or first.told[0].unique != other.told[0].unique


@pytest.mark.parametrize("name", [name for name, notice in NOTICES if notice == "dossier_progressed"])
def test_a_step_is_handed_on_in_the_agencys_own_code_whatever_it_is(name: str) -> None:
    mapping = line(name, CONNECTORS[name].manifest.notices["dossier_progressed"].returns, "step")
    assert mapping is not None
    assert mapping.at is not None
    sample = next(samples(name, "dossier_progressed", "taken"))
    number = isinstance(json.loads(sample.request_agency or b"")[mapping.at[0]], int)
    for step in ("77", "4711"):
        told = read(name, "dossier_progressed", sample, {mapping.at[0]: int(step) if number else step}).told
        assert isinstance(told[0].value, DossierProgress)
        assert told[0].value.step == step


@pytest.mark.parametrize("name", LOOKED_UP)
def test_no_status_that_an_agency_tells_is_rewritten(name: str) -> None:
    """Each code of theirs is read as one status of ours, no two as the same, and that status is written as it again."""
    connector = CONNECTORS[name]
    look_up = connector.operations["lookup_dossier"]
    mapping = line(name, connector.manifest.operations["lookup_dossier"].returns, "status")
    assert look_up.returns is not None
    assert mapping is not None
    assert mapping.at is not None
    place = mapping.at[0]
    rows = tables(name)[mapping.codes or ""].rows
    sample = next(samples(name, "lookup_dossier", "ok"))
    given = look_up.returns.canonical.model_validate_json(json.dumps(sample.reply))
    record = look_up.returns.write(given, all_sources(name, sample))
    number = isinstance(record[place], int)
    seen = {}
    for row in rows:
        if row.one_way == "write":
            continue
        told = int(row.theirs) if number else row.theirs
        found = look_up.returns.read({**record, place: told})
        assert found is not None
        assert isinstance(found.value, Dossier)
        seen[row.theirs] = found.value.status
        assert look_up.returns.write(found.value, all_sources(name, sample))[place] == told
    assert len(set(seen.values())) == len(seen)


@every_operation
def test_every_file_that_is_filed_leaves_inside_or_as_a_link(name: str, operation: str) -> None:
    paths = file_paths(ASKED[operation])
    for sample in samples(name, operation, "ok"):
        request = request_of(name, operation, sample)
        wire = bound_to(CONNECTORS[name], sample).render(operation, request, all_sources(name, sample))
        left = [file for _, file in files_in(request, paths) if file not in wire.files]
        assert all(f"https://hub.example/files/{file}".encode() in wire.body for file in left)


@every_notice
def test_every_file_that_comes_inside_is_kept_whole_under_its_own_sum(name: str, notice: str) -> None:
    for sample in samples(name, notice, "taken"):
        for told in read(name, notice, sample, {}).told:
            assert told.value is not None
            named = {file for _, file in files_in(told.value, file_paths(type(told.value)))}
            assert named == set(told.files)
            assert all(sha256(content).hexdigest() == file for file, content in told.files.items())


@pytest.mark.parametrize("name", [name for name in TAKING_PART if name in SETTINGS])
async def test_a_dossier_goes_its_whole_way(name: str) -> None:
    """Unknown, filed once, found as it was filed, followed up in order; told of as the dossier that it is."""
    connector = CONNECTORS[name]
    known = name in LOOKED_UP  # it tells a dossier that it has from one that it has not
    async with Table(name, SETTINGS[name]) as table:

        async def ask(operation: str, **changed: Any) -> Any:
            sample = next(samples(name, operation, "ok"))
            request = request_of(name, operation, sample, **changed)
            return request, await table.ask(operation, request, sample.sources, sample)

        after = [one for one in AFTERWARDS if one in connector.operations]
        if known:
            for operation in after:
                _, said = await ask(operation, dossier=NEW)
                assert said.result == "refused", f"{operation} of a dossier that nobody filed"
        if name in LOOKED_UP:
            assert (await ask("lookup_dossier", code=NEW))[1].result == "not_found"
        filed, said = await ask("file_dossier", code=NEW)
        assert said.result == "ok"
        again = (await ask("file_dossier", code=NEW))[1].result
        assert again == ("exists" if known else "ok")
        if name in LOOKED_UP:
            _, found = await ask("lookup_dossier", code=NEW)
            sends = connector.operations["file_dossier"].sends
            assert sends is not None
            assert found.value == sends.normal(filed)
        for operation in after:
            assert (await ask(operation, dossier=NEW))[1].result == "ok"
        (kept,) = (one for one in table.sandbox.filed(name) if one["key"] == NEW and one["model"] == "Dossier@1")
        if known:
            steps: Any = kept["steps"]
            assert len(steps) == len(after), "all of them, in this order, and none twice"
        for notice in (one for other, one in NOTICES if other == name):
            assert told_of(name, notice, NEW).told[0].refs["dossier"] == NEW


@pytest.mark.parametrize("name", [name for name in LOOKED_UP if name in SETTINGS])
async def test_a_filing_in_doubt_is_proven_by_looking_it_up(name: str) -> None:
    """The agency has it, and the answer got lost: what is found is what was filed, and of another procedure it is not."""
    connector = CONNECTORS[name]
    filing = connector.operations["file_dossier"]
    look_up = connector.operations[filing.then["in_doubt"]]
    sample = next(samples(name, "file_dossier", "ok"))
    filed = request_of(name, "file_dossier", sample, code=NEW)
    async with Table(name, SETTINGS[name]) as table:
        table.sandbox.misbehave(name, Fault(fault="reset_after", count=1))
        assert isinstance(await table.ask("file_dossier", filed, sample.sources, sample), InDoubt)
        asked = follow_up_request(filing, "in_doubt", filed, {})
        found = await table.ask(look_up.name, asked, sample.sources)
    assert isinstance(found, Answered)
    assert agrees(look_up, filing, filed, found.value)
    other = filed.model_copy(update={"procedure_code": "9.999999"})
    assert not agrees(look_up, filing, other, found.value)


def test_a_folder_that_is_like_the_plain_form_overrides_lines_and_keeps_the_profile(tmp_path: Path) -> None:
    """Another agency's words and addresses are some lines of data: what it does not say is as the plain form has it."""
    shutil.copytree(FOLDERS["department"], tmp_path / "department")
    other = tmp_path / "zone"
    other.mkdir()
    (other / "manifest.toml").write_text(
        '[connector]\ntitle = "Zone"\ntitle_vi = "Ban Quản lý"\nversion = "0.1.0"\nowner = "t"\nmaturity = "draft"\n'
        'like = "department"\n[operations.file_dossier]\ncall = "POST /hoso/tiepnhan"\ncode = "ma"\n',
        "utf-8",
    )
    (other / "answers.csv").write_text(
        "operation,http,code,says,result,reason,vi,en\nfile_dossier,200,00,,ok,,,\n", "utf-8"
    )
    (other / "withdrawal.map.toml").write_text(
        'canonical = "WithdrawnDossier@1"\nagency = ""\n[fields]\n"dossier" = "SoHoSo"\n"reason" = "LyDo"\n'
        '[withheld]\n"withdrawn_at" = "it counts from the message"\n',
        "utf-8",
    )
    found, plain = load_connector(other), CONNECTORS["department"]
    assert {one: found.operations[one].request for one in ASKED} == ASKED
    assert {one: found.notices[one].about.model for one in TOLD} == TOLD
    withdrawn = WithdrawnDossier(dossier=NEW, reason="Không còn nhu cầu")
    sample = next(samples("department", "withdraw_dossier", "ok"))
    sent = bound_to(found, sample).render("withdraw_dossier", withdrawn, {})
    assert json.loads(sent.body) == {"SoHoSo": NEW, "LyDo": "Không còn nhu cầu"}
    assert sent.url.endswith("/Document/WithdrawDocument")
    assert found.operations["file_dossier"].then == plain.operations["file_dossier"].then


def read(name: str, notice: str, sample: Sample, put: Mapping[str, Any]) -> Understood:
    """Return what the hub's side reads of *sample*, with what is *put* into the body."""
    body = json.dumps(json.loads(sample.request_agency or b"") | dict(put)).encode()
    beside: dict[str, dict[str, str]] = {"header": {"content-type": "application/json"}, "query": {}}
    for source, value in sample.sources.items():
        side, _, key = source.partition(":")
        if side in beside:
            beside[side][key.lower() if side == "header" else key] = value
    return understood(name, notice, sample, WireNotice(beside["header"], beside["query"], body))


def told_of(name: str, notice: str, dossier: str) -> Understood:
    """Return what the hub's side reads when the played agency tells of *dossier* and shows itself as agreed."""
    mapping = line(name, CONNECTORS[name].manifest.notices[notice].returns, "dossier")
    assert mapping is not None
    assert mapping.at is not None
    sample = next(samples(name, notice, "taken"))
    secrets = {key.removeprefix("settings."): value for key, value in sample.sources.items() if "settings." in key}
    tell = Tell(samples=[sample.name], to="http://hub.example/in/agency", put={mapping.at[0]: dossier})
    (push,) = Teller(FOLDERS[name], SETTINGS[name] | secrets).pushes(tell)
    headers = {key.lower(): value for key, value in push.headers.items()}
    return understood(name, notice, sample, WireNotice(headers, dict(parse_qsl(urlsplit(push.url).query)), push.body))


def understood(name: str, notice: str, sample: Sample, came: WireNotice) -> Understood:
    inbox = bound_to(CONNECTORS[name], sample).inbox
    assert inbox is not None
    found = inbox.read(notice, came)
    assert not isinstance(found, NotTaken), found.faults
    return found


def all_sources(name: str, sample: Sample) -> dict[str, str]:
    """Return the sources of *sample*, and a text for every other that mappings and envelopes name."""
    declared = {f"settings.{key}": "sample" for key in CONNECTORS[name].manifest.settings}
    return {
        "unit.code": "000.00.14.H32",
        "officer.account": "sample",
        "auth.session": "s",
        **declared,
        **sample.sources,
    }
