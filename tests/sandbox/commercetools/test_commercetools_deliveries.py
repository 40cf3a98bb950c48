"""What subscribers get, over real gRPC; and what the courier does while nobody takes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence

import aiohttp
import grpc.aio
import pytest
from google.pubsub_v1 import types
from support import openapi
from support.commercetools_api import Api, Strictness, fetch_token, payment_draft, transaction
from support.commercetools_servers import running_commercetools
from support.polling import eventually
from support.pubsub_servers import stand_in_server

from sandbox.commercetools.courier import UndeliverableError
from sandbox.commercetools.pubsub import PubSubBus

TOPIC = "projects/local/topics/ct-events"
SUBSCRIPTION = "projects/local/subscriptions/reader"


def draft(**more: object) -> dict:
    return {
        "key": "sub-1",
        "destination": {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "ct-events"},
        "messages": [{"resourceTypeId": "payment"}],
        **more,
    }


class FakeBus:
    """A bus that can be down."""

    def __init__(self) -> None:
        self.down: UndeliverableError | None = None
        self.missing: set[str] = set()
        self.attempts = 0
        self.batches: list[int] = []
        self.got: list[tuple[str, dict]] = []

    async def publish(self, topic: str, messages: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        await asyncio.sleep(0)
        self.attempts += 1
        if self.down is not None:
            raise self.down
        if topic in self.missing:
            raise UndeliverableError("ConfigurationError", "no such topic")
        self.batches.append(len(messages))
        self.got += [(topic, json.loads(data)) for data, _ in messages]

    async def close(self) -> None:
        return

    def types(self) -> list[str]:
        return [told.get("type", told["notificationType"]) for _, told in self.got]


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def api(bus: FakeBus) -> AsyncIterator[Api]:
    async with running_commercetools(bus=bus) as running, aiohttp.ClientSession() as session:
        token = (await fetch_token(session, running.url)).body["access_token"]
        yield Api(session=session, url=running.url, strictness=Strictness.OFFICIAL, token=token)


async def until(condition: object) -> None:
    async def holds() -> bool:
        return condition()  # type: ignore[operator]

    await eventually(holds)


async def test_the_test_notification_comes_before_the_subscription(api: Api, bus: FakeBus):
    bus.down = UndeliverableError("ConfigurationError", "no such topic")
    answer = await api.post("/subscriptions", draft())
    assert (answer.status, answer.code) == (400, "InvalidInput")
    assert (await api.get("/subscriptions/key=sub-1")).status == 404
    bus.down = None
    made = await api.make("/subscriptions", draft())
    (topic, told) = bus.got[0]
    assert topic == TOPIC
    assert (told["notificationType"], told["resource"]) == (
        "ResourceCreated",
        {"typeId": "subscription", "id": made["id"]},
    )


async def test_a_write_does_not_wait_for_the_bus_and_nothing_is_lost_while_it_is_down(api: Api, bus: FakeBus):
    subscription = await api.make("/subscriptions", draft())
    bus.down = UndeliverableError("TemporaryError", "down")
    payment = await api.make("/payments", payment_draft())
    payment = await api.change("/payments", payment, {"action": "addTransaction", "transaction": transaction()})
    await api.change("/payments", payment, {"action": "setStatusInterfaceCode", "interfaceCode": "x"})
    before = bus.attempts
    await until(lambda: bus.attempts > before + 1)
    path = f"/subscriptions/{subscription['id']}"
    assert (await api.get(path)).body["status"] == "TemporaryError"
    assert (await api.get(f"{path}/health")).status == 503
    bus.down = None
    await until(lambda: len(bus.got) == 4)
    assert bus.types()[1:] == ["PaymentCreated", "PaymentTransactionAdded", "PaymentStatusInterfaceCodeSet"]
    assert [told["sequenceNumber"] for _, told in bus.got[1:]] == [1, 2, 3]
    assert (await api.get(path)).body["status"] == "Healthy"


async def test_one_missing_topic_holds_nobody_up(api: Api, bus: FakeBus):
    lost = await api.make("/subscriptions", draft(key="lost"))
    elsewhere = {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "elsewhere"}
    await api.make("/subscriptions", draft(key="other", destination=elsewhere))
    bus.missing.add(TOPIC)
    await api.make("/payments", payment_draft())
    await until(lambda: [topic for topic, _ in bus.got[2:]] == ["projects/local/topics/elsewhere"])
    assert (await api.get(f"/subscriptions/{lost['id']}")).body["status"] == "ConfigurationError"
    # A new destination gets what the old one did not take.
    third = {**elsewhere, "topic": "third"}
    await api.change("/subscriptions", lost, {"action": "changeDestination", "destination": third})
    await until(lambda: bus.got[-1][0] == "projects/local/topics/third" and bus.types()[-1] == "PaymentCreated")


async def test_what_a_deleted_subscription_was_to_get_is_dropped(api: Api, bus: FakeBus):
    subscription = await api.make("/subscriptions", draft())
    bus.down = UndeliverableError("TemporaryError", "down")
    await api.make("/payments", payment_draft())
    await until(lambda: bus.attempts > 1)
    path = f"/subscriptions/{subscription['id']}"
    assert (await api.call("DELETE", path, query={"version": str(subscription["version"])})).status == 200
    bus.down = None
    await api.make("/subscriptions", draft())
    await api.make("/payments", payment_draft())
    await until(lambda: len(bus.got) == 3)
    assert bus.types() == ["ResourceCreated", "ResourceCreated", "PaymentCreated"]


async def test_a_backlog_is_delivered_in_batches_and_in_order(api: Api, bus: FakeBus):
    await api.make(
        "/subscriptions", draft(messages=[{"resourceTypeId": "payment", "types": ["PaymentTransactionAdded"]}])
    )
    bus.down = UndeliverableError("TemporaryError", "down")
    payment = await api.make("/payments", payment_draft())
    added = [{"action": "addTransaction", "transaction": transaction("Charge", cents)} for cents in range(1, 251)]
    await api.change("/payments", payment, *added)
    bus.down = None
    await until(lambda: len(bus.got) == 251)
    amounts = [told["transaction"]["amount"]["centAmount"] for _, told in bus.got[1:]]
    assert amounts == list(range(1, 251))
    assert max(bus.batches) == 100


# Over real gRPC


@pytest.fixture(scope="module")
def pubsub() -> Iterator[str]:
    with stand_in_server() as host:
        yield host


class Reader:
    """A reader of one subscription, by bare gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, method: str, request: object, reply: type) -> object:
        call = self._channel.unary_unary(
            f"/google.pubsub.v1.{method}",
            request_serializer=type(request).serialize,
            response_deserializer=reply.deserialize,
        )
        return await call(request, timeout=10)

    async def pull(self, count: int) -> list[types.PubsubMessage]:
        found: list[types.PubsubMessage] = []
        while len(found) < count:
            request = types.PullRequest(subscription=SUBSCRIPTION, max_messages=count)
            reply = await self.call("Subscriber/Pull", request, types.PullResponse)
            found += [each.message for each in reply.received_messages]
            ack_ids = [each.ack_id for each in reply.received_messages]
            acknowledged = types.AcknowledgeRequest(subscription=SUBSCRIPTION, ack_ids=ack_ids)
            if ack_ids:
                await self.call("Subscriber/Acknowledge", acknowledged, types.PullResponse)
        return found


