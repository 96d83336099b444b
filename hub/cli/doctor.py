"""
`hub doctor`: the settings as understood, secrets masked, whether all they name is there, and what operators ordered.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import typer

from hub.app.build import version
from hub.app.installed import install, plain_settings
from hub.app.opening import admin_key_file
from hub.cli.lane_table import sentence, whose
from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, say, show, show_json
from hub.cli.settings import Config, read_settings
from hub.clock import SystemClock
from hub.masking import masked, masked_store
from hub.settings import Settings
from mappings.errors import FilesRefused

NODES = ("node", "is", "last heard", "since", "version", "redis")


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
    running, store, orders = _asked(config) if not findings else (None, {}, [])
    if store.get("store_trouble"):
        findings.append(
            {"where": "store", "says": f"{store['store_trouble']}; see `When the store is short` in the guide"}
        )
    told: dict[str, Any] = {
        "version": version(),
        "settings": masked(settings, plain),
        "hub": running or "not running",
        "store": store,
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
        if store:
            say(f"store holds {store['store_bytes']:,} of {store['store_most_bytes']:,} bytes that it may")
        if running and running["nodes"]:
            show("Nodes", NODES, [_node(one) for one in running["nodes"]], as_json=False)
        in_force = [{"about": whose(order), "order": sentence(order)} for order in orders]
        show("Orders in force", ("about", "order"), in_force, as_json=False)
        show("Findings", ("where", "says"), findings, as_json=False)
    if findings:
        raise typer.Exit(1)


def _node(node: dict[str, Any]) -> dict[str, str]:
    """Return what a line of the table says of a node."""
    return {
        "node": node["node"],
        "is": "alive" if node["alive"] else "dead",
        "last heard": f"{node['seconds']:.0f} s ago",
        "since": node["started_at"][:19].replace("T", " "),
        "version": node["version"],
        "redis": "reached" if node["reaches"] else "not reached",
    }


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


def _asked(config: Path | None) -> tuple[Any, dict[str, Any], list[dict[str, Any]]]:
    """What a running hub says of itself and its lanes, or None; how the store is; and what operators ordered."""

    async def state(http: httpx2.AsyncClient) -> Any:
        orders = await said(await http.get("/admin/v1/orders"))
        about = await said(await http.get("/admin/v1/hub"))
        store = {name: value for name, value in about.items() if name.startswith("store_")}
        if over_store(http):
            return None, store, orders
        running = {"about": about}
        for what in ("nodes", "lanes"):
            running[what] = await said(await http.get(f"/admin/v1/{what}"))
        return running, store, orders

    told: tuple[Any, dict[str, Any], list[dict[str, Any]]] = ask(config, state)
    return told
