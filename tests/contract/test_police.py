"""What the population database is known to do about families, and when the answer is that there is nobody."""

import pytest

from connectors.kit.checks.replay import bound_to
from connectors.kit.exchange import WireReply
from connectors.kit.judging import judge
from connectors.kit.outcomes import Answered, Broken, Outcome, Result, StaleCredentials
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import CitizenQuery
from mappings.canonical.citizen import FamilyRecords
from mappings.errors import MappingFailed

FOLDER = find_connectors()["police"]
POLICE = load_connector(FOLDER)
SAMPLES = {sample.name: sample for sample in load_samples(FOLDER)}
OF_ONE = "lookup_citizen.found"
OF_A_FAMILY = "lookup_relatives.found"


def judged(name: str, change: tuple[bytes, bytes] = (b"", b"")) -> Outcome | StaleCredentials:
    """Return what the recorded reply *name* means, with its first text of *change* replaced by the second."""
    sample = SAMPLES[name]
    assert sample.reply_agency is not None
    assert change[0] in sample.reply_agency
    body = sample.reply_agency.replace(*change, 1) if change[0] else sample.reply_agency
    reply = WireReply(sample.http, {"content-type": "application/xml"}, body)
    return judge(POLICE.operations[sample.operation], reply, now=0.0, knows_us=True).outcome


def test_a_family_is_several_records_each_with_its_parents() -> None:
    outcome = judged(OF_A_FAMILY)
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.value, FamilyRecords)
    mother, *children = outcome.value.people
    assert [child.mother and child.mother.citizen_id for child in children] == [mother.citizen_id] * 2
    assert len({child.father and child.father.full_name for child in children}) == 1


def test_two_records_for_one_person_are_no_answer() -> None:
    record = (SAMPLES[OF_ONE].reply_agency or b"").partition(b"<ns1:CongDan>")[2].partition(b"</ns1:CongDan>")[0]
    twice = b"<ns1:CongDan>" + record + b"</ns1:CongDan>"
    assert isinstance(judged(OF_ONE, (twice, twice + twice)), Broken)


def test_no_records_are_not_found_and_without_their_number_a_family_of_nobody() -> None:
    counted = judged("lookup_relatives.not_found")
    assert isinstance(counted, Answered)
    assert (counted.result, counted.value) == (Result.NOT_FOUND, None)
    uncounted = judged("lookup_relatives.not_found", (b'SoCongDan="0" ', b""))
    assert isinstance(uncounted, Answered)
    assert (uncounted.result, uncounted.value) == (Result.OK, FamilyRecords())


def test_a_family_of_whom_only_the_year_of_birth_is_known_is_not_asked_for() -> None:
    sample = SAMPLES["lookup_relatives.old_card"]
    asked = CitizenQuery.model_validate({**sample.request, "born_on": "1987"})
    with pytest.raises(MappingFailed, match="NgayThangNamSinh"):
        bound_to(POLICE, sample).render("lookup_relatives", asked, sample.sources)
