"""
`hub reconcile`: compare what was filed on a day with what its agency has, and at wish file again what it lacks.
"""

import asyncio
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, counted, fail, say, show, show_json
from hub.cli.settings import Config

RUNS: Final = ("run", "agency", "day", "operation", "wanted_by", "ended_at", "outcome", "cause", "found")
LINES: Final = ("operation", "dossier", "verdict", "cause", "differs", "call", "filed_again_as")
LOOK_EVERY: Final = 0.5
"""Seconds between looks how far a run has come."""
Agency = Annotated[str | None, typer.Argument(help="Whose filings; without it, the last runs are listed.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="When they were accepted (+07:00).")]
Operation = Annotated[str, typer.Option(help="Only this filing.")]
File = Annotated[bool, typer.Option("--file", help="File again what the agency does not have, each once, as bulk.")]
AsCsv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write what is not the same into a file.")]


def reconcile(
    agency: Agency = None,
    *,
    day: Day = "",
    operation: Operation = "",
    file: File = False,
    config: Config = None,
    as_json: AsJson = False,
    as_csv: AsCsv = None,
) -> None:
    """
    Compare what was filed on a day with what its agency has: what is missing there, differs, or cannot be told.

    Nothing is changed without --file; what differs is never overwritten.
    """
    if agency is None:
        if day or operation or file or as_csv is not None:
            fail("Name the agency: hub reconcile <agency> --day 2026-03-15", 2)
        runs = ask(config, _runs)
        show("Last comparisons", RUNS, [run | {"found": _found(run["counts"])} for run in runs], as_json=as_json)
        return
    if not day:
        fail("Say which day: hub reconcile <agency> --day 2026-03-15", 2)
    if as_csv is not None:
        _begin(as_csv)
    wanted = {"agency": agency, "day": day, "operation": operation, "file": file}

    async def knock(http: httpx2.AsyncClient) -> Any:
        run = await said(await http.post("/admin/v1/reconciliations", json=wanted))
        return None if over_store(http) else await _followed(http, run["run"])

    run = ask(config, knock)
    if run is None:
        say("No hub runs: it goes at the next start. `hub reconcile` tells what comes.")
        return
    if as_json:
        show_json(run)
    else:
        _tell(run)
    if as_csv is not None:
        _write(as_csv, run["lines"])
    if run["ended_at"] is None or run["outcome"] != "answered":
        raise typer.Exit(1)


async def _runs(http: httpx2.AsyncClient) -> Any:
    return await said(await http.get("/admin/v1/reconciliations"))


async def _followed(http: httpx2.AsyncClient, run: str) -> Any:
    """Show how a run goes until it has ended, or rests."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("comparing")
        while True:
            found = await said(await http.get(f"/admin/v1/reconciliations/{run}"))
            progress.update(task, description=f"comparing: {_found(found['counts']) or 'nothing yet'}")
            if found["ended_at"] is not None or found["goes_on_at"] is not None:
                return found | {"lines": await said(await http.get(f"/admin/v1/reconciliations/{run}/lines"))}
            await asyncio.sleep(LOOK_EVERY)


def _tell(run: Mapping[str, Any]) -> None:
    lines = [line | {"differs": _differs(line["fields"])} for line in run["lines"]]
    show(f"{run['agency']} on {run['day']}: not the same", LINES, lines, as_json=False)
    for operation, verdicts in sorted(run["counts"].items()):
        say(f"{operation}: {_verdicts(verdicts)}")
    filed = sum(line["filed_again_as"] is not None for line in lines)
    if run["file"]:
        say(f"{counted(filed, 'call')} filed again.")
    if run["ended_at"] is None:
        say(f"It rests ({run['outcome']}: {run['cause']}) and goes on at {run['goes_on_at']} by itself.")


def _begin(file: Path) -> None:
    """Make *file* before an agency is asked anything, which may take hours."""
    try:
        file.write_bytes(b"")
    except OSError as error:
        _not_written(file, error)


def _write(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as opened:
            table = csv.writer(opened)
            table.writerow(LINES)
            for line in lines:
                row = {**line, "differs": _differs(line["fields"])}
                table.writerow(_cell(row[name]) for name in LINES)
    except OSError as error:
        _not_written(file, error)


def _not_written(file: Path, error: OSError) -> NoReturn:
    fail(f"{file} cannot be written ({type(error).__name__}); name a file in a folder that is there.")


def _cell(text: str | None) -> str:
    """Return *text* as a cell that a spreadsheet shows and does not reckon: callers name dossiers as they like."""
    return f"'{text}" if text and text[0] in "=+-@" else text or ""


def _differs(fields: Sequence[Mapping[str, str | None]]) -> str:
    return "; ".join(
        f"{one['field']}: {one['ours'] or '?'} / {one['theirs'] or '?'}" if one["ours"] or one["theirs"] else f"{one['field']}"
        for one in fields
    )  # fmt: skip


def _found(counts: Mapping[str, Mapping[str, int]]) -> str:
    verdicts: dict[str, int] = {}
    for some in counts.values():
        for verdict, count in some.items():
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    return _verdicts(verdicts)


def _verdicts(verdicts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
