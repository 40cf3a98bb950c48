"""Operations of a page in a browser that asks: how a payment stands, what can be shown, what came of a challenge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from simulation.customers import customer_of
from simulation.operations import AFTERWARDS_S

from sandbox.psp.world import Decision

if TYPE_CHECKING:
    from simulation.crashes import Scene
    from simulation.operations import Act

#: The key of a payment that is asked after by it.
_KEY: Final = "6f1f0a8e-0d4e-4a57-9d1e-6f3a3c1b7a11"


async def _ask(scene: Scene, method: str, path: str, *, key: str | None = None, body: bytes = b"") -> None:
    headers = scene.shopper._headers | ({} if key is None else {"Idempotency-Key": key})
    await scene.stage.street.ask(scene.shopper.name, method, path, headers=headers, body=body)
    await asyncio.sleep(AFTERWARDS_S)


async def _completed(scene: Scene) -> None:
    """A challenge that was shown in the page itself."""
    got = await scene.pay("tok_3ds")
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.crash_from_now_on()
    body = json.dumps({"parameters": {"result": payment.result}}).encode()
    path = f"/payments/{got.document['operation']}/complete"
    await _ask(scene, "POST", path, key=scene.stage.new_id(), body=body)


async def _asked_after(scene: Scene) -> None:
    got = await scene.pay("tok_approved")
    scene.crash_from_now_on()
    await _ask(scene, "GET", f"/payments/{got.document['operation']}")


async def _found(scene: Scene) -> None:
    """A payment whose answer never came."""
    await scene.shopper._pay("tok_approved", _KEY)
    scene.crash_from_now_on()
    await _ask(scene, "GET", "/payments", key=_KEY)


async def _cards_shown(scene: Scene) -> None:
    customer = customer_of(scene)
    await customer.keeps_a_card()
    scene.shopper = customer.shop()
    scene.crash_from_now_on()
    await _ask(scene, "GET", "/stored-payment-methods")


def _shown(path: str) -> Act:
    async def act(scene: Scene) -> None:
        scene.crash_from_now_on()
        await _ask(scene, "GET", path)

    return act


VISITS: Final[Mapping[str, Act]] = {
    "complete from the page": _completed,
    "ask how a payment stands": _asked_after,
    "find a payment by its key": _found,
    "look at the cards that are kept": _cards_shown,
    "show the PSP's fields": _shown("/operations/config"),
}
