"""
Every guard is there for something: without it, and with all the others, a named scenario breaks its band.

That the band is kept with it, under the same seeds, is what `test_scenarios.py` asserts.
"""

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.scenarios import SCENARIOS

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("guard", ABLATIONS)
def test_without_this_guard_a_band_breaks(guard: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ablation = ABLATIONS[guard]
    scenario = SCENARIOS[ablation.scenario]
    ablation.without(monkeypatch)
    broken = scenario.broken(scenario.run(seed))
    assert [one for one in broken if one.startswith(ablation.band)] != [], (
        f"without it, something should; broke {broken}"
    )
