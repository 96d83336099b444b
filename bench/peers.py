"""
The same exchange without the hub, each way in a process of its own: `python -m bench.peers <way> <agency> ...`.

Ways: `aiohttp` (prebuilt bytes, reply thrown away), `httpx2` (bare), `zeep` (its asynchronous client), `kit` (our
connector bound to the agency: render, send, judge, without any door or record). Prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from bench.gateway import soap_client
from bench.lab import OPERATIONS, sample_of
from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import Sources
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import Answered
from connectors.kit.registry import bind, load_connector
from hub.cli.sandbox import invented_settings

Once = Callable[[], Awaitable[object]]
SOURCES: Sources = {
    "exchange.id": "01930000-0000-7000-8000-000000000001",
    "officer.account": "000080000099",
    "unit.code": "000.00.14.H32",
}


async def bound_to(lab: Path, agency: str, url: str) -> tuple[BoundAgency, str, BaseModel, Sources]:
    """Return the agency, logged in where it has to be, the operation, its request, and the sources it needs."""
    folder = lab / f"{agency}_lab"
    connector = load_connector(folder)
    bound = bind(
        connector, name=agency, base_url=url, settings=invented_settings(folder), sender=HttpSender(), now=time.time,
        contract=connector.manifest.contract,
    )  # fmt: skip
    name = OPERATIONS[agency].partition(".")[0]
    request = connector.operations[name].request.model_validate_json(to_json(sample_of(lab, agency).request))
    if connector.manifest.auth is None or not connector.manifest.auth.login:
        return bound, name, request, SOURCES
    kept = await bound.log_in(SOURCES, timeout=10)
    assert isinstance(kept, Mapping), kept
    return bound, name, request, {**SOURCES, **kept}


async def kit(lab: Path, agency: str, url: str, stack: AsyncExitStack) -> Once:
    """Return one exchange through our connector."""
    bound, name, request, sources = await bound_to(lab, agency, url)
    stack.push_async_callback(bound.close)

    async def once() -> object:
        outcome = await bound.send(name, bound.render(name, request, sources), timeout=30)
        assert isinstance(outcome, Answered), outcome
        return outcome

    return once


async def wire_of(lab: Path, agency: str, url: str) -> tuple[str, bytes, dict[str, str]]:
    """Return address, body and headers of the exchange, prebuilt."""
    bound, name, request, sources = await bound_to(lab, agency, url)
    wire = bound.render(name, request, sources)
    await bound.close()
    return wire.url, wire.body, dict(wire.headers)


async def bare_aiohttp(lab: Path, agency: str, url: str, stack: AsyncExitStack) -> Once:
    address, body, headers = await wire_of(lab, agency, url)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))

    async def once() -> object:
        async with session.post(address, data=body, headers=headers) as reply:
            assert reply.status == 200
            return await reply.read()

    return once


async def bare_httpx2(lab: Path, agency: str, url: str, stack: AsyncExitStack) -> Once:
    address, body, headers = await wire_of(lab, agency, url)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    client = await stack.enter_async_context(httpx2.AsyncClient(limits=limits, timeout=60))
    tree = from_json(body)

    async def once() -> object:
        reply = await client.post(address, json=tree, headers={"dstcode": headers.get("dstcode", "")})
        assert reply.status_code == 200
        return reply.json()["result"][0]

    return once


async def bare_zeep(lab: Path, agency: str, url: str, stack: AsyncExitStack) -> Once:
    address, _, headers = await wire_of(lab, agency, url)
    client, service = soap_client(address, next((lab / f"{agency}_lab" / "contract").glob("*.wsdl")), headers)
    await stack.enter_async_context(client)
    if agency == "archive":
        code = sample_of(lab, agency).request["code"]

        async def once() -> object:
            return await service.LayHoSo(MaHoSo=code)
    else:
        body = ZEEP_CITIZEN

        async def once() -> object:
            return await service.TraCuuThongTinCongDan(**body)

    return once


ZEEP_CITIZEN = {
    "MaYeuCau": "002092495633990064448567243457794408449",
    "MaDVC": "DVC-TEST",
    "MaTichHop": "037",
    "MaCanBo": "000080000099",
    "SoDinhDanh": "000085000001",
    "HoVaTen": "NGUYỄN VĂN ĐÁ",
    "NgayThangNamSinh": {"NgayThangNam": "19850315"},
}
"""The record that zeep sends, as its users write it: a dictionary by element names."""

WAYS = {"aiohttp": bare_aiohttp, "httpx2": bare_httpx2, "zeep": bare_zeep, "kit": kit}


async def measure(once: Once, at_once: int, total: int) -> dict[str, Any]:
    """Keep *at_once* exchanges in flight until *total* are done; return CPU and wall seconds per call and latencies."""
    for _ in range(min(20, total)):
        await once()
    numbers = iter(range(total))
    latencies: list[float] = []

    async def work() -> None:
        for _ in numbers:
            began = time.perf_counter()
            await once()
            latencies.append(time.perf_counter() - began)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    latencies.sort()
    return {
        "cpu_us": cpu / total * 1e6,
        "per_second": total / wall,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
    }


async def _main(way: str, agency: str, lab: str, url: str, at_once: str, total: str) -> None:
    async with AsyncExitStack() as stack:
        once = await WAYS[way](Path(lab), agency, url, stack)
        print(json.dumps(await measure(once, int(at_once), int(total))))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(*sys.argv[1:]))
