"""Every scenario keeps its bands, whatever the dice say. Read `simulation.py` first, `scenarios.py` for the bands."""

import pytest

from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import simulate

SEEDS = (1, 2, 3, 4, 5)
NOT_YET: frozenset[str] = frozenset(
    {
        "10x",
        "429 above 8",
        "429 above 8, with Retry-After",
        "capacity / 4 in the middle",
        "one exchange in five fails",
        "one operation fails",
        "one operation hangs",
        "slow 2x",
        "steady 2x, ceiling 2x too high",
    }
)
"""Scenarios whose bands the engine does not keep yet under every seed. Take a name out as soon as it does."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_keeps_its_bands(name: str, seed: int, request: pytest.FixtureRequest) -> None:
    if name in NOT_YET:
        request.applymarker(pytest.mark.xfail(reason="named in NOT_YET", strict=False))
    scenario = SCENARIOS[name]
    assert scenario.broken(simulate(scenario.plan(1.0), seed)) == []


def test_what_is_named_as_not_kept_yet_exists() -> None:
    assert set(SCENARIOS) >= NOT_YET
