"""The document is OpenAPI 3.1, typed per operation, and says only what the doors do."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import from_json

from connectors.kit.connector import Connector
from connectors.kit.registry import find_connectors, load_connector
from hub.lane import LaneView
from hub.web.answers import Asked
from hub.web.batch import BatchLine, LinePurpose
from hub.web.openapi import openapi
from hub.web.operations import AgencyFacts, operations
from hub.web.problems import PROBLEMS
from mappings.canonical import DossierQuery
from tests.speaking import NOTICES


@pytest.fixture(scope="module")
def connectors() -> dict[str, Connector]:
    return {name: load_connector(folder) for name, folder in find_connectors().items()}


@pytest.fixture(scope="module")
def document(connectors: dict[str, Connector]) -> Any:
    offered = {name: _callable(one) for name, one in connectors.items()}
    return from_json(openapi(offered, {"police": "Dân cư"}, PROBLEMS, "0.1.0"))


def _callable(connector: Connector) -> dict[str, Any]:
    return {name: one for name, one in connector.operations.items() if one.kind != "login"}


def refs(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*(refs(inner) for inner in value.values()))
    return set().union(*(refs(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_operation_has_a_typed_request_and_answer(document: Any, connectors: dict[str, Connector]) -> None:
    assert document["openapi"] == "3.1.0"
    for agency, connector in connectors.items():
        for name, operation in _callable(connector).items():
            post = document["paths"][f"/v1/calls/{agency}/{name}"]["post"]
            assert post["requestBody"]["content"]["application/json"]["schema"] == {
                "$ref": f"#/components/schemas/{operation.request.__name__}"
            }
            value = post["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["value"]
            if operation.answer is None:
                assert {"type": "null"} in value["anyOf"]
            else:
                assert f"#/components/schemas/{operation.answer.__name__}" in refs(value["anyOf"])
            keys = [one["$ref"].endswith("/IdempotencyKeyRequired") for one in post["parameters"]]
            assert any(keys) == (operation.kind == "filing")
    assert not [path for path in document["paths"] if "log_in" in path]


def test_what_ends_by_another_operations_word_is_typed_by_both(connectors: dict[str, Connector]) -> None:
    known = _callable(connectors["npsp"])
    offered = {"npsp": known | {"file_dossier": replace(known["file_dossier"], then={"pending": "lookup_dossier"})}}
    post = from_json(openapi(offered, {}, PROBLEMS, "0.1.0"))["paths"]["/v1/calls/npsp/file_dossier"]["post"]
    value = post["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["value"]
    answer = offered["npsp"]["lookup_dossier"].answer
    assert answer is not None
    assert f"#/components/schemas/{answer.__name__}" in refs(value)


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = refs(document)
    assert found
    for ref in found:
        here = document
        for step in ref.removeprefix("#/").split("/"):
            here = here[step]


def test_the_doors_for_many_calls_say_what_they_take_and_tell(document: Any) -> None:
    line = document["components"]["schemas"]["BatchLine"]["properties"]
    assert set(line) == set(BatchLine.model_fields)
    assert set(line["purpose"]["properties"]) == set(LinePurpose.model_fields)
    told = {"call", "state", "result", "value", "reason", "answered_at", "fresh_as_of", "location", "cause"}
    assert set(document["components"]["schemas"]["Member"]["properties"]) == told | {"operation", "idempotency_key"}
    for path in ("/v1/calls/{agency}:batch", "/v1/calls/{agency}:batch/{id}", "/v1/notices/{agency}"):
        assert path in document["paths"]
    assert "text/event-stream" in document["paths"]["/v1/notices/stream"]["get"]["responses"]["200"]["content"]


def test_what_agencies_tell_and_ask_is_typed_by_its_models(connectors: dict[str, Connector]) -> None:
    offered = {"tax": _callable(connectors["npsp"])}
    told = {"tax": {name: one for name, one in NOTICES.items() if one.kind == "notice"}}
    asked = {"tax": {"procedures_asked": Asked(DossierQuery, hands_out=False)}}
    document = from_json(openapi(offered, {}, PROBLEMS, "0.1.0", told, asked))
    ref = {"$ref": "#/components/schemas/ProcessingStep"}
    assert document["components"]["schemas"]["Told"]["properties"]["value"]["anyOf"] == [ref, {"type": "null"}]
    put = document["paths"]["/v1/answers/tax/procedures_asked"]["put"]
    ref = {"$ref": "#/components/schemas/DossierQuery"}
    assert put["requestBody"]["content"]["application/json"]["schema"] == ref
    for one in refs(document):
        here = document
        for step in one.removeprefix("#/").split("/"):
            here = here[step]


def test_notices_and_questions_are_listed_beside_operations(connectors: dict[str, Connector]) -> None:
    facts = AgencyFacts(
        "Tax", "Thuế", "draft", connectors["npsp"].manifest.contract, {},
        {"dossier_progressed": NOTICES["dossier_progressed"]}, {"procedures_asked": Asked(DossierQuery, hands_out=True)},
    )  # fmt: skip
    listed = from_json(operations({"tax": facts}, dict)())
    (notice,), (question,) = listed["notices"], listed["questions"]
    assert (notice["notice"], notice["type"], notice["value"], notice["href"]) == (
        "tax.dossier_progressed", "vn.lienthong.dossier_progressed", "ProcessingStep@1", "/v1/notices/tax",
    )  # fmt: skip
    assert (question["question"], question["answer"], question["hands_out"], question["href"]) == (
        "tax.procedures_asked", "DossierQuery@1", True, "/v1/answers/tax/procedures_asked",
    )  # fmt: skip


def test_fields_are_described_with_examples(document: Any) -> None:
    field = document["components"]["schemas"]["CitizenQuery"]["properties"]["citizen_id"]
    assert "số định danh" in field["description"]
    assert field["examples"]


def test_all_problem_codes_are_in_the_document(document: Any) -> None:
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert codes == sorted(one.code for one in PROBLEMS)


def test_operations_are_listed_with_their_lane(connectors: dict[str, Connector]) -> None:
    police = connectors["police"]
    facts = police.manifest.connector
    contract: BaseModel = police.manifest.contract
    lane = LaneView(
        "police",
        {"queue_calls/counter/interactive": 2, "queue_calls/normal/backlog": 3, "rate_limit": 9},
        "busy",
        12.5,
        False,
        0,
    )
    listed = operations(
        {"police": AgencyFacts(facts.title, facts.title_vi, facts.maturity, contract, _callable(police))},
        lambda: {"police": lane},
    )
    found = {one["operation"]: one for one in from_json(listed())["operations"]}
    one = found["police.lookup_citizen"]
    assert (one["kind"], one["personal_data"], one["maturity"], one["answer"]) == ("lookup", True, "draft", "Citizen")
    assert one["contract"]["calls_per_second"] == 10
    assert one["lane"] == {"state": "held", "cause": "busy", "seconds": 12.5, "route": None, "waiting": 5}
