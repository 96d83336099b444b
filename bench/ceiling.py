"""
What the best of all senders could get answered: one that costs no time, has always somebody waiting, and keeps the contract.

An agency with a few workers, a contract of just as many at once and of little more a second than they can do cannot be
kept busy all the time: a worker that comes free after a quick call waits until the rate lets the next one go. This is
arithmetic of the contract, not of the hub; it is measured here with the hub's own rate guard and the played agency's own
times of service, so that the share that the hub loses stands apart. Next: `weighing.py`.
"""

import heapq

from bench.agencies import Bears, Times
from bench.plan import Size
from connectors.kit.outcomes import Answered, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.guard import Wanted
from hub.guards.rate import Rate

_CALLS = 20_000
_CALL = Wanted("lookup_procedure", Class.NORMAL)


def ceiling(size: Size) -> float:
    """Return the most that can be answered under the contract of the load lanes, as a part of their capacity."""
    clock = VirtualClock()
    began = clock.monotonic()
    rate = Rate(clock, size.contract_rate * size.capacity)
    times = Times(Bears("ceiling", size.workers, size.seconds, size.sigma))
    free = [began] * size.workers
    for number in range(_CALLS):
        clock.advance(max(0.0, heapq.heappop(free) - clock.monotonic()))
        while wait := rate.admit(_CALL):
            clock.advance(wait.seconds or 0.0)
        rate.granted(number, _CALL)
        rate.released(number, _CALL, Answered(Result.OK), 0.0)
        heapq.heappush(free, clock.monotonic() + times.of(number))
    return _CALLS / (max(free) - began) / size.capacity
