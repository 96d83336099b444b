"""
The import-linter contract "each third-party library has one importing package".

The owners are read from `pyproject.toml`, where each library stands with its reason and, in brackets, the package
that may import it. A library without an owner breaks the contract, so the list cannot fall behind.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
OURS = ("connectors", "mappings", "hub", "monitoring")
IMPORT_NAMES = {
    "python-stdnum": "stdnum",
    "prometheus-client": "prometheus_client",
    "jsonschema-rs": "jsonschema_rs",
    "http-sf": "http_sf",
}
SHARED = {"lxml": ("mappings", "connectors"), "pydantic": OURS, "pydantic_core": OURS}
"""The two exceptions of design section 3; pydantic_core is pydantic's own JSON."""


def owners(text: str) -> dict[str, tuple[str, ...]]:
    """Return import name -> packages that may import it, from the dependency lines and their comments."""
    found: dict[str, tuple[str, ...]] = dict(SHARED)
    listed = tomllib.loads(text)["project"]
    runtime = listed["dependencies"] + listed["optional-dependencies"]["server"]
    for requirement in runtime:
        name = re.split(r"[><=;\[ ]", requirement)[0]
        line = next(line for line in text.splitlines() if f'"{requirement}"' in line)
        owner = re.search(r"\(([a-z.]+)\)\s*$", line)
        import_name = IMPORT_NAMES.get(name, name)
        if import_name not in found:
            found[import_name] = (owner.group(1),) if owner else ()
    return found


class OneImporter(Contract):  # type: ignore[misc]  # import-linter ships no types
    """Every module of ours that imports a library lies inside the package that owns it."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        allowed = owners(PYPROJECT.read_text(encoding="utf-8"))
        faults: list[str] = []
        for module in sorted(graph.modules):
            if module.split(".")[0] not in OURS:
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(module)):
                library = imported.split(".")[0]
                if library in OURS or library in sys.stdlib_module_names:
                    continue
                packages = allowed.get(library)
                if packages is None:
                    faults.append(f"{module} imports {library}, which pyproject.toml does not list")
                elif not any(module == package or module.startswith(package + ".") for package in packages):
                    faults.append(f"{module} imports {library}, which belongs to {' and '.join(packages) or 'nobody'}")
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: Any) -> None:
        for fault in check.metadata["faults"]:
            output.print_error(fault)
            output.new_line()
