"""
How a caller wants to be served, read from the headers of its request. Every fault of all headers comes at once.

`Idempotency-Key`, `Prefer` (RFC 7240), `Priority` (RFC 9218), `Hub-Deadline`, `Hub-Purpose` (RFC 9651 dictionary) and
`traceparent`. What those RFCs tell a server to ignore is ignored; what is ours is refused when it is wrong.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

import http_sf

from hub.call import Class, Purpose
from hub.errors import RequestFault, RequestInvalid
from monitoring.tracing import make_traceparent, next_span, parse_traceparent

URGENCY: Final = (Class.COUNTER,) * 3 + (Class.NORMAL,) * 2 + (Class.BULK,) * 3
"""Class of each `u=0..7`."""
NO_PURPOSE: Final = Purpose()
LONGEST_DEADLINE: Final = 30 * 86_400.0
"""Seconds. A filing that nobody could deliver for a month needs a person."""
_PURPOSES: Final = frozenset(Purpose._fields)
_LONGEST: Final = 8192
"""Characters of one header, all its lines together; more only take time to read."""
LONGEST_MEMBER: Final = 200
_MOST_MEMBERS: Final = 20
"""Members of a purpose that are looked at. Among so many there are unknown ones, so it is refused in any case."""
_KEPT: Final = 256
_KEPT_BYTES: Final = 200
"""Ways to be served that are kept once read, and how long their headers may be: nobody fills the memory with them."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
_WAIT: Final = re.compile(r'wait\s*=\s*"?(\d{1,6})"?', re.IGNORECASE)
_PLAIN_URGENCY: Final = re.compile(r"u=([0-7])")
_PLAIN_MEMBER: Final = "|".join(rf'{name}="([ !#-\[\]-~]{{1,{LONGEST_MEMBER}}})"' for name in Purpose._fields)
_PLAIN_PURPOSE: Final = re.compile(f"(?:(?:^|, )(?:{_PLAIN_MEMBER}))+")
"""Quoted texts without escapes, a group for each member: a sixth of the parser's time, the same meaning."""


@dataclass(frozen=True, slots=True)
class How:
    """How a caller wants to be served. There are few ways, so each is read once and kept."""

    wait: float | None = None
    """Seconds of `Prefer: wait=N`; None when not given."""
    respond_async: bool = False
    cls: Class = Class.NORMAL
    deadline: float | None = None
    faults: tuple[RequestFault, ...] = ()


class Asked(NamedTuple):
    """What the headers of one request say."""

    how: How
    purpose: Purpose
    idempotency_key: str | None
    given: Mapping[bytes, bytes]

    @property
    def media_type(self) -> str:
        return self.given.get(b"content-type", b"").decode("latin-1")

    @property
    def length(self) -> int | None:
        """`Content-Length`; None for a chunked body."""
        digits = self.given.get(b"content-length", b"")
        return int(digits) if digits.isdigit() and len(digits) < 16 else None

    @property
    def trace(self) -> str:
        """`traceparent` as it was sent; `traceparent` below says what the call goes on with."""
        return self.given.get(b"traceparent", b"").decode("latin-1")


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the key of `Authorization: Bearer <key>`, or an empty text."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" else ""
    return ""


def urgency(headers: Iterable[tuple[bytes, bytes]]) -> Class:
    """Return the class that `Priority` asks for, and nothing else."""
    return _class(next((value.decode("latin-1") for name, value in headers if name == b"priority"), ""))


