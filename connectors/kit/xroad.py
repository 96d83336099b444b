"""
An X-Road security server's own words: how its faults are told from an agency's, and what each code means.

A message passes two of them, ours and the agency's, and a fault is named by where it arose: `Client.<name>` (what we
sent is no X-Road message), `Server.ClientProxy.<name>` (our server), `Server.ServerProxy.<name>` (the agency's server)
and, where that one turned to the service, `Server.ServerProxy.ServiceFailed.<name>`. Names are those of `ErrorCodes` in
X-Road's source; what was seen of each is in docs/decisions/0036-what-an-x-road-fault-proves.md. A name alone seldom
proves that nothing reached the service, since both servers sign, log and check on the way back too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connectors.kit.answers import Signs
from connectors.kit.outcomes import Broken, Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from connectors.kit.reading import Reading
from connectors.kit.statuses import retry_after
from connectors.kit.texts import Tree
from mappings.errors import Fault

HEADER = "x-road-error"
"""Stands on every reply that a security server wrote itself, and on no other (PR-REST, section 4.6)."""
ID = "x-road-id"
"""Stands on every reply that an agency wrote, and is set by its security server (PR-REST, section 4.3)."""
CLIENT = "Client"
OURS, THEIRS = "Server.ClientProxy", "Server.ServerProxy"
FAILED = f"{THEIRS}.ServiceFailed"

Means: TypeAlias = Literal[
    "unknown_client", "denied", "closed", "throttled", "unknown_service", "no_message", "never_sent", "cut"
]
"""
`unknown_client`: our server does not take us for the client that we say we are. `denied`: the agency does not let us use
this service. `closed`: it has closed the service for a while. `throttled`: the service asks us to slow down.
`unknown_service`: nobody has a service of this id. `no_message`: what we sent is no X-Road message. `never_sent`: no
connection came about. `cut`: it may have been processed.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A fault that proves something: where it arose, its name and, where the name alone proves nothing, its text."""

    where: str
    name: str
    means: Means
    says: str = ""
    """Text in small letters that must stand in the fault's own; empty: any."""


ROWS = (
    Row(OURS, "UnknownMember", "unknown_client", "client '"),
    Row(OURS, "UnknownMember", "unknown_service", "could not find addresses for service provider"),
    Row(OURS, "InvalidSecurityServer", "unknown_service"),
    Row(OURS, "SslAuthenticationFailed", "unknown_client", "client ("),
    Row(OURS, "NetworkError", "never_sent", "could not connect to any target host"),
    Row(THEIRS, "UnknownMember", "unknown_service"),
    Row(THEIRS, "UnknownService", "unknown_service"),
    Row(THEIRS, "ServiceType", "unknown_service"),
    Row(THEIRS, "ServiceMissingUrl", "unknown_service"),
    Row(THEIRS, "ServiceMalformedUrl", "unknown_service"),
    Row(THEIRS, "AccessDenied", "denied"),
    Row(THEIRS, "ServiceDisabled", "closed"),
    Row(THEIRS, "SslAuthenticationFailed", "never_sent"),  # the certificate of our server, before the message is read
    Row(THEIRS, "NetworkError", "never_sent", "connect to "),  # of REST services
    Row(FAILED, "NetworkError", "never_sent", "connect to "),  # of SOAP services
    Row(FAILED, "HttpError", "throttled", "server responded with error 429"),
)
"""Every fault that proves something. Any other of the two servers is `cut`; any of `Client` is `no_message`."""

