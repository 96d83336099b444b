"""
How commands find `hub.toml`: `--config`, else `HUB_CONFIG`, else the file in the current folder.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

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
