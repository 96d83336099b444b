"""What the guides show is true: commands exist, links lead somewhere, tables are complete, examples run as they stand."""

import asyncio
import csv
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import click
import pytest
import typer
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from connectors.kit.answers import COLUMNS, RESULTS
from connectors.kit.manifest import Manifest, load_manifest
from connectors.kit.registry import find_connectors
from hub.app.installed import install
from hub.call import State
from hub.cli import lane_table
from hub.cli.main import program
from hub.errors import RequestFault, RequestInvalid
from hub.guards.guard import HoldCause
from hub.route_tables import DirectRoute, LgspRoute, NdxpRoute, RouteContract, XRoadRestRoute, XRoadSoapRoute
from hub.security.register_files import read_officers, read_units
from hub.settings import AgencyEntry, Hub, Push, Retention, ScheduledAs, load_settings
from hub.store.feed import Noticed
from hub.store.handling import Counts
from hub.store.reconciled import VERDICTS
from hub.web.admin import admin
from hub.web.batch import BatchLine
from hub.web.notices import event
from hub.web.problems import PROBLEMS
from hub.web.replies import problem_body
from mappings import canonical
from monitoring.metrics import METRICS

ROOT = Path(__file__).parents[2]
README, CALLERS, OPERATE = ROOT / "README.md", ROOT / "docs/guide/callers.md", ROOT / "docs/guide/operate.md"
AUTHORS = ROOT / "connectors/README.md"
FOLDERS = find_connectors()
MANIFESTS = {name: load_manifest(folder) for name, folder in FOLDERS.items()}
INNER = {"routes.<name>.contract": RouteContract, "agencies.<name>.scheduled_as": ScheduledAs}
PAGES = (README, AUTHORS, ROOT / "mappings/README.md", *sorted((ROOT / "docs").rglob("*.md")))
AT = 1_795_433_476.467
SETTLED = {"state": "answered", "result": "ok", "cause": ""}
OK = b'{"result":"ok","value":null,"reason":null}'
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, kind: str) -> list[str]:
    """Return the fenced blocks of *page* whose first word is *kind*, or begin so."""
    return re.findall(rf"^```{kind}\b[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def rows(page: Path, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below *heading*, by the code that their first cell names."""
    table = page.read_text("utf-8").partition(heading)[2].partition("\n|---")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    return {name: row[1:] for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


# --- Commands --------------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[tuple[list[str], bool]]:
    """Give the words of each `hub ...` on *page*, and whether it is a line of its own, whole."""
    text = page.read_text("utf-8")
    for line in re.findall(r"^(?:\.venv/bin/)?hub (.*)", text, re.MULTILINE):
        yield shlex.split(line, comments=True), True
    for said in re.findall(r"`hub ([a-z][^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        yield shlex.split(said), False


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_named_exists_with_those_options(page: Path) -> None:
    for words, whole in commands(page):
        command: Any = typer.main.get_command(program())
        left = list(words)
        while isinstance(command, click.Group | typer.core.TyperGroup) and left and left[0] in command.commands:
            command = command.commands[left.pop(0)]
        name = " ".join(words)
        known = {option for parameter in command.params for option in parameter.opts}
        only_options = all(word.startswith("--") for word in left)  # `hub lanes` does something by itself
        assert not hasattr(command, "commands") or only_options, f"`hub {name}` is no command"
        unknown = [word for word in left if word.startswith("--") and word not in known]
        assert not unknown, f"`hub {name}`: no such option {unknown}"
        if whole:
            command.make_context("hub", left)  # raises when a word is missing or one too many


def test_the_commands_of_the_guides_are_found() -> None:
    """So that the test before cannot pass for want of commands."""
    found = {page.name: [" ".join(words[:2]) for words, _ in commands(page)] for page in (README, CALLERS, OPERATE)}
    assert "sandbox police" in found["README.md"]
    assert "callers add" in found["callers.md"]
    assert {"units import", "officers import", "callers revoke", "calls show"} <= set(found["operate.md"])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    lost = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*\.md|)#([^)]+)\)", page.read_text("utf-8"))
    lost = [(other, anchor) for other, anchor in links if anchor not in anchors(page.parent / other if other else page)]
    assert lost == []


@pytest.mark.parametrize("page", [CALLERS, OPERATE], ids=lambda page: page.name)
def test_a_guide_begins_with_its_sections_in_their_order(page: Path) -> None:
    begin = page.read_text("utf-8").partition("\n## ")[0]
    assert re.findall(r"\]\(#([^)]+)\)", begin) == anchors(page, "## ")


def test_every_decision_is_listed_in_order_under_its_title() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    kept = [path.name for path in sorted(folder.glob("0*.md"))]
    assert [name for _, name, _ in listed] == kept
    for number, name, title in listed:
        assert (folder / name).read_text("utf-8").startswith(f"# {number} {title}\n")


def anchors(page: Path, of: str = "#") -> list[str]:
    """Return where headings of *page* can be linked to, as GitHub names them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = [line.lstrip("#").strip() for line in text.splitlines() if line.startswith(of)]
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_first_page_stays_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 120


# --- Tables ----------------------------------------------------------------------------------------------------------


def keys(model: type[BaseModel], above: str) -> Iterator[tuple[str, list[str]]]:
    """Give every key of `hub.toml` that *model* declares below *above*, with its meaning and its default."""
    for name, field in model.model_fields.items():
        key = f"{above}.{name}"
        if key in INNER:
            yield from keys(INNER[key], key)
        else:
            default = "" if field.default in (None, "", {}, ()) else f"`{field.default}`"
            yield key, [str(field.description), "required" if field.is_required() else default]


def test_every_key_of_the_settings_is_explained_as_the_code_explains_it() -> None:
    kinds = (LgspRoute, NdxpRoute, XRoadRestRoute, XRoadSoapRoute, DirectRoute)
    routes = {key: told for kind in kinds for key, told in keys(kind, "routes.<name>")}  # what is common, once
    declared = (
        dict(keys(Hub, "hub"))
        | dict(keys(Retention, "retention"))
        | dict(keys(Push, "push"))
        | routes
        | dict(keys(AgencyEntry, "agencies.<name>"))
    )
    shown = rows(OPERATE, "\n## `hub.toml`, key by key\n")
    assert shown == declared
    tables = [key.partition(".")[0] for key in shown]
    assert tables == sorted(tables, key=tables.index), "the keys of a table stand together"


def test_every_door_of_operators_is_named() -> None:
    def plain(text: str) -> str:
        return re.sub(r"\{\w+\}", "{}", text).replace("/routes/{}/", "/lanes/{}/")  # a route takes the same orders

    office: Any = MagicMock()
    doors = {plain(route.path) for route in admin(office).routes if getattr(route, "path", "").startswith("/admin/v1/")}
    assert len(doors) > 20
    assert doors <= set(map(plain, re.findall(r"/admin/v1/[\w/{}]+", OPERATE.read_text("utf-8"))))


def test_every_state_cause_and_result_is_explained() -> None:
    assert list(rows(OPERATE, "\n## Calls\n")) == [str(state) for state in State]
    assert sorted(rows(OPERATE, "\n## Holds\n")) == sorted(str(cause) for cause in HoldCause)
    assert list(rows(OPERATE, "\n## Lanes\n")) == [*lane_table.COLUMNS, *lane_table.MORE]
    assert set(rows(CALLERS, "`GET /v1/calls` also finds")) == {str(state) for state in State}
    assert set(rows(CALLERS, "\n## Many at once: a batch\n")) == set(BatchLine.model_fields)
    assert list(rows(AUTHORS, "\n## What an answer means\n")) == list(RESULTS)
    assert set(rows(OPERATE, "\n## Comparing with agencies\n")) == set(VERDICTS)
    assert set(rows(CALLERS, "\n## How agencies handle dossiers\n")) == set(Counts._fields)
    assert f"`{','.join(COLUMNS)}`" in AUTHORS.read_text("utf-8")


def test_every_operation_and_notice_of_the_dossier_profile_is_explained() -> None:
    profile = MANIFESTS["department"]
    assert set(rows(CALLERS, "\n## Move a dossier to an agency\n")) == {*profile.operations, *profile.notices}


def test_everything_that_agencies_tell_is_named() -> None:
    tables = [table for one in MANIFESTS.values() for table in one.notices.items()]
    told = {name for name, table in tables if table.kind == "notice"}
    assert set(rows(CALLERS, "\n## Hear what agencies tell\n")) == told


def test_every_connector_is_listed_with_what_it_speaks_and_how_sure_it_is() -> None:
    listed = rows(AUTHORS, "\n## The connectors\n")
    assert {name: cells[1:4] for name, cells in listed.items()} == {
        name: [one.connector.protocol.upper(), *_how_sure(FOLDERS[name], one)] for name, one in MANIFESTS.items()
    }


def _how_sure(folder: Path, manifest: Manifest) -> tuple[str, str]:
    """Return the mark of most fields of a connector, and how many of its operations and notices are assumed whole."""
    with (folder / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        ((mark, _),) = Counter(row["mark"] for row in csv.DictReader(file)).most_common(1)
    names = {*manifest.operations, *manifest.notices}
    return mark, f"{len(names.intersection(manifest.connector.assumed))} of {len(names)}"


@pytest.mark.parametrize("page", [README, CALLERS, OPERATE], ids=lambda page: page.name)
def test_every_metric_and_code_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r"`(hub_[a-z_]+)`", text)) <= {metric.name for metric in METRICS}
    codes = {problem.code for problem in PROBLEMS}
    families = "|".join({code.partition(".")[0] for code in codes} - {"hub"})
    named = set(re.findall(rf"`((?:{families})\.[a-z_]+)`", text)) - {
        "agency.operation",
        "call.settled",
    }  # an example, and an event
    assert named <= codes


# --- Examples --------------------------------------------------------------------------------------------------------


def test_the_settings_that_are_shown_can_be_served(tmp_path: Path) -> None:
    (shown,) = blocks(README, "toml")
    (tmp_path / "hub.toml").write_text(shown, "utf-8")
    settings = load_settings({}, tmp_path / "hub.toml")
    installed = install(settings, {"NPSP_PASSWORD": "x"}, lambda: 0.0)
    assert installed["npsp"].contract.calls_per_second == 5
    for one in installed.values():
        asyncio.run(one.agency.close())


def test_the_registers_that_are_shown_are_read() -> None:
    units, officers = (block.encode() for block in blocks(OPERATE, "csv"))
    agencies = ("police", "npsp")
    known = {line.unit for line in read_units(units, agencies=agencies)}
    assert [line.officer for line in read_officers(officers, units=known, agencies=agencies)] == ["cb-014"]


def test_the_answers_that_are_shown_have_the_shape_of_answers() -> None:
    reply = from_json(blocks(CALLERS, "json reply Citizen")[0])
    assert list(reply) == ["call", "state", "result", "value", "reason", "answered_at", "fresh_as_of"]
    canonical.Citizen.model_validate_json(
        blocks(CALLERS, "json reply Citizen")[0].split('"value": ')[1].split("}")[0] + "}"
    )
    shown = from_json(blocks(CALLERS, "json problem")[0])
    kept = from_json(blocks(CALLERS, "json file")[0])
    assert kept["file"] == sha256(b"%PDF-1.7 invented").hexdigest()
    shown_event = from_json(blocks(CALLERS, "json event")[0])
    error = RequestInvalid(faults=[RequestFault("/born_on", "Field required")])
    assert shown == from_json(problem_body(error))
    told = Noticed(1, shown_event["id"], "npsp", "call.settled", shown_event["subject"], AT, SETTLED, OK)
    assert from_json(event(told)) == shown_event


def test_the_notice_that_is_shown_is_an_event_of_its_model() -> None:
    shown = from_json(blocks(CALLERS, "json notice")[0])
    value = canonical.DossierProgress.model_validate_json(to_json(shown["data"]["value"]))
    data = to_json({"value": shown["data"]["value"], "refs": shown["data"]["refs"]})
    model = canonical.canonical_name(type(value))
    notice = Noticed(
        1, shown["id"], "land_vbdlis", "dossier_progressed", None, AT, {}, None, value.dossier, told=data, model=model
    )
    assert from_json(event(notice)) == shown


@pytest.mark.process
@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide for callers speaks with curl")
async def test_the_guides_for_operators_and_callers_run_as_they_stand(stage: Any) -> None:
    """A hub as the operator's guide sets it up, and then every example of the callers' guide, in its order."""
    await stage.start(HUB__PUSH__HOSTS='["127.0.0.0/8"]')
    for name, content in zip(("units", "officers"), blocks(OPERATE, "csv"), strict=True):
        (stage.folder / f"{name}.csv").write_text(content, "utf-8")
        status, _, errors = await stage.hub(name, "import", f"{name}.csv", HUB__HUB__ADMIN=stage.admin_url[7:])
        assert status == 0, errors
    environ = {"PATH": os.environ["PATH"], "HUB": stage.url, "KEY": stage.key, "PYTHONPATH": str(ROOT)}

    script = "\n".join(blocks(CALLERS, "sh")).replace("export HUB=http://127.0.0.1:8080 KEY=lt_...\n", "")
    heard = await _said(["bash", "-euo", "pipefail", "-c", script], environ, stage.folder)
    for words in (
        '"operation":"police.lookup_citizen"',
        '"full_name":"NGUYỄN VĂN ĐÁ"',
        "202 Accepted",
        '"state":"answered","result":"ok","value":null',
        '"code":"call.not_cancellable"',
        '"accepted":3,"refused":0,"send_again_from":null',
        '"following":"/v1/calls/npsp:batch/01a2082c-0000-7910-9f3f-c72cac11c2b0?after=',
        'data: {"specversion":"1.0"',
        '"secret":"whsec_',
    ):
        assert words in heard, heard

    program_text, of_many, of_files = blocks(CALLERS, "python")
    heard = await _said([sys.executable, "-c", program_text], environ, stage.folder)
    assert heard.startswith("NGUYỄN VĂN ĐÁ\n")
    assert heard.endswith(" ok\n")
    heard = await _said([sys.executable, "-c", of_many], environ, stage.folder)
    assert heard == "".join(f"000.00.14.H32-261123-0{number} answered ok\n" for number in (301, 302, 303))
    heard = await _said([sys.executable, "-c", of_files], environ, stage.folder)
    assert heard == "application/pdf 17\n"

    asked = next(words for words, whole in commands(OPERATE) if whole and words[0] == "call")
    words = [stage.key if word == "lt_..." else word for word in asked]
    status, out, errors = await stage.hub(*words, "--url", stage.url)
    assert (status, from_json(out)["result"]) == (0, "ok"), errors


async def _said(words: list[str], environ: dict[str, str], folder: Path) -> str:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*words, env=environ, cwd=folder, stdout=pipe, stderr=pipe)
    out, errors = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, out.decode() + errors.decode()
    return out.decode()
