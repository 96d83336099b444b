"""
An installation of one or several nodes that tests may kill, freeze and start again, and what its callers see of it.

Which nodes and servers there are is a `Form`; a test is written once and runs in every form. Next: `traffic.py`.
"""

import asyncio
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2

from connectors.kit.sandbox.server import Play
from tests.integration.crashing.history import Contract
from tests.integration.crashing.life import begin

AGENCY = "npsp"
ADMIN_KEY = "admin-key-of-the-tests"
CONTRACT = Contract(per_second=10, at_once=5, per_minute=560)
"""What the agency bears: few enough that a scheduler's delay of 100 ms on a busy machine is not taken for a call too many."""
CALL_TIMEOUT = 1.0
LEASE = CALL_TIMEOUT + 30.0
"""Seconds for which a node holds what it leased (design section 5)."""
PATIENCE = 60.0
_LOOK = 0.02
_ROOM_FOR_LINES = 64 * 1024
"""Bytes: some two hundred lines; the store's log of what it writes is longer soon."""
_UNITS = "unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\n"
_OFFICERS = "officer,unit,valid_from,valid_to,agency,account\ncb-102,H32,2020-01-01,,npsp,cb-102\n"
REGISTERS = {"units": _UNITS, "officers": _OFFICERS}


@dataclass(frozen=True, slots=True)
class Form:
    """What an installation is made of."""

    name: str
    nodes: int = 1
    postgres: bool = False
    """False: a file, which one node has for itself."""
    redis: bool = False
    """False: permits are granted in the process, which then is the only one."""


FORMS = (Form("sqlite"), Form("postgres-1", postgres=True))
"""Every form in which the hub can be installed; each crash test runs in all of them."""


