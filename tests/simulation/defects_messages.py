"""Defects planted in what becomes of messages, webhooks and dead letters."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from simulation.planting import Change

from bus import consumer, letters
from bus.consumer import Consumer, Fate
from bus.messages import NewerMessageError
from bus.port import DONE, PublishError, ignored
from ct import ledger
from ct.admission import Admitted, NothingToDo
from ct.errors import NotFoundError, UnavailableError
from handlers import dispatch, errors, returns
from psp.errors import UnknownVocabularyError
from psp.signature import StandardWebhookVerifier
from workers import dead_letters, modify, runtime


def acknowledged_first() -> list[Change]:
    original = Consumer._handled
    kept: set[asyncio.Task[Any]] = set()

    async def handled(self: Consumer, delivery: Any) -> Any:
        task = asyncio.get_running_loop().create_task(original(self, delivery))
        kept.add(task)
        await asyncio.sleep(0)
        return DONE

    return [(Consumer, "_handled", handled)]


def dead_letter_forgotten() -> list[Change]:
    async def bury(_self: Consumer, _delivery: Any, _ending: Any) -> Fate:
        return Fate.ACK

    return [(Consumer, "_bury", bury)]


def dead_letter_publish_swallowed() -> list[Change]:
    async def bury(self: Consumer, delivery: Any, ending: Any) -> Fate:
        await original(self, delivery, ending)
        return Fate.ACK

    original = Consumer._bury
    assert consumer.Consumer is Consumer
    return [(Consumer, "_bury", bury)]


def unknown_webhook_dropped() -> list[Change]:
    def drop(reason: str, _cause: object, *, error: str) -> Any:
        return ignored(f"{error}: {reason}")

    rows = tuple(
        (kind, drop, cause) if kind is UnknownVocabularyError else (kind, react, cause)
        for kind, react, cause in runtime.REACTIONS
    )
    return [(runtime, "REACTIONS", rows)]


def publish_error_swallowed() -> list[Change]:
    original = dispatch.publish

    async def publish(dependencies: Any, message: Any) -> None:
        try:
            await original(dependencies, message)
        except PublishError:
            return

    return [(dispatch, "publish", publish)]


def promised_first() -> list[Change]:
    original = dispatch.publish

    async def publish(dependencies: Any, message: Any) -> None:
        asyncio.get_running_loop().create_task(original(dependencies, message))  # the simulated loop keeps it

    return [(dispatch, "publish", publish)]


def return_publishes_nothing() -> list[Change]:
    async def carry_out(_dependencies: Any, _command: Any, *, wait_s: float) -> None:
        return None

    return [(returns, "dispatch", SimpleNamespace(carry_out=carry_out))]


def webhook_without_signature() -> list[Change]:
    return [(StandardWebhookVerifier, "verify", lambda _self, _headers, _body: None)]


def captures_turned_away() -> list[Change]:
    original = StandardWebhookVerifier.verify

    def verify(self: Any, headers: Any, body: bytes) -> None:
        original(self, headers, body)
        if json.loads(body)["type"].startswith("capture."):
            raise errors.invalid("type", "Nobody here wants to know of captures.")

    return [(StandardWebhookVerifier, "verify", verify)]


def reservation_not_resumed() -> list[Change]:
    original = modify.admit

    def admit(payment: Any, request: Any, capabilities: Any) -> Any:
        found = original(payment, request, capabilities)
        if isinstance(found, Admitted) and not found.actions:
            return NothingToDo(reason="it was admitted before", actions=[])
        return found

    return [(modify, "admit", admit)]


def newer_version_buried() -> list[Change]:
    rows = tuple(row for row in runtime.REACTIONS if row[0] is not NewerMessageError)
    return [(runtime, "REACTIONS", rows)]


def letters_for_people() -> list[Change]:
    return [(letters, "REPLAYS", dict.fromkeys(letters.REPLAYS, 0))]


def outage_ignored() -> list[Change]:
    original = ledger.Ledger.load

    async def load(self: Any, payment_id: str) -> Any:
        try:
            return await original(self, payment_id)
        except UnavailableError:
            raise NotFoundError("It was away, so it is not there.") from None

    return [(ledger.Ledger, "load", load)]


def letter_not_handed_over() -> list[Change]:
    original = letters.next_step

    def next_step(letter: Any, now: Any) -> Any:
        step = original(letter, now)
        return letters.Step.LEFT if step is letters.Step.HANDED_OVER else step

    return [(dead_letters, "next_step", next_step)]


def replays_not_counted() -> list[Change]:
    original = letters.for_replay

    def for_replay(letter: Any) -> Any:
        return original(letter) | {"ctpay_replays": str(letter.replays)}

    return [(dead_letters, "for_replay", for_replay)]
