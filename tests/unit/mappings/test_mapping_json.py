"""A mapping over JSON: what is written, what is read, what is refused and in which words."""

from typing import Any

import pytest

from mappings.canonical import CANONICAL, MASK
from mappings.canonical.citizen import Citizen, CitizenQuery, Relative
from mappings.canonical.dossier_parts import Document, Fee
from mappings.canonical.partial_date import PartialDate
from mappings.codes import CodeRow, CodeTable
from mappings.engine import Mapping, compile_mapping
from mappings.errors import Fault, FilesRefused, MappingFailed
from mappings.language import MappingFile
from mappings.slots import Notes
from mappings.values import converter

SEX = CodeTable("sex", [CodeRow("male", "1"), CodeRow("female", "2")])


def mapping(
    model: str, fields: dict[str, Any], agency: str = "", nested: dict[str, Mapping] | None = None, **rest: Any
) -> Mapping:
    file = MappingFile.model_validate({"canonical": model, "agency": agency, "fields": fields, **rest})
    return compile_mapping(
        file, name="m", form="json", canonical=CANONICAL, converters=converter, codes={"sex": SEX}, nested=nested or {}
    )


def faults(read: Any, *given: Any) -> list[tuple[str, str]]:
    with pytest.raises(MappingFailed) as caught:
        read(*given)
    return [(fault.place, fault.rule) for fault in caught.value.faults]


FEE = mapping("Fee@1", {"name": "Ten", "amount": {"at": "Gia", "as": "amount"}, "code": "Ma"})
CITIZEN = mapping(
    "Citizen@1",
    {
        "full_name": "HoVaTen",
        "citizen_id": "SoDinhDanh",
        "sex": {"at": "GioiTinh", "codes": "sex"},
        "born_on": {"at": ["Sinh/Ngay", "Sinh/Nam"], "as": ["date yyyyMMdd", "year"]},
        "household_book": {"at": "So", "also": "SoKhac"},
    },
    agency="result[0]",
)


def citizen(**places: Any) -> Any:
    reading = CITIZEN.read({"result": [{"HoVaTen": "TRẦN THỊ KHÔNG", **places}]})
    return reading and reading.value


@pytest.mark.parametrize(
    ("absent", "written"),
    [
        ("omitted", {"Ten": "Phí"}),
        ("", {"Ten": "Phí", "Ma": "", "Loai": ""}),
        ("null", {"Ten": "Phí", "Ma": None, "Loai": None}),
    ],
)
def test_nothing_is_written_as_the_file_says_and_always_read_as_nothing(absent: str, written: dict[str, Any]) -> None:
    fees = mapping(
        "Fee@1", {"name": "Ten", "code": "Ma", "kind": "Loai", "amount": {"at": "Gia", "as": "amount"}}, absent=absent
    )
    fee = Fee(name="Phí", amount=0)
    assert fees.write(fee, {}) == {**written, "Gia": "0"}
    for nothing in ({}, {"Ma": None}, {"Ma": ""}, {"Ma": "  "}):
        reading = fees.read({"Ten": "Phí", "Gia": 0, **nothing})
        assert reading is not None
        assert reading.value == fee


def test_text_is_read_in_nfc_and_trimmed() -> None:
    assert citizen(HoVaTen="  TRA\u0302\u0300N ") == Citizen(full_name="TR\u1ea6N")


def test_a_number_is_read_where_text_is_meant_but_nothing_else_is() -> None:
    assert citizen(GioiTinh=2, So=123) == Citizen(full_name="TRẦN THỊ KHÔNG", sex="female", household_book="123")
    assert faults(lambda: citizen(So=True)) == [("So", "is no text")]
    assert faults(lambda: citizen(So=["x"])) == [("So", "is no text")]
    assert faults(lambda: citizen(GioiTinh={"a": 1})) == [("GioiTinh", "is a group or list where a value is expected")]


