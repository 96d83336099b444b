"""
Which addresses the hub calls because somebody told it to: what a caller or an agency writes must not open our own doors.

An operator lists hosts. An address is looked at twice: as it is written, and, once its name has been looked up, at the
moment of connecting, since a name leads wherever its owner says. No redirect is followed. `[push] hosts` is such a list.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Numeric: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LONGEST: Final = 2000
"""Signs of an address."""
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_NAME}")
_WRITTEN: Final = re.compile(
    rf"(?P<scheme>https?)://(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>{_NAME}))(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
"""So strict that no two readers of it can differ about the host: no user, no backslash, no fragment, ASCII alone."""
_OF_A_CENTRE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_TUNNELS: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))
"""Addresses that hold another address: NAT64, Teredo, 6to4."""


def host_fault(entry: str) -> str | None:
    """Return what is wrong with an *entry* of a list of hosts, None if nothing is."""
    if "/" in entry or _numeric(entry) is not None:
        try:
            ip_network(entry)
        except ValueError:
            return f"`{entry}` is no network; write it as 10.0.0.0/8, with nothing behind its prefix"
        return None
    if _PATTERN.fullmatch(entry) and not _like_a_number(entry):
        return None
    return f"`{entry}` is neither a host (onestop.example), hosts of a domain (*.centre.example) nor a network (10.0.0.0/8)"


class Outside:
    """The addresses that a list of hosts opens."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Take entries without faults, by `host_fault`."""
        networks = [entry for entry in hosts if "/" in entry or _numeric(entry) is not None]
        self._networks: tuple[Network, ...] = tuple(map(ip_network, networks))
        self._names = tuple(entry.lower() for entry in hosts if entry not in networks)

    def fault(self, url: str) -> str | None:
        """Return which rule *url* breaks as it is written, None if none."""
        found = _WRITTEN.fullmatch(url) if len(url) <= LONGEST else None
        if found is None:
            return (
                f"is http(s)://host, with port and path if need be, in ASCII, without user or #, up to {LONGEST} signs"
            )
        if found["port"] is not None and not 0 < int(found["port"]) < 1 << 16:
            return "names a port from 1 to 65535"
        host = (found["six"] or found["host"]).lower()
        numeric = _numeric(host)
        if numeric is not None:
            listed = self._listed(_unwrapped(numeric))
            return (
                None
                if listed
                else "names an address that lies in no listed network; an operator lists it in [push] hosts"
            )
        if found["six"] is not None or _like_a_number(host):
            return "names no host"
        if any(_matches(host, name) for name in self._names):
            return None
        return "names a host that is not listed; an operator lists it in [push] hosts"

    def connectable(self, url: str) -> Callable[[str], bool]:
        """
        Return what says whether a numeric address may be connected to for the sake of *url*, which is without fault.

        In a listed network any may. Else it must be of a private network, or, with https, of the Internet: never this
        machine, its neighbours on the link (where clouds keep their secrets), or many at once.
        """
        secure = url.startswith("https://")

        def may(address: str) -> bool:
            numeric = _numeric(address.partition("%")[0])
            if numeric is None:
                return False
            plain = _unwrapped(numeric)
            return self._listed(plain) or _ordinary(plain, secure=secure)

        return may

    def _listed(self, address: Numeric) -> bool:
        return any(address in network for network in self._networks)


def _matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


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


def _ordinary(address: Numeric, *, secure: bool) -> bool:
    if any(address in network for network in _OF_A_CENTRE):
        return True
    special = address.is_multicast or address.is_loopback or address.is_link_local or address.is_unspecified
    tunnel = any(address in network for network in _TUNNELS)
    return secure and address.is_global and not (special or tunnel or address.is_reserved)
