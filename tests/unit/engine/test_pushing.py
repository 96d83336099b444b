"""A subscription is pushed in order, signed, again and again until it arrives; one that is slow or dead delays nobody."""

import asyncio
import json

import pytest

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.outcomes import InDoubt, Unavailable
from hub.client.webhooks import verify
from hub.errors import StoreUnavailable
from hub.feed import MOST_LISTENING
from hub.guards.retry import DURABLE_ATTEMPTS
from hub.pushing.delivery import CALL_TIMEOUT
from hub.pushing.lane import LONGEST_TRIED, PAGE
from hub.pushing.pusher import BEAT, TTL
from hub.pushing.signing import Signing
from hub.store.feed import Reach
from tests.unit.engine.pushed import CALLER, KEY, OK, World, play, status

DAY = 86_400.0


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look once an hour, so that days of virtual time take no minute; who orders something stirs the node."""
    monkeypatch.setattr("hub.pushing.pusher.BEAT", 3600.0)
    monkeypatch.setattr("hub.pushing.pusher.TTL", 4 * 3600.0)
    monkeypatch.setattr("hub.feed.SWEEP", 3600.0)


def test_what_settles_is_pushed_at_once_as_a_signed_cloud_event() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        world.node()
        await asyncio.sleep(1)
        call = await world.settled()
        await asyncio.sleep(1)
        ((_, request),) = receiver.came
        event = json.loads(request.body)
        assert (request.method, event["subject"], event["type"]) == ("POST", call, "vn.lienthong.call.settled")
        assert request.headers["webhook-id"] == event["id"]
        assert request.headers["hub-subscription"] == of
        assert request.headers["content-type"].startswith("application/cloudevents+json")
        verify(Signing(KEY).secret(of), request.headers, request.body, now=world.clock.now())

    play(scenario)


def test_events_arrive_in_order_one_at_a_time_and_none_twice() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()

        async def takes_a_second(_: WireRequest) -> WireReply:
            await asyncio.sleep(1)
            return OK

        receiver.answers = takes_a_second
        world.node()
        calls = [await world.settled() for _ in range(3 * PAGE)]
        await asyncio.sleep(120)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came] == calls
        assert receiver.most_at_once == 1

    play(scenario)


def test_a_fast_receiver_gets_at_most_fifty_a_second() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        for _ in range(200):
            await world.settled()
        world.node()
        await asyncio.sleep(10)
        times = [at for at, _ in receiver.came]
        assert len(times) == 200
        assert times[-1] - times[0] >= 199 * 0.02 - 1e-6

    play(scenario)


def test_a_receiver_that_hangs_or_is_dead_delays_no_other() -> None:
    async def scenario(world: World) -> None:
        _, slow = await world.subscribed("https://slow.centre.example/")
        _, dead = await world.subscribed("https://dead.centre.example/")
        _, well = await world.subscribed("https://well.centre.example/")

        async def hangs(_: WireRequest) -> WireReply:
            await asyncio.sleep(3600)
            return OK

        slow.answers = hangs
        dead.answers = lambda request: Unavailable("dns")
        world.node()
        calls = [await world.settled() for _ in range(50)]
        await asyncio.sleep(3)
        assert len(well.came) == len(calls)
        assert (len(slow.came), slow.at_once) == (1, 1)
        await asyncio.sleep(CALL_TIMEOUT + 5)
        assert len(slow.came) > 1, "a delivery ends after the call timeout"

    play(scenario)


def test_a_failed_event_is_tried_again_with_growing_waits_under_the_same_id_and_nothing_passes_it() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(500)
        world.node()
        first, second = await world.settled(), await world.settled()
        await asyncio.sleep(3600)
        assert set(receiver.ids()) == {receiver.ids()[0]}
        waits = [later - earlier for (earlier, _), (later, _) in zip(receiver.came, receiver.came[1:], strict=False)]
        assert waits == sorted(waits)
        row = await world.row(of)
        assert (row.seq, row.cause, row.attempts) == (0, "http_500", len(receiver.came))
        receiver.answers = lambda request: OK
        await asyncio.sleep(2 * 3600)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came[-2:]] == [first, second]
        assert (await world.row(of)).failing_since is None

    play(scenario)


@pytest.mark.parametrize("answer", [status(302), status(404), status(502), InDoubt("timeout"), InDoubt("too_large")])
def test_whatever_is_no_success_is_tried_again(answer: object) -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        receiver.answers = lambda request: answer if len(receiver.came) == 1 else OK  # type: ignore[return-value]
        world.node()
        await world.settled()
        await asyncio.sleep(5)
        assert len(receiver.came) == 2

    play(scenario)


def test_a_receiver_that_asks_to_wait_is_left_alone_for_so_long_and_it_is_no_attempt() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(429, retry_after="100") if len(receiver.came) == 1 else OK
        world.node()
        await world.settled()
        await asyncio.sleep(99)
        assert len(receiver.came) == 1
        assert (await world.row(of)).attempts == 0
        await asyncio.sleep(3)
        assert len(receiver.came) == 2

    play(scenario)


@pytest.mark.usefixtures("days")
def test_after_twelve_attempts_an_event_is_dead_and_the_next_goes_on() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        bad = await world.settled()
        receiver.answers = lambda request: status(400) if bad.encode() in request.body else OK
        good = await world.settled()
        world.node()
        await asyncio.sleep(4 * DAY)
        assert len(receiver.came) == DURABLE_ATTEMPTS + 1
        assert good.encode() in receiver.came[-1][1].body
        (dead,) = await world.store.subscriptions.dead(of) or ()
        assert (dead.call, dead.attempts, dead.cause) == (bad, DURABLE_ATTEMPTS, "http_400")
        assert world.log.pushed[CALLER, "dead", "http_400"] == 1

    play(scenario)


@pytest.mark.usefixtures("days")
def test_an_event_that_is_only_put_off_is_dead_after_seven_days() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(503, retry_after="40000")
        world.node()
        await world.settled()
        await asyncio.sleep(LONGEST_TRIED - 1)
        assert await world.store.subscriptions.dead(of) == []
        await asyncio.sleep(40_010)
        (dead,) = await world.store.subscriptions.dead(of) or ()
        assert dead.attempts == 0

    play(scenario)


@pytest.mark.usefixtures("days")
def test_a_dead_event_is_sent_again_when_a_person_says_so_once_and_what_waited_goes_on() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(500)
        world.node()
        bad, waiting = await world.settled(), await world.settled()
        await asyncio.sleep(2.25 * DAY)  # one dies within 51 hours, two hardly within 54
        kept = world.store.subscriptions
        (dead,) = await kept.dead(of) or ()
        came = len(receiver.came)
        assert await kept.replay(of, dead.seq, CALLER, CALLER) == 1
        world.nodes[0].pusher.stir()
        await asyncio.sleep(1)
        assert bad.encode() in receiver.came[came][1].body
        (still,) = await kept.dead(of) or ()
        assert (still.again, still.cause) == (False, "http_500"), "it failed again, and is not tried by itself"
        receiver.answers = lambda request: OK
        came = len(receiver.came)
        assert await kept.replay(of, None, CALLER, CALLER) == 1
        world.nodes[0].pusher.stir()
        await asyncio.sleep(2)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came[came:]] == [bad, waiting]
        assert receiver.came[-2][1].headers["webhook-id"] == dead.id
        assert await kept.dead(of) == []

    play(scenario)


@pytest.mark.usefixtures("days")
def test_a_receiver_that_is_gone_is_sent_nothing_until_it_is_resumed() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(410)
        world.node()
        call = await world.settled()
        await asyncio.sleep(2 * DAY)
        assert len(receiver.came) == 1
        assert (await world.row(of)).stopped
        receiver.answers = lambda request: OK
        await world.store.subscriptions.resume(of, CALLER, CALLER)
        world.nodes[0].pusher.stir()
        await asyncio.sleep(1)
        assert call.encode() in receiver.came[-1][1].body
        assert not (await world.row(of)).stopped

    play(scenario)


@pytest.mark.usefixtures("days")
def test_a_person_who_knows_that_the_receiver_is_back_need_not_wait() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: Unavailable("connect")
        world.node()
        await world.settled()
        await asyncio.sleep(DAY)
        receiver.answers = lambda request: OK
        came = len(receiver.came)
        await world.store.subscriptions.resume(of, CALLER, CALLER)
        world.nodes[0].pusher.stir()
        await asyncio.sleep(1)
        assert len(receiver.came) == came + 1

    play(scenario)


def test_only_what_was_asked_for_is_pushed_and_only_what_the_key_reaches() -> None:
    async def scenario(world: World) -> None:
        _, of_tax = await world.subscribed("https://tax.centre.example/", agencies=("tax",))
        _, of_dossier = await world.subscribed("https://dossier.centre.example/", dossier="D-7")
        _, of_other = await world.subscribed("https://other.centre.example/", caller="other")
        world.reach = {CALLER: ["npsp", "tax"], "other": ["npsp"]}
        world.node()
        tax = await world.settled("tax")
        seventh = await world.settled(dossier="D-7")
        await world.settled("tax", caller="other")
        theirs = await world.settled(caller="other")
        for _ in range(3 * PAGE):
            await world.settled()
        eighth = await world.settled("tax", dossier="D-7")
        await asyncio.sleep(20)

        def told(receiver: object) -> list[str]:
            return [json.loads(request.body)["subject"] for _, request in receiver.came]  # type: ignore[attr-defined]

        assert told(of_tax) == [tax, eighth]
        assert told(of_dossier) == [seventh, eighth]
        assert told(of_other) == [theirs]

    play(scenario)


def test_a_dossier_is_found_among_very_many_others() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed(dossier="D-7")
        wanted = []
        for _ in range(2):
            for _ in range(1000):
                await world.settled(caller="other")
            wanted.append(await world.settled(dossier="D-7"))
            await world.settled(caller="other", dossier="D-7")
        world.node()
        await asyncio.sleep(10)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came] == wanted

    play(scenario)


def test_pushing_takes_no_streams_from_a_caller_that_listens_too() -> None:
    async def scenario(world: World) -> None:
        for number in range(MOST_LISTENING):
            await world.subscribed(f"https://r{number}.centre.example/")
        node = world.node()
        await asyncio.sleep(1)
        async with node.feed.listen(CALLER, Reach(["npsp"], [])) as listener:
            call = await world.settled()
            (told,) = await listener.next() or ()
            assert told.call == call

    play(scenario)


@pytest.mark.usefixtures("days")
def test_what_is_ordered_while_dead_events_are_sent_again_is_not_lost() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(500)
        world.node()
        for _ in range(2):
            await world.settled()
        await asyncio.sleep(5 * DAY)
        kept = world.store.subscriptions
        first, second = await kept.dead(of) or ()

        async def slow(_: WireRequest) -> WireReply:
            await asyncio.sleep(12)
            return OK

        receiver.answers = slow
        await kept.replay(of, first.seq, CALLER, CALLER)
        world.nodes[0].pusher.stir()
        await asyncio.sleep(2)
        await kept.replay(of, second.seq, CALLER, CALLER)  # while the first is on its way
        world.nodes[0].pusher.stir()
        await asyncio.sleep(30)
        assert await kept.dead(of) == []

    play(scenario)


def test_a_caller_without_a_key_is_sent_nothing_and_loses_nothing() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        world.reach = {CALLER: []}
        world.node()
        first = await world.settled()
        await asyncio.sleep(60)
        assert receiver.came == []
        world.reach = {CALLER: ["npsp"]}
        await asyncio.sleep(BEAT + 1)
        second = await world.settled()
        assert len(receiver.came) == 1, "without waiting for more to happen"
        await asyncio.sleep(2)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came] == [first, second]

    play(scenario)


def test_a_store_that_is_away_for_a_while_costs_time_and_no_event() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        calls = [await world.settled() for _ in range(3 * PAGE)]

        async def slow(_: WireRequest) -> WireReply:
            await asyncio.sleep(0.3)
            return OK

        receiver.answers = slow
        world.node()
        for part in (world.kept, world.told, world.kept):
            await asyncio.sleep(2)
            part.sick = True
            await asyncio.sleep(TTL + 10)
            part.sick = False
        await asyncio.sleep(60)
        told = dict.fromkeys(json.loads(request.body)["subject"] for _, request in receiver.came)
        assert list(told) == calls, "all, and in their order"
        assert len(receiver.came) <= len(calls) + 3 * PAGE
        assert {type(fault) for fault in world.log.faults} == {StoreUnavailable}
        world.log.faults.clear()

    play(scenario)


@pytest.mark.usefixtures("days")
def test_an_event_is_not_passed_before_it_is_on_record_as_dead() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed()
        receiver.answers = lambda request: status(500)
        bad = await world.settled()
        world.kept.failing = {"bury"}
        world.node()
        await asyncio.sleep(6 * DAY)
        assert len(receiver.came) > DURABLE_ATTEMPTS
        assert (await world.row(of)).seq == 0
        world.kept.failing = set()
        await asyncio.sleep(2 * DAY)
        (dead,) = await world.store.subscriptions.dead(of) or ()
        assert dead.call == bad
        assert {type(fault) for fault in world.log.faults} == {StoreUnavailable}
        world.log.faults.clear()

    play(scenario)


def test_while_the_counter_needs_the_strength_nothing_is_pushed() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        world.busy = True
        world.node()
        await world.settled()
        await asyncio.sleep(60)
        assert receiver.came == []
        world.busy = False
        await asyncio.sleep(2)
        assert len(receiver.came) == 1

    play(scenario)


def test_an_address_that_may_not_be_called_any_more_is_not_called() -> None:
    async def scenario(world: World) -> None:
        of, receiver = await world.subscribed("https://elsewhere.example/")
        world.node()
        await world.settled()
        await asyncio.sleep(10)
        assert receiver.came == []
        assert (await world.row(of)).cause == "forbidden"

    play(scenario)


def test_how_old_the_oldest_is_that_could_not_be_told_is_known() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        receiver.answers = lambda request: status(500)
        node = world.node()
        await world.settled()
        await asyncio.sleep(1000)
        assert node.pusher.oldest_ages()[CALLER] == pytest.approx(1000, abs=1)
        receiver.answers = lambda request: OK
        await asyncio.sleep(3600)
        assert node.pusher.oldest_ages()[CALLER] == 0.0
        assert await node.pusher.dead_events() == {CALLER: 0}

    play(scenario)
