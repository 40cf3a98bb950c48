"""The demo's stories: what somebody does, and what the Payments must say at the end. A table; playing is elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ctpay.stage import PATIENCE_S, Checkout, Stage, StoryError

#: Type, state and minor units of every transaction that the cart's Payments must end with, in any order.
Rows: TypeAlias = tuple[tuple[str, str, int], ...]


@dataclass(kw_only=True)
class Telling:
    """One story being played: the stage, and a voice that says each step."""

    stage: Stage
    say: Callable[[str], None]
    checkouts: list[Checkout] = field(default_factory=list)

    async def shop(self, amount: int = 4200, *, customer: str | None = None) -> Checkout:
        checkout = await self.stage.fill_cart(amount, customer=customer)
        self.checkouts.append(checkout)
        who = "a shopper" if customer is None else "a customer who has logged in"
        self.say(f"{who} fills a cart: {amount / 100:.2f} EUR")
        return checkout

    async def pay(self, checkout: Checkout, token: str, *, expect: str) -> dict[str, Any]:
        reply = await self.stage.pay(checkout, token)
        self.say(f"pays with {token}: {_told(reply)}")
        if _told(reply) != expect:
            raise StoryError(f"The reply to paying with {token} must be {expect!r}. It was: {reply}")
        return reply

    async def kept(self, checkout: Checkout) -> list[dict[str, Any]]:
        """The cards that are kept, once there are any: they are put on the list after the payment is answered."""
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_S
        while not (found := await self.stage.kept(checkout)):
            if asyncio.get_running_loop().time() > give_up_at:
                raise StoryError(f"Waited {PATIENCE_S:.0f} s for a kept card. There is none.")
            await asyncio.sleep(0.05)
        return found

    async def authorized(self, amount: int = 4200) -> str:
        """A Payment whose money is held; its id."""
        reply = await self.pay(await self.shop(amount), "tok_approved", expect="approved")
        return str(reply["paymentReference"])

    async def ask(self, payment_id: str, *, expect: str, **action: object) -> None:
        reply = await self.stage.ask(payment_id, **action)
        amount = action.get("amount")
        of = f" of {amount['centAmount'] / 100:.2f}" if isinstance(amount, dict) else ""
        self.say(f"the merchant asks: {action['action']}{of}: {_told(reply)}")
        if _told(reply) != expect:
            raise StoryError(f"The reply to {action} must be {expect!r}. It was: {reply}")

    async def until(self, payment_id: str, kind: str, state: str, *, count: int = 1) -> dict[str, Any]:
        payment = await self.stage.until(
            payment_id,
            lambda found: len(_of(found, kind, state)) >= count,
            f"{count} x {kind} {state}",
        )
        self.say(f"commercetools shows {kind} {state}" + (f" ({count})" if count > 1 else ""))
        return payment


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """One story, and what must be true when it has been told."""

    name: str
    play: Callable[[Telling], Awaitable[None]]
    ends_with: Rows


async def authorize(tell: Telling) -> None:
    await tell.authorized()


async def challenge(tell: Telling) -> None:
    checkout = await tell.shop()
    reply = await tell.pay(checkout, "tok_3ds", expect="action")
    payment = await tell.stage.payment(reply["paymentReference"])
    result = await tell.stage.answer_challenge(payment["interfaceId"])
    tell.say("passes the 3-D Secure challenge")
    done = await tell.stage.complete(checkout, reply["operation"], result)
    tell.say(f"comes back from it: {_told(done)}")


async def slow_challenge(tell: Telling) -> None:
    checkout = await tell.shop()
    reply = await tell.stage.pay(checkout, "tok_3ds", wait_s=0)
    tell.say(f"pays and gets an answer at once, before there is a result: {_told(reply)}")
    opened = await tell.stage.ask_status(checkout, reply["operation"])
    tell.say(f"the browser asks for the status: {_told(opened)}")
    if _told(opened) != "action":
        raise StoryError(f"The challenge must reach the browser by its status. It was told: {opened}")
    payment = await tell.stage.payment(opened["paymentReference"])
    done = await tell.stage.complete(
        checkout, reply["operation"], await tell.stage.answer_challenge(payment["interfaceId"])
    )
    tell.say(f"passes the challenge: {_told(done)}")


async def decline_then_pay(tell: Telling) -> None:
    checkout = await tell.shop()
    await tell.pay(checkout, "tok_declined", expect="rejected")
    await tell.pay(checkout, "tok_approved", expect="approved")


async def capture_twice(tell: Telling) -> None:
    payment = await tell.authorized()
    for _ in range(2):
        await tell.ask(payment, expect="approved", action="capturePayment", amount=_eur(1500))
    await tell.ask(payment, expect="rejected", action="capturePayment", amount=_eur(1500))


async def refund_twice(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.ask(payment, expect="approved", action="capturePayment", amount=_eur(4200))
    for _ in range(2):
        await tell.ask(payment, expect="approved", action="refundPayment", amount=_eur(1000))


async def cancel(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.ask(payment, expect="approved", action="cancelPayment")
    await tell.ask(payment, expect="rejected", action="capturePayment", amount=_eur(100))


async def reverse(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.ask(payment, expect="approved", action="capturePayment", amount=_eur(1200))
    await tell.ask(payment, expect="approved", action="reversePayment")


async def merchant_captures(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.stage.put_transaction(payment, "Charge", 2000)
    tell.say("a merchant puts an Initial Charge of 20.00 on the Payment, in commercetools alone")
    await tell.until(payment, "Charge", "Success")


async def refund_fails_later(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.ask(payment, expect="approved", action="capturePayment", amount=_eur(4200))
    await tell.ask(payment, expect="approved", action="refundPayment", amount=_eur(700))
    refund = _of(await tell.stage.payment(payment), "Refund", "Success")[0]
    await tell.stage.fail_refund(refund["interactionId"], after_days=3)
    tell.say("three days later the PSP tells that the refund failed")
    await tell.until(payment, "Refund", "Failure")


async def disputes(tell: Telling) -> None:
    payment = await tell.authorized()
    await tell.ask(payment, expect="approved", action="capturePayment", amount=_eur(4200))
    psp_payment = (await tell.stage.payment(payment))["interfaceId"]
    for amount, outcome, state in ((1000, "win", "Failure"), (900, "lose", "Success")):
        dispute = await tell.stage.open_dispute(psp_payment, amount)
        tell.say(f"the shopper's bank disputes {amount / 100:.2f}")
        await tell.until(payment, "Chargeback", "Pending")
        await tell.stage.close_dispute(dispute, outcome)
        tell.say(f"the merchant is told: {'won' if outcome == 'win' else 'lost'}")
        await tell.until(payment, "Chargeback", state)


async def double_click(tell: Telling) -> None:
    checkout = await tell.shop()
    replies = await asyncio.gather(*(tell.stage.pay(checkout, "tok_approved") for _ in range(2)))
    tell.say(f"clicks twice: {' and '.join(_told(reply) for reply in replies)}")
    references = {reply.get("paymentReference") for reply in replies}
    if len(references) != 1:
        raise StoryError(f"Two clicks must be one payment. They were answered: {replies}")


async def kept_card(tell: Telling) -> None:
    customer = f"customer-{tell.stage.new_id()}"
    first = await tell.stage.pay_and_keep(await tell.shop(customer=customer), "tok_approved")
    tell.say(f"pays, and agrees that the card is kept: {_told(first)}")
    checkout = await tell.shop(2500, customer=customer)
    (method,) = await tell.kept(checkout)
    tell.say(f"is back, and is offered the card that ends with {method['displayOptions']['endDigits']}")
    again = await tell.stage.pay_with_kept(checkout, method["id"])
    tell.say(f"pays with it, and types nothing: {_told(again)}")
    await tell.stage.forget(checkout, method["id"])
    left = await tell.stage.kept(checkout)
    tell.say(f"has it deleted; kept now: {len(left)}")
    if left or {_told(first), _told(again)} != {"approved"}:
        raise StoryError(f"A kept card must pay and be gone when it is deleted. There were: {first}, {again}, {left}")


async def second_card(tell: Telling) -> None:
    checkout = await tell.shop()
    first = await tell.pay(checkout, "tok_3ds", expect="action")
    tell.say("leaves the challenge open and takes another card")
    # Two clicks within two seconds are one wish; the shopper has been typing for longer than that.
    await asyncio.sleep(2.2)
    await tell.pay(checkout, "tok_approved", expect="approved")
    await tell.until(first["paymentReference"], "CancelAuthorization", "Success")
    late = await tell.stage.complete(checkout, first["operation"], "approved-too-late")
    tell.say(f"goes back and completes the first after all: {_told(late)}")


def _eur(amount: int) -> dict[str, Any]:
    return {"centAmount": amount, "currencyCode": "EUR"}


def _told(reply: dict[str, Any]) -> str:
    return str(reply.get("outcome") or f"{reply.get('statusCode')} {reply.get('message')}")


def _of(payment: dict[str, Any], kind: str, state: str) -> list[dict[str, Any]]:
    return [one for one in payment["transactions"] if (one["type"], one["state"]) == (kind, state)]


_HELD: Final = ("Authorization", "Success", 4200)

STORIES: Final = (
    Story(name="authorize", play=authorize, ends_with=(_HELD,)),
    Story(name="a 3-D Secure challenge", play=challenge, ends_with=(_HELD,)),
    Story(name="a challenge that comes after the answer", play=slow_challenge, ends_with=(_HELD,)),
    Story(
        name="a decline, then another card",
        play=decline_then_pay,
        ends_with=(("Authorization", "Failure", 4200), _HELD),
    ),
    Story(
        name="two partial captures, and one too many",
        play=capture_twice,
        ends_with=(_HELD, ("Charge", "Success", 1500), ("Charge", "Success", 1500)),
    ),
    Story(
        name="two partial refunds",
        play=refund_twice,
        ends_with=(_HELD, ("Charge", "Success", 4200), ("Refund", "Success", 1000), ("Refund", "Success", 1000)),
    ),
    Story(name="cancel", play=cancel, ends_with=(_HELD, ("CancelAuthorization", "Success", 4200))),
    Story(
        name="reverse: cancel the rest, refund the captured",
        play=reverse,
        ends_with=(
            _HELD,
            ("Charge", "Success", 1200),
            ("CancelAuthorization", "Success", 3000),
            ("Refund", "Success", 1200),
        ),
    ),
    Story(
        name="a capture that a merchant starts in commercetools",
        play=merchant_captures,
        ends_with=(_HELD, ("Charge", "Success", 2000)),
    ),
    Story(
        name="a refund that fails three days later",
        play=refund_fails_later,
        ends_with=(_HELD, ("Charge", "Success", 4200), ("Refund", "Failure", 700)),
    ),
    Story(
        name="a dispute won and one lost",
        play=disputes,
        ends_with=(
            _HELD,
            ("Charge", "Success", 4200),
            ("Chargeback", "Failure", 1000),
            ("Chargeback", "Success", 900),
        ),
    ),
    Story(name="a double click", play=double_click, ends_with=(_HELD,)),
    Story(
        name="a card that is kept, paid with again, and deleted",
        play=kept_card,
        ends_with=(_HELD, ("Authorization", "Success", 2500)),
    ),
    Story(
        name="a challenge left open, another card, and back",
        play=second_card,
        ends_with=(("Authorization", "Failure", 4200), ("CancelAuthorization", "Success", 4200), _HELD),
    ),
)
