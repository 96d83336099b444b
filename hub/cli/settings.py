"""
How commands find `hub.toml`: `--config`, else `HUB_CONFIG`, else the file in the current folder.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from connectors.kit.registry import find_connectors
from hub.app.installed import connector_folder, known_connectors, refuse_code
from hub.settings import Settings, load_settings

Config = Annotated[
    Path | None, typer.Option("--config", help="The settings file; else what HUB_CONFIG names, else hub.toml here.")
]


def read_settings(config: Path | None) -> Settings:
    """
    Read the settings as every command does.

    Raises:
        FilesRefused: Every fault at once.
    """
    return load_settings(os.environ, config)


def settings_if_any(config: Path | None) -> Settings | None:
    """
    Return the settings if there is a file of them, else None: for commands that need none.

    Raises:
        FilesRefused: Every fault of the file.
    """
    return read_settings(config) if _is_there(config) else None


def _is_there(config: Path | None) -> bool:
    return config is not None or bool(os.environ.get("HUB_CONFIG")) or Path("hub.toml").exists()


def connectors_for(names: Iterable[str], config: Path | None) -> Mapping[str, Path]:
    """
    Return name and folder of the connectors among which *names* are looked for; of an agency's name, its connector's.

    `hub.toml` is read here for a name that is not installed only, and need not be there: most connectors need none.

    Raises:
        FilesRefused: Every fault of the settings; or one of *names* lies beside the installed ones and brings code.
    """
    names = list(names)
    installed = find_connectors()
    if all(name in installed for name in names) or not _is_there(config):
        return installed
    settings = read_settings(config)
    known = known_connectors(settings)
    refuse_code(names, known)
    agencies = {name: settings.agencies[name] for name in names if name in settings.agencies and name not in known}
    return known | {name: connector_folder(name, entry, settings) for name, entry in agencies.items()}
