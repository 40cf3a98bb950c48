"""One seed: everything is put together, runs until nothing moves any more, and leaves its history.

The same seed gives the same history, byte for byte.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from simulation.actors import Dashboard, Merchant, Shopper, Stage
from simulation.courier import Courier
from simulation.faults import Budget, FaultKind, bad_luck
from simulation.giftcards import GiftCards
from simulation.logs import History, LogLine, Peer, Rules
from simulation.loop import PROCESS, SimulatedLoop
from simulation.operator import Operator
from simulation.outside import PROJECT, SECRET_KEY, CommercetoolsServer, PspServer
from simulation.processes import CLIENT_SECRET, WEBHOOK_SECRETS, Machine, Site, machines, settings
from simulation.projection import fields_of, log_of
from simulation.record import START, Recorder
from simulation.shop import DEEDS, Shop
from simulation.street import Street
from simulation.travel import Travel
from simulation.wire import Wire

from bus.topics import POLICIES, Topic
from ctpay.logs import Masker, allow
from psp.sandbox.reads import CAPABILITIES
from psp.signature import TOLERANCE
from sandbox.psp import views
from sandbox.psp.model import Terms
from workers.reconcile_schedule import NAME as RECONCILE
from workers.work import Limits as Waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


#: A run that is not at rest by then never will be.
LONGEST: Final = timedelta(days=20)
#: Everything rests for so long before it is believed.
_STILL_S: Final = 90.0
_LOOK_S: Final = 45.0
#: Longer than a dead letter ever waits for its next replay.
_NEXT_REPLAY_S: Final = 4.5 * 3600
#: Longer than any idempotency key lives.
_KEYS_LIFE_S: Final = 25 * 3600.0
#: What is to be taken up has rested by then, and the last time to send an authorization has gone by.
_BETWEEN_PASSES_S: Final = 2 * 3600.0
#: At most so long passes between a process of the newer version and the next, in seconds: a deployment may hang.
_PAUSES_S: Final = (4.0, 30.0, 600.0, 7200.0)
#: Rounds of reconciliation, after which there must be nothing left to do.
_ROUNDS_MAX: Final = 12


def run(seed: int, *, until: int | None = None) -> History:
    """The history of a seed; `until`: only so many steps of actors and faults."""
    history, recorder = run_recorded(seed, until=until)
    recorder.forget()
    return history


def run_recorded(seed: int, *, until: int | None = None) -> tuple[History, Recorder]:
    """The same with what was written down on the way."""
    loop = SimulatedLoop()
    recorder = Recorder(loop=loop)
    budget = Budget(until=until)
    try:
        _listen(recorder)
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_World(seed, loop, recorder, budget).play()), recorder
    finally:
        asyncio.set_event_loop(None)
        loop.bury()


class _World:
    def __init__(self, seed: int, loop: SimulatedLoop, recorder: Recorder, budget: Budget) -> None:
        self.seed = seed
        self.loop = loop
        self.recorder = recorder
        self.bad = bad_luck(seed, budget=budget, recorder=recorder)

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{name} {self.seed}")  # repeatable on purpose

    async def play(self) -> History:
        loop, recorder, bad = self.loop, self.recorder, self.bad
        ids = self._dice("ids")

        def new_id() -> str:
            # A version 4 UUID: its version and its variant have their places in the text.
            text = f"{ids.getrandbits(128):032x}"
            variant = "89ab"[int(text[16], 16) & 3]
            return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

        wire = self.wire = Wire(loop=loop, recorder=recorder, bad=bad, dice=self._dice("wire"))
        street = Street(wire)
        travel = Travel(loop=loop, recorder=recorder, bad=bad, dice=self._dice("bus"), spread=self._spread())
        commercetools = CommercetoolsServer(
            recorder=recorder, bad=bad, dice=self._dice("ct"), new_id=new_id, wire=wire, travel=travel
        )
        psp = PspServer(
            recorder=recorder,
            bad=bad,
            dice=self._dice("psp"),
            new_id=lambda: new_id().replace("-", "")[:24],
            wire=wire,
            secrets=WEBHOOK_SECRETS[:1],
            terms=self._terms(),
        )
        wire.servers = {Peer.PSP: psp, Peer.COMMERCETOOLS: commercetools}
        courier = Courier(
            psp=psp, street=street, recorder=recorder, bad=bad, dice=self._dice("webhooks"), secrets=WEBHOOK_SECRETS
        )
        site = Site(
            loop=loop,
            recorder=recorder,
            bad=bad,
            dice=self._dice("processes"),
            wire=wire,
            street=street,
            travel=travel,
            new_id=new_id,
        )
        found = machines(site)
        # In some seeds it passes beside the workers, in all of them when everything rests.
        beside = [Machine(site, name="reconcile", workers=[RECONCILE])] if site.dice.random() < 0.3 else []
        wire.kill = _killer([*found, *beside])
        wire.is_at_work = lambda life: any(machine.life is life and machine.is_at_work for machine in found)
        for machine in (*found, *beside):
            machine.start()
        courting = loop.create_task(courier.run())
        await asyncio.sleep(1.0)
        stage = Stage(
            dice=self._dice("actors"),
            bad=bad,
            recorder=recorder,
            street=street,
            commercetools=commercetools,
            psp=psp,
            new_id=new_id,
            token=self._merchants_token(commercetools),
        )
        acting = [loop.create_task(one) for one in self._cast(stage, found, travel)]
        await asyncio.wait(acting)
        for task in acting:
            task.result()
        settled = await self._rest(travel, courier, wire, found, psp)

        async def rest() -> bool:
            return await self._rest(travel, courier, wire, found, psp)

        async with Operator(site, name="reconcile-by-hand") as operator:
            settled = settled and await self._reconciled(operator, rest)
            await operator.compare()
        settled = settled and await rest()
        for _ in range(_ROUNDS_MAX):
            if not travel.waiting:
                break
            # Letters that only wait for their next replay get it: everything is well now, so that has to heal them.
            # One that is buried again meanwhile is as good as new.
            await asyncio.sleep(_NEXT_REPLAY_S)
            settled = settled and await rest()
        courting.cancel()
        history = self._history(psp, settled=settled)
        # They and the wire know each other: without this they would all stay in memory.
        wire.servers.clear()
        return history

    def _spread(self) -> random.Random | None:
        """Which of several processes gets a message."""
        return self._dice("readers")

    def _terms(self) -> Terms:
        dice = self._dice("terms")
        late = 10.0
        if self.bad.on(FaultKind.PSP_SETTLES_LATE):
            late = dice.choice((1.0, 30.0, 70.0)) * 3600
        fails_late = dice.choice((10.0, 3 * 86400.0))
        # Some PSPs finish a passed challenge by themselves, and end one that nobody answers. Others wait for us.
        patient = dice.random() < 0.4
        return Terms(
            settles_after_s=late,
            fails_late_after_s=fails_late,
            authorization_lifetime_s=None,
            auto_complete_after_s=None if patient else 20.0,
            action_expires_after_s=None if patient else 15 * 60.0,
        )

    def _merchants_token(self, commercetools: CommercetoolsServer) -> str:
        import base64  # noqa: PLC0415

        basic = base64.b64encode(b"merchant:demo-secret").decode()
        form = b"grant_type=client_credentials"
        token = commercetools.front.tokens.issue(f"Basic {basic}", form, "", self.recorder.now())["access_token"]
        self.recorder.canaries |= {token, SECRET_KEY, *WEBHOOK_SECRETS, CLIENT_SECRET}
        return str(token)

    def _cast(self, stage: Stage, found: list[Machine], travel: Travel) -> list[Any]:
        """Everybody who acts in this seed."""
        dice = stage.dice
        cast: list[Any] = []
        # One payment in most: a second one costs two thirds as much again, and meets mostly the same.
        for number in range(1, 3 if dice.random() < 0.1 else 2):
            shopper = Shopper(stage, number=number)
            cast += [shopper.act(), Merchant(stage, cart=shopper.cart, acts=dice.choice((0, 1, 2, 2, 3, 4))).act()]
            cast += [Shop(stage, cart=shopper.cart, kind=kind).act() for kind in DEEDS if self.bad.on(kind)]
            if self.bad.on(FaultKind.FOREIGN_PAYMENT):
                cast.append(GiftCards(stage, cart=shopper.cart).act())
        cast.append(Dashboard(stage).act())
        if self.bad.on(FaultKind.PROCESS_STOPPED):
            dice.choice(found).stop_at_work(after=dice.choice((0, 0, 1, 2, 5)))
        if self.bad.on(FaultKind.PROCESS_OLDER_VERSION):
            cast.append(self._deployed(found, dice))
        if self.bad.on(FaultKind.BUS_POISON):
            cast.append(self._poisoned(travel, dice))
        return cast

    async def _deployed(self, found: list[Machine], dice: random.Random) -> None:
        """A newer version is deployed, one process after the other. In the end all of them run it."""
        if not self.bad.budget.take():
            return
        pause_s = dice.choice(_PAUSES_S)
        for machine in dice.sample(found, len(found)):
            await machine.renew()
            await asyncio.sleep(pause_s * dice.random())
        self.bad.lasts(0)

    async def _poisoned(self, travel: Travel, dice: random.Random) -> None:
        await asyncio.sleep(dice.uniform(0.1, 30))
        if self.bad.budget.take():
            topic = dice.choice([one for one in Topic if one is not Topic.RESULTS])
            travel.put(topic, dice.choice((b"", b"not json", b"[]", b'{"type":', b"\xff\xfe", b'{"version":1}')), {})
            self.bad.note(FaultKind.BUS_POISON)

    async def _rest(self, travel: Travel, courier: Courier, wire: Wire, found: list[Machine], psp: PspServer) -> bool:
        """No more faults; let time pass until nothing moves any more. Whether that came to be."""
        self.bad.over = True
        still_s = 0.0
        while still_s < _STILL_S:
            nexts = (travel.next_at(), courier.next_at())
            # Where everything only waits for a time to come, we need not look before.
            wait_s = (
                0.0 if wire.under_way else min((at for at in nexts if at is not None), default=0.0) - self.loop.time()
            )
            await asyncio.sleep(max(_LOOK_S, wait_s + 1.0))
            if self.loop.time() > LONGEST.total_seconds():
                return False
            moves = (
                wire.under_way
                or not courier.idle
                or psp.house.books.next_due() is not None
                or not all(machine.up for machine in found)
                or travel.moves()
            )
            still_s = 0.0 if moves else still_s + _LOOK_S
        return True

    async def _reconciled(self, operator: Operator, rest: Callable[[], Awaitable[bool]]) -> bool:
        """Let reconciliation pass until it finds nothing to do any more. Whether that came to be."""
        for _ in range(_ROUNDS_MAX):
            before = len(self.recorder.payments)
            await asyncio.sleep(_BETWEEN_PASSES_S)
            await operator.take_up()
            if not await rest():
                return False
            if len(self.recorder.payments) == before:
                if not self._hides_a_reservation():
                    return True
                # It is asked about until no request under its key can be under way any more.
                await asyncio.sleep(_KEYS_LIFE_S)
        return False

    def _hides_a_reservation(self) -> bool:
        """Whether something that was reserved is still Initial, and other software has replaced its fields."""
        last = {version.id: version.document for version in self.recorder.payments}
        for document in last.values():
            borne = {fields_of(one).get("ctpayCommandId") for one in document["transactions"]}
            reserved = [one for one in log_of(document) if one.get("ctpayKind") == "reserved"]
            lost = {one.get("ctpayCode") for one in reserved if one.get("ctpayMessage") not in borne}
            if any(
                one["type"] in lost
                and one.get("state", "Initial") == "Initial"
                and "ctpayCommandId" not in fields_of(one)
                for one in document["transactions"]
            ):
                return True
        return False

    def _history(self, psp: PspServer, *, settled: bool) -> History:
        recorder = self.recorder
        books = psp.house.books
        limits = settings().common.limits
        now = recorder.now()
        changed = [one.at for one in (*recorder.payments, *recorder.effects)]
        return History(
            seed=self.seed,
            rules=Rules(
                project_key=PROJECT,
                interface="ctpay-sandbox",
                # By the PSP's own terms, whatever the product takes them to be.
                key_lifetime=timedelta(seconds=psp.house.terms.key_lifetime_s),
                key_length_max=CAPABILITIES.key_length_max,
                key_margin=timedelta(seconds=limits.key_margin_s),
                authorization_send_by=timedelta(seconds=limits.authorization_send_by_s),
                lease_max=timedelta(seconds=limits.lease_s),
                action_within=Waits().action_within,
                event_patience=timedelta(seconds=limits.event_patience_s),
                skew_max=timedelta(seconds=240),
                attempts={topic.value: POLICIES[topic].attempts for topic in Topic},
                webhook_tolerance=TOLERANCE,
            ),
            effects=tuple(recorder.effects),
            psp_payments={
                payment.id: views.payment(payment, base_url=books.base_url) for payment in books.payments.values()
            },
            calls=tuple(draft.call() for draft in recorder.calls),
            payments=tuple(recorder.payments),
            carts=tuple(recorder.carts),
            bus=tuple(recorder.bus),
            exchanges=tuple(sorted(recorder.exchanges, key=lambda one: one.n)),
            lines=_masked(recorder),
            faults=tuple(recorder.faults),
            crashes=tuple(recorder.crashes),
            merchants_wrote=tuple(recorder.wrote),
            strangers=frozenset(recorder.strangers),
            untrue_events=frozenset(recorder.untrue_events),
            canaries=frozenset(recorder.canaries),
            started_at=START,
            faults_end=self.bad.ends_at,
            converged_at=max(changed, default=START),
            ended_at=now,
            settled=settled,
        )


def _killer(found: list[Machine]) -> Callable[[Any, float], None]:
    def kill(life: Any, late_s: float) -> None:
        for machine in found:
            if machine.life is life:
                machine.kill(late_s=late_s)

    return kill


# The product's log.


def _listen(recorder: Recorder) -> None:
    """Every line of the product goes into this seed's log."""

    def capture(_logger: object, method: str, line: Any) -> Any:
        if line.pop("exc_info", None):
            error = sys.exc_info()[1]
            line["exception"] = f"{type(error).__name__}: {error}"
        life = PROCESS.get()
        n, at = recorder.stamp()
        fields = allow(None, method, {"level": method, **line})
        recorder.lines.append(LogLine(n=n, at=at, process=life.id if life else "", fields=fields))
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _masked(recorder: Recorder) -> tuple[LogLine, ...]:
    """The lines as they would be written. The masks are put on where there is something to mask."""
    masker = Masker(settings().common.secrets())
    texts = [" ".join([value for value in line.fields.values() if isinstance(value, str)]) for line in recorder.lines]
    everything = "\n".join(texts)
    told = [canary for canary in recorder.canaries if canary in everything]
    lines = []
    for line, text in zip(recorder.lines, texts, strict=True):
        if told and any(canary in text for canary in told):
            line = LogLine(n=line.n, at=line.at, process=line.process, fields=masker(None, "", dict(line.fields)))  # noqa: PLW2901
        lines.append(line)
    for complaint in recorder.loop.complaints:
        n, at = recorder.stamp()
        lines.append(LogLine(n=n, at=at, process="", fields={"event": "loop.complained", "error": complaint}))
    return tuple(lines)
