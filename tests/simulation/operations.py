"""Operations of a payment: of shoppers, merchants, the PSP's dashboard and its banks, each with what goes before it.

Each says from when on its workers may crash. What came of it is judged by the invariants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias
from unittest.mock import patch

from simulation.faults import FaultKind
from simulation.giftcards import GiftCards
from simulation.logs import Peer

from bus.topics import Topic
from sandbox.psp.model import OperationKind
from sandbox.psp.requests import CreateCapture
from sandbox.psp.world import Decision

if TYPE_CHECKING:
    from simulation.crashes import Scene

#: Virtual seconds after which everything that follows from an act has happened.
AFTERWARDS_S: Final = 60.0
#: Virtual seconds in which another card is taken so far that the first attempt is given up and not yet cancelled.
_MEANWHILE_S: Final = 0.3
#: Virtual seconds after which a capture is done, or waits for its message to come back from a crash.
_REPLACED_AFTER_S: Final = 2.0
#: Virtual seconds after which no request under way can be what the PSP has not heard of.
_TOO_LATE_S: Final = 30 * 60.0
#: Virtual seconds after which a message that died with its process comes again: a pass of reconcile is faster.
_LOST_S: Final = 2 * 3600.0
#: ... or when its idempotency key has ended, and nobody has taken it up.
_KEY_ENDED_S: Final = 30 * 3600.0

#: What happens in a scene.
Act: TypeAlias = Callable[["Scene"], Awaitable[None]]


async def _authorize(scene: Scene) -> None:
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


async def _declined(scene: Scene) -> None:
    scene.crash_from_now_on()
    await scene.pay("tok_declined")


async def _complete(scene: Scene) -> None:
    got = await scene.pay("tok_3ds")
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.crash_from_now_on()
    await scene.shopper._return(got.document, str(payment.result))
    await asyncio.sleep(AFTERWARDS_S)


async def _complete_unheard(scene: Scene) -> None:
    """What the shopper brings back does not reach the PSP at first, which can be asked all the same."""
    got = await scene.pay("tok_3ds")
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    scene.crash_from_now_on()
    await scene.shopper._return(got.document, str(payment.result))
    scene.wire.gateway = frozenset()
    await asyncio.sleep(AFTERWARDS_S)


async def _give_up(scene: Scene) -> None:
    """A challenge is left open, and another card taken."""
    await scene.pay("tok_3ds", 5.0)
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


def _approved_later(card: str) -> Act:
    """The PSP approves after all what it had answered otherwise."""

    async def act(scene: Scene) -> None:
        await scene.pay(card)
        scene.crash_from_now_on()
        scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
        await asyncio.sleep(AFTERWARDS_S)

    return act


async def _dispute(scene: Scene) -> None:
    await scene.pay("tok_approved")
    await scene.intend("capturePayment", scene.total)
    scene.crash_from_now_on()
    scene.at_the_psp("open_dispute", scene.psp_payment.id, amount=None, reason="fraudulent")
    await asyncio.sleep(AFTERWARDS_S)


async def _come_back(scene: Scene) -> None:
    """A challenge is passed in one tab while another card is taken in the other."""
    got = await scene.pay("tok_3ds", 5.0)
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.crash_from_now_on()

    async def return_() -> None:
        await asyncio.sleep(_MEANWHILE_S)
        await scene.shopper._return(got.document, str(payment.result))

    await asyncio.gather(scene.pay("tok_approved"), return_())


async def _late_success_after_another(scene: Scene) -> None:
    """The shopper has paid with another card when the PSP approves the first after all."""
    await scene.pay("tok_declined")
    first = scene.psp_payment.id
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    scene.at_the_psp("settle", first, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)


async def _captured_at_the_dashboard(scene: Scene) -> None:
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    stage = scene.stage
    wanted = CreateCapture(amount=scene.total, merchant_reference="by hand")
    stage.psp.house.bank.capture(scene.psp_payment.id, wanted, key=None, now=stage.recorder.now())
    stage.psp.stir()
    await asyncio.sleep(AFTERWARDS_S)


async def _fields_replaced(scene: Scene) -> None:
    """Other software replaces our custom type while half of the money is captured."""
    await scene.pay("tok_approved")
    payment = scene.payment()["id"]
    scene.crash_from_now_on()

    async def replace_types() -> None:
        await asyncio.sleep(_REPLACED_AFTER_S)
        scene.stage.commercetools.replace_types(payment)

    await asyncio.gather(scene.intend("capturePayment", scene.total // 2), replace_types())


async def _refund_after_a_refund(scene: Scene) -> None:
    await scene.pay("tok_approved")
    await scene.intend("capturePayment", scene.total)
    await scene.intend("refundPayment", scene.total // 4)
    scene.crash_from_now_on()
    await scene.intend("refundPayment", scene.total // 4)


async def _pending_off_its_cart(scene: Scene) -> str:
    """The bank takes its time, the shop takes the Payment off its cart, and the shopper pays with another card."""
    await scene.pay("tok_pending")
    first = scene.psp_payment.id
    scene.merchant._take_off(scene.payment()["id"])
    await asyncio.sleep(AFTERWARDS_S)
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    return first


async def _approved_off_its_cart(scene: Scene) -> None:
    first = await _pending_off_its_cart(scene)
    scene.at_the_psp("settle", first, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)


async def _paid_otherwise_later(scene: Scene) -> None:
    """Money comes off its cart while there is room for it, of which a person is told; then another card pays."""
    await scene.pay("tok_pending")
    first = scene.psp_payment.id
    scene.merchant._take_off(scene.payment()["id"])
    await asyncio.sleep(2 * AFTERWARDS_S)
    scene.at_the_psp("settle", first, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


async def _back_on_its_cart(scene: Scene) -> None:
    """Money comes off its cart, the shop puts it back, and the cart becomes cheaper."""
    await scene.pay("tok_pending")
    payment = scene.payment()["id"]
    scene.merchant._take_off(payment)
    scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)
    scene.merchant.put_on(payment)
    scene.merchant.reprice(1, 2)
    scene.crash_from_now_on()
    await scene.intend("capturePayment", scene.total // 2)


async def _completed_off_its_cart(scene: Scene) -> None:
    """A challenge is passed after the shop has taken its Payment off the cart, which another card has paid for."""
    got = await scene.pay("tok_3ds", 5.0)
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.merchant._take_off(scene.payment()["id"])
    await asyncio.sleep(AFTERWARDS_S)
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    await scene.shopper._return(got.document, str(payment.result))
    await asyncio.sleep(AFTERWARDS_S)


async def _old_failure(scene: Scene) -> None:
    """The event of a decline comes once more, after the success that followed it."""
    await _approved_later("tok_declined")(scene)
    outbox = scene.stage.psp.house.outbox
    failed = next(one for one in outbox.events.values() if one.type == "payment.failed")
    outbox.resend(failed.id)
    scene.stage.psp.stir()
    await asyncio.sleep(AFTERWARDS_S)


async def _told_twice(scene: Scene) -> None:
    """The same dispute is told once more."""
    await _dispute(scene)
    outbox = scene.stage.psp.house.outbox
    outbox.resend(next(one.id for one in outbox.events.values() if one.type == "dispute.opened"))
    scene.stage.psp.stir()
    await asyncio.sleep(AFTERWARDS_S)


async def _paid_already(scene: Scene) -> None:
    """The cart is paid, and the shopper pays again."""
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


async def _paid_again(scene: Scene) -> None:
    """All of it was given back, and the shopper pays again."""
    await scene.pay("tok_approved")
    await scene.intend("capturePayment", scene.total)
    await scene.intend("refundPayment", scene.total)
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


async def _captured_too_late(scene: Scene) -> None:
    await scene.pay("tok_approved")
    await scene.intend("cancelPayment")
    scene.crash_from_now_on()
    await scene.intend("capturePayment", scene.total)


async def _two_captures(scene: Scene) -> None:
    """At the same moment, and too much together."""
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    await asyncio.gather(*(scene.intend("capturePayment", scene.total) for _ in range(2)))


async def _server_error(scene: Scene) -> None:
    """The money is held, and the answer is a server error, however often it is asked under the key."""
    scene.crash_from_now_on()
    await scene.pay("tok_error_after")


async def _gateway(scene: Scene) -> None:
    """The money is held, nobody has heard of it, and until it is too late a gateway says 404 to all who ask."""
    scene.stage.bad.rates[FaultKind.WEBHOOK_NEVER] = 1.0
    scene.wire.gateway = frozenset({(Peer.PSP, "GET")})
    await scene.pay("tok_error_after", _TOO_LATE_S)
    scene.crash_from_now_on()
    scene.wire.gateway = frozenset()
    await asyncio.sleep(AFTERWARDS_S)


async def _named_by_an_order_system(scene: Scene) -> None:
    """So it is, and an order system has set the `interfaceId` when the PSP can be asked; then the money is captured."""
    scene.stage.bad.rates[FaultKind.WEBHOOK_NEVER] = 1.0
    scene.wire.gateway = frozenset({(Peer.PSP, "GET")})
    await scene.pay("tok_error_after", _TOO_LATE_S)
    scene.stage.commercetools.name_payment(scene.payment()["id"])
    scene.crash_from_now_on()
    scene.wire.gateway = frozenset()
    await asyncio.sleep(AFTERWARDS_S)
    await scene.intend("capturePayment", scene.total)


async def _unknown_event(scene: Scene) -> None:
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    outbox = scene.stage.psp.house.outbox
    known = next(iter(outbox.events.values()))
    outbox.publish(replace(known, id="evt_unheard_of", type="payment.exploded"))
    scene.stage.psp.stir()
    await asyncio.sleep(AFTERWARDS_S)


async def _two_refunds(scene: Scene) -> None:
    """The first is still pending when the second comes."""
    await scene.pay("tok_refund_pending")
    await scene.intend("capturePayment", scene.total)
    await scene.intend("refundPayment", scene.total)
    scene.crash_from_now_on()
    await scene.intend("refundPayment", scene.total)
    scene.at_the_psp("settle_operation", OperationKind.REFUND, scene.psp_payment.operations[1].id)
    await asyncio.sleep(AFTERWARDS_S)


async def _two_clicks(scene: Scene) -> None:
    scene.crash_from_now_on()
    await scene.pay_twice("tok_approved", 0.2)


async def _two_clicks_on_a_challenge(scene: Scene) -> None:
    """The first has brought up a challenge when the second comes."""
    with patch.object(scene.wire, "latency", lambda: 0.01):
        await scene.pay("tok_declined")
        scene.crash_from_now_on()
        await scene.pay_twice("tok_3ds", 0.9)


async def _left_open(scene: Scene) -> None:
    """A challenge is left open for an hour, and reconcile passes."""
    scene.crash_from_now_on()
    await scene.pay("tok_3ds", 3600.0)
    await scene.reconcile()


async def _lost_message(scene: Scene) -> None:
    """A capture is reserved when the workers die, and its message comes again after reconcile has taken it up."""
    asking = await reserved_and_lost(scene, _LOST_S)
    await asyncio.sleep(_LOST_S / 2)
    scene.crash_from_now_on()
    await scene.reconcile()
    await asking


async def _days_late(scene: Scene) -> None:
    """A capture is reserved when the workers die, and its message comes again when the key has ended."""
    asking = await reserved_and_lost(scene, _KEY_ENDED_S)
    scene.crash_from_now_on()
    await asyncio.sleep(_KEY_ENDED_S + AFTERWARDS_S)
    await asking


async def reserved_and_lost(scene: Scene, late_s: float) -> Awaitable[None]:
    """A capture of half is reserved when the workers die, and its message comes again so much later."""
    await scene.pay("tok_approved")
    asking = asyncio.create_task(scene.intend("capturePayment", scene.total // 2))
    while not any(one["type"] == "Charge" for one in scene.payment()["transactions"]):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=late_s)
    return asking


async def _cancelled_meanwhile(scene: Scene) -> None:
    """A capture is reserved when the workers die, and the rest is to be cancelled before its message comes again."""
    asking = await reserved_and_lost(scene, _LOST_S)
    await asyncio.sleep(_LOST_S / 2)
    scene.crash_from_now_on()
    await scene.intend("cancelPayment")
    await asyncio.sleep(_LOST_S)
    await asking


async def _reversed_meanwhile(scene: Scene) -> None:
    """A part is captured, and that is not decided, when all is to be given back."""
    await scene.pay("tok_capture_pending")
    await scene.intend("capturePayment", scene.total // 2)
    scene.crash_from_now_on()
    await scene.intend("reversePayment")
    scene.at_the_psp("settle_operation", OperationKind.CAPTURE, scene.psp_payment.operations[0].id)
    await asyncio.sleep(AFTERWARDS_S)


async def _captured_although_given_up(scene: Scene) -> None:
    """An attempt succeeds late, after another card, and a merchant captures it when it is given up and not yet cancelled."""
    await scene.pay("tok_declined")
    first, payment = scene.psp_payment.id, scene.payment()
    await scene.pay("tok_approved")
    scene.at_the_psp("settle", first, Decision.APPROVE)
    while not scene.is_given_up(payment["id"]):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=_LOST_S)
    await asyncio.sleep(AFTERWARDS_S)
    scene.crash_from_now_on()
    await scene.intend("capturePayment", scene.total, payment=payment)
    await asyncio.sleep(_LOST_S)


async def _named_by_the_merchant(scene: Scene) -> None:
    """A merchant's Charge has a name of the merchant's own, which the PSP does not know."""
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    scene.merchant.put_named(scene.payment(), "Charge", scene.total, name="ERP-7")
    await asyncio.sleep(AFTERWARDS_S)


async def _stray_letter(scene: Scene) -> None:
    """Something lies in the dead letters, and nobody knows where it came from."""
    scene.crash_from_now_on()
    scene.site.travel.put(Topic.DEAD_LETTERS, b"not a letter of ours", {})
    await scene.pay("tok_approved")


async def _charged_on_anothers(scene: Scene) -> None:
    """A gift card pays for a part of the cart, and is charged by what is its own software."""
    card = GiftCards(scene.stage, cart=scene.shopper.cart)
    theirs = card.pay("Authorization", "Success", part=2)
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    assert theirs is not None, "nobody deletes the cart"
    card.go_on(theirs, "Charge")
    await asyncio.sleep(AFTERWARDS_S)


def _modified(action: str, *, captured: int = 0, part: int | None = 1, by_hand: bool = False) -> Act:
    """A modification of the whole amount, or of a part; after a capture of so many parts."""

    async def act(scene: Scene) -> None:
        await scene.pay("tok_approved")
        if captured:
            await scene.intend("capturePayment", scene.total // captured)
        scene.crash_from_now_on()
        amount = None if part is None else scene.total // part
        await (scene.put(action, amount or scene.total) if by_hand else scene.intend(action, amount))

    return act


#: Name -> operation.
PAYMENTS: Final[Mapping[str, Act]] = {
    "authorize": _authorize,
    "authorize, declined": _declined,
    "authorize, a server error after the effect": _server_error,
    "authorize, and a gateway knows nothing of it": _gateway,
    "pay for what is paid": _paid_already,
    "pay again after the refund": _paid_again,
    "complete": _complete,
    "complete, and the PSP does not hear it at first": _complete_unheard,
    "give up": _give_up,
    "capture": _modified("capturePayment"),
    "two captures at once": _two_captures,
    "capture after the cancel": _captured_too_late,
    "cancel": _modified("cancelPayment", part=None),
    "reverse": _modified("reversePayment", captured=2, part=None),
    "refund": _modified("refundPayment", captured=1, part=2),
    "refund after a refund": _refund_after_a_refund,
    "refund while another is pending": _two_refunds,
    "capture while our fields are replaced": _fields_replaced,
    "capture of what an order system has named": _named_by_an_order_system,
    "capture at the dashboard": _captured_at_the_dashboard,
    "come back to what was given up": _come_back,
    "two clicks": _two_clicks,
    "two clicks on a challenge": _two_clicks_on_a_challenge,
    "a challenge left open while reconcile passes": _left_open,
    "a capture that reconcile takes up": _lost_message,
    "a capture that comes again days later": _days_late,
    "cancel while a capture is reserved": _cancelled_meanwhile,
    "reverse while a capture is pending": _reversed_meanwhile,
    "capture what was given up": _captured_although_given_up,
    "a merchant's Charge of what is captured": _modified("Charge", captured=1, by_hand=True),
    "a Charge with a name of the merchant's own": _named_by_the_merchant,
    "a Charge on a gift card's Payment": _charged_on_anothers,
    "a stray letter": _stray_letter,
    "webhook": _approved_later("tok_pending"),
    "a late success": _approved_later("tok_declined"),
    "a late success after another card": _late_success_after_another,
    "a success off its cart": _approved_off_its_cart,
    "another card after a success off its cart": _paid_otherwise_later,
    "complete off its cart": _completed_off_its_cart,
    "capture what was put back on its cart": _back_on_its_cart,
    "an old failure": _old_failure,
    "an unknown event": _unknown_event,
    "dispute": _dispute,
    "a dispute told twice": _told_twice,
    "a merchant's Charge": _modified("Charge", by_hand=True),
    "a merchant's Refund": _modified("Refund", captured=1, part=2, by_hand=True),
    "a merchant's CancelAuthorization": _modified("CancelAuthorization", by_hand=True),
}
