"""Operations of the dead letters: they replay by themselves, are given to a person, and a person replays them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from simulation import processes
from simulation.customers import customer_of
from simulation.logs import BusEntry, Crash, Happening, Peer
from simulation.loop import PROCESS
from simulation.operations import AFTERWARDS_S

from bus.port import Delivery
from bus.topics import FOR_PEOPLE, POLICIES, Topic
from ct.fields import TRANSACTION_TYPE
from ctpay.letter_filter import Wanted
from ctpay.letters import Desk
from ctpay.logs import Masker

if TYPE_CHECKING:
    from simulation.crashes import Scene
    from simulation.loop import Life
    from simulation.operations import Act
    from simulation.processes import Site

    from bus.memory import Held

#: Seconds one way to the bus.
_WAY_S: Final = 0.005
#: Virtual seconds in which a message is given up that fails every time; most are between its last deliveries.
_BURIED_WITHIN_S: Final = 100 * 60.0
#: How often a message is tried again whose readers die of it, before it is a person's.
_REPLAYS_OF_THE_UNTOLD: Final = 10


class _Shelf:
    """The letters for people, over a bus that is some way off. What a dead process has in hand comes back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._letters = site.travel._for_people
        self._held: dict[str, Held] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._put_back()

    async def take(self) -> Sequence[Delivery]:
        await asyncio.sleep(_WAY_S)
        taken = [*self._letters.waiting]
        self._letters.waiting.clear()
        self._held |= {one.message_id: one for one in taken}
        await asyncio.sleep(_WAY_S)
        return [
            Delivery(
                message_id=one.message_id,
                data=one.data,
                attributes=one.attributes,
                published_at=one.published_at,
                attempt=one.attempt,
            )
            for one in taken
        ]

    async def remove(self, message_id: str) -> None:
        await asyncio.sleep(_WAY_S)
        held = self._held.pop(message_id)
        life = PROCESS.get()
        assert life is not None, "a command is a process"
        recorder = self._site.recorder
        n, at = recorder.stamp()
        recorder.bus.append(
            BusEntry(
                n=n,
                at=at,
                happening=Happening.ACKED,
                topic=Topic.DEAD_LETTERS.value,
                message_id=message_id,
                data=held.data,
                attributes=held.attributes,
                attempt=held.attempt,
                process=life.id,
                subscription="for-people",
            )
        )
        await asyncio.sleep(_WAY_S)

    def abandon(self) -> None:
        """Its process has died."""
        self._site.wire.later(FOR_PEOPLE.ack_deadline_s, self._put_back)

    def _put_back(self) -> None:
        self._letters.waiting.extendleft(reversed(self._held.values()))
        self._held.clear()


class Clerk:
    """A person who replays the dead letters, and does so again where the command has died."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._runs = 0

    async def replay(self) -> None:
        """`ctpay dead-letters replay`."""
        while not await self._run():  # noqa: ASYNC110 # it is tried again, not waited for
            await asyncio.sleep(FOR_PEOPLE.ack_deadline_s + 1)
        await asyncio.sleep(AFTERWARDS_S)

    async def _run(self) -> bool:
        """Whether it came to its end, rather than to a crash."""
        site = self._scene.site
        self._runs += 1
        life = processes.Life(id=f"desk#{self._runs}")
        shelf = _Shelf(site)
        ended: asyncio.Future[bool] = site.loop.create_future()

        def died(_: Life) -> None:
            life.alive = False
            n, at = site.recorder.stamp()
            site.recorder.crashes.append(Crash(n=n, at=at, process=life.id, orderly=False))
            shelf.abandon()
            ended.set_result(False)

        async def run() -> None:
            desk = Desk(
                open_shelf=lambda: shelf,
                publisher=site.travel,
                clock=site.recorder.now,
                mask=Masker(processes.settings().common.secrets()).text,
                console=Console(file=io.StringIO()),
                as_json=False,
                count_max=100,
            )
            code = await desk.replay(Wanted(), per_s=10.0)
            life.alive = False
            ended.set_result(code == 0)

        life.on_death = died
        context = site.loop.inside(life)
        self._scene.takes_in_hand(life)
        site.loop.create_task(run(), context=context)
        return await ended


async def _buried_by_an_outage(scene: Scene) -> None:
    """The PSP cannot be reached until the message of a capture is buried; its letter replays by itself."""
    await scene.pay("tok_approved")
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    await scene.intend("capturePayment", scene.total)
    await _until_there_is_a_letter(scene)
    scene.wire.gateway = frozenset()
    scene.crash_from_now_on()
    await asyncio.sleep(5 * AFTERWARDS_S)


async def _deletion_buried(scene: Scene) -> None:
    """... or of a deletion: the card is forgotten when its letter has replayed."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    await customer.delete(customer.shop(), method)
    await _until_there_is_a_letter(scene)
    scene.wire.gateway = frozenset()
    scene.crash_from_now_on()
    await asyncio.sleep(5 * AFTERWARDS_S)


