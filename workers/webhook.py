"""The webhook worker: brings the Payment up to what the PSP says happened. Two calls; one where it says so already.

An event for a Payment that is not there yet waits. One that bears somebody else's reference is ignored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bus.port import DONE, Cause, Ending, Verdict, again, dead, ignored
from ct.errors import NotFoundError
from psp.port import Answer
from workers.perform import settle

if TYPE_CHECKING:
    from bus.messages import PspNotification
    from ct.payment import Payment
    from psp.facts import Fact
    from psp.port import Event
    from workers.work import Work

#: Of several events in one notification, the first of these that one of them has is the notification's end.
_WORST_FIRST = (Verdict.AGAIN, Verdict.DEAD, Verdict.DONE, Verdict.IGNORED)


async def webhook(work: Work, notification: PspNotification) -> Ending:
    """Settle every event. Raises UnknownVocabularyError for an event that the adapter has no row for."""
    if notification.psp != work.psp.name:
        return dead(f"a notification of {notification.psp!r}, and this worker serves {work.psp.name!r}")
    try:
        events = work.psp.parse_webhook(notification.body)
    except (ValueError, RecursionError) as error:
        return dead(work.psp.scrub(f"not the PSP's format: {error}"))
    endings = [await _event(work, notification, event) for event in events]
    if not endings:
        return ignored("no events in it")
    worst = next(one for verdict in _WORST_FIRST for one in endings if one.verdict is verdict)
    return replace(worst, event_ids=tuple(event.id for event in events))


async def _event(work: Work, notification: PspNotification, event: Event) -> Ending:
    if not event.facts:
        return ignored(f"event {event.type} concerns nothing we keep")
    first = event.facts[0]
    if first.reference is not None and first.reference.project_key != work.project_key:
        return ignored("bears another project's reference")
    payment = await _find(work, first)
    if payment is None:
        return _not_there(work, notification, first)
    if payment.interface != work.ledger.interface:
        return ignored("another payment interface's payment")
    answer = Answer(facts=event.facts, stored=event.stored)
    await settle(work, payment, answer, cause=event.id)
    return DONE


async def _find(work: Work, fact: Fact) -> Payment | None:
    """By our reference, which names the Payment; else by the PSP's references, where we have noted them."""
    if fact.reference is not None:
        try:
            return await work.ledger.load(fact.reference.payment_id)
        except NotFoundError:
            return None
    for name in (fact.payment_reference, fact.psp_reference):
        if name is not None and (found := await work.ledger.find(name)):
            return found
    return None


def _not_there(work: Work, notification: PspNotification, fact: Fact) -> Ending:
    if work.clock() - notification.received_at < work.limits.event_patience:
        return again("the Payment is not there yet", Cause.MISSING_PAYMENT)
    if fact.reference is None:
        return ignored("bears no reference of ours, and no Payment of ours bears its own")
    return dead("the Payment that it names never came to be, or was deleted", Cause.MISSING_PAYMENT)
