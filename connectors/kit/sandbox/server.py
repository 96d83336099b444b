"""
Agencies played from their samples, each on a port of its own. Start here, then `played.py` and `faults.py`.

    sandbox = Sandbox([Play("police", folder, settings)], now=time.time, chance=random.Random(7))
    await sandbox.start()
    sandbox.misbehave("police", Fault(fault="hang", count=1))
    await sandbox.tell("tax", Tell(samples=["tax_notice_received.two"], to="http://127.0.0.1:8080/in/tax/", times=2))
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from connectors.kit.sandbox.arrivals import Arrivals, Telling
from connectors.kit.sandbox.checks import SESSION_SECONDS
from connectors.kit.sandbox.control import control
from connectors.kit.sandbox.faults import Fault, FaultBook, perform
from connectors.kit.sandbox.gateway import Gateway, PlayedRoute
from connectors.kit.sandbox.hearing import Heard
from connectors.kit.sandbox.played import Played
from connectors.kit.sandbox.security_server import SecurityServer
from connectors.kit.sandbox.standing import ENDS
from connectors.kit.sandbox.telling import Push, Tell, Teller
from connectors.kit.sandbox.wire import Listener, Reply, Request

TELLING_SECONDS = 60.0
"""How long a played agency waits for our answer."""


@dataclass(slots=True)
class Play:
    """One agency to be played."""

    name: str
    """The agency's name in `hub.toml`."""
    connector: Path
    """Folder of its connector."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the hub's entry for it says, secrets resolved: the sandbox checks them."""
    port: int = 0
    """Port to listen on; 0: any that is free."""
    session_seconds: float = SESSION_SECONDS
    base_url: str = ""
    """Where it is played; filled by `Sandbox.start`."""


class Sandbox:
    """All plays and the control door. One event loop; nothing is written to disk."""

    def __init__(
        self,
        plays: Sequence[Play],
        *,
        now: Callable[[], float],
        chance: random.Random,
        validate: bool = True,
        host: str = "127.0.0.1",
        control_port: int = 0,
        routes: Sequence[PlayedRoute] = (),
    ) -> None:
        """
        Read every connector; *now* gives Unix seconds, *chance* decides faults by rate and names sessions.

        An agency behind one of *routes* has no door of its own.

        Without *validate* requests are not held against the contract, which benchmarks of the hub do not want to pay.

        Raises:
            FilesRefused: A connector cannot be read.
        """
        self.arrivals = Arrivals()
        self.control_url = ""
        self._stages = {play.name: _Stage(play, self.arrivals, now, chance, validate) for play in plays}
        self._gateways = {
            route.name: (SecurityServer if route.kind.startswith("xroad_") else Gateway)(
                route, {name: self._stages[name] for name in route.agencies}, self.arrivals, now, chance
            )
            for route in routes
        }
        self._control = Listener(control(self))
        self._now = now
        self._host = host
        self._control_port = control_port

    async def start(self) -> None:
        """Open all doors; every play then has its `base_url`, and `control_url` is set."""
        for gateway in self._gateways.values():
            route = gateway.route
            route.base_url = await gateway.listener.start(self._host, route.port)
            for name, path in route.agencies.items():
                self._stages[name].play.base_url = route.base_url + path
        behind = {name for gateway in self._gateways.values() for name in gateway.route.agencies}
        for name, stage in self._stages.items():
            if name not in behind:
                stage.play.base_url = await stage.listener.start(self._host, stage.play.port)
        self.control_url = await self._control.start(self._host, self._control_port)

    async def stop(self) -> None:
        """Close all doors and cut what is open."""
        doors = [stage.listener for stage in self._stages.values()]
        doors += [gateway.listener for gateway in self._gateways.values()]
        await asyncio.gather(self._control.stop(), *(door.stop() for door in doors))

    def base_url(self, agency: str) -> str:
        """Return where *agency* is played."""
        return self._stages[agency].play.base_url

    def misbehave(self, agency: str, fault: Fault) -> None:
        """Turn *fault* on at an agency or at a gateway; those turned on before are asked first."""
        self._faults(agency).add(fault)

    def behave(self, agency: str) -> None:
        """Turn all faults of *agency* off, or of a gateway; what is under way stays as it is."""
        self._faults(agency).clear()

    def faults(self, agency: str) -> list[Fault]:
        """Return the faults that are on."""
        return self._faults(agency).on

    def _faults(self, name: str) -> FaultBook:
        return self._gateways[name].faults if name in self._gateways else self._stages[name].faults

    def under_way(self, agency: str) -> int:
        """Return how many requests are under way at *agency* now."""
        return self._stages[agency].under_way

    def expire_sessions(self, agency: str) -> int:
        """End every session that *agency* has issued; returns how many."""
        return self._stages[agency].played.sessions.expire()

    def expire_tokens(self, route: str) -> int:
        """End the token that the gateway *route* has given, before its time; returns how many were good."""
        return self._gateways[route].expire()

    def close_idle(self, agency: str) -> int:
        """Close every kept connection to *agency*, or to a gateway, on which nothing is under way; returns how many."""
        return (self._gateways.get(agency) or self._stages[agency]).listener.close_idle()

    async def tell(self, agency: str, tell: Tell) -> list[Telling]:
        """
        Have *agency* call the hub as *tell* says, one push after the other; returns what was answered, in order.

        Raises:
            ValueError: It has no such recorded push, or nothing stands where another value is wanted.
        """
        pushes = [push for push in self._stages[agency].teller.pushes(tell) for _ in range(tell.times)]
        told: list[Telling] = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TELLING_SECONDS)) as session:
            for push in pushes:
                await asyncio.sleep(tell.delay)
                status, answer = await _told(session, push)
                told.append(self.arrivals.told(self._now(), agency, push.notice, push.sample, status, answer))
        return told

    def stand(self, agency: str, key: str, result: str) -> int:
        """
        Let what was filed at *agency* under *key* stand as *result* from now on; returns how many things that is.

        Raises:
            ValueError: Nothing can stand so.
        """
        if result not in ENDS:
            raise ValueError(f"a thing stands as one of {', '.join(ENDS)}")
        return self._stages[agency].played.filed.stand(key, result)

    def filed(self, agency: str) -> list[dict[str, object]]:
        """Return what was filed at *agency*, in order: model, key, payload as it came, updates, steps."""
        return self._stages[agency].played.filed.shown()

    def plays_shown(self) -> list[dict[str, str]]:
        """Return names and addresses of all plays."""
        return [{"agency": name, "base_url": stage.play.base_url} for name, stage in self._stages.items()]

    def routes_shown(self) -> list[dict[str, object]]:
        """Return names, addresses and agencies of all gateways."""
        routes = [gateway.route for gateway in self._gateways.values()]
        return [{"route": one.name, "base_url": one.base_url, "agencies": list(one.agencies)} for one in routes]


