"""Every guard is there for something: without it, and with all the others, a named scenario breaks its band."""

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import simulate


@pytest.mark.parametrize("guard", ABLATIONS)
def test_without_this_guard_a_band_breaks(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ablation = ABLATIONS[guard]
    scenario = SCENARIOS[ablation.scenario]
    kept = scenario.broken(simulate(scenario.plan(1.0), 1))
    ablation.without(monkeypatch)
    broken = scenario.broken(simulate(scenario.plan(1.0), 1))
    assert [one for one in kept if one.startswith(ablation.band)] == [], "with it, the band is kept"
    assert [one for one in broken if one.startswith(ablation.band)] != [], (
        f"without it, something should; broke {broken}"
    )
