"""The PSP's webhooks on their way to our ingress, and everything that befalls them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from simulation.documents import copied
from simulation.faults import FaultKind
from simulation.logs import PSP, Genuine
from simulation.record import START

from sandbox.psp.events import Event
from sandbox.psp.faults import Fault as PspFault
from sandbox.psp.faults import FaultKind as PspFaultKind
from sandbox.psp.faults import FaultPlan
from sandbox.psp.outbox import body_of, headers_of

if TYPE_CHECKING:
    import random
    from datetime import datetime

    from simulation.faults import Bad
    from simulation.outside import PspServer
    from simulation.record import Recorder
    from simulation.street import Street

    from sandbox.psp.outbox import Delivery

_PATH: Final = "/webhooks/sandbox"
_AT_ONCE_MAX: Final = 16
_HOURS_S: Final = 3600.0
#: Seconds for which both secrets sign.
_ROTATED_WITHIN_S: Final = (0.1, 5.0, 600.0)


class Courier:
    """Lets time pass in the PSP's books, and sends what there is to send."""

    def __init__(
        self,
        *,
        psp: PspServer,
        street: Street,
        recorder: Recorder,
        bad: Bad,
        dice: random.Random,
        secrets: tuple[str, str],
    ) -> None:
        self._psp = psp
        self._house = psp.house
        self._street = street
        self._recorder = recorder
        self._bad = bad
        self._dice = dice
        self._secrets = secrets
        self._stir = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        psp.stir = self._stir.set
        self._house.books._publish = self._publish

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way, and nothing will be."""
        return not self._sending and not self._house.outbox.waiting

    def next_at(self) -> float | None:
        """The loop's time at which the next webhook goes out, or something comes of itself."""
        house, now = self._house, self._recorder.now()
        known = [each for each in (house.books.next_due(), house.outbox.next_due(now)) if each is not None]
        return (min(known) - START).total_seconds() if known else None

    async def run(self) -> None:
        """Never returns."""
        house = self._house
        while True:
            self._stir.clear()
            now = self._recorder.now()
            house.world.tick(now)
            for delivery in self._taken(now):
                task = asyncio.create_task(self._send(delivery))
                self._sending.add(task)
                task.add_done_callback(self._sent)
            moments = [house.books.next_due(), house.outbox.next_due(now)]
            known = [each for each in moments if each is not None]
            try:
                wait_s = max(0.0, (min(known) - now).total_seconds()) + 0.001 if known else None
                async with asyncio.timeout(wait_s):
                    await self._stir.wait()
            except TimeoutError:
                pass

    def _taken(self, now: datetime) -> list[Delivery]:
        """What goes out now. It overtakes what was held for that."""
        outbox = self._house.outbox
        held = [one for one in outbox._waiting if one.held]
        taken = outbox.take_due(now, limit=_AT_ONCE_MAX - len(self._sending))
        for one in held:
            if taken and one not in taken and not self._bad.over:
                self._bad.note(FaultKind.WEBHOOK_REORDERED, one.event.type)
        return taken

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._stir.set()

    async def _send(self, delivery: Delivery) -> None:
        event = delivery.event
        body = body_of(event)
        now = self._recorder.now()
        headers = headers_of(event.id, body, secrets=self._house.outbox.secrets, now=now)
        got = await self._street.ask(PSP, "POST", _PATH, headers=headers, body=body, genuine=Genuine.YES)
        self._house.outbox.settle(delivery, status=got.status if got else None, now=self._recorder.now())

    def _publish(self, event: Event) -> None:
        """Something happened at the PSP: its event is sent now, later, twice or never."""
        bad, dice, what = self._bad, self._dice, event.type
        outbox = self._house.outbox
        fault = None
        if bad.strikes(FaultKind.WEBHOOK_NEVER, what):
            fault = PspFault(kind=PspFaultKind.WEBHOOK_DROP)
        elif bad.strikes(FaultKind.WEBHOOK_LATE, what):
            late_s = dice.choice((0.1, 1, 10, 70)) * dice.uniform(0.5, 1.5) * _HOURS_S
            bad.lasts(late_s)
            fault = PspFault(kind=PspFaultKind.WEBHOOK_DELAY, delay_s=late_s)
        elif bad.draws(FaultKind.WEBHOOK_REORDERED):
            fault = PspFault(kind=PspFaultKind.WEBHOOK_REORDER, delay_s=dice.uniform(1, 3600))
        elif bad.strikes(FaultKind.WEBHOOK_REPEATED, what):
            fault = PspFault(kind=PspFaultKind.WEBHOOK_DUPLICATE)
        if fault is not None:
            outbox.faults = FaultPlan(faults=(fault,))
        outbox.publish(event)
        self._beside(event)
        self._stir.set()

    def _beside(self, event: Event) -> None:
        """What is sent that never happened."""
        bad, outbox = self._bad, self._house.outbox
        data: dict[str, Any] = copied(event.data)
        if bad.strikes(FaultKind.WEBHOOK_UNKNOWN_PAYMENT, event.type):
            stranger = f"pay_{self._house.books.new_id()}"
            self._recorder.strangers.add(stranger)
            outbox.publish(self._event(event, event.type, _renamed(data, stranger)))
        if bad.strikes(FaultKind.WEBHOOK_UNKNOWN_KIND, event.type):
            outbox.publish(self._event(event, "payment.teleported", data))
        if bad.strikes(FaultKind.WEBHOOK_OTHER_AMOUNT, event.type):
            untrue = self._event(event, event.type, _more(data, self._dice))
            self._recorder.untrue_events.add(untrue.id)
            outbox.publish(untrue)
        if bad.strikes(FaultKind.WEBHOOK_SECRET_ROTATED, event.type):
            # Both sign for a while, then the new one alone. Ours know both.
            outbox.secrets = self._secrets
            asyncio.get_running_loop().call_later(self._dice.choice(_ROTATED_WITHIN_S), self._rotated)
        if bad.strikes(FaultKind.WEBHOOK_FORGED, event.type):
            task = asyncio.get_running_loop().create_task(self._forge(event))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _rotated(self) -> None:
        _, new = self._secrets
        self._house.outbox.secrets = (new,)

    def _event(self, like: Event, kind: str, data: dict[str, Any]) -> Event:
        return Event(id=f"evt_{self._house.books.new_id()}", type=kind, created=like.created, data=data)

    async def _forge(self, event: Event) -> None:
        """Somebody else's webhook, or the PSP's own changed on the way."""
        from datetime import timedelta  # noqa: PLC0415

        body = body_of(event)
        now = self._recorder.now()
        way = self._dice.choice(("secret", "bit", "old", "future", "unsigned"))
        secret = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBtZXJjaGFudCE=" if way == "secret" else self._secrets[0]
        moved = {"old": timedelta(minutes=-30), "future": timedelta(minutes=30)}.get(way, timedelta())
        headers = dict(headers_of(event.id, body, secrets=(secret,), now=now + moved))
        if way == "bit":
            place = self._dice.randrange(len(body))
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        if way == "unsigned":
            del headers["webhook-signature"]
        await self._street.ask(PSP, "POST", _PATH, headers=headers, body=body, genuine=Genuine.NO)


def _renamed(data: dict[str, Any], stranger: str) -> dict[str, Any]:
    """The same about a payment of somebody else's, which has no reference of ours."""
    if data["object"] == "payment":
        return data | {"id": stranger, "metadata": {}, "merchant_reference": "theirs"}
    named = {"payment": stranger, "id": f"{stranger}_op", "payment_metadata": {}, "metadata": {}}
    return data | named | {"payment_merchant_reference": "theirs", "merchant_reference": "theirs"}


def _more(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The same with money that is not so."""
    if dice.random() < 0.3:
        return data | {"currency": "CHF"}
    changed = {"amount": data["amount"] + 1}
    if data["object"] == "payment" and data["amount_authorized"]:
        changed["amount_authorized"] = data["amount_authorized"] + 1
    return data | changed