class _Stage:
    """One agency, its door and its faults."""

    def __init__(
        self, play: Play, arrivals: Arrivals, now: Callable[[], float], chance: random.Random, validate: bool
    ) -> None:
        self.play = play
        self.faults = FaultBook(chance)
        self.listener = Listener(self.answer)
        self.played = Played(
            play.connector,
            play.settings,
            now=now,
            chance=chance,
            session_seconds=play.session_seconds,
            validate=validate,
        )
        self.teller = Teller(play.connector, play.settings)
        self._arrivals = arrivals
        self._now = now
        self.under_way = 0

    @property
    def xml(self) -> bool:
        """Whether the agency speaks XML."""
        return self.played.xml

    def reply(self, request: Request) -> Reply:
        """Return the agency's own answer to *request*, without faults, and do what it asks."""
        heard = self.played.hear(request)
        said = self.played.say(heard, request)
        self._log(self._now(), heard, said.outcome, said.processed, self.under_way + 1)
        return said.reply

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.under_way += 1
        try:
            return await self._served(request, reader, writer, self.under_way)
        finally:
            self.under_way -= 1

    async def _served(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, at_once: int
    ) -> bool:
        at = self._now()
        heard = self.played.hear(request)
        fault = self.faults.strike(heard.operation.name if heard else "")
        if fault is None:
            said = self.played.say(heard, request)
            self._log(at, heard, said.outcome, said.processed, at_once)
            writer.write(said.reply.wire)
            return request.keep

        def reply() -> Reply:
            said = self.played.say(heard, request, stale=fault.fault == "expired_session")
            outcome = said.outcome if fault.fault in _HONEST else f"fault:{fault.fault}"
            self._log(at, heard, outcome, said.processed, at_once)
            return said.reply

        if not fault.happens:
            self._log(at, heard, f"fault:{fault.fault}", False, at_once)
        return await perform(fault, request, reply, reader, writer)

    def _log(self, at: float, heard: Heard | None, outcome: str, processed: bool, at_once: int) -> None:
        operation, key = (heard.operation.name, heard.key) if heard else ("", "")
        self._arrivals.add(at, self.play.name, operation, key, outcome, processed, at_once)


async def _told(session: aiohttp.ClientSession, push: Push) -> tuple[int, str]:
    """Status and body of what the hub answers to *push*; 0 and the kind of what went wrong when it does not."""
    try:
        async with session.post(push.url, data=push.body, headers=push.headers, allow_redirects=False) as reply:
            return reply.status, await reply.text("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        return 0, type(error).__name__


_HONEST = ("latency", "expired_session", "close_idle")
"""Faults under which the caller still hears what the agency said."""


async def serve_sandbox(
    plays: Sequence[Play],
    *,
    now: Callable[[], float],
    chance: random.Random,
    control_port: int = 0,
    validate: bool = True,
    routes: Sequence[PlayedRoute] = (),
    ready: Callable[[Sandbox], None] = lambda _: None,
) -> None:
    """Play until cancelled; *ready* is called once all doors are open. What `hub sandbox` runs."""
    sandbox = Sandbox(plays, now=now, chance=chance, validate=validate, control_port=control_port, routes=routes)
    await sandbox.start()
    try:
        ready(sandbox)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
