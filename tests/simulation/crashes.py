"""A crash at every step of a process during every operation, once and twice, in a world where nothing else goes wrong.

A step is what runs from one await to the next. Steps are counted while a worker has a message in hand, an ingress a
request or a result, and reconciliation a pass or a comparison, or a person's word; at the chosen one its process dies
and is started again. The message comes back at its deadline, whoever had asked the ingress asks again, and whoever ran
a command runs it again. What then must hold is what must always hold: the invariants.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from unittest.mock import patch

from simulation import breaks, processes, seed
from simulation.actors import Merchant, Shopper
from simulation.callers import Callers, Manner, unkept
from simulation.customers import CUSTOMERS
from simulation.desk import LETTERS
from simulation.faults import Bad, Budget
from simulation.invariants import check
from simulation.kept import Notebook, with_stored_methods
from simulation.loop import PROCESS, Life, SimulatedLoop, collect
from simulation.operations import AFTERWARDS_S, PAYMENTS
from simulation.operator import Operator
from simulation.record import Recorder
from simulation.repairs import REPAIRS
from simulation.room import ROOM
from simulation.street import Door
from simulation.visits import VISITS

from bus.consumer import Consumer
from sandbox.psp.model import Terms
from workers.reconcile_comparisons import Comparisons
from workers.reconcile_schedule import Schedule

if TYPE_CHECKING:
    from simulation.actors import Stage
    from simulation.logs import History
    from simulation.operations import Act
    from simulation.outside import PspServer
    from simulation.processes import Machine
    from simulation.travel import Travel
    from simulation.wire import Wire

    from psp.facts import State

#: Every operation there is.
ACTS: Final[Mapping[str, Act]] = {**PAYMENTS, **CUSTOMERS, **LETTERS, **VISITS, **REPAIRS, **ROOM}
#: Where one operation is crashed: at a step, or at a step and then at one that follows.
CrashAt: TypeAlias = tuple[int, ...]


#: How the names of processes begin whose steps are counted. A person's command does a worker's work.
_WORKERS: Final = ("workers", "desk")
_INGRESS: Final = ("ingress",)
#: By a worker of its own, and by hand while something else goes on: the passes at the end of a run mend what is left.
_RECONCILIATION: Final = ("reconcile#", "reconcile-meanwhile", "resolve")
#: Virtual seconds for which an ingress that has answered is watched: it must not be at anything any more, and might be.
_LINGERS_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Victims:
    """Who is crashed, and how those behave who had asked it."""

    #: At the first crash, and at each further one; the last of them at all that follow.
    whose: tuple[tuple[str, ...], ...]
    #: None: as in seeds.
    manner: Manner | None = None
    #: Pairs of crashes of one operation that are tried; None: all.
    pairs_max: int | None = None


WORKERS: Final = Victims(whose=(_WORKERS,))
INGRESSES: Final = Victims(whose=(_INGRESS,), manner=Manner(again_s=0.01))
RECONCILIATION: Final = Victims(whose=(_RECONCILIATION,))

#: For people -> who is crashed.
VICTIMS: Final[Mapping[str, Victims]] = {
    "workers": WORKERS,
    "ingresses": INGRESSES,
    "ingresses, asked again later": Victims(whose=(_INGRESS,), manner=Manner(again_s=4.0), pairs_max=0),
    "ingresses, asked by who goes away": Victims(whose=(_INGRESS,), manner=Manner(again_s=None), pairs_max=0),
    "an ingress and then a worker": Victims(whose=(_INGRESS, _WORKERS), manner=INGRESSES.manner, pairs_max=50),
    "a worker and then an ingress": Victims(whose=(_WORKERS, _INGRESS), manner=INGRESSES.manner, pairs_max=50),
    "reconciliation": RECONCILIATION,
    "reconciliation and then a worker": Victims(whose=(_RECONCILIATION, _WORKERS), pairs_max=50),
}


@dataclass(kw_only=True, slots=True)
class Fuse:
    """Counts the steps of those who are to crash, and says which one is a process's last."""

    #: See `Victims`.
    whose: tuple[tuple[str, ...], ...]
    #: The step of the first crash, and then of each further one, counted from the crash before.
    crash_at: tuple[int, ...] = ()
    lit: bool = False
    steps: int = 0
    #: Process -> messages and requests that it has in hand.
    in_hand: Counter[str] = field(default_factory=Counter)

    def burns(self, life: Life) -> bool:
        """Count a step, and say whether the process dies before it."""
        if not self.lit or not self.in_hand[life.id] or not life.id.startswith(self.whose[0]):
            return False
        self.steps += 1
        if not self.crash_at or self.steps < self.crash_at[0]:
            return False
        self.crash_at, self.whose, self.steps = self.crash_at[1:], self.whose[1:] or self.whose, 0
        del self.in_hand[life.id]
        return True


