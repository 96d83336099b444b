"""
A log-in asked the coordination whether it may leave and went whatever the answer was: with Redis gone between permit and
departure it reached the agency although nobody could say that the contract allows it.
"""

from typing import Any

from hub.call import State
from hub.coordination.protocol import UNSENT
from tests.unit.engine.stage import World, play


def test_a_log_in_whose_leave_is_not_given_is_not_sent_and_is_asked_for_anew() -> None:
    async def scenario(world: World) -> None:
        back: list[tuple[Any, int]] = []
        leave, release = world.coordination.leave, world.coordination.release

        async def nobody_says(*_: Any) -> bool:
            world.coordination.leave = leave  # type: ignore[method-assign]
            return False

        async def returned(permit: Any, outcome: Any, seconds: float) -> None:
            back.append((outcome, len(world.agency.log_ins)))
            await release(permit, outcome, seconds)

        world.coordination.leave = nobody_says  # type: ignore[method-assign]
        world.coordination.release = returned  # type: ignore[method-assign]
        assert (await world.ask()).state is State.ANSWERED
        assert back[0] == (UNSENT, 0)
        assert len(world.agency.log_ins) == 1

    play(scenario, log_in=True)
