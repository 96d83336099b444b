"""Addresses of before and after 1 July 2025: kept as they came, told as the agency has them, and never guessed."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.kit.registry import find_connectors, load_connector, shared_tables
from mappings.addresses import AddressAt, Addresses, Told
from mappings.canonical import Address, BusinessAddress, Dossier
from mappings.canonical.land import LandMatter
from mappings.codes import CodeRow, CodeTable
from mappings.errors import MappingFailed

BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)
PROVINCES = CodeTable(
    "provinces",
    [CodeRow("97", "97", valid_to=BEFORE, succeeded_by="98", vi="Tỉnh Cũ"), CodeRow("98", "98", vi="Tỉnh Mới")],
)
COMMUNES = CodeTable(
    "communes",
    [
        CodeRow("99001", "97.901.99001", valid_to=BEFORE, succeeded_by="99002", vi="Xã Một"),
        CodeRow("99002", "98.902.99002", valid_to=BEFORE, succeeded_by="99002", vi="Xã Hai"),
        CodeRow("99002", "98.99002", valid_from=AFTER, vi="Phường Hai"),
        CodeRow("99003", "97.901.99003", valid_to=BEFORE, succeeded_by="99003 99004", vi="Xã Ba"),
        CodeRow("99003", "98.99003", valid_from=AFTER, vi="Xã Ba Mới"),
        CodeRow("99004", "98.99004", valid_from=AFTER, vi="Xã Bốn"),
    ],
)
TABLES = {"provinces": PROVINCES, "communes": COMMUNES}
HERE = [AddressAt((), commune=True, district=True)]


class Place(BaseModel):
    at: Address | None


class Household(BaseModel):
    places: tuple[Place, ...]
    home: Address


def two(value: Any, **about: Any) -> Any:
    return Told(Addresses("two_level", TABLES, **about), HERE).value(value)


def three(value: Any) -> Any:
    return Told(Addresses("three_level", TABLES), HERE).value(value)


def refusal(levels: Any, address: Address) -> str:
    told = Told(Addresses(levels, TABLES), HERE)
    with pytest.raises(MappingFailed) as refused:
        told.value(address)
    assert "990" not in str(refused.value), "a value of a person is told"
    return str(refused.value)


def old(commune: str, district: str | None = "901", province: str = "97") -> Address:
    return Address(province=province, old_district=district, commune=commune, detail="Số 0")


def test_an_agency_without_districts_is_told_what_took_the_place_of_an_old_address() -> None:
    assert two(old("99001")) == Address(province="98", commune="99002", detail="Số 0")
    assert two(old("99001", district=None)) == Address(province="98", commune="99002", detail="Số 0")
    assert two(old("99002", "902", "98")) == Address(province="98", commune="99002", detail="Số 0")


def test_an_address_of_today_is_told_as_it_is() -> None:
    now = Address(province="98", commune="99002", country="VN")
    assert two(now) is now
    assert three(old("99001")) == old("99001")
    assert two(Address(detail="Số 0")) == three(Address(detail="Số 0")) == Address(detail="Số 0")


def test_an_old_code_is_told_until_its_last_day() -> None:
    assert two(old("99001", None), today=lambda: BEFORE).commune == "99001"
    assert two(old("99001", None), today=lambda: AFTER).commune == "99002"


def test_a_code_that_was_given_anew_means_with_a_district_what_it_meant_then() -> None:
    assert "no single commune took its place" in refusal("two_level", old("99003"))
    assert two(Address(province="98", commune="99003")) == Address(province="98", commune="99003")


def test_what_became_of_a_commune_that_no_table_has_is_not_guessed() -> None:
    says = refusal("two_level", old("99009"))
    assert says.startswith("commune: is not in code table `communes`")
    assert says.endswith("give the commune of today, without a district")
    stranger = Address(province="96", commune="99009")
    assert two(stranger) is stranger


def test_an_agency_with_districts_is_told_the_district_where_it_is_sure() -> None:
    assert three(Address(province="98", commune="99004")) == Address(province="97", old_district="901", commune="99003")
    assert three(old("99001", None, "98")) == old("99001")


@pytest.mark.parametrize(("commune", "why"), [("99002", "stands for several old ones"), ("99009", "does not have it")])
def test_an_agency_with_districts_is_told_none_that_was_guessed(commune: str, why: str) -> None:
    says = refusal("three_level", Address(province="98", commune=commune))
    assert why in says
    assert says.endswith("give the old district, with the old commune")


def test_a_name_beside_a_code_goes_with_it() -> None:
    seat = BusinessAddress(
        province="97", province_name="Tỉnh Cũ", old_district="901", old_district_name="Huyện Cũ", commune="99001",
        commune_name="Xã Một",
    )  # fmt: skip
    now = BusinessAddress(province="98", province_name="Tỉnh Mới", commune="99002", commune_name="Phường Hai")
    assert two(seat) == now
    assert three(BusinessAddress(commune="99004", commune_name="Xã Bốn")).commune_name == "Xã Ba"


def test_every_address_of_a_value_is_told_and_every_fault_of_it_found_with_its_place() -> None:
    places = AddressAt(("at",), commune=True, district=False).inside(("places",), each=True)
    told = Told(Addresses("two_level", TABLES), [places, AddressAt(("home",), commune=True, district=False)])
    value = Household(places=(Place(at=old("99001")), Place(at=None), Place(at=old("99003"))), home=old("99009"))
    assert [loc for loc, _ in told.untold(value)] == [("places", 2, "at", "commune"), ("home", "commune")]
    good = Household(places=(Place(at=old("99001")),), home=old("99002"))
    new = Address(province="98", commune="99002", detail="Số 0")
    assert told.value(good) == Household(places=(Place(at=new),), home=new)


def test_a_land_dossier_goes_out_with_todays_codes_and_its_faults_have_pointers() -> None:
    operation = load_connector(find_connectors()["land_vbdlis"]).operations["file_dossier"]
    sources = {"officer.account": "000080000099"}

    def filed(province: str, district: str, commune: str) -> Dossier:
        location = Address(province=province, old_district=district, commune=commune)
        dossier: Dossier = Dossier.model_construct(land=LandMatter(location=location))
        return dossier

    assert operation.untold(filed("58", "586", "22855")) == []
    ((pointer, says),) = operation.untold(filed("56", "570", "22435"))
    assert pointer == "/land/location/commune"
    assert "no single commune took its place" in says
    assert operation.sends is not None
    assert sources.keys() >= operation.sends.sources


def test_the_shared_tables_lead_every_old_province_to_one_of_today() -> None:
    provinces = shared_tables()["provinces"]
    old_ones = [row for row in provinces.rows if row.valid_on(date(2024, 12, 31))]
    new = {row.ours for row in provinces.rows if row.valid_on(AFTER)}
    led = {str(getattr(provinces.successor(row, AFTER), "ours", None)) for row in old_ones}
    assert (len(old_ones), len(new)) == (63, 34)
    assert led == new


def test_the_shared_table_knows_what_became_of_every_commune_of_the_province() -> None:
    communes = shared_tables()["communes"].rows
    old_ones = [row for row in communes if row.valid_on(BEFORE)]
    new = {row.ours for row in communes if row.valid_on(AFTER)}
    assert len(new) == 65
    assert {successor for row in old_ones for successor in row.successors} == new
    assert all(row.theirs.startswith(("56.", "58.")) and row.theirs.endswith(row.ours) for row in communes)


def test_a_commune_of_a_province_that_no_table_has_is_told_with_no_other_province() -> None:
    tables = {"provinces": CodeTable("provinces", [PROVINCES.rows[1]]), "communes": CodeTable("communes", [
        CodeRow("99001", "97.901.99001", valid_to=BEFORE, succeeded_by="99005"),
        CodeRow("99005", "98.99005", valid_from=AFTER),
    ])}  # fmt: skip
    with pytest.raises(MappingFailed, match="province: code table `provinces` does not have"):
        Told(Addresses("three_level", tables), HERE).value(Address(province="98", commune="99005"))
