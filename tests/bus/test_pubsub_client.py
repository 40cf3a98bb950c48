"""Promises of the Pub/Sub client alone: limits on waiting, streams that die, a bus that goes away and comes back."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import pytest
from google.auth.exceptions import RefreshError
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber._protocol.heartbeater import Heartbeater
from grpc import _channel
from support.polling import eventually
from support.pubsub_servers import stand_in_server

from bus import pubsub
from bus.client import subscriber_client
from bus.port import DONE, PublishError
from bus.provision import Found, ProvisionError, ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.topics import Names, Topic
from ctpay.seams import aside


def now():
    return datetime.now(UTC)


async def _is(condition):
    return condition


@asynccontextmanager
async def published(names, **limits):
    publisher = PubsubPublisher(names=names, **limits)
    yield publisher
    await publisher.close()


@asynccontextmanager
async def subscribed(names, **limits):
    async with published(names) as dead_letters:
        values = {"drain_within_s": 2} | limits
        subscriber = PubsubSubscriber(names=names, dead_letters=dead_letters, clock=now, aside=aside, **values)
        yield subscriber
        await subscriber.close()


class Inbox:
    def __init__(self):
        self.bodies = []

    async def __call__(self, delivery):
        self.bodies.append(delivery.data)
        return DONE


async def confirmed(publisher, topic, data, attributes, within_s=25):
    """Publish until it is confirmed, as a caller that is told 503 does."""

    async def once():
        try:
            await publisher.publish(topic, data, attributes)
        except PublishError:
            return False
        return True

    await eventually(once, within_s=within_s)


@contextmanager
def black_hole():
    """Takes connections and never says a word."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        yield f"127.0.0.1:{hole.getsockname()[1]}"


