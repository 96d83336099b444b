"""
How a caller wants to be served, read from the headers of its request. Every fault of all headers comes at once.

`Idempotency-Key`, `Prefer` (RFC 7240), `Priority` (RFC 9218), `Hub-Deadline`, `Hub-Purpose` (RFC 9651 dictionary) and
`traceparent`. What those RFCs tell a server to ignore is ignored; what is ours is refused when it is wrong.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Final

import http_sf

from hub.call import Class, Purpose
from hub.errors import RequestFault, RequestInvalid
from monitoring.tracing import make_traceparent, next_span, parse_traceparent

URGENCY: Final = (Class.COUNTER,) * 3 + (Class.NORMAL,) * 2 + (Class.BULK,) * 3
"""Class of each `u=0..7`."""
NO_PURPOSE: Final = Purpose()
LONGEST_DEADLINE: Final = 30 * 86_400.0
"""Seconds. A filing that nobody could deliver for a month needs a person."""
_PURPOSES: Final = frozenset(field.name for field in fields(Purpose))
_LONGEST: Final = 8192
"""Characters of one header, all its lines together; more only take time to read."""
_MOST_MEMBERS: Final = 20
"""Members of a purpose that are looked at. Among so many there are unknown ones, so it is refused in any case."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")
_WAIT: Final = re.compile(r'wait\s*=\s*"?(\d{1,6})"?', re.IGNORECASE)
_PLAIN_URGENCY: Final = re.compile(r"u=([0-7])")
_PLAIN_MEMBER: Final = r'([a-z]+)="([ !#-\[\]-~]*)"'
_PLAIN: Final = re.compile(rf"{_PLAIN_MEMBER}(?:, {_PLAIN_MEMBER})*")
_MEMBERS: Final = re.compile(_PLAIN_MEMBER)
_READ: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"idempotency-key",
        b"prefer",
        b"priority",
        b"hub-deadline",
        b"hub-purpose",
        b"traceparent",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers of one request say."""

    media_type: str = ""
    length: int | None = None
    """`Content-Length`; None for a chunked body."""
    idempotency_key: str | None = None
    wait: float | None = None
    """Seconds of `Prefer: wait=N`; None when not given."""
    respond_async: bool = False
    cls: Class = Class.NORMAL
    deadline: float | None = None
    purpose: Purpose = NO_PURPOSE
    traceparent: str = ""


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the key of `Authorization: Bearer <key>`, or an empty text."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" else ""
    return ""


def read_headers(headers: Iterable[tuple[bytes, bytes]], random_bytes: Callable[[int], bytes]) -> Asked:
    """
    Read what one request asks for; *headers* are ASGI's, with names in lower case.

    Raises:
        RequestInvalid: Headers of ours cannot be read; each is named, its value is not repeated.
    """
    faults: list[RequestFault] = []
    given = _given(headers, faults)
    wait, respond_async = _preferences(given.get(b"prefer", ""))
    trace = given.get(b"traceparent")
    inherited = parse_traceparent(trace) if trace else None
    asked = Asked(
        media_type=given.get(b"content-type", ""),
        length=_length(given.get(b"content-length")),
        idempotency_key=_key(given.get(b"idempotency-key"), faults),
        wait=wait,
        respond_async=respond_async,
        cls=_class(given.get(b"priority")),
        deadline=_deadline(given.get(b"hub-deadline"), faults),
        purpose=_purpose(given.get(b"hub-purpose"), faults),
        traceparent=next_span(inherited, random_bytes) if inherited else make_traceparent(random_bytes),
    )
    if faults:
        raise RequestInvalid(faults=faults)
    return asked


def _given(headers: Iterable[tuple[bytes, bytes]], faults: list[RequestFault]) -> dict[bytes, str]:
    given: dict[bytes, str] = {}
    for name, value in headers:
        if name not in _READ:
            continue
        text = value.decode("latin-1")
        given[name] = f"{given[name]}, {text}" if name in given else text
        if len(given[name]) > _LONGEST:
            faults.append(RequestFault(name.decode().title(), f"is longer than {_LONGEST} characters"))
            return {}
    return given


def _length(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None


def _key(text: str | None, faults: list[RequestFault]) -> str | None:
    if text is None:
        return None
    text = text.strip()
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


def _class(text: str | None) -> Class:
    if text is None:
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
    if _PLAIN.fullmatch(
        text
    ):  # quoted texts without escapes, as nearly all are: a tenth of the parser's time, the same meaning
        return {name: (value,) for name, value in _MEMBERS.findall(text)}
    members: Any = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    return {name: tuple(member) for name, member in members.items()}


def _deadline(text: str | None, faults: list[RequestFault]) -> float | None:
    if text is None:
        return None
    if not _SECONDS.fullmatch(text.strip()) or not 0 < float(text) <= LONGEST_DEADLINE:
        faults.append(RequestFault("Hub-Deadline", "is a number of seconds from now, above 0 and at most 2592000"))
        return None
    return float(text)


def _purpose(text: str | None, faults: list[RequestFault]) -> Purpose:
    if text is None:
        return NO_PURPOSE
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
        elif not isinstance(value, str | http_sf.Token | http_sf.DisplayString) or not _readable(str(value)):
            faults.append(
                RequestFault("Hub-Purpose", f'{name} is a text of 1 to 200 characters in quotes: {name}="..."')
            )
        else:
            wanted[name] = str(value)
    return Purpose(**wanted)


def _readable(text: str) -> bool:
    """Whoever reads the journal must see what stands there: no control characters, none that turn the direction."""
    return 0 < len(text) <= 200 and text.isprintable()
