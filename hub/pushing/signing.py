"""
Signatures by Standard Webhooks 1.0.0 (`v1`, HMAC-SHA256), with a secret of each subscription that is kept nowhere.

A secret follows from the hub's own key and the subscription's id, so the store holds nothing by which anybody could sign.
`hub.client.webhooks` is what receivers verify with.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

PREFIX: Final = "whsec_"
LEAST_KEY: Final = 32
"""Signs of the hub's key: whoever guesses it may sign for every subscription."""


class Signing:
    """Signs with what follows from *key*."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def secret(self, subscription: str) -> str:
        """Return the secret of a subscription as its receiver is given it."""
        return PREFIX + b64encode(self._secret(subscription)).decode()

    def headers(self, subscription: str, message: str, at: float, body: bytes) -> Mapping[str, str]:
        """Return the headers with which *body* leaves *at* a moment (Unix seconds) under the id *message*."""
        moment = str(int(at))
        signed = b".".join((message.encode(), moment.encode(), body))
        signature = hmac.new(self._secret(subscription), signed, sha256).digest()
        return {
            "webhook-id": message,
            "webhook-timestamp": moment,
            "webhook-signature": "v1," + b64encode(signature).decode(),
        }

    def _secret(self, subscription: str) -> bytes:
        return hmac.new(self._key, b"subscription " + subscription.encode(), sha256).digest()
