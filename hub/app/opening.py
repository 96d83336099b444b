"""
What a hub finds outside of itself: where its calls are kept and its nodes count, the store there, and its own keys.
"""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

from hub.app.failpoints import failpoint
from hub.app.installed import Installed
from hub.clock import Clock
from hub.pushing.signing import LEAST_KEY
from hub.references import NotFollowed, follow
from hub.settings import POSTGRESQL, SQLITE, Settings
from hub.store.postgres import PostgresStore
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore
from hub.store.writer import Watch
from mappings.errors import FileFault, FilesRefused
from monitoring.events import Observer

_NUMBER: Final = re.compile(r"/?[0-9]{0,4}")
"""Path of a Redis: which of its databases."""


def jitter() -> Random:
    """Return a source of random numbers that no other process draws from: for waits and places in Redis, not for secrets."""
    return Random(secrets.randbits(128))  # noqa: S311 - as said


def store_address(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return where calls are kept.

    Raises:
        FilesRefused: The reference leads nowhere, or to no address of a store.
    """
    try:
        address = follow(settings.hub.store, environ, settings.folder)
    except NotFollowed as lost:
        raise _refused("hub.store", str(lost)) from None
    if not address.startswith((SQLITE, POSTGRESQL)):
        raise _refused("hub.store", f"leads to no address of a store; one begins with {SQLITE} or {POSTGRESQL}")
    return address


def redis_address(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return where nodes count together, empty when they do not.

    Raises:
        FilesRefused: The reference leads nowhere, or to no address of a Redis.
    """
    try:
        address = follow(settings.hub.redis, environ, settings.folder)
    except NotFollowed as lost:
        raise _refused("hub.redis", str(lost)) from None
    if address and not address.startswith(("redis://", "rediss://")):
        raise _refused("hub.redis", "leads to no address of a Redis; one begins with redis:// or rediss://")
    if address and not _leads_to_redis(address):
        raise _refused(
            "hub.redis",
            "leads to no address as redis://user:password@host:port/number, where all but the host may be left out; "
            "it takes no options, and in the password / ? # @ : % are percent-encoded",
        )
    return address


def _leads_to_redis(address: str) -> bool:
    """Say whether each part is one; options are none: they would undo how long the hub waits for Redis."""
    try:
        parts = urlsplit(address)
        told = bool(parts.hostname) and parts.port != 0
    except ValueError:  # what stands for a port is no number, or a bracket is not closed
        return False
    return told and _NUMBER.fullmatch(parts.path) is not None and not parts.query and not parts.fragment


def open_store(
    settings: Settings,
    address: str,
    environ: Mapping[str, str],
    clock: Clock,
    observer: Observer,
    installed: Mapping[str, Installed],
    watch: Watch,
) -> SqlStore:
    """
    Open the store at *address*: a file for this process alone, PostgreSQL under the name of this node.

    *watch* hears how each commit went.

    Raises:
        StoreInUse: Another process serves the file, or the database under the same name.
        StoreUnusable: The address is none that PostgreSQL understands, or its database is none that a hub can use.
        StoreUnavailable: PostgreSQL does not answer.
        FilesRefused: The folder is missing, or a failpoint is set outside of tests.
    """
    common: dict[str, Any] = {
        "backlog_calls": {name: one.contract.backlog_calls for name, one in installed.items()},
        "failpoint": failpoint(environ),
        "on_commit": observer.commit,
        "watch": watch,
    }
    if address.startswith(POSTGRESQL):
        return PostgresStore.connect(address, settings.hub.node, clock, **common)
    path = settings.path(address.removeprefix(SQLITE))
    if not path.parent.is_dir():
        raise _refused("hub.store", f"lies in {path.parent}, which is no folder; create it")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it will hold personal data: nobody else may read it
    return SqliteStore.open_file(path, clock, **common)


def admin_key(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return the key of the admin doors: as the settings say, else one kept beside the file of the store, made when missing.

    Raises:
        FilesRefused: The settings name a key that cannot be found, or none where the store is no file.
    """
    return _key(settings, environ, "admin_key", settings.hub.admin_key, "lta_")


def signing_key(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return the key with which this hub signs, links as well as what it pushes, found and made as `admin_key` is.

    Raises:
        FilesRefused: As there, and for a key that could be guessed.
    """
    return _long_key(settings, environ, "signing_key", settings.hub.signing_key, "lts_")


def sealing_key(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return the key with which this hub seals, found and made as `admin_key` is.

    Raises:
        FilesRefused: As there, and for a key that could be guessed.
    """
    return _long_key(settings, environ, "sealing_key", settings.hub.sealing_key, "ltz_")


def _long_key(settings: Settings, environ: Mapping[str, str], name: str, given: str, prefix: str) -> str:
    key = _key(settings, environ, name, given, prefix)
    if len(key) < LEAST_KEY:
        raise _refused(f"hub.{name}", f"has fewer than {LEAST_KEY} signs; make one with `openssl rand -base64 33`")
    return key


def _key(settings: Settings, environ: Mapping[str, str], name: str, given: str, prefix: str) -> str:
    if given:
        try:
            return follow(given, environ, settings.folder)
        except NotFollowed as lost:
            raise _refused(f"hub.{name}", str(lost)) from None
    store = settings.store_file()
    if store is None:
        raise _refused(
            f"hub.{name}",
            "is not set, and a key is made only beside an SQLite store; set the same one for every node",
        )
    file = store.with_name(f"{store.name}.{name.replace('_', '-')}")
    try:
        return _kept_key(file, prefix)
    except (OSError, UnicodeDecodeError) as error:
        says = (
            f"is not set, and {file} cannot be read or made ({type(error).__name__}); give back the file that was there"
        )
        raise _refused(f"hub.{name}", says) from None


def admin_key_file(store: Path) -> Path:
    """Return where the admin key lies when the settings name none: beside *store*, readable by the user of the hub only."""
    return store.with_name(store.name + ".admin-key")


def _kept_key(file: Path, prefix: str) -> str:
    """Return the key in *file*, made when it is not there, readable by the user of the hub only."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text("utf-8").strip()
    with os.fdopen(descriptor, "w") as fresh:
        key = prefix + secrets.token_urlsafe(32)
        fresh.write(key + "\n")
    return key


def _refused(key: str, says: str) -> FilesRefused:
    return FilesRefused([FileFault("hub.toml", key, says)])
