"""Answers: what the ingress says of an operation is what stands on the Payment, and it says no only where the law does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from simulation.durable import trails_of_command
from simulation.invariants_messages import is_return, messages_of
from simulation.invariants_money import is_given_up
from simulation.logs import Happening
from simulation.projection import log_of, state_of
from simulation.reading import Violation, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulation.logs import Exchange, Version
    from simulation.reading import Message, Reading, Trail

#: What is answered -> the states that allow it, one of which the transaction must have had by then.
_STATES: Final[Mapping[str, frozenset[str]]] = {
    "approved": frozenset({"Success"}),
    "rejected": frozenset({"Failure", "Reversed"}),
    "action": frozenset({"Pending"}),
}
#: The Payment's log keeps so many refusals; from then on the answer alone tells.
_REFUSALS_KEPT: Final = 50
_COMMANDED: Final = frozenset({"authorize", "capture", "cancel", "refund"})
_MODIFIES: Final = {"CapturePayment": "Charge", "RefundPayment": "Refund", "CancelPayment": "CancelAuthorization"}
#: Refusals of a shopper's wish that say that the cart is covered.
_COVERED: Final = frozenset({"nothing-to-pay", "payment-under-way"})
_UP: Final = frozenset({"Pending", "Success"})
#: The fault by which a read gives what was there before.
_STALE: Final = "ct-stale-read"


def s16_an_answer_says_what_stands_on_the_payment(reading: Reading) -> Iterator[Violation]:
    """Approved, rejected or action is answered only after the transaction came to say so; a no of the law is in the log."""
    for exchange in reading.history.exchanges:
        if exchange.genuine is not None or exchange.done_n is None:
            continue
        said = _said(exchange)
        word = said.get("outcome")
        if word not in _STATES or _is_all_it_can_say(reading, exchange, said):
            continue
        is_true = _payment_says if exchange.path.startswith("/payments") else _modification_says
        if not is_true(reading, exchange, said):
            text = f"{exchange.method} {exchange.path} was answered {word}, and nothing on a Payment said so before"
            yield Violation(name="S16", text=text, n=exchange.n)


def s17_what_is_refused_was_forbidden(reading: Reading) -> Iterator[Violation]:
    """No capture, cancel, refund or reversal is refused that the Payment allowed, and no shopper whose cart had something to pay."""
    commands = {
        str(one.body["command_id"]): one
        for one in reading.messages.values()
        if one.topic in _COMMANDED and "command_id" in one.body
    }
    for version, before in reading.changes:
        if not is_ours(version):
            continue
        log = log_of(version.document)
        for entry in log[0 if before is None else len(log_of(before.document)) :]:
            if entry.get("ctpayKind") != "refusal":
                continue
            command = commands.get(str(entry.get("ctpayCause")))
            if command is None:
                continue
            if command.type == "AuthorizePayment":
                if entry.get("ctpayCode") in _COVERED and (left := _left_at_least(reading, command, version)) > 0:
                    text = f"{command} was refused ({entry['ctpayCode']}) where at least {left} was left to pay"
                    yield Violation(name="S17", text=text, n=version.n)
            elif before is not None and _was_allowed(reading, command, before):
                text = f"{command} was refused ({entry.get('ctpayCode')}) in version {version.version}, and was allowed"
                yield Violation(name="S17", text=text, n=version.n)


def _said(exchange: Exchange) -> Mapping[str, Any]:
    """What the answer says: the return page in the address to which it sends the browser on, and all others in their body."""
    if is_return(exchange):
        return dict(parse_qsl(urlsplit(exchange.location or "").query))
    return exchange.answer if isinstance(exchange.answer, dict) else {}


def _is_all_it_can_say(reading: Reading, exchange: Exchange, said: Mapping[str, Any]) -> bool:
    """Whether it is the return page's no where others have an error: there is no such payment, or it was given up."""
    if not is_return(exchange) or said.get("outcome") != "rejected":
        return False
    document = reading.payment_at(str(said.get("paymentReference")), exchange.done_n or 0)
    return "paymentReference" not in said or (document is not None and is_given_up(document))


def _payment_says(reading: Reading, exchange: Exchange, said: Mapping[str, Any]) -> bool:
    found = reading.trails_of(str(said.get("paymentReference")))
    return any(_came_to(one, said["outcome"], exchange.done_n or 0) for one in found if one.kind == "Authorization")


def _modification_says(reading: Reading, exchange: Exchange, said: Mapping[str, Any]) -> bool:
    """Of several commands of one span that name the Payment, it may have been any."""
    word, n = said["outcome"], exchange.done_n or 0
    payment_id = exchange.path.rsplit("/", 1)[-1]
    if word == "rejected" and reading.is_foreign(payment_id):
        # What is other software's is refused, and nothing of ours may stand on it.
        return True
    document = reading.payment_at(payment_id, n) or {}
    log = log_of(document)
    if word == "rejected" and sum(one.get("ctpayKind") == "refusal" for one in log) >= _REFUSALS_KEPT:
        return True
    for message in messages_of(reading, exchange):
        found = trails_of_command(reading, message)
        if word == "rejected" and reading.recorded.get(str(message.body.get("command_id")), n) < n and not found:
            return True
        if word == "rejected" and any(_came_to(one, word, n) for one in found):
            return True
        if word == "approved" and found and all(_came_to(one, word, n) or _released(one, log) for one in found):
            return True
    return False


def _came_to(trail: Trail, word: str, n: int) -> bool:
    return any(version.n < n and state in _STATES[word] for version, state in trail.steps)


