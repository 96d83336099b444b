"""
The stage of `hub demo`: both agencies played in this process, and a real `hub serve` child that may be killed.

Everything lies in a temporary folder and listens on free loopback ports. The acts are in `demo.py`.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from pydantic_core import from_json

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play, Sandbox
from hub.cli.sandbox import invented_settings, snippet
from hub.client import HubClient

AGENCIES = ("police", "npsp")
UNITS = "unit,valid_from,valid_to,agency,code\nmot-cua-01,2020-01-01,,npsp,000.00.14.H32\n"
OFFICERS = "officer,unit,valid_from,valid_to,agency,account\ncb-014,mot-cua-01,2020-01-01,,police,000080000099\n"
_PATIENCE = 30.0
"""Seconds a hub may take to say that it is ready."""


class Stage:
    """One installation: sandbox, hub, and the keys to both."""

    def __init__(self, folder: Path, sandbox: Sandbox, admin_key: str) -> None:
        self.sandbox = sandbox
        self.ready_after = 0.0
        """Seconds the hub took from its start to its ready line."""
        self._folder = folder
        self._environ = {**os.environ, "HUB_CONFIG": str(folder / "hub.toml"), "DEMO_ADMIN_KEY": admin_key}
        self._admin = {"authorization": f"Bearer {admin_key}"}
        self._child: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url = self._admin_url = self._key = ""

    def client(self) -> HubClient:
        """Return the typed client of the centre's software; `patience` is how long it heeds `Retry-After`."""
        return HubClient(self._url, self._key, patience=10.0)

    async def serve(self) -> None:
        """
        Start the hub and wait until it is ready.

        Raises:
            RuntimeError: It ended, or was not ready in time; the text says what it told.
        """
        began = time.monotonic()
        log = (self._folder / "hub.log").open("ab")
        self._child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli.main", "serve", env=self._environ, cwd=self._folder,
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        try:
            ready = await asyncio.wait_for(self._ready(), _PATIENCE)
        except TimeoutError:
            ready = None
        if ready is None:
            raise RuntimeError((self._folder / "hub.log").read_text("utf-8", "replace") or "the hub did not get ready")
        self.ready_after = time.monotonic() - began
        self._url, self._admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"

    async def register(self) -> None:
        """Do what an operator does once: import units and officers, give the centre's software a key."""
        async with httpx2.AsyncClient(base_url=self._admin_url, headers=self._admin) as http:
            for register, content in (("units", UNITS), ("officers", OFFICERS)):
                (await http.put(f"/admin/v1/{register}", content=content.encode())).raise_for_status()
            made = {"name": "one-stop", "allowed": ["*"], "top_class": "counter"}
            added = (await http.post("/admin/v1/callers", json=made)).raise_for_status()
            self._key = from_json(added.content)["key"]

    async def kill(self) -> None:
        """Kill the hub as a power cut would: no signal that it could handle."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()
        if self._reading is not None:
            await self._reading

    async def _ready(self) -> Mapping[str, str] | None:
        child = self._child
        if child is None or child.stdout is None:
            return None
        async for line in child.stdout:
            told: Mapping[str, str] = from_json(line)
            if told.get("event") == "ready":
                self._reading = asyncio.create_task(_drain(child.stdout))
                return told
        return None


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Set the stage, and clear it away whatever happens."""
    chance = random.Random(14)  # noqa: S311 - names sessions of a played agency, guards nothing
    folders = find_connectors()
    plays = [Play(name, folders[name], invented_settings(folders[name])) for name in AGENCIES]
    with TemporaryDirectory(prefix="lienthong-demo-") as folder:
        sandbox = Sandbox(plays, now=time.time, chance=chance)
        await sandbox.start()
        head = '[hub]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nadmin_key = "env:DEMO_ADMIN_KEY"\n'
        head += "late_seconds = 60\n\n"  # a busy machine must not decide what is shown
        (Path(folder) / "hub.toml").write_text(head + snippet(plays), "utf-8")
        stage = Stage(Path(folder), sandbox, os.urandom(16).hex())
        try:
            yield stage
        finally:
            await stage.kill()
            await sandbox.stop()


async def _drain(lines: asyncio.StreamReader) -> None:
    while await lines.read(1 << 16):
        pass  # the hub's log lines; a full pipe would stop it
