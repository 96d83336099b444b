"""
One exchange of a call: recorded, rendered, sent, and its permit released exactly once. Next: `verdicts.py`.

Whatever is cancelled or fails in here, the permit goes back: unsent if no byte can have left, else as what it was.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pydantic import BaseModel

from connectors.kit.exchange import WireRequest
from connectors.kit.operation import OF_REQUEST, Operation, follow_up_request, value_at
from connectors.kit.outcomes import Broken, InDoubt, Outcome, StaleCredentials
from hub.admission import COLD
from hub.call import BUILT_IN, Call, exchange_id
from hub.coordination.protocol import STALE, UNSENT, Permit
from hub.errors import StoreUnavailable
from hub.surroundings import ICT, Bound, Surroundings, moment
from hub.turn import Turn
from mappings.errors import MappingFailed

UNREADABLE = "Không đọc được thông báo này. This notice cannot be read."
"""What an agency is told whose notice we refuse after it was fetched."""
_RUN_ON = 3.0
"""
Times its live p95 that an exchange may take though its caller's time is over, who hears that in any case. One that is
cut leaves a ghost slot for a minute: callers in a hurry, cut after a second each, would take all slots of an agency
that answers after two. One that hangs is cut all the same, so that the breaker learns of it.
"""
_GRACE = 1.0
"""Seconds beyond its own timeout after which an exchange that has not come back is cut by us."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exchange ended, and under which number and fence its call is to be settled."""

    outcome: Outcome | StaleCredentials | None
    """None: recorded, but not sent, because its lease, its time or its caller had gone meanwhile."""
    fence: int
    exchange_no: int
    seconds: float
    probe: bool = False
    """It tried the ground after a hold or for an open breaker: its failure is nobody's attempt."""


def of_call(call: Call) -> dict[str, str | None]:
    """Return the sources that are the same over all exchanges of *call*."""
    return {
        "call.id": call.id,
        "call.reference": call.id.replace("-", ""),
        "call.accepted_at": moment(call.accepted_at),
        "call.dossier": call.purpose.dossier,
        "call.procedure": call.purpose.procedure,
    }


def own_keys(operation: Operation, call: Call, request: BaseModel) -> dict[str, str]:
    """Return the keys by which the agency knows *request* of *call*, sent with *operation*, and which we gave: name -> text."""
    known, found = of_call(call), {}
    for name, source in operation.own.items():
        value = known[source] if source in known else value_at(request, source.removeprefix(OF_REQUEST))
        if value is not None:
            found[name] = str(value)
    return found


