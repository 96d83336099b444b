"""
Links under which an agency fetches one file, without a key and for a time: signed, so that nobody else can make one.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from math import ceil
from urllib.parse import urlencode

from hub.clock import Clock
from hub.errors import FileUnknown, LinkExpired
from mappings.errors import Fault, MappingFailed

_DAY = 86_400


class Links:
    """Makes links and checks them. Where *base* (the hub's public address) is empty, none can be made."""

    def __init__(self, key: str, base: str, days: int, clock: Clock) -> None:
        self._key = key.encode()
        self._base = base.rstrip("/")
        self._seconds = days * _DAY
        self._clock = clock

    def to(self, agency: str) -> Callable[[str], str]:
        """
        Return what makes links for *agency*: to the file with an id, good for the days, whole ones, that were given.

        It raises `MappingFailed` where the hub has no public address.
        """

        def link(file: str) -> str:
            if not self._base:
                raise MappingFailed([Fault("", "needs a link to a file: an operator sets `[hub] public_url`")])
            # The same all day, so that a filing that is sent again says the same.
            until = ceil((self._clock.now() + self._seconds) / _DAY) * _DAY
            asked = {"until": until, "for": agency, "sig": self._signature(file, until, agency)}
            return f"{self._base}/files/{file}?{urlencode(asked)}"

        return link

    def check(self, file: str, until: int, agency: str, signature: str) -> None:
        """
        Return if *signature* is ours, of this file for this agency, and its time is not over.

        Raises:
            FileUnknown: It is not: whoever asks learns no more than that.
            LinkExpired: It was.
        """
        if not hmac.compare_digest(self._signature(file, until, agency), signature):
            raise FileUnknown
        if self._clock.now() > until:
            raise LinkExpired

    def _signature(self, file: str, until: int, agency: str) -> str:
        said = f"lienthong file link\n{file}\n{until}\n{agency}"  # no other use of the key begins like this
        return hmac.new(self._key, said.encode(), sha256).hexdigest()
