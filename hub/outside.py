"""
Which addresses the hub calls because somebody told it to: what a caller or an agency writes must not open our own doors.

An operator lists hosts. An address is looked at twice: as it is written, and, once its name has been looked up, at the
moment of connecting, since a name leads wherever its owner says. No redirect is followed. Receivers of callers
(`[push] hosts`) and hosts of an agency's files (`file_hosts`) are such lists.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self, TypeAlias
from urllib.parse import quote, urlsplit

Numeric: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LONGEST: Final = 2000
"""Signs of an address."""
PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_PORT: Final = r"(?::(?P<port>[0-9]{1,5}))?"
_ENTRY: Final = re.compile(rf"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>(?:\*\.)?{_NAME})){_PORT}")
_WRITTEN: Final = re.compile(
    rf"(?P<scheme>https?)://(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>{_NAME})){_PORT}"
    r"(?P<rest>(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)"
)
"""So strict that no two readers of it can differ about the host: no user, no backslash, no fragment, ASCII alone."""
_OF_A_CENTRE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_TUNNELS: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))
"""Addresses that hold another address: NAT64, Teredo, 6to4."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A host that may be called: a name, all names of a domain (`*.centre.example`), or the addresses of a network."""

    host: str | Network
    ports: frozenset[int] = frozenset()
    """Empty: at any."""

    def holds(self, host: str | Numeric, port: int) -> bool:
        """Say whether *host*, in small letters if it is a name, may be called at *port*."""
        if self.ports and port not in self.ports:
            return False
        if isinstance(self.host, str):
            return isinstance(host, str) and (
                host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host
            )
        if isinstance(host, str):
            return False
        several = self.host.num_addresses > 1  # one address is meant as it is written, and in no other form
        return (_unwrapped(host) if several else host) in self.host


@dataclass(frozen=True, slots=True)
class Outside:
    """The addresses that a list of hosts opens."""

    opened: tuple[Opened, ...]
    """What may be written."""
    networks: tuple[Network, ...]
    """What may be connected to whatever else is said here, this machine too."""
    schemes: frozenset[str]
    private: bool
    """Whether a listed name may lead into private networks that are not listed."""
    in_clear: bool
    """Whether http, without TLS, may go into the Internet."""
    setting: str
    """Where an operator lists hosts, for who must ask for one."""

    @classmethod
    def receivers(cls, hosts: Sequence[str]) -> Self:
        """Return what *hosts* of `[push]` open, entries without a `host_fault`."""
        opened = tuple(Opened(_entry(entry)[0]) for entry in hosts)
        return cls(opened, _networks(opened), frozenset(PORTS), private=True, in_clear=False, setting="`[push] hosts`")

    @classmethod
    def files(cls, base_url: str, file_hosts: Sequence[str]) -> Self:
        """
        Return from where files of an agency may be fetched: the host of its *base_url*, and its *file_hosts*.

        A network among them opens no host: it says where files may lie though they are not public.

        Raises:
            ValueError: One of *file_hosts* is neither host nor network; the text says which and what to write.
        """
        base = urlsplit(base_url)
        schemes = frozenset({base.scheme, "https"})
        named = (base.hostname or "").lower()
        own = Opened(ip_network(named) if _numeric(named) else named, frozenset({base.port or PORTS[base.scheme]}))
        opened, networks = [own], []
        for text in file_hosts:
            host, port = _entry(text)
            if isinstance(host, str) or "/" not in text:
                opened.append(Opened(host, frozenset({port} if port else {PORTS[one] for one in schemes})))
            else:
                networks.append(host)
        return cls(
            opened=tuple(opened),
            networks=(*networks, *_networks(opened)),
            schemes=schemes,
            private=False,
            in_clear=base.scheme == "http",
            setting="`file_hosts`",
        )

    def checked(self, url: str) -> str:
        """
        Return *url* as it may be asked for, made anew from its parts, so that nobody reads another host in it.

        Raises:
            ValueError: It may not be; the text says which rule it breaks.
        """
        found = _WRITTEN.fullmatch(url) if len(url) <= LONGEST else None
        if found is None:
            raise ValueError(
                f"is http(s)://host, with port and path if need be, in ASCII, without user or #, up to {LONGEST} signs"
            )
        scheme = found["scheme"]
        if scheme not in self.schemes:
            raise ValueError(f"begins with {' or '.join(f'{one}://' for one in sorted(self.schemes))} here")
        port = PORTS[scheme] if found["port"] is None else int(found["port"])
        if not 0 < port < 1 << 16:
            raise ValueError("names a port from 1 to 65535")
        host = (found["six"] or found["host"]).lower()
        numeric = _numeric(host)
        if numeric is None and (found["six"] is not None or _like_a_number(host)):
            raise ValueError("names no host")
        if not any(one.holds(numeric or host, port) for one in self.opened):
            raise ValueError(f"names a host or a port that is not listed; an operator lists it in {self.setting}")
        shown = f"[{host}]" if ":" in host else host
        rest = found["rest"]
        return f"{scheme}://{shown}:{port}{rest if rest.startswith('/') else f'/{rest}'}"

    def fault(self, url: str) -> str | None:
        """Return which rule *url* breaks as it is written, None if none."""
        try:
            self.checked(url)
        except ValueError as broken:
            return str(broken)
        return None

    def connectable(self, url: str) -> Callable[[str], bool]:
        """
        Return what says whether a numeric address may be connected to for the sake of *url*, which is without fault.

        In a listed network any may. Else it must be of the Internet, with https unless `in_clear`, or, if `private`, of
        a private network: never this machine, its neighbours on the link (where clouds keep their secrets), or many at once.
        """
        public = self.in_clear or url.startswith("https://")

        def may(address: str) -> bool:
            numeric = _numeric(address.partition("%")[0])
            if numeric is None:
                return False
            plain = _unwrapped(numeric)
            if any(plain in network for network in self.networks):
                return True
            if any(plain in network for network in _OF_A_CENTRE):
                return self.private
            return public and _of_the_internet(plain)

        return may


