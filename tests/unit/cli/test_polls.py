"""`hub polls` lists what is fetched and runs it, whether a hub runs or not."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Hub


def test_a_poll_is_listed_and_one_that_is_wanted_falls_due(hub: Hub, settings: Path) -> None:
    (poll,) = json.loads(hub("polls", "--json")[1])
    assert (poll["agency"], poll["operation"], poll["next_run"]) == ("npsp", "list_questions", None)
    which = f"npsp.{poll['notice']}"
    said = hub("polls", "run", which)[1]
    assert f"{which} is due. No hub runs: it goes at the next start." in said
    (poll,) = json.loads(hub("polls", "--json")[1])
    assert poll["next_run"] is not None
    assert poll["notice"] in hub("polls")[1]


def test_what_is_not_fetched_is_told(hub: Hub, settings: Path) -> None:
    status, _, errors = hub("polls", "run", "npsp.step_listed")
    assert status == 1
    assert "`hub polls` lists those that are" in errors


@pytest.mark.parametrize("words", [("run", "npsp"), ("run", ".x"), ("--json", "run", "npsp.step_listed")])
def test_words_that_name_no_poll_are_told(hub: Hub, settings: Path, words: tuple[str, ...]) -> None:
    assert hub("polls", *words)[0] == 2
