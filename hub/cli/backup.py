"""
`hub backup`: a copy of the store while the hub runs. How to come back from it: docs/guide/operate.md.
"""

import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress

from hub.cli.operator import ask, said
from hub.cli.output import AsJson, fail, say, show_json
from hub.cli.settings import Config, read_settings
from hub.clock import SystemClock
from hub.store.backup import BackupRefused, Manifest, back_up
from hub.surroundings import moment

File = Annotated[Path, typer.Argument(help="Where the copy goes; a file that is there already is not overwritten.")]


def backup(file: File, *, config: Config = None, as_json: AsJson = False) -> None:
    """Copy the store into a file, readable by you alone, with a line beside it that says what it is."""
    settings = read_settings(config)
    store = settings.store_file()
    if store is None:
        _tools_of_its_own()
    beside = file.parent / f"{file.name}.manifest"
    if os.path.lexists(beside):
        fail(f"{beside} exists and is not overwritten; name another file")
    manifest = _copied(store, file, quiet=as_json)
    at = moment(manifest.moment)
    whole = f"The copy is whole and lies there: {file}, as of {at}. To serve it: hub serve --after-restore {at}"
    try:
        _write_new(beside, manifest.line(at))
    except OSError as error:
        fail(f"{beside} was not written ({error.strerror}), and the journal does not tell of this backup.\n{whole}")
    told = {"moment": at, "journal_seq": manifest.journal_seq, "sha256": manifest.sha256}

    async def tell(http: httpx2.AsyncClient) -> Any:
        return await said(await http.post("/admin/v1/backups", json=told))

    try:
        ask(config, tell)
    except Exception as error:  # whatever it is: who has a copy must hear that it can be used
        why = "" if isinstance(error, typer.Exit) else f" ({type(error).__name__}: {error})"  # an Exit has told already
        fail(f"The journal does not tell of this backup: its entry was not written{why}.\n{whole}")
    if as_json:
        show_json(told | {"file": str(file), "manifest": str(beside), "size": manifest.size})
        return
    say(f"{file}: {manifest.size:,} bytes, as of {at}; {beside.name} says what it is.")
    say(f"Keep both on another machine. To serve the copy: hub serve --after-restore {at}")


def _write_new(file: Path, content: bytes) -> None:
    """
    Write *file*, readable by this user alone.

    Raises:
        OSError: There is something already, if only a link, or the disk does not take it; nothing is left of it then.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _copied(store: Path, file: Path, *, quiet: bool) -> Manifest:
    clock = SystemClock()
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            task = bar.add_task("copying", total=None)
            return back_up(
                store,
                file,
                clock.now,
                lambda done, pages: bar.update(task, completed=done, total=pages),
            )
    except BackupRefused as refused:
        fail(str(refused))


def _tools_of_its_own() -> NoReturn:
    fail(
        "PostgreSQL is backed up with its own tools: `pg_dump --format=custom` for one moment, or base backups with "
        "WAL archiving for any. What `hub serve --after-restore` asks for stands in the guide, `Backup, and coming back from it`."
    )
