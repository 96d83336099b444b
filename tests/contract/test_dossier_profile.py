"""The moving of dossiers between agencies has one profile: whoever takes part speaks in the same models, by the same names."""

import pytest
from pydantic import BaseModel

from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical import Dossier, DossierQuery
from mappings.canonical.dossier_notices import DossierProgress, ReturnedDossier, ReturnedResult, SupplementRequest
from mappings.canonical.transfer import FiledSupplement, ResultConfirmation, ResultRefusal

CONNECTORS = {name: load_connector(folder) for name, folder in find_connectors().items()}
ASKED: dict[str, type[BaseModel]] = {
    "file_dossier": Dossier,
    "file_supplement": FiledSupplement,
    "lookup_dossier": DossierQuery,
    "confirm_result": ResultConfirmation,
    "refuse_result": ResultRefusal,
}
TOLD: dict[str, type[BaseModel]] = {
    "dossier_progressed": DossierProgress,
    "supplement_requested": SupplementRequest,
    "result_returned": ReturnedResult,
    "dossier_returned": ReturnedDossier,
}
OPERATIONS = [(name, one) for name, connector in CONNECTORS.items() for one in ASKED if one in connector.operations]
NOTICES = [(name, one) for name, connector in CONNECTORS.items() for one in TOLD if one in connector.notices]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_an_operation_of_the_profile_takes_the_model_of_the_profile(name: str, operation: str) -> None:
    found = CONNECTORS[name].operations[operation]
    assert found.request is ASKED[operation]
    assert found.personal_data


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_what_is_filed_of_one_dossier_keeps_its_order_in_every_agency(name: str, operation: str) -> None:
    found = CONNECTORS[name].operations[operation]
    if found.kind == "filing":
        assert found.order_by == ("code" if operation == "file_dossier" else "dossier")


@pytest.mark.parametrize(("name", "notice"), NOTICES)
def test_a_notice_of_the_profile_tells_the_model_of_the_profile_and_finds_its_dossier(name: str, notice: str) -> None:
    found = CONNECTORS[name].notices[notice].about
    assert found.model is TOLD[notice]
    assert found.ref == ("dossier",)
    assert found.personal_data


@pytest.mark.parametrize("system", ["land_vbdlis", "land_ilis"])
def test_a_land_register_speaks_all_of_the_profile_that_it_knows(system: str) -> None:
    """It has no look-up and takes no withdrawal: neither was seen."""
    assert {one for name, one in OPERATIONS if name == system} == set(ASKED) - {"lookup_dossier"}
    assert {one for name, one in NOTICES if name == system} == set(TOLD)
