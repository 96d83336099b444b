"""
The naive gateway: what a capable team writes in a week, and what the predecessor was. FastAPI, a shared client, no record.

It asks the same sandbox the same questions as the hub, through the libraries most people reach for: httpx2 for REST,
zeep for SOAP. No limits, no record, no lanes. Run by `overhead.py` as a process of its own.
"""

import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import uvicorn
from fastapi import FastAPI
from zeep import AsyncClient, Settings
from zeep.helpers import serialize_object
from zeep.proxy import AsyncServiceProxy
from zeep.transports import AsyncTransport

POLICE_WSDL = Path(__file__).parent.parent / "connectors" / "police" / "contract" / "population.wsdl"


def soap_client(url: str, wsdl: Path, headers: Mapping[str, str]) -> tuple[AsyncClient, Any]:
    """Return zeep's asynchronous client for *wsdl* and its service at *url*; *headers* hold the handshake, prebuilt."""
    kept = {name: value for name, value in headers.items() if name.lower() not in ("content-type", "soapaction")}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    transport = AsyncTransport(client=httpx.AsyncClient(timeout=60, limits=limits))
    transport.client.headers.update(kept)  # zeep puts its own in place of those it is given
    client = AsyncClient(
        str(wsdl),
        transport=transport,
        settings=Settings(strict=False, xml_huge_tree=False),
    )
    binding = next(iter(client.wsdl.bindings.values()))
    return client, AsyncServiceProxy(client, binding, address=url)


def build(rest_url: str, soap_url: str, soap_headers: Mapping[str, str]) -> FastAPI:
    """Return the gateway before the portal at *rest_url* and the population database at *soap_url*."""
    state: dict[str, Any] = {}

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx2.AsyncClient(timeout=60, limits=limits) as state["rest"]:
            state["zeep"], state["service"] = soap_client(soap_url, POLICE_WSDL, soap_headers)
            yield

    app = FastAPI(lifespan=life)

    @app.post("/procedure")
    async def procedure(body: dict[str, Any]) -> dict[str, Any]:
        reply = await state["rest"].post(rest_url, json=body)
        answer: dict[str, Any] = reply.json()["result"][0]
        return answer

    @app.post("/citizen")
    async def citizen(body: dict[str, Any]) -> dict[str, Any]:
        found = await state["service"].TraCuuThongTinCongDan(**body)
        answer: dict[str, Any] = serialize_object(found, dict)
        return {"value": answer}

    return app


if __name__ == "__main__":
    told = json.loads(os.environ["BENCH_GATEWAY"])
    app = build(told["rest"], told["soap"], told["headers"])
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(2048)  # whoever reads the ready line may connect at once
        print(json.dumps({"event": "ready", "listen": f"127.0.0.1:{door.getsockname()[1]}"}), flush=True)
        # Never by `fd=`: uvicorn then takes it for a Unix socket, TCP_NODELAY stays off, and each lone call waits 40 ms.
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[door])