def test_the_first_alternative_that_fits_is_written() -> None:
    query = mapping(
        "CitizenQuery@1",
        {"full_name": "Ten", "citizen_id": "So", "born_on": {"at": ["Ngay", "Nam"], "as": ["date yyyyMMdd", "year"]}},
    )

    def written(born: PartialDate) -> dict[str, Any]:
        return query.write(CitizenQuery(full_name="A", citizen_id="000180000011", born_on=born), {})

    assert written(PartialDate(1980, 5, 17)) == {"Ten": "A", "So": "000180000011", "Ngay": "19800517"}
    assert written(PartialDate(1980, 5)) == {"Ten": "A", "So": "000180000011", "Nam": "1980"}


@pytest.mark.parametrize(
    ("places", "born"),
    [
        ({"Ngay": "19800517"}, PartialDate(1980, 5, 17)),
        ({"Ngay": "19800517", "Nam": "1980"}, PartialDate(1980, 5, 17)),
        ({"Ngay": "19800000", "Nam": "1980"}, PartialDate(1980)),
        ({"Ngay": "", "Nam": 1980}, PartialDate(1980)),
        ({"Ngay": None}, None),
    ],
)
def test_the_first_alternative_that_fits_is_read(places: dict[str, Any], born: PartialDate | None) -> None:
    assert citizen(Sinh=places).born_on == born


def test_alternatives_that_contradict_are_refused() -> None:
    assert faults(lambda: citizen(Sinh={"Ngay": "19800517", "Nam": "1981"})) == [
        ("Sinh/Nam", "contradicts `Sinh/Ngay`")
    ]


def test_alternatives_of_which_none_fits_are_refused_at_the_first() -> None:
    assert faults(lambda: citizen(Sinh={"Ngay": "19800000"})) == [("Sinh/Ngay", "no such day, written as yyyyMMdd")]


def test_further_places_of_a_value_are_written_and_must_agree() -> None:
    written = CITIZEN.write(Citizen(full_name="A", household_book="7"), {})
    assert written == {"result": [{"HoVaTen": "A", "So": "7", "SoKhac": "7"}]}
    assert citizen(SoKhac="7").household_book == "7"
    assert faults(lambda: citizen(So="7", SoKhac="8")) == [("SoKhac", "contradicts `So`")]


def test_a_code_that_nobody_knows_is_never_passed_through() -> None:
    assert faults(lambda: citizen(GioiTinh="9")) == [("GioiTinh", "is not an agency code in code table `sex`")]
    assert faults(CITIZEN.write, Citizen(full_name="A", sex="other"), {}) == [
        ("GioiTinh", "is not a code of ours in code table `sex`")
    ]


def test_all_faults_come_at_once_with_the_agencys_places_and_no_value() -> None:
    found = faults(lambda: citizen(HoVaTen="", SoDinhDanh="PRIVATE", GioiTinh="PRIVATE", Sinh={"Nam": "PRIVATE"}))
    assert [place for place, _ in found] == ["GioiTinh", "Sinh/Nam", "SoDinhDanh", "HoVaTen"]
    assert found[-1] == ("HoVaTen", "is missing")
    assert "PRIVATE" not in str(found)


def test_a_value_that_did_not_fit_is_not_reported_as_missing_too() -> None:
    fees = mapping("Fee@1", {"name": "Ten", "amount": {"at": "Gia", "as": "amount"}})
    assert faults(fees.read, {"Ten": "Phí", "Gia": "50.000"}) == [
        ("Gia", "an amount in whole đồng is needed, without separators")
    ]


def test_a_needed_field_without_a_line_is_named_as_ours() -> None:
    assert faults(mapping("Fee@1", {"name": "Ten"}).read, {"Ten": "x"}) == [
        ("the payload", "our `amount` is needed, and no line gives it")
    ]


