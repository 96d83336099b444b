"""
`hub doctor`: the settings as understood, secrets masked, whether all they name is there, and what operators ordered.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import typer

from hub.app.installed import install, plain_settings
from hub.app.opening import admin_key_file
from hub.app.telling import version
from hub.cli.lane_table import sentence, whose
from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, say, show, show_json
from hub.cli.settings import Config, read_settings
from hub.clock import SystemClock
from hub.errors import StoreUnavailable
from hub.masking import masked, masked_store
from hub.settings import Settings
from mappings.errors import FilesRefused

NOT_RUNNING = "not running"
_NOTHING: dict[str, Any] = {"hub": NOT_RUNNING, "nodes": [], "store": {}, "orders": [], "findings": []}
"""What is known while nothing can be asked."""
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
    asked = _asked(config) if not findings else _NOTHING
    findings += asked["findings"]
    told: dict[str, Any] = {"version": version(), "settings": masked(settings, plain)} | asked | {"findings": findings}
    if as_json:
        show_json(told)
    else:
        show_json(told["settings"])
        store, runs = asked["store"], "not running" if asked["hub"] == NOT_RUNNING else "running"
        say(f"version {told['version']}, store {settings.store_file() or masked_store(settings)}, hub {runs}")
        if store:
            say(f"store holds {store['store_bytes']:,} of {store['store_most_bytes']:,} bytes that it may")
        if asked["nodes"]:
            show("Nodes", NODES, [_node(one) for one in asked["nodes"]], as_json=False)
        in_force = [{"about": whose(order), "order": sentence(order)} for order in asked["orders"]]
        show("Orders in force", ("about", "order"), in_force, as_json=False)
        show("Findings", ("where", "says", "since", "do"), [_finding(one) for one in findings], as_json=False)
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


def _finding(one: dict[str, Any]) -> dict[str, Any]:
    """Return what a line of the table says of what is wrong."""
    return one | {"since": (one.get("since") or "")[:19].replace("T", " ")}


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


def _asked(config: Path | None) -> dict[str, Any]:
    """
    What a running hub says of itself and its lanes, which nodes there are, how the store is, what is ordered, what is wrong.

    A node that does not run is asked for as well, though others live: what is wrong with it is the question.
    """

    async def state(http: httpx2.AsyncClient) -> dict[str, Any]:
        about = await said(await http.get("/admin/v1/hub"))
        seen = {what: await said(await http.get(f"/admin/v1/{what}")) for what in ("nodes", "orders", "findings")}
        seen["store"] = {name: value for name, value in about.items() if name.startswith("store_")}
        if over_store(http):
            return seen | {"hub": NOT_RUNNING}
        lanes = await said(await http.get("/admin/v1/lanes"))
        return seen | {"hub": {"about": about, "nodes": seen["nodes"], "lanes": lanes}}

    try:
        told: dict[str, Any] = ask(config, state, anyway=True)
    except StoreUnavailable as error:
        advice = "see `When the store is short` in the guide"
        return _NOTHING | {"findings": [{"where": "store", "says": error.detail, "since": None, "do": advice}]}
    return told
