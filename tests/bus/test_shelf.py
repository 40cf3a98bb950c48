"""The dead letters in a person's hand, over the bus in memory, the Pub/Sub stand-in and Google's emulator."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager

import pytest
from google.api_core.exceptions import DeadlineExceeded, PermissionDenied, ServiceUnavailable
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from google.cloud import pubsub_v1
from structlog.testing import capture_logs
from support.polling import eventually

from bus.letters import FOR, PERSON, read
from bus.port import DONE, Cause, dead
from bus.pubsub_shelf import PubsubShelf
from bus.shelf import ShelfError
from bus.topics import Names, Topic


async def bury(bus, *causes, data=b"1"):
    """One letter by each cause, by a worker that can do nothing."""
    waiting = list(causes)

    async def worker(delivery):
        return dead("it says no", waiting.pop()) if delivery.data == data else DONE

    subscriber = await bus.subscriber()
    consumption = await subscriber.consume(Topic.REFUND, worker)
    for _ in causes:
        await bus.publisher.publish(Topic.REFUND, data, {"type": "RefundPayment", "correlation_id": "c"})
    await eventually(lambda: _is(not waiting), within_s=25)
    await consumption.drain()


async def all_on(shelf, count):
    """Everything on the shelf, once there are so many."""
    found = []
    async with asyncio.timeout(25):
        while len(found) < count:
            found += await shelf.take()
    assert not await shelf.take()
    return found


async def test_a_letter_for_a_person_is_taken_put_back_taken_again_and_removed(bus):
    await bury(bus, Cause.POISON)
    async with bus.shelf() as shelf:
        (first,) = await all_on(shelf, 1)
        letter = read(first)
    assert (letter.data, letter.origin, letter.cause, letter.is_for_person) == (b"1", Topic.REFUND, Cause.POISON, True)
    assert (letter.type, letter.correlation_id, letter.reason) == ("RefundPayment", "c", "it says no")
    async with bus.shelf() as shelf:
        (again,) = await all_on(shelf, 1)
        assert again.message_id == first.message_id
        await shelf.remove(again.message_id)
    async with bus.shelf() as shelf:
        assert not await shelf.take()


async def test_what_time_may_heal_is_not_among_them(bus):
    await bury(bus, Cause.OUTAGE, Cause.REFUSED, Cause.MISSING_PAYMENT)
    async with bus.shelf() as shelf:
        # Google's emulator gives out all of them, which is why whoever takes them looks himself.
        found = await all_on(shelf, 3 if bus.name == "emulator" else 1)
    assert [read(one).cause for one in found if one.attributes.get(FOR) == PERSON] == [Cause.REFUSED]


async def test_a_letter_on_the_shelf_stays_there_though_its_worker_has_seen_it(bus):
    seen = asyncio.Event()

    async def worker(_delivery):
        seen.set()
        return DONE

    await bury(bus, Cause.POISON)
    subscriber = await bus.subscriber()
    consumption = await subscriber.consume(Topic.DEAD_LETTERS, worker)
    async with asyncio.timeout(25):
        await seen.wait()
    await consumption.drain()
    async with bus.shelf() as shelf:
        assert len(await all_on(shelf, 1)) == 1


@asynccontextmanager
async def pubsub_shelf():
    async with PubsubShelf(names=Names(project="p", prefix="nowhere"), wait_s=0.5) as shelf:
        yield shelf


async def test_a_shelf_that_is_missing_says_what_to_do(server):
    async with pubsub_shelf() as shelf:
        with pytest.raises(ShelfError, match="ctpay setup"):
            await shelf.take()


async def test_a_pubsub_that_takes_connections_and_never_answers_is_no_empty_shelf(monkeypatch):
    monkeypatch.setattr("bus.pubsub_shelf._CALL_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        async with pubsub_shelf() as shelf:
            with pytest.raises(ShelfError, match=r"DeadlineExceeded.*try again"):
                await shelf.take()


class Client:
    """The client's calls that a shelf needs, which fail as the test says."""

    def __init__(self, *, fails, fault=None):
        self.fails = fails
        self.fault = fault or ServiceUnavailable("down")
        self.calls = []

    def __getattr__(self, name):
        def call(*, request=None, **_more):
            self.calls.append((name, request))
            if name in self.fails:
                raise self.fault

        return call

    def pull(self, **_more):
        class Message:
            message_id, data, attributes = "m-1", b"1", {}

            class publish_time:  # noqa: N801 - the client's name
                timestamp = staticmethod(lambda: 0.0)

        class Received:
            message, ack_id, delivery_attempt = Message, f"lease-{len(self.calls)}", 0

        self.calls.append(("pull", None))

        class Pulled:
            received_messages = (Received,) if len(self.calls) <= 2 else ()

        return Pulled


