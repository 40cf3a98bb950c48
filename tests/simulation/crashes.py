"""A crash at every step of the workers during every operation, once and twice, in a world where nothing else goes wrong.

A step is what runs from one await to the next. Steps are counted while a worker has a message in hand; at the chosen
one its process dies, is started again, and the message comes back at its deadline. What then must hold is what must
always hold: the invariants.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from unittest.mock import patch

from simulation import processes, seed
from simulation.actors import Merchant, Shopper
from simulation.customers import CUSTOMERS
from simulation.desk import LETTERS
from simulation.faults import Bad, Budget, FaultKind
from simulation.invariants import check
from simulation.kept import Notebook, with_stored_methods
from simulation.logs import Peer
from simulation.loop import PROCESS, Life, SimulatedLoop, collect
from simulation.record import Recorder

from bus.consumer import Consumer
from bus.topics import Topic
from sandbox.psp.model import OperationKind, Terms
from sandbox.psp.requests import CreateCapture
from sandbox.psp.world import Decision
from workers.reconcile_schedule import NAME as RECONCILE

if TYPE_CHECKING:
    from simulation.actors import Stage
    from simulation.logs import History
    from simulation.outside import PspServer
    from simulation.processes import Machine
    from simulation.travel import Travel
    from simulation.wire import Wire

#: Virtual seconds after which everything that follows from an act has happened.
_AFTERWARDS_S: Final = 60.0
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


@dataclass(kw_only=True, slots=True)
class Fuse:
    """Counts the workers' steps, and says which one is a process's last."""

    #: The step of the first crash, and then of each further one, counted from the crash before.
    crash_at: tuple[int, ...] = ()
    lit: bool = False
    steps: int = 0
    #: Process -> messages that it has in hand.
    in_hand: Counter[str] = field(default_factory=Counter)

    def burns(self, life: Life) -> bool:
        """Count a step, and say whether the process dies before it."""
        if not self.lit or not self.in_hand[life.id]:
            return False
        self.steps += 1
        if not self.crash_at or self.steps < self.crash_at[0]:
            return False
        self.crash_at, self.steps = self.crash_at[1:], 0
        del self.in_hand[life.id]
        return True


class Drill(seed._World):  # the same world with another cast
    """One operation, and the fuse."""

    def __init__(self, act: Act, fuse: Fuse, loop: SimulatedLoop, recorder: Recorder) -> None:
        super().__init__(0, loop, recorder, Budget())
        self._act = act
        self._fuse = fuse
        dice = random.Random(0)
        self.bad = Bad(rates={}, dice=dice, budget=self.bad.budget, recorder=recorder)
        self._notebook = Notebook()
        self._travel: Travel | None = None

    def _terms(self) -> Terms:
        return Terms(
            settles_after_s=None,
            fails_late_after_s=None,
            authorization_lifetime_s=None,
            auto_complete_after_s=None,
            action_expires_after_s=None,
        )

    def _cast(self, stage: Stage, found: Any, travel: Any) -> list[Any]:
        self._travel = travel
        return [self._act(Scene(stage, self._fuse, self.wire, found, self._notebook))]

    def _history(self, psp: PspServer, *, settled: bool) -> History:
        letters = self._travel.for_people if self._travel is not None else ()
        return replace(
            super()._history(psp, settled=settled),
            methods=tuple(self._notebook.methods),
            kept=tuple(self._notebook.kept.values()),
            with_people=frozenset(one.message_id for one in letters),
        )


class Scene:
    """What an act is made of."""

    def __init__(self, stage: Stage, fuse: Fuse, wire: Wire, machines: list[Machine], notebook: Notebook) -> None:
        self.stage = stage
        self.notebook = notebook
        self.wire = wire
        self.machines = machines
        self.site = machines[0]._site
        self._fuse = fuse
        self._shoppers = itertools.count(1)
        self.shopper = Shopper(stage, number=self.next_shopper())
        self.merchant = Merchant(stage, cart=self.shopper.cart, acts=0)

    def next_shopper(self) -> int:
        return next(self._shoppers)

    def crash_from_now_on(self) -> None:
        self._fuse.lit = True

    def takes_in_hand(self, life: Life) -> None:
        """A command of a person's: its steps are counted as those of a worker with a message are."""
        self._fuse.in_hand[life.id] = 1

    async def pay(self, card: str, after_s: float = _AFTERWARDS_S) -> Any:
        got = await self.shopper._pay(card, self.stage.new_id())
        await asyncio.sleep(after_s)
        return got

    async def pay_twice(self, card: str, after_s: float) -> None:
        """Two clicks, without a key."""
        await asyncio.gather(self.shopper._pay(card, None), self.shopper._pay(card, None, after_s=after_s))
        await asyncio.sleep(_AFTERWARDS_S)

    async def reconcile(self) -> None:
        """One pass, as an operator runs it."""
        await processes.Machine(self.site, name="reconcile-meanwhile", workers=[RECONCILE]).take_up()
        await asyncio.sleep(_AFTERWARDS_S)

    async def intend(self, action: str, amount: int | None = None, *, payment: Any = None) -> None:
        """Of the last Payment on the cart, or of this one."""
        await self.merchant._intend(payment or self.payment(), action, amount)
        await asyncio.sleep(_AFTERWARDS_S)

    async def put(self, kind: str, amount: int) -> None:
        self.merchant._put(self.payment(), kind, amount)
        await asyncio.sleep(_AFTERWARDS_S)

    def kill_workers(self, *, late_s: float) -> None:
        """What they had in hand comes again so much later."""
        for machine in self.machines:
            if machine.name.startswith("workers"):
                machine.kill(late_s=late_s)

    def is_on_its_cart(self, cart: str) -> bool:
        """Whether a Payment has been put on this cart."""
        return bool(self.stage.commercetools.act("GET", f"/carts/{cart}").get("paymentInfo"))

    def is_given_up(self, payment: str) -> bool:
        """Whether its attempt is marked as superseded."""
        made = self.stage.commercetools.act("GET", f"/payments/{payment}")["transactions"]
        return any("ctpaySuperseded" in one.get("custom", {}).get("fields", {}) for one in made)

    def payment(self) -> Any:
        cart = self.stage.commercetools.act("GET", f"/carts/{self.shopper.cart}")
        return self.stage.commercetools.act("GET", f"/payments/{cart['paymentInfo']['payments'][-1]['id']}")

    @property
    def total(self) -> int:
        return self.shopper.total

    def at_the_psp(self, method: str, *arguments: Any, **named: Any) -> Any:
        house = self.stage.psp.house
        done = getattr(house.world, method)(*arguments, **named, now=self.stage.recorder.now())
        self.stage.psp.stir()
        return done

    @property
    def psp_payment(self) -> Any:
        return list(self.stage.psp.house.books.payments.values())[-1]


