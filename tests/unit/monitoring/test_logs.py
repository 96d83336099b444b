"""Lines are JSON, carry call and trace, and cannot carry a person's data."""

import io
import json
import logging
import sys
from typing import Any

import pytest

from monitoring.logs import FIELDS, LibraryLines, LineWriter, LogLines

NAME = "Nguyễn Thị Mẫu"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Sink(io.BytesIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


def test_an_exchange_is_one_line_with_call_and_trace() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 1_795_400_000.25)
    LogLines(writer, lambda: 0.0).exchange(
        "c1", "police", "lookup_citizen", "in_doubt", "agency", "timeout", 1.23456, TRACE
    )
    writer.close()
    assert sink.lines() == [
        {
            "at": "2026-11-23T09:13:20.250+07:00",
            "event": "exchange",
            "call": "c1",
            "agency": "police",
            "operation": "lookup_citizen",
            "outcome": "in_doubt",
            "blame": "agency",
            "cause": "timeout",
            "seconds": 1.2346,
            "traceparent": TRACE,
        }
    ]


def test_what_the_retention_removed_is_one_line_with_its_numbers() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    LogLines(writer, lambda: 0.0).retention({"calls": 50, "journal": 3})
    writer.close()
    (line,) = sink.lines()
    assert (line["event"], line["removed"]) == ("retention", {"calls": 50, "journal": 3})


def test_an_undeclared_field_cannot_be_written() -> None:
    writer = LineWriter(Sink(), lambda: 0.0)
    with pytest.raises(ValueError, match="zip"):
        writer.event("hold", "police", "busy", 3.0, NAME)
    with pytest.raises(KeyError):
        writer.event("payload", NAME)
    writer.close()


def test_a_flood_of_refusals_is_one_line_per_ten_seconds_with_their_number() -> None:
    sink, now = Sink(), [0.0]
    writer = LineWriter(sink, lambda: 0.0)
    lines = LogLines(writer, lambda: now[0])
    for _ in range(1000):
        lines.admission("police", "bulk", "refused", "lane.full")
    lines.admission("police", "bulk", "accepted", "")
    now[0] = 10.0
    lines.admission("police", "bulk", "refused", "lane.full")
    writer.close()
    assert [line["count"] for line in sink.lines()] == [1, 1000]


def test_refusals_of_what_agencies_send_are_counted_apart() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    lines = LogLines(writer, lambda: 0.0)
    for _ in range(3):
        lines.inbound("npsp", "dossier_progressed", "rate")
    lines.inbound("npsp", "dossier_progressed", "accepted")
    lines.admission("npsp", "normal", "refused", "lane.full")
    writer.close()
    assert [line["event"] for line in sink.lines()] == ["inbound_refusals", "refusals"]
    assert sink.lines()[0]["notice"] == "dossier_progressed"


def test_an_error_is_written_as_kind_and_place_without_its_message() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    try:
        try:
            raise KeyError(NAME)
        except KeyError as cause:
            raise ValueError(NAME) from cause
    except ValueError as error:
        LogLines(writer, lambda: 0.0).fault("store", error)
    writer.close()
    (line,) = sink.lines()
    assert (line["what"], line["kind"]) == ("store", "ValueError < KeyError")
    assert line["at"][0].startswith("test_logs.py:")
    assert NAME.encode() not in sink.getvalue()
    assert b"M\\u1eabu" not in sink.getvalue()


def test_a_line_of_a_library_has_neither_its_arguments_nor_a_finished_message() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    handler = LibraryLines(writer)
    logger = logging.Logger("some.library")
    logger.addHandler(handler)
    logger.warning("cannot read %s", NAME)
    logger.warning(f"cannot read {NAME}")
    try:
        raise RuntimeError(NAME)
    except RuntimeError:
        logger.error(f"Task failed: {sys.exc_info()[1]!r}", exc_info=True)
    writer.close()
    first, second, third = sink.lines()
    assert first["says"] == "cannot read %s"
    assert second["says"] == ""
    assert third["kind"] == "RuntimeError"
    assert "Mẫu" not in sink.getvalue().decode()


def test_a_reader_that_stalls_costs_lines_and_says_how_many() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0, most=3)
    with writer._writing:  # as if the thread hung in a write
        for _ in range(5):
            writer.event("stopped")
    writer.close()
    assert [line["event"] for line in sink.lines()] == ["stopped", "stopped", "stopped", "lines_lost"]
    assert sink.lines()[-1]["count"] == 2


def test_a_closed_reader_is_survived() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    sink.close()
    writer.event("stopped")
    writer.flush()
    writer.close()


def test_no_event_declares_a_field_that_could_hold_a_person() -> None:
    allowed = {
        "way",
        "bytes",
        "question",
        "node",
        "alive",
        "by",
        "agency",
        "route",
        "class",
        "reason",
        "count",
        "call",
        "operation",
        "outcome",
        "blame",
        "cause",
        "seconds",
        "traceparent",
        "state",
        "notice",
        "removed",
    }
    allowed |= {
        "overhead",
        "route",
        "places",
        "what",
        "kind",
        "at",
        "logger",
        "level",
        "says",
        "listen",
        "admin",
        "agencies",
        "version",
        "subscription",
        "caller",
        "taken",
        "way",
        "bytes",
        "question",
        "day",
    }
    assert {field for fields in FIELDS.values() for field in fields} == allowed


def test_nodes_that_come_and_go_are_lines_and_those_that_stay_are_not() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    lines = LogLines(writer, lambda: 0.0)
    for _ in range(3):
        lines.nodes({"hub_1": 0.1, "hub_2": 1.0}, frozenset({"hub_1", "hub_2"}), "redis")
    lines.nodes({"hub_1": 0.1, "hub_2": 13.0}, frozenset({"hub_1"}), "redis")
    lines.nodes({"hub_1": 0.1}, frozenset({"hub_1"}), "none")
    writer.close()
    told = [(line["event"], line.get("node") or line.get("by"), line.get("cause")) for line in sink.lines()]
    assert told == [
        ("node", "hub_1", "started"),
        ("node", "hub_2", "started"),
        ("granting", "redis", None),
        ("node", "hub_2", "silent"),
        ("granting", "none", None),
    ]


def test_a_node_that_was_stopped_is_not_told_like_one_that_died() -> None:
    sink = Sink()
    writer = LineWriter(sink, lambda: 0.0)
    lines = LogLines(writer, lambda: 0.0)
    lines.nodes({"hub_1": 0.1, "hub_2": 1.0}, frozenset({"hub_1", "hub_2"}), "redis")
    lines.nodes({"hub_1": 0.1}, frozenset({"hub_1"}), "redis")
    writer.close()
    assert (sink.lines()[-1]["node"], sink.lines()[-1]["alive"], sink.lines()[-1]["cause"]) == (
        "hub_2",
        False,
        "stopped",
    )