async def test_a_letter_that_comes_twice_is_given_out_once_and_removed_by_its_newest_lease(monkeypatch):
    client = Client(fails=())
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)
    async with pubsub_shelf() as shelf:
        assert [one.message_id for one in await shelf.take()] == ["m-1"]
        assert list(await shelf.take()) == []
        await shelf.remove("m-1")
    (removed,) = [request for name, request in client.calls if name == "acknowledge"]
    assert removed["ack_ids"] == ["lease-1"]


async def test_what_a_look_that_is_broken_off_brings_all_the_same_is_put_back(monkeypatch):
    asked, answers = threading.Event(), threading.Event()

    class Slow(Client):
        def pull(self, **more):
            asked.set()
            answers.wait(10)
            return super().pull(**more)

    client = Slow(fails=())
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)

    async def look():
        async with pubsub_shelf() as shelf:
            await shelf.take()

    looking = asyncio.create_task(look())
    await asyncio.to_thread(asked.wait, 10)
    looking.cancel()
    asyncio.get_running_loop().call_soon(answers.set)
    with pytest.raises(asyncio.CancelledError):
        await looking
    (put_back,) = [request for name, request in client.calls if name == "modify_ack_deadline"]
    assert (put_back["ack_ids"], put_back["ack_deadline_seconds"]) == (["lease-0"], 0)


async def test_while_the_shelf_is_open_its_leases_are_renewed_and_a_failure_of_that_ends_nothing(monkeypatch):
    client = Client(fails=("modify_ack_deadline",))
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)
    monkeypatch.setattr("bus.pubsub_shelf._RENEW_S", 0.01)
    with capture_logs() as lines:
        async with pubsub_shelf() as shelf:
            await shelf.take()
            await eventually(lambda: _is(len(lines) >= 2))
            await shelf.remove("m-1")
    assert {line["event"] for line in lines} == {"shelf.not_renewed"}
    assert client.calls[1][1] == {
        "subscription": "projects/p/subscriptions/nowhere-dead-letters-for-people",
        "ack_ids": ["lease-0"],
        "ack_deadline_seconds": 60,
    }


@pytest.mark.parametrize("fault", [ServiceUnavailable("down"), RefreshError("expired")])
async def test_where_pubsub_goes_away_a_removal_says_so_and_closing_does_not_fail(monkeypatch, fault):
    client = Client(fails=("acknowledge", "modify_ack_deadline"), fault=fault)
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)
    with capture_logs() as lines:
        async with pubsub_shelf() as shelf:
            await shelf.take()
            with pytest.raises(ShelfError, match=r"has not confirmed .*List again"):
                await shelf.remove("m-1")
    assert [line["event"] for line in lines] == ["shelf.not_put_back"]


@pytest.mark.parametrize("fails", [(), ("get_subscription",)])
async def test_a_shelf_whose_pulls_wait_in_vain_is_empty_once_pubsub_answers_anything(monkeypatch, fails):
    """That whoever may only pull must not ask this is an answer as well."""

    class Empty(Client):
        def pull(self, **_more):
            self.calls.append(("pull", None))
            raise DeadlineExceeded("nothing lies there")

    client = Empty(fails=fails, fault=PermissionDenied("no"))
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)
    async with pubsub_shelf() as shelf:
        assert list(await shelf.take()) == []
    assert [name for name, _ in client.calls].count("get_subscription") == 1


async def test_a_pull_that_is_answered_needs_no_other_proof(monkeypatch):
    client = Client(fails=())
    monkeypatch.setattr("bus.pubsub_shelf.subscriber_client", lambda: client)
    async with pubsub_shelf() as shelf:
        await shelf.take()
        assert list(await shelf.take()) == []
    assert "get_subscription" not in [name for name, _ in client.calls]


def test_where_there_are_no_credentials_the_letters_cannot_be_had_and_it_says_why(monkeypatch):
    """Who counts them at the start tries again then, as the machine's metadata server may only be slow."""

    def nobody():
        raise DefaultCredentialsError("no credentials")

    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(pubsub_v1, "SubscriberClient", nobody)
    with pytest.raises(ShelfError, match=r"DefaultCredentialsError.*GOOGLE_APPLICATION_CREDENTIALS"):
        PubsubShelf(names=Names(project="p", prefix="nowhere"))


async def _is(condition):
    return condition
