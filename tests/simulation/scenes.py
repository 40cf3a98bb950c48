"""Representative Payments for the exploration of orders: made by the real workers, then put back to "not settled"."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from simulation.orders import Scene, Told
from support.house import open_house

from bus.messages import CancelPayment, CapturePayment, RefundPayment
from psp.money import Money
from psp.port import LookupRequest
from sandbox.psp.model import OperationKind, OperationStatus
from sandbox.psp.requests import CreateCapture, CreateRefund
from sandbox.psp.world import Decision
from workers.perform import reference_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from support.house import House

    from psp.port import PspAdapter
    from psp.seams import Clock


class Stage:
    """A house with one Payment, and everybody who acts on it; each act a second after the one before."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.name = ""
        self.command: Any = None

    async def authorize(self, token: str) -> None:
        self.command = self.house.pay(await self.house.cart(), token)
        await self.house.deliver(self.command)
        self.name = self.psp_payment.id
        self.house.clock.pass_(seconds=1)

    async def complete(self, decision: Decision) -> None:
        payment = self.house.psp.house.world.answer_challenge(self.name, decision, self.house.clock())
        self.house.clock.pass_(seconds=1)
        await self.house.deliver(self.house.come_back(self.command, payment.result))

    async def modify(self, kind: type, amount: int | None = None) -> None:
        more = {} if amount is None else {"amount": Money(amount=amount, currency="EUR")}
        (payment,) = self.house.payments()
        await self.house.deliver(self.house.ask(kind, payment.id, **more))
        self.house.clock.pass_(seconds=1)

    async def events(self) -> None:
        for event in self.house.events():
            await self.house.deliver(event)

    def world(self, method: str, *arguments: object, **named: object) -> Any:
        done = getattr(self.house.psp.house.world, method)(*arguments, **named, now=self.house.clock())
        self.house.clock.pass_(seconds=1)
        return done

    def by_hand(self, method: str, request: object) -> None:
        """Somebody at the PSP's dashboard."""
        getattr(self.house.psp.house.bank, method)(self.name, request, key=None, now=self.house.clock())
        self.house.clock.pass_(seconds=1)

    @property
    def psp_payment(self) -> Any:
        return list(self.house.psp.house.books.payments.values())[-1]


async def _challenge_passed(stage: Stage) -> None:
    await stage.authorize("tok_3ds")
    await stage.complete(Decision.APPROVE)


async def _challenge_refused(stage: Stage) -> None:
    await stage.authorize("tok_3ds")
    await stage.complete(Decision.REFUSE)


async def _challenge_expired(stage: Stage) -> None:
    await stage.authorize("tok_3ds")
    stage.world("expire", stage.name)


async def _captured_in_parts(stage: Stage) -> None:
    await stage.authorize("tok_approved")
    await stage.modify(CapturePayment, 1000)
    await stage.modify(CapturePayment, 1000)
    await stage.modify(CancelPayment)


async def _settled_later(stage: Stage) -> None:
    await stage.authorize("tok_pending")
    stage.world("settle", stage.name, Decision.APPROVE)
    await stage.events()
    await stage.modify(CapturePayment, 4200)
    await stage.modify(RefundPayment, 4200)


async def _declined_later(stage: Stage) -> None:
    await stage.authorize("tok_pending_declined")
    stage.world("settle", stage.name, Decision.REFUSE)


async def _approved_after_the_decline(stage: Stage) -> None:
    await stage.authorize("tok_declined")
    stage.world("settle", stage.name, Decision.APPROVE)
    await stage.events()
    await stage.modify(CapturePayment, 4200)


async def _capture_undone(stage: Stage) -> None:
    await stage.authorize("tok_capture_pending")
    await stage.modify(CapturePayment, 4200)
    capture = stage.psp_payment.operations[-1].id
    stage.world("settle_operation", OperationKind.CAPTURE, capture)
    stage.world("fail_operation", OperationKind.CAPTURE, capture)


async def _refund_undone(stage: Stage) -> None:
    await stage.authorize("tok_refund_pending")
    await stage.modify(CapturePayment, 4200)
    await stage.modify(RefundPayment, 4200)
    refund = stage.psp_payment.operations[-1].id
    stage.world("settle_operation", OperationKind.REFUND, refund)
    stage.world("fail_operation", OperationKind.REFUND, refund)


