"""Commands: each is somebody's wish, carried out whole, told to whoever waits, and one where a shopper clicks twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from simulation.durable import trails_of_command
from simulation.invariants_answers import state_at, used_at_most
from simulation.invariants_messages import messages_of
from simulation.invariants_money import covers_at_most, is_capturing, is_given_up, is_undecided, total_of, uses_charge
from simulation.projection import fields_of, log_of, state_of
from simulation.reading import Violation, is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulation.logs import Exchange, Version
    from simulation.reading import Message, Reading, Trail

_COMMANDED: Final = frozenset({"authorize", "capture", "cancel", "refund"})
_UP: Final = ("Pending", "Success")
_DECIDED: Final = frozenset({"Success", "Failure", "Reversed"})
#: What is answered where it is not known yet what became of it.
_OPEN_WORDS: Final = frozenset({"pending", "received"})
#: By these a result may not reach who waits for it, or says what was there before.
_HIDES_A_RESULT: Final = frozenset(
    {"bus-result-lost", "bus-publish-fails", "bus-confirmation-lost", "ct-stale-read", "process-older-version"}
)
#: Two clicks this close are one wish, whatever came of the first meanwhile.
_ONE_WISH: Final = timedelta(seconds=1)
#: What a payment's cart is read, and what others have on it, so long before or after the payment is given up by that.
_WEIGHED_WITHIN: Final = timedelta(minutes=2)
#: By these a second click may rightly be another wish, or find nothing to join.
_PARTS_CLICKS: Final = frozenset(
    {
        "merchant-edits-payment",
        "merchant-edits-cart",
        "merchant-replaces-type",
        "merchant-sets-state",
        "merchant-takes-off-cart",
        "merchant-orders-cart",
        "merchant-deletes-cart",
        "process-clock-skewed",
        "psp-by-hand",
        "ct-stale-read",
        "foreign-payment",
    }
)


def s18_a_reversal_leaves_nothing(reading: Reading) -> Iterator[Violation]:
    """What a reversal reserves, with what was being given back already, is all that is held and all that was captured.

    So none is reserved while a capture is under way, whatever may come of it.
    """
    for message in _first_of_each(reading, "ReversePayment"):
        reserved = [one.ours for one in trails_of_command(reading, message) if one.ours is not None]
        if not reserved:
            continue
        version = min(reserved, key=lambda one: one.n)
        if is_capturing(version.document):
            text = f"{message} was reserved in version {version.version}, while a capture was under way"
            yield Violation(name="S18", text=text, n=version.n)
        held, taken = _left_held(reading, version), _left_taken(reading, version)
        if held > 0 or taken > 0:
            text = f"{message} was reserved in version {version.version}, and {max(held, taken)} was left as it was"
            yield Violation(name="S18", text=text, n=version.n)


def s19_every_command_is_somebodys(reading: Reading) -> Iterator[Violation]:
    """What a worker commands was asked for: by a merchant's transaction, or by what is reserved under the same id.

    Or it gives back what was given up. What the ingress commands is judged by S10.
    """
    doors = {one.process for one in reading.history.exchanges}
    for message in reading.messages.values():
        process = message.published.process
        if message.topic not in _COMMANDED or not process or process in doors or "command_id" not in message.body:
            continue
        if not _is_somebodys(reading, message):
            yield Violation(name="S19", text=f"{message} is nobody's wish", n=message.published.n)


def s20_two_clicks_are_one_wish(reading: Reading) -> Iterator[Violation]:
    """A shopper who clicks twice at once, without a key, is answered with one and the same attempt.

    Where the first was declined, given up or given back, or others had their hands in it, the second may be another.
    """
    if any(one.kind in _PARTS_CLICKS for one in reading.history.faults):
        return
    last: dict[str, Exchange] = {}
    for exchange in reading.history.exchanges:
        if exchange.method != "POST" or exchange.path != "/payments" or exchange.key is not None:
            continue
        if exchange.status not in (200, 400) or not isinstance(exchange.answer, dict):
            continue
        first = last.get(exchange.actor)
        last[exchange.actor] = exchange
        if first is None or first.status != 200 or exchange.at - first.at > _ONE_WISH:
            continue
        name, other = (one.answer.get("paymentReference") for one in (first, exchange))
        if name != other and _stood_alone(reading, str(name), str(other)):
            told = f"{name} and then with {exchange.status} {other}"
            text = f"{exchange.actor} clicked twice, and was answered with {told}"
            yield Violation(name="S20", text=text, n=exchange.n)


def s21_who_waits_is_told(reading: Reading) -> Iterator[Violation]:
    """Nobody is told that it is not known yet who still waited when the command had come to its end."""
    published = Counter(str(one.body.get("command_id")) for one in reading.messages.values())
    for exchange in reading.history.exchanges:
        answer = exchange.answer
        if exchange.method != "POST" or exchange.done_n is None or not isinstance(answer, dict):
            continue
        if answer.get("outcome") not in _OPEN_WORDS or _may_have_missed(reading, exchange):
            continue
        for message in messages_of(reading, exchange):
            if published[str(message.body.get("command_id"))] == 1 and _ended_in_time(reading, message, exchange):
                text = f"{exchange.method} {exchange.path} was answered {answer['outcome']}, and {message} was decided"
                yield Violation(name="S21", text=text, n=exchange.n)


def m5_given_up_for_a_reason(reading: Reading) -> Iterator[Violation]:
    """An attempt that waits for its shopper is given up by a pass of reconcile only when that has taken too long.

    And by the shopper's own hand only when that was another wish, and not the second of two clicks. One that has
    succeeded is given up only where something else that is not given up as well has paid for its cart.
    """
    for version, before in reading.changes:
        if before is None or not is_ours(version):
            continue
        for entry in log_of(version.document)[len(log_of(before.document)) :]:
            trail = reading.trails.get(str(entry.get("ctpayTransactionId")))
            if entry.get("ctpayKind") != "superseded" or trail is None:
                continue
            state = state_at(trail, version)
            if state == "Success" and not _is_paid_otherwise(reading, trail, version, entry):
                text = f"{trail} had succeeded and was given up, and nothing that is kept has paid for its cart"
                yield Violation(name="M5", text=text, n=version.n)
            if state != "Pending":
                continue
            cause = str(entry.get("ctpayCause"))
            if cause.startswith("reconcile") and (waited := _waited(reading, trail, version, before)) is not None:
                text = f"{trail} was given up {waited} after its shopper was asked"
                yield Violation(name="M5", text=text, n=version.n)
            if _is_second_click(reading, trail, cause):
                text = f"{trail} was given up by {cause}, the second of two clicks"
                yield Violation(name="M5", text=text, n=version.n)


def _is_paid_otherwise(reading: Reading, trail: Trail, version: Version, entry: Mapping[str, Any]) -> bool:
    """Whether the other Payments of its cart left nothing to pay; where it was told as declined, less than its amount.

    So too where its own request, when it came again, may have found it undecided. Where it was on no cart, that is one
    that it was on before, or was asked for.
    """
    span = (version.at - _WEIGHED_WITHIN, version.at + _WEIGHED_WITHIN)
    states = [(one.at, state) for one, state in trail.steps if one.at <= version.at]
    before = reading.payment_at(version.id, version.n) or version.document
    is_asked_again = any(
        one.type == "AuthorizePayment" and one.body.get("command_id") == entry.get("ctpayCause")
        for one in reading.messages.values()
    )
    was_open = is_asked_again and any(state == "Success" and at >= span[0] for at, state in states)
    is_declined = any(state == "Failure" for _, state in states) and not uses_charge(before)
    is_hidden = all("ctpayCommandId" not in fields_of(one) for one in before["transactions"] if one["id"] == trail.id)
    # Whoever is undecided may be declined: they are waited for where a pass will find this one again.
    counted = covers_at_most if was_open or is_hidden else _covers_decided
    wanted = covers_at_most(before) if is_declined or was_open else 1
    carts = _carts_of(reading, trail, version, span)
    return any(_leaves_less(reading, trail, documents, span, (wanted, counted)) for documents in carts)


def _covers_decided(document: Mapping[str, Any]) -> int:
    return 0 if is_undecided(document) else covers_at_most(document)


def _carts_of(
    reading: Reading, trail: Trail, version: Version, span: tuple[datetime, datetime]
) -> list[list[Mapping[str, Any]]]:
    """For each cart that may have been read: what it was within the span."""
    versions: dict[str, list[Version]] = defaultdict(list)
    for cart in reading.history.carts:
        versions[cart.id].append(cart)
    asked = {
        str(one.body.get("cart_id"))
        for one in reading.messages.values()
        if one.type == "AuthorizePayment" and one.body.get("command_id") == trail.command_id
    }
    seen = {name: _within(found, span) for name, found in versions.items()}
    on_now = [name for name, found in seen.items() if any(version.id in _on(one.document) for one in found)]
    once = [name for name, found in versions.items() if any(version.id in _on(one.document) for one in found)]
    return [[one.document for one in seen[name]] for name in on_now or {*once, *(asked & set(seen))}]


def _leaves_less(
    reading: Reading,
    trail: Trail,
    documents: list[Mapping[str, Any]],
    span: tuple[datetime, datetime],
    wish: tuple[int, Callable[[Mapping[str, Any]], int]],
) -> bool:
    """Whether less than is wanted is left to pay: others counted at the most within the span, the cart's cost at the least."""
    wanted, counted = wish
    others = set().union(*map(_on, documents)) - {trail.payment_id}
    total = min((total_of(one) for one in documents if one), default=0)
    # A read that is behind shows a Payment as it was before its last change, however long ago that was.
    is_behind = any(one.kind == "ct-stale-read" and span[0] <= one.at <= span[1] for one in reading.history.faults)
    covered = sum(_covered(_within(reading.versions[name], span, 2 if is_behind else 1), counted) for name in others)
    return covered > 0 and total - covered < min(wanted, total)