@pytest.fixture
def port():
    """A port on which nothing listens, for a bus to come up on later."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def test_a_topic_that_is_missing_is_an_error_that_says_what_to_do(server):
    async with published(Names(project="p", prefix="nowhere"), confirm_within_s=3) as publisher:
        with pytest.raises(PublishError, match="ctpay setup"):
            await publisher.publish(Topic.CAPTURE, b"1", {})


async def test_a_message_too_large_is_an_error_within_the_limit(server):
    names = Names(project="p", prefix="large")
    await asyncio.to_thread(ensure, names)
    async with asyncio.timeout(10), published(names, confirm_within_s=1) as publisher:
        with pytest.raises(PublishError):
            await publisher.publish(Topic.CAPTURE, b"x" * 11_000_000, {})


async def test_the_largest_message_that_pubsub_takes_arrives_and_so_does_the_next(server):
    names = Names(project="p", prefix="largest")
    await asyncio.to_thread(ensure, names)
    work = Inbox()
    async with published(names) as publisher, subscribed(names) as subscriber:
        consumption = await subscriber.consume(Topic.CAPTURE, work)
        await publisher.publish(Topic.CAPTURE, b"x" * 9_900_000, {})
        await publisher.publish(Topic.CAPTURE, b"next", {})
        await eventually(lambda: _is(len(work.bodies) == 2))
        await consumption.drain()
    assert sorted(map(len, work.bodies)) == [4, 9_900_000]


#: What the client's own `publish` takes for arguments.
ARGUMENTS = ("self", "topic", "data", "ordering_key", "retry", "timeout")


async def test_attributes_that_bear_the_names_of_the_clients_arguments_arrive_and_cost_no_place(server):
    names = Names(project="p", prefix="arguments")
    await asyncio.to_thread(ensure, names)
    sent = [{name: name} for name in ARGUMENTS] + [dict.fromkeys([*ARGUMENTS, "other", "attrs"], "")]
    got = []

    async def work(delivery):
        got.append(delivery.attributes)
        return DONE

    async with published(names, in_flight_max=1) as publisher, subscribed(names) as subscriber:
        consumption = await subscriber.consume(Topic.CAPTURE, work)
        for attributes in sent:
            await publisher.publish(Topic.CAPTURE, b"", attributes)
        await publisher.publish(Topic.CAPTURE, b"next", {})
        await eventually(lambda: _is(len(got) == len(sent) + 1))
        await consumption.drain()
    assert all(attributes in got for attributes in sent)


async def test_such_attributes_are_an_error_within_the_limit_where_the_bus_is_away(monkeypatch):
    with black_hole() as hole:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", hole)
        async with (
            asyncio.timeout(8),
            published(Names(project="p"), confirm_within_s=0.3, in_flight_max=1) as publisher,
        ):
            for _ in range(3):
                with pytest.raises(PublishError):
                    await publisher.publish(Topic.CAPTURE, b"1", {"retry": "1"})


async def test_a_request_whose_thread_dies_without_a_word_gives_its_place_back(stand_in, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="silence")
    await asyncio.to_thread(ensure, names)
    async with published(names, confirm_within_s=1, in_flight_max=1) as publisher:
        with monkeypatch.context() as silent:
            silent.setattr(publisher._client, "publish", lambda *_asked, **_more: Future())
            with pytest.raises(PublishError):
                await publisher.publish(Topic.CAPTURE, b"1", {})
        await confirmed(publisher, Topic.CAPTURE, b"2", {}, within_s=5)


@pytest.mark.parametrize("wrong", [{"a": 1}, {1: "a"}, {"a": "\ud800"}, {"retry": "\ud800"}])
async def test_a_message_that_the_client_cannot_take_costs_no_place(stand_in, monkeypatch, wrong):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="wrong")
    await asyncio.to_thread(ensure, names)
    async with published(names, in_flight_max=1) as publisher:
        with pytest.raises((PublishError, TypeError)):
            await publisher.publish(Topic.CAPTURE, b"1", wrong)
        await publisher.publish(Topic.CAPTURE, b"2", {})


def test_without_an_emulator_the_client_is_googles_own(monkeypatch):
    made = []
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(pubsub_v1, "SubscriberClient", lambda **more: made.append(more) or "Google's")
    assert (subscriber_client(), made) == ("Google's", [{}])


async def test_closing_waits_until_what_was_published_is_confirmed(server):
    names = Names(project="p", prefix="flush")
    await asyncio.to_thread(ensure, names)
    publisher = PubsubPublisher(names=names)
    under_way = [asyncio.create_task(publisher.publish(Topic.CAPTURE, b"1", {})) for _ in range(100)]
    await asyncio.sleep(0)
    await publisher.close()
    assert await asyncio.gather(*under_way) == [None] * 100
    with pytest.raises(PublishError):
        await publisher.publish(Topic.CAPTURE, b"too late", {})


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "refusing"])
async def test_a_bus_that_is_away_is_an_error_within_the_limit_and_piles_nothing_up(monkeypatch, caplog, silent, port):
    def committing():
        return sum(one.name.startswith("Thread-CommitBatch") for one in threading.enumerate())

    with black_hole() as hole:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", hole if silent else f"127.0.0.1:{port}")
        async with (
            asyncio.timeout(8),
            published(Names(project="p"), confirm_within_s=0.3, in_flight_max=3) as publisher,
        ):
            before, most = committing(), 0
            for _ in range(3):
                tries = [asyncio.create_task(publisher.publish(Topic.CAPTURE, b"1", {})) for _ in range(20)]
                while not all(one.done() for one in tries):
                    most = max(most, committing() - before)
                    await asyncio.sleep(0.01)
                assert {type(one.exception()) for one in tries} == {PublishError}
            assert most <= 3
    # Errors that come after their publisher has gone are no news.
    gc.collect()
    assert [line for line in caplog.messages if "never retrieved" in line] == []


# The client tries again after longer and longer pauses, and a busy machine makes them longer still.
@pytest.mark.timeout(200)
async def test_a_bus_that_comes_up_late_is_used_without_a_restart(monkeypatch, port):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    names, work, results = Names(project="p"), Inbox(), Inbox()
    async with published(names, confirm_within_s=1) as publisher, subscribed(names) as subscriber:
        consumption = await subscriber.consume(Topic.CAPTURE, work)
        replies = await subscriber.consume_replies("i-1", results)
        assert not replies.healthy
        with pytest.raises(PublishError):
            await publisher.publish(Topic.CAPTURE, b"0", {})
        with stand_in_server(port):
            await asyncio.to_thread(ensure, names)
            await eventually(lambda: _is(replies.healthy and consumption.healthy), within_s=80)
            await confirmed(publisher, Topic.CAPTURE, b"1", {})
            await confirmed(publisher, Topic.RESULTS, b"2", {"reply_to": "i-1"})
            await eventually(lambda: _is(b"1" in work.bodies and b"2" in results.bodies), within_s=80)
            await asyncio.gather(consumption.drain(), replies.drain())


async def test_a_bus_that_lost_everything_is_read_again_after_setup_and_its_absence_does_not_hold_up_a_stop(
    monkeypatch, port
):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    names, work, results = Names(project="p"), Inbox(), Inbox()
    async with published(names, confirm_within_s=1) as publisher, subscribed(names) as subscriber:
        with stand_in_server(port):
            await asyncio.to_thread(ensure, names)
            consumption = await subscriber.consume(Topic.CAPTURE, work)
            replies = await subscriber.consume_replies("i-1", results)
            await publisher.publish(Topic.CAPTURE, b"1", {})
            await eventually(lambda: _is(work.bodies == [b"1"]))
        with stand_in_server(port):
            await eventually(lambda: _is(not (consumption.healthy or replies.healthy)), within_s=25)
            await asyncio.to_thread(ensure, names)
            await eventually(lambda: _is(consumption.healthy and replies.healthy), within_s=25)
            await confirmed(publisher, Topic.CAPTURE, b"2", {})
            await confirmed(publisher, Topic.RESULTS, b"3", {"reply_to": "i-1"})
            await eventually(lambda: _is(b"2" in work.bodies and b"3" in results.bodies), within_s=25)
        async with asyncio.timeout(10):
            await asyncio.gather(consumption.drain(), replies.drain())


async def test_a_subscription_that_vanishes_is_noticed_and_read_again_once_it_is_back(server):
    names, work = Names(project="p", prefix="vanish"), Inbox()
    path = names.subscription(Topic.CAPTURE)
    await asyncio.to_thread(ensure, names)
    with pubsub_v1.SubscriberClient() as client:
        async with published(names) as publisher, subscribed(names) as subscriber:
            consumption = await subscriber.consume(Topic.CAPTURE, work)
            assert consumption.healthy
            await asyncio.to_thread(client.delete_subscription, request={"subscription": path})
            await eventually(lambda: _is(not consumption.healthy), within_s=25)
            await asyncio.to_thread(ensure, names)
            await eventually(lambda: _is(consumption.healthy), within_s=25)
            await publisher.publish(Topic.CAPTURE, b"1", {})
            await eventually(lambda: _is(work.bodies == [b"1"]), within_s=25)
            await consumption.drain()
            assert not consumption.healthy


async def test_a_stream_that_dies_is_unwell_while_its_handlers_still_run_and_opens_no_second_one_meanwhile(
    stand_in, monkeypatch
):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="dying")
    path = names.subscription(Topic.CAPTURE)
    await asyncio.to_thread(ensure, names)
    gate, running, most = asyncio.Event(), 0, 0

    async def slow(_delivery):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return DONE

    with pubsub_v1.SubscriberClient() as client:
        async with published(names) as publisher, subscribed(names, in_flight_max=1, drain_within_s=20) as subscriber:
            consumption = await subscriber.consume(Topic.CAPTURE, slow)
            await publisher.publish(Topic.CAPTURE, b"1", {})
            await eventually(lambda: _is(running == 1))
            await asyncio.to_thread(client.delete_subscription, request={"subscription": path})
            await eventually(lambda: _is(not consumption.healthy))
            await asyncio.to_thread(ensure, names)
            await publisher.publish(Topic.CAPTURE, b"2", {})
            assert (running, most) == (1, 1)
            gate.set()
            await eventually(lambda: _is(consumption.healthy), within_s=25)
            await consumption.drain()
    assert most == 1


@pytest.fixture
def gate():
    """Shut for the length of a test: what stands at it in a thread goes on afterwards."""
    opened = threading.Event()
    yield opened
    opened.set()


async def test_a_drain_that_does_not_end_is_waited_for_once_however_often_it_is_asked_for(stand_in, monkeypatch, gate):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    monkeypatch.setattr(pubsub, "_FLUSH_S", 0.5)
    monkeypatch.setattr(Heartbeater, "stop", lambda _: gate.wait())
    names = Names(project="p", prefix="hung")
    await asyncio.to_thread(ensure, names)
    loop = asyncio.get_running_loop()
    async with subscribed(names, drain_within_s=0.5) as subscriber:
        consumption = await subscriber.consume(Topic.CAPTURE, Inbox())
        begun = loop.time()
        await asyncio.gather(consumption.drain(), consumption.drain())
        drained = loop.time()
        await consumption.drain()
        asked_again = loop.time()
        gate.set()
    assert 1 <= drained - begun < 5
    # Less than the limit of one wait.
    assert asked_again - drained < 0.9


async def test_a_connection_whose_streams_end_grpc_never_hears_of_is_let_go_within_a_limit(stand_in, monkeypatch, gate):
    """As in grpc/grpc#20562: the thread that hears of ends does not get to a stream that was cancelled here."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    monkeypatch.setattr(pubsub, "_CLOSE_S", 0.5)
    heard = _channel._event_handler

    def unheard(state, deserializer):
        hear = heard(state, deserializer)

        def handle(event):
            if state.cancelled:
                gate.wait()
            return hear(event)

        return handle

    monkeypatch.setattr(_channel, "_event_handler", unheard)
    names, work = Names(project="p", prefix="unheard"), Inbox()
    await asyncio.to_thread(ensure, names)
    async with published(names) as publisher:
        subscriber = PubsubSubscriber(names=names, dead_letters=publisher, clock=now, aside=aside, drain_within_s=1)
        consumption = await subscriber.consume(Topic.CAPTURE, work)
        await publisher.publish(Topic.CAPTURE, b"1", {})
        await eventually(lambda: _is(work.bodies == [b"1"]))
        await consumption.drain()
        async with asyncio.timeout(2):
            await subscriber.close()
        closing = next(one for one in threading.enumerate() if one.name == "aside")
        # Nobody joins it, and it ends by itself where grpc hears after all.
        assert closing.daemon
        gate.set()
        await asyncio.to_thread(closing.join, 10)
        assert not closing.is_alive()


