"""Operations of reconciliation and of a person's word: what was left behind, and who mends it, by hand or by the clock.

Each writes, and is given what can be told only later: that somebody has gone, that nothing can be under way any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from simulation.faults import FaultKind
from simulation.logs import Peer
from simulation.operations import AFTERWARDS_S, reserved_and_lost
from simulation.processes import Machine

from psp.facts import State
from workers.reconcile_schedule import NAME as RECONCILE

if TYPE_CHECKING:
    from simulation.crashes import Scene
    from simulation.logs import Document
    from simulation.operations import Act

#: Virtual seconds after which no machine waits for a shopper any more, and no capture is under way anywhere.
_DAY_S: Final = 25 * 3600.0
#: ... after which a message that died with its process comes again, when everything has been ended without it.
_LATER_S: Final = 30 * 3600.0
#: ... after which no authorization may be sent any more.
_TOO_LATE_S: Final = 2 * 3600.0
#: ... that a Payment must have rested before it is compared.
_RESTED_S: Final = 600.0
#: ... in which the clock gets to what is to be done, however often its process dies.
_BY_THEN_S: Final = 2 * 86400.0


async def _nobody_comes(scene: Scene) -> None:
    """A challenge is left open for more than a day: the shopper has gone, and the PSP is to be asked to cancel."""
    await scene.pay("tok_3ds", _DAY_S)


async def _never_sent(scene: Scene) -> None:
    """The workers die when the Payment is on its cart and the PSP has not been asked, and it is too late for that now."""
    paying = asyncio.create_task(scene.pay("tok_approved"))
    while not scene.is_on_its_cart(scene.shopper.cart):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=_LATER_S)
    await paying
    await asyncio.sleep(_TOO_LATE_S)


async def _untold(scene: Scene) -> None:
    """A bank disputes what was captured, and no webhook tells."""
    await scene.pay("tok_approved")
    await scene.intend("capturePayment", scene.total)
    scene.stage.bad.rates[FaultKind.WEBHOOK_NEVER] = 1.0
    scene.at_the_psp("open_dispute", scene.psp_payment.id, amount=None, reason="fraudulent")
    await asyncio.sleep(_RESTED_S)


async def _done_and_unheard(scene: Scene) -> None:
    """Half is captured, the workers die before they hear it, and who asks the PSP is answered by a gateway."""
    scene.stage.bad.rates[FaultKind.WEBHOOK_NEVER] = 1.0
    await scene.pay("tok_approved")
    scene.wire.gateway = frozenset({(Peer.PSP, "GET")})
    asking = asyncio.create_task(scene.intend("capturePayment", scene.total // 2))
    while not any(one.kind == "capture" for one in scene.stage.recorder.effects):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=_LATER_S)
    await asking
    await asyncio.sleep(_DAY_S)


async def _not_done_and_unheard(scene: Scene) -> None:
    """The same, and the workers die before they ask for it."""
    scene.wire.gateway = frozenset({(Peer.PSP, "GET")})
    await (await reserved_and_lost(scene, _LATER_S))
    await asyncio.sleep(_DAY_S)


async def _by_a_pass(scene: Scene) -> None:
    await scene.reconcile()


async def _by_a_comparison(scene: Scene) -> None:
    await scene.compare()


def _by_the_clock(kind: str, state: State) -> Act:
    """A process of the reconcile worker begins, and goes on until a transaction of this kind is in this state."""

    async def mend(scene: Scene) -> None:
        Machine(scene.site, name="reconcile", workers=[RECONCILE]).start()
        last = scene.site.loop.now + _BY_THEN_S
        while _last(scene, kind).get("state") != state:
            assert scene.site.loop.now < last, "nobody mends it"
            await asyncio.sleep(AFTERWARDS_S)
        await asyncio.sleep(AFTERWARDS_S)
        # From now on there is nothing for it to do.
        scene.no_more_crashes()

    return mend


def _by_word(state: State) -> Act:
    """A person says what became of the capture; its message comes again when that is written."""

    async def mend(scene: Scene) -> None:
        await scene.resolve(_last(scene, "Charge")["id"], state)
        scene.wire.gateway = frozenset()
        await asyncio.sleep(_LATER_S - _DAY_S)

    return mend


def _last(scene: Scene, kind: str) -> Document:
    """The last transaction of this kind; empty where there is none."""
    made = [one for one in scene.payment()["transactions"] if one["type"] == kind]
    return made[-1] if made else {}


def _mended(left: Act, mend: Act) -> Act:
    async def act(scene: Scene) -> None:
        await left(scene)
        scene.crash_from_now_on()
        await mend(scene)

    return act


REPAIRS: Final[Mapping[str, Act]] = {
    "a challenge that nobody answers for a day": _mended(_nobody_comes, _by_a_pass),
    "a challenge that the clock gives up": _mended(_nobody_comes, _by_the_clock("Authorization", State.FAILURE)),
    "an authorization that was never sent": _mended(_never_sent, _by_a_pass),
    "an authorization that the clock closes": _mended(_never_sent, _by_the_clock("Authorization", State.FAILURE)),
    "a dispute that nobody told of": _mended(_untold, _by_a_comparison),
    "a dispute that the clock finds": _mended(_untold, _by_the_clock("Chargeback", State.PENDING)),
    "a capture that a person knows was done": _mended(_done_and_unheard, _by_word(State.SUCCESS)),
    "a capture that a person knows was not done": _mended(_not_done_and_unheard, _by_word(State.FAILURE)),
}
