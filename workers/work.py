"""What a worker works with: handed in by the composition root, narrowed to one message by `for_request`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bus.messages import TOPICS, Message, OperationResult, attributes, encode, request_hash_of
from bus.port import PublishError
from psp.on_account import is_on_account
from workers.tally import Tally

if TYPE_CHECKING:
    from bus.messages import Command
    from bus.port import Publisher
    from ct.ledger import Ledger
    from ct.payment import Payment
    from psp.outcome import Standing
    from psp.port import PspAdapter
    from psp.seams import Clock

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long things may take."""

    #: An authorization is sent within this of its acceptance, or never: the shopper has gone.
    authorization_send_by: timedelta = timedelta(minutes=15)
    #: Taken off the PSP's key lifetime, so that no request races the key's end.
    key_margin: timedelta = timedelta(hours=1)
    #: The longest that a request can be under way in some process: only after this does "nothing found" prove anything.
    lease_max: timedelta = timedelta(minutes=10)
    #: How long a shopper may take over a challenge or a redirect.
    action_within: timedelta = timedelta(hours=24)
    #: How long an event waits for the Payment it is about.
    event_patience: timedelta = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One worker's means."""

    ledger: Ledger
    psp: PspAdapter
    publisher: Publisher
    clock: Clock
    project_key: str
    limits: Limits
    #: Methods that are not the PSP's -> who answers for them instead.
    others: Mapping[str, PspAdapter] = field(default_factory=dict)
    #: Which delivery of its message this is, as far as the bus counts them.
    delivery: int = 1
    #: The dead letters that this process knows of.
    letters: Tally = field(default_factory=Tally)

    def for_request(self, correlation_id: str, *, delivery: int = 1) -> Work:
        """The same means, on behalf of one request."""
        return replace(self, ledger=self.ledger.for_request(correlation_id), delivery=delivery)

    def for_method(self, method: str | None) -> Work:
        """The same means, for a payment by this method: with whoever answers for it."""
        other = self.others.get(method or "")
        return self if other is None else replace(self, psp=other)

    def for_payment(self, payment: Payment) -> Work:
        """The same means, for what was asked for already: with whoever was asked.

        Not by the method, which a merchant can change: what the PSP holds is then nobody's. Where nobody has answered
        yet, the PSP can tell whether it was asked; nothing on account waits for an answer.
        """
        other = next(iter(self.others.values()), None)
        return replace(self, psp=other) if other is not None and is_on_account(payment.known_as) else self

    async def publish(self, message: Message) -> None:
        """Put a message of ours on its topic. Raises PublishError."""
        await self.publisher.publish(TOPICS[type(message)], encode(message), attributes(message))

    async def reply(self, command: Command, standing: Standing) -> None:
        """Tell the ingress instance that waits, if one does.

        Best effort: the standing is on the Payment, and whoever misses this asks for the status.
        """
        if command.reply_to is None:
            return
        result = OperationResult(
            correlation_id=command.correlation_id,
            command_id=command.command_id,
            request_hash=request_hash_of(command),
            reply_to=command.reply_to,
            standing=standing,
        )
        try:
            await self.publish(result)
        except PublishError:
            _log.warning("result.unpublished", command_id=command.command_id)
