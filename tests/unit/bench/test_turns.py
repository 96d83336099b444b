"""Both sides of a comparison meet the same machine, the same requests and the same gaps between them."""

from collections import Counter

from bench.stage import GATEWAY, HUB
from bench.turns import PATTERNS, pieces_of, switches_of

STRETCHES = {system: pieces_of(PATTERNS[system], 100.0, settle=8, window=11, drain=10) for system in (HUB, GATEWAY)}


def test_each_kind_of_window_of_the_hub_meets_each_kind_of_the_gateway() -> None:
    met = Counter(
        (ours.arm, theirs.arm) for ours, theirs in zip(STRETCHES[HUB], STRETCHES[GATEWAY], strict=True) if ours.arm
    )
    assert met == {("off", "off"): 1, ("off", "on"): 1, ("on", "off"): 1, ("on", "on"): 1}


def test_hub_and_gateway_have_their_windows_at_the_same_moments() -> None:
    moments = {system: [(piece.begin, piece.seconds) for piece in pieces] for system, pieces in STRETCHES.items()}
    assert moments[HUB] == moments[GATEWAY]
    assert moments[HUB] == [(100, 8), (108, 11), (119, 11), (130, 11), (141, 10), (151, 11)]


def test_a_disturbance_ends_before_the_lane_drains_for_a_quiet_window() -> None:
    assert switches_of(STRETCHES[HUB]) == [(119, True), (141, False)]
    assert switches_of(STRETCHES[GATEWAY]) == [(130, True)]


def test_the_windows_of_each_kind_are_numbered_so_that_they_can_ask_the_same() -> None:
    for pieces in STRETCHES.values():
        for arm in ("off", "on"):
            assert [piece.number for piece in pieces if piece.arm == arm] == [0, 1]
