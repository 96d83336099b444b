"""
What a check says: findings an author can act on, and the report of all of them. Made by `rules.py`.
"""

from dataclasses import dataclass

from mappings.errors import FileFault


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One broken rule: where, and what to write instead."""

    rule: str
    file: str
    key: str
    says: str

    def __str__(self) -> str:
        return f"{self.rule}  {FileFault(self.file, self.key, self.says)}"


@dataclass(frozen=True, slots=True)
class Exemption:
    """A rule that the manifest switches off for this connector, and why."""

    rule: str
    reason: str
    spared: int
    """How many findings it keeps quiet; never 0, since an exemption that spares nothing is itself a finding."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one check of one folder found, sorted by file."""

    connector: str
    rules: int
    findings: tuple[Finding, ...]
    exemptions: tuple[Exemption, ...]

    @property
    def passed(self) -> bool:
        """Whether the connector may be used."""
        return not self.findings

    def __str__(self) -> str:
        lines = [f"✗ {finding}" for finding in self.findings]
        lines += [f"- {each.rule} exempt, {each.spared} spared: {each.reason}" for each in self.exemptions]
        end = f"{self.connector}: {self.rules} rules, {len(self.exemptions)} exempt, {len(self.findings)} findings"
        return "\n".join([*lines, f"{'✓' if self.passed else '✗'} {end}"])
