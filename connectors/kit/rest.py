"""
JSON or form over HTTP: `call`, `wrap`, `code` and `says` of a manifest, compiled once for each operation.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from pydantic_core import to_json

from connectors.kit import xroad
from connectors.kit.answers import Signs
from connectors.kit.auth import Placed
from connectors.kit.carried import Carried
from connectors.kit.contract import Check, drift
from connectors.kit.exchange import Sources, WireReply
from connectors.kit.gateway import fault_in, overheard
from connectors.kit.manifest import OperationTable
from connectors.kit.places import FILE, text_at
from connectors.kit.reading import Reading, Written
from connectors.kit.signatures import Signing
from connectors.kit.texts import Json, Tree, Unreadable, parse_json
from connectors.kit.wrap import PAYLOAD, compiled
from mappings.canonical import MASK
from mappings.errors import Fault, MappingFailed
from mappings.paths import Place, read_place

CALL = re.compile(r"(?P<method>GET|POST|PUT|PATCH|DELETE)(?: (?P<form>form|json))? (?P<path>/[^\s?#]*)")
_FIELD = re.compile(r"\{([^{}/]+)\}")
_BODILESS = ("GET", "DELETE")


@dataclass(frozen=True, slots=True)
class RestCall:
    """`POST form /path/{field}` taken apart."""

    method: str
    form: bool
    path: str
    fields: tuple[str, ...]
    """Names of the payload that stand in the path, and nowhere else."""

    @property
    def flat(self) -> bool:
        """True when all goes out as fields with text: in path and query, or in path and form."""
        return self.form or self.bodiless

    @property
    def bodiless(self) -> bool:
        """True when what does not stand in the path stands in the query."""
        return self.method in _BODILESS

    def content(self, target: str, body: bytes) -> Json:
        """Return the payload that a request to *target* (path and query) carries, wherever its fields stand."""
        path, _, query = target.partition("?")
        pattern = "".join(
            re.escape(part) if at % 2 == 0 else "([^/]+)" for at, part in enumerate(_FIELD.split(self.path))
        )
        found = re.search(pattern + "$", path)  # the address of an installation may have a path of its own in front
        values = map(unquote, found.groups() if found else ())
        fields = {name: value for name, value in zip(self.fields, values, strict=False) if "." not in name}
        if self.flat:
            written = parse_qs(query if self.bodiless else body.decode(), keep_blank_values=True)
            return {name: held[0] if len(held) == 1 else held for name, held in written.items()} | fields
        payload = parse_json(body, {})
        return payload | fields if isinstance(payload, dict) else payload


def read_call(text: str) -> RestCall:
    """
    Return what *text* says.

    Raises:
        ValueError: It is no call; the text says what to write.
    """
    found = CALL.fullmatch(text)
    if found is None:
        raise ValueError("is no call: write `GET /path/{field}`, `POST /path` or `POST form /path`")
    if found["method"] in _BODILESS and found["form"]:
        raise ValueError(f"{found['method']} has no body: what is not in the path goes into the query")
    return RestCall(found["method"], found["form"] == "form", found["path"], tuple(_FIELD.findall(found["path"])))


class Rest:
    """One REST operation, ready to write and read."""

    def __init__(self, operation: OperationTable, contract: Check | None) -> None:
        self._call = read_call(operation.call or "")
        self._wrap = compiled(operation.wrap or PAYLOAD)
        self._contract = contract
        self._file = operation.unwrap[:1] == (FILE,)
        self._sign = Signing(operation.sign) if operation.sign else None
        self._code = read_place(operation.code.at) if operation.code else None
        self._says = read_place(operation.says) if operation.says else None

    def write(self, payload: Any, sources: Sources, placed: Placed, *, shown: bool = False) -> Written:
        """See `reading.Wire.write`."""
        faults: list[Fault] = []
        content = self._wrap({} if payload is None else payload, sources, faults)
        if (placed.body or self._call.fields) and isinstance(content, dict):
            content = _put({**content}, placed.body, "[auth] put", faults)
        headers = dict(placed.headers)
        query, body = dict(placed.query), b""
        if self._sign is not None:
            made = MASK if shown else self._sign.make(Carried(content), sources)
            side, _, name = self._sign.at.partition(":")
            if side in ("header", "query") and name:
                (headers if side == "header" else query)[name] = made
            else:
                content = _put({**content}, {self._sign.at: made}, "`sign`", faults)
        path = self._path(content, sources, faults)
        if self._call.method in _BODILESS:
            query |= _flat(content, faults)
        elif self._call.form:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
            body = urlencode(_flat(content, faults), doseq=True).encode()
        else:
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
            body = to_json(content)
        headers.setdefault("Accept", "*/*" if self._file else "application/json")
        if faults:
            raise MappingFailed(faults)
        return Written(self._call.method, path + (f"?{urlencode(query, doseq=True)}" if query else ""), headers, body)

    def read(self, reply: WireReply) -> Reading:
        """See `reading.Wire.read`."""
        try:
            tree = parse_json(reply.body, reply.headers)
        except Unreadable:
            if road := xroad.fault_in(None, reply.headers):
                return road.reading(None, reply.status)
            if reading := overheard(reply):
                return reading
            if self._file and 200 <= reply.status <= 299 and not _is_page(reply.body):
                return Reading(base64.b64encode(reply.body).decode(), Signs(reply.status))
            raise
        if road := xroad.fault_in(tree, reply.headers):
            return road.reading(tree, reply.status)
        if fault := fault_in(tree):
            return fault.reading(tree, reply.status)
        code = text_at(tree, self._code) if self._code else None
        return Reading(tree, Signs(reply.status, code, text_at(tree, self._says) if self._says else None))

    def drift(self, tree: Tree) -> tuple[str, ...]:
        """See `reading.Wire.drift`."""
        return drift(self._contract, tree)

    def _path(self, content: Any, sources: Sources, faults: list[Fault]) -> str:
        def filled(found: re.Match[str]) -> str:
            name = found[1]
            value = content.pop(name, None) if isinstance(content, dict) and "." not in name else sources.get(name)
            text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
            if text.strip(".") == "":  # nothing, or dots that would climb out of the path
                faults.append(Fault(name, "stands in the address and has no usable value"))
            return quote(text, safe="")

        return _FIELD.sub(filled, self._call.path)


def _is_page(body: bytes) -> bool:
    """Whether *body* is nothing, or a page for people to read, such as a gateway's: not the paper that was asked for."""
    return body.lstrip()[:1] in (b"", b"<")


def _put(content: dict[str, Any], put: Mapping[str, str], by: str, faults: list[Fault]) -> dict[str, Any]:
    for place, value in put.items():
        *above, last = _names(read_place(place))
        here = content
        for name in above:
            here[name] = inner = dict(here.get(name) or {})
            here = inner
        if last in here:
            faults.append(Fault(place, f"is written by the mapping and by {by}"))
        here[last] = value
    return content


def _names(place: Place) -> list[str]:
    return [step.name for step in place.steps]


def _flat(content: Any, faults: list[Fault]) -> dict[str, Any]:
    """Return *content* as form fields; a list becomes a field given several times, an absent value none."""
    flat: dict[str, Any] = {}
    for name, value in (content if isinstance(content, dict) else {}).items():
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict | list) for item in items):
            faults.append(Fault(name, "is a group, which a form or a query cannot hold"))
        flat[name] = [_plain(item) for item in items if item is not None]
    return flat


def _plain(item: Any) -> str:
    return ("true" if item else "false") if isinstance(item, bool) else str(item)