@pytest.mark.parametrize("reply", [{"result": []}, {"result": [None]}])
def test_an_empty_collection_means_not_found(reply: Any) -> None:
    assert CITIZEN.read(reply) is None


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ({}, ("result", "is missing")),
        ({"result": None}, ("result", "is missing")),
        ({"result": {}}, ("result", "is not a list")),
        ([], ("result", "is not a group of places")),
        ({"result": ["x"]}, ("result", "is not a group of places")),
    ],
)
def test_a_missing_parent_is_drift_and_not_absence(reply: Any, fault: tuple[str, str]) -> None:
    assert faults(CITIZEN.read, reply) == [fault]


def test_lists_are_mapped_item_by_item_with_the_number_in_each_fault() -> None:
    way = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "Giay[]", "map": "paper"}, "fees[]": {"at": "Phi/Muc[]", "map": "fee"}},
        nested={"fee": FEE, "paper": mapping("SupplementPaper@1", {"name": "Ten"})},
    )
    reading = way.read({"Id": "1", "Giay": [], "Phi": {"Muc": [{"Ten": "a", "Gia": "1"}, {"Ten": "b", "Gia": 2}]}})
    assert reading is not None
    assert [fee.amount for fee in reading.value.fees] == [1, 2]
    assert faults(
        way.read, {"Id": "1", "Giay": {}, "Phi": {"Muc": [{"Ten": "a", "Gia": "1"}, {"Ten": "x" * 501, "Gia": "?"}, 5]}}
    ) == [
        ("Giay[]", "is not a list"),
        ("Phi/Muc[1]/Gia", "an amount in whole đồng is needed, without separators"),
        ("Phi/Muc[2]", "is not a group of places"),
        ("Phi/Muc[1]/Ten", "String should have at most 500 characters"),
    ]


def test_an_item_with_nothing_in_it_is_passed_over_and_told_once_of_the_list() -> None:
    way = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "Giay[]", "map": "paper"}, "fees[]": {"at": "Phi/Muc[]", "map": "fee"}},
        nested={"fee": FEE, "paper": mapping("SupplementPaper@1", {"name": "Ten"})},
    )
    fee = {"Ten": "a", "Gia": "1"}
    reading = way.read({"Id": "1", "Giay": [{}, None], "Phi": {"Muc": [None, fee, "", " ", {}, fee]}})
    assert reading is not None
    assert (len(reading.value.papers), [fee.amount for fee in reading.value.fees]) == (0, [1, 1])  # type: ignore[attr-defined]
    assert sorted(reading.fallbacks) == ["Giay[]", "Phi/Muc[]"]
    full = way.read({"Id": "1", "Giay": [], "Phi": {"Muc": [fee]}})
    assert full is not None
    assert full.fallbacks == ()


@pytest.mark.parametrize("item", [{"Khac": "x"}, {"Ten": ""}, 0, False, []])
def test_an_item_that_says_something_else_is_not_passed_over(item: Any) -> None:
    """An agency that renamed its fields must not look like one that has nothing to say."""
    way = mapping("Supplement@1", {"id": "Id", "fees[]": {"at": "Muc[]", "map": "fee"}}, nested={"fee": FEE})
    assert faults(way.read, {"Id": "1", "Muc": [None, item]})


def test_an_item_that_may_have_nothing_in_it_is_kept() -> None:
    """`Components` needs nothing, so one that is empty says that there is one."""
    part = mapping("Components@1", {"case": "TruongHop"}, agency="")
    way = mapping("Procedure@1", {"components[]": {"at": "HoSo[]", "map": "part"}}, nested={"part": part})
    notes = Notes()
    assert way.gather({"HoSo": [{}, None, {"TruongHop": "a"}]}, notes) == {"components": ({}, {"case": "a"})}
    assert (notes.faults, notes.fallbacks) == ([], ["HoSo[]"])


def test_a_plain_item_with_nothing_in_it_is_passed_over() -> None:
    way = mapping("ReceiptNumbers@1", {"numbers[]": "So[]"})
    reading = way.read({"So": ["1", None, "  ", "2"]})
    assert reading is not None
    assert (reading.value.numbers, reading.fallbacks) == (("1", "2"), ("So[]",))  # type: ignore[attr-defined]


