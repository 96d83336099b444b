"""
A page of four megabytes that held a million empty records took more than two gigabytes: each was told apart as one that
cannot be read, with all its faults, and the faults of all of them went into the one row that keeps the page. Before
that, the pinned shape found the faults of all items, each with a copy of what was wrong, to tell the first hundred.
"""

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.kit.carried import Carried
from connectors.kit.contract import ITEMS_AT_MOST, Check, drift, json_contract
from connectors.kit.inbox import Fetched, Understood, WireNotice
from connectors.kit.notice_reading import FAULTS_AT_MOST, POISON_AT_MOST
from connectors.kit.outcomes import Answered, Result
from connectors.kit.registry import find_connectors, load_connector
from hub.fetched import FetchedPages

GOOD = {"HOIDAPID": "1", "NOIDUNG": "Lệ phí bao nhiêu?"}


def fetched(bad: int) -> Fetched:
    ready = load_connector(find_connectors()["npsp"]).notices["question_asked"]
    tree: Any = {"error_code": 0, "result": [*({} for _ in range(bad)), GOOD]}
    read, poison = ready.one_by_one(Carried(tree))
    return Fetched(Answered(Result.OK), read, None, poison, WireNotice({}, {}, b"{}"))


def test_a_few_of_those_that_cannot_be_read_are_told_and_all_others_are_taken() -> None:
    page = fetched(3 * POISON_AT_MOST)
    assert len(page.poison) == POISON_AT_MOST
    assert isinstance(page.read, Understood)
    assert [told.unique for told in page.read.told] == ['["1"]']


async def test_a_page_is_kept_with_its_first_faults() -> None:
    kept: list[Any] = []

    async def nothing(*_: Any) -> list[Any]:
        return []

    arriving: Any = SimpleNamespace(find=nothing, keep_files=nothing, raw=lambda *_: None)
    store: Any = SimpleNamespace(keeping=lambda _, dead: kept.append(dead))
    await FetchedPages(arriving, store).sort("npsp", "question_asked", fetched(2 * FAULTS_AT_MOST))
    ((_, found),) = kept
    assert len(found.faults) == FAULTS_AT_MOST


def test_faults_of_a_reply_are_looked_for_in_the_first_of_its_items(tmp_path: Path) -> None:
    check = shape(tmp_path)
    tracemalloc.start()
    assert drift(check, [{} for _ in range(20 * ITEMS_AT_MOST)]) == ("[]",)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40_000_000


def test_a_fault_behind_the_first_items_is_told_too(tmp_path: Path) -> None:
    check = shape(tmp_path)
    assert drift(check, [*({"a": 1} for _ in range(2 * ITEMS_AT_MOST)), {}]) == ("[]",)
    assert drift(check, [{"a": 1} for _ in range(2 * ITEMS_AT_MOST)]) == ()


def shape(folder: Path) -> Check:
    (folder / "a.json").write_text('{"type": "array", "items": {"type": "object", "required": ["a"]}}')
    made = json_contract(folder / "a.json")
    assert made is not None
    return made