async def test_provisioning_twice_changes_nothing_and_says_what_differs(server):
    names = Names(project="p", prefix="twice")
    first = await asyncio.to_thread(ensure, names)
    assert {one.found for one in first} == {Found.CREATED}
    # Known gap: the emulator keeps messages for a week at most.
    lasting = (*(names.subscription(topic) for topic in Topic if topic is not Topic.RESULTS), names.for_people)
    shorter = dict.fromkeys(lasting, ("message_retention_duration",)) if server == "emulator" else {}
    second = await asyncio.to_thread(ensure, names)
    assert {one.name: one.differences for one in second if one.found is not Found.UNCHANGED} == shorter
    path = names.subscription(Topic.REFUND)
    with pubsub_v1.SubscriberClient() as client:
        await asyncio.to_thread(client.delete_subscription, request={"subscription": path})
        other = {
            "name": path,
            "topic": names.topic(Topic.REFUND),
            "ack_deadline_seconds": 77,
            "filter": 'attributes.type = "T"',
            "expiration_policy": {"ttl": {"seconds": 8 * 86400}},
        }
        await asyncio.to_thread(client.create_subscription, request=other)
    third = {one.name: one for one in await asyncio.to_thread(ensure, names)}
    assert third[path].found is Found.DIFFERS
    assert set(third[path].differences) == {
        "ack_deadline_seconds",
        "message_retention_duration",
        "retry_policy",
        "dead_letter_policy",
        "expiration_policy",
        "filter",
    }


