"""Every order and every repetition of what a PSP tells, through the real webhook worker: one final Payment.

Law: what a Payment says depends on which facts arrived, not on when or how often. So from each state all events of a
scene are delivered, the ones that were delivered before too. A repeat must not write; since it has then changed
nothing at all, longer sequences with repeats need no run of their own: they have been run without them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ct.errors import NotFoundError
from ct.ledger import Ledger
from ct.turns import Turns
from sandbox.commercetools import catalogue, updates
from sandbox.commercetools.documents import clone
from sandbox.commercetools.state import Desk, State
from workers.perform import settle
from workers.webhook import webhook
from workers.work import Limits, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bus.messages import PspNotification
    from psp.port import Answer, PspAdapter

#: Pieces of news that are put into every order at once.
SET_MAX = 5

_NOW = "2026-03-01T12:00:00.000Z"
_KIND = catalogue.KINDS["payments"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One thing that the PSP tells: an event, or the answer to a call or a look-up."""

    name: str
    what: PspNotification | Answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A Payment on which everything is reserved and nothing settled, and what the PSP tells about it."""

    name: str
    document: dict[str, Any]
    told: tuple[Told, ...]
    #: The commercetools project that it was made in, with our types.
    state: State


@dataclass(kw_only=True, slots=True)
class Found:
    """What exploring one scene gave."""

    scene: str
    #: Sequences of as many pieces of news as the scene has, repetitions included, that are proved thereby.
    sequences: int = 0
    deliveries: int = 0
    #: Sequences that ended otherwise than another sequence of the same news did, and repeats that wrote.
    wrong: list[str] = field(default_factory=list)


class OneDocument:
    """The commercetools of one Payment: the stand-in's own update actions over a document that the test holds.

    It is on its cart, alone: where it was not, a person is told of its money by the event that finds some.
    """

    def __init__(self, document: dict[str, Any], state: State, new_id: Callable[[], str]) -> None:
        self.document = document
        #: Since the test has set it to nought.
        self.writes = 0
        self._desk = Desk(state=state, now=_NOW, new_id=new_id)

    def with_correlation(self, _correlation_id: str) -> OneDocument:
        return self

    async def get(self, path: str, *, params: object = None) -> Any:
        if path == f"/payments/{self.document['id']}":
            return clone(self.document)
        if path == "/payments":
            return {"results": [clone(self.document)] if self.document.get("interfaceId", "?") in str(params) else []}
        if path == "/carts":
            return {"results": [self._cart()]}
        raise NotFoundError(f"The test has no {path}.")

    def _cart(self) -> dict[str, Any]:
        payment = {"typeId": "payment", "id": self.document["id"], "obj": clone(self.document)}
        total = self.document["amountPlanned"]
        return {"id": "cart", "version": 1, "totalPrice": total, "paymentInfo": {"payments": [payment]}}

    async def post(self, path: str, body: Any, *, params: object = None) -> Any:
        assert path == f"/payments/{self.document['id']}", path
        assert body["version"] == self.document["version"], "nobody else writes here"
        update = updates.UPDATE(json.loads(json.dumps(body)))
        self.document, _ = updates.apply(_KIND, self.document, update["actions"], self._desk)
        self.writes += 1
        return clone(self.document)


class Nowhere:
    """A publisher whose messages nobody reads."""

    async def publish(self, _topic: object, _data: bytes, _attributes: object) -> None:
        return None


def sets(scene: Scene, *, most: int) -> list[Scene]:
    """The scene with at most five pieces of its news: all such sets, or so many of them, evenly chosen."""
    if len(scene.told) <= SET_MAX:
        return [scene]
    every = [replace(scene, told=chosen) for chosen in itertools.combinations(scene.told, SET_MAX)]
    return every[:: max(1, len(every) // most)][:most]


def explore(scene: Scene, *, psp: PspAdapter, clock: Callable[[], datetime]) -> Found:
    """Deliver the scene's news in every order, each piece any number of times."""
    return asyncio.run(_explore(scene, psp, clock))


async def _explore(scene: Scene, psp: PspAdapter, clock: Callable[[], datetime]) -> Found:
    found = Found(scene=scene.name)
    numbers = itertools.count(1)
    here = OneDocument(scene.document, scene.state, lambda: f"added-{next(numbers):08d}")
    ledger = Ledger(
        client=here,  # type: ignore[arg-type]  # it answers to the three names that the ledger calls
        interface="ctpay-sandbox",
        turns=Turns(),
        draw=lambda: 0.0,
        conflicts_within_s=0.0,
    )
    work = Work(ledger=ledger, psp=psp, publisher=Nowhere(), clock=clock, project_key="demo", limits=Limits())
    ends: dict[frozenset[int], tuple[str, tuple[int, ...]]] = {}

    async def deliver(told: Told) -> None:
        found.deliveries += 1
        if hasattr(told.what, "facts"):
            payment = await work.ledger.load(scene.document["id"])
            await settle(work, payment, told.what, cause=told.name)
        else:
            await webhook(work, told.what)

    async def walk(document: dict[str, Any], seen: tuple[int, ...]) -> None:
        for number, told in enumerate(scene.told):
            here.document, here.writes = document, 0
            await deliver(told)
            if number in seen:
                if here.writes:
                    found.wrong.append(f"{scene.name}: {_words(scene, seen)}, and {told.name} again writes")
                continue
            path = (*seen, number)
            end = meaning(here.document)
            first, by = ends.setdefault(frozenset(path), (end, path))
            if first != end:
                found.wrong.append(
                    f"{scene.name}: {_words(scene, path)} ends otherwise than {_words(scene, by)}:\n  {end}\n  {first}"
                )
            await walk(here.document, path)

    await walk(scene.document, ())
    found.sequences = sum(len(scene.told) ** length for length in range(1, len(scene.told) + 1))
    return found


def meaning(document: dict[str, Any]) -> str:
    """What the Payment says, without what tells how it came to say so: versions, ids of ours, the log."""
    undone = {
        one["fields"].get("ctpayTransactionId")
        for one in document["interfaceInteractions"]
        if one["fields"]["ctpayKind"] == "reversed"
    }
    rows = sorted(
        (
            one["type"],
            one["state"],
            one["amount"]["centAmount"],
            one["amount"]["currencyCode"],
            one.get("interactionId", ""),
            one.get("timestamp", ""),
            # Ours bear the mark; for others the log does.
            one["id"] in undone or one.get("custom", {}).get("fields", {}).get("ctpayReversed", False),
            one.get("custom", {}).get("fields", {}).get("ctpayAction", ""),
        )
        for one in document["transactions"]
    )
    status = document.get("paymentStatus", {})
    return json.dumps([rows, document.get("interfaceId"), status.get("interfaceCode"), status.get("interfaceText")])


def _words(scene: Scene, path: tuple[int, ...]) -> str:
    return " > ".join(scene.told[number].name for number in path) or "nothing yet"
