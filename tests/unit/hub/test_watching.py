"""What the process is told about itself is what the system says, and it reaches those who decide by it."""

import asyncio
from mmap import PAGESIZE

import pytest

from hub.app.watching import Memory, watch
from hub.call import Class
from hub.clock import VirtualClock, run_virtual
from hub.errors import HubOverloaded
from hub.shedding import Shedding
from monitoring.metrics import Metrics

MIB = 1 << 20
STATM = "/proc/self/statm"
MEMINFO = {"/proc/meminfo": "MemFree:  100 kB\nMemTotal:       1048576 kB\n"}


def test_the_memory_in_use_is_what_lies_in_ram() -> None:
    assert Memory({STATM: "900 250 80 5 0 400 0\n"}.get).occupied() == 250 * PAGESIZE
    assert Memory({}.get).occupied() == 0


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, float("inf")),
        (MEMINFO, 0.8 * 1024 * MIB),
        (
            MEMINFO | {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": f"{512 * MIB}\n"},
            0.8 * 512 * MIB,
        ),
        (MEMINFO | {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"}, 0.8 * 1024 * MIB),
        (
            MEMINFO
            | {
                "/proc/self/cgroup": "0::/system.slice/hub.service\n",
                "/sys/fs/cgroup/system.slice/hub.service/memory.max": "max\n",
                "/sys/fs/cgroup/system.slice/memory.max": f"{300 * MIB}\n",
            },
            0.8 * 300 * MIB,
        ),
        (
            MEMINFO
            | {
                "/proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n",
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{200 * MIB}\n",
            },
            0.8 * 200 * MIB,
        ),
    ],
)
def test_four_fifths_of_the_memory_there_is_are_allowed(files: dict[str, str], allowed: float) -> None:
    assert Memory(files.get).allowed() == pytest.approx(allowed)


def test_what_is_seen_is_told_to_metrics_and_shedding() -> None:
    clock = VirtualClock()
    metrics = Metrics(clock.monotonic)
    shedding = Shedding(clock, queued_bytes=100, memory_bytes=10 * PAGESIZE)
    files = {STATM: "0 5"}
    queued = [0]

    async def live() -> None:
        watching = asyncio.create_task(watch(metrics, shedding, lambda: queued[0], Memory(files.get)))
        await asyncio.sleep(1.0)
        shedding.check(Class.BULK)
        queued[0] = 105
        await asyncio.sleep(0.2)
        with pytest.raises(HubOverloaded):
            shedding.check(Class.NORMAL)
        queued[0], files[STATM] = 0, "0 12"
        await asyncio.sleep(0.2)
        with pytest.raises(HubOverloaded):
            shedding.check(Class.COUNTER)
        files[STATM] = "0 1"
        await asyncio.sleep(0.2)
        shedding.check(Class.BULK)
        for _ in range(3):
            clock.advance(0.5)  # the loop stands still for half a second
            await asyncio.sleep(0.05)
        with pytest.raises(HubOverloaded):
            shedding.check(Class.NORMAL)
        watching.cancel()

    run_virtual(live(), clock)
    lines = metrics.exposition().decode().splitlines()
    assert 'hub_loop_lag_seconds_bucket{le="0.2"}' in " ".join(lines)
    (count,) = (float(line.split()[1]) for line in lines if line.startswith("hub_loop_lag_seconds_count"))
    assert count > 50
