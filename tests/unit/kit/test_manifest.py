"""What an author hears about `manifest.toml`, and what an installation may change in a contract."""

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from connectors.kit.manifest import Contract, Manifest, load_manifest, manifest_schema
from mappings.errors import FilesRefused
from mappings.language import MappingFile

GOOD = """
[connector]
title = "Water"
title_vi = "Cấp nước"
version = "0.1.0"
owner = "Tổ liên thông"
protocol = "rest"
maturity = "draft"
[contract]
calls_per_second = 5
calls_per_day = 1000
calls_at_once = 4
call_timeout = 10
queue_calls = 20
queue_seconds = 15
backlog_calls = 100
request_bytes = 100000
reply_bytes = 100000
[operations.lookup_meter]
kind = "lookup"
call = "GET /meter/{code}"
code = "status"
"""
CONTRACT = Contract.model_validate(tomllib.loads(GOOD)["contract"])


def written(folder: Path, text: str, name: str = "water") -> Path:
    (folder / name).mkdir()
    (folder / name / "manifest.toml").write_text(text, "utf-8")
    return folder / name


def faults(folder: Path) -> dict[str, str]:
    with pytest.raises(FilesRefused) as refused:
        load_manifest(folder)
    return {fault.key: fault.says for fault in refused.value.faults}


def test_a_plain_code_place_compares_as_text(tmp_path: Path) -> None:
    code = load_manifest(written(tmp_path, GOOD)).operations["lookup_meter"].code
    assert code
    assert (code.at, code.as_) == ("status", "text")


def test_every_fault_is_told_at_once_with_its_key_path(tmp_path: Path) -> None:
    text = GOOD.replace('kind = "lookup"', 'kind = "look-up"\npersonal = true').replace(
        "calls_at_once = 4", "calls_at_once = true"
    )
    assert set(faults(written(tmp_path, text.replace('owner = "Tổ liên thông"\n', "")))) == {
        "connector.owner",
        "contract.calls_at_once",
        "operations.lookup_meter.kind",
        "operations.lookup_meter.personal",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("calls_per_secnd = 5", "calls_per_second"),
        ("queue_call = 20", "queue_calls"),
        ("reply_byte = 1", "reply_bytes"),
    ],
)
def test_the_nearest_known_key_is_suggested(tmp_path: Path, wrong: str, right: str) -> None:
    told = faults(written(tmp_path, GOOD.replace("[contract]", f"[contract]\n{wrong}")))
    assert told[f"contract.{wrong.split(' ')[0]}"] == f"is not a known key; did you mean `{right}`?"


def test_a_key_deep_in_a_table_of_tables_is_suggested_too(tmp_path: Path) -> None:
    told = faults(written(tmp_path, GOOD.replace('code = "status"', 'code = { att = "status" }')))
    assert told["operations.lookup_meter.code.att"] == "is not a known key; did you mean `at`?"


@pytest.mark.parametrize("bound", [name for name, field in Contract.model_fields.items() if field.is_required()])
def test_a_contract_without_a_bound_does_not_load(tmp_path: Path, bound: str) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(bound))
    assert faults(written(tmp_path, text))[f"contract.{bound}"].startswith("is missing; write it: ")


def test_only_closing_hours_have_a_default() -> None:
    assert [name for name, field in Contract.model_fields.items() if not field.is_required()] == ["closed"]


@pytest.mark.parametrize("value", ["inf", "nan", "0", "-1", '"5"', "1e9", "120.1"])
def test_no_number_of_a_contract_can_mean_unbounded(tmp_path: Path, value: str) -> None:
    assert "contract.call_timeout" in faults(
        written(tmp_path, GOOD.replace("call_timeout = 10", f"call_timeout = {value}"))
    )


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 1" in faults(written(tmp_path, "[connector\ntitle = 1"))[""]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert faults(tmp_path)[""] == "is missing; create it"


def test_a_connector_takes_over_the_lines_of_another(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    other = load_manifest(
        written(
            tmp_path,
            '[connector]\nlike = "water"\ntitle = "Water two"\n[operations.lookup_meter]\ncode = "state"',
            "water_two",
        )
    )
    assert other.connector.title == "Water two"
    assert other.operations["lookup_meter"].call == "GET /meter/{code}"
    assert other.operations["lookup_meter"].code is not None
    assert other.operations["lookup_meter"].code.at == "state"


def test_likeness_goes_one_level_deep(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, '[connector]\nlike = "water"', "water_two")
    assert "connector.like" in faults(written(tmp_path, '[connector]\nlike = "water_two"', "water_three"))
    assert "connector.like" in faults(written(tmp_path, '[connector]\nlike = "itself"', "itself"))


def test_an_entry_lowers_a_contract() -> None:
    lower = CONTRACT.lowered({"calls_per_second": 2, "closed": ["sun 00:00-06:00"]})
    assert (lower.calls_per_second, lower.calls_per_day, lower.closed) == (2, 1000, ("sun 00:00-06:00",))


def test_closing_hours_only_grow() -> None:
    closed = CONTRACT.lowered({"closed": ["sun 00:00-06:00"]})
    assert closed.lowered({"closed": ["2027-02-06"]}).closed == ("sun 00:00-06:00", "2027-02-06")


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"calls_per_second": 6}, "agencies.a.contract.calls_per_second"),
        ({"calls_at_once": "3"}, "agencies.a.contract.calls_at_once"),
        ({"calls": 3}, "agencies.a.contract.calls"),
        ({"call_timeout": 0}, "agencies.a.contract.call_timeout"),
    ],
)
def test_an_entry_that_does_not_lower_is_refused(overrides: dict[str, object], key: str) -> None:
    with pytest.raises(FilesRefused) as refused:
        CONTRACT.lowered(overrides, key="agencies.a.contract")
    assert [fault.key for fault in refused.value.faults] == [key]


def names(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[str]:
    found: set[str] = set()
    if model not in seen:
        seen.add(model)
        for name, field in model.model_fields.items():
            found.add(field.alias or name)
            for inner in models(field.annotation):
                found |= names(inner, seen)
    return found


def models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for one in get_args(annotation) for inner in models(one)]


def described(model: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    if model not in seen:
        seen.add(model)
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no description"
            inside = models(field.annotation)
            assert field.examples or inside, f"{model.__name__}.{name} has no example"
            for inner in inside:
                described(inner, seen)


def test_every_key_has_a_description_and_an_example() -> None:
    described(Manifest, set())


def test_editors_get_every_key() -> None:
    assert '"calls_per_second"' in str(manifest_schema()).replace("'", '"')
    assert {"as", "at"} <= set(manifest_schema()["$defs"]["CodePlace"]["properties"])


def test_the_two_languages_stay_small() -> None:
    known = names(Manifest, set()) | names(MappingFile, set())
    assert len(known) <= 80, (
        f"{len(known)} names: {sorted(known)}; a new one needs a decision record and an old one to go"
    )
