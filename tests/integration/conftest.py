"""A whole installation: a sandbox in the test's own loop, and a real `hub serve` child that tests may kill."""

import asyncio
import json
import os
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic_core import from_json

from bench.crashing.cluster import FORMS, Form
from bench.crashing.run import Run, running
from bench.servers import Redis
from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.server import Play, Sandbox
from hub.client import HubClient, Purpose
from mappings.canonical import CitizenQuery, Dossier, ProcessingStep

ROOT = Path(__file__).parents[2]
UNITS = "unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\n"
OFFICERS = "officer,unit,valid_from,valid_to,agency,account\ncb-102,H32,2020-01-01,,police,000080000099\n"
ADMIN = {"authorization": "Bearer admin-key-of-the-tests"}


class Stage:
    """One installation in a folder of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox, plays: Sequence[Play]) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.plays = plays
        self.config = folder / "hub.toml"
        self.url = ""
        self.admin_url = ""
        self.key = ""
        self.child: asyncio.subprocess.Process | None = None
        self.lines: list[dict[str, Any]] = []
        self._reading: asyncio.Task[None] | None = None
        self._write_config(plays)

    def _write_config(self, plays: Iterable[Play], *, polled: bool = True) -> None:
        entries = ['[hub]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nadmin_key = "env:ADMIN_KEY"\n']
        entries.append('sealing_key = "env:SEALING_KEY"  # for stores that are no file\n')
        for play in plays:
            entries.append(f'[agencies.{play.name}]\nbase_url = "{play.base_url}"')
            entries += [f'{name} = "{value}"' for name, value in play.settings.items()]
            if polled and any(notice.fetched_by for notice in load_manifest(play.connector).notices.values()):
                entries.append('scheduled_as = { officer = "cb-102", unit = "H32" }')
        self.config.write_text("\n".join(entries) + "\n", "utf-8")

    def only(self, *agencies: str) -> None:
        """Have no other agencies, and ask these nothing that no test asks: a poll falls due when it likes."""
        self._write_config([play for play in self.plays if play.name in agencies], polled=False)

    def entry(self, agency: str, new: str, instead_of: str = "") -> None:
        """Write *new* into the entry of *agency*, as its first line or *instead_of* what stands there."""
        head, table, rest = self.config.read_text("utf-8").partition(f"[agencies.{agency}]\n")
        assert table
        assert instead_of in rest.partition("\n[")[0]
        self.config.write_text(head + table + rest.replace(instead_of, new if instead_of else f"{new}\n", 1), "utf-8")

    def hurry(self, agency: str, changes: Mapping[str, str]) -> None:
        """
        Let *agency* go by a copy of its connector whose manifest has *changes*, old text to new: nobody waits an hour
        for a test, and a lane asks nothing before its longest exchange could have ended.
        """
        folder = self.folder / "connectors" / f"hurried_{agency}"
        shutil.copytree(find_connectors()[agency], folder)
        manifest = (folder / "manifest.toml").read_text("utf-8")
        for slow, quick in changes.items():
            assert slow in manifest
            manifest = manifest.replace(slow, quick, 1)
        (folder / "manifest.toml").write_text(manifest, "utf-8")
        self.install_own()
        self.entry(agency, f'connector = "hurried_{agency}"')

    def install_own(self) -> None:
        """Let the hub know the connectors in the folder `connectors` beside its `hub.toml`."""
        text = self.config.read_text("utf-8").replace("[hub]\n", '[hub]\nconnectors = "connectors"\n')
        self.config.write_text(text, "utf-8")

    async def run(self, *words: str, **environ: str) -> asyncio.subprocess.Process:
        """Start `hub` with *words*."""
        known = {
            "PATH": os.environ["PATH"],
            "ADMIN_KEY": "admin-key-of-the-tests",
            "SEALING_KEY": "sealing-key-of-the-tests-which-is-long",
            "HUB_CONFIG": str(self.config),
            "PYTHONPATH": str(ROOT),
            "HUB__HUB__LATE_SECONDS": "60",  # how busy this machine is must not decide what a test sees
        }
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli.main", *words, env=known | environ, cwd=self.folder, stdout=pipe, stderr=pipe
        )

    async def hub(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """Run `hub` with *words* to its end; return status, output and errors."""
        child = await self.run(*words, **environ)
        out, errors = await asyncio.wait_for(child.communicate(), 60)
        return child.returncode or 0, out.decode(), errors.decode()

    async def start(self, **environ: str) -> None:
        """Start `hub serve` and wait for its ready line; registers and a caller are made the first time."""
        self.child = await self.run("serve", **environ)
        self._reading = asyncio.create_task(self._read(self.child))
        await self.line("ready")
        ready = next(line for line in reversed(self.lines) if line["event"] == "ready")
        self.url, self.admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"
        if not self.key:
            async with self.operator() as http:
                for register, content in (("units", UNITS), ("officers", OFFICERS)):
                    assert (await http.put(f"/admin/v1/{register}", content=content.encode())).status_code == 200
                added = await http.post(
                    "/admin/v1/callers", json={"name": "one-stop", "allowed": ["*"], "top_class": "counter"}
                )
                self.key = added.json()["key"]

    async def line(self, event: str) -> None:
        """Wait until the hub has written a line of *event* since it was started."""
        told = len(self.lines)
        await self.until(lambda: any(line["event"] == event for line in self.lines[told:]), f"line {event!r}")

    async def comes(self, agency: str, operation: str, times: int = 1) -> None:
        """Wait until *operation* has come to the door of *agency*."""
        await self.until(lambda: self.arrived(agency, operation) >= times, f"{times} x {operation}")

    async def until(self, true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait until *true* says so; fail when the hub ends first, or after *seconds*."""
        began = time.monotonic()
        while not true():
            assert self.child is not None
            if time.monotonic() - began > seconds or self.child.returncode is not None:
                assert self.child.stderr is not None
                if self.child.returncode is None:
                    self.child.kill()
                raise AssertionError(f"no {what}: {self.lines[-3:]} {(await self.child.stderr.read()).decode()}")
            await asyncio.sleep(0.02)

    async def until_true(self, true: Callable[[], Awaitable[bool]], what: str, seconds: float = 60.0) -> None:
        """Wait until *true*, which may ask somebody, says so; fail after *seconds*."""
        began = time.monotonic()
        while not await true():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"no {what}: {self.lines[-3:]}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop the child in order, and wait for its end."""
        assert self.child is not None
        self.child.terminate()
        assert await self.ended() == 0

    async def _read(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        async for line in child.stdout:
            self.lines.append(json.loads(line))

    async def ended(self, seconds: float = 30.0) -> int:
        """Wait for the child's end; return its status, negative for a signal."""
        assert self.child is not None
        status = await asyncio.wait_for(self.child.wait(), seconds)
        if self._reading is not None:
            await self._reading
        return status

    async def kill(self) -> None:
        """End the child at once, if it still runs."""
        if self.child is not None and self.child.returncode is None:
            self.child.kill()
        if self.child is not None:
            await self.ended()

    def client(self) -> HubClient:
        return HubClient(self.url, self.key)

    async def heard(self, agency: str, notice: str = "", **query: Any) -> list[dict[str, Any]]:
        """Return the events of *agency* that the caller finds, from the first on; those of *notice* alone if named."""
        async with httpx2.AsyncClient(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}) as http:
            page = (await http.get(f"/v1/notices/{agency}", params={"after": 0} | query)).json()
        return [one for one in page["events"] if one["type"].endswith(notice)]

    def operator(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.admin_url, headers=ADMIN, timeout=30)

    def arrived(self, agency: str, operation: str) -> int:
        """Return how often *operation* came to the door of *agency*."""
        return sum(one.operation == operation for one in self.sandbox.arrivals.of(agency))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    plays = []
    for name, folder in find_connectors().items():
        declared = load_manifest(folder).settings
        plays.append(
            Play(
                name,
                folder,
                {key: one.default if one.default is not None else f"made-up-{key}" for key, one in declared.items()},
            )
        )
    sandbox = Sandbox(plays, now=time.time, chance=random.Random(7))
    await sandbox.start()
    stage = Stage(tmp_path, sandbox, plays)
    yield stage
    await stage.kill()
    await sandbox.stop()


