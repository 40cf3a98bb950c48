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
    DeletePaymentMethod,
    MalformedMessageError,
    Message,
    NewerMessageError,
    PspNotification,
    RefundPayment,
    ReversePayment,
    StorePaymentMethod,
    decode,
)
from bus.port import Cause, Delivery, Ending, Handler, PublishError, again, dead
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
from workers.dead_letters import dead_letters
from workers.methods import delete, store
from workers.refund import refund
from workers.subscription import subscription
from workers.webhook import webhook
from workers.work import Work

#: Error -> what becomes of the message, and by which cause if that is its end. The first row that fits decides; what
#: has no row is a bug of ours: the message comes again, and at last replays from the dead letters.
REACTIONS: Final[tuple[tuple[type[Exception], Callable[..., Ending], Cause], ...]] = (
    # While a newer version is being deployed: its letter replays, until a process of that version has it.
    (NewerMessageError, dead, Cause.FAULT),
    (MalformedMessageError, dead, Cause.POISON),
    (UnreadableMessageError, dead, Cause.POISON),
    (UnreadablePaymentError, dead, Cause.POISON),
    (UnknownVocabularyError, dead, Cause.POISON),
    (UnsupportedError, dead, Cause.REFUSED),
    (RefusedError, dead, Cause.REFUSED),
    # Ours to mend in commercetools' set-up or in the code; money may have moved, so a person must see it.
    (InvalidRequestError, dead, Cause.REFUSED),
    (DuplicateError, dead, Cause.REFUSED),
    (NotFoundError, dead, Cause.MISSING_PAYMENT),
    # From here on: not the message's fault.
    (RetryableError, again, Cause.OUTAGE),
    (OutcomeUnknownError, again, Cause.OUTAGE),
    (ConflictError, again, Cause.OUTAGE),
    (UnavailableError, again, Cause.OUTAGE),
    (ForbiddenError, again, Cause.OUTAGE),
    (PublishError, again, Cause.OUTAGE),
    (asyncio.TimeoutError, again, Cause.OUTAGE),
)

#: Message -> who handles it.
_HANDLERS: Final[Mapping[type[Message], Callable[..., Awaitable[Ending]]]] = {
    AuthorizePayment: authorize,
    CompleteAuthorization: complete,
    CapturePayment: capture,
    CancelPayment: cancel,
    ReversePayment: reverse,
    RefundPayment: refund,
    StorePaymentMethod: store,
    DeletePaymentMethod: delete,
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
            request = work.for_request(message.correlation_id, delivery=delivery.attempt)
            return await _HANDLERS[type(message)](request, message)

    return handle


#: The workers by name, each with its topic. Each starts alone, and any number of each may run.
WORKERS: Final[Mapping[str, tuple[Topic, _Worker]]] = {
    "authorize": (Topic.AUTHORIZE, messages_of(AuthorizePayment, CompleteAuthorization)),
    "capture": (Topic.CAPTURE, messages_of(CapturePayment)),
    "cancel": (Topic.CANCEL, messages_of(CancelPayment, ReversePayment)),
    "refund": (Topic.REFUND, messages_of(RefundPayment)),
    "methods": (Topic.METHODS, messages_of(StorePaymentMethod, DeletePaymentMethod)),
    "webhook": (Topic.WEBHOOK, messages_of(PspNotification)),
    "commercetools": (Topic.COMMERCETOOLS, subscription),
    "dead-letters": (Topic.DEAD_LETTERS, dead_letters),
}


def handler(name: str, work: Work) -> tuple[Topic, Handler]:
    """The worker's topic, and what to call for each of its messages. Raises KeyError for a name that is no worker's."""
    topic, worker = WORKERS[name]

    async def handle(delivery: Delivery) -> Ending:
        try:
            return await worker(work, delivery)
        except Exception as error:
            row = next((one for one in REACTIONS if isinstance(error, one[0])), None)
            if row is None:
                raise
            _, react, cause = row
            name = type(error).__name__
            return react(work.psp.scrub(f"{name}: {error}"), cause, error=name)

    return topic, handle
