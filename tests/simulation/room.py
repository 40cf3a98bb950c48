"""Operations in which it is asked how much of a payment its cart bears: what came late, and what the shop has moved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from simulation.actors import Merchant
from simulation.giftcards import GiftCards
from simulation.loop import PROCESS
from simulation.operations import AFTERWARDS_S

from sandbox.psp.world import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulation.crashes import Scene
    from simulation.operations import Act


def _slow_for_us() -> float:
    """Seconds one way: what is told comes at once, and what we ask takes its time, so that two ask meanwhile."""
    return 0.001 if PROCESS.get() is None else 0.1


async def _two_late(scene: Scene) -> None:
    """Two cards were declined, and the banks approve both after all, in the same moment."""
    # Two clicks, so that each of the workers has a token.
    await scene.pay_twice("tok_declined", 0.0)
    first = scene.psp_payment.id
    await scene.pay("tok_declined")
    with patch.object(scene.wire, "latency", _slow_for_us):
        scene.crash_from_now_on()
        for one in (first, scene.psp_payment.id):
            scene.at_the_psp("settle", one, Decision.APPROVE)
        await asyncio.sleep(AFTERWARDS_S)


async def _beside_a_gift_card(scene: Scene) -> None:
    """A gift card pays for a part of the cart, which has become cheaper when the bank approves the rest, off the cart."""
    GiftCards(scene.stage, cart=scene.shopper.cart).pay("Authorization", "Success", part=4)
    await scene.pay("tok_pending")
    scene.merchant._take_off(scene.payment()["id"])
    scene.merchant.reprice(1, 2)
    await asyncio.sleep(AFTERWARDS_S)
    scene.crash_from_now_on()
    scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)


async def _moved(scene: Scene) -> None:
    """The shop moves a payment to another cart, the first is paid otherwise, and the first request comes once more."""
    key = scene.stage.new_id()
    await scene.shopper._pay("tok_approved", key)
    payment = scene.payment()["id"]
    scene.merchant._take_off(payment)
    other = scene.another_cart()
    Merchant(scene.stage, cart=other, acts=0).put_on(payment)
    await asyncio.sleep(AFTERWARDS_S)
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    await scene.shopper._pay("tok_approved", key)
    await asyncio.sleep(AFTERWARDS_S)


#: Name -> operation.
ROOM: Final[Mapping[str, Act]] = {
    "two late successes at once": _two_late,
    "a success off its cheaper cart, beside a gift card": _beside_a_gift_card,
    "pay again for what was moved to another cart": _moved,
}
