"""
What the post carries between the centre and people: an order, that it was called off, and how the shipment gets on.

A dossier may travel twice, its papers to the centre and its result back, so an order has a number of its own.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import model_validator

from mappings.canonical.address import Address
from mappings.canonical.kinds import Choice, Code, Line, Moment, Money, Name, Phone, Text
from mappings.canonical.shape import Canonical, personal, told


class ShipmentKind(StrEnum):
    """Which way a shipment goes (loại dịch vụ)."""

    COLLECT = "collect"
    """Thu gom hồ sơ: papers from people to the centre."""
    RETURN = "return"
    """Trả kết quả: the result from the centre to people."""


class PostParty(Canonical):
    """Who hands a shipment over, or gets it (người gửi, người nhận)."""

    full_name: Annotated[Name, personal("Name (họ tên)", "Trần Thị Không")]
    phone: Annotated[Phone | None, personal("Phone number (số điện thoại)", "0900000000")] = None
    email: Annotated[Line | None, personal("E-mail address (thư điện tử)", "khong@centre.example")] = None
    address: Annotated[
        Address, personal("Where; the text names the commune too (địa chỉ)", {"province": "38", "detail": "Số 0"})
    ]

    @model_validator(mode="after")
    def _can_be_found(self) -> "PostParty":
        if self.address.province is None or self.address.detail is None:
            raise ValueError("give address.province and address.detail: the post goes by both")
        return self


class PostOrder(Canonical):
    """Asks the post to fetch something and bring it to somebody (yêu cầu bưu gửi)."""

    order_number: Annotated[
        Code,
        told(
            "Number of this order, never used before: the dossier's code, for its second shipment with a suffix (số đơn hàng)",
            "000.00.14.H32-260315-00001-2",
        ),
    ]
    kind: Annotated[Choice[ShipmentKind], told("Which way it goes (loại dịch vụ)", "return")]
    cod_amount: Annotated[Money, told("What the receiver pays at the door, in whole đồng (tiền thu hộ)", 50000)] = 0
    sender: Annotated[PostParty, told("Who hands it over (người gửi)")]
    receiver: Annotated[PostParty, told("Who gets it (người nhận)")]
    sender_note: Annotated[
        Text | None, personal("What the sender says to the post (ghi chú người gửi)", "Gọi trước khi đến")
    ] = None
    description: Annotated[
        Text | None, personal("What is in it (nội dung bưu gửi)", "Kết quả giải quyết hồ sơ thử nghiệm")
    ] = None


class CodedPostOrder(PostOrder):
    """The same, with a tracking number that the post gave out beforehand (yêu cầu bưu gửi có mã)."""

    item_code: Annotated[Code, told("Tracking number (số hiệu bưu gửi)", "EA000000000VN")]


class PostCancellation(Canonical):
    """Calls an order off (huỷ yêu cầu bưu gửi)."""

    order_number: Annotated[Code, told("Number of the order (số đơn hàng)", "000.00.14.H32-260315-00001-2")]


class CollectionState(StrEnum):
    """How far the post has come with fetching a shipment (trạng thái thu gom)."""

    NOT_USED = "not_used"
    """Không dùng."""
    REGISTERED = "registered"
    """Đăng ký."""
    COLLECTING = "collecting"
    """Đang đi gom."""
    HANDED_OVER = "handed_over"
    """Đã giao hồ sơ."""
    CANCELLED = "cancelled"
    """Huỷ gom."""


class ShipmentStep(Canonical):
    """A shipment got on (hành trình bưu gửi)."""

    order_number: Annotated[Code, told("Number of the order (số đơn hàng)", "000.00.14.H32-260315-00001-2")]
    item_code: Annotated[Code | None, told("Tracking number (số hiệu bưu gửi)", "EA000000000VN")] = None
    step: Annotated[Code | None, told("Where it stands, in the post's own code (mã trạng thái)", "BCCI-01")] = None
    step_name: Annotated[Line | None, told("The same in words (tên trạng thái)", "Phát thành công")] = None
    collection: Annotated[
        Choice[CollectionState] | None, told("How far it was fetched (trạng thái thu gom)", "handed_over")
    ] = None
    happened_at: Annotated[Moment, told("When (thời điểm)", "2026-03-20T09:30:00+07:00")]
    office: Annotated[Code | None, told("Post office where it was (mã bưu cục)", "000000")] = None
    note: Annotated[Text | None, personal("What the post says of it (ghi chú)", "Người nhận đã ký nhận")] = None
