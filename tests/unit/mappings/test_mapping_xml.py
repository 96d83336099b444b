"""A mapping over XML: order and namespaces from the contract, reading by namespace, and what no parser should meet."""

from typing import Any

import pytest
from lxml import etree

from mappings.canonical import CANONICAL
from mappings.canonical.address import Address
from mappings.canonical.citizen import Citizen
from mappings.canonical.dossier_parts import Document
from mappings.engine import Mapping, compile_mapping
from mappings.errors import FilesRefused, MappingFailed
from mappings.language import MappingFile
from mappings.paths import Layout
from mappings.values import converter

U = "urn:list"
PLACE = tuple(Layout(name, U) for name in ("MaTinh", "MaXa", "ChiTiet"))
PERSON = Layout(
    "Person",
    U,
    (
        Layout("MaYeuCau", U),
        Layout("SoDinhDanh", None),
        Layout("HoVaTen", U),
        Layout("ThuongTru", U, PLACE),
        Layout("Giay", U, (), True),
    ),
    True,
)
LIST = Layout("List", U, (PERSON,))


def mapping(
    model: str,
    fields: dict[str, Any],
    agency: str = "{urn:list}List/Person",
    nested: dict[str, Mapping] | None = None,
    layout: Layout | None = None,
    **rest: Any,
) -> Mapping:
    file = MappingFile.model_validate({"canonical": model, "agency": agency, "fields": fields, **rest})
    return compile_mapping(
        file,
        name="m",
        form="xml",
        canonical=CANONICAL,
        converters=converter,
        codes={},
        nested=nested or {},
        layout=layout,
    )


ADDRESS = mapping("Address@1", {"detail": "ChiTiet", "commune": "MaXa", "province": "MaTinh"}, agency="")
FIELDS = {
    "permanent_address": {"at": "ThuongTru", "map": "address"},
    "full_name": "HoVaTen",
    "citizen_id": "SoDinhDanh",
}
LAID_OUT = mapping("Citizen@1", FIELDS, nested={"address": ADDRESS}, layout=LIST, fixed={"MaYeuCau": "exchange.id"})
PLAIN = mapping("Citizen@1", FIELDS, nested={"address": ADDRESS})
CITIZEN = Citizen(
    citizen_id="000180000011", full_name="TRẦN & <KHÔNG>", permanent_address=Address(province="56", detail="Số 0")
)


def read(inside: str, of: Mapping = PLAIN) -> Any:
    return of.read(etree.fromstring(f'<ns7:List xmlns:ns7="urn:list" xmlns="urn:list">{inside}</ns7:List>'))


def faults(inside: str, of: Mapping = PLAIN) -> list[tuple[str, str]]:
    with pytest.raises(MappingFailed) as caught:
        read(inside, of)
    return [(fault.place, fault.rule) for fault in caught.value.faults]


def test_elements_stand_in_the_contracts_order_and_namespaces() -> None:
    written = LAID_OUT.write(CITIZEN, {"exchange.id": "1"})
    assert [child.tag for child in written.iter()] == [
        "{urn:list}List",
        "{urn:list}Person",
        "{urn:list}MaYeuCau",
        "SoDinhDanh",
        "{urn:list}HoVaTen",
        "{urn:list}ThuongTru",
        "{urn:list}MaTinh",
        "{urn:list}ChiTiet",
    ]
    again = etree.fromstring(etree.tostring(written))
    assert [child.tag for child in again.iter()] == [child.tag for child in written.iter()]
    assert LAID_OUT.read(again).value == CITIZEN  # type: ignore[union-attr]


def test_a_place_that_the_contract_lacks_is_refused_with_the_nearest() -> None:
    with pytest.raises(FilesRefused) as caught:
        mapping(
            "Citizen@1",
            {
                "full_name": "HoVaTem",
                "old_id": "Giay",
                "citizen_id": "SoDinhDanh[]",
                "origin": {"at": "ThuongTru", "map": "address"},
            },
            nested={"address": mapping("Address@1", {"commune": "MaXaa"}, agency="")},
            layout=LIST,
            dropped={"HoVaTe": "?", "Gone/*": "?"},
        )
    told = {fault.key: fault.says for fault in caught.value.faults}
    assert (
        told["fields.full_name"]
        == "`HoVaTem` is not in the contract: `Person` has no `HoVaTem`; did you mean `HoVaTen`?"
    )
    assert told["fields.old_id"] == "`Giay` repeats in the contract: write `Giay[]` for all or `Giay[0]` for the first"
    assert told["fields.citizen_id"] == "`SoDinhDanh[]` does not repeat in the contract: write it without `[]`"
    assert "did you mean `MaXa`?" in told["fields.commune"]
    assert "did you mean `HoVaTen`?" in told["dropped.HoVaTe"]
    assert "is not in the contract" in told["dropped.Gone/*"]


