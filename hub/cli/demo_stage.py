"""
The stage of `hub demo`: all agencies played in this process, and a real `hub serve` child that may be killed.

Everything lies in a temporary folder and listens on free loopback ports. The acts are in `demo_walk.py` and
`demo_trouble.py`.
"""

import asyncio
import os
import random
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from pydantic_core import from_json

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play, Sandbox
from hub.cli.sandbox import invented_route, invented_settings, snippet
from hub.client import HubClient

AGENCIES = (
    "police", "npsp", "land_vbdlis", "payment", "social_insurance", "post_lgsp", "power", "water_khawassco",
)  # fmt: skip
DOSSIER_AGENCIES = {
    "department_justice": ("H32.10", "Sở Tư pháp"),
    "department_construction": ("H32.12", "Sở Xây dựng"),
    "department_finance": ("H32.13", "Sở Tài chính"),
    "department_environment": ("H32.15", "Sở Nông nghiệp và Môi trường"),
    "zone_van_phong": ("H32.16", "Ban Quản lý Khu kinh tế Vân Phong"),
    "police_dossiers": ("H32.90", "Công an tỉnh"),
    "insurance_dossiers": ("H32.91", "Bảo hiểm xã hội tỉnh"),
    "tax_dossiers": ("H32.92", "Thuế tỉnh"),
}
"""
Agencies to which dossiers move over the province's LGSP, all of the connector `department`: code and name. The codes are
invented.
"""
UNITS = "unit,valid_from,valid_to,agency,code\nmot-cua-01,2020-01-01,,npsp,000.00.14.H32\n"
OFFICERS = """\
officer,unit,valid_from,valid_to,agency,account,name
cb-014,mot-cua-01,2020-01-01,,police,000080000099,
cb-014,mot-cua-01,2020-01-01,,land_vbdlis,000080000099,
cb-014,mot-cua-01,2020-01-01,,power,canbo00,
cb-014,mot-cua-01,2020-01-01,,social_insurance,000080000099,Lê Cán Bộ
"""
HURRIED = {
    "payment": {r"^every +=.*": "every = 1.0", r"^call_timeout +=.*": "call_timeout = 4"},
    "power": {r"^every +=.*": "every = 1.0", r"^call_timeout +=.*": "call_timeout = 4"},
}
"""
What the demo's copies of connectors have otherwise: what is pending is asked after from the first second on, not after
minutes or an hour, and a hub that has just started asks after 6 s, not 90.
"""
HUB = """[hub]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"  # agencies fetch papers there
admin = "127.0.0.1:0"
admin_key = "env:DEMO_ADMIN_KEY"
connectors = "own"
late_seconds = 60  # a busy machine must not decide what is shown

"""
_PATIENCE = 60.0
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
        self.url = ""
        """Where the hub's doors are, for callers and agencies."""
        self._admin_url = self._key = ""

    def client(self) -> HubClient:
        """Return the typed client of the centre's software; `patience` is how long it heeds `Retry-After`."""
        return HubClient(self.url, self._key, patience=10.0)

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
        self.url, self._admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"

    async def register(self) -> None:
        """Do what an operator does once: import units and officers, give the centre's software a key."""
        async with httpx2.AsyncClient(base_url=self._admin_url, headers=self._admin) as http:
            for register, content in (("units", UNITS), ("officers", OFFICERS)):
                (await http.put(f"/admin/v1/{register}", content=content.encode())).raise_for_status()
            made = {"name": "one-stop", "allowed": ["*"], "top_class": "counter"}
            added = (await http.post("/admin/v1/callers", json=made)).raise_for_status()
            self._key = from_json(added.content)["key"]

    async def dead_notices(self) -> Sequence[Mapping[str, str]]:
        """Return what an operator sees of notices that could not be taken, and wait for a person."""
        async with httpx2.AsyncClient(base_url=self._admin_url, headers=self._admin) as http:
            page = from_json((await http.get("/admin/v1/dead")).raise_for_status().content)
            notices: Sequence[Mapping[str, str]] = page["notices"]
            return notices

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
    folders = dict(find_connectors())
    with TemporaryDirectory(prefix="lienthong-demo-") as place:
        folder = Path(place)
        for name, numbers in HURRIED.items():
            folders[name] = _hurried(folders[name], folder / "own" / f"hurried_{name}", numbers)
        plays = [Play(name, folders[name], invented_settings(folders[name])) for name in AGENCIES]
        to_dossiers = dossier_plays(folders["department"])
        lgsp = invented_route("lgsp", to_dossiers)
        plays += to_dossiers
        sandbox = Sandbox(plays, now=time.time, chance=chance, routes=[lgsp])
        await sandbox.start()
        (folder / "hub.toml").write_text(HUB.format(port=_free_port()) + snippet(plays, [lgsp]), "utf-8")
        stage = Stage(folder, sandbox, os.urandom(16).hex())
        try:
            yield stage
        finally:
            await stage.kill()
            await sandbox.stop()


def dossier_plays(department: Path) -> list[Play]:
    """Return a play for each of `DOSSIER_AGENCIES`, of the connector in the folder *department*."""
    return [
        Play(name, department, invented_settings(department, name) | {"organ_code": code, "organ_name": title})
        for name, (code, title) in DOSSIER_AGENCIES.items()
    ]


def _hurried(connector: Path, to: Path, numbers: Mapping[str, str]) -> Path:
    """Copy *connector* to a folder beside the installed ones, with other *numbers*: pattern of a line = line."""
    shutil.copytree(connector, to)
    manifest = (to / "manifest.toml").read_text("utf-8")
    for slow, quick in numbers.items():
        manifest, changed = re.subn(slow, quick, manifest, count=1, flags=re.MULTILINE)
        if not changed:
            raise RuntimeError(f"connector {connector.name} says nothing like {slow}")
    (to / "manifest.toml").write_text(manifest, "utf-8")
    return to


def _free_port() -> int:
    """Return a port that nobody uses now; the hub comes back to it after it was killed, so links go on leading there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _drain(lines: asyncio.StreamReader) -> None:
    while await lines.read(1 << 16):
        pass  # the hub's log lines; a full pipe would stop it
