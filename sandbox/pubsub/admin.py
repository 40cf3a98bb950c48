"""The RPCs that make, show, change and delete topics and subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from sandbox.pubsub.bell import Bell
from sandbox.pubsub.limits import check_project
from sandbox.pubsub.model import Subscription, Topic
from sandbox.pubsub.rpc import Rpc
from sandbox.pubsub.shapes import (
    Proto,
    merged,
    raw,
    subscription_proto,
    subscription_value,
    topic_proto,
    topic_value,
)

PAGE_MAX: Final = 1000

Item = TypeVar("Item")


class Admin:
    """Answers for the resources."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._broker = bell.broker
        self._empty = raw("Empty")

    def publisher(self) -> Mapping[str, Rpc]:
        listed = "ListTopicSubscriptions"
        return {
            "CreateTopic": Rpc(handle=self.create_topic, request="Topic", response="Topic"),
            "GetTopic": Rpc(handle=self.get_topic, request="GetTopicRequest", response="Topic"),
            "UpdateTopic": Rpc(handle=self.update_topic, request="UpdateTopicRequest", response="Topic"),
            "DeleteTopic": Rpc(handle=self.delete_topic, request="DeleteTopicRequest", response="Empty"),
            "ListTopics": Rpc(handle=self.list_topics, request="ListTopicsRequest", response="ListTopicsResponse"),
            listed: Rpc(handle=self.list_of_topic, request=f"{listed}Request", response=f"{listed}Response"),
        }

    def subscriber(self) -> Mapping[str, Rpc]:
        listed = "ListSubscriptions"
        return {
            "CreateSubscription": Rpc(handle=self.create, request="Subscription", response="Subscription"),
            "GetSubscription": Rpc(handle=self.get, request="GetSubscriptionRequest", response="Subscription"),
            "UpdateSubscription": Rpc(handle=self.update, request="UpdateSubscriptionRequest", response="Subscription"),
            "DeleteSubscription": Rpc(handle=self.delete, request="DeleteSubscriptionRequest", response="Empty"),
            listed: Rpc(handle=self.list_all, request=f"{listed}Request", response=f"{listed}Response"),
        }

    async def create_topic(self, request: Proto) -> Proto:
        return topic_proto(self._broker.create_topic(topic_value(request)))

    async def get_topic(self, request: Proto) -> Proto:
        return topic_proto(self._broker.topic(request.topic))

    async def update_topic(self, request: Proto) -> Proto:
        current = topic_proto(self._broker.topic(request.topic.name))
        wanted = merged(current, request.topic, request.update_mask)
        return topic_proto(self._broker.update_topic(topic_value(wanted)))

    async def delete_topic(self, request: Proto) -> Proto:
        self._broker.delete_topic(request.topic)
        return self._empty()

    async def list_topics(self, request: Proto) -> Proto:
        ours = _of_project(self._broker.topics(), request.project, lambda topic: topic.name)
        page, token = _page(ours, request, lambda topic: topic.name)
        return raw("ListTopicsResponse")(topics=map(topic_proto, page), next_page_token=token)

    async def list_of_topic(self, request: Proto) -> Proto:
        topic: Topic = self._broker.topic(request.topic)
        names = [each.name for each in self._broker.subscriptions() if each.topic == topic.name]
        page, token = _page(names, request, str)
        return raw("ListTopicSubscriptionsResponse")(subscriptions=page, next_page_token=token)

    async def create(self, request: Proto) -> Proto:
        return subscription_proto(self._broker.create_subscription(subscription_value(request)))

    async def get(self, request: Proto) -> Proto:
        return subscription_proto(self._broker.subscription(request.subscription))

    async def update(self, request: Proto) -> Proto:
        current = subscription_proto(self._broker.subscription(request.subscription.name))
        wanted = subscription_value(merged(current, request.subscription, request.update_mask))
        return subscription_proto(self._broker.update_subscription(wanted, self._bell.now()))

    async def delete(self, request: Proto) -> Proto:
        self._broker.delete_subscription(request.subscription)
        return self._empty()

    async def list_all(self, request: Proto) -> Proto:
        ours: Sequence[Subscription] = _of_project(
            self._broker.subscriptions(), request.project, lambda each: each.name
        )
        page, token = _page(ours, request, lambda each: each.name)
        return raw("ListSubscriptionsResponse")(subscriptions=map(subscription_proto, page), next_page_token=token)


def _of_project(items: Sequence[Item], project: str, name: Callable[[Item], str]) -> Sequence[Item]:
    check_project(project)
    return [item for item in items if name(item).startswith(f"{project}/")]


def _page(items: Sequence[Item], request: Proto, name: Callable[[Item], str]) -> tuple[Sequence[Item], str]:
    """Those after the token, which is the last name of the page before; and the next token."""
    left = [item for item in items if name(item) > request.page_token]
    size = min(request.page_size or PAGE_MAX, PAGE_MAX)
    return left[:size], name(left[size - 1]) if len(left) > size else ""
