"""
Rules on what samples show: each result that can come has one, and so has an answer or a push of another shape.

What the agency may say tomorrow is best met by somebody who has seen it played.
"""

from collections.abc import Iterator

from connectors.kit.answers import Row
from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.gateway import GatewayFault
from connectors.kit.manifest import OperationTable
from mappings.errors import FileFault

DRIFTED = "drifted"
"""The case of a sample in which the agency has changed its shape."""


def results_shown(folder: Folder) -> Iterator[FileFault]:
    """Every operation has a sample for each result that a row of `answers.csv` can give it."""
    for name, operation in folder.connector.operations.items() if folder.connector and folder.samples else ():
        shown = {sample.result for sample in folder.samples if sample.operation == name}
        rows = [
            row
            for row in operation.judge.rows
            if can_come(row, operation.judge.rows, folder.operations[name], soap=folder.wsdl is not None)
        ]
        for result in dict.fromkeys(row.result for row in rows if row.result not in shown):
            says = f"has no sample that means `{result}`, as a row of answers.csv can; record one in samples/{name}.<case>/"
            yield FileFault(manifest_file(folder), f"operations.{name}", says)


def drift_shown(folder: Folder) -> Iterator[FileFault]:
    """Every operation and notice has a sample `drifted` of another shape than agreed, which is `broken`, or `refused`."""
    for name, table in folder.conversations.items() if folder.samples else ():
        if isinstance(table, OperationTable) and table.call is None:
            continue  # worked off by hand: nothing is read
        result = "refused" if name in folder.notices else "broken"
        found = next((one for one in folder.samples if one.name == f"{name}.{DRIFTED}"), None)
        if found is None:
            what = "push" if name in folder.notices else "reply"
            says = f"has no sample that has drifted; record a {what} of another shape in samples/{name}.{DRIFTED}/"
            yield FileFault(manifest_file(folder), folder.key(name), says)
        elif found.result != result:
            says = f"is `{found.result}`; another shape than agreed ends `{result}`, name the case otherwise if it does not"
            yield FileFault(folder.file(f"samples/{found.name}/sample.toml"), "result", says)


def can_come(row: Row, rows: tuple[Row, ...], table: OperationTable, *, soap: bool) -> bool:
    """Whether a reply can meet *row*: no row of the operation itself hides it, and its code and text have a place."""
    hidden = not row.operation and any(
        one.operation and (one.http, one.code, one.says) == (row.http, row.code, row.says) for one in rows
    )
    if hidden or table.call is None:
        return False  # without a call nothing is answered
    fault = soap or GatewayFault(row.code, None).row is not None  # which has its own code and text
    return fault or not ((row.code and table.code is None) or (row.says and table.says is None))
