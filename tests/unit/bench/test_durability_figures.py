"""What a run has seen becomes figures and verdicts: pure arithmetic, and nothing that belongs to a system is left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import processes
from bench.backlogs import Backlog
from bench.durability import body_of
from bench.durability_page import Measured, page, per_cpu_second, stands_on, weigh
from bench.forms import FORMS
from bench.loopback import Agency
from bench.processes import Used
from bench.queues import KINDS
from bench.seen import Seen
from connectors.kit.samples import load_samples

NPSP = Path(__file__).parents[3] / "connectors" / "npsp"
HUB = FORMS[0].name


def seen(cpu_us: float, *, calls: int = 100, failed: int = 0) -> Seen:
    """Return a measurement of *calls* calls that cost so much, half of it in the store."""
    half = cpu_us * calls / 2e6
    return Seen(calls, 0.5, {"hub": half, "PostgreSQL": half}, {"agency": 9.0, "asking": 9.0}, failed)


def run(ours: list[Seen], theirs: list[Seen], backlogs: list[Backlog] | None = None) -> Measured:
    systems = {HUB: ours, "taskiq": theirs, "Celery": theirs}
    return Measured({name: [] for name in systems}, systems, backlogs or [backlog(1_000, 700.0, 70)], [])


def backlog(waiting: int, cpu_us: float, megabytes: int) -> Backlog:
    return Backlog(
        HUB, waiting, 1.0, [seen(cpu_us)] * 3, [seen(cpu_us / 4)] * 3, [seen(cpu_us)] * 3, memory=megabytes * 1_000_000
    )


def stat(parent: int, user: int, system: int, ended: int = 0, name: str = "hub") -> str:
    return f"7 ({name}) S {parent} 7 7 0 -1 4194560 90 0 0 0 {user} {system} {ended} 0 20 0 9 0 1 1 1 1"


# --- CPU of families -------------------------------------------------------------------------------------------------


def test_all_threads_and_all_ended_children_of_a_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_TICKS", 100)
    assert processes.read(stat(1, 150, 50, 30)) == Used(1, 2.0, 0.3)


def test_a_name_with_spaces_and_brackets_is_only_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_TICKS", 100)
    assert processes.read(stat(12, 100, 0, name="postgres: writer) (x")) == Used(12, 1.0, 0.0)


def test_what_was_started_counts_with_whoever_started_it_and_nobody_else() -> None:
    all_of = {
        1: Used(0, 100.0, 50.0),
        10: Used(1, 1.0, 0.5),
        11: Used(10, 2.0, 0.0),
        12: Used(11, 4.0, 0.0),
        20: Used(1, 8.0, 0.0),
    }
    assert sorted(processes.family(all_of, 10)) == [10, 11, 12]
    assert processes.seconds(all_of, [10]) == 7.5
    assert processes.seconds(all_of, [10, 20]) == 15.5


def test_a_child_that_ends_takes_nothing_out_of_the_sum() -> None:
    before = {10: Used(1, 1.0, 0.0), 11: Used(10, 2.0, 0.0)}
    after = {10: Used(1, 1.0, 2.0)}
    assert processes.seconds(before, [10]) == processes.seconds(after, [10])


# --- Figures and aims ------------------------------------------------------------------------------------------------


def test_a_call_costs_what_all_parts_of_the_system_used_and_nothing_that_stands_apart() -> None:
    one = seen(700.0)
    assert one.cpu_us == pytest.approx(700.0)
    assert one.per_cpu_second == pytest.approx(1e6 / 700)
    assert one.per_second == 200.0


def test_calls_too_few_to_weigh_cost_nothing_and_break_nothing() -> None:
    assert seen(0.0).per_cpu_second == float("inf")


def test_the_median_of_the_repeats_counts() -> None:
    assert per_cpu_second([seen(500.0), seen(1000.0), seen(9000.0)]) == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "over_celery", "over_taskiq"),
    [(700.0, 701.0, True, True), (700.0, 561.0, False, True), (700.0, 559.0, False, False)],
)
def test_the_hub_has_to_do_more_than_celery_and_four_fifths_of_taskiq(
    ours: float, theirs: float, over_celery: bool, over_taskiq: bool
) -> None:
    aims = weigh(run([seen(ours)], [seen(theirs)]))
    assert [aim.met for aim in aims] == [over_celery, over_taskiq]
    assert ["Celery" in aim.what for aim in aims] == [True, False]
    assert [aim.figure for aim in aims] == pytest.approx([theirs / ours] * 2)


def test_refused_calls_meet_no_aim() -> None:
    aims = weigh(run([seen(100.0, failed=1)], [seen(900.0)]))
    assert [aim.met for aim in aims] == [False, False]


def test_a_peer_that_is_not_installed_has_no_aim() -> None:
    alone = run([seen(700.0)], [])
    alone.carried = {HUB: alone.carried[HUB]}
    assert weigh(alone) == []


@pytest.mark.parametrize(("dearer", "more", "met"), [(1.19, 49, True), (1.21, 51, False)])
def test_a_backlog_makes_calls_no_dearer_and_the_process_no_larger(dearer: float, more: int, met: bool) -> None:
    least, most = backlog(1_000, 700.0, 70), backlog(1_000_000, 700.0 * dearer, 70 + more)
    aims = weigh(run([seen(700.0)], [seen(700.0)], [least, most]))[2:]
    assert [aim.met for aim in aims] == [met, met, met]
    assert aims[0].figure == pytest.approx(dearer)
    assert aims[1].figure == pytest.approx(dearer)
    assert aims[2].figure == pytest.approx(more)


def test_a_whole_call_to_the_lane_of_the_backlog_is_taking_it_and_sending_it() -> None:
    assert backlog(1_000, 700.0, 70).same == pytest.approx([875.0] * 3)


@pytest.mark.parametrize(("load", "shared"), [(0.4, False), (2.0, True)])
def test_the_page_says_when_other_work_shared_the_machine(load: float, shared: bool) -> None:
    assert ("shared the machine" in stands_on(load)) is shared


def test_the_page_shows_each_system_and_each_backlog() -> None:
    one = run([seen(700.0)], [seen(560.0)], [backlog(1_000, 700.0, 70), backlog(100_000, 710.0, 75)])
    one.accepted = one.carried
    text = page(one, weigh(one))
    for name, rows in ((HUB, 4), ("taskiq", 2), ("Celery", 2)):
        assert text.count(f"\n| {name} |") == rows
    assert f"\n| {HUB} | 100,000 | 1.0 | 710.00" in text
    assert text.count("| met |") + text.count("| **missed** |") == 5


def test_each_form_is_compared_with_its_own_smallest_backlog() -> None:
    other = [replace(backlog(waiting, cpu_us, 70), form="other") for waiting, cpu_us in ((10, 100.0), (1_000, 130.0))]
    aims = weigh(run([seen(700.0)], [], [backlog(1_000, 700.0, 70), backlog(100_000, 700.0, 70), *other]))
    dearer = [aim for aim in aims if "to another lane" in aim.what]
    assert [(aim.what.rpartition(": ")[2], round(aim.figure, 2)) for aim in dearer] == [(HUB, 1.0), ("other", 1.3)]


def test_the_page_says_how_many_exchanges_each_node_made() -> None:
    one = run([seen(700.0)], [seen(560.0)])
    one.accepted, one.sent = one.carried, {"two nodes": [1_200, 1_100]}
    assert "\nExchanges that each node made, two nodes: 1,200, 1,100.\n" in page(one, weigh(one))


# --- The exchange ----------------------------------------------------------------------------------------------------


def test_the_peers_send_a_body_as_long_as_the_hub_does() -> None:
    sample = next(one for one in load_samples(NPSP) if one.name == "file_dossier.ok_early")
    body = body_of(sample)
    assert b'"MaHoSo":"000.00.14.H32-261123-00000000"' in body
    assert 700 < len(body) < 1_100


def test_the_agency_counts_filings_and_no_log_ins() -> None:
    agency = Agency(b'{"error_code": "0"}', b'{"session": "x"}')
    assert agency.answer(b"POST /mapi/login HTTP/1.1\r\n").endswith(b'{"session": "x"}')
    assert agency.answer(b"POST /mapi/g HTTP/1.1\r\n").endswith(b'{"error_code": "0"}')
    assert agency.answer(b"GET / HTTP/1.1\r\n").endswith(b"\r\n\r\n1")


def test_a_peer_that_is_not_installed_says_which_package_is_missing() -> None:
    for kind in KINDS:
        assert set(kind.missing) <= set(kind.packages)
