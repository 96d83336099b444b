"""
What an agency tells and asks of us, bound to one installation's settings: the `Inbox` that doors use.

Start at `inbox.py`. `notice_reading.py` reads one notice, `notice_replies.py` answers it, `notice_compiling.py` makes
both from the manifest, and `notice_rules.py` refuses a manifest whose notices could not work.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel

from connectors.kit.carried import Carried
from connectors.kit.exchange import Sources, WireReply
from connectors.kit.files import Link
from connectors.kit.inbox import Notice, NotTaken, Understood, Way, WireNotice
from connectors.kit.notice_reading import ReadyNotice, inside_envelope
from connectors.kit.notice_replies import later, soap_fault
from connectors.kit.texts import Unreadable, parse_xml
from connectors.kit.wsdl import InboundWsdl
from mappings.errors import Fault


class Notices:
    """See `inbox.Inbox`."""

    def __init__(
        self, ready: Mapping[str, ReadyNotice], settings: Sources, wsdl: InboundWsdl | None, link: Link
    ) -> None:
        """*settings* are flat: `settings.<name>`; *link* makes the address of a file that an answer names."""
        self._link = link
        self._ready = ready
        self._settings = settings
        self._wsdl = wsdl
        self._notices = MappingProxyType({name: one.about for name, one in ready.items()})

    @property
    def notices(self) -> Mapping[str, Notice]:
        """See `inbox.Inbox.notices`."""
        return self._notices

    def denies(self, notice: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """See `inbox.Inbox.denies`."""
        ready = self._ready[notice]
        return ready.about.fetched_by is not None or bool(
            ready.unproven(Carried(None, headers, query), self._settings, beside=True)
        )

    def read(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        """See `inbox.Inbox.read`."""
        ready = self._ready[notice]
        return _told(notice, lambda: self._read(ready, came))

    def read_again(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        """See `inbox.Inbox.read_again`."""
        if not notice:
            return _told("", lambda: self._read_soap(came, proven=True))
        ready = self._ready[notice]
        if ready.about.fetched_by is not None:
            return _told(notice, lambda: self._read_fetched(ready, came))
        return _told(notice, lambda: self._read(ready, came, proven=True))

    def read_soap(self, came: WireNotice) -> Understood | NotTaken:
        """See `inbox.Inbox.read_soap`."""
        return _told("", lambda: self._read_soap(came))

    def reply(
        self, notice: str, way: Way, *, reason: str = "", answer: BaseModel | None = None, retry_after: float = 0.0
    ) -> WireReply:
        """See `inbox.Inbox.reply`. Without a name of a notice, where SOAP is spoken, the answer is a fault."""
        if not notice and self._wsdl is not None:
            return soap_fault(self._wsdl.version, way, reason, later(way, retry_after))
        return self._ready[notice].replies.reply(
            way, self._settings, self._link, reason=reason, answer=answer, retry_after=retry_after
        )

    def wsdl(self, address: str) -> bytes | None:
        """See `inbox.Inbox.wsdl`."""
        return self._wsdl.at(address) if self._wsdl else None

    def _read(self, ready: ReadyNotice, came: WireNotice, *, proven: bool = False) -> Understood | NotTaken:
        name = ready.about.name
        if ready.about.fetched_by is not None:
            return NotTaken(name, "denied", (Fault("", "is fetched by us and taken from nobody who calls"),))
        beside = Carried(None, came.headers, came.query)
        if not proven and (unproven := ready.unproven(beside, self._settings, beside=True)):
            return NotTaken(name, "denied", unproven)  # before a byte of the body is looked at
        try:
            tree = ready.tree(came)
        except Unreadable as error:
            way: Literal["refused", "denied"] = "denied" if ready.proven_by_body and not proven else "refused"
            return NotTaken(name, way, (Fault("body", error.rule),))
        carried = Carried(tree, came.headers, came.query)
        if not proven and (unproven := ready.unproven(carried, self._settings)):
            return NotTaken(name, "denied", unproven)
        another = ready.another(carried)
        if not another:
            return ready.understood(carried)
        others = (one for one in self._ready.values() if one.select and one.media == ready.media and one is not ready)
        return self._chosen(others, carried, proven=proven) or ready.refused(*another)

    def _read_soap(self, came: WireNotice, *, proven: bool = False) -> Understood | NotTaken:
        try:
            content = inside_envelope(parse_xml(came.body, came.headers))
        except Unreadable as error:
            return NotTaken("", self._way_of_a_stranger(came, proven=proven), (Fault("body", error.rule),))
        alike = [one for one in self._ready.values() if one.soap and one.soap.sends.tag == content.tag]
        if not alike:
            fault = Fault("Body", "holds no message of the WSDL that we publish")
            return NotTaken("", self._way_of_a_stranger(came, proven=proven), (fault,))
        carried = Carried(content, came.headers, came.query)
        # those that say more of the message first, so that one without `select` is for what no other takes
        alike.sort(key=lambda one: -len(one.select))
        chosen = self._chosen(alike, carried, proven=proven)
        if chosen is not None:
            return chosen
        unproven = () if proven else alike[0].unproven(carried, self._settings)
        faults = unproven or alike[0].another(carried)
        return NotTaken(alike[0].about.name, "denied" if unproven else "refused", faults)

    def _way_of_a_stranger(self, came: WireNotice, *, proven: bool) -> Literal["refused", "denied"]:
        """How an envelope ends that is no message of ours: kept only when what stands beside it proves an agency."""
        beside = Carried(None, came.headers, came.query)
        asked = [one for one in self._ready.values() if one.soap and not one.proven_by_body]
        return "refused" if proven or any(not one.unproven(beside, self._settings) for one in asked) else "denied"

    def _chosen(self, among: Iterable[ReadyNotice], carried: Carried, *, proven: bool) -> Understood | NotTaken | None:
        """What the one of *among* says that *carried* is; None when it is none of them."""
        chosen = next((one for one in among if not one.about.fetched_by and not one.another(carried)), None)
        if chosen is None:
            return None
        unproven = () if proven else chosen.unproven(carried, self._settings)
        return NotTaken(chosen.about.name, "denied", unproven) if unproven else chosen.understood(carried)

    def _read_fetched(self, ready: ReadyNotice, came: WireNotice) -> Understood | NotTaken:
        if ready.fetched_over is None:
            return ready.refused(Fault("", "is not fetched by any operation"))
        try:
            tree = ready.fetched_over.read(WireReply(200, came.headers, came.body)).tree
        except Unreadable as error:
            return ready.refused(Fault("body", error.rule))
        return ready.understood(Carried(tree, {}, came.query))


def _told(notice: str, read: Callable[[], Understood | NotTaken]) -> Understood | NotTaken:
    try:
        return read()
    except Exception as error:  # a fault of ours is told as one, and the message is kept for when it is mended
        return NotTaken(notice, "refused", (Fault("", f"reading failed with {type(error).__name__}"),))