def _covered(versions: list[Version], counted: Callable[[Mapping[str, Any]], int]) -> int:
    """The most that a Payment covered meanwhile; nothing where it was given up then as money that nobody wants."""
    for before, after in pairwise(versions):
        if is_given_up(after.document) and not is_given_up(before.document) and _has_succeeded(before.document):
            return 0
    return max((counted(one.document) for one in versions), default=0)


def _has_succeeded(document: Mapping[str, Any]) -> bool:
    log = log_of(document)
    return any(one["type"] == "Authorization" and state_of(one, log) == "Success" for one in document["transactions"])


def _within(versions: list[Version], span: tuple[datetime, datetime], earlier: int = 1) -> list[Version]:
    """What it was when the span began, or so many versions before it, and each version since then."""
    before = [one for one in versions if one.at < span[0]][-earlier:]
    return before + [one for one in versions if span[0] <= one.at <= span[1]]


def _on(cart: Mapping[str, Any]) -> set[str]:
    """The Payments on a cart."""
    return {one["id"] for one in cart.get("paymentInfo", {}).get("payments", ())}


def _waited(reading: Reading, trail: Trail, version: Version, before: Version) -> timedelta | None:
    """How long the shopper was waited for, where that is too short.

    Where other software hides when the shopper was asked, that may have been ever since the attempt was reserved.
    """
    rules = reading.history.rules
    bears = any(one["id"] == trail.id and "ctpayCommandId" in fields_of(one) for one in before.document["transactions"])
    began = next((one.at for one, state in trail.steps if state == "Pending" or not bears), version.at)
    waited = version.at - began
    return waited if waited < rules.action_within - rules.skew_max else None


