"""
Callers who ask for everything a hub can do, at moments that do not depend on its answers, and write down what they hear.

A caller here is a good one: it hands a thing in again under the same key until it is told what became of it. What it
asks and when is decided by a seed. `end` reads how everything stands at last, and gives the whole `History`.
"""

import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import httpx2

from bench.crashing.cluster import AGENCY, Cluster
from bench.crashing.history import ENDED, Arrived, Asked, Heard, History, Stands
from bench.crashing.node import PATIENCE
from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.server import Sandbox

_SAMPLES = {one.name: one.request for one in load_samples(find_connectors()[AGENCY])}
_PAUSE = 0.1
"""Seconds before a thing is handed in again."""
_BEAT = 0.01
_ABOUT = 0.5
"""Seconds before and after a moment in which this machine is taken to have been as busy as then."""
_STILL = 25.0
"""
Seconds without any change after which calls that are still queued are taken to wait for a person: a lane may be stopped
for 5, 10 or 20 after what its agency did before it was well.
"""
_REST = 240.0
"""Seconds for all that comes before: a dead node's lease, who looks for it, a lane that is stopped, what goes then."""
MIX = {"file_dossier": 3, "file_progress": 3, "look up": 1, "look up, waiting": 3, "batch": 1}
"""What comes, and how often. A step is of a dossier that came before; while there is none, a dossier comes instead."""
_LINES = 3
"""Dossiers of a batch that comes by itself."""
_INTERACTIVE = {"prefer": "wait=3"}
_TICKET = {"prefer": "respond-async"}