@pytest.mark.parametrize(
    ("absent", "written"), [("omitted", []), ("", [(None, {})]), ("null", [(None, {"nil": "true"})])]
)
def test_nothing_is_left_out_or_empty_or_nil(absent: str, written: list[Any]) -> None:
    made = mapping("Document@1", {"name": "Ten", "url": "Url"}, agency="{urn:list}Giay", absent=absent)
    payload = etree.fromstring(etree.tostring(made.write(Document(name="a"), {})))
    found = payload.findall("{urn:list}Url")
    assert [
        (one.text, {etree.QName(name).localname: value for name, value in one.attrib.items()}) for one in found
    ] == written
    assert made.read(payload).value == Document(name="a")  # type: ignore[union-attr]


def test_a_character_that_xml_forbids_is_a_fault_and_no_crash() -> None:
    made = mapping(
        "Document@1",
        {"name": "Ten", "url": "Url"},
        agency="Giay",
        fixed={"A": "officer.id", "B": "unit.id", "C[0]": "unit.code"},
    )
    with pytest.raises(MappingFailed) as caught:
        made.write(Document(name="a"), {"officer.id": "\x00", "unit.id": "\ud800", "unit.code": "\ufffe"})
    assert [(fault.place, fault.rule) for fault in caught.value.faults] == [
        (place, "holds a character that XML does not allow") for place in ("A", "B", "C[0]")
    ]


def test_prefixes_never_matter_and_namespaces_always_do() -> None:
    assert read('<x:Person xmlns:x="urn:list"><x:HoVaTen>A</x:HoVaTen></x:Person>').value == Citizen(full_name="A")
    assert read('<y:Person xmlns:y="urn:other"><y:HoVaTen>A</y:HoVaTen></y:Person>') is None
    assert faults('<Person><y:HoVaTen xmlns:y="urn:other">A</y:HoVaTen></Person>') == [("HoVaTen", "is missing")]


def test_an_empty_collection_means_not_found_and_another_root_is_broken() -> None:
    assert read("<!-- nobody -->") is None
    with pytest.raises(MappingFailed, match="List: is missing: the reply has another root element"):
        PLAIN.read(etree.fromstring("<Other/>"))
    deep = mapping("Document@1", {"name": "Ten"}, agency="{urn:list}List/Tra/Giay")
    assert read("<Tra/>", deep) is None
    assert faults("<Nothing/>", deep) == [("List/Tra", "is missing")]


def test_one_thing_of_which_there_are_two_is_not_guessed_at() -> None:
    person = "<Person><HoVaTen>A</HoVaTen></Person>"
    assert faults(person * 2) == [("List/Person", "stands more than once")]
    assert faults("<Person><HoVaTen>A</HoVaTen><HoVaTen>B</HoVaTen></Person>") == [("HoVaTen", "stands more than once")]
    assert faults(
        "<Person><HoVaTen>A</HoVaTen><ThuongTru><MaXa>1</MaXa></ThuongTru><ThuongTru><MaXa>1</MaXa></ThuongTru></Person>"
    )[0] == (
        "ThuongTru",
        "stands more than once",
    )


def test_comments_and_sections_do_not_cut_a_text() -> None:
    assert (
        read("<Person><HoVaTen>TRẦN<!-- x --> THỊ<?y?><![CDATA[ KHÔNG]]></HoVaTen></Person>").value.full_name
        == "TRẦN THỊ KHÔNG"
    )


def test_a_group_where_a_text_is_expected_is_a_fault() -> None:
    assert ("HoVaTen", "is a group where a value is expected") in faults(
        "<Person><HoVaTen><Ten>A</Ten></HoVaTen></Person>"
    )


