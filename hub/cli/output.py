"""
What commands print: tables for people, JSON for programs, and errors that say what to do next. No tracebacks.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

PIPED = 200
"""Characters of a line that goes to no terminal: a file or a program breaks none."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def show(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print *rows* as a table of *columns*, or all they hold as JSON."""
    if as_json:
        show_json(rows)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column == "call")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    if rows:
        Console(width=None if sys.stdout.isatty() else PIPED).print(table)
    else:
        say(f"{title}: none")


def show_json(value: object) -> None:
    """Print *value* as indented JSON."""
    sys.stdout.write(to_json(value, indent=2).decode() + "\n")
    sys.stdout.flush()  # a program may read while the command goes on


def say(text: str) -> None:
    """Print a line to a person, as it is: brackets are not markup."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def fail(text: str, status: int = 1) -> NoReturn:
    """Say what is wrong and what to do, and end with a status that is not zero."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True, style="red")
    raise typer.Exit(status)


def counted(count: int, what: str) -> str:
    """Return *count* with the word for *what*, which takes an `s` where there is not one."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    return str(value).replace("[", r"\[")
