"""What holds for all tests: nothing is judged by how long this machine took for it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from bench.servers import Redis

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis that nobody stops or spoils: tests share it, each under a prefix of its own."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
