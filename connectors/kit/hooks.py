"""
The one escape from data: `hooks.py` of a connector, at most 100 lines, for what no table can say. Loaded by name.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.kit.exchange import Sources, WireReply, WireRequest
from mappings.errors import FileFault, FilesRefused

FILE = "hooks.py"
LINES_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a connector's `hooks.py` defines; what it does not define is None."""

    sign: Callable[[str, Any, Sources], Any] | None = None
    """Takes operation, the payload that the mapping wrote, and the sources; returns the payload with its signature."""
    before_send: Callable[[str, WireRequest, Mapping[str, str]], WireRequest] | None = None
    """Takes operation, the finished request and the settings; returns the request to send."""
    classify: Callable[[str, WireReply], str | None] | None = None
    """Takes operation and reply; returns a result of `answers.csv`, or None to let `answers.csv` decide."""


def load_hooks(folder: Path) -> Hooks:
    """
    Return the hooks of the connector in *folder*; none of them when it has no `hooks.py`.

    Raises:
        FilesRefused: The file is too long, fails when it is loaded, or defines something public that is no hook.
    """
    file = folder / FILE
    if not file.is_file():
        return Hooks()
    name = f"{folder.name}/{FILE}"
    spec = importlib.util.spec_from_file_location(f"connectors.{folder.name}.hooks", file)
    if spec is None or spec.loader is None:
        raise FilesRefused([FileFault(name, "", "cannot be loaded as Python")])
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever an author's file raises, the other files are still checked
        says = f"fails when it is loaded: {type(error).__name__}: {error}"
        raise FilesRefused([FileFault(name, "", says)]) from error
    public = {
        key: value
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == spec.name and not key.startswith("_")
    }
    faults = _faults(file, name, public)
    if faults:
        raise FilesRefused(faults)
    return Hooks(**public)


def _faults(file: Path, name: str, public: Mapping[str, Any]) -> list[FileFault]:
    known = Hooks.__dataclass_fields__
    faults = [
        FileFault(name, key, f"is no hook; known: {', '.join(known)}; what only hooks use begins with `_`")
        for key in public
        if key not in known
    ]
    if len(file.read_text("utf-8").splitlines()) > LINES_AT_MOST:
        says = f"is longer than {LINES_AT_MOST} lines; what it does belongs into the mapping, or into the kit"
        faults.append(FileFault(name, "", says))
    return faults