def test_faults_of_writing_inside_a_list_say_which_item() -> None:
    outer = mapping(
        "Supplement@1",
        {"id": "Id", "papers[]": {"at": "Giay[]", "map": "paper"}},
        nested={
            "paper": mapping("SupplementPaper@1", {"name": "Ten", "url": "Url"}, fixed={"CanBo": "officer.account"})
        },
    )
    supplement = outer.canonical.model_validate({"id": "1", "papers": [{"name": "a"}, {"name": "b"}]})
    assert outer.sources == {"officer.account"}
    assert faults(outer.write, supplement, {}) == [
        ("Giay[0]/CanBo", "source `officer.account` is not given"),
        ("Giay[1]/CanBo", "source `officer.account` is not given"),
    ]


def test_a_source_that_is_not_given_is_a_fault_named_by_source() -> None:
    made = mapping(
        "Document@1",
        {"name": "Ten"},
        fixed={"A": "settings.x", "B": {"from": "exchange.id", "as": "digits"}, "C": "=1"},
    )
    assert made.sources == {"settings.x", "exchange.id"}
    assert faults(made.write, Document(name="a"), {"settings.x": None, "exchange.id": "no uuid"}) == [
        ("A", "source `settings.x` is not given"),
        ("B", "source `exchange.id`: a UUID is needed"),
    ]
    assert made.read({"Ten": "a", "A": ["anything"], "C": "2"}) is not None


def test_fixed_values_alone_do_not_call_a_group_into_being() -> None:
    made = mapping("Document@1", {"name": "Ten", "url": "Tep[0]/Url"}, fixed={"Tep[0]/Loai": "=1", "Dau/Ban": "=2"})
    assert made.write(Document(name="a"), {}) == {"Ten": "a", "Dau": {"Ban": "2"}}
    assert made.write(Document(name="a", url="u"), {}) == {
        "Ten": "a",
        "Tep": [{"Url": "u", "Loai": "1"}],
        "Dau": {"Ban": "2"},
    }


def test_numbered_places_keep_their_numbers() -> None:
    made = mapping("Document@1", {"name": "Ten", "url": "Tep[0]", "id": "Tep[1]"})
    document = Document(name="a", id="7")
    assert made.write(document, {}) == {"Ten": "a", "Tep": [None, "7"]}
    assert made.read(made.write(document, {})).value == document  # type: ignore[union-attr]
    assert faults(made.read, {"Ten": "a", "Tep": "7"}) == [("Tep", "is not a list")]


def test_an_exact_name_counts_before_the_same_in_other_letter_case() -> None:
    reading = FEE.read({"TEN": "other", "Ten": "exact", "gia": 1, "x": 2})
    assert reading is not None
    assert (reading.value.name, reading.fallbacks) == ("exact", ("Gia",))  # type: ignore[attr-defined]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_field_may_have_its_own_line_beside_one_that_chooses_whatever_their_order(turn: int) -> None:
    lines = [("citizen_id", "So"), ("citizen_id | old_id", "GiayTo"), ("full_name", "Ten")][::turn]
    made = mapping("Citizen@1", dict(lines))
    both = Citizen(full_name="A", citizen_id="000180000011")
    assert made.write(both, {}) == {"Ten": "A", "So": "000180000011", "GiayTo": "000180000011"}
    assert made.read(made.write(both, {})).value == both  # type: ignore[union-attr]
    old = Citizen(full_name="A", old_id="000000011")
    assert made.read(made.write(old, {})).value == old  # type: ignore[union-attr]
    assert faults(made.read, {"Ten": "A", "So": "000180000011", "GiayTo": "000180000022"})[0][0] == "GiayTo"