class Exchanges:
    """Makes the exchanges of one lane."""

    def __init__(self, agency: Bound, surroundings: Surroundings) -> None:
        self._agency = agency
        self._contract = agency.contract
        self._around = surroundings

    async def make(self, turn: Turn, permit: Permit, auth: Mapping[str, str]) -> Ended | None:
        """
        Make *turn*'s next exchange, and return how it ended with the permit released.

        None: the store says that somebody else moved the call; nothing was sent.

        Raises:
            StoreUnavailable: `sending` could not be recorded, so nothing was sent; it may be found recorded later.
        """
        clock = self._around.clock
        ended: Outcome | str = UNSENT
        sent = clock.monotonic()
        try:
            recorded = await self._record(turn)
            if recorded is None:
                return None
            fence, number = recorded
            wire = await self._render(turn, auth, number)
            if isinstance(wire, Broken):
                return Ended(wire, fence, number, 0.0)
            within = math.inf if turn.asks_after else turn.until - clock.monotonic()
            leaves = await self._around.coordination.leave(permit, within)
            timeout = self._timeout(turn)
            if not leaves or timeout <= 0:
                return Ended(None, fence, number, 0.0)
            sent = clock.monotonic()
            ended = InDoubt("cut")  # what is true if we are cancelled from here on
            outcome = await self._send(turn, wire, timeout)
            ended = STALE if isinstance(outcome, StaleCredentials) else UNSENT if _unsent(outcome) else outcome
            return Ended(outcome, fence, number, clock.monotonic() - sent, permit.probe)
        finally:
            await self._around.coordination.release(permit, ended, clock.monotonic() - sent)

    def sources(self, turn: Turn, auth: Mapping[str, str], number: int) -> Mapping[str, str | None]:
        """Return the values that mappings, wraps and handshakes may name, for exchange *number* of a call, that leaves now."""
        call, around = turn.call, self._around
        now = around.clock.now()
        return {
            **of_call(call),
            "exchange.id": exchange_id(call.id, number),
            "exchange.at": moment(now),
            **({"page.after": turn.fetches.cursor} if turn.fetches is not None else {}),
            **({"notice.reason": UNREADABLE} if call.caller == BUILT_IN else {}),
            **around.people(call, call.agency, datetime.fromtimestamp(now, ICT).date()),
            **auth,
        }

    async def _render(self, turn: Turn, auth: Mapping[str, str], number: int) -> WireRequest | Broken:
        try:
            request = turn.request if turn.call.step == turn.call.operation else await self._further(turn)
            request = self._around.sealing.open(turn.call.agency, request)
            wire = self._agency.render(turn.call.step, request, self.sources(turn, auth, number))
            return await self._around.files.filled(wire, self._contract.request_bytes)
        except MappingFailed as failed:
            return Broken("mapping", failed.faults, sent=False)
        except StoreUnavailable:
            raise
        except Exception as error:
            self._around.observer.fault("connector", error)
            return Broken("fault", sent=False)

    async def _further(self, turn: Turn) -> BaseModel:
        """Return what a further step asks, filled from the call's request, its answer and the agency's keys we remember."""
        call, answer = turn.call, turn.answer
        known = await self._around.store.remembered(call.purpose.dossier or call.id, call.agency)
        operation = self._agency.operations[turn.before or call.operation]
        # Its own keys last: what is remembered of the dossier may be of another call, another payment of it.
        refs = {**known, **(answer.refs if answer else {}), **own_keys(operation, call, turn.request)}
        return follow_up_request(operation, call.step, turn.request, refs, answer.value if answer else None)

    async def _send(self, turn: Turn, wire: WireRequest, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109 - handed on
        try:
            async with asyncio.timeout(timeout + _GRACE):
                if turn.fetches is None:
                    return await self._agency.send(turn.call.step, wire, timeout=timeout)
                turn.fetches.brought = await self._agency.fetch(turn.fetches.notice, wire, timeout=timeout)
                return turn.fetches.brought.outcome
        except TimeoutError:
            return InDoubt("timeout")
        except Exception as error:  # a connector may not raise; if it does, bytes may have left
            self._around.observer.fault("connector", error)
            return InDoubt("fault")

    async def _record(self, turn: Turn) -> tuple[int, int] | None:
        """Write `sending`, and return fence and number of the exchange, or None if the call is not ours to send."""
        store, node, call = self._around.store, self._around.node, turn.call
        if turn.asks_after:
            return await store.begin_asking(call.id, node, call.step)
        if turn.interactive and not turn.recorded:
            turn.recorded = True  # also when the answer gets lost: then the row may be there
            number: int | None = await store.open(call, node, sha256(turn.raw).hexdigest(), len(turn.raw))
        else:
            number = await store.begin(call.id, call.fence, node)
            if number is None and turn.call.fence != call.fence:  # leased anew while we asked
                call = turn.call
                number = await store.begin(call.id, call.fence, node)
        return None if number is None else (call.fence, number)

    def _timeout(self, turn: Turn) -> float:
        """Return the seconds this exchange may take; none are left if its caller or its lease is gone."""
        left = turn.until - self._around.clock.monotonic()
        if turn.future is None:
            return self._contract.call_timeout if turn.asks_after or left > 0 else 0.0
        if left <= 0 or turn.future.cancelled():
            return 0.0
        usual = self._around.coordination.pace(self._agency.name).p95 or COLD * self._contract.call_timeout
        return min(self._contract.call_timeout, max(left, _RUN_ON * usual))


def _unsent(outcome: Outcome) -> bool:
    return isinstance(outcome, Broken) and not outcome.sent