def _is_second_click(reading: Reading, trail: Trail, cause: str) -> bool:
    """Whether the command was accepted together with the one that began the attempt, and neither bears a key."""
    if any(one.kind in _PARTS_CLICKS for one in reading.history.faults):
        return False
    clicks = [one.body for one in reading.messages.values() if one.type == "AuthorizePayment"]
    accepted = {
        str(one.get("command_id")): datetime.fromisoformat(str(one.get("accepted_at")))
        for one in clicks
        if one.get("attempt_key") is None and "accepted_at" in one
    }
    first, second = accepted.get(str(trail.command_id)), accepted.get(cause)
    return first is not None and second is not None and first != second and abs(second - first) <= _ONE_WISH


def _first_of_each(reading: Reading, kind: str) -> list[Message]:
    """The first message of each command of a type."""
    found: dict[str, Message] = {}
    for message in reading.messages.values():
        if message.type == kind:
            found.setdefault(str(message.body.get("command_id")), message)
    return list(found.values())


def _left_held(reading: Reading, version: Version) -> int:
    """What is held and nobody releases or captures, at the least: nothing where it is not certain what is held."""
    trails = reading.trails_of(version.id)
    own = [one for one in trails if one.kind == "Authorization"]
    if len(own) != 1 or state_at(own[0], version) not in ("Pending", "Success"):
        return 0
    if used_at_most(version, trails, "CancelAuthorization"):
        return 0
    return own[0].amount - used_at_most(version, trails, "Charge")


