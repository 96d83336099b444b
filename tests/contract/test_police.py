"""What the population database is known to do about families, itself and through the JSON door of a provincial platform."""

import json

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

POLICE, PLATFORM = (load_connector(find_connectors()[name]) for name in ("police", "police_lgsp"))
SAMPLES, JSON_SAMPLES = ({sample.name: sample for sample in load_samples(one.folder)} for one in (POLICE, PLATFORM))
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


def told(text: str | None, code: object = "0") -> Outcome | StaleCredentials:
    """Return what it means when the platform answers with *text* and *code* to a look-up of a person."""
    body = json.dumps({"error_code": code, "message": text}).encode()
    reply = WireReply(200, {"content-type": "application/json"}, body)
    return judge(PLATFORM.operations["lookup_citizen"], reply, now=0.0, knows_us=True).outcome


def soap_of(name: str) -> str:
    return (SAMPLES[name].reply_agency or b"").decode()


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("lookup_citizen.")])
def test_a_soap_text_in_json_means_what_it_means_by_itself(name: str) -> None:
    sample = SAMPLES[name]
    if sample.result == "login":
        return  # who we are is the platform's business
    plain, inside = judged(name), told(soap_of(name))
    assert type(inside) is type(plain)
    if isinstance(plain, Answered) and isinstance(inside, Answered):
        assert (inside.result, inside.value) == (plain.result, plain.value)


@pytest.mark.parametrize("code", ["0", 0, "00"])
def test_done_is_zero_in_any_spelling(code: object) -> None:
    outcome = told(soap_of(OF_ONE), code)
    assert isinstance(outcome, Answered)
    assert outcome.result is Result.OK


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (soap_of(OF_ONE), "17"),  # nobody explained that code, whatever stands beside it
        (None, "0"),
        ("", "0"),
        ("<html>busy</html>", "0"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + soap_of(OF_ONE).partition("?>")[2], "0"),
        (soap_of("lookup_citizen.refused").replace("Client", "Custom"), "0"),
    ],
)
def test_what_the_platform_does_not_explain_is_no_answer(text: str | None, code: str) -> None:
    assert isinstance(told(text, code), Broken)


def test_a_year_of_birth_is_asked_for_by_the_platform() -> None:
    sample = JSON_SAMPLES["lookup_relatives.found"]
    asked = CitizenQuery.model_validate({**sample.request, "born_on": "1987"})
    wire = bound_to(PLATFORM, sample).render("lookup_relatives", asked, sample.sources)
    sent = json.loads(wire.body)
    assert sent["Nam"] == "1987"
    assert "NgayThangNam" not in sent
