"""Every scenario keeps its bands, whatever the dice say. Read `simulation.py` first, `scenarios.py` for the bands."""

import pytest

from tests.simulation.scenarios import SCENARIOS

SEEDS = (1, 2, 3, 4, 5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_keeps_its_bands(name: str, seed: int) -> None:
    scenario = SCENARIOS[name]
    assert scenario.broken(scenario.run(seed)) == []