def _left_taken(reading: Reading, version: Version) -> int:
    """What was captured and nobody gives back, at the least."""
    trails = reading.trails_of(version.id)
    taken = sum(one.amount for one in trails if one.kind == "Charge" and state_at(one, version) == "Success")
    return taken - used_at_most(version, trails, "Refund") - used_at_most(version, trails, "Chargeback")


def _is_somebodys(reading: Reading, message: Message) -> bool:
    n, body = message.published.n, message.body
    if any(one.published.n < n for one in reading.copies[message.published.data]):
        # A letter's replay.
        return True
    command, payment_id = str(body["command_id"]), str(body.get("payment_id"))
    if any(_is_asked(one, body.get("transaction_id"), command, n) for one in reading.trails_of(payment_id)):
        return True
    log = log_of(reading.payment_at(payment_id, n) or {})
    return message.type == "ReversePayment" and any(one.get("ctpayKind") == "superseded" for one in log)


def _is_asked(trail: Trail, claimed: object, command: str, n: int) -> bool:
    """Whether the command takes on this transaction, or has reserved it before, itself or as a part of it."""
    reserved = trail.command_id is not None and trail.command_id.partition(":")[0] == command
    return trail.born.n < n and (trail.id == claimed or trail.command_id == command or reserved)


def _stood_alone(reading: Reading, first: str, second: str) -> bool:
    """Whether the attempt that was made first was never declined, given up or given back, and no third was under way there.

    Which of the two clicks was taken up first is chance.
    """
    made = sorted(
        (one for one in (first, second) if one in reading.versions), key=lambda one: reading.versions[one][0].n
    )
    if not made:
        return False
    first, second = made[0], made[-1]
    here = {_cart_of(one) for name in (first, second) for one in reading.trails_of(name)} | {None}
    for trail in reading.trails.values():
        states = {state for _, state in trail.steps}
        is_first = trail.payment_id == first
        if trail.kind == "Authorization":
            if is_first and states & {"Failure", "Reversed"}:
                return False
            if trail.payment_id not in (first, second) and states & set(_UP) and _cart_of(trail) in here:
                return False
        elif is_first and trail.kind != "Charge":
            return False
    log = log_of(reading.payment(first) or {})
    return not any(one.get("ctpayKind") == "superseded" for one in log)


def _cart_of(trail: Trail) -> object:
    return trail.fields.get("ctpayCartId")


def _may_have_missed(reading: Reading, exchange: Exchange) -> bool:
    done = exchange.done_n or 0
    return any(one.kind in _HIDES_A_RESULT and exchange.n < one.n < done for one in reading.history.faults)


def _ended_in_time(reading: Reading, message: Message, exchange: Exchange) -> bool:
    """Whether the command itself had decided all that it is about, and its message ended, when its asker still waited."""
    if exchange.done_at is None:
        return False
    lines = [one for one in reading.outcomes.get(message.id, ()) if one.fields["event"] == "message.done"]
    ended = [one.n for one in lines if one.at <= exchange.done_at - reading.history.rules.told_within]
    trails = trails_of_command(reading, message)
    return bool(ended) and bool(trails) and all(_decided_by(reading, one, message, min(ended)) for one in trails)


def _decided_by(reading: Reading, trail: Trail, message: Message, n: int) -> bool:
    """Whether the command's own write had decided the transaction before `n`."""
    decided = [version for version, state in trail.steps if state in _DECIDED and version.n < n]
    if not decided:
        return False
    before = reading.payment_at(trail.payment_id, decided[0].n)
    new = log_of(decided[0].document)[len(log_of(before)) if before is not None else 0 :]
    command = message.body.get("command_id")
    return any(one.get("ctpayCause") == command and one.get("ctpayTransactionId") == trail.id for one in new)
