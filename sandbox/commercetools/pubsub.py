"""Google Pub/Sub as a bus: Publish by gRPC, without Google's client and its threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc.aio
from google.pubsub_v1.types import PublishRequest, PublishResponse, PubsubMessage

from sandbox.commercetools.courier import UndeliverableError

_TIMEOUT_S: Final = 5.0
#: What only a person can mend, at the topic or the subscription.
_CONFIGURATION: Final = frozenset(
    {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT}
)


class PubSubBus:
    """An emulator, or the stand-in, at `host:port`."""

    def __init__(self, host: str) -> None:
        self._channel = grpc.aio.insecure_channel(host)
        self._publish = self._channel.unary_unary(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=PublishRequest.serialize,
            response_deserializer=PublishResponse.deserialize,
        )

    async def publish(self, topic: str, messages: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        request = PublishRequest(
            topic=topic, messages=[PubsubMessage(data=data, attributes=attributes) for data, attributes in messages]
        )
        try:
            await self._publish(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            status = "ConfigurationError" if error.code() in _CONFIGURATION else "TemporaryError"
            raise UndeliverableError(status, f"{topic}: {error.code().name}: {error.details()}") from error

    async def close(self) -> None:
        await self._channel.close()
