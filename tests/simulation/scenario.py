"""
What a scenario is: a plan, what happens beside it, and the bands in which its figures must lie. Next: `scenarios.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from tests.simulation.simulation import Meddling, Plan, Run, simulate


@dataclass(frozen=True)
class Band:
    """One figure of a run and where it must lie."""

    of: str
    figure: Callable[[Run], float]
    least: float = -inf
    most: float = inf

    def broken(self, run: Run) -> str | None:
        """Return how *run* breaks this band, in words, or None."""
        figure = self.figure(run)
        if self.least <= figure <= self.most:
            return None
        bound = f"at least {self.least:g}" if figure < self.least else f"at most {self.most:g}"
        return f"{self.of} is {figure:.3f}, should be {bound}"


@dataclass(frozen=True)
class Scenario:
    """What happens, why it is here, and what must hold."""

    name: str
    about: str
    plan: Callable[[float], Plan]
    bands: tuple[Band, ...]
    meddle: Meddling | None = None

    def run(self, seed: int, stretch: float = 1.0) -> Run:
        """Play it; *stretch* makes its steady stretches longer."""
        return simulate(self.plan(stretch), seed, meddle=self.meddle)

    def broken(self, run: Run) -> list[str]:
        """Return every band that *run* breaks."""
        return [broken for band in (*self.bands, *_ALWAYS) if (broken := band.broken(run)) is not None]


_ALWAYS = (
    Band("exchanges in a second above the contract", lambda run: run.excess_rate, most=1.0),
    Band("exchanges at once above the contract", lambda run: run.excess_at_once, most=0),
    Band("repeats above promise 5", lambda run: run.agency.door.repeats - run.repeats_bound, most=0.0),
    Band("calls that came while the agency wanted silence", lambda run: run.agency.while_quiet, most=0),
)
"""What no scenario may break."""
