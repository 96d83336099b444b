"""
Every problem a caller can meet, in one list, and the page of the guide made from it.

`python -m hub.web.problems > docs/guide/problems.md` renews the page; a test says when it is stale.
"""

from typing import Final

from hub import errors
from hub.errors import HubError, Refusal

PROBLEMS: Final[tuple[type[HubError], ...]] = (
    errors.RequestInvalid,
    errors.PurposeMissing,
    errors.IdempotencyMissing,
    errors.AuthMissing,
    errors.AuthDenied,
    errors.OperationUnknown,
    errors.CallUnknown,
    errors.FileUnknown,
    errors.SubscriptionUnknown,
    errors.MethodNotAllowed,
    errors.IdempotencyConflict,
    errors.CallNotCancellable,
    errors.CallGone,
    errors.LinkExpired,
    errors.RequestTooLarge,
    errors.MediaTypeUnsupported,
    errors.CallerQuota,
    errors.AgencyBroken,
    errors.LaneFull,
    errors.LaneWaitTooLong,
    errors.LaneHeld,
    errors.LaneOpen,
    errors.BacklogFull,
    errors.StoreUnavailable,
    errors.HubOverloaded,
    errors.HubStopping,
    errors.AgencyUnavailable,
    errors.CallExpired,
    errors.CallInDoubt,
    errors.Internal,
)
"""By status, as the page shows them."""

HEAD: Final = """# Problems

Every problem is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `code` and `vi`; where they apply
also `detail`, `errors` (up to 100 places, each a JSON pointer and the rule it breaks) and `call`. Decide by `code`: it
never changes. With *again* the response has `Retry-After` in seconds, and the same request may be sent again after that.

| Status | `code` | What to do | Nói với người dùng | |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page of the guide."""
    rows = [
        f"| {one.status} | `{one.code}` | {one.text()} | {one.vi} | {'again' if issubclass(one, Refusal) or one.status == 429 else ''} |"
        for one in PROBLEMS
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
