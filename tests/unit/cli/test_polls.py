"""`hub polls` lists what is fetched and runs it, whether a hub runs or not."""

import json
import shutil
from pathlib import Path

import pytest

from connectors.kit.registry import find_connectors
from tests.unit.cli.conftest import Hub
from tests.unit.hub.test_installed import FETCHES


@pytest.fixture
def fetching(settings: Path, tmp_path: Path) -> Path:
    """The same installation, whose portal has a notice that is fetched."""
    place = tmp_path / "own" / "npsp_lab"
    shutil.copytree(find_connectors()["npsp"], place)
    manifest, answers = place / "manifest.toml", place / "answers.csv"
    manifest.write_text(manifest.read_text("utf-8") + FETCHES, "utf-8")
    answers.write_text(answers.read_text("utf-8") + "list_steps,200,0,,ok,,,\n", "utf-8")
    text = settings.read_text("utf-8").replace("[hub]\n", '[hub]\nconnectors = "own"\n')
    wanted = '[agencies.npsp]\nconnector = "npsp_lab"\nscheduled_as = { officer = "hub-duty", unit = "H32" }\n'
    settings.write_text(text.replace("[agencies.npsp]\n", wanted), "utf-8")
    return settings


def test_without_notices_that_are_fetched_there_are_no_polls(hub: Hub, settings: Path) -> None:
    assert "Polls: none" in hub("polls")[1]
    status, _, errors = hub("polls", "run", "npsp.step_listed")
    assert status == 1
    assert "`hub polls` lists those that are" in errors


def test_a_poll_is_listed_and_one_that_is_wanted_falls_due(hub: Hub, fetching: Path) -> None:
    (poll,) = json.loads(hub("polls", "--json")[1])
    assert (poll["agency"], poll["notice"], poll["next_run"]) == ("npsp", "step_listed", None)
    said = hub("polls", "run", "npsp.step_listed")[1]
    assert "npsp.step_listed is due. No hub runs: it goes at the next start." in said
    (poll,) = json.loads(hub("polls", "--json")[1])
    assert poll["next_run"] is not None
    assert "step_listed" in hub("polls")[1]


@pytest.mark.parametrize("words", [("run", "npsp"), ("run", ".x"), ("--json", "run", "npsp.step_listed")])
def test_words_that_name_no_poll_are_told(hub: Hub, settings: Path, words: tuple[str, ...]) -> None:
    assert hub("polls", *words)[0] == 2
