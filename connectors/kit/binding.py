"""
A connector bound to one agency's settings: the `Agency` that a lane holds. Made by `bind`; `exchange.py` says the rest.
"""

import asyncio
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import unquote, unquote_plus

from lxml import etree
from pydantic import BaseModel
from pydantic_core import from_json

from connectors.kit.answers import RESULTS
from connectors.kit.auth import Handshake, Placed, handshake, placed
from connectors.kit.carried import Carried
from connectors.kit.connector import Connector
from connectors.kit.exchange import Sender, Sources, WireReply, WireRequest
from connectors.kit.files import Link, example_link, linked, marked
from connectors.kit.inbox import Fetched, Inbox, Understood, WireNotice
from connectors.kit.judging import Judged, judge, session_in
from connectors.kit.manifest import Contract, Manifest
from connectors.kit.notices import Notices
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Broken, Outcome, Result, StaleCredentials
from connectors.kit.roads import Road
from connectors.kit.signatures import SETTING
from connectors.kit.texts import LARGE
from mappings.canonical import MASK
from mappings.errors import Fault, FileFault, FilesRefused, MappingFailed
from mappings.values_files import CONTENT, LINK

T = TypeVar("T")
_NO_KEY: Mapping[str, str] = MappingProxyType({})
_MAY_HOLD_NOTICES = (Result.OK, Result.PENDING, Result.NOT_FOUND)
_WIRE_HEADERS = ("Accept", "Content-Type", "SOAPAction", "Content-Length", "Host", "User-Agent")


def bind(
    connector: Connector,
    *,
    name: str,
    base_url: str,
    settings: Mapping[str, str],
    sender: Sender,
    now: Callable[[], float],
    contract: Contract,
    link: Link = example_link,
    road: Road | None = None,
) -> "BoundAgency":
    """
    Return *connector* as the agency *name*, reached at *base_url* through *sender*.

    *settings* are values of `[settings.<name>]`, references followed; *now* gives Unix seconds; *contract* is the
    manifest's, lowered by the agency's entry; *link* makes the address under which the agency fetches a file of ours;
    *road* adds what its gateway wants to see.

    Raises:
        FilesRefused: Settings are missing or unknown, or *base_url* is no http address; each key is named.
    """
    known = _settings(connector, name, base_url, settings)
    return BoundAgency(connector, name, base_url, known, sender, now, contract, link, road)


