"""An address or place in Vietnam, by codes of the General Statistics Office and free text. Used by `citizen.py`."""

from typing import Annotated

from pydantic import BaseModel

from mappings.canonical.kinds import CommuneCode, CountryCode, DistrictCode, Line, ProvinceCode
from mappings.canonical.shape import Canonical, told


class Address(Canonical):
    """
    A place. Since 01/07/2025 there are two levels, province and commune; older data has the district between them.

    Nothing is required: a place abroad has a country and a text, an old record only a text.
    """

    province: Annotated[
        ProvinceCode | None, told("Province, 2 digits, General Statistics Office (mã tỉnh thành)", "56")
    ] = None
    old_district: Annotated[
        DistrictCode | None, told("District before 01/07/2025, 3 digits, in old data only (mã quận huyện)", "568")
    ] = None
    commune: Annotated[CommuneCode | None, told("Commune, 5 digits, unique in the country (mã phường xã)", "22366")] = (
        None
    )
    detail: Annotated[Line | None, told("House, street, hamlet as written (chi tiết)", "Số 0, đường Không Tên")] = None
    country: Annotated[CountryCode | None, told("Country, two or three letters (quốc gia)", "VN")] = None


def is_address(model: type[BaseModel]) -> bool:
    """Whether *model* places something by codes of province, old district and commune, as `Address` does."""
    return {"province", "old_district", "commune"} <= model.model_fields.keys()
