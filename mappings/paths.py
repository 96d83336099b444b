"""
Places: how a mapping names a spot in a payload (`HoVaTen/Ten`, `TaiLieuNop[]`) and in a model of ours (`owner.full_name`).

Only the grammar is here; what stands at a place is known to `ours.py` (our side) and `spots.py` (theirs).
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_STEP = re.compile(r"(?:\{(?P<namespace>[^{}]*)\})?(?P<name>[^/\[\]{}*]*)(?P<index>\[\d*\])?(?P<end>/|\Z)")
_OURS = re.compile(r"(?P<names>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)(?P<each>\[\])?(?P<branch>/\*)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """An element of the contract with what may stand inside it, in the contract's order. Made from the pinned WSDL."""

    name: str
    """Local name."""
    namespace: str | None
    """None: unqualified."""
    children: tuple["Layout", ...] = ()
    repeated: bool = False

    @property
    def tag(self) -> str:
        """The name as lxml writes it: `{namespace}name`."""
        return clark(self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an agency's place: `Ten`, `{urn:x}Ten`, `DinhDanhCHS[0]` or, at the end only, `TaiLieuNop[]`."""

    name: str
    namespace: str | None = None
    """None: as its parent (or as the contract says). Empty: in no namespace."""
    index: int | None = None
    each: bool = False

    def __str__(self) -> str:
        space = "" if self.namespace is None else f"{{{self.namespace}}}"
        return f"{space}{self.name}" + ("[]" if self.each else "" if self.index is None else f"[{self.index}]")


@dataclass(frozen=True, slots=True)
class Place:
    """A place of an agency's payload, seen from the mapping's root. `branch` is True for `X/*`."""

    steps: tuple[Step, ...]
    branch: bool = False

    @property
    def each(self) -> bool:
        """Whether the place stands for every item of a list."""
        return bool(self.steps) and self.steps[-1].each

    def __str__(self) -> str:
        return "/".join(str(step) for step in self.steps) + ("/*" if self.branch else "")


@dataclass(frozen=True, slots=True)
class OurPath:
    """A path into a canonical model: `born_on`, `owner.citizen_id`, `documents[]`. `branch` is True for `owner/*`."""

    names: tuple[str, ...]
    each: bool = False
    branch: bool = False

    def __str__(self) -> str:
        return ".".join(self.names) + ("[]" if self.each else "") + ("/*" if self.branch else "")


def read_place(text: str) -> Place:
    """
    Return the place that *text* names; the empty text is the root itself.

    Raises:
        ValueError: The text is no place. Its message says what to write.
    """
    branch = text.endswith("/*")
    rest = text[:-2] if branch else text
    steps: list[Step] = []
    position = 0
    while position < len(rest) or (rest.endswith("/") and position == len(rest)):
        found = _STEP.match(rest, position)
        index = found["index"] if found else None
        if found is None or not (found["name"] or (index and not steps)):
            raise ValueError("is no place: write `A/B`, `A[]`, `A[0]/B`, `{namespace}A/B`, or `A/*` for a whole branch")
        number = int(index[1:-1]) if index and index != "[]" else None
        steps.append(Step(found["name"], found["namespace"], number, index == "[]"))
        position = found.end() if found["end"] else len(rest) + 1
    if any(step.each for step in steps[:-1]):
        raise ValueError(
            "has `[]` before its end: end the place there and describe one item in a mapping named by `map`"
        )
    return Place(tuple(steps), branch)


def read_our_path(text: str) -> OurPath:
    """
    Return the path that *text* names in a canonical model.

    Raises:
        ValueError: The text is no path. Its message says what to write.
    """
    found = _OURS.fullmatch(text)
    if found is None:
        raise ValueError(
            "is no path of ours: write `born_on`, `owner.full_name`, `documents[]`, or `owner/*` for a whole branch"
        )
    return OurPath(tuple(found["names"].split(".")), bool(found["each"]), bool(found["branch"]))


def clark(name: str, namespace: str | None) -> str:
    """Return `{namespace}name`, or *name* alone when there is no namespace."""
    return f"{{{namespace}}}{name}" if namespace else name


def fold(key: str) -> str:
    """Return *key* as it is compared when letter case is forgiven: its namespace, if any, stays exact."""
    space, brace, name = key.rpartition("}")
    return space + brace + name.lower()


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean `x`?` for the known word most like *word*, or nothing when none is like it."""
    by_fold = {item.lower(): item for item in known}
    close = difflib.get_close_matches(word.lower(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean `{by_fold[close[0]]}`?" if close else ""