class Traffic:
    """Everything that callers asked and heard in one run. *now* is the clock of the sandbox."""

    def __init__(self, cluster: Cluster, sandbox: Sandbox, now: Callable[[], float], seed: int) -> None:
        self.asked: dict[str, Asked] = {}
        self.heard: list[Heard] = []
        self._cluster = cluster
        self._sandbox = sandbox
        self._now = now
        self._random = Random(seed)
        self._number = 0
        self._without_step: list[str] = []
        """Codes of dossiers that were handed in and have no step yet."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._beats: list[float] = [now()]
        self._beating = asyncio.ensure_future(self._beat())
        self._flowing: asyncio.Task[None] | None = None

    # --- What is asked -----------------------------------------------------------------------------------------------

    def flow(self, per_second: float, mix: Mapping[str, int] = MIX) -> None:
        """Let things come, *per_second* on average and weighted by *mix*, until `ebb`."""
        self._flowing = asyncio.ensure_future(self._flow(per_second, mix))

    async def ebb(self) -> None:
        """Let nothing new come, and wait until everybody who asked was told something or has given up."""
        if self._flowing is not None:
            self._flowing.cancel()
            await asyncio.gather(self._flowing, return_exceptions=True)
        await asyncio.gather(*self._under_way)

    def ask(self, kind: str, *, wait: bool = False, cancel: bool = False, **headers: str) -> Asked:
        """Ask one thing, and see it through in the background; return what is asked."""
        asked, content = self._made(kind)
        self.asked[asked.key] = asked
        wait = wait and kind != "look up"  # a look-up that is waited for is not durable
        prefer = _INTERACTIVE if wait or not asked.durable else _TICKET
        known = {**prefer, "idempotency-key": asked.key, "content-type": "application/json"} | headers
        known["hub-purpose"] = f'officer="cb-102", unit="H32", dossier="{asked.subject}"'
        self._see_to(self._see_through(asked, content, known, wait=wait, cancel=cancel))
        return asked

    def ask_many(self, lines: int) -> None:
        """Hand in *lines* dossiers as one batch, and see all through in the background."""
        batch = [self._made("file_dossier") for _ in range(lines)]
        self.asked |= {asked.key: asked for asked, _ in batch}
        self._see_to(self._see_batch_through(batch))

    def told(self, asked: Asked) -> list[Heard]:
        """Return the replies that name a call, of *asked*."""
        return [one for one in self.heard if one.key == asked.key and one.call]

    def _see_to(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(what)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _flow(self, per_second: float, mix: Mapping[str, int]) -> None:
        kinds, weights = list(mix), list(mix.values())
        while True:
            (kind,) = self._random.choices(kinds, weights)
            chance = self._random.random()
            if kind == "batch":
                self.ask_many(_LINES)
            else:
                self.ask(kind, wait=chance < 0.2, cancel=chance > 0.85)
            await asyncio.sleep(self._random.expovariate(per_second))

    def _made(self, kind: str) -> tuple[Asked, bytes]:
        self._number += 1
        key = f"key-{self._number:05d}"
        if kind.startswith("look up"):
            durable = kind == "look up"
            code = f"1.{self._number:06d}" if durable else f"2.{self._number % 5:06d}"
            return Asked(key, "lookup_procedure", code, durable, True), json.dumps({"code": code}).encode()
        if kind == "file_progress" and self._without_step:
            code = self._without_step.pop(0)
            body = _SAMPLES["file_progress.ok"] | {"dossier": code}
            return Asked(key, kind, code, True, False), json.dumps(body).encode()
        code = f"000.00.14.H32-261123-{self._number + 1000:04d}"
        self._without_step.append(code)
        body = _SAMPLES["file_dossier.ok"] | {"code": code}
        return Asked(key, "file_dossier", code, True, True), json.dumps(body).encode()

    # --- What is heard -----------------------------------------------------------------------------------------------

    async def _see_through(
        self, asked: Asked, content: bytes, headers: Mapping[str, str], *, wait: bool, cancel: bool
    ) -> None:
        path = f"/v1/calls/{AGENCY}/{asked.operation}"
        heard = await self._ask(asked, "submit", "POST", path, headers=dict(headers), content=content)
        until = self._now() + PATIENCE
        while asked.durable and not heard.call and self._now() < until:
            await asyncio.sleep(_PAUSE)
            heard = await self._ask(asked, "submit", "POST", path, headers=dict(headers), content=content)
        if not asked.durable or not heard.call:
            return
        path = f"/v1/calls/{AGENCY}/{heard.call}"
        if cancel:
            await self._ask(asked, "cancel", "DELETE", path)
        elif not wait:
            await self._ask(asked, "read", "GET", f"{path}?wait=2")

    async def _see_batch_through(self, batch: Sequence[tuple[Asked, bytes]]) -> None:
        """Hand in what is left of *batch* until each of its lines became a call."""
        until = self._now() + PATIENCE
        while batch and self._now() < until:
            told = await self._hand_in(batch)
            self.heard += told
            accepted = {one.key for one in told if one.call}
            batch = [one for one in batch if one[0].key not in accepted]
            await asyncio.sleep(_PAUSE)

    async def _hand_in(self, batch: Sequence[tuple[Asked, bytes]]) -> list[Heard]:
        """Send *batch*, and return what was said of each of its lines."""
        body = b"".join(_line(asked, content) for asked, content in batch)
        headers = {"content-type": "application/x-ndjson"}
        path = f"/v1/calls/{AGENCY}:batch"
        try:
            reply = await self._cluster.ask("POST", path, headers=headers, content=body)
        except httpx2.HTTPError:
            return [Heard(self._now(), asked.key, "submit", 0) for asked, _ in batch]
        told = [json.loads(line) for line in reply.text.splitlines()]
        said = {one["line"]: one for one in told if "line" in one}
        whole = told[-1].get("problem") or told[-1]  # of the lines that have no answer of their own
        return [
            _line_heard(self._now(), asked.key, said.get(number, whole))
            for number, (asked, _) in enumerate(batch, start=1)
        ]

    async def _ask(self, asked: Asked, door: str, method: str, path: str, **more: Any) -> Heard:
        try:
            reply = await self._cluster.ask(method, path, **more)
        except httpx2.HTTPError:
            heard = Heard(self._now(), asked.key, door, 0)
        else:
            heard = _heard(self._now(), asked.key, door, reply)
        self.heard.append(heard)
        return heard

    # --- How it ends -------------------------------------------------------------------------------------------------

    async def end(self, *, all_written: bool = True) -> History:
        """
        Let everything come to rest, read how it stands, and return the whole run.

        *all_written* is False where the store was ill: see `History`.
        """
        await self.ebb()
        await self.rest()
        stands = await self._stands()
        lost = set(self.asked) - {one.key for one in self.heard if one.call}
        under = {key: [one["call"] for one in await self._find(key=key)] for key in sorted(lost)}
        arrived = tuple(
            Arrived(one.at, self._late(one.at), one.operation, one.key, one.outcome, one.processed, one.at_once)
            for one in self._sandbox.arrivals.of(AGENCY)
        )
        return History(self._cluster.contract, self.asked, tuple(self.heard), arrived, stands, under, all_written)

    async def close(self) -> None:
        """Ask nothing more, whatever is under way."""
        tasks = [task for task in (self._beating, self._flowing, *self._under_way) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def rest(self) -> None:
        """
        Wait until no call is on its way, and none that is queued moves any more; fail if that never comes.

        Every look reads each call once: of two looks, one for what is queued and one for what is sent, neither sees a
        call that goes back to the queue between them.
        """
        end, before, since = time.monotonic() + _REST, None, 0.0
        while True:
            waiting = {one["call"]: one["state"] for one in await self._find() if one["state"] not in ENDED}
            if not waiting:
                return
            if waiting != before:
                before, since = waiting, time.monotonic()
            elif "sending" not in waiting.values() and time.monotonic() - since > _STILL:
                return
            assert time.monotonic() < end, f"never at rest: {waiting}"
            await asyncio.sleep(_PAUSE)

    async def _stands(self) -> tuple[Stands, ...]:
        listed = await self._find()
        durable = {one.call for one in self.heard if one.call and self.asked[one.key].durable}
        said = {one["call"]: "" for one in listed}
        for one in listed:
            if one["call"] in durable and one["state"] == "answered":
                reply = await self._patiently(f"/v1/calls/{AGENCY}/{one['call']}")
                said[one["call"]] = _said(reply.json())
        return tuple(Stands(one["call"], one["state"], said[one["call"]], one["result"] or "") for one in listed)

    async def _find(self, **sought: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        before: str | None = ""
        while before is not None:
            query = sought | ({"before": before} if before else {})
            page = (await self._patiently("/v1/calls", params=query)).json()
            found += page["calls"]
            before = page["before"]
        return found

    async def _patiently(self, path: str, **more: Any) -> httpx2.Response:
        """Read until it is answered: the end of a run is read from a hub that serves."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                reply = await self._cluster.ask("GET", path, **more)
                if reply.status_code == 200:
                    return reply
                said = f"{reply.status_code} {reply.text}"
            except httpx2.HTTPError as error:
                said = repr(error)
            assert time.monotonic() < end, f"GET {path}: {said}"
            await asyncio.sleep(_PAUSE)

    # --- How late the notes are --------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            self._beats.append(self._now())

    def _late(self, at: float) -> float:
        """
        Return by how much something noted *at* may be late: it lay there since the loop was last on time, or its sender
        had to wait for this machine's processors as long as we had to, about then.
        """
        beats = self._beats[
            max(0, bisect_left(self._beats, at - _ABOUT) - 2) : bisect_left(self._beats, at + _ABOUT) + 1
        ]
        waited = max((after - before for before, after in pairwise(beats)), default=0.0)
        return max(waited, at - self._beats[max(0, bisect_left(self._beats, at) - 2)])


def _heard(at: float, key: str, door: str, reply: httpx2.Response) -> Heard:
    body = reply.json()
    if reply.status_code < 300:
        return Heard(at, key, door, reply.status_code, body["call"], body["state"], _said(body))
    state = "in_doubt" if body["code"] == "call.in_doubt" else ""
    return Heard(at, key, door, reply.status_code, body.get("call") or "", state, code=body["code"])


def _line(asked: Asked, content: bytes) -> bytes:
    purpose = {"officer": "cb-102", "unit": "H32", "dossier": asked.subject}
    told = {"operation": asked.operation, "request": json.loads(content), "idempotency_key": asked.key}
    return json.dumps(told | {"purpose": purpose}).encode() + b"\n"


def _line_heard(at: float, key: str, body: Mapping[str, Any]) -> Heard:
    if "code" in body:
        return Heard(at, key, "submit", body["status"], body.get("call") or "", code=body["code"])
    return Heard(at, key, "submit", 202, body["call"], body["state"])


def _said(body: Mapping[str, Any]) -> str:
    answer = [body["result"], body["value"], body["reason"]]
    return json.dumps(answer, ensure_ascii=False) if body["state"] == "answered" else ""
