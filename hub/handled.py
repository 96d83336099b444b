"""
What a call or a notice says of the way of a dossier at the agency it was moved to. `handling.py` reads it, the store counts.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Step: TypeAlias = Literal["received", "forwarded", "moved", "reopened", "ended"]
"""
`received`: the hub took it on. `forwarded`: the agency has it. `moved`: it is promised for another moment. `reopened`: the
result was refused, and the agency is at work again. `ended`: the agency is done with it, in one way or another.
"""
Ending: TypeAlias = Literal["result", "no_result", "sent_back", "withdrawn"]
"""How an agency's part ended: the first two are a return; the third wants the dossier mended and filed again."""


@dataclass(frozen=True, slots=True)
class Handled:
    """One step. Holds no person: a code, a procedure and moments (Unix seconds)."""

    step: Step
    dossier: str
    procedure: str = ""
    """Of a dossier that is received or forwarded."""
    due_at: float | None = None
    """Promised return, where the step says one."""
    at: float | None = None
    """When it happened: of a call when it was accepted; None: when it is written."""
    ending: Ending | None = None
