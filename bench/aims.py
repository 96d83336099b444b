"""A figure beside its aim, and the machine it was measured on: what every benchmark here prints."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("aiohttp", "fastapi", "httpx2", "lxml", "pydantic", "uvicorn", "uvloop", "zeep")


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure beside its aim."""

    what: str
    figure: float
    aim: float
    at_least: bool = False
    failed: int = 0
    """Calls that failed while it was measured: a refusal is cheap and fast, so a figure with failures meets no aim."""

    @property
    def met(self) -> bool:
        return not self.failed and (self.figure >= self.aim if self.at_least else self.figure <= self.aim)


def verdicts(aims: Iterable[Aim]) -> str:
    """Return the table of *aims*, each with met or missed."""
    lines = ["| figure | measured | aim | |", "|---|---|---|---|"]
    for aim in aims:
        sign = "≥" if aim.at_least else "≤"
        failures = f" ({aim.failed} calls failed)" if aim.failed else ""
        lines.append(
            f"| {aim.what}{failures} | {aim.figure:.2f} | {sign} {aim.aim:g} | {'met' if aim.met else '**missed**'} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """Return the machine and the versions, in one sentence."""
    info = Path("/proc/cpuinfo")
    models = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{len(models) or '?'} x {models[0] if models else platform.processor()}, Python {platform.python_version()}, {versions}."