def test_every_topic_but_the_results_has_a_lasting_subscription_and_poison_ends_in_the_dead_letters(server):
    names = Names(project="p", prefix="wanted")
    made = {one.name for one in ensure(names)}
    lasting = {names.subscription(one) for one in Topic if one is not Topic.RESULTS}
    assert made == {names.topic(one) for one in Topic} | lasting | {names.for_people}
    with pubsub_v1.SubscriberClient() as client:
        found = client.get_subscription(request={"subscription": names.subscription(Topic.CAPTURE)})
    assert found.dead_letter_policy.dead_letter_topic == names.topic(Topic.DEAD_LETTERS)
    assert found.retry_policy.minimum_backoff.total_seconds() == 1
    assert not found.expiration_policy.ttl


def test_a_refusal_says_what_to_check(stand_in, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    with pytest.raises(ProvisionError, match="GOOGLE_CLOUD_PROJECT"):
        ensure(Names(project="p", prefix="no such prefix"))


async def test_credentials_that_cannot_be_refreshed_are_told_like_any_other_refusal(stand_in, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)

    def refused(*_asked, **_more):
        failed = Future()
        failed.set_exception(RefreshError("expired"))
        return failed

    async with published(Names(project="p", prefix="x")) as publisher:
        monkeypatch.setattr(publisher._client, "publish", refused)
        with pytest.raises(PublishError, match=r"RefreshError.*publish it again"):
            await publisher.publish(Topic.CAPTURE, b"1", {})
