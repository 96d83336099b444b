"""
What an HTTP status alone means, where `answers.csv` has no row: one total table, and one reader of `Retry-After`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connectors.kit.outcomes import Broken, Busy, InDoubt, Outcome, StaleCredentials
from mappings.errors import Fault


def retry_after(value: str | None, now: float) -> float | None:
    """
    Return the seconds a `Retry-After` header asks for, unclamped, counted from *now* (Unix seconds).

    A date that has passed is 0. Without the header, or when it is neither seconds, an HTTP date nor what a WSO2 gateway
    writes as `nextAccessTime` (`2026-Nov-24 00:00:00+0000 UTC`), None.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{4}-[A-Z][a-z]{2}-[0-9]{2} [0-9:]{8}[+-][0-9]{4}( UTC)?", text):
        try:
            return max(0.0, datetime.strptime(text[:25], "%Y-%b-%d %H:%M:%S%z").timestamp() - now)
        except ValueError:
            return None
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - now if moment.tzinfo else moment.replace(tzinfo=UTC).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def by_status(
    status: int, headers: Mapping[str, str], *, now: float, knows_us: bool
) -> Outcome | StaleCredentials | None:
    """
    Return what *status* means, or None for 2xx: then the content must say it.

    *knows_us* is True when the agency has credentials of ours, so that 401 and 403 may mean that they went stale.
    """
    cause = f"http_{status}"
    wait = retry_after(headers.get("retry-after"), now)
    if 200 <= status <= 299:
        return None
    if status == 429 or (status == 503 and wait is not None):
        return Busy(wait)
    if status in (401, 403) and knows_us:
        return StaleCredentials(cause)
    if 400 <= status <= 499:
        return Broken(
            cause, (Fault("status", f"HTTP {status} has no row in answers.csv"),), refused_before_processing=True
        )
    if 500 <= status <= 599:
        # Also 502: nginx says it after the work was done, so nothing here proves that it was not.
        return InDoubt(cause)
    # 1xx never ends an exchange, redirects are not followed, and the rest is not HTTP.
    return Broken(cause, (Fault("status", f"HTTP {status} is no answer; check base_url"),))
