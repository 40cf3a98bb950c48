"""Liveness: when all is at rest, commercetools and the PSP agree, and what was promised has become of something."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from simulation.durable import ASKABLE, missing, missing_news
from simulation.invariants_messages import messages_of, promises
from simulation.projection import Row, log_of, rows_of_psp_payment
from simulation.reading import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.reading import Message, Reading, Trail

#: Causes of death that time may heal; the rest is for a person at once.
_HEALS: Final = frozenset({"outage", "missing-payment", "fault", "untold"})

#: Letters replay by themselves for as long as they are kept, less what clocks may be wrong by.
_REPLAYED_FOR: Final = timedelta(days=30)
#: Of the messages that the product knows.
_VERSION: Final = 1
#: What a letter says of a message that could not be read. One that was may be a person's for another reason.
_UNREAD: Final = frozenset({"NewerMessageError", "MalformedMessageError"})


def l1_both_sides_agree(reading: Reading) -> Iterator[Violation]:
    """In the end each Payment says what the PSP says, unless a dead letter about it waits for a person."""
    excused = _with_people(reading)
    for payment_id, text in differences(reading):
        if payment_id not in excused:
            yield Violation(name="L1", text=text)


def l2_every_promise_is_kept(reading: Reading) -> Iterator[Violation]:
    """What was answered 2xx, and what a merchant put on a Payment, is decided in the end, or dead with a reason.

    A merchant's transaction of which commercetools never told is for reconcile alone.
    """
    for exchange in reading.history.exchanges:
        if not promises(exchange) or exchange.genuine is not None:
            continue
        for message in messages_of(reading, exchange):
            if _is_buried(reading, message):
                continue
            what = missing(reading, message)
            if what is not None and not _is_made_good(reading, message):
                text = f"{exchange.method} {exchange.path} was answered {exchange.status}, but {what}"
                yield Violation(name="L2", text=text, n=exchange.n)
    buried = {one.body.get("transaction_id") for one in reading.letters}
    for wrote in reading.history.merchants_wrote:
        trail = reading.trails.get(wrote.transaction_id)
        if trail is None or trail.state != "Initial" or trail.kind not in ASKABLE or trail.id in buried:
            continue
        if not _is_ours(reading, trail.payment_id) or _letters_about(reading, trail.payment_id):
            continue
        if _was_announced(reading, trail) or has_reconciled(reading):
            yield Violation(name="L2", text=f"a merchant put {trail} there, and nobody has taken it on or refused it")


def l3_every_webhook_is_accounted_for(reading: Reading) -> Iterator[Violation]:
    """What every genuine webhook that was answered 2xx tells is on the Payment, or the webhook is in the dead letters."""
    for exchange, event in reading.webhooks:
        if not promises(exchange):
            continue
        what = missing_news(reading, event)
        if what is None:
            continue
        if not any(_is_buried(reading, one) for one in messages_of(reading, exchange)):
            text = f"{what}; its webhook was answered {exchange.status} and is in no dead letter"
            yield Violation(name="L3", text=text, n=exchange.n)


def l4_replayed_letters_are_made_good(reading: Reading) -> Iterator[Violation]:
    """A letter that time may heal went to its topic again, and is no person's before its time; it says why it lies there."""
    for letter in reading.letters:
        found = letter.published.attributes
        by_us = "ctpay_cause" in found
        if by_us and not found.get("ctpay_reason"):
            yield Violation(name="L4", text=f"letter {letter.id} gives no reason", n=letter.published.n)
        cause = found.get("ctpay_cause", "untold")
        if _is_first_death_forgotten(reading, letter):
            text = f"letter {letter.id} died again, and says that it had not died before"
            yield Violation(name="L4", text=text, n=letter.published.n)
        if reading.is_for_person(letter) and cause in _HEALS - {"untold"} and _died_within(letter) < _REPLAYED_FOR:
            text = f"letter {letter.id} ({cause}) was given to a person after {_died_within(letter)}"
            yield Violation(name="L4", text=text, n=letter.published.n)
        is_unread = _is_newer(letter) and found.get("ctpay_error") in _UNREAD
        if reading.is_for_person(letter) and is_unread and _died_within(letter) < _REPLAYED_FOR:
            text = f"letter {letter.id} is of a newer version, and a person has it unread after {_died_within(letter)}"
            yield Violation(name="L4", text=text, n=letter.published.n)
        if reading.is_for_person(letter) or cause not in _HEALS:
            continue
        later = [one for one in reading.copies[letter.published.data] if one.published.n > letter.published.n]
        if not any(one.confirmed_n is not None for one in later):
            text = f"letter {letter.id} ({cause}) was neither replayed nor given to a person"
            yield Violation(name="L4", text=text, n=letter.published.n)
        for one in later:
            if one.topic != "dead-letters" and one.published.attributes.get("ctpay_replays") == "0":
                text = f"letter {letter.id} ({cause}) was replayed, and says that it never was"
                yield Violation(name="L4", text=text, n=one.published.n)


def _is_first_death_forgotten(reading: Reading, letter: Message) -> bool:
    """Whether a message that has replayed is buried as if for the first time: then it would replay for ever."""
    found = letter.published.attributes
    replayed = found.get("ctpay_replays", "0") != "0" and not reading.is_for_person(letter)
    return replayed and found.get("ctpay_first_dead_at") == found.get("ctpay_dead_at")


def _is_newer(letter: Message) -> bool:
    """Whether a process that is being deployed can read what one of ours cannot."""
    version = letter.body.get("version")
    return isinstance(version, int) and version > _VERSION and "correlation_id" in letter.body


