"""Where a payload breaks its JSON Schema: places and rules, never values."""

from pathlib import Path

import pytest
from pydantic_core import to_json

from connectors.kit.contract import FAULTS_AT_MOST, Check, drift, json_contract
from mappings.errors import Fault, FilesRefused

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"a": {"type": "string", "pattern": "^x"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        }
    },
}


def check(folder: Path) -> Check:
    (folder / "a.json").write_bytes(to_json(SCHEMA))
    made = json_contract(folder / "a.json")
    assert made
    return made


def test_faults_name_place_and_rule(tmp_path: Path) -> None:
    assert check(tmp_path)({"items": [{"a": "y"}, {}, {"a": "x", "more": 1}]}) == (
        Fault("items/[0]/a", "breaks `pattern`"),
        Fault("items/[1]", "breaks `required`"),
        Fault("items/[2]/more", "is not in the contract"),
    )


def test_a_key_that_may_be_a_persons_number_is_not_told(tmp_path: Path) -> None:
    assert check(tmp_path)({"999000000001": 1}) == (Fault("*", "is not in the contract"),)


def test_drift_tells_an_added_field_once_for_all_items(tmp_path: Path) -> None:
    assert drift(check(tmp_path), {"items": [{"a": "x", "more": 1}] * 3}) == ("items[]/more",)
    assert drift(None, {}) == ()


def test_the_first_hundred_faults_are_told(tmp_path: Path) -> None:
    assert len(check(tmp_path)({"items": [{}] * 500})) == FAULTS_AT_MOST


def test_without_a_file_there_is_no_contract(tmp_path: Path) -> None:
    assert json_contract(tmp_path / "a.json") is None


@pytest.mark.parametrize("text", ["{", '{"type": "objekt"}', '{"$ref": "https://schemas.example/a.json"}'])
def test_a_schema_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FilesRefused, match="no usable JSON Schema"):
        json_contract(tmp_path / "a.json")
