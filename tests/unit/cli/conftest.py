"""The command line as a person uses it: words in an empty folder, and what comes of them."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play
from hub.cli.main import main
from hub.cli.sandbox import invented_settings, snippet

Hub = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Hub:
    """Run `hub` with words in an empty folder: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hub", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """An installation of both agencies whose hub does not run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plays = [
        Play(name, folder, invented_settings(folder), base_url=f"https://{name}.example")
        for name, folder in find_connectors().items()
    ]
    file = tmp_path / "hub.toml"
    file.write_text(f'[hub]\nadmin = "127.0.0.1:{port}"\n{snippet(plays)}', "utf-8")
    return file
