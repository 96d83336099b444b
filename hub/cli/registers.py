"""
`hub callers`, `hub officers`, `hub units`: the three registers of who may ask, and on whose behalf.
"""

from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from hub.call import Class
from hub.cli.operator import ask, said
from hub.cli.output import AsJson, counted, fail, say, show, show_json
from hub.cli.settings import Config
from hub.security.identity import CALLS_PER_MINUTE

CallerName = Annotated[str, typer.Argument(help="Name of the system, such as one-stop.")]
Allowed = Annotated[
    str, typer.Option("--agencies", help="What it may call, by commas: agencies, agency.operation, or *.")
]
TopClass = Annotated[Class, typer.Option(help="The highest class it may ask for.")]
Quota = Annotated[int, typer.Option("--calls-per-minute", help="How many calls a minute it may make.")]
NewQuota = Annotated[int, typer.Argument(help="How many calls a minute it may make from now on.")]
File = Annotated[Path, typer.Argument(help="The whole register as CSV in UTF-8.")]


def callers() -> typer.Typer:
    """Put `hub callers ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Systems that may ask, and their keys.")
    group.command("add")(add_caller)
    group.command("list")(list_callers)
    group.command("revoke")(revoke_caller)
    group.command("quota")(set_quota)
    return group


def officers() -> typer.Typer:
    """Put `hub officers ...` together."""
    group = typer.Typer(no_args_is_help=True, help="People on whose behalf callers ask.")
    group.command("import")(import_officers)
    group.command("list")(list_officers)
    return group


def units() -> typer.Typer:
    """Put `hub units ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Offices on whose behalf callers ask.")
    group.command("import")(import_units)
    group.command("list")(list_units)
    return group


def add_caller(
    name: CallerName,
    *,
    agencies: Allowed,
    top_class: TopClass = Class.NORMAL,
    calls_per_minute: Quota = CALLS_PER_MINUTE,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add a caller, or give a revoked one a new key. The key is shown this once."""
    body = {
        "name": name,
        "allowed": [one.strip() for one in agencies.split(",") if one.strip()],
        "top_class": top_class,
        "calls_per_minute": calls_per_minute,
    }

    async def add(http: httpx2.AsyncClient) -> Any:
        return await said(await http.post("/admin/v1/callers", json=body))

    made = ask(config, add)
    if as_json:
        show_json(made)
    else:
        say(f"{made['key']}\nThis is the key of {name}. It is shown this once and kept nowhere: hand it over safely.")


def list_callers(*, config: Config = None, as_json: AsJson = False) -> None:
    """List all callers, revoked ones too."""
    columns = ("name", "allowed", "top_class", "calls_per_minute", "enabled", "added_at")
    show("Callers", columns, _listed(config, "callers"), as_json=as_json)


def revoke_caller(name: CallerName, *, config: Config = None) -> None:
    """Make a caller's key worthless, at once."""

    async def revoke(http: httpx2.AsyncClient) -> Any:
        return await said(await http.delete(f"/admin/v1/callers/{name}"))

    if not ask(config, revoke)["revoked"]:
        fail(f"{name} is no caller with a key; `hub callers list` shows them.")
    say(f"The key of {name} is worthless now; `hub callers add {name}` makes a new one.")


def set_quota(name: CallerName, calls_per_minute: NewQuota, *, config: Config = None) -> None:
    """Change how many calls a minute a caller may make. Its key stays as it is."""

    async def put(http: httpx2.AsyncClient) -> Any:
        quota = {"calls_per_minute": calls_per_minute}
        return await said(await http.put(f"/admin/v1/callers/{name}/quota", json=quota))

    if not ask(config, put)["changed"]:
        fail(f"{name} is no caller with a key; `hub callers list` shows them.")
    say(f"{name} may make {calls_per_minute} calls a minute from its next call on.")


def import_officers(file: File, *, config: Config = None) -> None:
    """Make a file the register: officer,unit,valid_from,valid_to,agency,account, and name where an agency asks for it."""
    _import(config, "officers", file)


def list_officers(*, config: Config = None, as_json: AsJson = False) -> None:
    """List the register; of an account and a name only whether there is one."""
    columns = ("officer", "unit", "valid_from", "valid_to", "agency", "account", "name")
    show("Officers", columns, _listed(config, "officers"), as_json=as_json)


def import_units(file: File, *, config: Config = None) -> None:
    """Make a file the register: unit,valid_from,valid_to,agency,code."""
    _import(config, "units", file)


def list_units(*, config: Config = None, as_json: AsJson = False) -> None:
    """List the register."""
    show("Units", ("unit", "valid_from", "valid_to", "agency", "code"), _listed(config, "units"), as_json=as_json)


def _listed(config: Path | None, register: str) -> list[dict[str, Any]]:
    async def listed(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get(f"/admin/v1/{register}"))

    rows: list[dict[str, Any]] = ask(config, listed)
    return rows


def _import(config: Path | None, register: str, file: Path) -> None:
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read ({type(error).__name__}); name a CSV file.")

    async def put(http: httpx2.AsyncClient) -> Any:
        return await said(
            await http.put(f"/admin/v1/{register}", content=content, headers={"content-type": "text/csv"})
        )

    lines = ask(config, put)["lines"]
    say(f"{counted(lines, 'line')} {'is' if lines == 1 else 'are'} now the register of {register}.")