Act: TypeAlias = "Callable[[Scene], Awaitable[None]]"


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
    await asyncio.sleep(_AFTERWARDS_S)


async def _complete_unheard(scene: Scene) -> None:
    """What the shopper brings back does not reach the PSP at first, which can be asked all the same."""
    got = await scene.pay("tok_3ds")
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    scene.crash_from_now_on()
    await scene.shopper._return(got.document, str(payment.result))
    scene.wire.gateway = frozenset()
    await asyncio.sleep(_AFTERWARDS_S)


async def _give_up(scene: Scene) -> None:
    """A challenge is left open, and another card taken."""
    await scene.pay("tok_3ds", 5.0)
    scene.crash_from_now_on()
    await scene.pay("tok_approved")


async def _webhook(scene: Scene) -> None:
    await scene.pay("tok_pending")
    scene.crash_from_now_on()
    scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
    await asyncio.sleep(_AFTERWARDS_S)


async def _dispute(scene: Scene) -> None:
    await scene.pay("tok_approved")
    await scene.intend("capturePayment", scene.total)
    scene.crash_from_now_on()
    scene.at_the_psp("open_dispute", scene.psp_payment.id, amount=None, reason="fraudulent")
    await asyncio.sleep(_AFTERWARDS_S)


async def _come_back(scene: Scene) -> None:
    """A challenge is passed in one tab while another card is taken in the other."""
    got = await scene.pay("tok_3ds", 5.0)
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.crash_from_now_on()

    async def return_() -> None:
        await asyncio.sleep(_MEANWHILE_S)
        await scene.shopper._return(got.document, str(payment.result))

    await asyncio.gather(scene.pay("tok_approved"), return_())


async def _late_success(scene: Scene) -> None:
    await scene.pay("tok_declined")
    scene.crash_from_now_on()
    scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
    await asyncio.sleep(_AFTERWARDS_S)


