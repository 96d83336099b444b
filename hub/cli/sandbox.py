"""
`hub sandbox`: play agencies from their samples, each on a port of its own, with faults on demand.
"""

import asyncio
import os
import random
import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play, Sandbox, serve_sandbox
from hub.app.installed import connector_folder, followed
from hub.cli.output import AsJson, fail, say, show_json
from hub.cli.settings import Config, read_settings
from mappings.errors import FileFault, FilesRefused

Names = Annotated[list[str] | None, typer.Argument(help="Connectors to play; without any, every agency of hub.toml.")]
ControlPort = Annotated[int, typer.Option(help="Port of the control door, which turns faults on; 0: any that is free.")]
Seed = Annotated[int | None, typer.Option(help="Makes faults by rate repeatable.")]


def sandbox(
    names: Names = None,
    *,
    config: Config = None,
    control_port: ControlPort = 0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Play agencies until Ctrl-C, and print the lines of hub.toml that lead to them."""
    plays = played_by_name(names) if names else _played_by_settings(config)
    chance = random.Random(secrets.randbits(64) if seed is None else seed)  # noqa: S311 - decides faults, guards nothing

    def ready(sandbox: Sandbox) -> None:
        if as_json:
            show_json({"control": sandbox.control_url, "plays": sandbox.plays_shown()})
        else:
            say(snippet(plays))
            say(f"# faults on demand: {sandbox.control_url}/faults/<agency>   Ctrl-C ends it")

    try:
        asyncio.run(serve_sandbox(plays, now=time.time, chance=chance, control_port=control_port, ready=ready))
    except KeyboardInterrupt:
        say("sandbox ended")


def played_by_name(names: list[str]) -> list[Play]:
    """Return plays of the connectors called *names*, with invented settings."""
    folders = find_connectors()
    unknown = [name for name in names if name not in folders]
    if unknown:
        fail(f"{', '.join(unknown)}: no such connector; there are {', '.join(folders)}.")
    return [Play(name, folders[name], invented_settings(folders[name])) for name in names]


def invented_settings(folder: Path) -> dict[str, str]:
    """Return a value for every setting that the connector in *folder* declares: its default, else an invented one."""
    declared = load_manifest(folder).settings
    return {
        key: setting.default if setting.default is not None else f"sandbox-{key.replace('_', '-')}"
        for key, setting in declared.items()
    }


def snippet(plays: list[Play]) -> str:
    """Return the part of hub.toml that leads to *plays*, which must have been started."""
    lines: list[str] = []
    for play in plays:
        lines += [f"[agencies.{play.name}]"]
        lines += [f'connector = "{play.connector.name}"'] if play.connector.name != play.name else []
        lines += [f'base_url = "{play.base_url}"']
        lines += [f'{key} = "{value}"' for key, value in play.settings.items()]
        lines += [""]
    return "\n".join(lines)


def _played_by_settings(config: Path | None) -> list[Play]:
    settings = read_settings(config)
    if not settings.agencies:
        fail("hub.toml has no [agencies.<name>] yet; play a connector by name, such as `hub sandbox police npsp`.")
    plays: list[Play] = []
    faults: list[FileFault] = []
    for name, entry in settings.agencies.items():
        try:
            folder = connector_folder(name, entry, settings)
        except FilesRefused as refused:
            faults += refused.faults
            continue
        defaults = {
            key: setting.default
            for key, setting in load_manifest(folder).settings.items()
            if setting.default is not None
        }
        plays.append(
            Play(
                name, folder, defaults | followed(name, entry, os.environ, settings, faults), port=_port(entry.base_url)
            )
        )
    if faults:
        raise FilesRefused(faults)
    return plays


def _port(base_url: str) -> int:
    """The port of an address on this machine, so that the hub finds the sandbox where hub.toml says; else a free one."""
    host, _, port = base_url.partition("://")[2].partition("/")[0].rpartition(":")
    return int(port) if host in ("127.0.0.1", "localhost") and port.isdigit() else 0
