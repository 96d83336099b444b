"""
One caller sent nothing but line ends to the bulk door. They were taken one by one without a turn for anybody else, no
quota counted them, and every 4096 of them bought the body more time: a node stood still for as long as they came.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from hub.errors import RequestInvalid
from hub.web import lines as module
from hub.web.lines import MOST_BLANK, MOST_BLANK_BYTES, Line, Lines

PIECE = 1 << 16


class Body:
    """A body in pieces, that says how many were asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        body = next(self._pieces, None)
        return {"type": "http.request", "body": body or b"", "more_body": body is not None}


def body(*pieces: bytes) -> Body:
    return Body(iter(pieces))


@pytest.mark.parametrize("line", [b"\n", b" \t\r\n", b"\x0b\x0c\n"])
async def test_a_body_of_empty_lines_is_ended(line: bytes) -> None:
    sent = body(*[line * (PIECE // len(line))] * 50)
    with pytest.raises(RequestInvalid, match=r"more than 10000 empty lines; leave them out"):
        await Lines(sent.receive, 1000).group()
    assert sent.asked <= 2


@pytest.mark.parametrize("piece", [PIECE, 1000], ids=["in one piece", "in many"])
async def test_long_lines_of_white_space_are_ended_by_their_bytes(piece: int) -> None:
    """No end of ten thousand of them was near when each was as long as a request may be: a hundred gigabytes."""
    line = b" " * (PIECE - 1) + b"\n"
    sent = body(*[line[at : at + piece] for _ in range(50) for at in range(0, PIECE, piece)])
    with pytest.raises(RequestInvalid, match=f"more than {MOST_BLANK_BYTES} bytes of empty lines; leave them out"):
        await Lines(sent.receive, PIECE).group()
    assert sent.asked * piece <= MOST_BLANK_BYTES + 3 * PIECE


async def test_what_came_before_too_many_empty_lines_is_handed_on_first() -> None:
    lines = Lines(body(b"one\n" + b"\n" * (MOST_BLANK + 1) + b"two\n").receive, 1000)
    assert await lines.group() == [Line(1, b"one\n")]
    with pytest.raises(RequestInvalid):
        await lines.group()


async def test_empty_lines_keep_their_numbers() -> None:
    lines = Lines(body(b"\n \n", b"  ", b"\n\r\n\none\n\n", b"two\n\t\n\nthree").receive, 1000)
    assert await lines.group() == [Line(6, b"one\n"), Line(8, b"two\n"), Line(11, b"three")]
    assert await lines.group() == []
    assert lines.read == 11


async def test_as_many_empty_lines_as_are_allowed_are_left_out() -> None:
    lines = Lines(body(b"\n" * MOST_BLANK + b"one\n").receive, 1000)
    assert await lines.group() == [Line(MOST_BLANK + 1, b"one\n")]


async def test_empty_lines_in_one_piece_are_one_step() -> None:
    lines = Lines(body(b"\n" * MOST_BLANK + b"one\n").receive, 1000)
    steps = 0
    take = lines._line

    def counted() -> Line | None:
        nonlocal steps
        steps += 1
        return take()

    lines._line = counted  # type: ignore[method-assign]
    assert await lines.group() == [Line(MOST_BLANK + 1, b"one\n")]
    assert steps < 10


async def test_white_space_buys_a_body_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH_BYTES", 4)
    lines = Lines(body(b" " * 100, b"one\n").receive, 1000)
    lines._waited = 0.5
    await lines._more(patient=True)
    assert lines._waited >= 0.5
    await lines._more(patient=True)
    assert lines._waited >= 0.5
    assert lines._brought == 3