def test_names_in_other_letter_case_are_read_unless_the_exact_one_is_there() -> None:
    reading = read("<person><hovaten>A</hovaten><SODINHDANH/><thuongtru><maxa>22366</maxa></thuongtru></person>")
    assert reading.value == Citizen(full_name="A", permanent_address=Address(commune="22366"))
    assert reading.fallbacks == ("List/Person", "HoVaTen", "SoDinhDanh", "ThuongTru", "ThuongTru/MaXa")
    assert read("<Person><HOVATEN>B</HOVATEN><HoVaTen>A</HoVaTen></Person>").value.full_name == "A"


def test_an_empty_group_is_nothing_and_unknown_elements_are_passed_by() -> None:
    assert read(
        "<Person><HoVaTen>A</HoVaTen><ThuongTru> <MaXa/> </ThuongTru><New><HoVaTen>B</HoVaTen></New></Person>"
    ).value == Citizen(full_name="A")


def test_lists_of_elements_are_written_and_read_in_order() -> None:
    made = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "DS/Giay[]", "map": "paper"}},
        agency="{urn:list}BoSung",
        nested={"paper": mapping("SupplementPaper@1", {"name": "Ten"}, agency="", fixed={"CanBo": "officer.account"})},
    )
    value = made.canonical.model_validate({"id": "1", "papers": [{"name": "a"}, {"name": "b"}]})
    written = made.write(value, {"officer.account": "x"})
    assert [one.text for one in written.iter("{urn:list}Ten")] == ["a", "b"]
    assert [one.tag for one in written.iter("{urn:list}DS", "{urn:list}Giay")] == [
        "{urn:list}DS",
        "{urn:list}Giay",
        "{urn:list}Giay",
    ]
    assert made.read(written).value == value  # type: ignore[union-attr]
    assert made.write(made.canonical.model_validate({"id": "1"}), {"officer.account": "x"}).find("{urn:list}DS") is None


@pytest.mark.parametrize(
    "empty", ["<Giay/>", "<Giay> </Giay>", '<Giay xsi:nil="true"/>', "<Giay><!-- x --> </Giay>", "<giay/>"]
)
def test_an_element_of_a_list_with_nothing_in_it_is_passed_over_and_told(empty: str) -> None:
    made = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "Giay[]", "map": "paper"}},
        agency="{urn:list}BoSung",
        nested={"paper": mapping("SupplementPaper@1", {"name": ""}, agency="")},
    )
    head = '<BoSung xmlns="urn:list" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Id>1</Id>'
    papers = f"{empty}<Giay>a</Giay>{empty}<Giay>b</Giay>" if empty != "<giay/>" else empty * 2
    reading = made.read(etree.fromstring(f"{head}{papers}</BoSung>"))
    assert reading is not None
    assert [paper.name for paper in reading.value.papers] == (["a", "b"] if "G" in empty else [])  # type: ignore[attr-defined]
    assert "Giay[]" in reading.fallbacks


@pytest.mark.parametrize("item", ["<Giay><Khac>x</Khac></Giay>", "<Giay>x</Giay>", "<Giay><Ten/></Giay>"])
def test_an_element_of_a_list_that_says_something_else_is_not_passed_over(item: str) -> None:
    made = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "Giay[]", "map": "paper"}},
        agency="{urn:list}BoSung",
        nested={"paper": mapping("SupplementPaper@1", {"name": "Ten"}, agency="")},
    )
    with pytest.raises(MappingFailed):
        made.read(etree.fromstring(f'<BoSung xmlns="urn:list"><Id>1</Id>{item}</BoSung>'))


def test_masking_hides_texts_attributes_and_what_no_line_knows() -> None:
    tree = etree.fromstring(
        '<List xmlns="urn:list"><Person id="PRIVATE"><HoVaTen>PRIVATE</HoVaTen>PRIVATE<!-- PRIVATE --><New>PRIVATE</New></Person></List>'
    )
    masked = etree.tostring(PLAIN.masked(tree), encoding="unicode")
    assert "PRIVATE" not in masked
    assert "•••" in masked
    assert b"PRIVATE" in etree.tostring(tree)


def test_a_mapping_without_root_works_only_inside_others() -> None:
    with pytest.raises(MappingFailed, match="names no root"):
        ADDRESS.write(Address(province="56"), {})
    with pytest.raises(MappingFailed, match="names no root"):
        ADDRESS.read(etree.fromstring("<a/>"))
