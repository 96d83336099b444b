"""What a dossier says about land, for the offices that keep the land register. Used by `dossier.py`."""

from typing import Annotated

from mappings.canonical.address import Address
from mappings.canonical.kinds import Code, Line, Many
from mappings.canonical.shape import Canonical, personal, told


class LandPlot(Canonical):
    """A plot of land as the register numbers it (thửa đất)."""

    plot_number: Annotated[Code | None, told("Number of the plot on its map sheet (số thứ tự thửa)", "00")] = None
    sheet_number: Annotated[Code | None, told("Number of the map sheet (số hiệu tờ bản đồ)", "00")] = None
    area: Annotated[Code | None, told("Area in square metres, as written (diện tích)", "120.5")] = None
    address: Annotated[Line | None, personal("Where it lies (địa chỉ chi tiết)", "Số 0, đường Không Tên")] = None


class LandMatter(Canonical):
    """The land side of a dossier (thông tin đất đai)."""

    provincial: Annotated[
        bool | None, told("Whether the procedure is one of the province's level (là quy trình cấp tỉnh)", True)
    ] = None
    location: Annotated[
        Address | None, personal("Where the property is (địa bàn và địa chỉ tài sản)", {"province": "56"})
    ] = None
    plots: Annotated[Many[LandPlot], told("The plots (thông tin thửa đất)")] = ()
