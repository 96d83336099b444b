"""
Envelopes around a payload: `wrap` of a manifest, compiled once. Sources are checked when the connector is loaded.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from connectors.kit.exchange import Sources
from mappings.errors import Fault

PAYLOAD = "payload"
CALL_SOURCES = (
    *(f"call.{name}" for name in ("id", "reference", "accepted_at", "dossier", "procedure")),
    *(f"exchange.{name}" for name in ("id", "at")),
    *(f"officer.{name}" for name in ("id", "account", "name")),
    *(f"unit.{name}" for name in ("id", "code")),
)
"""Sources that every call has a name for; `settings.*` and `auth.*` depend on the manifest."""

PURPOSE_SOURCES = (
    "officer.id",
    "officer.account",
    "officer.name",
    "unit.id",
    "unit.code",
    "call.dossier",
    "call.procedure",
)
"""Those of them that a call lacks when its purpose, or a register of its hub, does not give them."""

Filled: TypeAlias = Callable[[Any, Sources, list[Fault]], Any]
"""Template made ready: payload, sources and a list that takes the faults, to the value."""


PAGE_SOURCES = ("page.after", "page.size")
"""Sources of an operation that fetches notices: the cursor, absent on the first page, and how many a page holds."""
REASON = "notice.reason"
"""Source of a reply, and of the operation that refuses a notice: why it was not taken."""


def source_fault(
    source: str, settings: Iterable[str], kept: Iterable[str], others: Iterable[str] = CALL_SOURCES
) -> str | None:
    """
    Return what is wrong with *source*, given the names of settings and of kept session values; None when nothing is.

    *others* are the sources that whoever sends has beside those.
    """
    known = (*others, *(f"settings.{name}" for name in settings), *(f"auth.{name}" for name in kept))
    if source.startswith("=") or source in known:
        return None
    near = difflib.get_close_matches(source, known, 1, 0.6)
    return (
        f"`{source}` is no source; did you mean `{near[0]}`?"
        if near
        else f"`{source}` is no source; a fixed text begins with `=`"
    )


def template_faults(
    template: Any, key: str, fault_of: Callable[[str], str | None], *, numbers: bool = False
) -> Iterable[tuple[str, str]]:
    """
    Yield key path and fault for everything in *template* that cannot be filled; *fault_of* judges a source.

    *numbers*: numbers, true and false may stand there as they are.
    """
    if isinstance(template, Mapping):
        for name, inner in template.items():
            yield from template_faults(inner, f"{key}.{name}", fault_of, numbers=numbers)
    elif isinstance(template, list | tuple):
        for number, inner in enumerate(template):
            yield from template_faults(inner, f"{key}[{number}]", fault_of, numbers=numbers)
    elif not isinstance(template, str):
        if not (numbers and isinstance(template, int | float)):
            yield key, 'is neither a source nor a table; write a fixed value as text: "=1"'
    elif template != PAYLOAD and (fault := fault_of(template)):
        yield key, fault


def sources_in(template: Any) -> Iterable[str]:
    """Yield every source that *template* names."""
    if isinstance(template, Mapping):
        template = list(template.values())
    if isinstance(template, list | tuple):
        for inner in template:
            yield from sources_in(inner)
    elif isinstance(template, str) and template != PAYLOAD and not template.startswith("="):
        yield template


def compiled(template: Any, place: str = "") -> Filled:
    """Return *template* made ready to be filled; a source without a value becomes a fault that names it."""
    if isinstance(template, Mapping):
        inner = [(name, compiled(part, f"{place}/{name}" if place else name)) for name, part in template.items()]
        return lambda payload, sources, faults: {name: fill(payload, sources, faults) for name, fill in inner}
    if isinstance(template, list | tuple):
        items = [compiled(part, f"{place}[{number}]") for number, part in enumerate(template)]
        return lambda payload, sources, faults: [fill(payload, sources, faults) for fill in items]
    if not isinstance(template, str):
        return lambda _payload, _sources, _faults: template
    if template == PAYLOAD:
        return lambda payload, _sources, _faults: payload
    if template.startswith("="):
        literal = template[1:]
        return lambda _payload, _sources, _faults: literal

    def from_source(_payload: Any, sources: Sources, faults: list[Fault]) -> str | None:
        value = sources.get(template)
        if value is None:
            faults.append(Fault(place, f"{template} has no value"))
        return value

    return from_source
