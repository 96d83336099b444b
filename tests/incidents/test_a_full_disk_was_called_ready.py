"""
Whether a hub was ready was tried with a commit that had nothing to write. A disk that was full let it pass: the balancer
went on sending calls to a hub that refused each of them.
"""

from pathlib import Path

from tests.unit.store.test_store_pressure import Sick, fill_up


async def test_a_hub_whose_disk_is_full_is_not_ready_though_it_was_idle_before(tmp_path: Path) -> None:
    sick = Sick(tmp_path / "hub.db")
    await sick.accept()
    assert await sick.red() == ""
    mend = await fill_up(sick)
    await sick.store.give_back("hub", ())  # what it was tried with
    sick.clock.advance(60)
    assert "full" in await sick.red()
    await mend()
    await sick.watch.try_out()
    assert await sick.red() == ""
    await sick.store.close()
