"""What `hub.redis` and `hub.node` may say, and that nothing of a wrong address is told."""

from pathlib import Path

import pytest

from hub.app.opening import redis_address
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
