"""
`hub doctor`: the settings as understood, secrets masked, whether all they name is there, and what operators ordered.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import typer

from hub.app.build import admin_key_file, version
from hub.app.installed import install, plain_settings
from hub.cli.lane_table import sentence, whose
from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, say, show, show_json
from hub.cli.settings import Config, read_settings
from hub.clock import SystemClock
from hub.settings import Settings, masked, masked_store
from mappings.errors import FilesRefused


def doctor(*, config: Config = None, as_json: AsJson = False) -> None:
    """Print the settings, and what is wrong with this installation; exit 1 when something is."""
    settings = read_settings(config)
    plain: dict[str, frozenset[str]] = {}
    findings: list[dict[str, str]] = []
    try:
        installed = install(settings, os.environ, SystemClock().now)
        plain = plain_settings(installed)
    except FilesRefused as refused:
        findings += [{"where": f"{fault.file} {fault.key}".strip(), "says": fault.says} for fault in refused.faults]
    findings += _store(settings)
    running, orders = _asked(config) if not findings else (None, [])
    told: dict[str, Any] = {
        "version": version(),
        "settings": masked(settings, plain),
        "hub": running or "not running",
        "orders": orders,
        "findings": findings,
    }
    if as_json:
        show_json(told)
    else:
        show_json(told["settings"])
        say(
            f"version {told['version']}, store {settings.store_file() or masked_store(settings)}, hub {'running' if running else 'not running'}"
        )
        in_force = [{"about": whose(order), "order": sentence(order)} for order in orders]
        show("Orders in force", ("about", "order"), in_force, as_json=False)
        show("Findings", ("where", "says"), findings, as_json=False)
    if findings:
        raise typer.Exit(1)


def _store(settings: Settings) -> list[dict[str, str]]:
    file = settings.store_file()
    if file is None:  # whether a server answers, whoever opens it says
        return []
    folder, key = file.parent, admin_key_file(file)
    checks: list[tuple[Callable[[], bool], str]] = [
        (folder.is_dir, f"lies in {folder}, which is no folder; create it"),
        (lambda: os.access(folder, os.W_OK), f"lies in {folder}, where this user may not write"),
        (
            lambda: _private(key),
            f"{key} can be read by others; run `chmod 600` on it",
        ),
    ]
    says = next((advice for well, advice in checks if not well()), None)
    return [{"where": "hub.toml hub.store", "says": says}] if says else []


def _private(file: Path) -> bool:
    return not file.exists() or os.name == "nt" or not file.stat().st_mode & 0o077


def _asked(config: Path | None) -> tuple[Any, list[dict[str, Any]]]:
    """What a running hub says of itself and its lanes, or None; and what operators ordered that is in force."""

    async def state(http: httpx2.AsyncClient) -> Any:
        orders = await said(await http.get("/admin/v1/orders"))
        if over_store(http):
            return None, orders
        running = {
            "about": await said(await http.get("/admin/v1/hub")),
            "lanes": await said(await http.get("/admin/v1/lanes")),
        }
        return running, orders

    told: tuple[Any, list[dict[str, Any]]] = ask(config, state)
    return told
