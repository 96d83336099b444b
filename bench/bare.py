"""
What `inbound.py` holds the hub against: an ASGI endpoint on uvicorn that reads the body and answers, and keeps nothing.

`python -m bench.bare <file with the reply>`. The server is as the hub's: httptools, uvloop, no log of accesses.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvicorn
import uvloop

from hub.web.replies import Receive, Scope, Send


class Bare:
    """Answers everything with *reply*."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(reply))]

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._reply})


async def serve(reply: bytes) -> None:
    """Listen until told to end; the ready line says where."""
    config = uvicorn.Config(
        Bare(reply), port=0, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None,
        proxy_headers=False, server_header=False, backlog=2048,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110 - it offers nothing to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "listen": f"127.0.0.1:{port}"}), flush=True)
    await task


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]).read_bytes()))
