"""
All rules of `hub check`, in one list, and the one entry that runs them. A rule is a function from a folder to faults.

To add a rule: write the function where its theme is, with a docstring that says what is true when it passes, and add
one line to RULES. Exemptions live in the connector's manifest, each with its reason, and never here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from connectors.kit.checks import (
    addresses,
    conversations,
    coverage,
    declared,
    envelopes,
    notices,
    people,
    shown,
    tables,
)
from connectors.kit.checks.findings import Exemption, Finding, Report
from connectors.kit.checks.folder import Folder, manifest_file, read_folder
from mappings.errors import FileFault
from mappings.paths import nearest

Check: TypeAlias = Callable[[Folder], Iterable[FileFault]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A named promise about a connector's folder."""

    name: str
    check: Check

    @property
    def says(self) -> str:
        """What is true of a folder that passes, in a sentence."""
        return " ".join((self.check.__doc__ or "").split())


RULES: tuple[Rule, ...] = (
    Rule("readable", declared.readable),
    Rule("mappings_exist", declared.mappings_exist),
    Rule("tables_lead_on", tables.tables_lead_on),
    Rule("contract_pinned", coverage.contract_pinned),
    Rule("fields_listed", coverage.fields_listed),
    Rule("ours_covered", coverage.ours_covered),
    Rule("theirs_known", coverage.theirs_known),
    Rule("theirs_covered", coverage.theirs_covered),
    Rule("dropped_has_no_home", coverage.dropped_has_no_home),
    Rule("follow_ups_filled", declared.follow_ups_filled),
    Rule("compared_places_exist", declared.compared_places_exist),
    Rule("assumed_places_exist", declared.assumed_places_exist),
    Rule("addresses_said", addresses.addresses_said),
    Rule("personal_data_declared", declared.personal_data_declared),
    Rule("readme_tells", declared.readme_tells),
    Rule("hooks_stay_inside", declared.hooks_stay_inside),
    Rule("loads", declared.loads),
    Rule("samples_recorded", conversations.samples_recorded),
    Rule("samples_fit_contract", conversations.samples_fit_contract),
    Rule("requests_come_out", conversations.requests_come_out),
    Rule("replies_are_understood", conversations.replies_are_understood),
    Rule("envelopes_as_zeep", envelopes.envelopes_as_zeep),
    Rule("notices_proven", notices.notices_proven),
    Rule("notices_recorded", notices.notices_recorded),
    Rule("notices_are_read", notices.notices_are_read),
    Rule("notices_are_answered", notices.notices_are_answered),
    Rule("results_shown", shown.results_shown),
    Rule("drift_shown", shown.drift_shown),
    Rule("people_are_invented", people.people_are_invented),
    Rule("hosts_are_invented", people.hosts_are_invented),
)

MAPPING = ".map.toml"
UNUSED = "exemption_used"
"""The rule about exemptions themselves; it cannot be exempted."""


def check_folder(path: Path, codes: Path | None = None) -> Report:
    """
    Try every rule on the connector in *path* and return all findings at once, sorted by file and key.

    *codes*: a folder of code tables that stand in for shared ones of the same name, as `[hub] codes` says.

    Raises:
        FileNotFoundError: *path* is no folder.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder; name the folder of a connector")
    folder = read_folder(path.resolve(), codes)
    exempt = folder.manifest.exempt if folder.manifest else {}
    findings: list[Finding] = []
    exemptions: list[Exemption] = []
    unread = {fault.file for fault in folder.faults if fault.file.endswith(MAPPING)}
    for rule in RULES:
        found = {
            Finding(rule.name, fault.file, fault.key, fault.says)
            for fault in rule.check(folder)
            if rule is RULES[0] or fault.file not in unread  # what does not stand there may stand in the broken lines
        }
        if rule.name in exempt and found:
            exemptions.append(Exemption(rule.name, exempt[rule.name], len(found)))
        else:
            findings += found
    findings += _unused(folder, {exemption.rule for exemption in exemptions})
    findings.sort(key=lambda finding: (finding.file, finding.key, finding.rule, finding.says))
    return Report(folder.path.name, len(RULES) + 1, tuple(findings), tuple(exemptions))


def _unused(folder: Folder, used: set[str]) -> Iterable[Finding]:
    names = [rule.name for rule in RULES]
    for name, reason in (folder.manifest.exempt if folder.manifest else {}).items():
        if name not in names:
            yield Finding(UNUSED, manifest_file(folder), f"exempt.{name}", f"is no rule{nearest(name, names)}")
        elif name not in used:
            yield Finding(UNUSED, manifest_file(folder), f"exempt.{name}", "spares nothing; remove it")
        elif not reason.strip():
            yield Finding(UNUSED, manifest_file(folder), f"exempt.{name}", "needs its reason")