def _died_within(letter: Message) -> timedelta:
    """From its first death to this one."""
    first = letter.published.attributes.get("ctpay_first_dead_at")
    return letter.published.at - datetime.fromisoformat(first) if first else timedelta(0)


def l5_reconciling_leaves_nothing(reading: Reading) -> Iterator[Violation]:
    """After a pass of reconcile, commercetools and the PSP agree, dead letters or not.

    Where no process named `reconcile...` ran there is nothing to judge. What it may send is judged by S4 and S13, what
    it may write by S5 and S6, like everybody's.
    """
    if has_reconciled(reading):
        for _, text in differences(reading):
            yield Violation(name="L5", text=text)


def has_reconciled(reading: Reading) -> bool:
    """Whether a pass of reconcile was part of the run."""
    return any(one.process.startswith("reconcile") for one in reading.history.calls)


def differences(reading: Reading) -> Iterator[tuple[str, str]]:
    """(Payment id, words) for everything in which the two sides differ at the end."""
    known: set[str] = set()
    for name, payment in reading.history.psp_payments.items():
        if name in reading.history.strangers:
            continue
        for row in rows_of_psp_payment(payment):
            if row.payment is None:
                continue
            document = reading.payment(row.payment)
            if document is None:
                yield row.payment, f"the PSP has {row} for Payment {row.payment}, which is not there"
                continue
            trail = _counterpart(reading, row)
            if trail is None:
                # The end of a payment that held nothing needs no transaction of its own.
                yield row.payment, f"the PSP has {row}, and Payment {row.payment} has no such transaction"
                continue
            known.add(trail.id)
            if trail.state != row.state and not trail.by_hand:
                yield row.payment, f"the PSP has {row}, and {trail} is {trail.state}"
            elif trail.state in ("Pending", "Success") and _is_misnamed(reading, trail, row):
                yield row.payment, f"the PSP has {row}, and {trail} is called {trail.reference}"
    untrue = _from_untrue_events(reading)
    for trail in reading.trails.values():
        if not _is_ours(reading, trail.payment_id) or trail.by_hand or trail.id in untrue:
            continue
        if trail.ours is not None and trail.state == "Initial":
            yield trail.payment_id, f"{trail} is still Initial"
        elif trail.state in ("Pending", "Success", "Reversed") and trail.id not in known:
            yield trail.payment_id, f"{trail} is {trail.state}, and the PSP knows nothing of it"


def _counterpart(reading: Reading, row: Row) -> Trail | None:
    """The transaction that a row of the PSP's is about. A cancel may have released another amount than we thought."""
    same_kind = [one for one in reading.trails_of(row.payment or "") if one.kind == row.kind]
    exact = [one for one in same_kind if (one.amount, one.currency) == (row.amount, row.currency)]
    for found in (exact, same_kind if row.kind == "CancelAuthorization" else []):
        for one in found:
            if one.id == row.transaction or (row.reference is not None and one.reference == row.reference):
                return one
    return None


def _is_misnamed(reading: Reading, trail: Trail, row: Row) -> bool:
    """Whether the PSP could not find it by the name that it has here, and it could have the right one.

    It could not where another has that: one that an event told of with another amount.
    """
    is_free = all(one.reference != row.reference for one in reading.trails_of(trail.payment_id) if one is not trail)
    is_other = trail.reference not in (None, row.reference)
    return row.transaction == trail.id and not trail.by_hand and is_other and is_free


def _from_untrue_events(reading: Reading) -> set[str]:
    """Transactions that were added beside others because an event told another amount, or what is not true."""
    found = set()
    for version, before in reading.changes:
        log = log_of(version.document)[0 if before is None else len(log_of(before.document)) :]
        if any(one.get("ctpayCause") in reading.history.untrue_events for one in log):
            found |= {one.id for one in reading.trails_of(version.id) if one.born is version}
    return found


def _with_people(reading: Reading) -> set[str]:
    """Payments about which a dead letter waits for a person."""
    return {
        payment_id
        for letter in reading.letters
        if reading.is_for_person(letter)
        for payment_id in reading.payments_of(letter)
    }


def _was_announced(reading: Reading, trail: Trail) -> bool:
    """Whether commercetools told of the Payment since the transaction is on it."""
    return any(
        trail.payment_id in reading.payments_of(one)
        for one in reading.messages.values()
        if one.topic == "commercetools" and one.published.n > trail.born.n
    )


def _letters_about(reading: Reading, payment_id: str) -> list[Message]:
    return [one for one in reading.letters if payment_id in reading.payments_of(one)]


def _is_buried(reading: Reading, message: Message) -> bool:
    """Whether the same bytes wait for a person."""
    return any(one.topic == "dead-letters" and reading.is_for_person(one) for one in _copies(reading, message))


def _is_made_good(reading: Reading, message: Message) -> bool:
    """Whether the same bytes came again, as the replay of a letter, and that had its end: a refusal may stand in its line alone."""
    replays = (one for one in _copies(reading, message) if one.topic == message.topic and one is not message)
    return any(missing(reading, one) is None for one in replays)


def _copies(reading: Reading, message: Message) -> list[Message]:
    return reading.copies[message.published.data]


def _is_ours(reading: Reading, payment_id: str) -> bool:
    info = (reading.payment(payment_id) or {}).get("paymentMethodInfo", {})
    return bool(info.get("paymentInterface") == reading.history.rules.interface)
