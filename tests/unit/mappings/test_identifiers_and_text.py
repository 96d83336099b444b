"""What the identifiers and the comparison of names promise."""

import unicodedata
from datetime import date

import pytest

from mappings import identifiers, text


@pytest.mark.parametrize("good", ["000180000011", "999180000011", " 056080000011 "])
def test_a_citizen_id_is_any_twelve_digits(good: str) -> None:
    """Invented people have province 000 or 999, so an unassigned province is no reason to refuse."""
    assert identifiers.citizen_id(good) == good.strip()


@pytest.mark.parametrize("bad", ["", "12345678901", "1234567890123", "00018000001a", "٠٠٠١٨٠٠٠٠٠١١", "000 180 000 011"])
def test_a_malformed_citizen_id_is_refused_without_being_quoted(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^a citizen id has 12 digits$"):
        identifiers.citizen_id(bad)


def test_a_citizen_id_is_doubted_but_not_refused() -> None:
    assert identifiers.citizen_id_doubts("056180000011", sex="female", birth_year=1980) == ()
    assert identifiers.citizen_id_doubts("056205000011", sex="male", birth_year=2005) == ()
    assert len(identifiers.citizen_id_doubts("999180000011", sex="male", birth_year=1981)) == 3


def test_an_old_id_has_nine_digits() -> None:
    assert identifiers.old_id("000000011") == "000000011"
    with pytest.raises(ValueError, match="9 digits"):
        identifiers.old_id("00000001")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("0100047516", "0100047516"),
        ("01 00.04-7516", "0100047516"),
        ("0100047516-001", "0100047516-001"),
        ("0100047516001", "0100047516-001"),
        ("000180000011", "000180000011"),
    ],
)
def test_a_tax_code_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert identifiers.tax_code(typed) == kept


@pytest.mark.parametrize(
    "bad", ["0100047515", "0000000010", "0100047516-000", "010004751", "0000047513", "", "abcdefghij"]
)
def test_a_tax_code_with_a_wrong_check_digit_or_form_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="a tax code"):
        identifiers.tax_code(bad)


def test_a_dossier_code_is_upper_case_and_otherwise_untouched() -> None:
    assert identifiers.dossier_code(" 000.22.33.h32-251123-0001 ") == "000.22.33.H32-251123-0001"
    for bad in ("", "a b", "x" * 51):
        with pytest.raises(ValueError, match="a dossier code"):
            identifiers.dossier_code(bad)


def test_a_dossier_code_tells_its_agency_day_and_sequence() -> None:
    parts = identifiers.dossier_code_parts("000.22.33.H32-251123-00001")
    assert parts == identifiers.DossierCodeParts("000.22.33.H32", date(2025, 11, 23), "00001")


@pytest.mark.parametrize("opaque", ["G22.99.15-0001", "000.22.33.H32-259923-0001", "HS/2025/17"])
def test_a_dossier_code_of_another_form_is_allowed_and_tells_nothing(opaque: str) -> None:
    assert identifiers.dossier_code_parts(opaque) is None


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("H56.14", "000.00.14.H56"),
        ("H56.14.02.001", "001.02.14.H56"),
        ("H56", "000.00.00.H56"),
        ("H56.14.00.001", "001.00.14.H56"),
    ],
)
def test_agency_codes_convert_both_ways(new: str, old: str) -> None:
    assert identifiers.agency_code_old(new) == old
    assert identifiers.agency_code_new(old) == new
    assert identifiers.agency_code_old(old) == old
    assert identifiers.agency_code_new(new) == new


@pytest.mark.parametrize("only_new", ["H32.AB", "H32.14.05.001.02", "H32.145"])
def test_a_code_that_the_old_form_cannot_hold_is_refused(only_new: str) -> None:
    assert identifiers.agency_code(only_new) == only_new
    with pytest.raises(ValueError, match="no old form"):
        identifiers.agency_code_old(only_new)


@pytest.mark.parametrize("bad", ["", "56.14", "H5", "000.00.H56", "H56.", "H56.1", "H56" + ".14" * 11])
def test_what_is_no_agency_code_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="an agency code"):
        identifiers.agency_code(bad)


def test_a_procedure_code_may_carry_a_local_suffix() -> None:
    for code in ("1.001776", "1.001776.000.00.00.H56", "2.002621.h56"):
        assert identifiers.procedure_code(code) == code.upper()
        assert identifiers.short_procedure_code(code) == code[:8]
    for bad in ("1.00177", "1001776", "", "1.001776-H56"):
        with pytest.raises(ValueError, match="a procedure code"):
            identifiers.procedure_code(bad)


@pytest.mark.parametrize("typed", ["0900000000", "+84900000000", "84 900 000 000", "+84 (0)900.000-000"])
def test_a_phone_number_is_kept_in_national_form(typed: str) -> None:
    assert identifiers.phone(typed) == "0900000000"


@pytest.mark.parametrize("bad", ["", "0", "0100000000", "090000000", "+1 900 000 0000"])
def test_what_is_no_phone_number_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="a phone number"):
        identifiers.phone(bad)


@pytest.mark.parametrize(
    "spelling", ["Nguyễn Văn Hoà", "NGUYỄN  VĂN HÒA", "nguyen-van-hoa", unicodedata.normalize("NFD", "Nguyễn Văn Hoà")]
)
def test_spellings_of_one_name_share_a_comparison_key(spelling: str) -> None:
    assert text.comparison_key(spelling) == "NGUYENVANHOA"


@pytest.mark.parametrize("spelling", ["Đặng", "đặng", "Ðặng", unicodedata.normalize("NFD", "Đặng")])
def test_the_letter_with_a_stroke_compares_in_all_its_code_points(spelling: str) -> None:
    assert text.comparison_key(spelling) == "DANG"


@pytest.mark.parametrize(
    ("late", "early"),
    [
        ("Hoà", "Hòa"),
        ("THUÝ", "THÚY"),
        ("Khoẻ", "Khỏe"),
        ("Quý", "Quý"),
        ("Toàn", "Toàn"),
        ("Nguyễn", "Nguyễn"),
        ("hoạ sĩ", "họa sĩ"),
    ],
)
def test_the_tone_of_an_open_pair_moves_to_the_first_vowel_only(late: str, early: str) -> None:
    assert text.unified_tones(late) == early
    assert text.unified_tones(early) == early


@pytest.mark.parametrize("bad", ["a\x00b", "a\x1bb", "a\ud800b", "a\uffffb"])
def test_characters_that_xml_cannot_hold_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        text.clean(bad)


@pytest.mark.parametrize("code", ["H43", "H43.14", "000.00.14.H43", "h43.14.05"])
def test_a_code_of_a_province_that_ended_is_known_as_one(code: str) -> None:
    assert identifiers.ended_province(code) == ("H32", date(2025, 6, 30))
    assert identifiers.agency_code(code) == code.upper(), "it is read for ever"


@pytest.mark.parametrize("code", ["H32", "000.00.14.H32", "H432", "", "no code", "000.00.43.H32"])
def test_no_other_code_is_taken_for_one(code: str) -> None:
    assert identifiers.ended_province(code) is None
