"""What `hub.redis` and `hub.node` may say, and that nothing of a wrong address is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.app.opening import redis_address, sealing_key, signing_key
from hub.settings import load_settings
from mappings.errors import FilesRefused

STORE = {"HUB__HUB__STORE": "postgresql://hub@db.example/hub"}


def leads_to(address: str, folder: Path) -> str:
    environ = STORE | {"HUB__HUB__REDIS": "env:REDIS", "REDIS": address}
    return redis_address(load_settings(environ, folder / "hub.toml"), environ)


@pytest.mark.parametrize(
    "address",
    [
        "redis://cache.example",
        "redis://cache.example/",
        "redis://cache.example:6379/15",
        "rediss://hub:Sec%2Fret9@cache.example:6379/0",
        "redis://:Secret9@[::1]:6379",
    ],
)
def test_an_address_of_a_redis_is_taken_as_it_is(tmp_path: Path, address: str) -> None:
    assert leads_to(address, tmp_path) == address


@pytest.mark.parametrize(
    "address",
    [
        "redis://:Secret9@cache.example:6379/abc",
        "redis://:Secret9@cache.example:6379/0/1",
        "redis://u:Sec/ret9@cache.example:6379/0",
        "redis://u:Sec#ret9@cache.example:6379/0",
        "redis://u:Sec?ret9@cache.example:6379/0",
        "redis://:Secret9@cache.example:70000/0",
        "redis://:Secret9@cache.example:0/0",
        "redis://:Secret9@:6379/0",
        "redis://:Secret9@[::1/0",
        "redis://cache.example/0?socket_timeout=abc",
        "redis://cache.example/0?decode_responses=true",
        "redis://cache.example/0?nosuch=1",
    ],
)
def test_what_is_no_address_of_a_redis_is_refused_without_being_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(FilesRefused, match="takes no options, and in the password") as refused:
        leads_to(address, tmp_path)
    assert [(fault.file, fault.key) for fault in refused.value.faults] == [("hub.toml", "hub.redis")]
    for part in ("Sec", "ret9", "cache.example", "socket_timeout", "6379"):
        assert part not in str(refused.value)


def test_the_name_of_a_node_fits_where_postgresql_shows_it(tmp_path: Path) -> None:
    settings = load_settings(STORE | {"HUB__HUB__NODE": "a" * 63}, tmp_path / "hub.toml")
    assert settings.hub.node == "a" * 63
    with pytest.raises(FilesRefused, match="HUB__HUB__NODE: string should have at most 63"):
        load_settings(STORE | {"HUB__HUB__NODE": "a" * 64}, tmp_path / "hub.toml")


# --- The key of pushing ----------------------------------------------------------------------------------------------


def test_beside_a_file_a_key_of_pushing_is_made_once(tmp_path: Path) -> None:
    settings = load_settings({"HUB__PUSH__HOSTS": '["*.centre.example"]'}, tmp_path / "hub.toml")
    assert settings.push.hosts == ("*.centre.example",)
    key = signing_key(settings, {})
    assert signing_key(settings, {}) == key
    assert (tmp_path / "hub.db.signing-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", [lambda file: file.mkdir(), lambda file: file.write_bytes(b"\xff" * 64)])
def test_a_kept_key_that_cannot_be_read_is_told_by_its_file(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "hub.db.sealing-key")
    environ = {"HUB__HUB__STORE": "sqlite:///hub.db"}
    with pytest.raises(FilesRefused, match=r"hub\.db\.sealing-key cannot be read"):
        sealing_key(load_settings(environ, tmp_path / "hub.toml"), environ)


def test_on_a_server_the_key_of_pushing_is_given_and_its_absence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FilesRefused, match="set the same one for every node") as refused:
        signing_key(load_settings(STORE, tmp_path / "hub.toml"), {})
    assert [fault.key for fault in refused.value.faults] == ["hub.signing_key"]
    environ = STORE | {"HUB__HUB__SIGNING_KEY": "env:PUSH", "PUSH": 40 * "k"}
    assert signing_key(load_settings(environ, tmp_path / "hub.toml"), environ) == 40 * "k"


def test_a_short_key_of_pushing_is_refused_without_being_told(tmp_path: Path) -> None:
    environ = STORE | {"HUB__HUB__SIGNING_KEY": "env:PUSH", "PUSH": "Secret9"}
    with pytest.raises(FilesRefused, match="fewer than 32 signs") as refused:
        signing_key(load_settings(environ, tmp_path / "hub.toml"), environ)
    assert "Secret9" not in str(refused.value)


@pytest.mark.parametrize("hosts", ['["http://a.example"]', '["10.0.0.1/8"]', "a.example", '[""]'])
def test_hosts_that_cannot_be_read_are_told_at_the_start(tmp_path: Path, hosts: str) -> None:
    with pytest.raises(FilesRefused) as refused:
        load_settings({"HUB__PUSH__HOSTS": hosts}, tmp_path / "hub.toml")
    assert [fault.file for fault in refused.value.faults] == ["HUB__PUSH__HOSTS"]
