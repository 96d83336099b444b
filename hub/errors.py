"""
Every problem a caller can meet, one class each. The docstring is the text a person sees, so it is written as advice.

HubError
├── RequestInvalid 400 · PurposeMissing 400 · IdempotencyMissing 400
├── AuthMissing 401 · AuthDenied 403
├── OperationUnknown 404 · CallUnknown 404 · FileUnknown 404 · SubscriptionUnknown 404 · MethodNotAllowed 405
├── IdempotencyConflict 409 · CallNotCancellable 409 · CallGone 410 · LinkExpired 410
├── RequestTooLarge 413 · MediaTypeUnsupported 415
├── CallerQuota 429
├── AgencyBroken 502
├── Refusal 503, with `retry_after`
│   ├── LaneFull · LaneWaitTooLong · LaneHeld · LaneOpen
│   └── BacklogFull · StoreUnavailable · HubOverloaded · HubStopping
├── AgencyUnavailable 503
├── CallExpired 504 · CallInDoubt 504
└── Internal 500
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class RequestFault:
    """One fault of a request: where (a JSON pointer into the body, or a header name) and which rule it breaks."""

    pointer: str
    rule: str


class HubError(Exception):
    """The hub could not do what was asked."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    vi: ClassVar[str] = "Trục liên thông không thực hiện được yêu cầu."

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float | None = None,
        faults: Sequence[RequestFault] = (),
        call: str | None = None,
    ) -> None:
        self.detail = detail
        """What this occurrence adds to the docstring; never a personal value."""
        self.retry_after = retry_after
        """Seconds after which asking again makes sense."""
        self.faults = tuple(faults)
        self.call = call
        """Id of the call, when one exists."""

    def __str__(self) -> str:
        return self.detail or self.text()

    def about(self, call: str) -> Self:
        """Return the same problem as *call*'s own: two callers never share one object, nor hear of each other's calls."""
        return type(self)(self.detail, retry_after=self.retry_after, faults=self.faults, call=call)

    @classmethod
    def text(cls) -> str:
        """Return the advice a person reads: the class docstring on one line."""
        return " ".join((cls.__doc__ or "").split())


class RequestInvalid(HubError):
    """The request does not fit the operation. Correct every place listed in `errors` and send it again."""

    code = "request.invalid"
    status = 400
    vi = "Yêu cầu không đúng cấu trúc. Sửa các vị trí nêu trong `errors` rồi gửi lại."


class PurposeMissing(HubError):
    """This operation touches personal data. Name the officer and the dossier or intake number in `Hub-Purpose`."""

    code = "purpose.missing"
    status = 400
    vi = "Nghiệp vụ này truy cập dữ liệu cá nhân. Ghi cán bộ và mã hồ sơ hoặc số tiếp nhận trong `Hub-Purpose`."


class IdempotencyMissing(HubError):
    """A filing needs an `Idempotency-Key`, so that sending it twice files it once."""

    code = "idempotency.missing"
    status = 400
    vi = "Yêu cầu nộp cần có `Idempotency-Key` để gửi hai lần vẫn chỉ nộp một lần."


class AuthMissing(HubError):
    """Send the caller's key as `Authorization: Bearer <key>`. An operator makes one with `hub callers add`."""

    code = "auth.missing"
    status = 401
    vi = "Gửi khoá của hệ thống gọi trong `Authorization: Bearer <khoá>`."


class AuthDenied(HubError):
    """The key is valid but does not allow this agency, operation or class. Ask an operator to widen it."""

    code = "auth.denied"
    status = 403
    vi = "Khoá hợp lệ nhưng không được phép gọi cơ quan, nghiệp vụ hoặc mức ưu tiên này."


class OperationUnknown(HubError):
    """No such agency or operation. `GET /v1/operations` lists what this hub offers."""

    code = "operation.unknown"
    status = 404
    vi = "Không có cơ quan hoặc nghiệp vụ này. Xem danh sách tại `GET /v1/operations`."


class CallUnknown(HubError):
    """No such call of this caller. A lost ticket is found with `GET /v1/calls?key=`."""

    code = "call.unknown"
    status = 404
    vi = "Không có cuộc gọi này của hệ thống gọi. Tìm lại phiếu bằng `GET /v1/calls?key=`."


class FileUnknown(HubError):
    """No such file of this caller. Hand it in with `POST /v1/files`; what was not used for long is removed."""

    code = "file.unknown"
    status = 404
    vi = "Không có tệp này của hệ thống gọi. Gửi tệp bằng `POST /v1/files`; tệp lâu không dùng sẽ bị xoá."


class LinkExpired(HubError):
    """This link to a file was good for some days, which are over. Ask whoever sent it for the file."""

    code = "link.expired"
    status = 410
    vi = "Đường dẫn tải tệp đã hết hạn. Hãy xin lại tệp từ nơi đã gửi."


class SubscriptionUnknown(HubError):
    """No such subscription of this caller, or no such dead event of it. `GET /v1/subscriptions` lists what there is."""

    code = "subscription.unknown"
    status = 404
    vi = "Không có đăng ký nhận tin này của hệ thống gọi, hoặc không có tin lỗi này. Xem `GET /v1/subscriptions`."


class MethodNotAllowed(HubError):
    """This address exists, but not for this method. The `Allow` header names the methods it takes."""

    code = "method.not_allowed"
    status = 405
    vi = "Địa chỉ này không nhận phương thức đã dùng. Xem tiêu đề `Allow`."


