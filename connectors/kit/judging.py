"""
From a reply to an outcome: readable? what does it mean? unwrap, map, remember. Never raises, never keeps a value.

The order matters: an answer is judged by its own words before anything is unwrapped or mapped, so that an error page
is never read as an empty record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from connectors.kit.answers import Row, Signs
from connectors.kit.carried import Carried
from connectors.kit.exchange import Sources, WireReply
from connectors.kit.files import contents
from connectors.kit.operation import Operation
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from connectors.kit.places import Nothing, text_at, unkept
from connectors.kit.reading import Reading
from connectors.kit.signatures import Signing
from connectors.kit.statuses import by_status, retry_after
from connectors.kit.texts import Tree, Unreadable
from mappings.errors import Fault, MappingFailed
from mappings.paths import read_place

_BLAMES_US = ("Client", "Sender", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown")
"""Fault codes of SOAP that say: the message was wrong, so it was not processed."""
_NO_SETTINGS: Sources = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome, and the tree it was read from while it is needed to keep a session."""

    outcome: Outcome | StaleCredentials
    tree: Tree = None


def judge(
    operation: Operation,
    reply: WireReply,
    *,
    now: float,
    knows_us: bool,
    said: str | None = None,
    settings: Sources = _NO_SETTINGS,
) -> Judged:
    """
    Say what *reply* to *operation* means at *now* (Unix seconds).

    *knows_us*: the agency has credentials of ours. *said*: the result that a hook decided, instead of `answers.csv`.
    *settings* (`settings.x`) are what a signature is checked with: one that proves nothing makes any answer `Broken`,
    and what was filed is in doubt. A "no" may come unsigned, as errors of envelopes do; whatever carries data may not.
    """
    try:
        judged = _judged(operation, reply, now, knows_us, said)
        if operation.signed is not None and isinstance(judged.outcome, Answered):
            faults = _forged(operation, operation.signed, reply, settings, judged.outcome.result)
            return Judged(Broken("signature", faults)) if faults else judged
        return judged
    except Exception as error:  # a fault of ours must not lose what the agency may have done
        return Judged(Broken("fault", (Fault("", f"reading failed with {type(error).__name__}"),)))


def session_in(tree: Tree, keep: Mapping[str, str]) -> Mapping[str, str] | Broken:
    """Return what the answer to a login, *tree*, gives to *keep* (name = place), as sources `auth.x`; `Broken` when a part is missing."""
    kept = {f"auth.{name}": text_at(tree, read_place(place)) or "" for name, place in keep.items()}
    missing = [
        Fault(place, "is not in the answer to the login") for name, place in keep.items() if not kept[f"auth.{name}"]
    ]
    return Broken("keep", tuple(missing)) if missing else kept


def _judged(operation: Operation, reply: WireReply, now: float, knows_us: bool, said: str | None) -> Judged:
    reading: Reading | None = None
    try:
        reading = operation.wire.read(reply)
    except Unreadable as error:
        if 200 <= reply.status <= 299 and said is None:
            return Judged(_unreadable(error))
    signs = reading.signs if reading else Signs(reply.status)
    told = reading.road.meaning(reply.headers, now) if reading and reading.road else None
    row = Row(0, "", "", "", "", said, "", "", "") if said else operation.judge.row_for(signs, by_code=told is not None)
    if row is None:
        return Judged(told or _without_row(signs, reply, now, knows_us))
    of_the_route = isinstance(told, Busy | StaleCredentials) and told.route
    because = row.because(signs.code)
    match row.result:
        case "ok" | "pending" | "exists":
            if reading is None:
                return Judged(
                    Broken(
                        "unreadable",
                        (Fault("body", f"is not readable, though HTTP {reply.status} means {row.result}"),),
                    )
                )
            return _answered(operation, reading, Result(row.result), row, signs)
        case "not_found" | "refused":
            return Judged(Answered(Result(row.result), reason=because))
        case "login":
            return Judged(StaleCredentials(row.reason or "login", route=of_the_route))
        case "busy":
            wait = told.retry_after if isinstance(told, Busy) else retry_after(reply.headers.get("retry-after"), now)
            return Judged(Busy(wait, row.reason or "busy", route=of_the_route))
        case "unavailable":
            return Judged(Unavailable(row.reason or "never_reached"))
        case "in_doubt":
            return Judged(InDoubt(row.reason or "in_doubt"))
    return Judged(Broken(row.reason or "answer", refused_before_processing=400 <= reply.status <= 499))


