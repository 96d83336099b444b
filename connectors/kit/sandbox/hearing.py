"""
Understanding a request: which operation it is for, about what, and whether it is the very request of a sample.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from connectors.kit.sandbox.payloads import Body, Names, Unreadable, found, leaves, read_body, value_at
from connectors.kit.sandbox.spoken import Spoken
from connectors.kit.sandbox.wire import Request

Signature: TypeAlias = frozenset[tuple[Names, str]]
"""What a request says, without what differs from call to call: two requests that ask the same have the same."""
_BODILESS = ("GET", "DELETE")


@dataclass(frozen=True, slots=True)
class Heard:
    """A request understood."""

    operation: Spoken
    tree: Any
    """What the contract speaks of: JSON value or element."""
    plain: Any
    key: str
    """Value of the identity; empty when the operation has none."""

    @property
    def signature(self) -> Signature:
        apart = set(self.operation.sources) | {(place.partition(":")[2],) for place in self.operation.shown}
        return frozenset((place, value) for place, value in leaves(self.plain) if place not in apart)

    @property
    def payload(self) -> Any:
        """The record itself, as it came."""
        if not isinstance(self.tree, etree._Element):
            return next(iter(found(self.plain, self.operation.payload)), None)
        here = self.tree
        for name in self.operation.payload:
            here = next((child for child in here if etree.QName(child).localname == name), here)
        return here


class Hearing:
    """Knows the operations of one agency by how they arrive."""

    def __init__(self, operations: Iterable[Spoken], settings: Mapping[str, str]) -> None:
        """*settings* (`settings.x`) tell apart the operations whose addresses an installation names."""
        self._settings = settings
        # the one with the most literals first: a request that shows them all is for that one
        self._operations = sorted(operations, key=lambda one: (-len(one.literals), one.name))
        self._literals = {one.name: tuple(one.literals.items()) for one in self._operations}

    def __call__(self, request: Request) -> Heard | None:
        """Return what *request* says, or None when it is for no operation."""
        body: Body | None = None
        for operation in self._operations:
            fits = operation.path.fullmatch(request.path)
            if request.method != operation.method or fits is None:
                continue
            named = dict(zip(operation.fields, fits.groups(), strict=True))
            if any(value != self._settings.get(name, value) for name, value in named.items()):
                continue
            if body is None:
                try:
                    body = read_body(request.body, xml=operation.xml, form=operation.form)
                except Unreadable:
                    return None
            extra = dict(request.query) if operation.method in _BODILESS else {}
            extra |= {name: value for name, value in named.items() if "." not in name}
            if heard := self._understood(operation, body, extra):
                return heard
        return None

    def sample(self, operation: Spoken, request: bytes | None, fields: Mapping[str, Any]) -> Heard | None:
        """Return what the recorded *request* says; *fields* fill what stands in the path."""
        try:
            body = read_body(
                request or b"", xml=operation.xml, form=operation.form and not (request or b"").startswith(b"{")
            )
        except Unreadable:
            return None
        extra = {name: str(fields[name]) for name in operation.fields if name in fields}
        return self._understood(operation, body, extra)

    def _understood(self, operation: Spoken, body: Body, extra: Mapping[str, Any]) -> Heard | None:
        if operation.xml and operation.element not in (body.element, body.element.rpartition("}")[2]):
            return None
        plain = {**(body.plain or {}), **extra} if extra else body.plain
        if any(value_at(plain, place) != literal for place, literal in self._literals[operation.name]):
            return None
        places = (operation.payload + place for place in operation.key)
        key = next((value for place in places if (value := value_at(plain, place))), "")
        return Heard(operation, _spoken_of(operation, body.tree, extra), plain, key)


def _spoken_of(operation: Spoken, tree: Any, extra: Mapping[str, Any]) -> Any:
    """Return what the contract speaks of: the payload whole, with what stands in path and query, handshake left out."""
    if operation.xml or not extra:
        return tree
    handshake = {place.removeprefix("query:") for place in operation.shown if place.startswith("query:")}
    return {**(tree or {}), **{name: value for name, value in extra.items() if name not in handshake}}
