"""
The disk of a running hub takes nothing more, and then does again. Judged from outside only: callers hear an honest
refusal, a load balancer sees red, nothing that was promised is missing, and nobody has to start anything.
"""

import asyncio
import resource
import time
from typing import Any

import httpx2
import pytest
from pydantic_core import from_json

from hub.client import HubClient, Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery, Dossier
from tests.integration.conftest import Stage

pytestmark = [pytest.mark.process, pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")]

TINY = 4096


def may_write(stage: Stage, size: int | None) -> None:
    """Let the child's files grow to *size* bytes and no further; None: as before."""
    assert stage.child is not None
    _, hard = resource.prlimit(stage.child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(stage.child.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


async def readiness(stage: Stage) -> tuple[int, dict[str, Any]]:
    async with httpx2.AsyncClient(base_url=stage.url, timeout=30) as http:
        reply = await http.get("/readyz")
        checks: dict[str, Any] = from_json(reply.content)["checks"]
        return reply.status_code, checks


async def becomes(stage: Stage, status: int, seconds: float = 60.0) -> str:
    """Wait until `/readyz` answers *status*; return what it says of the store."""
    end = time.monotonic() + seconds
    while True:
        said, checks = await readiness(stage)
        if said == status:
            return str(checks["store"])
        assert time.monotonic() < end, f"/readyz stays {said}: {checks}"
        await asyncio.sleep(0.1)


async def refusal(hub: HubClient, dossier: Dossier, purpose: Purpose, key: str) -> Problem:
    with pytest.raises(Problem) as refused:
        await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key=key)
    return refused.value


async def test_a_disk_that_takes_nothing_more_and_then_does_again(
    stage: Stage, dossier: Dossier, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        before = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="before", wait=30)
        asked, sent = stage.arrived("police", "lookup_citizen"), stage.arrived("npsp", "file_dossier")

        may_write(stage, TINY)
        for number in range(3):
            refused = await refusal(hub, dossier, purpose, f"while-{number}")
            assert (refused.code, refused.status) == ("store.unavailable", 503)
            assert refused.retry_after
        says = await becomes(stage, 503)
        assert "disk" in says
        with pytest.raises(Problem) as refused_too:
            await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert refused_too.value.code == "store.unavailable"
        async with stage.operator() as http:
            assert (await http.get("/admin/v1/hub")).json()["store_trouble"] == says
            metrics = (await http.get("/metrics")).text
        assert 'decision="refused",reason="store.unavailable"' in metrics, "at the door, before the body"
        assert "hub_store_bytes " in metrics
        assert (stage.arrived("police", "lookup_citizen"), stage.arrived("npsp", "file_dossier")) == (asked, sent)

        may_write(stage, None)
        await becomes(stage, 200)
        after = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="while-0")
        assert await after.result(wait=30) is not None
        assert (await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)) is not None
        found = {key: len(await hub.find(key=key)) for key in ("before", "while-0", "while-1", "while-2")}
        assert found == {"before": 1, "while-0": 1, "while-1": 0, "while-2": 0}
    assert before is not None
    assert stage.child is not None
    assert stage.child.returncode is None, "nobody had to start it again"


async def test_a_store_above_its_bound_takes_look_ups_and_no_filings(
    stage: Stage, dossier: Dossier, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    used = await started_again(stage)
    assert used > 100_000
    await started_again(stage, HUB__HUB__STORE_BYTES=str(int(used * 0.95)))
    assert (await becomes(stage, 503)).startswith("full: ")
    async with stage.client() as hub:
        assert (await refusal(hub, dossier, purpose, "k")).code == "store.unavailable"
        assert (await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)) is not None


async def started_again(stage: Stage, **environ: str) -> int:
    """Stop the hub gently and start it; return how many bytes its store holds."""
    assert stage.child is not None
    stage.child.terminate()
    await stage.ended()
    await stage.start(**environ)
    async with stage.operator() as http:
        return int((await http.get("/admin/v1/hub")).json()["store_bytes"])
