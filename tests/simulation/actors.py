"""Everybody who acts: shoppers, merchants, and people at the PSP's dashboard. What they do is the seed's choice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulation.faults import FaultKind
from simulation.logs import MERCHANT, SHOPPER, Wrote

from sandbox.psp.model import OperationKind, OperationStatus, PaymentStatus, RefusalError
from sandbox.psp.requests import CancelPayment, CreateCapture, CreateRefund
from sandbox.psp.world import Decision

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from simulation.faults import Bad
    from simulation.outside import CommercetoolsServer, PspServer
    from simulation.record import Recorder
    from simulation.street import Got, Street

#: The shopper's cards by what they do, with how often they are used.
_CARDS: Final = (
    ("tok_approved", 10),
    ("tok_declined", 3),
    ("tok_insufficient_funds", 1),
    ("tok_3ds", 4),
    ("tok_3ds_redirect", 2),
    ("tok_pending", 2),
    ("tok_pending_declined", 1),
    ("tok_timeout", 1),
    ("tok_drop", 1),
    ("tok_error_after", 1),
    ("tok_capture_pending", 2),
    ("tok_capture_fails_late", 1),
    ("tok_refund_pending", 2),
    ("tok_refund_fails_late", 1),
)
#: What becomes of a cart's price: so many times what it was, divided by so much.
_PRICES: Final = ((1, 4), (1, 2), (2, 1), (3, 1))


@dataclass(kw_only=True, slots=True)
class Stage:
    """What actors act with."""

    dice: random.Random
    bad: Bad
    recorder: Recorder
    street: Street
    commercetools: CommercetoolsServer
    psp: PspServer
    new_id: Callable[[], str]
    token: str
    #: Card tokens that the PSP's fields gave: good once.
    tokens: int = 0
    acting: int = 0
    payments: list[str] = field(default_factory=list)

    def step(self, who: str, what: str) -> bool:
        """Whether this step is still part of the run."""
        if not self.bad.budget.take():
            return False
        self.recorder.say(f"{who} {what}")
        return True

    async def pause(self, *, short: bool = False) -> None:  # reads as a phrase
        """People take seconds; now and then minutes, hours."""
        draw = self.dice.random()
        if short or draw < 0.7:
            await asyncio.sleep(self.dice.uniform(0.0, 4.0))
        elif draw < 0.95:
            await asyncio.sleep(self.dice.uniform(5, 900))
        else:
            await asyncio.sleep(self.dice.uniform(0.5, 30) * 3600)

    def card(self) -> str:
        cards, weights = zip(*_CARDS, strict=True)
        return str(self.dice.choices(cards, weights)[0])


class Shopper:
    """One shopper with one cart."""

    def __init__(self, stage: Stage, *, number: int) -> None:
        self._stage = stage
        self.name = f"{SHOPPER}-{number}"
        dice = stage.dice
        self.total = dice.choice((1999, 4200, 100, 250_000))
        currency = dice.choice(("EUR", "EUR", "USD", "JPY"))
        line = {
            "name": {"en": "shoes"},
            "slug": f"shoes-{number}",
            "quantity": 1,
            "money": {"centAmount": self.total, "currencyCode": currency},
        }
        ct = stage.commercetools
        self.cart = ct.act("POST", "/carts", {"currency": currency, "customLineItems": [line]}, author=SHOPPER)["id"]
        session = ct.act("POST", "/sessions", {"cart": {"cartRef": {"id": self.cart}}}, author=SHOPPER)
        self._headers = {"X-Session-Id": session["id"], "Content-Type": "application/json"}
        stage.recorder.canaries.add(session["id"])

    async def act(self) -> None:
        """Pay, in one of the ways that people do."""
        stage, dice = self._stage, self._stage.dice
        style = dice.choices(("once", "twice", "tabs", "leaves"), (6, 3, 2, 2))[0]
        card = stage.card()
        key = stage.new_id() if dice.random() < 0.5 else None
        if not stage.step(self.name, f"pays ({style}) with {card}, key {key}"):
            return
        first = self._pay(card, key)
        if style == "once":
            await self._go_on(await first)
        elif style == "twice":
            doing = FaultKind.SHOPPER_CLICKS_TWICE if key else FaultKind.SHOPPER_CLICKS_TWICE_KEYLESS
            second = self._pay(card, key, after_s=dice.uniform(0, 0.6), doing=doing)
            answers = await asyncio.gather(first, second)
            await self._go_on(answers[-1] or answers[0])
        elif style == "tabs":
            other = stage.card()
            second = self._pay(other, None, after_s=dice.uniform(0, 20), doing=FaultKind.SHOPPER_TWO_TABS)
            await asyncio.gather(self._tab(first), self._tab(second))
        else:
            got = await first
            stage.recorder.say(f"{self.name} goes away, {got.status if got else 'unanswered'}")
            if _is_open(got):
                stage.bad.note(FaultKind.SHOPPER_GOES_AWAY, self.name)

    async def _tab(self, paying: Awaitable[Got | None]) -> None:
        await self._go_on(await paying)

    async def _pay(
        self, card: str, key: str | None, *, after_s: float = 0.0, doing: FaultKind | None = None
    ) -> Got | None:
        """One click; `doing`: what it is counted as in the moment in which it is made."""
        await asyncio.sleep(after_s)
        stage = self._stage
        if doing is not None:
            stage.bad.note(doing, self.name)
        stage.recorder.canaries.add(card)
        headers = self._headers | ({} if key is None else {"Idempotency-Key": key})
        body = json.dumps({"paymentMethod": {"type": "card", "token": card}}).encode()
        got = None
        for _ in range(3):
            got = await stage.street.ask(self.name, "POST", "/payments", headers=headers, body=body)
            if got is not None and got.status < 500:
                break
            await stage.pause(short=True)
        return got

    async def _go_on(self, got: Got | None) -> None:
        """What follows an answer: a challenge, another try, waiting."""
        stage, dice = self._stage, self._stage.dice
        for _ in range(4):
            outcome = (got.document or {}).get("outcome") if got is not None else None
            self._seen(got)
            if outcome == "approved":
                return
            if outcome == "action":
                got = await self._challenged(got)
                continue
            if outcome == "pending" or (got is not None and got.status == 202):
                got = await self._ask_again(got)
                continue
            if dice.random() < 0.3 or not stage.step(self.name, "tries again"):
                return
            await stage.pause(short=True)
            card, key = stage.card(), stage.new_id() if dice.random() < 0.5 else None
            got = await self._pay(card, key, doing=FaultKind.SHOPPER_TRIES_AGAIN)

    def _seen(self, got: Got | None) -> None:
        reference = (got.document or {}).get("paymentReference") if got is not None else None
        if isinstance(reference, str) and reference not in self._stage.payments:
            self._stage.payments.append(reference)

    async def _ask_again(self, got: Got | None) -> Got | None:
        stage = self._stage
        await stage.pause(short=True)
        operation = (got.document or {}).get("operation") if got is not None else None
        if not operation or not stage.step(self.name, "asks how it stands"):
            return None
        return await stage.street.ask(self.name, "GET", f"/payments/{operation}", headers=self._headers)

    async def _challenged(self, got: Got | None) -> Got | None:  # noqa: PLR0911 # each way ends by itself
        """The open challenge: passed, failed, left open, or answered late."""
        stage, dice = self._stage, self._stage.dice
        document = (got.document if got is not None else None) or {}
        url = (document.get("action") or {}).get("url", "")
        way = dice.choices(("passes", "fails", "leaves it", "other card", "late"), (6, 2, 2, 2, 2))[0]
        if not url or not stage.step(self.name, f"sees a challenge: {way}"):
            return None
        if way == "leaves it":
            stage.bad.note(FaultKind.SHOPPER_LEAVES_CHALLENGE, self.name)
            return None
        if way == "other card":
            return await self._pay(stage.card(), None, doing=FaultKind.SHOPPER_PAYS_MEANWHILE)
        await stage.pause(short=way != "late")
        if way == "late":
            await asyncio.sleep(dice.uniform(60, 3000))
        decision = Decision.REFUSE if way == "fails" else Decision.APPROVE
        now = stage.recorder.now()
        try:
            payment = stage.psp.house.world.answer_challenge(url.rsplit("/", 1)[-1], decision, now)
        except RefusalError:
            return None
        stage.psp.stir()
        if way == "fails" and payment.status is PaymentStatus.FAILED:
            stage.bad.note(FaultKind.SHOPPER_FAILS_CHALLENGE, self.name)
        if dice.random() < 0.25:
            # The tab is closed at the very moment: only a webhook can tell.
            stage.bad.note(FaultKind.SHOPPER_NEVER_COMES_BACK, self.name)
            return None
        if way == "late":
            stage.bad.note(FaultKind.SHOPPER_COMES_BACK_LATE, self.name)
        operation = document.get("operation")
        if "/3ds_redirect" in url or dice.random() < 0.3:
            return await self._return(document, str(payment.result))
        body = json.dumps({"parameters": {"result": payment.result}}).encode()
        path = f"/payments/{operation}/complete"
        got = await stage.street.ask(self.name, "POST", path, headers=self._headers, body=body)
        if got is None or got.status >= 500:
            got = await stage.street.ask(self.name, "POST", path, headers=self._headers, body=body)
        return got

    async def _return(self, document: dict[str, Any], result: str) -> Got | None:
        """By the return page, as after a redirect."""
        stage = self._stage
        psp_payment = document["action"]["url"].rsplit("/", 1)[-1]
        url = stage.psp.house.books.find(psp_payment).return_url
        path = url.removeprefix("https://pay.example")
        path += f"{'&' if '?' in path else '?'}result={result}"
        await stage.street.ask(self.name, "GET", path, headers={})
        return await stage.street.ask(self.name, "GET", f"/payments/{document.get('operation')}", headers=self._headers)


def _is_open(got: Got | None) -> bool:
    """Whether a shopper with this answer does not know yet what becomes of the payment."""
    if got is None or got.status == 202 or got.status >= 500:
        return True
    return (got.document or {}).get("outcome") in {"action", "pending"}


class Merchant:
    """An order system, or somebody in the Merchant Center: acts on what there is."""

    def __init__(self, stage: Stage, *, cart: str, acts: int) -> None:
        self._stage = stage
        self._cart = cart
        self._acts = acts
        #: The cart's Payments as they were seen last: who has captured once needs no cart to refund.
        self._seen: list[str] = []

    async def act(self) -> None:
        stage, dice = self._stage, self._stage.dice
        for _ in range(self._acts):
            await stage.pause()
            if (cart := stage.commercetools.cart(self._cart)) is not None:
                self._seen = _payments_on(cart)
            what = dice.choices(
                ("capture", "part", "twice", "refund", "cancel", "reverse", "by hand", "over", "cart"),
                (6, 4, 2, 5, 3, 2, 5, 1, 1),
            )[0]
            if not self._seen or not stage.step(MERCHANT, what):
                continue
            payment_id = dice.choice(self._seen)
            await self._do(what, payment_id)
            self._edit_by_hand(payment_id)

    def _edit_by_hand(self, payment_id: str) -> None:
        """What no order system should do, and some do."""
        stage = self._stage
        edits: dict[FaultKind, Callable[[str], None]] = {
            FaultKind.MERCHANT_REPLACES_TYPE: stage.commercetools.replace_types,
            FaultKind.MERCHANT_SETS_STATE: stage.commercetools.set_state,
        }
        cart = stage.commercetools.cart(self._cart)
        if cart is not None and cart["cartState"] == "Active" and payment_id in _payments_on(cart):
            edits[FaultKind.MERCHANT_TAKES_OFF_CART] = self._take_off
        kind = stage.bad.first(tuple(edits), payment_id)
        if kind is not None:
            edits[kind](payment_id)

    def _take_off(self, payment_id: str) -> None:
        """The Payment is on its cart no more."""
        self._move("removePayment", payment_id)

    def put_on(self, payment_id: str) -> None:
        """The Payment is on its cart again."""
        self._move("addPayment", payment_id)

    def _move(self, action_name: str, payment_id: str) -> None:
        stage = self._stage
        cart = stage.commercetools.act("GET", f"/carts/{self._cart}")
        action = {"action": action_name, "payment": {"typeId": "payment", "id": payment_id}}
        stage.commercetools.act("POST", f"/carts/{self._cart}", {"version": cart["version"], "actions": [action]})

    async def _do(self, what: str, payment_id: str) -> None:
        stage, dice = self._stage, self._stage.dice
        payment = stage.commercetools.act("GET", f"/payments/{payment_id}")
        total = payment["amountPlanned"]["centAmount"]
        part = max(1, total // dice.choice((2, 3, 4)))
        match what:
            case "capture":
                await self._intend(payment, "capturePayment", total)
            case "part":
                await self._intend(payment, "capturePayment", part)
            case "twice":
                stage.bad.note(FaultKind.MERCHANT_CAPTURES_TWICE, payment_id)
                await asyncio.gather(
                    self._intend(payment, "capturePayment", part), self._intend(payment, "capturePayment", part)
                )
            case "refund":
                await self._intend(payment, "refundPayment", dice.choice((total, part)))
            case "over":
                stage.bad.note(FaultKind.MERCHANT_ASKS_TOO_MUCH, payment_id)
                await self._intend(payment, dice.choice(("capturePayment", "refundPayment")), total + 1)
            case "cancel":
                await self._intend(payment, "cancelPayment", None)
            case "reverse":
                await self._intend(payment, "reversePayment", None)
            case "by hand":
                kind = dice.choice(("Charge", "Charge", "Refund", "CancelAuthorization"))
                self._put(payment, kind, dice.choice((total, part)))
            case "cart":
                self.edit_cart()

    async def _intend(self, payment: dict[str, Any], action: str, amount: int | None) -> None:
        stage = self._stage
        wanted: dict[str, Any] = {"action": action}
        if amount is not None:
            money = payment["amountPlanned"]
            wanted["amount"] = {"centAmount": amount, "currencyCode": money["currencyCode"]}
        headers = {"Authorization": f"Bearer {stage.token}", "Content-Type": "application/json"}
        if stage.dice.random() < 0.5:
            headers["Idempotency-Key"] = stage.new_id()
        body = json.dumps({"actions": [wanted]}).encode()
        path = f"/operations/payment-intents/{payment['id']}"
        for _ in range(2):
            got = await stage.street.ask(MERCHANT, "POST", path, headers=headers, body=body)
            # Without a key a repetition would be another order.
            if (got is not None and got.status < 500) or "Idempotency-Key" not in headers:
                return
            await stage.pause(short=True)

    def _put(self, payment: dict[str, Any], kind: str, amount: int) -> None:
        """An Initial transaction, put on the Payment in the Merchant Center."""
        dice = self._stage.dice
        self.put_named(payment, kind, amount, name=f"ERP-{dice.randrange(10**6)}" if dice.random() < 0.2 else None)

    def put_named(self, payment: dict[str, Any], kind: str, amount: int, *, name: str | None) -> None:
        """The same, with a name of their own, which the PSP does not know."""
        stage = self._stage
        money = {"centAmount": amount, "currencyCode": payment["amountPlanned"]["currencyCode"]}
        draft = {"type": kind, "amount": money, "state": "Initial"} | ({"interactionId": name} if name else {})
        action = {"action": "addTransaction", "transaction": draft}
        path = f"/payments/{payment['id']}"
        document = stage.commercetools.act("POST", path, {"version": payment["version"], "actions": [action]})
        transaction = document["transactions"][-1]["id"]
        stage.recorder.wrote.append(Wrote(payment_id=payment["id"], transaction_id=transaction))

    def edit_cart(self) -> None:
        """The cart's total changes under the shopper's hands."""
        self.reprice(*self._stage.dice.choice(_PRICES))

    def reprice(self, times: int, of: int) -> None:
        """The cart costs so many times what it did."""
        stage = self._stage
        cart = stage.commercetools.cart(self._cart)
        if cart is None:
            return
        line = cart["customLineItems"][0]
        money = {**line["money"], "centAmount": max(1, line["money"]["centAmount"] * times // of)}
        action = {"action": "changeCustomLineItemMoney", "customLineItemId": line["id"], "money": money}
        try:
            stage.commercetools.act("POST", f"/carts/{self._cart}", {"version": cart["version"], "actions": [action]})
        except ValueError as error:
            stage.recorder.say(f"the cart stays as it is: {error}")
            return
        if money != line["money"]:
            stage.bad.note(FaultKind.MERCHANT_EDITS_CART, self._cart)


def _payments_on(cart: dict[str, Any]) -> list[str]:
    return [one["id"] for one in cart.get("paymentInfo", {}).get("payments", ())]


class Dashboard:
    """Somebody at the PSP: disputes, refunds that come back, captures that fail days later."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def act(self) -> None:
        stage, dice = self._stage, self._stage.dice
        more = 2 if stage.bad.on(FaultKind.PSP_BY_HAND) else 0
        for _ in range(dice.choice((0, 0, 0, 1, 1, 2)) + more):
            await asyncio.sleep(dice.choice((5.0, 60.0, 3600.0, 3 * 86400.0)) * dice.uniform(0.5, 1.5))
            payments = list(stage.psp.house.books.payments.values())
            what = dice.choice(("dispute", "dispute", "won", "lost", "late", "settles"))
            if not payments or not stage.step("dashboard", what):
                continue
            payment = dice.choice(payments)
            world, now = stage.psp.house.world, stage.recorder.now()
            by_hand = stage.bad.on(FaultKind.PSP_BY_HAND) and dice.random() < 0.7
            if by_hand:
                what = dice.choice(("capture", "refund", "cancel"))
            try:
                match what:
                    case "capture":
                        wanted = CreateCapture(
                            amount=max(1, payment.amount // dice.choice((1, 2, 3))), merchant_reference="by hand"
                        )
                        stage.psp.house.bank.capture(payment.id, wanted, key=None, now=now)
                    case "refund":
                        back = CreateRefund(
                            amount=max(1, payment.amount // dice.choice((1, 2, 3))), merchant_reference="by hand"
                        )
                        stage.psp.house.bank.refund(payment.id, back, key=None, now=now)
                    case "cancel":
                        stage.psp.house.bank.cancel(
                            payment.id, CancelPayment(merchant_reference="by hand"), key=None, now=now
                        )
                    case "dispute":
                        world.open_dispute(payment.id, amount=None, reason="fraudulent", now=now)
                        stage.bad.note(FaultKind.PSP_DISPUTE_OPENED, payment.id)
                    case "won" | "lost":
                        outcome = OperationStatus.WON if what == "won" else OperationStatus.LOST
                        for one in payment.of(OperationKind.DISPUTE):
                            world.close_dispute(one.id, outcome, now)
                    case "late":
                        for one in payment.operations:
                            if one.kind in {OperationKind.CAPTURE, OperationKind.REFUND}:
                                had_succeeded = one.status is OperationStatus.SUCCEEDED
                                world.fail_operation(one.kind, one.id, now)
                                if had_succeeded:
                                    stage.bad.note(FaultKind.PSP_FAILS_LATE, one.id)
                    case "settles":
                        for one in payment.operations:
                            if one.status is OperationStatus.PENDING:
                                world.settle_operation(one.kind, one.id, now)
                if by_hand:
                    # One that was refused has not struck.
                    stage.bad.note(FaultKind.PSP_BY_HAND, payment.id)
            except RefusalError as error:
                stage.recorder.say(f"dashboard is refused: {error}")
            stage.psp.stir()
