"""
The naive gateway: what a capable team writes in a week, and what the predecessor was. FastAPI, a shared client, no record.

It asks the same played agencies the same questions as the hub, through the libraries most people reach for: httpx2 for
REST, zeep for SOAP, tenacity to try again. No limits, no record, no lanes. Run by `overhead.py` and `congestion.py` as a
process of its own.
"""

import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, HTTPException
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

ATTEMPTS = 3
"""How often a gateway asks: what the examples of tenacity show."""
POLICE_WSDL = Path(__file__).parent.parent / "connectors" / "police" / "contract" / "population.wsdl"


def soap_client(url: str, wsdl: Path, headers: Mapping[str, str]) -> tuple[Any, Any]:
    """Return zeep's asynchronous client for *wsdl* and its service at *url*; *headers* hold the handshake, prebuilt."""
    import httpx  # here, as zeep: half of a gateway's start, which those without SOAP need not pay
    from zeep import AsyncClient, Settings
    from zeep.proxy import AsyncServiceProxy
    from zeep.transports import AsyncTransport

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


def build(told: Mapping[str, Any]) -> FastAPI:
    """
    Return the gateway as *told*.

    `rest` and `soap` are the addresses of the portal and the population database, with `headers` of the latter;
    `agencies` are catalogues by name, asked with a `timeout` and up to three times.
    """
    state: dict[str, Any] = {}

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx2.AsyncClient(timeout=told.get("timeout", 60), limits=limits) as state["rest"]:
            if "soap" in told:
                state["zeep"], state["service"] = soap_client(told["soap"], POLICE_WSDL, told["headers"])
            yield

    app = FastAPI(lifespan=life)

    @app.post("/procedure")
    async def procedure(body: dict[str, Any]) -> dict[str, Any]:
        reply = await state["rest"].post(told["rest"], json=body)
        answer: dict[str, Any] = reply.json()["result"][0]
        return answer

    @app.post("/citizen")
    async def citizen(body: dict[str, Any]) -> dict[str, Any]:
        from zeep.helpers import serialize_object

        found = await state["service"].TraCuuThongTinCongDan(**body)
        answer: dict[str, Any] = serialize_object(found, dict)
        return {"value": answer}

    @retry(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type(httpx2.HTTPError),
        reraise=True,
    )
    async def ask(url: str, body: dict[str, Any]) -> Any:
        reply = await state["rest"].post(url, json=body)
        return reply.raise_for_status().json()

    @app.post("/lookup/{agency}")
    async def lookup(agency: str, body: dict[str, Any]) -> Any:
        try:
            return await ask(told["agencies"][agency], body)
        except httpx2.HTTPError as error:
            raise HTTPException(502, type(error).__name__) from error

    return app


if __name__ == "__main__":
    app = build(json.loads(os.environ["BENCH_GATEWAY"]))
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(2048)  # whoever reads the ready line may connect at once
        print(json.dumps({"event": "ready", "listen": f"127.0.0.1:{door.getsockname()[1]}"}), flush=True)
        # Never by `fd=`: uvicorn then takes it for a Unix socket, TCP_NODELAY stays off, and each lone call waits 40 ms.
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[door])
