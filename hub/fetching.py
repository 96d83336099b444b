"""
From where files of an agency may be fetched, and fetching one under its contract. Used by `web/files.py`.

The rules against being sent elsewhere: the agency's own scheme, a host and port that its entry names, an address that
is public unless the entry names its network, looked at when it is connected to; no redirect; size and time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol, Self, TypeAlias
from urllib.parse import urlsplit

from connectors.kit.fetching import NotFetched
from hub.call import Class
from hub.clock import Clock
from hub.coordination.protocol import STALE, Coordination, Permit, Wanted
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    LaneFull,
    OperationUnknown,
    RequestFault,
    RequestInvalid,
    RequestTooLarge,
)
from hub.files import Files, of_agency
from hub.store.files import StoredFile

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
ASKED: Final = "file_asked"
"""Event of the journal: a file is about to be fetched from an agency for a caller."""
OPERATION: Final = "fetch_file"
"""Name under which the guards of a lane see it."""
_AGAIN: Final = 2.0
_NAT64: Final = ip_network("64:ff9b::/96")
_ADVICE: Final[Mapping[str, str]] = {
    "forbidden": "leads to an address that is not public: an operator may name its network in `file_hosts`",
    "address": "is no address that can be fetched",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """From where the files of one agency may be fetched."""

    schemes: frozenset[str]
    hosts: frozenset[tuple[str, int]]
    networks: tuple[Network, ...]
    """In which files may lie though they are not public."""

    @classmethod
    def by(cls, base_url: str, file_hosts: Sequence[str]) -> Self:
        """
        Return what an agency's entry allows: the host of its *base_url*, and its *file_hosts*.

        Raises:
            ValueError: One of *file_hosts* is neither host nor network; the text says which and what to write.
        """
        base = urlsplit(base_url)
        schemes = {base.scheme, "https"}
        hosts = {((base.hostname or "").lower(), base.port or PORTS[base.scheme])}
        networks: list[Network] = []
        for text in file_hosts:
            if "/" in text:
                networks.append(_network(text))
            else:
                host, port = _host(text)
                hosts |= {(host, port or PORTS[scheme]) for scheme in schemes}
        networks += [ip_network(host) for host, _ in hosts if _is_numeric(host)]  # named one by one
        return cls(frozenset(schemes), frozenset(hosts), tuple(networks))

    def checked(self, url: str) -> str:
        """
        Return *url* as it may be asked for, made anew from its parts, so that nobody reads another host in it.

        Raises:
            ValueError: It may not be; the text says which rule it breaks.
        """
        if not url.isprintable() or " " in url or "\\" in url:
            raise ValueError("is no address that can be fetched")
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            raise ValueError("is no address that can be fetched") from None
        if parts.scheme not in self.schemes:
            raise ValueError(f"begins with {' or '.join(f'{one}://' for one in sorted(self.schemes))} for this agency")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a user or a password")
        host = (parts.hostname or "").lower()
        if (host, port) not in self.hosts:
            raise ValueError("is on a host that this agency's entry does not name: an operator adds it to `file_hosts`")
        shown = f"[{host}]" if ":" in host else host
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{shown}:{port}{parts.path or '/'}{query}"

    def may_connect(self, address: str) -> bool:
        """Say whether a numeric *address* is public, or in a network that is named; whatever it is wrapped in."""
        whole = ip_address(address.partition("%")[0])
        every = (whole, *_wrapped(whole))
        if any(one.version == network.version and one in network for one in every for network in self.networks):
            return True
        return all(one.is_global and not one.is_multicast for one in every)


class Fetches(Protocol):
    """What is needed of `connectors.kit.fetching.Fetcher`."""

    def fetch(self, url: str, *, seconds: float, most: int) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Source:
    """An agency from which files may be fetched."""

    allowed: Allowed
    fetcher: Fetches
    seconds: float
    """How long one may take: the `call_timeout` of its contract."""


class Fetching:
    """Fetches files that agencies link to. *sources* are by the agency's name."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        files: Files,
        coordination: Coordination,
        note: Callable[[str, str, str], Awaitable[None]],
        clock: Clock,
        *,
        file_bytes: int,
    ) -> None:
        self._sources = sources
        self._files = files
        self._coordination = coordination
        self._note = note
        self._clock = clock
        self._most = file_bytes

    async def fetch(self, agency: str, url: str, caller: str) -> StoredFile:
        """
        Fetch the file at *url* under the rules and the contract of *agency*, and store it for *caller*.

        Raises:
            OperationUnknown: There is no such agency.
            RequestInvalid: Its rules do not allow this address.
            LaneFull: Its contract allows no exchange now.
            AgencyUnavailable, AgencyBroken: It could not be had, now or at all.
            StoreUnavailable: The store did not answer.
        """
        source = self._sources.get(agency)
        if source is None:
            raise OperationUnknown
        try:
            checked = source.allowed.checked(url)
        except ValueError as error:
            raise RequestInvalid(faults=[RequestFault("/url", str(error))]) from None
        permit = await self._permit(agency)
        began = self._clock.monotonic()
        try:
            await self._note(ASKED, caller, f"{of_agency(agency)} {urlsplit(checked).netloc}")
            await self._coordination.leave(permit, source.seconds)
            pieces = source.fetcher.fetch(checked, seconds=source.seconds, most=self._most)
            return await self._files.take(pieces, caller)
        except NotFetched as failed:
            raise _told(failed.cause) from None
        except RequestTooLarge:
            raise _told("too_large") from None
        finally:  # it counts, and proves nothing about the agency's own interface, which may be another machine
            await self._coordination.release(permit, STALE, self._clock.monotonic() - began)

    async def _permit(self, agency: str) -> Permit:
        (answer,) = await self._coordination.claim(agency, [Wanted(OPERATION, Class.NORMAL)])
        if not isinstance(answer, Permit):
            raise LaneFull(retry_after=answer.seconds or _AGAIN)
        return answer


def _told(cause: str) -> RequestInvalid | AgencyBroken | AgencyUnavailable:
    if cause in _ADVICE:
        return RequestInvalid(faults=[RequestFault("/url", _ADVICE[cause])])
    if cause in ("redirect", "too_large") or cause.startswith("http_4"):
        return AgencyBroken(f"The file could not be fetched: {cause}.")
    return AgencyUnavailable(f"The file could not be fetched: {cause}.", retry_after=_AGAIN)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"`{text}` is no network: write 10.20.0.0/16, with zeros behind the mask") from None


def _host(text: str) -> tuple[str, int | None]:
    try:
        bare = f"[{text}]" if _is_numeric(text) and ":" in text else text
        parts = urlsplit(f"//{bare}")
        if parts.hostname:
            return parts.hostname.lower(), parts.port
    except ValueError:
        pass
    raise ValueError(f"`{text}` is no host: write files.agency.example, or files.agency.example:8443")


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _wrapped(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses to which *address* leads by a rule of IPv6."""
    if isinstance(address, IPv4Address):
        return ()
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(one for one in found if one is not None)