_NAMES = """
IOError NetworkError InternalError BadRequest NotFound HttpError DatabaseError InvalidResponse InvalidRequest
CannotCreateSignature CertValidation MissingValidationInfo IncorrectValidationInfo CannotCreateCertPath
CertValidityTime IncorrectCertificate UnsupportedAlgorithm InvalidSignatureValue MalformedSignature InvalidXml
InvalidReference InvalidCertPath SignatureVerification MalformedSoap TimestampValidation InvalidHashChain
MalformedHashChain HashChainUnusedInputs InvalidHashChainRef SslAuthenticationFailed LoggingFailed
TimestampingFailed InvalidContentType InvalidSoapAction InvalidHttpMethod InvalidMessage InvalidSecurityServer
MimeParsingFailed MissingHeader MissingHeaderField DuplicateHeaderField MissingBody InvalidBody InconsistentHeaders
InconsistentResponse MissingSoap InvalidSoap MissingRest InvalidRest AccessDenied ServiceDisabled ServiceFailed
MissingSignature UnknownService InvalidProtocolVersion InvalidClientIdentifier ServiceType
ClientProxyVersionNotSupported UnknownMember MalformedServerConf MalformedKeyConf MalformedGlobalConf
OutdatedGlobalConf ServiceMissingUrl ServiceMalformedUrl AdapterWsdlNotFound HSMNonOperational MaintenanceMode
KeyNotFound KeyNotAvailable CertNotFound TokenNotFound TokenNotActive TokenNotInitialized TokenNotAvailable
CannotSign TimestamperFailed
"""
NAMES = frozenset(_NAMES.split())
"""Names that a cause may repeat; the rest is called `other`, so that nobody fills our metrics with names of their own."""

_ADVICE: Mapping[str, str] = {
    "unknown_service": "no such service is known there; check xroad_service and xroad_services of the agency",
    "no_message": "X-Road does not take what we sent for a message; check the route's kind and its client",
}


@dataclass(frozen=True, slots=True)
class XRoadFault:
    """What a security server says of itself. Implements `reading.RoadFault`."""

    code: str
    says: str | None = None

    @property
    def where(self) -> str:
        """The longest of the four places that its code begins with."""
        return next(place for place in (FAILED, THEIRS, OURS, CLIENT) if self.code.startswith(f"{place}."))

    @property
    def name(self) -> str:
        """What went wrong there, without what it led to on the way."""
        return self.code.rpartition(".")[2]

    @property
    def means(self) -> Means:
        """What it proves."""
        if self.where == CLIENT:
            return "no_message"
        exact = self.code == f"{self.where}.{self.name}"  # a longer code was handed on from further in
        text = (self.says or "").casefold()
        rows = (row for row in ROWS if exact and (row.where, row.name) == (self.where, self.name) and row.says in text)
        return next((row.means for row in rows), "cut")

    @property
    def cause(self) -> str:
        """The cause of its outcome, for metrics and lines."""
        return f"xroad_{self.name if self.name in NAMES else 'other'}"

    def meaning(self, headers: Mapping[str, str], now: float) -> Outcome | StaleCredentials:
        """See `reading.RoadFault`."""
        means, cause = self.means, self.cause
        match means:
            case "unknown_client" | "denied":
                return StaleCredentials(cause, route=means == "unknown_client")
            case "closed" | "throttled":
                return Busy(retry_after(headers.get("retry-after"), now), cause)
            case "unknown_service" | "no_message":
                return Broken(cause, (Fault("code", _ADVICE[means]),), refused_before_processing=True)
            case "never_sent":
                return Unavailable(cause)
        return InDoubt(cause)

    def reading(self, tree: Tree, status: int) -> Reading:
        """Return it as a reply that was read."""
        return Reading(tree, Signs(status, self.code, self.says, fault=True), self)


def fault_named(code: str | None, says: str | None) -> XRoadFault | None:
    """Return the fault that *code* is; None: an agency's own, as `Client` and `Server` alone are."""
    fault = XRoadFault((code or "").strip(), says)
    if fault.code.startswith((f"{OURS}.", f"{THEIRS}.")):
        return fault
    return fault if fault.code.startswith(f"{CLIENT}.") and fault.name in NAMES else None


def fault_in(tree: Tree, headers: Mapping[str, str]) -> XRoadFault | None:
    """Return the fault that a reply of REST holds, which was read as *tree*, or not at all; *headers* are its own."""
    shown = headers.get(HEADER)
    if shown is None:
        return None  # then an agency wrote it, whatever it looks like
    told = tree if isinstance(tree, dict) else {}
    code, says = told.get("type"), told.get("message")
    return fault_named(code if isinstance(code, str) else shown, says if isinstance(says, str) else None)
