"""The official subscriber client, made so that a large message cannot stop a subscription.

Towards an emulator the client takes 4 MB of a message and no more: a larger one breaks its stream, which is opened
again, gets the same message, and so on for ever. Towards Google Cloud it takes whatever Pub/Sub allows, and so it does
here.
"""

from __future__ import annotations

import os
from typing import Any, Final

import grpc
from google.cloud import pubsub_v1

_ANY_SIZE: Final = (("grpc.max_receive_message_length", -1),)


def subscriber_client() -> Any:
    """A client for Google Cloud, or for the emulator that PUBSUB_EMULATOR_HOST names."""
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return pubsub_v1.SubscriberClient()
    transport = pubsub_v1.SubscriberClient.get_transport_class("grpc")
    return pubsub_v1.SubscriberClient(transport=transport(channel=grpc.insecure_channel(emulator, options=_ANY_SIZE)))