def host_fault(entry: str) -> str | None:
    """Return what is wrong with an *entry* of `[push] hosts`, None if nothing is."""
    try:
        _, port = _entry(entry)
    except ValueError as broken:
        return str(broken)
    return None if port is None else f"`{entry}` names a port; write the host alone: receivers may listen at any"


def as_sent(url: str) -> str:
    """Return *url* as HTTP would send what people write: without its fragment, what is not ASCII as `%` and digits."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0], errors="replace"), url.partition("#")[0])


def _entry(text: str) -> tuple[str | Network, int | None]:
    """Return host or network, and port, of an entry of a list. Raises ValueError with what to write instead."""
    if "/" in text or _numeric(text) is not None:
        try:
            return ip_network(text), None
        except ValueError:
            raise ValueError(
                f"`{text}` is no network; write it as 10.0.0.0/8, with nothing behind its prefix"
            ) from None
    found = _ENTRY.fullmatch(text)
    if found is not None:
        host, port = (found["six"] or found["host"]).lower(), None if found["port"] is None else int(found["port"])
        numeric = _numeric(host)
        if (port is None or 0 < port < 1 << 16) and (numeric or not (found["six"] or _like_a_number(host))):
            return ip_network(host) if numeric else host, port
    raise ValueError(
        f"`{text}` is neither host nor network; write a host (onestop.example), hosts of a domain (*.centre.example)"
        " or a network (10.0.0.0/8)"
    )


def _networks(opened: Sequence[Opened]) -> tuple[Network, ...]:
    return tuple(one.host for one in opened if not isinstance(one.host, str))


def _numeric(text: str) -> Numeric | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _like_a_number(host: str) -> bool:
    """Say whether resolvers would take *host* for an address in another spelling, as `127.1` or `2130706433`."""
    return host.rpartition(".")[2][0].isdigit()


def _unwrapped(address: Numeric) -> Numeric:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _of_the_internet(address: Numeric) -> bool:
    special = address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified
    tunnel = any(address in network for network in _TUNNELS)
    return address.is_global and not (special or tunnel or address.is_reserved)
