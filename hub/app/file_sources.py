"""
From settings to where files come from and how agencies reach ours: who may be fetched from, and the links we sign.
"""

import secrets
from collections.abc import Mapping

from connectors.kit.fetching import Fetcher
from hub.app.installed import Installed
from hub.app.opening import signing_key
from hub.clock import Clock
from hub.fetching import Source
from hub.outside import Outside
from hub.security.links import Links
from hub.settings import Settings
from mappings.errors import FileFault, FilesRefused
from mappings.values_files import LINK


def links_of(settings: Settings, environ: Mapping[str, str], clock: Clock) -> Links:
    """
    Return what makes and checks links; without a public address none is made, and so none is good.

    Raises:
        FilesRefused: As `signing_key`.
    """
    key = signing_key(settings, environ) if settings.hub.public_url else secrets.token_urlsafe(32)
    return Links(key, settings.hub.public_url, settings.hub.link_days, clock)


def unlinked(settings: Settings, installed: Mapping[str, Installed]) -> frozenset[tuple[str, str]]:
    """Return the operations, by agency and name, that send links to files, if none can be made here."""
    return frozenset(
        (agency, name)
        for agency, one in installed.items()
        for name, operation in one.connector.operations.items()
        if not settings.hub.public_url and operation.sends is not None and LINK in operation.sends.files
    )


def sources_of(settings: Settings, installed: Mapping[str, Installed]) -> dict[str, tuple[Source, Fetcher]]:
    """
    Return, for each agency, from where its files may be fetched and what fetches them.

    Raises:
        FilesRefused: A host or network cannot be read, or the file of authorities; every key is named.
    """
    faults: list[FileFault] = []
    sources: dict[str, tuple[Source, Fetcher]] = {}
    for name, entry in settings.agencies.items():
        try:
            outside = Outside.files(entry.base_url, entry.file_hosts or ())
        except ValueError as error:
            faults.append(FileFault("hub.toml", f"agencies.{name}.file_hosts", str(error)))
            continue
        ca_file = settings.path(entry.ca_file) if entry.ca_file else None  # `install` has read it
        fetcher = Fetcher(outside.connectable(entry.base_url), ca_file=ca_file)
        sources[name] = (Source(outside, fetcher, installed[name].contract.call_timeout), fetcher)
    if faults:
        raise FilesRefused(faults)
    return sources
