"""
What the hub asks an agency on its own account: pages of notices, one record to compare, whether it answers at all.

Each is one exchange of the agency's lane, which goes once, whatever comes of it: the next run is soon enough. It waits
in memory, like an interactive call, and counts as the built-in caller's. Read `lane.py` first.
"""

import asyncio
from hashlib import sha256
from typing import Protocol

from pydantic import BaseModel

from connectors.kit.inbox import Fetched, Notice
from connectors.kit.operation import key_fields
from hub.call import BUILT_IN, Call, Class, Kind, Purpose, Reply
from hub.errors import Internal
from hub.line import Line
from hub.surroundings import Bound, Surroundings
from hub.turn import Fetches, Turn

_LEAST_SECONDS = 120.0
"""For how long at least one may wait for its turn; as long as any caller may."""
_TRY_PAUSE = 1.0
"""Seconds between two tries of the ground: one that could not even leave must not be followed by another at once."""


class Asks(Protocol):
    """What of a lane its own look-ups need."""

    def stir(self) -> None: ...
    def leave(self, turn: Turn) -> None: ...
    def out_of_time(self, turn: Turn) -> None: ...


class OwnLookUps:
    """Makes them for one lane."""

    def __init__(self, lane: Asks, agency: Bound, line: Line, surroundings: Surroundings) -> None:
        self._lane = lane
        self._agency = agency
        self._line = line
        self._around = surroundings
        self._trying = False
        self.seconds = max(_LEAST_SECONDS, 2 * agency.contract.call_timeout)
        """For how long one may wait in the line and be on the wire."""

    async def page(
        self, notice: Notice, cursor: str | None, purpose: Purpose, request: BaseModel | None = None
    ) -> Fetched:
        """
        Ask for one page of *notice*, after *cursor*. *request*: what is asked for, where another operation lists that.

        Raises:
            HubError: No page came, and why.
            KeyError: No operation fetches it.
        """
        fetches = Fetches(notice.name, cursor, key_fields(request) if request is not None else {})
        reply = await self._once(notice.fetched_by or "", purpose, request, fetches)
        if fetches.brought is None:  # its answer came from elsewhere than the wire, which cannot be
            raise Internal(call=reply.call)
        return fetches.brought

    async def listing(self, notice: Notice, purpose: Purpose, cursor: str | None = None) -> bytes:
        """
        Ask what of *notice* is there to be fetched, after *cursor*; return the answer, as settled.

        Raises:
            HubError: No answer came, and why.
            KeyError: No operation lists it.
        """
        reply = await self._once(notice.listed_by or "", purpose, None, Fetches(None, cursor))
        if reply.answer is None:
            raise Internal(call=reply.call)
        return reply.answer

    async def record(self, operation: str, request: BaseModel, purpose: Purpose) -> Reply:
        """
        Ask for one record.

        Raises:
            HubError: No answer came, and why.
        """
        return await self._once(operation, purpose, request, None)

    def try_ground(self, operation: str) -> None:
        """Find out with one harmless look-up whether the agency answers, unless that is being done."""
        if self._trying:
            return
        self._trying = True
        turn, future = self._turn(operation, Class.COUNTER, self._agency.contract.call_timeout, Purpose())
        future.add_done_callback(self._tried)
        turn.once = True
        self._line.join(turn, head=True)
        self._lane.stir()

    def call(
        self, operation: str, request: BaseModel, purpose: Purpose, *, seconds: float, cls: Class = Class.BULK,
        interactive: bool = False, key: str | None = None,
    ) -> tuple[Call, bytes]:  # fmt: skip
        """Return a call that the hub makes for itself, which ends in *seconds*, and its request as canonical JSON."""
        known, now = self._agency.operations[operation], self._around.clock.now()
        raw = request.__pydantic_serializer__.to_json(request)
        call = Call(
            id=self._around.new_id(), agency=self._agency.name, operation=operation, kind=Kind(known.kind), cls=cls,
            interactive=interactive, caller=BUILT_IN, purpose=purpose, fingerprint=sha256(raw).hexdigest(), accepted_at=now,
            deadline=now + seconds, due_at=now, step=operation, repeat_safe=known.repeat_safe,
            order_key=known.order_key(request), idempotency_key=key,
        )  # fmt: skip
        return call, raw

    async def _once(
        self, operation: str, purpose: Purpose, request: BaseModel | None, fetches: Fetches | None
    ) -> Reply:
        turn, future = self._turn(operation, Class.BULK, self.seconds, purpose, request)
        turn.once, turn.fetches = True, fetches
        self._line.join(turn)
        self._lane.stir()
        try:
            return await future
        except asyncio.CancelledError:
            self._lane.leave(turn)
            raise

    def _turn(
        self, operation: str, cls: Class, seconds: float, purpose: Purpose, request: BaseModel | None = None
    ) -> tuple[Turn, "asyncio.Future[Reply]"]:
        """Return a look-up that waits in memory, with its end. Without *request* it asks for no record."""
        request = self._agency.operations[operation].request() if request is None else request
        call, raw = self.call(operation, request, purpose, seconds=seconds, cls=cls, interactive=True)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        turn = Turn(call, request, raw, self._around.clock.monotonic() + seconds, future, budget=seconds)
        turn.timer = asyncio.get_running_loop().call_at(turn.until, self._lane.out_of_time, turn)
        return turn, future

    def _tried(self, future: "asyncio.Future[Reply]") -> None:
        if not future.cancelled():
            future.exception()  # how it ended is in its exchange; nobody else waits for it
        asyncio.get_running_loop().call_later(_TRY_PAUSE, self._may_try_again)

    def _may_try_again(self) -> None:
        self._trying = False
        self._lane.stir()
