"""What every canonical model promises to callers, connectors and readers of its schema."""

import json
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from mappings.canonical import (
    CANONICAL,
    IDENTITY,
    MASK,
    Citizen,
    CitizenQuery,
    Dossier,
    PartialDate,
    ProcessingStep,
    canonical_name,
    mask,
    personal_paths,
)
from mappings.canonical.shape import inner_models, is_personal

QUERY = {"citizen_id": "000180000011", "full_name": "Trần Thị Không", "born_on": "1980-05-17"}
STEP = {
    "dossier": "000.00.14.H32-260315-00001",
    "handler": "Lê Cán Bộ",
    "processed_at": "2026-03-16T10:00:00+07:00",
    "status": "processing",
}


def everything() -> Iterator[type[BaseModel]]:
    """Give every canonical model and every part of one."""
    waiting, seen = list(CANONICAL.values()), set()
    while waiting:
        model = waiting.pop()
        if model not in seen:
            seen.add(model)
            yield model
            waiting.extend(inner for field in model.model_fields.values() for inner in inner_models(field.annotation))


ALL = sorted(everything(), key=lambda model: model.__name__)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_field_says_what_it_is_with_the_vietnamese_term(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert "(" in field.description, name
        assert unicodedata.is_normalized("NFC", field.description), name
        plural_or_part = any(True for _ in inner_models(field.annotation))
        assert field.examples or plural_or_part, name


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_example_is_valid_for_its_field(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        for example in field.examples or []:
            kind = TypeAdapter(Annotated[field.annotation, "one field", *field.metadata])
            assert kind.validate_json(json.dumps(example)) is not None, name


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_models_are_strict_frozen_closed_and_silent_about_values(model: type[BaseModel]) -> None:
    config = model.model_config
    assert config["strict"]
    assert config["frozen"]
    assert config["extra"] == "forbid"
    assert config["hide_input_in_errors"]


@pytest.mark.parametrize("name", CANONICAL)
def test_the_schema_is_closed_and_described(name: str) -> None:
    schema = CANONICAL[name].model_json_schema()
    assert schema["additionalProperties"] is False
    for part in [schema, *schema.get("$defs", {}).values()]:
        assert part.get("description")


def test_every_identity_is_a_field_and_every_model_has_its_name() -> None:
    for name, model in CANONICAL.items():
        assert canonical_name(model) == name
    for name, field in IDENTITY.items():
        assert field in CANONICAL[name].model_fields
    with pytest.raises(KeyError):
        canonical_name(BaseModel)


def test_json_and_python_values_make_the_same_model() -> None:
    """A caller sends JSON; the engine builds dicts of Python values and of texts from code tables."""
    from_text = Citizen.model_validate_json('{"full_name": "Trần Thị Không", "sex": "female", "born_on": "1980-05-17"}')
    from_values = Citizen.model_validate({"full_name": "Trần Thị Không", "sex": "female", "born_on": date(1980, 5, 17)})
    assert from_text == from_values
    assert Citizen.model_validate_json(from_text.model_dump_json()) == from_text


def test_a_nested_model_and_a_list_are_taken_from_plain_values() -> None:
    filed = Dossier.model_validate(
        {
            "code": "000.00.14.h32-260315-00001",
            "procedure_code": "1.001776",
            "procedure_name": "Thủ tục thử nghiệm",
            "owner": {
                "full_name": "Trần Thị Không",
                "kind": "citizen",
                "identities": [{"kind": "citizen_id", "number": "000180000011"}],
            },
            "summary": "Đề nghị",
            "received_at": datetime(2026, 3, 15, 1, 30, tzinfo=UTC),
            "status": "received",
            "fees": [{"name": "Lệ phí", "amount": 50000}],
        }
    )
    assert isinstance(filed.fees, tuple)
    assert filed.code == "000.00.14.H32-260315-00001"
    assert filed.model_dump(mode="json")["received_at"] == "2026-03-15T08:30:00+07:00"


def test_text_is_composed_and_trimmed_before_it_is_measured() -> None:
    query = CitizenQuery.model_validate(
        {**QUERY, "full_name": "  " + unicodedata.normalize("NFD", "Trần  Thị Ðượm") + " "}
    )
    assert query.full_name == "Trần Thị Đượm"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"citizen_id": 180000011}, "citizen_id"),
        ({"citizen_id": "00018000001"}, "citizen_id"),
        ({"full_name": " "}, "full_name"),
        ({"full_name": "a\x00"}, "full_name"),
        ({"full_name": "x" * 256}, "full_name"),
        ({"born_on": "1980-13"}, "born_on"),
        ({"born_on": "1980-02-30"}, "born_on"),
        ({"born_on": 1980}, "born_on"),
        ({"born_on": "17/05/1980"}, "born_on"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_query_is_refused_at_its_place_and_unquoted(change: dict[str, object], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        CitizenQuery.model_validate({**QUERY, **change})
    assert [fault["loc"] for fault in refused.value.errors()] == [(place,)]
    assert "Trần" not in str(refused.value)
    assert "180000011" not in str(refused.value)


def test_a_person_cannot_be_asked_for_without_a_number() -> None:
    with pytest.raises(ValidationError, match="citizen_id or old_id"):
        CitizenQuery.model_validate({"full_name": "Trần Thị Không", "born_on": "1980"})


@pytest.mark.parametrize(
    "moment", ["2026-03-16", "2026-03-16T10:00:00", "1773579909", "2026-03-16T25:00:00Z", "16/03/2026 10:00"]
)
def test_a_moment_without_offset_or_as_a_count_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError):
        ProcessingStep.model_validate_json(json.dumps({**STEP, "processed_at": moment}))


def test_moments_are_kept_at_seven_hours_in_whole_seconds() -> None:
    step = ProcessingStep.model_validate_json(json.dumps({**STEP, "processed_at": "2026-03-16T03:00:00.999Z"}))
    assert step.processed_at.isoformat() == "2026-03-16T10:00:00+07:00"


def test_the_mask_hides_every_personal_field_and_nothing_else() -> None:
    step = ProcessingStep.model_validate_json(json.dumps({**STEP, "content": "Thẩm định"}))
    shown = mask(step)
    assert shown["handler"] == shown["content"] == MASK
    assert shown["dossier"] == step.dossier
    assert shown["position"] is None


def test_the_mask_reaches_into_parts_and_lists() -> None:
    filed = Dossier.model_validate(
        {
            "code": "A-1",
            "procedure_code": "1.001776",
            "procedure_name": "Thủ tục",
            "owner": {
                "full_name": "Trần Thị Không",
                "kind": "citizen",
                "identities": [{"kind": "old_id", "number": "000000011"}],
            },
            "summary": "Đề nghị của bà Không",
            "status": "received",
        }
    )
    shown = mask(filed)
    assert shown["owner"] == {
        "full_name": MASK,
        "kind": "citizen",
        "identity_number": None,
        "tech_id": None,
        "identities": [{"kind": "old_id", "number": MASK}],
    }
    assert "Không" not in str(shown)
    assert ("owner", "identities", "number") in personal_paths(Dossier)


def test_everything_in_a_persons_record_is_personal() -> None:
    assert all(is_personal(Citizen, field) for field in Citizen.model_fields)
    assert all(is_personal(CitizenQuery, field) for field in CitizenQuery.model_fields)


@pytest.mark.parametrize("written", ["1980", "1980-05", "1980-05-17"])
def test_a_partial_date_keeps_what_is_known_and_no_more(written: str) -> None:
    known = PartialDate.of(written)
    assert str(known) == written
    assert PartialDate.of(known) is known
    assert (known.whole() is not None) == (len(written) == 10)


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(1980, None, 5), (1980, 13, None), (1981, 2, 29), (1700, None, None), (1980, 0, None), (1980, 5, 0)],
)
def test_an_impossible_date_cannot_be_made(year: int, month: int | None, day: int | None) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each fault has its own words
        PartialDate(year, month, day)


def test_a_year_agrees_with_a_full_date_of_that_year_only() -> None:
    assert PartialDate(1980).agrees_with(PartialDate(1980, 5, 17))
    assert not PartialDate(1980).agrees_with(PartialDate(1981, 5, 17))
    assert not PartialDate(1980, 5, 17).agrees_with(PartialDate(1980, 5, 18))


def test_a_callers_software_needs_no_xml_library() -> None:
    """`hub.client` installs without the server, and it imports the models."""
    code = "import sys, mappings.canonical; sys.exit('lxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_part_of_a_model_has_a_name_of_its_own() -> None:
    """A mapping that another names in `map` says by name which part it describes."""
    assert set(ALL) == set(CANONICAL.values())