class IdempotencyConflict(HubError):
    """This `Idempotency-Key` was used for another request. Use a new key for a new request."""

    code = "idempotency.conflict"
    status = 409
    vi = "`Idempotency-Key` này đã dùng cho yêu cầu khác. Yêu cầu mới cần khoá mới."


class CallNotCancellable(HubError):
    """The call is no longer queued, so it cannot be taken back. Read its state."""

    code = "call.not_cancellable"
    status = 409
    vi = "Cuộc gọi không còn nằm chờ nên không rút lại được. Hãy xem trạng thái."


class CallGone(HubError):
    """The call's content has passed its retention and was removed."""

    code = "call.gone"
    status = 410
    vi = "Nội dung cuộc gọi đã hết hạn lưu và đã được xoá."


class RequestTooLarge(HubError):
    """The body is larger than this operation takes. Send documents by reference."""

    code = "request.too_large"
    status = 413
    vi = "Nội dung lớn hơn mức nghiệp vụ này nhận. Gửi tài liệu theo tham chiếu."


class MediaTypeUnsupported(HubError):
    """Send the body as `application/json` in UTF-8, a batch as `application/x-ndjson`, and do not compress it."""

    code = "media_type.unsupported"
    status = 415
    vi = "Gửi nội dung dạng `application/json`, hồ sơ theo lô dạng `application/x-ndjson`, mã UTF-8, không nén."


class CallerQuota(HubError):
    """This caller has used its share. Send less, or wait the seconds in `Retry-After`."""

    code = "caller.quota"
    status = 429
    vi = "Hệ thống gọi đã dùng hết phần của mình. Gửi ít hơn hoặc chờ theo `Retry-After`."


class AgencyBroken(HubError):
    """The agency answered something its contract does not allow. The operators see it; asking again will not help soon."""

    code = "agency.broken"
    status = 502
    vi = "Cơ quan trả lời sai hợp đồng kết nối. Quản trị viên đã thấy; gửi lại ngay chưa có ích."


class Refusal(HubError):
    """The hub cannot take this call now. Nothing was stored; try again after the seconds in `Retry-After`."""

    code = "hub.refused"
    status = 503
    vi = "Trục liên thông chưa nhận được cuộc gọi này. Chưa lưu gì; thử lại theo `Retry-After`."


class LaneFull(Refusal):
    """The line to this agency is full. Try again after the seconds in `Retry-After`."""

    code = "lane.full"
    vi = "Hàng chờ tới cơ quan này đã đầy. Thử lại theo `Retry-After`."


class LaneWaitTooLong(Refusal):
    """The predicted wait for this agency is longer than this call can wait. Try again after `Retry-After` seconds."""

    code = "lane.wait_too_long"
    vi = "Thời gian chờ dự kiến dài hơn thời hạn của cuộc gọi. Thử lại theo `Retry-After`."


class LaneHeld(Refusal):
    """Calls to this agency are stopped for now, by its own wish or by an operator. Try again after `Retry-After` seconds."""

    code = "lane.held"
    vi = "Đường tới cơ quan này đang tạm dừng. Thử lại theo `Retry-After`."


class LaneOpen(Refusal):
    """This operation of the agency keeps failing and is being spared. Try again after `Retry-After` seconds."""

    code = "lane.open"
    vi = "Nghiệp vụ này của cơ quan đang lỗi liên tục nên tạm ngắt. Thử lại theo `Retry-After`."


class BacklogFull(Refusal):
    """The hub already keeps as many filings for this agency as its contract allows. Try again after `Retry-After` seconds."""

    code = "backlog.full"
    vi = "Số hồ sơ chờ gửi cơ quan này đã tới giới hạn. Thử lại theo `Retry-After`."


class StoreUnavailable(Refusal):
    """The hub cannot write its records, so it takes nothing on. Try again after `Retry-After` seconds."""

    code = "store.unavailable"
    vi = "Trục liên thông chưa ghi được dữ liệu nên không nhận thêm. Thử lại theo `Retry-After`."


class HubOverloaded(Refusal):
    """This hub is at the end of its own strength and serves the counter first. Try again after `Retry-After` seconds."""

    code = "hub.overloaded"
    vi = "Trục liên thông đang quá tải, ưu tiên người dân tại quầy. Thử lại theo `Retry-After`."


class HubStopping(Refusal):
    """This hub is shutting down. Try again after `Retry-After` seconds, here or at another node."""

    code = "hub.stopping"
    vi = "Trục liên thông đang dừng. Thử lại theo `Retry-After`."


class AgencyUnavailable(HubError):
    """The agency could not be reached within the call's attempts. Nothing was processed there; try again later."""

    code = "agency.unavailable"
    status = 503
    vi = "Không kết nối được cơ quan. Phía cơ quan chưa xử lý gì; hãy thử lại sau."


class CallExpired(HubError):
    """The call's time ran out before an answer came. A look-up may simply be asked again."""

    code = "call.expired"
    status = 504
    vi = "Hết thời hạn trước khi có trả lời. Có thể tra cứu lại."


class CallInDoubt(HubError):
    """The filing was sent and no usable answer came. Do not file it again: read the call until it is verified."""

    code = "call.in_doubt"
    status = 504
    vi = "Đã gửi nhưng chưa rõ kết quả. Không nộp lại: hãy xem cuộc gọi cho đến khi được xác minh."


class Internal(HubError):
    """The hub failed by a fault of its own. It is logged with the call's id; operators can find it there."""

    code = "internal"
    status = 500
    vi = "Lỗi của trục liên thông. Đã ghi nhật ký kèm mã cuộc gọi."
