"""
A dossier's next step stood `queued` for days behind a dead letter, and nothing said behind which. An operator now sees
what stands in the way of a call, and what a dead letter holds up, and may end it with a reason.
"""

import asyncio

from connectors.kit.outcomes import Broken
from hub.call import State
from hub.store.deciding import Act
from hub.store.persons import Case
from hub.web.cases import details_shown
from tests.unit.engine.stage import World, play


def test_who_looks_at_a_call_that_waits_sees_what_stands_before_it_and_can_end_that() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].append((0.1, Broken("http_400", refused_before_processing=True)))
        first, second, third = [await world.file("file_ordered", code="A") for _ in range(3)]
        await asyncio.sleep(3600)

        async def case(call: str) -> Case:
            found = await world.store.persons.case(call)
            assert found is not None
            return found

        shown = details_shown(await case(third.call))
        assert shown["in_the_way"] == {"call": first.call, "state": "dead", "cause": "contract:http_400"}
        assert details_shown(await case(first.call))["holds_up"] == 2
        await world.decide(first, Act.DISCARD)
        await asyncio.sleep(1)
        assert [(await world.state(one))[0] for one in (second, third)] == [State.ANSWERED] * 2

    play(scenario)
