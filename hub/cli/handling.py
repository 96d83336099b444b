"""
`hub handling`: how agencies handled dossiers, by procedure and period. Counts only.
"""

from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from hub.cli.operator import ask, said
from hub.cli.output import AsJson, fail, say, show, show_json
from hub.cli.settings import Config
from hub.web.handling import COLUMNS, as_csv

AsCsv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write them into a file, as CSV.")]


def handling(
    *,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day; else the first of the month.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day; else today.")] = "",
    agency: Annotated[str, typer.Option(help="One agency.")] = "",
    procedure: Annotated[str, typer.Option(help="One procedure code.")] = "",
    config: Config = None,
    as_json: AsJson = False,
    as_table: AsCsv = None,
) -> None:
    """Count dossiers that agencies received, have, returned on time or late, sent back, and those that are overdue now."""
    asked = {"from": first, "to": last, "agency": agency, "procedure": procedure}
    given = {name: text for name, text in asked.items() if text}

    async def look(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get("/admin/v1/handling", params=given))

    told = ask(config, look)
    if as_table is not None:
        try:
            as_table.write_bytes(as_csv(told["counts"]))
        except OSError as error:
            fail(f"{as_table} cannot be written ({type(error).__name__}); name a file in a folder that is there.")
        say(f"{as_table} is written.")
    elif as_json:
        show_json(told)
    else:
        show(f"Handling from {told['from']} to {told['to']}", COLUMNS, told["counts"], as_json=False)