def test_parts_are_converted_as_one_text_and_must_agree_with_further_places() -> None:
    made = mapping("Citizen@1", {"full_name": {"parts": ["Ho", "Ten"], "as": "no accents", "also": "HoTen"}})
    assert made.write(Citizen(full_name="Trần Đá"), {}) == {"Ten": "Tran Da", "HoTen": "Tran Da"}
    joined = mapping(
        "CitizenQuery@1", {"full_name": "N", "citizen_id": "S", "born_on": {"parts": ["Nam", "Thang"], "as": "year"}}
    )
    assert faults(joined.read, {"N": "A", "S": "000180000011", "Nam": "1980", "Thang": "05"}) == [
        ("Thang", "text is not written as yyyy")
    ]
    assert made.read({"Ho": "Tran", "Ten": "Da", "HoTen": "Tran Da"}).value == Citizen(full_name="Tran Da")  # type: ignore[union-attr]
    assert made.read({"HoTen": "Tran Da"}).value == Citizen(full_name="Tran Da")  # type: ignore[union-attr]
    assert faults(made.read, {"Ho": "Tran", "Ten": "Da", "HoTen": "Tran"}) == [("HoTen", "contradicts `Ten`")]


def test_a_write_only_converter_is_written_and_never_read() -> None:
    made = mapping("Document@1", {"name": "Ten", "url": {"at": "Bam", "as": "sha256"}})
    assert made.write(Document(name="a", url="a"), {})["Bam"].startswith("ca978112")
    assert made.read({"Ten": "a", "Bam": "ca978112"}).value == Document(name="a")  # type: ignore[union-attr]


def test_what_the_mapping_covers_is_known_with_nested_places() -> None:
    outer = mapping(
        "Supplement@1",
        {"id": "Id", "fees[]": {"at": "Phi[]", "map": "fee"}},
        nested={"fee": FEE},
        dropped={"GhiChu/*": "nobody reads it"},
        withheld={"papers[]": "none here"},
    )
    assert outer.ours == {"id", "fees[]", "fees[].name", "fees[].amount", "fees[].code", "papers[]"}
    assert outer.theirs == {"Id", "Phi[]", "Phi[]/Ten", "Phi[]/Gia", "Phi[]/Ma", "GhiChu/*"}


def test_a_mapping_writes_its_own_model_only() -> None:
    with pytest.raises(TypeError, match=r"writes Fee@1, not Document"):
        FEE.write(Document(name="a"), {})


def test_masking_hides_what_no_line_knows() -> None:
    reply = {"result": [{"HoVaTen": "A", "GHICHU": "secret", "Sinh": {"Nam": 1980}, "x": None}], "note": "y"}
    assert CITIZEN.masked(reply) == {
        "result": [{"HoVaTen": "•••", "GHICHU": "•••", "Sinh": {"Nam": "•••"}, "x": None}],
        "note": "•••",
    }
    assert FEE.masked({"Ten": "Phí", "ma": 1}) == {"Ten": "Phí", "ma": 1}


def test_a_fault_reads_as_place_and_rule() -> None:
    assert str(Fault("A/B", "is missing")) == "A/B: is missing"


def test_the_empty_place_is_the_whole_payload() -> None:
    """An answer may be one JSON text, with no name to it."""
    whole = mapping("ConsultedDatabase@1", {"code": ""})
    made = whole.write(CANONICAL["ConsultedDatabase@1"](code="7"), {})
    reading = whole.read(made)
    assert made == "7"
    assert reading is not None
    assert reading.value == CANONICAL["ConsultedDatabase@1"](code="7")
    assert [rule for _, rule in faults(whole.read, {"code": "7"})] == ["is no text"]


@pytest.mark.parametrize("fields", [{"name": "", "amount": "Gia"}, {"amount": "Gia", "name": ""}])
def test_the_empty_place_leaves_room_for_no_other(fields: dict[str, str]) -> None:
    with pytest.raises(FilesRefused) as refused:
        mapping("Fee@1", fields)
    told = " ".join(fault.says for fault in refused.value.faults)
    assert "another line takes whole" in told or "has other lines inside it" in told


