"""
A WSO2 gateway's own words: how its faults are told from an agency's, and what each code means. Used by `judging.py`.

Codes of API Manager (7007xx, 9004xx, 9008xx, 9009xx: https://apim.docs.wso2.com, "Error Handling") and of the Synapse
engine below it (101xxx, 1025xx, 303xxx: "Error codes in Micro Integrator"). A transport code is a base code plus the
state of the connection, so one number may stand for "could not connect" and for "broke off after the request was
sent"; only the text tells them apart (docs/decisions/0018-what-a-gateway-proves.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lxml import etree

from connectors.kit.answers import Signs
from connectors.kit.exchange import WireReply
from connectors.kit.outcomes import Broken, Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from connectors.kit.reading import Reading
from connectors.kit.statuses import retry_after
from connectors.kit.texts import Tree, Unreadable, parse_json, parse_xml
from mappings.errors import Fault

Means: TypeAlias = Literal[
    "throttled", "token", "denied", "blocked", "unknown_path", "not_passed_on", "never_sent", "cut"
]
"""
`throttled`: all that we send over this gateway is too much. `token`: it does not take the route's token. `denied`: the
token is good, but not for this agency. `blocked`: this agency is closed for a while. `unknown_path`: it has nothing at
this address. `not_passed_on`, `never_sent`: refused at its door, the agency is known to be away. `cut`: it tried.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Codes from *first* to *last*, and what they mean."""

    first: int
    last: int
    means: Means


CODES = (
    Row(101_000, 101_999, "cut"),  # the way between caller and gateway, and between gateway and agency
    Row(102_500, 102_599, "cut"),
    Row(303_000, 303_000, "cut"),  # no member of a group is ready, but one may have had the request before
    Row(303_001, 303_002, "never_sent"),  # the only address there is has been suspended
    Row(303_003, 309_999, "cut"),
    Row(401_000, 401_002, "cut"),
    Row(500_000, 500_000, "cut"),
    Row(601_000, 601_000, "cut"),
    Row(700_700, 700_700, "blocked"),
    Row(900_400, 900_499, "unknown_path"),  # the question is none that the gateway takes
    Row(900_800, 900_899, "throttled"),
    Row(900_900, 900_904, "token"),  # unclassified, invalid, missing, expired, inactive
    Row(900_905, 900_905, "denied"),  # kind of token
    Row(900_906, 900_906, "unknown_path"),
    Row(900_907, 900_907, "blocked"),
    Row(900_908, 900_910, "denied"),  # not subscribed, subscription not active, scope
    Row(900_911, 900_917, "token"),  # several ways of authentication were tried
    Row(900_918, 900_999, "not_passed_on"),
)
"""Every code that is taken for a gateway's; a fault with any other is judged as the agency's own words."""

_CONNECTING = "error connecting"
"""Begins the text of a transport fault that happened before a connection was there; other texts prove nothing."""
_FLAT = frozenset({"code", "type", "message", "description", "nextAccessTime"})
"""Keys of a fault since API Manager 4, which no longer wraps it."""
_LONGEST = 16 * 1024
"""Bytes of a body in which a fault is looked for when the agency's own protocol cannot read it."""


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """What a gateway says in its own envelope. Implements `reading.RoadFault`."""

    code: str
    says: str | None
    """Message and description in one."""
    next_access: str | None = None
    """When a throttled caller may come again, as the gateway writes it."""

    @property
    def row(self) -> Row | None:
        """The row of its code; None: not a gateway's code, whatever the envelope looks like."""
        code = self.code.strip()
        number = int(code) if len(code) == 6 and code.isascii() and code.isdigit() else 0
        return next((row for row in CODES if row.first <= number <= row.last), None)

    @property
    def cause(self) -> str:
        """The cause of its outcome, for metrics and lines: nothing but the code."""
        return f"wso2_{self.code.strip()}"

    def meaning(self, headers: Mapping[str, str], now: float) -> Outcome | StaleCredentials:
        """See `reading.RoadFault`."""
        return meaning(self, headers, now)

    def reading(self, tree: Tree, status: int) -> Reading:
        """Return it as a reply that was read; a code that is not a gateway's reads as an agency's fault."""
        return Reading(tree, Signs(status, self.code, self.says, fault=True), self if self.row else None)


def fault_in(tree: Tree) -> GatewayFault | None:
    """Return the fault that *tree* is: `{"fault": {"code": ...}}`, the same without `fault`, or an XML `fault`."""
    if isinstance(tree, etree._Element):
        name = etree.QName(tree)
        if name.localname != "fault" or tree.find("{*}code") is None:
            return None
        return _fault({key: tree.findtext(f"{{*}}{key}") for key in _FLAT})
    if not isinstance(tree, dict):
        return None
    inner = tree.get("fault") if len(tree) == 1 else None
    if isinstance(inner, dict) and "code" in inner:
        return _fault(inner)
    if {"code", "message"} <= tree.keys() <= _FLAT:
        flat = _fault(tree)
        return flat if flat.row else None  # else it is an agency that names its fields like this
    return None


def overheard(reply: WireReply) -> Reading | None:
    """Return *reply* as a gateway's fault in the other notation: XML where the agency speaks JSON, or JSON for XML."""
    if len(reply.body) > _LONGEST:
        return None
    try:
        xml = reply.body.lstrip()[:1] == b"<"
        tree: Tree = parse_xml(reply.body, reply.headers) if xml else parse_json(reply.body, reply.headers)
    except Unreadable:
        return None
    fault = fault_in(tree)
    return fault.reading(tree, reply.status) if fault and fault.row else None


def meaning(fault: GatewayFault, headers: Mapping[str, str], now: float) -> Outcome | StaleCredentials:
    """Return what *fault*, whose code has a row, means at *now* (Unix seconds); *headers* are those of its reply."""
    row, cause = fault.row, fault.cause
    match row.means if row else "cut":
        case "throttled" | "blocked" as means:
            wait = retry_after(headers.get("retry-after"), now)
            wait = retry_after(fault.next_access, now) if wait is None else wait
            return Busy(wait, cause, route=means == "throttled")
        case "token" | "denied" as means:
            return StaleCredentials(cause, route=means == "token")
        case "never_sent" | "not_passed_on":
            return Unavailable(cause)
        case "unknown_path":
            advice = Fault("code", "the gateway has nothing at this address; check base_url and the operation's call")
            return Broken(cause, (advice,), refused_before_processing=True)
    connecting = _CONNECTING in (fault.says or "").casefold()
    return Unavailable(cause) if connecting else InDoubt(cause)


def _fault(parts: Mapping[str, object]) -> GatewayFault:
    said = [text for key in ("message", "description") if isinstance(text := parts.get(key), str)]
    code, again = parts.get("code"), parts.get("nextAccessTime")
    return GatewayFault(
        str(code) if isinstance(code, str | int) and not isinstance(code, bool) else "",
        ": ".join(said) or None,
        again if isinstance(again, str) else None,
    )
