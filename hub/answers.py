"""What an agency answered, as the JSON bytes `{result, value, reason}` that a caller gets and the store keeps."""

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from connectors.kit.outcomes import Answered, Reason, Result

VERIFIED = Reason(
    "",
    "verified",
    "Hồ sơ đã được cơ quan tiếp nhận; xác minh bằng tra cứu vì chưa nhận được trả lời.",
    "The agency has this filing: found by a look-up, because its own answer never came.",
)
"""Reason of a filing that was in doubt and was found as it was sent."""

HAD_ALREADY = Reason(
    "",
    "had_already",
    "Cơ quan đã có hồ sơ này từ trước; tra cứu cho thấy đó chính là hồ sơ đã gửi.",
    "The agency had it already; a look-up proved that it is the same.",
)
"""Reason of a filing that the agency answered with `exists`, and that was found as it was sent."""


CONFIRMED = Reason(
    "",
    "confirmed",
    "Cơ quan xác nhận đã tiếp nhận hồ sơ; do người quản trị ghi nhận vì chưa nhận được trả lời.",
    "The agency has this filing: a person asked there, because its own answer never came.",
)
"""Reason of a filing that was in doubt until a person learned that it was done."""


def answer_json(outcome: Answered) -> bytes:
    """Return *outcome* as it is settled: absent fields are left out, so that a reader needs no null checks."""
    value = b"null"
    if outcome.value is not None:
        value = outcome.value.__pydantic_serializer__.to_json(outcome.value, exclude_none=True)
    reason = b"null"
    if outcome.reason is not None:
        told = outcome.reason
        reason = to_json({"agency_code": told.agency_code, "code": told.code, "vi": told.vi, "en": told.en})
    return b'{"result":"%b","value":%b,"reason":%b}' % (outcome.result.value.encode(), value, reason)


def value_of(answer: bytes, model: type[BaseModel] | None) -> BaseModel | None:
    """Return the value of an answer that was settled; None when it has none, or today's *model* cannot read it."""
    value = from_json(answer)["value"]
    if value is None or model is None:
        return None
    try:
        return model.model_validate_json(to_json(value))
    except ValidationError:
        return None


def verified_json(result: Result = Result.OK, *, had_already: bool = False) -> bytes:
    """
    Return the answer of a filing that a look-up found as it was sent: done, or begun and pending.

    *had_already*: the agency answered it with `exists`; else its own answer is lost.
    """
    return answer_json(Answered(result, reason=HAD_ALREADY if had_already else VERIFIED))


def confirmed_json() -> bytes:
    """Return the answer of a filing of which a person says that the agency has it."""
    return answer_json(Answered(Result.OK, reason=CONFIRMED))
