"""The official clients: how they are made, and what is said where they cannot be.

The subscriber is made so that a large message cannot stop a subscription.

Towards an emulator the client takes 4 MB of a message and no more: a larger one breaks its stream, which is opened
again, gets the same message, and so on for ever. Towards Google Cloud it takes whatever Pub/Sub allows, and so it does
here.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from bus.port import NoCredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY_SIZE: Final = (("grpc.max_receive_message_length", -1),)


@contextmanager
def with_credentials() -> Iterator[None]:
    """Raise NoCredentialsError where a client that is made in the block finds none that it can use."""
    try:
        yield
    except GoogleAuthError as error:
        raise NoCredentialsError(
            f"Google's library finds no credentials for Pub/Sub ({type(error).__name__}). Let the machine run as a "
            "service account, name its file in GOOGLE_APPLICATION_CREDENTIALS, or run "
            "`gcloud auth application-default login`."
        ) from error


@with_credentials()
def subscriber_client() -> Any:
    """A client for Google Cloud, or for the emulator that PUBSUB_EMULATOR_HOST names. Raises NoCredentialsError."""
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return pubsub_v1.SubscriberClient()
    transport = pubsub_v1.SubscriberClient.get_transport_class("grpc")
    return pubsub_v1.SubscriberClient(transport=transport(channel=grpc.insecure_channel(emulator, options=_ANY_SIZE)))