class Headers:
    """Reads headers; make one per process. What it keeps says nothing about a person."""

    def __init__(self) -> None:
        self._how = lru_cache(_KEPT)(_how)

    def read(self, headers: Sequence[tuple[bytes, bytes]]) -> Asked:
        """
        Read what one request asks for; *headers* are ASGI's, with names in lower case.

        Raises:
            RequestInvalid: Headers of ours cannot be read; each is named, its value is not repeated.
        """
        given = dict(headers)
        if len(given) < len(headers):
            given = _joined(headers)
        said = (given.get(b"prefer", b""), given.get(b"priority", b""), given.get(b"hub-deadline", b""))
        how = self._how(*said) if sum(map(len, said)) <= _KEPT_BYTES else _how(*said)
        faults: list[RequestFault] = []
        key = _key(given.get(b"idempotency-key"), faults)
        faults += how.faults
        purpose = _purpose(given.get(b"hub-purpose", b""), faults)
        if faults:
            raise RequestInvalid(faults=faults)
        return Asked(how, purpose, key, given)


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return each header once: several lines of one name are one list."""
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lines.setdefault(name, []).append(value)
    return {name: b", ".join(values) for name, values in lines.items()}


def _how(prefer: bytes, priority: bytes, deadline: bytes) -> How:
    faults: list[RequestFault] = []
    wait, respond_async = _preferences(_text("Prefer", prefer, faults))
    cls = _class(_text("Priority", priority, faults))
    seconds = _deadline(_text("Hub-Deadline", deadline, faults), faults)
    return How(wait, respond_async, cls, seconds, tuple(faults))


def _text(name: str, value: bytes, faults: list[RequestFault]) -> str:
    """Return *value* as text, empty when it is longer than any that is read."""
    if len(value) > _LONGEST:
        faults.append(RequestFault(name, f"is longer than {_LONGEST} characters"))
        return ""
    return value.decode("latin-1")


def traceparent(trace: str, random_bytes: Callable[[int], bytes]) -> str:
    """Return what a call goes on with: a span of ours in the *trace* it came with, else a trace of our own."""
    inherited = parse_traceparent(trace) if trace else None
    return next_span(inherited, random_bytes) if inherited else make_traceparent(random_bytes)


def _key(value: bytes | None, faults: list[RequestFault]) -> str | None:
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':  # the draft makes it a structured field; many write it bare
        text = text[1:-1]
    if not _KEY.fullmatch(text):
        faults.append(RequestFault("Idempotency-Key", "is 1 to 200 visible ASCII characters, such as a UUID"))
    return text


def _preferences(text: str) -> tuple[float | None, bool]:
    wait, respond_async = None, False
    for preference in text.split(",") if text else ():
        preference = preference.partition(";")[0].strip()
        if preference.lower() == "respond-async":
            respond_async = True
        elif wait is None and (found := _WAIT.fullmatch(preference)):  # RFC 7240: the first one counts
            wait = float(found[1])
    return wait, respond_async


def _class(text: str) -> Class:
    if not text:
        return Class.NORMAL
    plain = _PLAIN_URGENCY.fullmatch(text)
    if plain:
        return URGENCY[int(plain[1])]
    try:
        urgency = _members(text).get("u", (3,))[0]
    except ValueError:  # RFC 9218 section 4: what cannot be read is ignored
        return Class.NORMAL
    return URGENCY[urgency] if type(urgency) is int and 0 <= urgency <= 7 else Class.NORMAL


def _members(text: str) -> dict[str, tuple[Any, ...]]:
    """Read an RFC 9651 dictionary: name -> (value, parameters, if any). Raises ValueError."""
    members: Any = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    return {name: tuple(member) for name, member in members.items()}


def _deadline(text: str, faults: list[RequestFault]) -> float | None:
    if not text:
        return None
    if not _SECONDS.fullmatch(text.strip()) or not 0 < float(text) <= LONGEST_DEADLINE:
        faults.append(RequestFault("Hub-Deadline", "is a number of seconds from now, above 0 and at most 2592000"))
        return None
    return float(text)


def _purpose(value: bytes, faults: list[RequestFault]) -> Purpose:
    text = _text("Hub-Purpose", value, faults)
    if not text:
        return NO_PURPOSE
    plain = _PLAIN_PURPOSE.fullmatch(text)
    if plain:
        return Purpose(*plain.groups())  # as nearly all are; what follows judges the others
    try:
        members = _members(text)
    except ValueError:
        faults.append(
            RequestFault("Hub-Purpose", 'is a structured field such as officer="cb-102", unit="H32", dossier="..."')
        )
        return NO_PURPOSE
    wanted: dict[str, str] = {}
    for name, (value, *_) in islice(members.items(), _MOST_MEMBERS):
        if name not in _PURPOSES:
            near = difflib.get_close_matches(name, _PURPOSES, 1, 0.6)
            known = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(_PURPOSES))}"
            faults.append(RequestFault("Hub-Purpose", f"has a member of unknown name; {known}"))
        elif not isinstance(value, str | http_sf.Token | http_sf.DisplayString) or not readable(str(value)):
            faults.append(
                RequestFault("Hub-Purpose", f'{name} is a text of 1 to 200 characters in quotes: {name}="..."')
            )
        else:
            wanted[name] = str(value)
    return Purpose(**wanted)


def readable(text: str) -> bool:
    """Whoever reads the journal must see what stands there: no control characters, none that turn the direction."""
    return 0 < len(text) <= LONGEST_MEMBER and text.isprintable()
