"""
`hub check`: every rule on connector folders, with all findings at once. The rules are in `connectors/kit/checks/`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connectors.kit.checks.rules import check_folder
from connectors.kit.checks.tables import TableReport, table_reports
from connectors.kit.registry import shared_tables
from hub.app.installed import codes_of
from hub.cli.explain import explained
from hub.cli.output import AsJson, counted, fail, say, show, show_json
from hub.cli.settings import Config, connectors_for, settings_if_any

Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Folders of connectors, their names or their agencies' in hub.toml; all installed ones unless given."
    ),
]
Explain = Annotated[
    str, typer.Option("--explain", help="Explain a rule, a key, or a word of the kit with those who use it.")
]
Tables = Annotated[
    bool, typer.Option("--tables", help="Only the code tables, the shared ones too: what each leaves open.")
]
_COLUMNS = ("home", "table", "rows", "dated", "succeeded", "one_way", "findings")


def check(
    folders: Folders = None,
    *,
    explain: Explain = "",
    tables: Tables = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Prove that connectors keep every rule; exit 1 when one does not."""
    known = connectors_for([str(folder) for folder in folders or () if not folder.is_dir()], config)
    if explain:
        say(explained(explain, known))
        return
    paths = []
    for folder in folders or list(known.values()):
        path = folder if folder.is_dir() else known.get(str(folder))
        if path is None:
            fail(f"{folder} is no folder and no connector; name one of {', '.join(known)}, or the path of a folder.")
        paths.append(path)
    settings = settings_if_any(config)
    codes = codes_of(settings) if settings is not None else None
    if tables:
        _show_tables(table_reports(paths, codes), as_json=as_json)
        return
    shared_tables(codes)  # what cannot be read is told once, and not of every connector
    reports = [check_folder(path, codes) for path in dict.fromkeys(paths)]
    shared = [] if folders else table_reports((), codes)
    passed = all(report.passed for report in reports) and not any(report.findings for report in shared)
    if as_json:
        show_json({"passed": passed, "reports": reports, **({} if folders else {"tables": shared})})
    else:
        for report in reports:
            say(str(report))
        if shared:
            _say_findings(shared, "shared code table")
    if not passed:
        raise typer.Exit(1)


def _show_tables(reports: Sequence[TableReport], *, as_json: bool) -> None:
    passed = not any(report.findings for report in reports)
    if as_json:
        show_json({"passed": passed, "tables": reports})
    else:
        rows = [asdict(report) | {"findings": len(report.findings)} for report in reports]
        show("code tables", _COLUMNS, rows, as_json=False)
        _say_findings(reports, "code table")
    if not passed:
        raise typer.Exit(1)


def _say_findings(reports: Sequence[TableReport], what: str) -> None:
    found = [finding for report in reports for finding in report.findings]
    for finding in found:
        say(f"✗ {finding}")
    say(f"{'✗' if found else '✓'} {counted(len(reports), what)}: {len(found)} findings")