class Drill(seed._World):  # the same world with another cast
    """One operation, the fuse, and how callers behave."""

    def __init__(self, act: Act, fuse: Fuse, manner: Manner | None, *, loop: SimulatedLoop, recorder: Recorder) -> None:
        super().__init__(0, loop, recorder, Budget())
        self._act = act
        self._fuse = fuse
        self._manner = manner
        dice = random.Random(0)
        self.bad = Bad(rates={}, dice=dice, budget=self.bad.budget, recorder=recorder)
        self._notebook = Notebook()
        self._travel: Travel | None = None

    def _spread(self) -> None:
        """Its steps are counted: always the first."""

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
        if self._manner is not None:
            stage.street = Callers(stage.street, self._manner, stage.new_id)  # type: ignore[assignment]  # as they ask it
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

    def no_more_crashes(self) -> None:
        self._fuse.lit = False

    def takes_in_hand(self, life: Life) -> None:
        """A command of a person's: its steps are counted as those of a worker with a message are."""
        self._fuse.in_hand[life.id] = 1

    async def pay(self, card: str, after_s: float = AFTERWARDS_S) -> Any:
        got = await self.shopper._pay(card, self.stage.new_id())
        await asyncio.sleep(after_s)
        return got

    async def pay_twice(self, card: str, after_s: float) -> None:
        """Two clicks, without a key."""
        await asyncio.gather(self.shopper._pay(card, None), self.shopper._pay(card, None, after_s=after_s))
        await asyncio.sleep(AFTERWARDS_S)

    async def reconcile(self) -> None:
        """One pass, as an operator runs it."""
        async with Operator(self.site, name="reconcile-meanwhile") as operator:
            await operator.take_up()
        await asyncio.sleep(AFTERWARDS_S)

    async def compare(self) -> None:
        """One comparison of the PSP's list with commercetools, as an operator runs it."""
        async with Operator(self.site, name="reconcile-meanwhile") as operator:
            await operator.compare()
        await asyncio.sleep(AFTERWARDS_S)

    async def resolve(self, transaction: str, state: State) -> None:
        """A person says what became of this transaction of the last Payment."""
        async with Operator(self.site, name="resolve") as operator:
            await operator.resolve(self.payment()["id"], transaction, state)
        await asyncio.sleep(AFTERWARDS_S)

    async def intend(self, action: str, amount: int | None = None, *, payment: Any = None) -> None:
        """Of the last Payment on the cart, or of this one."""
        await self.merchant._intend(payment or self.payment(), action, amount)
        await asyncio.sleep(AFTERWARDS_S)

    async def put(self, kind: str, amount: int) -> None:
        self.merchant._put(self.payment(), kind, amount)
        await asyncio.sleep(AFTERWARDS_S)

    def kill_workers(self, *, late_s: float) -> None:
        """What they had in hand comes again so much later."""
        for machine in self.machines:
            if machine.name.startswith("workers"):
                machine.kill(late_s=late_s)

    def another_cart(self) -> str:
        """A cart of the same contents, on which nothing is yet."""
        cart = self.stage.commercetools.act("GET", f"/carts/{self.shopper.cart}")
        lines = [{name: one[name] for name in ("name", "slug", "quantity", "money")} for one in cart["customLineItems"]]
        draft = {"currency": cart["totalPrice"]["currencyCode"], "customLineItems": lines}
        return str(self.stage.commercetools.act("POST", "/carts", draft)["id"])

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


