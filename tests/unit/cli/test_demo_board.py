"""What the demo claims must be true: whatever comes instead ends it, and says so."""

import io

import pytest
from rich.console import Console

from hub.cli.demo_board import Board, NotAsPromised, must, there


@pytest.fixture
def board() -> Board:
    return Board(Console(file=io.StringIO()))


async def test_an_act_that_came_true_is_on_the_table(board: Board) -> None:
    async def play() -> str:
        must(there(1, "a number") == 1, "it is one")
        return "one"

    await board.act("count", play)
    assert [(row.what, row.seen) for row in board.rows] == [("count", "one")]


@pytest.mark.parametrize("promise", [lambda: must(False, "it holds"), lambda: there(None, "it holds")])
async def test_what_is_not_true_ends_the_demo_and_is_named(board: Board, promise: object) -> None:
    async def play() -> str:
        assert callable(promise)
        promise()
        return "seen"

    with pytest.raises(NotAsPromised, match="it holds"):
        await board.act("count", play)
    assert board.rows == []


@pytest.mark.parametrize("other", [KeyError("Data"), ValueError("too few"), TimeoutError()])
async def test_an_answer_of_another_shape_or_none_in_time_ends_the_demo_and_names_the_act(
    board: Board, other: Exception
) -> None:
    async def play() -> str:
        raise other

    with pytest.raises(NotAsPromised, match=f"count: {type(other).__name__}"):
        await board.act("count", play)
    assert board.rows == []