async def test_messages_reach_pubsub_in_the_platforms_shape(pubsub: str):
    async with (
        grpc.aio.insecure_channel(pubsub) as channel,
        running_commercetools(pubsub_host=pubsub) as running,
        aiohttp.ClientSession() as session,
    ):
        token = (await fetch_token(session, running.url)).body["access_token"]
        api = Api(session=session, url=running.url, strictness=Strictness.OFFICIAL, token=token)
        refused = await api.post("/subscriptions", draft())
        assert (refused.status, "NOT_FOUND" in refused.body["message"]) == (400, True)
        reader = Reader(channel)
        await reader.call("Publisher/CreateTopic", types.Topic(name=TOPIC), types.Topic)
        await reader.call(
            "Subscriber/CreateSubscription", types.Subscription(name=SUBSCRIPTION, topic=TOPIC), types.Subscription
        )
        await api.make("/subscriptions", draft())
        payment = await api.make("/payments", payment_draft(key="pay-1"))
        await api.change("/payments", payment, {"action": "addTransaction", "transaction": transaction()})
        got = await reader.pull(3)
    told = sorted((json.loads(each.data) for each in got), key=lambda each: each.get("sequenceNumber", 0))
    assert told[0]["notificationType"] == "ResourceCreated"
    for message in told[1:]:
        openapi.validate_message(message)
    assert [message["type"] for message in told[1:]] == ["PaymentCreated", "PaymentTransactionAdded"]
    assert all(not each.attributes for each in got)


async def test_a_missing_topic_is_an_error_of_configuration(pubsub: str):
    bus = PubSubBus(pubsub)
    with pytest.raises(UndeliverableError, match="NOT_FOUND") as refused:
        await bus.publish("projects/local/topics/none", [(b"x", {})])
    assert refused.value.status == "ConfigurationError"
    await bus.close()


async def test_a_bus_that_is_not_there_is_a_temporary_error():
    bus = PubSubBus("127.0.0.1:1")
    with pytest.raises(UndeliverableError, match="UNAVAILABLE") as refused:
        await bus.publish(TOPIC, [(b"x", {})])
    assert refused.value.status == "TemporaryError"
    await bus.close()