def play(act: Act, crash_at: CrashAt = (), victims: Victims = WORKERS) -> tuple[History, int]:
    """The history of an act with crashes at these steps, and the steps that were counted since the last of them."""
    fuse = Fuse(crash_at=crash_at, whose=victims.whose)
    loop = SimulatedLoop()
    recorder = Recorder(loop=loop)
    ask = Door.ask

    class Counted(Life):
        """Asked once for each step."""

        __slots__ = ()

        @property
        def dies_at(self) -> int:  # type: ignore[override]
            return self.steps if fuse.burns(self) else 0

        @dies_at.setter
        def dies_at(self, _: int) -> None:
            """Only the fuse says."""

    def counted(work: Callable[..., Any]) -> Any:
        """The same, of a process that has something in hand meanwhile."""

        async def counts(*arguments: Any) -> Any:
            life = PROCESS.get()
            name = life.id if life is not None else ""
            fuse.in_hand[name] += 1
            came = await work(*arguments)
            fuse.in_hand[name] -= 1
            return came

        return counts

    async def asked(self: Door, wire: Wire, data: bytes) -> Any:
        name = self.life.id
        fuse.in_hand[name] += 1
        got = await ask(self, wire, data)
        wire.later(_LINGERS_S, fuse.in_hand.subtract, [name])
        return got

    try:
        with (
            patch.object(processes, "Life", Counted),
            patch.object(processes, "settings", with_stored_methods),
            patch.object(Consumer, "take", counted(Consumer.take)),
            patch.object(Schedule, "_round", counted(Schedule._round)),
            patch.object(Comparisons, "_round", counted(Comparisons._round)),
            patch.object(Operator, "_command", counted(Operator._command)),
            patch.object(Door, "ask", asked),
        ):
            seed._listen(recorder)
            asyncio.set_event_loop(loop)
            drill = Drill(act, fuse, victims.manner, loop=loop, recorder=recorder)
            return loop.run_until_complete(drill.play()), fuse.steps
    finally:
        asyncio.set_event_loop(None)
        loop.bury()


@dataclass(kw_only=True, slots=True)
class Drilled:
    """What crashing one operation gave."""

    act: str
    victims: Victims
    #: Steps of the operation where nothing crashes.
    steps: int
    runs: int = 0
    #: The step of a single crash -> steps that were counted after it.
    left: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    cpu_s: float = 0.0

    def with_more(self, other: Drilled) -> Drilled:
        """With what other crashes of the same operation gave."""
        return replace(
            self,
            runs=self.runs + other.runs,
            left=self.left | other.left,
            wrong=self.wrong + other.wrong,
            cpu_s=self.cpu_s + other.cpu_s,
        )

    @property
    def singles(self) -> list[CrashAt]:
        """Every single crash."""
        return [(one,) for one in range(1, self.steps + 1)]

    @property
    def doubles(self) -> list[CrashAt]:
        """Every crash that can follow one of the single crashes that were tried."""
        return [(first, second) for first, left in sorted(self.left.items()) for second in range(1, left + 1)]


def drill(name: str, *, singles: int, doubles: int, victims: Victims = WORKERS) -> Drilled:
    """Crash one operation: at so many of its steps, and at so many pairs of steps, evenly chosen."""
    with quiet():
        first = unharmed(name, victims)
        once = crashed(first, evenly(first.singles, singles))
        return crashed(once, evenly(once.doubles, doubles))


def unharmed(name: str, victims: Victims = WORKERS) -> Drilled:
    """The operation without a crash."""
    with quiet():
        steps, broken = _tried(name, (), victims)
        wrong = [f"{name}, without a crash: {one}" for one in broken]
        return Drilled(act=name, victims=victims, steps=steps, runs=1, wrong=wrong)


def crashed(before: Drilled, points: Sequence[CrashAt]) -> Drilled:
    """The same operation, crashed at each of these points too."""
    name, victims = before.act, before.victims
    began = time.process_time()
    found = Drilled(act=name, victims=victims, steps=before.steps, runs=len(points))
    with quiet():
        for point in points:
            left, broken = _tried(name, point, victims)
            if len(point) == 1:
                found.left[point[0]] = left
            found.wrong += [f"{name}, crashed at {point}: {one}" for one in broken]
    found.cpu_s = time.process_time() - began
    return before.with_more(found)


def _tried(name: str, point: CrashAt, victims: Victims) -> tuple[int, list[str]]:
    """The steps that are left after the crashes, and what is wrong."""
    try:
        history, left = play(ACTS[name], point, victims)
        return left, [str(one) for one in _broken(history, victims)]
    except breaks.BREAKS as error:
        return 0, [breaks.told(error)]


def _broken(history: History, victims: Victims) -> Iterator[object]:
    """What nobody may find."""
    yield from check(history)
    if victims.manner is not None:
        yield from unkept(history, victims.manner)
    if not history.settled:
        yield "did not come to rest"


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is collected, and nobody complains of frames that a crash left behind, until the end of the block.

    A block within another ends with that.
    """
    if not gc.isenabled():
        yield
        return
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


def evenly(every: list[CrashAt], most: int) -> list[CrashAt]:
    """So many of them, each from the middle of its part; all, where there are no more."""
    if len(every) <= most:
        return every
    return [every[(2 * number + 1) * len(every) // (2 * most)] for number in range(most)]