async def _until_there_is_a_letter(scene: Scene) -> None:
    recorder = scene.stage.recorder
    last = recorder.now().timestamp() + _BURIED_WITHIN_S
    while not any(one.topic == Topic.DEAD_LETTERS for one in recorder.bus):
        assert recorder.now().timestamp() < last, "nobody buries it"
        await asyncio.sleep(1.0)


async def _killed_its_readers(scene: Scene, *, replays: int) -> None:
    """A capture is reserved when its worker dies, as it has each time before: Pub/Sub moves its message."""
    await scene.pay("tok_approved")
    asking = asyncio.create_task(scene.intend("capturePayment", scene.total))
    while not any(one["type"] == "Charge" for one in scene.payment()["transactions"]):  # noqa: ASYNC110 # no event tells
        await asyncio.sleep(0.001)
    travel = scene.site.travel
    died_first = scene.stage.recorder.now().isoformat()
    history = {"ctpay_replays": str(replays), "ctpay_untold_replays": str(replays), "ctpay_first_dead_at": died_first}
    replayed = history if replays else {}
    for reader in travel.lasting(Topic.CAPTURE).readers:
        for held in reader._tasks.values():
            held.attempt = POLICIES[Topic.CAPTURE].attempts_max or 0
            held.attributes = {**held.attributes, **replayed}
    scene.crash_from_now_on()
    for machine in scene.machines:
        if machine.name.startswith("workers"):
            machine.kill()
    await asking
    await asyncio.sleep(5 * AFTERWARDS_S)


async def _moved_by_pubsub(scene: Scene) -> None:
    await _killed_its_readers(scene, replays=0)


async def _given_up(scene: Scene) -> None:
    await _killed_its_readers(scene, replays=_REPLAYS_OF_THE_UNTOLD)


async def _given_up_and_replayed(scene: Scene) -> None:
    await _killed_its_readers(scene, replays=_REPLAYS_OF_THE_UNTOLD)
    await Clerk(scene).replay()


async def _refused_and_replayed(scene: Scene) -> None:
    """Somebody deletes our custom type, so that captures are refused; it is made again, and their letters replayed."""
    await scene.pay("tok_approved")
    types = scene.stage.commercetools.core.state.shelves["type"]
    ours = next(one for one in types if one["key"] == TRANSACTION_TYPE.key)
    types.remove(ours["id"])
    for _ in range(2):
        await scene.intend("capturePayment", scene.total // 2)
    types.put(ours)
    scene.crash_from_now_on()
    await Clerk(scene).replay()


async def _replayed_by_two(scene: Scene) -> None:
    """The letter dies again at once, and two people replay what there is."""
    scene.crash_from_now_on()
    scene.site.travel.put(Topic.WEBHOOK, b"not json", {"type": "PspNotification"})
    await asyncio.sleep(AFTERWARDS_S)
    await asyncio.gather(Clerk(scene).replay(), Clerk(scene).replay())


LETTERS: Final[Mapping[str, Act]] = {
    "a letter of an outage": _buried_by_an_outage,
    "a letter of a deletion": _deletion_buried,
    "a letter of a message whose readers died": _moved_by_pubsub,
    "a letter that is given up": _given_up,
    "a letter that is given up, and replayed by a person": _given_up_and_replayed,
    "letters of what was refused, replayed by a person": _refused_and_replayed,
    "a letter that dies again, replayed by two people": _replayed_by_two,
}