async def _disputed_twice(stage: Stage) -> None:
    await stage.authorize("tok_approved")
    await stage.modify(CapturePayment, 4200)
    for outcome in (OperationStatus.WON, OperationStatus.LOST):
        dispute = stage.world("open_dispute", stage.name, amount=4200, reason="fraudulent")
        stage.world("close_dispute", dispute.id, outcome)


async def _hold_expired(stage: Stage) -> None:
    await stage.authorize("tok_approved")
    await stage.modify(CapturePayment, 1000)
    stage.world("expire", stage.name)


async def _dashboard(stage: Stage) -> None:
    await stage.authorize("tok_approved")
    stage.by_hand("capture", CreateCapture(amount=3000, merchant_reference="by hand"))
    stage.by_hand("refund", CreateRefund(amount=1000, merchant_reference="by hand"))


async def _everything(stage: Stage) -> None:
    await stage.authorize("tok_pending")
    stage.world("settle", stage.name, Decision.APPROVE)
    await stage.events()
    await stage.modify(CapturePayment, 3000)
    await stage.modify(RefundPayment, 1000)
    dispute = stage.world("open_dispute", stage.name, amount=2000, reason="fraudulent")
    stage.world("close_dispute", dispute.id, OperationStatus.WON)
    stage.world("fail_operation", OperationKind.CAPTURE, stage.psp_payment.operations[0].id)
    stage.world("expire", stage.name)


async def _other_amount(stage: Stage) -> None:
    """The same capture told with two amounts, one of which is not what we asked for."""
    await stage.authorize("tok_approved")
    await stage.modify(CapturePayment, 3000)


_SCENES: Mapping[str, Callable[[Stage], Awaitable[None]]] = {
    "a challenge passed": _challenge_passed,
    "a challenge refused": _challenge_refused,
    "a challenge that expired": _challenge_expired,
    "captured in parts, the rest cancelled": _captured_in_parts,
    "approved later, captured, refunded": _settled_later,
    "declined later": _declined_later,
    "approved after the decline": _approved_after_the_decline,
    "a capture that was pending and failed late": _capture_undone,
    "a refund that was pending and failed late": _refund_undone,
    "one dispute won, one lost": _disputed_twice,
    "the rest of the hold expired": _hold_expired,
    "captured and refunded at the dashboard": _dashboard,
    "everything that can happen": _everything,
    "a capture told with another amount": _other_amount,
}


async def scenes() -> tuple[list[Scene], PspAdapter, Clock]:
    """All scenes, and the adapter and clock that they were made with."""
    made = []
    for name, act in _SCENES.items():
        async with open_house() as house:
            stage = Stage(house)
            await act(stage)
            made.append(await _scene(name, stage))
    return made, house.work.psp, house.clock


async def _scene(name: str, stage: Stage) -> Scene:
    house = stage.house
    (payment,) = house.payments()
    (document,) = house.core.documents("payment")
    told = [Told(name=json.loads(one.body)["type"], what=one) for one in house.events()]
    if name == "a capture told with another amount":
        event = json.loads(house.events()[-1].body)
        event["id"], event["data"]["amount"] = "evt_odd", 2900
        told.append(Told(name="capture.succeeded (2900)", what=house.notification(event)))
    reference = reference_to(house.work, payment, payment.authorization)
    looked_up = await house.work.psp.lookup(
        LookupRequest(reference=reference, authorization=reference, payment_reference=stage.name)
    )
    told.append(Told(name="look-up", what=looked_up))
    return Scene(name=name, document=unsettled(document), told=tuple(told), state=house.core.state)


def unsettled(document: dict[str, Any]) -> dict[str, Any]:
    """The Payment with all that was reserved by us, and nothing that the PSP told."""
    bare = copy.deepcopy(document)
    for name in ("interfaceId", "interfaceInteractions", "paymentStatus"):
        bare.pop(name, None)
    bare |= {"interfaceInteractions": [], "paymentStatus": {}}
    bare["paymentMethodInfo"].pop("name", None)
    bare["transactions"] = [
        {name: value for name, value in one.items() if name != "interactionId"} | {"state": "Initial"}
        for one in bare["transactions"]
        if "ctpayCommandId" in one.get("custom", {}).get("fields", {})
    ]
    for one in bare["transactions"]:
        for name in ("ctpayAction", "ctpayActionAt", "ctpayReversed"):
            one["custom"]["fields"].pop(name, None)
    return bare
