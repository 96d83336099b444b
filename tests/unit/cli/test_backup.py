"""`hub backup` when something stands in its way: a sentence, nothing overwritten, and whoever has a copy hears so."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hub.cli import backup
from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.store.sqlite import SqliteStore
from tests.unit.cli.conftest import Hub


@pytest.fixture
def kept(hub: Hub, settings: Path, tmp_path: Path) -> Path:
    """An installation with a store; the folder it lies in."""
    assert hub("units", "list")[0] == 0
    return tmp_path


def refused(hub: Hub, *words: str) -> str:
    status, out, errors = hub("backup", *words)
    assert (status, out) == (1, "")
    return errors


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_copy_needs_a_name(hub: Hub, kept: Path, name: str) -> None:
    assert "name the file" in refused(hub, name)


@pytest.mark.parametrize("what", ["file", "folder", "link", "link to nothing"])
def test_what_is_where_the_manifest_goes_stays_and_nothing_is_copied(hub: Hub, kept: Path, what: str) -> None:
    place, other = kept / "copy.db.manifest", kept / "other"
    other.write_text("mine")
    if what == "file":
        place.write_text("mine")
    elif what == "folder":
        place.mkdir()
    else:
        place.symlink_to(other if what == "link" else kept / "nothing")
    assert "copy.db.manifest exists and is not overwritten; name another file" in refused(hub, "copy.db")
    assert not (kept / "copy.db").exists()
    assert not (kept / "nothing").exists()
    assert other.read_text() == "mine"
    assert what != "file" or place.read_text() == "mine"


def test_a_link_to_nothing_is_no_place_for_a_copy(hub: Hub, kept: Path) -> None:
    (kept / "copy.db").symlink_to(kept / "nothing")
    assert "not overwritten" in refused(hub, "copy.db")
    assert (kept / "copy.db").is_symlink()


def test_a_name_that_is_too_long_is_told(hub: Hub, kept: Path) -> None:
    assert "cannot be written" in refused(hub, "a" * 300)


def test_a_store_whose_tables_are_of_no_version_is_not_copied(hub: Hub, kept: Path) -> None:
    connection = sqlite3.connect(kept / "hub.db")
    connection.execute("DELETE FROM alembic_version")
    connection.commit()
    connection.close()
    assert "is `hub.store` the file you mean?" in refused(hub, "copy.db")
    assert list(kept.glob("copy*")) == []


def whole(errors: str, folder: Path) -> None:
    assert "The copy is whole and lies there: copy.db" in errors
    assert "hub serve --after-restore " in errors
    connection = sqlite3.connect(folder / "copy.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(
    "stands", [sqlite3.OperationalError("database or disk is full"), StoreUnavailable("disk full")]
)
def test_a_copy_of_which_the_journal_cannot_tell_is_whole(
    hub: Hub, kept: Path, monkeypatch: pytest.MonkeyPatch, stands: Exception
) -> None:
    def ask(*_: Any) -> None:
        raise stands

    monkeypatch.setattr(backup, "ask", ask)
    errors = refused(hub, "copy.db")
    assert "its entry was not written" in errors
    assert "full" in errors
    whole(errors, kept)
    assert (kept / "copy.db.manifest").exists()


def test_a_copy_beside_a_hub_whose_admin_door_is_elsewhere_is_whole(hub: Hub, kept: Path) -> None:
    serving = SqliteStore.open_file(kept / "hub.db", VirtualClock(), backlog_calls={})
    try:
        errors = refused(hub, "copy.db")
    finally:
        asyncio.run(serving.close())
    assert "Set HUB__HUB__ADMIN" in errors
    whole(errors, kept)


def test_a_copy_whose_manifest_the_disk_does_not_take_is_whole(
    hub: Hub, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_write_new", full)
    errors = refused(hub, "copy.db")
    assert "copy.db.manifest was not written (No space left on device)" in errors
    whole(errors, kept)
