"""
For receivers of what the hub pushes: whether a request is from the hub, by Standard Webhooks 1.0.0 (`v1`).

    verify(SECRET, request.headers, body)  # the bytes as they came: parsed and written again they are others
"""

import hmac
import time
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from hub.client.feed import Settled
from hub.client.many import Member

T = TypeVar("T", bound=BaseModel)

TOLERANCE: Final = 300.0
"""Seconds that a request may be old, or ahead of this machine's clock: what is older may be a copy sent again by others."""
_PREFIX: Final = "whsec_"


class Subscription(BaseModel):
    """Where the hub pushes what, and how that goes."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    agencies: tuple[str, ...]
    """Empty: all that the key reaches."""
    dossier: str | None
    made_at: datetime
    after: int
    """Place of the feed up to which everything was delivered, or died."""
    state: str
    """`well`, `failing`, or `stopped` because the receiver answered 410."""
    cause: str
    """Of the last failure."""
    attempts: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    dead: int
    """Events that could not be delivered."""
    secret: str = Field("", repr=False)
    """What `verify` wants; only when it was just made."""


class SubscriptionPage(BaseModel):
    subscriptions: list[Subscription]


class DeadEvent(BaseModel):
    """An event that could not be delivered."""

    model_config = ConfigDict(frozen=True)

    after: int
    """Its place in the feed, by which it is replayed."""
    id: str
    """Its `webhook-id`."""
    type: str
    agency: str
    call: str | None
    died_at: datetime
    attempts: int
    cause: str
    to_be_sent_again: bool


class DeadEventPage(BaseModel):
    events: list[DeadEvent]


class NotSigned(Exception):
    """This request is not to be trusted: answer 401. Its text says why."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    tolerance: float = TOLERANCE,
) -> str:
    """
    Return the `webhook-id` of a request that the hub signed: the same id is the same event, to be dealt with once.

    *secret* is what `HubClient.subscribe` returned, *now* Unix seconds, by default this machine's.

    Raises:
        NotSigned: It is older than *tolerance* seconds, of nobody who knows the secret, or changed on the way.
        ValueError: *secret* is none.
    """
    given = {name.lower(): text for name, text in headers.items()}
    message, moment, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message and moment.isascii() and moment.isdigit() and len(moment) < 16):
        raise NotSigned("webhook-id or webhook-timestamp is missing")
    signed = b".".join((message.encode(), moment.encode(), body))
    expected = b"v1," + b64encode(hmac.new(_key(secret), signed, sha256).digest())
    if not any([hmac.compare_digest(expected, one.encode()) for one in signatures.split()]):  # noqa: C419 - all of them
        raise NotSigned("no signature of webhook-signature is of this secret")
    if abs((time.time() if now is None else now) - int(moment)) > tolerance:
        raise NotSigned("webhook-timestamp is too far from this machine's clock")
    return message


def read_pushed(body: bytes, *, answer: type[T]) -> Settled[T]:
    """Return a pushed `call.settled`, with the agency's answer as the model *answer*; `place` is empty."""
    event = from_json(body)
    shape: type[Member[T]] = Member.__class_getitem__(answer)  # type: ignore[assignment]  # known at run time only
    told = shape.model_validate_json(to_json(event["data"]))
    agency = event["source"].rpartition("/")[2]
    return Settled(event["id"], "", agency, datetime.fromisoformat(event["time"]), told)


def _key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True)
    except NoBase64:
        raise ValueError("a secret is whsec_ and base64, as the hub showed it when the subscription was made") from None