async def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until *true*, a function or a coroutine function, says so; fail, naming *what*, after *seconds*."""
    end = time.monotonic() + seconds
    while not (await said if isawaitable(said := true()) else said):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(_LOOK)


class Node:
    """One `hub serve` after another under one name."""

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self.name = name
        self.url = ""
        self.admin_url = ""
        self.serves = False
        """A balancer would send calls here: it is ready, and nobody has killed, frozen or stopped it."""
        self.deaths: list[int] = []
        """How its lives ended: 0, or the number of the signal, negative."""
        self._folder = folder
        self._environ = environ
        self._lives = 0
        self._life: BaseProcess | None = None

    async def start(self, **environ: str) -> None:
        """Begin a life, and wait until it is ready."""
        self.begin(**environ)
        await self.ready()

    def begin(self, **environ: str) -> None:
        """Begin a life, and do not wait."""
        assert self._life is None, f"{self.name} lives"
        self._lives += 1
        self._life = begin(self._folder, self._output, {**self._environ, **environ})

    async def ready(self) -> None:
        """Wait until the life that began serves."""

        def there() -> bool:
            assert self._life is not None
            if self._life.exitcode is not None:
                raise AssertionError(f"{self.name} ended with {self._life.exitcode}: {self.errors()}")
            return any(line["event"] == "ready" for line in self.lines())

        await until(there, f"{self.name} ready")
        ready = next(line for line in self.lines() if line["event"] == "ready")
        self.url, self.admin_url = f"http://{ready['listen']}", f"http://{ready['admin']}"
        self.serves = True

    def lines(self) -> list[dict[str, Any]]:
        """Return what this life has written so far, whole lines only."""
        text = self._output.read_text("utf-8") if self._output.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def errors(self) -> str:
        """Return what this life has written to its standard error."""
        return Path(f"{self._output}.errors").read_text("utf-8", "replace")

    async def died(self) -> int:
        """Wait for the end of this life; return its status, negative for a signal."""
        life = self._life
        assert life is not None
        await until(lambda: life.exitcode is not None, f"{self.name} ended")
        self.serves = False
        self._life = None
        life.join()
        assert life.exitcode is not None
        self.deaths.append(life.exitcode)
        return life.exitcode

    @property
    def lives(self) -> bool:
        """Whether it runs, or is frozen."""
        return self._life is not None and self._life.exitcode is None

    async def kill(self) -> None:
        """End it as a power failure would."""
        self._signal(signal.SIGKILL)
        if self._life is not None:
            await self.died()

    def freeze(self) -> None:
        """Let it do nothing more, without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)
        self.serves = True

    async def stop(self) -> None:
        """Stop it in order."""
        self._signal(signal.SIGTERM)
        await self.died()

    def fill_disk(self) -> None:
        """Let no file of this life grow beyond what its log may still need, as on a disk that is full."""
        self._limit(self._output.stat().st_size + _ROOM_FOR_LINES)

    def free_disk(self) -> None:
        """Let files grow again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._life is not None
        assert self._life.pid is not None
        resource.prlimit(self._life.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _signal(self, number: int) -> None:
        self.serves = False
        if self._life is not None and self._life.exitcode is None:
            assert self._life.pid is not None
            os.kill(self._life.pid, number)

    @property
    def _output(self) -> Path:
        return self._folder / f"{self.name}-{self._lives}.log"


class Cluster:
    """All nodes of one installation, and one caller's way to them."""

    def __init__(self, folder: Path, form: Form, play: Play, servers: Mapping[str, str]) -> None:
        """*servers*: where its PostgreSQL and its Redis are, as environment."""
        self.form = form
        self.folder = folder
        self.key = ""
        self._http: httpx2.AsyncClient | None = None
        self._turn = 0
        self._write_config(play)
        environ = {
            "PATH": os.environ["PATH"],
            "ADMIN_KEY": ADMIN_KEY,
            "HUB_CONFIG": str(folder / "hub.toml"),
            "HUB_TESTING": "1",
            "HUB__HUB__LATE_SECONDS": "60",  # how busy this machine is must not decide what a test sees
            **servers,
        }
        names = [f"node{number}" for number in range(1, form.nodes + 1)]
        self.nodes = [Node(name, folder, environ | {"HUB__HUB__NODE": name}) for name in names]

    def _write_config(self, play: Play) -> None:
        settings = "".join(f'{name} = "{value}"\n' for name, value in play.settings.items())
        most = f"calls_per_second = {CONTRACT.per_second:.1f}\ncalls_at_once = {CONTRACT.at_once}\n"
        (self.folder / "hub.toml").write_text(
            '[hub]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nadmin_key = "env:ADMIN_KEY"\n'
            f"[routes.road.contract]\n{most}calls_per_minute = {CONTRACT.per_minute:.1f}\n"
            f'[agencies.{AGENCY}]\nroute = "road"\nbase_url = "{play.base_url}"\n{settings}'
            f"[agencies.{AGENCY}.contract]\n{most}call_timeout = {CALL_TIMEOUT}\n",
            "utf-8",
        )

    async def start(self, nodes: int | None = None, **environ: str) -> None:
        """Start *nodes*, or all, and register who will call."""
        self._http = httpx2.AsyncClient(timeout=httpx2.Timeout(10.0, read=30.0), limits=httpx2.Limits())
        first, *others = self.nodes[:nodes]
        await first.start(**environ)  # alone: it makes the tables
        for register, content in REGISTERS.items():
            (await self.operator("PUT", f"/admin/v1/{register}", content=content.encode())).raise_for_status()
        caller = {"name": "one-stop", "allowed": ["*"], "top_class": "counter", "calls_per_minute": 1_000_000}
        self.key = (await self.operator("POST", "/admin/v1/callers", json=caller)).raise_for_status().json()["key"]
        await asyncio.gather(*(node.start(**environ) for node in others))

    async def operator(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Ask the admin door of the first node."""
        assert self._http is not None
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        return await self._http.request(method, f"{self.nodes[0].admin_url}{path}", headers=headers, **more)

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
        """
        Ask the door of whichever node's turn it is, as a caller behind a load balancer does; waits while none serves.

        Raises:
            httpx2.HTTPError: That node went away meanwhile.
        """
        assert self._http is not None
        await until(lambda: any(node.serves for node in self.nodes), "a node that serves")
        serving = [node for node in self.nodes if node.serves]
        self._turn += 1
        url = f"{serving[self._turn % len(serving)].url}{path}"
        known = {"authorization": f"Bearer {self.key}", **(headers or {})}
        return await self._http.request(method, url, headers=known, **more)

    async def ready(self) -> bool:
        """Return whether the node whose turn it is says that it should be given work."""
        return (await self.ask("GET", "/readyz")).status_code == 200

    async def close(self) -> None:
        """End everything."""
        for node in self.nodes:
            if node.lives:
                await node.kill()
        if self._http is not None:
            await self._http.aclose()