def _sample(connector: str, name: str) -> Any:
    return next(one.request for one in load_samples(find_connectors()[connector]) if one.name == name)


@pytest.fixture
def citizen() -> CitizenQuery:
    return CitizenQuery.model_validate_json(json.dumps(_sample("police", "lookup_citizen.found")))


@pytest.fixture
def dossier() -> Dossier:
    return Dossier.model_validate_json(json.dumps(_sample("npsp", "file_dossier.ok")))


@pytest.fixture
def step() -> ProcessingStep:
    return ProcessingStep.model_validate_json(json.dumps(_sample("npsp", "file_progress.ok")))


@pytest.fixture
def purpose(dossier: Dossier) -> Purpose:
    return Purpose(officer="cb-102", unit="H32", dossier=from_json(dossier.model_dump_json())["code"])


@pytest.fixture(params=FORMS, ids=lambda form: form.name)
async def run(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Run]:
    """An installation of each form before a played agency, with callers; nothing is started yet but its servers."""
    form: Form = request.param
    servers = {"HUB__HUB__STORE": request.getfixturevalue("database")} if form.postgres else {}
    redis = Redis(tmp_path) if form.redis else None
    if redis is not None:
        redis.start()
        servers["HUB__HUB__REDIS"] = redis.address()
    async with running(tmp_path, form, servers) as run:
        yield run
    if redis is not None:
        redis.stop()
