"""
The keys of a `*.map.toml`: every one declared here, once, with its description and an example, and nowhere else.

Docs, the schema for editors, validation and `hub check --explain` derive from these models. README.md beside this
file explains the language to people who do not program; `engine.py` turns a `MappingFile` into a working `Mapping`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError, model_validator

from mappings.errors import FileFault, FilesRefused
from mappings.table_faults import faults_of, read_toml

Absent: TypeAlias = Literal["omitted", "", "null"]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Several: TypeAlias = Annotated[
    tuple[str, ...], Strict(False), BeforeValidator(_as_list, json_schema_input_type=str | list[str])
]
"""One text, or a list of texts."""
Chains: TypeAlias = Annotated[
    tuple[Several, ...], Strict(False), BeforeValidator(_as_list, json_schema_input_type=str | list[str | list[str]])
]
"""One converter, or a list; in the list of alternatives each may be a list again."""


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", populate_by_name=True)


class Line(_Table):
    """One correspondence of `[fields]`. `"ours" = "theirs"` is short for `"ours" = { at = "theirs" }`."""

    at: Several | None = Field(
        None,
        min_length=1,
        description="The agency's place; or a list of alternatives, of which the first that fits is written and read",
        examples=["SoDinhDanh", ["NgayThangNamSinh/NgayThangNam", "NgayThangNamSinh/Nam"]],
    )
    as_: Chains = Field(
        (),
        alias="as",
        description="A converter, or several in turn (on reading in reverse); with alternatives one entry for each of them",
        examples=["upper name", ["trimmed", "cut 50"], ["date yyyyMMdd", "year"]],
    )
    codes: str | None = Field(None, description="The code table between our code and theirs", examples=["sex"])
    map: str | None = Field(
        None,
        description="The mapping of the group that stands here; of each item when our path ends in []",
        examples=["address"],
    )
    parts: Several | None = Field(
        None,
        min_length=2,
        description="Places read as one text joined by blanks, in XML also an element and what it holds in another version;"
        " on writing the whole goes into the last of them",
        examples=[["HoVaTen/Ho", "HoVaTen/ChuDem", "HoVaTen/Ten"]],
    )
    also: Several = Field(
        (),
        description="Further places of the same value: written to all, and on reading those present must agree",
        examples=["MaHoSoKhac"],
    )
    absent: Absent | None = Field(
        None,
        description="How nothing is written at this line's places, when it differs from the file's",
        examples=["null"],
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"at": value} if isinstance(value, str) else value


class Fixed(_Table):
    """One value of `[fixed]`. `"theirs" = "source"` is short for `"theirs" = { from = "source" }`."""

    from_: str = Field(
        alias="from",
        description="Where the value comes from: =literal, settings.x, call.x, exchange.x, officer.x, unit.x or auth.x;"
        " page.after, page.size or notice.reason where notices are fetched or refused;"
        " payload: this place is a text, and holds what other lines name below it, as `as` says",
        examples=["=037", "officer.account", "payload"],
    )
    as_: Several = Field(
        (),
        alias="as",
        description="A converter, or several in turn; of a payload: xml text, base64 xml, list ; or pair /",
        examples=["digits", "xml text"],
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value


class MappingFile(_Table):
    """A whole `*.map.toml`: one canonical model beside one shape of an agency's payload."""

    canonical: str = Field(description="Our model, with its version", examples=["Citizen@1"])
    agency: str = Field(
        description="Where the thing stands in the payload: root element with namespace, or path; empty for the whole payload"
        " and for a mapping that others name in `map`",
        examples=["{http://www.mic.gov.vn/dancu/1.0}CongdanCollection/CongDan", "result[0]", ""],
    )
    absent: Absent = Field(
        "omitted",
        description='How nothing is written: leave the place out, write "" or write null',
        examples=["omitted"],
    )
    fields: dict[str, Line] = Field(
        default_factory=dict,
        description='Which of our fields stands at which of their places; `"a | b" = ...` is the first of ours that is given',
        examples=[{"citizen_id": "SoDinhDanh", "full_name": {"at": "HoVaTen", "as": "upper name"}}],
    )
    fixed: dict[str, Fixed] = Field(
        default_factory=dict,
        description="Places that are always written from a source other than our model; never read",
        examples=[{"MaTichHop": "=037", "MaCanBo": "officer.account"}],
    )
    dropped: dict[str, str] = Field(
        default_factory=dict,
        description="Agency places that we neither write nor read, each with the reason; X/* for a whole branch",
        examples=[{"SoSoHoKhau": "household books were abolished"}],
    )
    withheld: dict[str, str] = Field(
        default_factory=dict,
        description="Fields of ours that this agency neither gets nor gives, each with the reason; x/* for a whole branch",
        examples=[{"documents[]": "the agency takes no papers"}],
    )


def read_mapping_file(path: Path) -> MappingFile:
    """
    Return the mapping written in *path*.

    Raises:
        FilesRefused: With every fault of the file: each key path, and the nearest known key for a misspelt one.
    """
    raw = read_toml(path)
    try:
        return MappingFile.model_validate(raw)
    except ValidationError as error:
        faults = faults_of(error, MappingFile, f"{path.parent.name}/{path.name}")
        raise FilesRefused([_with_quotes(fault, raw) for fault in faults]) from None


def _with_quotes(fault: FileFault, raw: dict[str, Any]) -> FileFault:
    """Explain the commonest slip: `owner.full_name = ...` without quotes makes a table `owner` with a key `full_name`."""
    section, _, rest = fault.key.partition(".")
    name, _, _ = rest.rpartition(".")
    table = raw.get(section)
    unquoted = table.get(name) if isinstance(table, dict) else None
    if (
        "not a known key" not in fault.says
        or not isinstance(unquoted, dict)
        or unquoted.keys() & {"at", "parts", "from"}
    ):
        return fault
    return FileFault(fault.file, fault.key, f'{fault.says} (if the path "{rest}" is meant, put it in quotes)')