async def _late_success_after_another(scene: Scene) -> None:
    """The shopper has paid with another card when the PSP approves the first after all."""
    await scene.pay("tok_declined")
    first = scene.psp_payment.id
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    scene.at_the_psp("settle", first, Decision.APPROVE)
    await asyncio.sleep(_AFTERWARDS_S)


async def _captured_at_the_dashboard(scene: Scene) -> None:
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    stage = scene.stage
    wanted = CreateCapture(amount=scene.total, merchant_reference="by hand")
    stage.psp.house.bank.capture(scene.psp_payment.id, wanted, key=None, now=stage.recorder.now())
    stage.psp.stir()
    await asyncio.sleep(_AFTERWARDS_S)


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


async def _old_failure(scene: Scene) -> None:
    """The event of a decline comes once more, after the success that followed it."""
    await _late_success(scene)
    outbox = scene.stage.psp.house.outbox
    failed = next(one for one in outbox.events.values() if one.type == "payment.failed")
    outbox.resend(failed.id)
    scene.stage.psp.stir()
    await asyncio.sleep(_AFTERWARDS_S)


async def _told_twice(scene: Scene) -> None:
    """The same dispute is told once more."""
    await _dispute(scene)
    outbox = scene.stage.psp.house.outbox
    outbox.resend(next(one.id for one in outbox.events.values() if one.type == "dispute.opened"))
    scene.stage.psp.stir()
    await asyncio.sleep(_AFTERWARDS_S)


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
    await asyncio.sleep(_AFTERWARDS_S)


async def _unknown_event(scene: Scene) -> None:
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    outbox = scene.stage.psp.house.outbox
    known = next(iter(outbox.events.values()))
    outbox.publish(replace(known, id="evt_unheard_of", type="payment.exploded"))
    scene.stage.psp.stir()
    await asyncio.sleep(_AFTERWARDS_S)


async def _two_refunds(scene: Scene) -> None:
    """The first is still pending when the second comes."""
    await scene.pay("tok_refund_pending")
    await scene.intend("capturePayment", scene.total)
    await scene.intend("refundPayment", scene.total)
    scene.crash_from_now_on()
    await scene.intend("refundPayment", scene.total)
    scene.at_the_psp("settle_operation", OperationKind.REFUND, scene.psp_payment.operations[1].id)
    await asyncio.sleep(_AFTERWARDS_S)


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
    asking = await _reserved_and_lost(scene, _LOST_S)
    await asyncio.sleep(_LOST_S / 2)
    scene.crash_from_now_on()
    await scene.reconcile()
    await asking


async def _days_late(scene: Scene) -> None:
    """A capture is reserved when the workers die, and its message comes again when the key has ended."""
    asking = await _reserved_and_lost(scene, _KEY_ENDED_S)
    scene.crash_from_now_on()
    await asyncio.sleep(_KEY_ENDED_S + _AFTERWARDS_S)
    await asking


