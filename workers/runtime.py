"""The runtime of all workers: bytes in, `Ending` out. What an error means for the message is one table.

Law: acknowledge only what is durable. An outage is not poison, and neither is a conflict: the message comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import structlog

from bus.messages import (
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    CompleteAuthorization,
    MalformedMessageError,
    Message,
    PspNotification,
    RefundPayment,
    ReversePayment,
    decode,
)
from bus.port import Delivery, Ending, Handler, PublishError, again, dead
from bus.topics import Topic
from ct.errors import (
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from ct.messages import UnreadableMessageError
from ct.payment import UnreadablePaymentError
from psp.errors import (
    OutcomeUnknownError,
    RefusedError,
    RetryableError,
    UnknownVocabularyError,
    UnsupportedError,
)
from workers.authorize import authorize
from workers.cancel import cancel, reverse
from workers.capture import capture
from workers.complete import complete
from workers.refund import refund
from workers.subscription import subscription
from workers.webhook import webhook
from workers.work import Work

#: Error -> what becomes of the message. The first row that fits decides; what has no row is a bug of ours, and the
#: message comes again until Pub/Sub's own limit moves it to the dead letters.
REACTIONS: Final[tuple[tuple[type[Exception], Callable[[str], Ending]], ...]] = (
    (MalformedMessageError, dead),
    (UnreadableMessageError, dead),
    (UnreadablePaymentError, dead),
    (UnknownVocabularyError, dead),
    (UnsupportedError, dead),
    (RefusedError, dead),
    # Ours to mend in commercetools' set-up or in the code; money may have moved, so a person must see it.
    (InvalidRequestError, dead),
    (DuplicateError, dead),
    (NotFoundError, dead),
    # From here on: not the message's fault.
    (RetryableError, again),
    (OutcomeUnknownError, again),
    (ConflictError, again),
    (UnavailableError, again),
    (ForbiddenError, again),
    (PublishError, again),
    (asyncio.TimeoutError, again),
)

#: Message -> who handles it.
_HANDLERS: Final[Mapping[type[Message], Callable[..., Awaitable[Ending]]]] = {
    AuthorizePayment: authorize,
    CompleteAuthorization: complete,
    CapturePayment: capture,
    CancelPayment: cancel,
    ReversePayment: reverse,
    RefundPayment: refund,
    PspNotification: webhook,
}

_Worker: TypeAlias = Callable[[Work, Delivery], Awaitable[Ending]]


def messages_of(*types: type[Message]) -> _Worker:
    """A worker for our own messages of these types; any other on its topic is dead."""

    async def handle(work: Work, delivery: Delivery) -> Ending:
        message = decode(delivery.data)
        if not isinstance(message, types):
            return dead(f"{message.type} does not belong on this topic")
        with structlog.contextvars.bound_contextvars(correlation_id=message.correlation_id):
            return await _HANDLERS[type(message)](work.for_request(message.correlation_id), message)

    return handle


#: The workers by name, each with its topic. Each starts alone, and any number of each may run.
WORKERS: Final[Mapping[str, tuple[Topic, _Worker]]] = {
    "authorize": (Topic.AUTHORIZE, messages_of(AuthorizePayment, CompleteAuthorization)),
    "capture": (Topic.CAPTURE, messages_of(CapturePayment)),
    "cancel": (Topic.CANCEL, messages_of(CancelPayment, ReversePayment)),
    "refund": (Topic.REFUND, messages_of(RefundPayment)),
    "webhook": (Topic.WEBHOOK, messages_of(PspNotification)),
    "commercetools": (Topic.COMMERCETOOLS, subscription),
}


def handler(name: str, work: Work) -> tuple[Topic, Handler]:
    """The worker's topic, and what to call for each of its messages. Raises KeyError for a name that is no worker's."""
    topic, worker = WORKERS[name]

    async def handle(delivery: Delivery) -> Ending:
        try:
            return await worker(work, delivery)
        except Exception as error:
            react = next((reaction for kind, reaction in REACTIONS if isinstance(error, kind)), None)
            if react is None:
                raise
            return react(work.psp.scrub(f"{type(error).__name__}: {error}"))

    return topic, handle
