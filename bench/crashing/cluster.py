"""
An installation of one or several nodes that one may kill, freeze and start again, and what its callers see of it.

Which nodes and servers there are is a `Form`; a test is written once and runs in every form. Next: `node.py`.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from bench.crashing.history import Contract
from bench.crashing.node import Node, until
from connectors.kit.sandbox.server import Play

AGENCY = "npsp"
ADMIN_KEY = "admin-key-of-the-tests"
CONTRACT = Contract(per_second=10, at_once=5, per_minute=560)
"""What the agency bears: few enough that a scheduler's delay of 100 ms on a busy machine is not taken for a call too many."""
BY_THE_SECOND = Contract(per_second=10, at_once=5)
"""The same without a minute: who counts by the minute pauses for one between two ways of granting."""
CALL_TIMEOUT = 1.0
LEASE = CALL_TIMEOUT + 30.0
"""Seconds for which a node holds what it leased (design section 5)."""
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


SQLITE = Form("sqlite")
POSTGRES_1 = Form("postgres-1", postgres=True, redis=True)
POSTGRES_4 = Form("postgres-4", nodes=4, postgres=True, redis=True)
FORMS = (SQLITE, POSTGRES_4)
"""In which every crash test runs."""
ONE_NODE = (SQLITE, POSTGRES_1)
"""For tests of what one node alone does."""


class Cluster:
    """All nodes of one installation, and one caller's way to them."""

    def __init__(
        self, folder: Path, form: Form, play: Play, servers: Mapping[str, str], contract: Contract = CONTRACT
    ) -> None:
        """*servers*: where its PostgreSQL and its Redis are, as environment."""
        self.form = form
        self.folder = folder
        self.contract = contract
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
        names = [f"hub_{number}" for number in range(1, form.nodes + 1)]
        self.nodes = [Node(name, folder, environ | {"HUB__HUB__NODE": name}) for name in names]

    def _write_config(self, play: Play) -> None:
        settings = "".join(f'{name} = "{value}"\n' for name, value in play.settings.items())
        contract = self.contract
        most = f"calls_per_second = {contract.per_second:.1f}\ncalls_at_once = {contract.at_once}\n"
        minute = "" if contract.per_minute is None else f"calls_per_minute = {contract.per_minute:.1f}\n"
        (self.folder / "hub.toml").write_text(
            '[hub]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\nadmin_key = "env:ADMIN_KEY"\n'
            'signing_key = "a key of the tests that nobody else has"\n[push]\nhosts = ["127.0.0.0/8"]\n'
            f"[routes.road.contract]\n{most}{minute}"
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
        return await self.operator_of(self.nodes[0], method, path, **more)

    async def operator_of(self, node: Node, method: str, path: str, **more: Any) -> httpx2.Response:
        """Ask the admin door of *node*."""
        assert self._http is not None
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        return await self._http.request(method, f"{node.admin_url}{path}", headers=headers, **more)

    async def dead(self, node: Node, seen_from: Node) -> bool:
        """Return whether *seen_from* takes *node* for dead."""
        told = (await self.operator_of(seen_from, "GET", "/admin/v1/nodes")).json()
        return {one["node"]: one["alive"] for one in told}.get(node.name) is False

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
