"""Defects planted in what is kept for customers, and in what people do with dead letters."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

from simulation.planting import Change

from bus.letters import for_replay_by_person
from bus.messages import DeletePaymentMethod, StorePaymentMethod
from bus.port import DONE, PublishError, ignored
from ct import stored
from ct.actions import add_interaction
from ct.errors import NotFoundError
from ct.fields import InteractionKind
from ct.judge import Refusal
from ct.ledger import Actions
from ctpay.letters import Desk, _Action
from psp.outcome import Outcome, Standing
from psp.port import ForgetRequest
from psp.sandbox.adapter import SandboxAdapter
from psp.stored import Initiator, TokenKind
from workers import authorize, dead_letters, means, methods, runtime
from workers.means import Means

_APPROVED: Final = Standing(outcome=Outcome.APPROVED)


def stored_unasked() -> list[Change]:
    original = authorize.means_of

    async def means_of(work: Any, command: Any, cart: Any) -> Any:
        found = await original(work, command, cart)
        return replace(found, store_for=cart.customer_id) if isinstance(found, Means) else found

    return [(authorize, "means_of", means_of)]


def stored_under_any_key() -> list[Change]:
    numbers = itertools.count()
    return [(stored, "key_of", lambda _customer, _token: f"method-{next(numbers)}")]


def noted_before_it_is_stored() -> list[Change]:
    async def store(work: Any, command: Any) -> Any:
        payment = await work.ledger.load(command.payment_id)
        if methods._is_stored(payment):
            return ignored("it is on the list, or was deleted since")
        entry = add_interaction(kind=InteractionKind.STORED, cause=command.command_id, at=work.clock())
        await work.ledger.change(payment, lambda _: Actions(actions=[entry]))
        await stored.create(
            work.ledger, customer_id=payment.customer_id, token=command.token, instrument=command.instrument
        )
        return DONE

    return _handled(StorePaymentMethod, store)


def _handled(message: type, handle: Any) -> list[Change]:
    return [(runtime, "_HANDLERS", {**runtime._HANDLERS, message: handle})]


def deleting(*steps: str) -> list[Change]:
    """A deletion whose steps come in this order; what is left out is never done."""

    async def delete(work: Any, command: Any) -> Any:
        kept = await stored.load(work.ledger, command.method_id)
        if kept is None:
            return ignored("this customer has no such method")
        for step in steps:
            match step:
                case "deactivate" if kept.active:
                    kept = await stored.deactivate(work.ledger, kept)
                case "reply":
                    await work.reply(command, _APPROVED)
                case "forget":
                    await work.psp.forget(ForgetRequest(token=kept.token))
                case "delete":
                    try:
                        await stored.delete(work.ledger, kept)
                    except NotFoundError:
                        return ignored("another run has deleted it")
        return DONE

    return _handled(DeletePaymentMethod, delete)


def old_news_stores_again() -> list[Change]:
    return [(methods, "_is_stored", lambda _payment: False)]


def deleted_card_pays() -> list[Change]:
    async def load(ledger: Any, method_id: str) -> Any:
        found = await stored.load(ledger, method_id)
        return found and replace(found, active=True)

    return [(means, "stored", SimpleNamespace(load=load))]


def anothers_card_pays() -> list[Change]:
    original = authorize.means_of

    async def means_of(work: Any, command: Any, cart: Any) -> Any:
        found = await original(work, command, cart)
        if not isinstance(found, Refusal) or command.stored_method_id is None:
            return found
        kept = await stored.load(work.ledger, command.stored_method_id)
        return Means(token=kept.token, kind=TokenKind.STORED) if kept is not None and kept.active else found

    return [(authorize, "means_of", means_of)]


def shopper_said_to_be_there() -> list[Change]:
    original = SandboxAdapter.authorize

    async def authorized(self: SandboxAdapter, request: Any) -> Any:
        return await original(self, replace(request, initiator=Initiator.SHOPPER))

    return [(SandboxAdapter, "authorize", authorized)]


def letter_removed_first() -> list[Change]:
    async def do(self: Desk, action: Any, shelf: Any, letter: Any) -> None:
        await shelf.remove(letter.id)
        if action is _Action.REPLAY:
            await self.publisher.publish(letter.origin, letter.data, for_replay_by_person(letter))

    return [(Desk, "_do", do)]


def letter_let_go_first() -> list[Change]:
    original = dead_letters.dead_letters
    kept: set[asyncio.Task[Any]] = set()

    async def replayed(work: Any, delivery: Any) -> Any:
        class Hasty:
            async def publish(self, *arguments: Any) -> None:
                async def later() -> None:
                    try:
                        await work.publisher.publish(*arguments)
                    except PublishError:
                        return

                kept.add(asyncio.get_running_loop().create_task(later()))

        return await original(replace(work, publisher=Hasty()), delivery)

    topic, _ = runtime.WORKERS["dead-letters"]
    return [(runtime, "WORKERS", {**runtime.WORKERS, "dead-letters": (topic, replayed)})]
