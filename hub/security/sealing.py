"""
What the law hides, such as who denounces, is passed on sealed: declared by `mappings.canonical.shape.sealed`.

A sealed text says of which agency it is and nothing else; only this hub's key opens it. It is sealed when it has come,
before anything is kept or told, and what came and cannot be read is sealed whole. It is opened in two places: where a
request is written for the agency that is to have it (`hub/exchanges.py`), and for a caller whose key says that it may
(`hub/web/seals.py`). Who holds the store and not the key learns nothing; who holds both can open everything.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha512
from typing import Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import BaseModel

from hub.errors import RequestFault, RequestInvalid
from mappings.canonical.shape import SEAL_BEGINS, each_sealed, sealed_paths
from mappings.errors import Fault, MappingFailed

M = TypeVar("M", bound=BaseModel)
_SALT: Final = 16
_BLOCK: Final = 64
"""Texts are filled up to a multiple of so many bytes, so that a seal does not tell how long a name is."""
_ALIEN: Final = "is no seal of this hub for this agency; send it as you were told it"


class Sealing:
    """
    Seals and opens, with AES-SIV (RFC 5297) over the text, bound to the agency and to a salt.

    The salt follows from the whole record, so the same record has the same seals however often it comes, and the same
    sender has another seal in another record.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._cipher = AESSIV(sha512(b"lienthong seal\n" + self._key).digest())
        self._holds: dict[type[BaseModel], bool] = {}

    def sealed(self, agency: str, value: M) -> M:
        """Return what *agency* told with everything sealed that has to be."""
        return self._each(value, lambda place, text: self._seal(agency, text, self._salt(value, place)))

    def taken(self, agency: str, value: M) -> M:
        """
        Return what a caller asks of *agency*, sealed; what is sealed already stays as it is.

        Raises:
            RequestInvalid: A text looks like a seal and is none of this hub for this agency.
        """
        faults: list[RequestFault] = []

        def seal(place: str, text: str) -> str:
            if not text.startswith(SEAL_BEGINS):
                return self._seal(agency, text, self._salt(value, place))
            if self.opened(agency, text) is None:
                faults.append(RequestFault(place, _ALIEN))
            return text

        made = self._each(value, seal)
        if faults:
            raise RequestInvalid(faults=faults)
        return made

    def open(self, agency: str, value: M) -> M:
        """
        Return *value* as *agency* is to have it, with everything opened.

        Raises:
            MappingFailed: A text is not sealed, or not with this key; the place is named, never the text.
        """
        faults: list[Fault] = []

        def opened(place: str, text: str) -> str:
            plain = self.opened(agency, text)
            if plain is None:
                faults.append(Fault(place, "is sealed with another key than `hub.sealing_key`"))
            return plain or ""

        made = self._each(value, opened)
        if faults:
            raise MappingFailed(faults)
        return made

    def opened(self, agency: str, text: str) -> str | None:
        """Return what *text* hides; None: it is no seal of this hub for *agency*."""
        begins = f"{SEAL_BEGINS}{agency}:"
        if not text.startswith(begins) or not text.isascii():
            return None
        try:
            raw = urlsafe_b64decode(text[len(begins) :] + "==")
        except (ValueError, binascii.Error):
            return None
        shown = self._shown(agency, raw)
        return shown.rstrip(b"\0").decode() if shown else None

    def whole(self, agency: str, body: bytes) -> bytes:
        """Return *body*, which *agency* told and which cannot be read, sealed: the same each time it comes."""
        return _begins(agency) + self._hidden(agency, body, self._salt_of(b"\n" + body))

    def opened_whole(self, agency: str, body: bytes) -> bytes | None:
        """Return what *body* hides, *body* itself where it is not sealed; None: it is sealed with another key."""
        begins = _begins(agency)
        return self._shown(agency, body[len(begins) :]) if body.startswith(begins) else body

    def _each(self, value: M, change: Callable[[str, str], str]) -> M:
        model = type(value)
        if model not in self._holds:
            self._holds[model] = bool(sealed_paths(model))
        return each_sealed(value, change) if self._holds[model] else value

    def _seal(self, agency: str, text: str, salt: bytes) -> str:
        plain = text.encode()
        raw = self._hidden(agency, plain + bytes(-len(plain) % _BLOCK), salt)
        return f"{SEAL_BEGINS}{agency}:{urlsafe_b64encode(raw).decode().rstrip('=')}"

    def _salt(self, value: BaseModel, place: str) -> bytes:
        return self._salt_of(place.encode() + b"\n" + value.__pydantic_serializer__.to_json(value))

    def _salt_of(self, record: bytes) -> bytes:
        """A salt must not tell by itself of which record it is: an HMAC, not a hash."""
        return hmac.digest(self._key, b"lienthong salt\n" + record, "sha256")[:_SALT]

    def _hidden(self, agency: str, plain: bytes, salt: bytes) -> bytes:
        return salt + self._cipher.encrypt(plain, [agency.encode(), salt])

    def _shown(self, agency: str, raw: bytes) -> bytes | None:
        salt, hidden = raw[:_SALT], raw[_SALT:]
        try:
            return self._cipher.decrypt(hidden, [agency.encode(), salt])
        except InvalidTag:
            return None


def _begins(agency: str) -> bytes:
    return f"{SEAL_BEGINS}{agency}:".encode()