async def _reserved_and_lost(scene: Scene, late_s: float) -> Awaitable[None]:
    await scene.pay("tok_approved")
    asking = asyncio.create_task(scene.intend("capturePayment", scene.total // 2))
    while not any(one["type"] == "Charge" for one in scene.payment()["transactions"]):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=late_s)
    return asking


async def _cancelled_meanwhile(scene: Scene) -> None:
    """A capture is reserved when the workers die, and the rest is to be cancelled before its message comes again."""
    asking = await _reserved_and_lost(scene, _LOST_S)
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
    await asyncio.sleep(_AFTERWARDS_S)


async def _captured_although_given_up(scene: Scene) -> None:
    """An attempt succeeds late, after another card, and a merchant captures it when it is given up and not yet cancelled."""
    await scene.pay("tok_declined")
    first, payment = scene.psp_payment.id, scene.payment()
    await scene.pay("tok_approved")
    scene.at_the_psp("settle", first, Decision.APPROVE)
    while not scene.is_given_up(payment["id"]):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    scene.kill_workers(late_s=_LOST_S)
    await asyncio.sleep(_AFTERWARDS_S)
    scene.crash_from_now_on()
    await scene.intend("capturePayment", scene.total, payment=payment)
    await asyncio.sleep(_LOST_S)


async def _named_by_the_merchant(scene: Scene) -> None:
    """A merchant's Charge has a name of the merchant's own, which the PSP does not know."""
    await scene.pay("tok_approved")
    scene.crash_from_now_on()
    scene.merchant.put_named(scene.payment(), "Charge", scene.total, name="ERP-7")
    await asyncio.sleep(_AFTERWARDS_S)


async def _stray_letter(scene: Scene) -> None:
    """Something lies in the dead letters, and nobody knows where it came from."""
    scene.crash_from_now_on()
    scene.site.travel.put(Topic.DEAD_LETTERS, b"not a letter of ours", {})
    await scene.pay("tok_approved")


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


ACTS: Final[Mapping[str, Act]] = {
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
    "a stray letter": _stray_letter,
    "webhook": _webhook,
    "a late success": _late_success,
    "a late success after another card": _late_success_after_another,
    "an old failure": _old_failure,
    "an unknown event": _unknown_event,
    "dispute": _dispute,
    "a dispute told twice": _told_twice,
    "a merchant's Charge": _modified("Charge", by_hand=True),
    "a merchant's Refund": _modified("Refund", captured=1, part=2, by_hand=True),
    "a merchant's CancelAuthorization": _modified("CancelAuthorization", by_hand=True),
    **CUSTOMERS,
    **LETTERS,
}


def play(act: Act, crash_at: tuple[int, ...] = ()) -> tuple[History, int]:
    """The history of an act with crashes at these steps, and the steps that were counted since the last of them."""
    fuse = Fuse(crash_at=crash_at)
    loop = SimulatedLoop()
    recorder = Recorder(loop=loop)
    take = Consumer.take

    class Counted(Life):
        """Asked once for each step."""

        __slots__ = ()

        @property
        def dies_at(self) -> int:  # type: ignore[override]
            return self.steps if fuse.burns(self) else 0

        @dies_at.setter
        def dies_at(self, _: int) -> None:
            """Only the fuse says."""

    async def taken(self: Consumer, delivery: Any) -> Any:
        life = PROCESS.get()
        name = life.id if life is not None and life.id.startswith("workers") else ""
        if not name:
            return await take(self, delivery)
        fuse.in_hand[name] += 1
        fate = await take(self, delivery)
        fuse.in_hand[name] -= 1
        return fate

    try:
        with (
            patch.object(processes, "Life", Counted),
            patch.object(processes, "settings", with_stored_methods),
            patch.object(Consumer, "take", taken),
        ):
            seed._listen(recorder)
            asyncio.set_event_loop(loop)
            return loop.run_until_complete(Drill(act, fuse, loop, recorder).play()), fuse.steps
    finally:
        asyncio.set_event_loop(None)
        loop.bury()


#: Where one operation is crashed: at a step, or at a step and then at one that follows.
CrashAt: TypeAlias = tuple[int, ...]


@dataclass(kw_only=True, slots=True)
class Drilled:
    """What crashing one operation gave."""

    act: str
    #: Steps of the operation where nothing crashes.
    steps: int
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def drill(name: str, *, singles: int, doubles: int) -> Drilled:
    """Crash one operation: at so many of its steps, and at so many pairs of steps, evenly chosen."""
    found = unharmed(name)
    return crashed(found, crash_points(found.steps, singles=singles, doubles=doubles))


def unharmed(name: str) -> Drilled:
    """The operation without a crash."""
    with quiet():
        history, steps = play(ACTS[name])
        return Drilled(
            act=name, steps=steps, runs=1, wrong=[f"{name}, without a crash: {one}" for one in check(history)]
        )


def crash_points(steps: int, *, singles: int, doubles: int) -> list[CrashAt]:
    """So many single crashes and pairs of crashes of an operation, evenly chosen; all, where there are no more."""
    every = range(1, steps + 1)
    return [*_evenly([(one,) for one in every], singles), *_evenly([*itertools.product(every, every)], doubles)]


def crashed(unharmed: Drilled, points: Sequence[CrashAt]) -> Drilled:
    """The same operation, crashed at each of these points."""
    name = unharmed.act
    found = replace(unharmed, runs=unharmed.runs + len(points), wrong=[*unharmed.wrong])
    with quiet():
        for point in points:
            history, _ = play(ACTS[name], point)
            found.wrong += [f"{name}, crashed at {point}: {one}" for one in check(history)]
            if not history.settled:
                found.wrong.append(f"{name}, crashed at {point}: did not come to rest")
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is collected, and nobody complains of frames that a crash left behind, until the end of the block."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
            collect()
    finally:
        gc.enable()
        sys.unraisablehook = hook


def _evenly(every: list[Any], most: int) -> list[Any]:
    if len(every) <= most:
        return every
    return [every[number * len(every) // most] for number in range(most)]
