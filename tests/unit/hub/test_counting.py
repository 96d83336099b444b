"""What is scraped tells who needs a person, also while the store does not answer."""

from typing import Any, cast

from hub.app.telling import counted
from hub.errors import StoreUnavailable
from hub.store.persons import Needing, Persons
from hub.store.reconciled import Run
from monitoring.events import Silent
from monitoring.metrics import Metrics


class Lanes:
    """Two lanes, of which nothing else is asked."""

    def watch(self) -> dict[str, None]:
        return {"npsp": None, "police": None}


class Counts:
    """What a store counts, as a test tells it."""

    def __init__(self) -> None:
        self.found: dict[str, Needing] | None = {}

    async def needing(self) -> dict[str, Needing]:
        if self.found is None:
            raise StoreUnavailable
        return self.found


async def test_every_lane_tells_how_many_calls_need_a_person_and_a_sick_store_hides_no_metric() -> None:
    counts, metrics, faults = Counts(), Metrics(lambda: 0.0), []

    class Log(Silent):
        def fault(self, what: str, error: BaseException) -> None:
            faults.append(what)

    async def scraped() -> list[str]:
        text = await counted(cast(Any, Lanes()), cast(Persons, counts), metrics, Log(), None)
        return [line for line in text.decode().splitlines() if line.startswith(("hub_dead", "hub_in_doubt"))]

    counts.found = {"npsp": Needing(3, 1), "gone": Needing(2, 0)}
    assert set(await scraped()) == {
        'hub_dead_letters{agency="npsp"} 3.0', 'hub_in_doubt{agency="npsp"} 1.0',
        'hub_dead_letters{agency="police"} 0.0', 'hub_in_doubt{agency="police"} 0.0',
        'hub_dead_letters{agency="gone"} 2.0', 'hub_in_doubt{agency="gone"} 0.0',
    }  # fmt: skip
    counts.found = None
    assert 'hub_dead_letters{agency="npsp"} 3.0' in await scraped()
    assert faults == ["needing"]
    counts.found = {}
    assert 'hub_dead_letters{agency="npsp"} 0.0' in await scraped()


async def test_a_store_that_goes_away_while_it_is_asked_hides_no_metric_either() -> None:
    class Pushes:
        async def dead_events(self) -> dict[str, int]:
            raise StoreUnavailable

        def oldest_ages(self) -> dict[str, float]:
            return {}

    counts, metrics = Counts(), Metrics(lambda: 0.0)
    counts.found = {"npsp": Needing(3, 1)}
    text = await counted(cast(Any, Lanes()), cast(Persons, counts), metrics, Silent(), cast(Any, Pushes()))
    assert b"hub_store_commit_seconds" in text


async def test_the_last_day_that_was_compared_is_told_and_what_is_found_no_more_is_none() -> None:
    counts, metrics = Counts(), Metrics(lambda: 0.0)
    run = Run("r", "npsp", "2026-03-15", "", False, "schedule", 0.0, 0.0, outcome="answered", ended_at=1.0)
    runs = [run._replace(counts={"file_dossier": {"missing": 2, "same": 5}})]

    async def kept() -> list[Run]:
        return runs

    async def scraped() -> list[str]:
        text = await counted(cast(Any, Lanes()), cast(Persons, counts), metrics, Silent(), None, kept)
        return [line for line in text.decode().splitlines() if line.startswith("hub_reconciled{")]

    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="missing"} 2.0' in await scraped()
    runs[0] = run._replace(counts={"file_dossier": {"same": 7}})
    told = await scraped()
    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="missing"} 0.0' in told
    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="same"} 7.0' in told
    runs[0] = run._replace(counts={"update_dossier": {"same": 1}})
    assert 'hub_reconciled{agency="npsp",operation="file_dossier",verdict="same"} 0.0' in await scraped()