def _forged(
    operation: Operation, signed: Signing, reply: WireReply, settings: Sources, result: Result
) -> tuple[Fault, ...]:
    """Why the signature of *reply*, which stands in the payload, is none; nothing when it holds, or when a "no" has none."""
    carried = Carried(None, reply.headers)
    try:
        whole = operation.wire.read(reply).tree
        payload = operation.unwrap(whole)
        carried = Carried(whole if isinstance(payload, Nothing) else payload, reply.headers)
    except Unreadable:
        pass  # then it shows no signature either
    may_lack = result in (Result.NOT_FOUND, Result.REFUSED)
    return () if may_lack and not signed.shows(carried) else signed.faults(carried, settings)


def _unreadable(error: Unreadable) -> Outcome:
    return InDoubt("truncated") if error.truncated else Broken("unreadable", (Fault("body", error.rule),))


def _without_row(signs: Signs, reply: WireReply, now: float, knows_us: bool) -> Outcome | StaleCredentials:
    blamed = signs.fault and (signs.code or "").partition(".")[0] in _BLAMES_US
    if blamed and (
        reply.status == 500 or reply.status // 100 == 2
    ):  # what else a status says is more than the fault does
        return Broken(
            "fault", (Fault("code", "of the fault has no row in answers.csv"),), refused_before_processing=True
        )
    meant = by_status(reply.status, reply.headers, now=now, knows_us=knows_us)
    if meant is not None:
        return meant
    return Broken(
        "no_row",
        (Fault("code", f"with HTTP {reply.status} has no row in answers.csv, or rows that contradict each other"),),
    )


def _answered(operation: Operation, reading: Reading, result: Result, row: Row, signs: Signs) -> Judged:
    because = row.because(signs.code)
    try:
        payload = operation.unwrap(reading.tree)
    except Unreadable as error:
        return Judged(Broken("unwrap", (Fault("body", error.rule),)))
    value: BaseModel | None = None
    drift: tuple[str, ...] = ()
    files: Mapping[str, bytes] = {}
    if result is not Result.EXISTS and operation.returns is not None:
        if isinstance(payload, Nothing):
            if operation.returns.is_document:
                says = "is not there, where `unwrap` looks for it: the element at which the mapping begins"
                return Judged(Broken("unwrap", (Fault("body", says),)))
            return Judged(Answered(Result.NOT_FOUND, reason=because))
        try:
            found = operation.returns.read(payload)
            files = contents(found.files) if found is not None else files
        except MappingFailed as failed:
            return Judged(Broken("mapping", failed.faults))
        if found is None:
            return Judged(Answered(Result.NOT_FOUND, reason=because))
        value, drift = found.value, found.fallbacks
    tree = reading.tree if isinstance(payload, Nothing) else payload
    refs = _refs(operation, tree, reading.tree)
    unkept_refs = tuple(f"ref.{name}" for name, text in refs.items() if unkept(text))
    kept = {name: text for name, text in refs.items() if not unkept(text)} if unkept_refs else refs
    drift = (*operation.wire.drift(reading.tree), *drift, *unkept_refs)
    return Judged(Answered(result, value, because, kept, drift, files), tree)


def _refs(operation: Operation, payload: Tree, whole: Tree) -> Mapping[str, str]:
    found = ((name, text_at(payload, place) or text_at(whole, place)) for name, place in operation.ref.items())
    return {name: text for name, text in found if text}
