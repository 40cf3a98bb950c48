"""The shape of an RPC over the raw protobuf classes, and what a refusal becomes on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import grpc.aio

from sandbox.pubsub.errors import RefusedError, Status
from sandbox.pubsub.shapes import Proto, raw

Unary: TypeAlias = Callable[[Proto], Awaitable[Proto]]
#: Requests in, responses out.
Streaming: TypeAlias = Callable[[AsyncIterator[Proto], "Context"], Awaitable[None]]
Context: TypeAlias = "grpc.aio.ServicerContext[Proto, Proto]"

CODES = {status: grpc.StatusCode[status.name] for status in Status}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpc:
    """One row in a table of RPCs: who answers, and the names of the messages."""

    handle: Unary
    request: str
    response: str


def unary(rpc: Rpc) -> grpc.RpcMethodHandler[Proto, Proto]:
    """One request, one response."""

    async def answer(request: Proto, context: Context) -> Proto:
        try:
            return await rpc.handle(request)
        except RefusedError as refused:
            return await context.abort(CODES[refused.status], str(refused))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=raw(rpc.request).FromString,
        response_serializer=raw(rpc.response).SerializeToString,
    )


def streaming(handle: Streaming, *, request: str, response: str) -> grpc.RpcMethodHandler[Proto, Proto]:
    """Many requests, many responses, which `handle` writes itself."""

    async def answer(requests: AsyncIterator[Proto], context: Context) -> None:
        try:
            await handle(requests, context)
        except RefusedError as refused:
            await context.abort(CODES[refused.status], str(refused))

    return grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=raw(request).FromString,
        response_serializer=raw(response).SerializeToString,
    )
