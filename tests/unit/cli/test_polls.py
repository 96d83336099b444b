"""`hub polls` lists what is fetched and runs it, whether a hub runs or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Hub


def polls(hub: Hub, *agencies: str) -> list[dict[str, Any]]:
    """Return the polls of *agencies*, or all."""
    found = json.loads(hub("polls", "--json")[1])
    return [poll for poll in found if not agencies or poll["agency"] in agencies]


def test_what_nobody_is_named_for_is_not_polled(hub: Hub, settings: Path) -> None:
    lines = settings.read_text("utf-8").splitlines()
    settings.write_text("\n".join(line for line in lines if not line.startswith("scheduled_as")), "utf-8")
    assert "question_asked" not in [poll["notice"] for poll in polls(hub)], "the portal is asked for an officer"
    assert "document_arrived" in [poll["notice"] for poll in polls(hub)], "the old axis for nobody"
    status, _, errors = hub("polls", "run", "npsp.question_asked")
    assert status == 1
    assert "`hub polls` lists those that are" in errors
    assert "scheduled_as" in hub("doctor")[1]


def test_a_poll_is_listed_and_one_that_is_wanted_falls_due(hub: Hub, settings: Path) -> None:
    (poll,) = polls(hub, "npsp")
    assert (poll["agency"], poll["notice"], poll["next_run"]) == ("npsp", "question_asked", None)
    said = hub("polls", "run", "npsp.question_asked")[1]
    assert "npsp.question_asked is due. No hub runs: it goes at the next start." in said
    (poll,) = polls(hub, "npsp")
    assert poll["next_run"] is not None
    assert "question_asked" in hub("polls")[1]


@pytest.mark.parametrize("words", [("run", "npsp"), ("run", ".x"), ("--json", "run", "npsp.question_asked")])
def test_words_that_name_no_poll_are_told(hub: Hub, settings: Path, words: tuple[str, ...]) -> None:
    assert hub("polls", *words)[0] == 2
