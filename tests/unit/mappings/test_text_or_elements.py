"""An XML element may hold a text in one version of a contract and elements in another: `parts` reads either."""

from typing import Any

import pytest
from lxml import etree

from mappings.canonical import CANONICAL
from mappings.canonical.citizen import Relative
from mappings.engine import Mapping, compile_mapping
from mappings.errors import FilesRefused, MappingFailed
from mappings.language import MappingFile
from mappings.values import converter

SPLIT = {"parts": ["HoVaTen/Ho", "HoVaTen/Ten", "HoVaTen"], "as": "joined name"}


def mapping(form: Any = "xml", **fields: Any) -> Mapping:
    file = MappingFile.model_validate(
        {"canonical": "Relative@1", "agency": "{urn:x}Cha" if form == "xml" else "", "fields": fields}
    )
    return compile_mapping(
        file, name="relative", form=form, canonical=CANONICAL, converters=converter, codes={}, nested={}
    )


def read(inside: str) -> Any:
    found = mapping(full_name=SPLIT, citizen_id="SoDinhDanh").read(
        etree.fromstring(f'<Cha xmlns="urn:x">{inside}</Cha>')
    )
    return found and found.value


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ("<HoVaTen>TRẦN VĂN KHÔNG</HoVaTen>", "TRẦN VĂN KHÔNG"),
        ("<HoVaTen> <Ho>TRẦN</Ho> <Ten>VĂN KHÔNG</Ten> </HoVaTen>", "TRẦN VĂN KHÔNG"),
        ("<HoVaTen><Ho/><Ten>KHÔNG</Ten></HoVaTen>", "KHÔNG"),
        ("<HoVaTen/>", None),
        ("", None),
    ],
)
def test_a_name_is_read_as_text_or_from_its_parts(inside: str, name: str | None) -> None:
    assert read(inside) == Relative(full_name=name)


def test_a_text_beside_elements_is_not_guessed_at() -> None:
    with pytest.raises(MappingFailed, match="HoVaTen: holds a text and elements"):
        read("<HoVaTen>TRẦN VĂN KHÔNG<Ten>KHÔNG</Ten></HoVaTen>")


def test_two_names_are_not_guessed_at() -> None:
    with pytest.raises(MappingFailed, match="HoVaTen: stands more than once"):
        read("<HoVaTen>TRẦN</HoVaTen><HoVaTen>LÊ</HoVaTen>")


def test_the_whole_name_is_written_where_the_line_ends() -> None:
    written = mapping(full_name=SPLIT, citizen_id="SoDinhDanh").write(Relative(full_name="TRẦN VĂN KHÔNG"), {})
    assert (
        etree.tostring(written, encoding="unicode")
        == '<ns0:Cha xmlns:ns0="urn:x"><ns0:HoVaTen>TRẦN VĂN KHÔNG</ns0:HoVaTen></ns0:Cha>'
    )


def test_nothing_is_written_for_no_name() -> None:
    written = mapping(full_name=SPLIT, citizen_id="SoDinhDanh").write(Relative(citizen_id="000055000017"), {})
    assert [child.tag for child in written] == ["{urn:x}SoDinhDanh"]


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("xml", {"full_name": "HoVaTen", "citizen_id": "HoVaTen/So"}),
        ("xml", {"full_name": {"parts": ["HoVaTen/Ho", "HoVaTen/Ten"]}, "citizen_id": "HoVaTen"}),
        ("json", {"full_name": SPLIT}),
    ],
)
def test_places_of_different_lines_and_of_json_do_not_lie_in_each_other(form: str, fields: dict[str, Any]) -> None:
    with pytest.raises(FilesRefused):
        mapping(form, **fields)
