"""
Recorded conversations with invented people: `samples/<operation>.<case>/`. Checks, sandbox and tests read them here.

Of a notice the request is what the agency sends us, and the reply what we answer: `samples/<notice>.<case>/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from mappings.errors import FileFault, FilesRefused
from mappings.table_faults import faults_of, read_toml

FILES = ("request.canonical.json", "reply.canonical.json", "request.agency", "reply.agency", "sample.toml")


class SampleTable(BaseModel):
    """`sample.toml`: what the files beside it do not say."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    http: int = Field(200, ge=100, le=599, description="Status of the reply", examples=[500])
    result: str = Field(
        "ok",
        description="What the reply means: a result of answers.csv; of a notice how it ends, a key of `replies`",
        examples=["not_found", "taken"],
    )
    sources: dict[str, str] = Field(
        {},
        description="Values that make the request reproducible: sources, settings, of a notice also `header:X` and `query:x`",
        examples=[{"exchange.id": "01930000-...", "settings.security_key": "sample-key"}],
    )


def sample_schema() -> dict[str, Any]:
    """Return the JSON Schema of `sample.toml`, for editors."""
    return SampleTable.model_json_schema()


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation. What its folder does not hold is None."""

    operation: str
    """Or the notice."""
    case: str
    folder: Path
    request: Any
    """Our request, as JSON values; of a notice the list of what it tells, a value for each record."""
    request_agency: bytes | None
    """What goes on the wire; of a notice what comes to us."""
    reply: Any
    """Our value of the answer, as JSON values; of a question what a caller published."""
    reply_agency: bytes | None
    """What comes back; of a notice what we answer."""
    media: str
    """`json` or `xml`, as the agency's files are."""
    is_file: bool
    """What comes back is no JSON but a file: it is recorded as `reply.agency.bin`."""
    http: int
    result: str
    sources: Mapping[str, str]

    @property
    def name(self) -> str:
        """`<operation>.<case>`, the folder's name."""
        return f"{self.operation}.{self.case}"


def load_samples(folder: Path) -> tuple[Sample, ...]:
    """
    Return the conversations of the connector in *folder*, by name; none when it has no `samples/`.

    Raises:
        FilesRefused: Every fault of all samples at once.
    """
    samples: list[Sample] = []
    faults: list[FileFault] = []
    for place in sorted(path for path in (folder / "samples").glob("*") if path.is_dir()):
        try:
            samples.append(_read(place))
        except FilesRefused as refused:
            faults += refused.faults
    if faults:
        raise FilesRefused(faults)
    return tuple(samples)


def _read(place: Path) -> Sample:
    operation, dot, case = place.name.partition(".")
    faults: list[FileFault] = []
    if not (operation and dot and case):
        faults.append(FileFault(f"samples/{place.name}", "", "is named `<operation>.<case>`"))
    faults += [
        FileFault(
            f"{place.name}/{path.name}",
            "",
            f"is no file of a sample; known: {', '.join(FILES)}, the agency's ending in .json or .xml, a reply's also in .bin",
        )
        for path in sorted(place.iterdir())
        if path.name not in FILES
        and not (path.stem in FILES and path.suffix in (".json", ".xml"))
        and path.name != "reply.agency.bin"
    ]
    try:
        table = _table(place)
        sent, came = _agency(place, "request"), _agency(place, "reply")
        ours = [_canonical(place / f"{side}.canonical.json") for side in ("request", "reply")]
    except FilesRefused as refused:
        raise FilesRefused([*faults, *refused.faults]) from None
    if faults:
        raise FilesRefused(faults)
    media = next((path.suffix[1:] for path in (sent, came) if path), "json")
    bodies = [path.read_bytes() if path else None for path in (sent, came)]
    return Sample(
        operation,
        case,
        place,
        ours[0],
        bodies[0],
        ours[1],
        bodies[1],
        media,
        came is not None and came.suffix == ".bin",
        table.http,
        table.result,
        table.sources,
    )


def _table(place: Path) -> SampleTable:
    file = place / "sample.toml"
    if not file.is_file():
        return SampleTable()
    try:
        return SampleTable.model_validate(read_toml(file))
    except ValidationError as error:
        raise FilesRefused(faults_of(error, SampleTable, f"{place.name}/sample.toml")) from None


def _agency(place: Path, side: str) -> Path | None:
    endings = ("json", "xml", "bin") if side == "reply" else ("json", "xml")
    found = [path for ending in endings if (path := place / f"{side}.agency.{ending}").is_file()]
    if len(found) > 1:
        both = " and as ".join(path.suffix for path in found)
        raise FilesRefused([FileFault(f"{place.name}/{side}.agency", "", f"is there as {both}; keep one")])
    return found[0] if found else None


def _canonical(file: Path) -> Any:
    if not file.is_file():
        return None
    try:
        return from_json(file.read_bytes(), allow_inf_nan=False)
    except ValueError:
        raise FilesRefused([FileFault(f"{file.parent.name}/{file.name}", "", "is not JSON")]) from None