def _released(trail: Trail, log: list[Any]) -> bool:
    """Whether the PSP released another amount, which is what was asked for."""
    return any(
        one.get("ctpayTransactionId") == trail.id and one.get("ctpayCode") == "released-otherwise" for one in log
    )


# The law, as far as it is beyond doubt.


def _was_allowed(reading: Reading, command: Message, before: Version) -> bool:
    """Whether the Payment, as it was decided on, allowed the command for certain."""
    trails = reading.trails_of(before.id)
    claimed = next((one for one in trails if one.id == command.body.get("transaction_id")), None)
    kind = _MODIFIES.get(command.type)
    money = command.body.get("amount") or {}
    amount = claimed.amount if claimed else money.get("amount")
    currency = claimed.currency if claimed else money.get("currency")
    planned = before.document.get("amountPlanned", {}).get("currencyCode", currency)
    if "interfaceId" not in before.document or currency not in (planned, None):
        return False
    others = [one for one in trails if one is not claimed]
    match kind:
        case "Charge":
            return 0 < amount <= _left_to_capture(reading, before, others)
        case "Refund":
            return 0 < amount <= _left_of_one_charge(before, others, command.body.get("charge_id"))
        case "CancelAuthorization":
            left = _left_to_capture(reading, before, others)
            return left > 0 and not _under_way(before, others) and amount in (left, None)
        case None if command.type == "ReversePayment":
            left = max(_left_to_capture(reading, before, others), _left_of_one_charge(before, others, None))
            return left > 0 and not _is_capturing(before, others)
        case _:
            return False


def _left_to_capture(reading: Reading, before: Version, trails: list[Trail]) -> int:
    """At the least: nothing where it is not certain what is held."""
    own = [one for one in trails if one.kind == "Authorization"]
    released = used_at_most(before, trails, "CancelAuthorization")
    given_up = any(one.get("ctpayKind") == "superseded" for one in log_of(before.document))
    if len(own) != 1 or state_at(own[0], before) != "Success" or released or given_up:
        return 0
    return own[0].amount - used_at_most(before, trails, "Charge")


def _left_of_one_charge(before: Version, trails: list[Trail], charge_id: object) -> int:
    """What a refund may certainly take out of some one Charge, or out of the one that was named."""
    charges = [one for one in trails if one.kind == "Charge" and state_at(one, before) == "Success"]
    taken_back = used_at_most(before, trails, "Refund")
    left = sum(one.amount for one in charges) - taken_back - used_at_most(before, trails, "Chargeback")
    named = [one.amount - taken_back for one in charges if charge_id in (None, one.id)]
    return min(left, max(named, default=0))


def _under_way(before: Version, trails: list[Trail]) -> bool:
    return any(one.kind == "Charge" and state_at(one, before) == "Initial" for one in trails)


def _is_capturing(before: Version, trails: list[Trail]) -> bool:
    return any(one.kind == "Charge" and state_at(one, before) in ("Initial", "Pending") for one in trails)


def used_at_most(before: Version, trails: list[Trail], kind: str) -> int:
    """At the most: merchants' own that nobody has taken on too."""
    return sum(one.amount for one in trails if one.kind == kind and state_at(one, before) in (*_UP, "Initial"))


def state_at(trail: Trail, before: Version) -> str | None:
    """Its state in a version of its Payment."""
    states = [state for version, state in trail.steps if version.n <= before.n]
    return states[-1] if states else None


def _left_at_least(reading: Reading, command: Message, version: Version) -> int:
    """What of the cart was not covered, however much its payments may have covered while the command was in hand."""
    began = [one.n for one in command.entries if one.happening is Happening.DELIVERED and one.n < version.n]
    if not began:
        return 0
    cart_id = command.body.get("cart_id")
    carts = [one for one in reading.history.carts if one.id == cart_id and one.n < version.n]
    seen = [one for one in carts if one.n < min(began)][-1:] + [one for one in carts if one.n >= min(began)]
    # Attempts that are not on the cart yet count too, where their key is met.
    meant = {one.payment_id for one in reading.trails.values() if one.fields.get("ctpayCartId") == cart_id}
    least = []
    for cart in seen:
        payments = meant | {one["id"] for one in cart.document.get("paymentInfo", {}).get("payments", ())}
        covered = sum(
            max(map(_covers_at_most, _seen(reading, one, min(began), version.n)), default=0) for one in payments
        )
        total = cart.document.get("taxedPrice", {}).get("totalGross") or cart.document["totalPrice"]
        least.append(total["centAmount"] - covered)
    return min(least, default=0)


def _seen(reading: Reading, payment_id: str, first: int, last: int) -> list[Mapping[str, Any]]:
    """What of a Payment may have been read in this span. What was read too early was once true, and is told as it was."""
    stale = any(one.fault == _STALE and first < one.n < last for one in reading.history.calls)
    earlier = [one.n for one in reading.versions.get(payment_id, ()) if one.n < first] if stale else []
    return reading.payment_between(payment_id, earlier[-1] if earlier else first, last)


def _covers_at_most(document: Mapping[str, Any]) -> int:
    """What it may pay for: not what was released, and less what went back for certain."""
    log = log_of(document)

    def total(kind: str, *states: str) -> int:
        found = (one for one in document["transactions"] if one["type"] == kind and state_of(one, log) in states)
        return sum(one["amount"]["centAmount"] for one in found)

    held = 0 if total("CancelAuthorization", "Success") else total("Authorization", *_UP, "Initial")
    back = total("Refund", "Success") + total("Chargeback", *_UP)
    return max(max(held, total("Charge", *_UP, "Initial")) - back, 0)