class BoundAgency:
    """See `exchange.Agency`."""

    def __init__(
        self,
        connector: Connector,
        name: str,
        base_url: str,
        settings: Mapping[str, str],
        sender: Sender,
        now: Callable[[], float],
        contract: Contract,
        link: Link = example_link,
        road: Road | None = None,
    ) -> None:
        self.name = name
        self.operations: Mapping[str, Operation] = (
            {key: _over(road, known) for key, known in connector.operations.items()} if road else connector.operations
        )
        self.road = road
        self.contract = contract
        self._connector = connector
        self._base_url = base_url.rstrip("/") if connector.manifest.connector.protocol == "rest" else base_url
        self._settings = settings
        self._sources = connector.manifest.sources(settings)
        self._sender = sender
        self._now = now
        self._link = link
        auth = connector.manifest.auth
        self._auth = auth
        self._handshake: Handshake | None = handshake(auth.scheme) if auth and auth.scheme else None
        self._threads: ThreadPoolExecutor | None = None
        self.inbox: Inbox | None = (
            Notices(connector.notices, self._sources, connector.inbound, link) if connector.notices else None
        )

    @property
    def headers(self) -> frozenset[str]:
        """
        Names, lower-cased, of the headers that its connector writes: no token of a route may take one of them.

        A header that only an empty setting fills is not written.
        """
        put = [
            place.partition(":")[2]
            for place, source in (self._auth.put if self._auth else {}).items()
            if place.startswith("header:") and self._sources.get(source, source)
        ]
        shaken = self._handshake.headers(self._settings, self._now()) if self._handshake else {}
        return frozenset(name.lower() for name in (*_WIRE_HEADERS, *put, *shaken))

    def render(self, operation: str, request: BaseModel, sources: Sources, *, mask: bool = False) -> WireRequest:
        """See `exchange.Agency.render`."""
        wire = self._render(self.operations[operation], request, sources)
        return replace(wire, masked=self._masked(self.operations[operation], request, sources)) if mask else wire

    async def send(self, operation: str, wire: WireRequest, *, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109 - see Agency
        """See `exchange.Agency.send`."""
        if wire.files and wire.streamed is None:
            return Broken("file", (Fault("", "holds files, which only a running hub puts in"),), sent=False)
        return (await self._exchange(self.operations[operation], wire, timeout)).outcome

    async def fetch(
        self,
        notice: str,
        wire: WireRequest,
        *,
        timeout: float,  # noqa: ASYNC109 - see Tells
        key: Mapping[str, str] = _NO_KEY,
    ) -> Fetched:
        """See `inbox.Tells.fetch`."""
        ready = self._connector.notices[notice]
        if ready.about.fetched_by is None:
            raise KeyError(f"{notice} is not fetched by any operation")
        replies: list[WireReply] = []
        judged = await self._exchange(self.operations[ready.about.fetched_by], wire, timeout, replies.append)
        if not isinstance(judged.outcome, Answered) or judged.outcome.result not in _MAY_HOLD_NOTICES:
            return Fetched(judged.outcome)
        came = WireNotice(replies[0].headers, key, replies[0].body)
        if judged.outcome.result is Result.NOT_FOUND:
            return Fetched(judged.outcome, Understood(notice, ()), came=came)

        def read() -> Fetched:
            read, poison = ready.one_by_one(Carried(judged.tree, {}, key))
            return Fetched(judged.outcome, read, ready.page_after(judged.tree), poison, came)

        try:
            return read() if len(came.body) <= LARGE else await self._apart(read)
        except Exception as error:  # a fault of ours must not lose the page
            fault = Fault("", f"reading failed with {type(error).__name__}")
            return Fetched(judged.outcome, ready.refused(fault), came=came)

    async def log_in(self, sources: Sources, *, timeout: float) -> Mapping[str, str] | Outcome | StaleCredentials:  # noqa: ASYNC109 - see Agency
        """See `exchange.Agency.log_in`. An agency without a login gives nothing to keep, at once."""
        if self._auth is None or self._auth.login is None:
            return {}
        operation = self.operations[self._auth.login]
        try:
            wire = self._render(operation, None, sources)
        except MappingFailed as failed:
            return Broken("mapping", failed.faults, sent=False)
        judged = await self._exchange(operation, wire, timeout)
        if isinstance(judged.outcome, StaleCredentials):
            return judged.outcome if judged.outcome.route else Answered(Result.REFUSED)
        if not isinstance(judged.outcome, Answered) or judged.outcome.result is not Result.OK:
            return judged.outcome
        return session_in(judged.tree, self._auth.keep)

    async def close(self) -> None:
        """See `exchange.Agency.close`."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        await self._sender.close()

    def _render(self, operation: Operation, request: BaseModel | None, sources: Sources) -> WireRequest:
        known, page = self._known(operation, sources), operation.page
        payload = self._payload(operation, request, known)
        auth = self._auth
        # The log-in is what makes `auth.*`, so it cannot need them.
        put = {
            place: source
            for place, source in (auth.put if auth else {}).items()
            if operation.kind != "login" or not source.startswith("auth.")
        }
        if page is not None and page.after and known["page.after"]:
            put[page.after] = "page.after"
        written = operation.wire.write(payload, known, self._placed(put, known))
        headers = {key: value for key, value in written.headers.items() if value or key == "SOAPAction"}
        if self._handshake is not None:
            headers |= self._handshake.headers(self._settings, self._now())
        if len(written.body) > self.contract.request_bytes:
            raise MappingFailed(
                [Fault("", f"the request is larger than the {self.contract.request_bytes} bytes that the agency takes")]
            )
        between = self.road.path(operation.name) if self.road else ""
        wire = WireRequest(
            written.method,
            self._base_url + between + written.address,
            headers,
            written.body,
            fresh_connection=operation.kind == "filing" and not operation.repeat_safe,
        )
        before_send = self._connector.hooks.before_send
        wire = before_send(operation.name, wire, self._settings) if before_send else wire
        wire = self.road.dressed(operation.name, wire, known) if self.road else wire
        return marked(payload, wire) if operation.sends is not None and CONTENT in operation.sends.files else wire

    def _placed(self, put: Mapping[str, str], sources: Sources) -> Placed:
        return placed(put, sources, before=self._handshake.before if self._handshake else "")

    def _payload(self, operation: Operation, request: BaseModel | None, sources: Sources) -> Any:
        if request is not None and not isinstance(request, operation.request):
            raise MappingFailed(
                [
                    Fault(
                        "",
                        f"the request is a {type(request).__name__}, where `{operation.name}` takes a {operation.request.__name__}",
                    )
                ]
            )
        payload = operation.write(request, sources)
        if operation.sends is not None and LINK in operation.sends.files:
            payload = linked(payload, self._link)
        sign = self._connector.hooks.sign
        return sign(operation.name, payload, sources) if sign else payload

    def _known(self, operation: Operation, sources: Sources) -> dict[str, str | None]:
        known = {**sources, **self._sources}  # as they are written: nobody else says what a setting is
        if operation.page is not None:
            known |= {"page.size": str(operation.page.size), "page.after": sources.get("page.after") or ""}
        return known

    def _masked(self, operation: Operation, request: BaseModel, sources: Sources) -> object:
        """What would be sent, as people may see it: no personal value, no session, no secret setting."""
        secret = {f"settings.{key}" for key, setting in self._connector.manifest.settings.items() if setting.secret}
        known = self._known(operation, sources)
        shown = {
            key: MASK if key in secret or key.startswith(("auth.", "officer.")) else value
            for key, value in known.items()
        }
        payload = operation.write(request, known)
        if operation.sends is not None:
            hidden = frozenset(value for key, value in known.items() if value and shown[key] == MASK)
            payload = _without(operation.sends.masked(payload), hidden)
        written = operation.wire.write(payload, shown, placed({}, shown), shown=True)
        try:
            return from_json(written.body) if written.body else unquote(written.address)
        except ValueError:
            return unquote_plus(written.body.decode())

    async def _exchange(
        self,
        operation: Operation,
        wire: WireRequest,
        timeout: float,  # noqa: ASYNC109 - handed to the sender
        came: Callable[[WireReply], None] = lambda _: None,
    ) -> Judged:
        reply = await self._sender.send(wire, timeout=timeout, reply_bytes=self.contract.reply_bytes)
        if not isinstance(reply, WireReply):
            return Judged(reply)
        came(reply)
        if len(reply.body) <= LARGE:
            return self._judge(operation, reply)
        return await self._apart(partial(self._judge, operation, reply))

    async def _apart(self, read: Callable[[], T]) -> T:
        if self._threads is None:  # of this agency alone: another's large replies must not make it wait
            self._threads = ThreadPoolExecutor(2, thread_name_prefix=f"reading-{self.name}")
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def _judge(self, operation: Operation, reply: WireReply) -> Judged:
        said = None
        if self._connector.hooks.classify is not None:
            try:
                said = self._connector.hooks.classify(operation.name, reply)
            except Exception as error:  # an author's fault must not lose what the agency may have done
                return Judged(Broken("hook", (Fault("classify", f"failed with {type(error).__name__}"),)))
            if said is not None and said not in RESULTS:
                return Judged(Broken("hook", (Fault("classify", "returned no result of answers.csv"),)))
        return judge(
            operation, reply, now=self._now(), knows_us=self._auth is not None, said=said, settings=self._sources
        )


def _over(road: Road, operation: Operation) -> Operation:
    """Return *operation* as it is on *road*, which sends more of a call than the mappings do."""
    alike = None if operation.alike is None else tuple(sorted({*operation.alike, *road.sources}))
    return replace(operation, alike=alike)


def _settings(connector: Connector, name: str, base_url: str, given: Mapping[str, str]) -> Mapping[str, str]:
    declared = connector.manifest.settings
    faults = (
        []
        if base_url.startswith(("http://", "https://"))
        else [FileFault("hub.toml", f"agencies.{name}.base_url", "is no http or https address")]
    )
    for key in given:
        if key not in declared:
            near = difflib.get_close_matches(key, declared, 1, 0.6)
            advice = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(declared) or 'none'}"
            faults.append(
                FileFault(
                    "hub.toml", f"agencies.{name}.{key}", f"is no setting of connector `{connector.name}`; {advice}"
                )
            )
    values = {key: given.get(key, setting.default) for key, setting in declared.items()}
    auth = connector.manifest.auth
    needed = {*(handshake(auth.scheme).settings if auth and auth.scheme else ()), *_signing(connector.manifest)}
    # where the manifest's default is empty, nobody is believed until a value is given
    needed |= {key for key in shown_settings(connector.manifest) if declared[key].default != ""}
    for key, value in values.items():
        if value is None or (key in needed and not value):
            faults.append(
                FileFault("hub.toml", f"agencies.{name}.{key}", f"is missing; write it: {declared[key].help}")
            )
        else:
            try:
                declared[key].written(value)
            except ValueError as error:
                faults.append(FileFault("hub.toml", f"agencies.{name}.{key}", str(error)))
    if faults:
        raise FilesRefused(faults)
    return {key: value for key, value in values.items() if value is not None}


def _signing(manifest: Manifest) -> Iterator[str]:
    """Names of the settings that signatures are made with: with an empty one anybody could make them."""
    operations, notices = manifest.operations.values(), manifest.notices.values()
    signatures = [
        *(one.sign for one in operations),
        *(one.signed for one in operations),
        *(one.signed for one in notices),
    ]
    return _names(source for one in signatures if one for source in one.of)


def shown_settings(manifest: Manifest) -> frozenset[str]:
    """Return the names of the settings whose value an agency must show to be believed."""
    tables = (notice.auth for notice in manifest.notices.values() if notice.auth)
    return frozenset(_names(source for one in tables for source in one.put.values()))


def _names(sources: Iterable[str]) -> Iterator[str]:
    return (source.removeprefix(SETTING) for source in sources if source.startswith(SETTING))


def _without(shown: Any, hidden: frozenset[str]) -> Any:
    """Return *shown* with every text masked that is one of *hidden*: a fixed place may hold a session."""
    if isinstance(shown, etree._Element):
        for element in shown.iter():
            element.text = MASK if element.text in hidden else element.text
        return shown
    if isinstance(shown, dict):
        return {key: _without(value, hidden) for key, value in shown.items()}
    if isinstance(shown, list):
        return [_without(value, hidden) for value in shown]
    return MASK if shown in hidden else shown