MEANS = CodeTable("means", [CodeRow("processing", "KS", "read"), CodeRow("finished", "HT", "read")])
STEP = {"handler": "Nguoi", "processed_at": {"at": "Luc", "as": "moment iso"}, "dossier": "Ma"}


def second_reading(**lines: Any) -> Mapping:
    file = MappingFile.model_validate(
        {"canonical": "ProcessingStep@1", "agency": "", "fields": {**lines, **STEP}, "withheld": {}}
    )
    return compile_mapping(
        file, name="m", form="json", canonical=CANONICAL, converters=converter, codes={"means": MEANS}, nested={}
    )


@pytest.mark.parametrize("first", ["position", "status"])
def test_a_table_for_reading_alone_says_what_another_lines_value_means(first: str) -> None:
    lines = {"position": "Buoc", "status": {"at": "Buoc", "codes": "means"}}
    both = second_reading(**{first: lines[first]}, **{key: line for key, line in lines.items() if key != first})
    theirs = {"Ma": "HS-1", "Nguoi": "Lê Cán Bộ", "Luc": "2026-03-16T10:00:00+07:00", "Buoc": "KS"}
    reading = both.read(theirs)
    assert reading is not None
    assert (reading.value.position, reading.value.status) == ("KS", "processing")  # type: ignore[attr-defined]
    assert both.write(reading.value, {}) == theirs
    assert faults(both.read, {**theirs, "Buoc": "XX"}) == [
        ("Buoc", "is not an agency code in code table `means`"),
    ]


def test_two_lines_that_write_do_not_share_a_place() -> None:
    with pytest.raises(FilesRefused, match="one place, one line"):
        second_reading(position="Buoc", unit="Buoc", status={"at": "TrangThai", "codes": "means"})


IN_TEXT = mapping(
    "Citizen@1",
    {"full_name": "Ten", "father": {"at": "Cha", "as": "json text", "map": "relative"}},
    nested={"relative": mapping("Relative@1", {"full_name": "Nguoi/Ten", "citizen_id": "So"})},
)


def test_a_group_may_stand_in_its_place_as_one_text() -> None:
    text = '{"Nguoi":{"Ten":"TRẦN VĂN \\"KHÔNG\\""},"So":"000055000017"}'
    found = IN_TEXT.read({"Ten": "A", "Cha": text})
    assert found is not None
    assert found.value.father == Relative(full_name='TRẦN VĂN "KHÔNG"', citizen_id="000055000017")  # type: ignore[attr-defined]
    assert IN_TEXT.write(found.value, {}) == {"Ten": "A", "Cha": text}
    assert IN_TEXT.masked({"Ten": "A", "Cha": text}) == {"Ten": MASK, "Cha": MASK}
    for nothing in ({}, {"Cha": None}, {"Cha": ""}, {"Cha": "{}"}):
        assert IN_TEXT.read({"Ten": "A", **nothing}).value.father is None  # type: ignore[union-attr,attr-defined]


def test_a_text_that_holds_no_group_is_told_by_its_place() -> None:
    rule = "a JSON text is needed"
    assert faults(IN_TEXT.read, {"Ten": "A", "Cha": "{"}) == [("Cha", rule)]
    assert faults(IN_TEXT.read, {"Ten": "A", "Cha": {"So": "000055000017"}}) == [("Cha", rule)]
    assert faults(IN_TEXT.read, {"Ten": "A", "Cha": "[]"}) == [("Cha", "is not a group of places")]
    assert [place for place, _ in faults(IN_TEXT.read, {"Ten": "A", "Cha": '{"So": "1"}'})] == ["Cha/So"]


@pytest.mark.parametrize("line", [{"as": "md5"}, {"as": ["json text", "trimmed"]}, {"as": "json text", "also": "B"}])
def test_nothing_else_stands_beside_a_mapping(line: dict[str, Any]) -> None:
    with pytest.raises(FilesRefused, match="`map` stands alone"):
        mapping("Citizen@1", {"full_name": "Ten", "father": {"at": "Cha", "map": "relative", **line}})
