"""Money: one effect, no more captured than held, no more returned than taken, the same amount everywhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from simulation.projection import fields_of, log_of, state_of
from simulation.reading import Violation, is_completion, is_ours, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from simulation.logs import Effect
    from simulation.reading import Reading, Trail

_ASKED: Final = ("authorization", "capture", "cancel", "refund")
_UNDOES: Final = {"capture_reversed": "capture", "refund_reversed": "refund", "dispute_reversed": "dispute"}
#: What the last part of a request's path asks for.
KINDS: Final = {
    "payments": "Authorization",
    "captures": "Charge",
    "cancel": "CancelAuthorization",
    "cancels": "CancelAuthorization",
    "refunds": "Refund",
}


def s1_one_effect(reading: Reading) -> Iterator[Violation]:
    """No transaction, no idempotency key and no command has more than one effect at the PSP."""
    effects = [one for one in reading.history.effects if one.kind in _ASKED]
    by_transaction = Counter(one.metadata["transaction_id"] for one in effects if "transaction_id" in one.metadata)
    by_key = Counter(one.key for one in effects if one.key is not None)
    by_command = Counter(name for one in effects if (name := _command_of(reading, one)))
    for what, counts in (("transaction", by_transaction), ("key", by_key), ("command", by_command)):
        for name, count in counts.items():
            if count > 1:
                kinds = ", ".join(
                    f"{one.kind} {one.id} of {one.amount} at n={one.n}"
                    for one in effects
                    if name in (one.key, _transaction_of(one), _command_of(reading, one))
                )
                yield Violation(name="S1", text=f"{what} {name} had {count} effects at the PSP: {kinds}")


def _transaction_of(effect: Effect) -> str:
    return str(effect.metadata.get("transaction_id", ""))


def _command_of(reading: Reading, effect: Effect) -> str | None:
    trail = reading.trails.get(_transaction_of(effect))
    return trail.command_id if trail else None


def s2_captures_within_the_authorization(reading: Reading) -> Iterator[Violation]:
    """Whenever a Charge is reserved or claimed, Charges that are used are no more than what is authorized.

    Judged at that version, since a late reversal may shrink what was captured. At the PSP: always.
    """
    for trail in admitted(reading, "Charge"):
        document = trail.ours.document  # type: ignore[union-attr]  # `admitted` gives those that are ours
        held, used = _authorized(document), _used(document, "Charge")
        if used > held:
            yield admission("S2", trail, f"{used} captured or being captured, {held} authorized")
    yield from _psp_totals(reading, "S2", taken="capture", out_of="authorization")


def s3_refunds_within_the_captures(reading: Reading) -> Iterator[Violation]:
    """Whenever a Refund is reserved or claimed, Refunds that are used are no more than captures less chargebacks.

    Judged at that version. At the PSP: always.
    """
    for trail in admitted(reading, "Refund"):
        document = trail.ours.document  # type: ignore[union-attr]  # `admitted` gives those that are ours
        log = log_of(document)
        captured = _sum(
            one for one in document["transactions"] if one["type"] == "Charge" and state_of(one, log) == "Success"
        )
        left = captured - _used(document, "Chargeback")
        used = _used(document, "Refund")
        if used > left:
            yield admission("S3", trail, f"{used} refunded or being refunded, {left} captured and not disputed")
    yield from _psp_totals(reading, "S3", taken="refund", out_of="capture")


def s9_no_capture_after_the_cancel(reading: Reading) -> Iterator[Violation]:
    """No Charge is reserved while a cancel is under way or done, nor the other way round while the PSP may not know of it.

    And at the PSP no capture follows a cancel.
    """
    for trail in admitted(reading, "Charge"):
        if _used(trail.ours.document, "CancelAuthorization"):  # type: ignore[union-attr]  # see `admitted`
            yield admission("S9", trail, "the authorization is cancelled or being cancelled")
    for trail in admitted(reading, "CancelAuthorization"):
        if _reserved(trail.ours.document, "Charge"):  # type: ignore[union-attr]  # see `admitted`
            yield admission("S9", trail, "a capture is reserved, of which the PSP may not know yet")
    cancelled: dict[str, str] = {}
    for effect in reading.history.effects:
        if effect.kind == "cancel":
            cancelled[effect.payment] = effect.id
        elif effect.kind == "capture" and effect.payment in cancelled:
            text = f"capture {effect.id} of {effect.payment} after its cancel {cancelled[effect.payment]}"
            yield Violation(name="S9", text=text, n=effect.n)


def s14_one_amount_everywhere(reading: Reading) -> Iterator[Violation]:
    """Amount and currency are the same in command, request, effect and transaction: integers of minor units.

    A cancel is exempt at the PSP: it releases what is held there, which nobody else can know for certain.
    """
    for call in reading.asked:
        trail = reading.trails.get(named(call))
        if trail is not None and not is_completion(call) and "amount" in call.document:
            yield from _unlike(trail, call.document.get("amount"), call.document.get("currency"), "the request", call.n)
    for effect in reading.history.effects:
        trail = reading.trails.get(effect.metadata.get("transaction_id", ""))
        if trail is not None and effect.kind in ("authorization", "capture", "refund"):
            yield from _unlike(trail, effect.amount, effect.currency, f"the PSP's {effect.kind} {effect.id}", effect.n)
    commanded = {one.command_id: one for one in reading.trails.values() if one.command_id}
    for message in reading.messages.values():
        money = message.body.get("amount")
        trail = commanded.get(message.body.get("command_id"))
        if isinstance(money, dict) and trail is not None and message.topic in ("capture", "refund"):
            name = f"the command {message.body['command_id']}"
            yield from _unlike(trail, money.get("amount"), money.get("currency"), name, message.published.n)


#: Kind -> states by which less is held than before; the other kinds give back.
_FREES: Final = {"Authorization": frozenset({"Failure"}), "Charge": frozenset({"Failure"})}
#: To give back what nobody wants: then a person is told.
_TRIES: Final = 5
_GIVEN_BACK: Final = frozenset({"Pending", "Success"})


def m1_paid_once(reading: Reading) -> Iterator[Violation]:
    """When all is at rest, the payments of one cart hold and have taken no more than the cart ever cost.

    The promise itself. Payments that a merchant took off their cart while they held money are the merchant's, and so
    are those of which a merchant said that the money is free when it is not, and those of which something was captured
    at the dashboard while we released them: who asked for that was told to look. Money that comes to what is off its cart
    is ours to weigh, unless a person was told that its cart is gone, or it came within a minute: while the PSP was
    being asked.
    Attempts that the PSP refuses to give back five times, and of which the logs tell a person, are left out;
    and what was given back once stays so here, even if a bank undid it, or the capture that it came out of, after the
    shopper had paid again.
    """
    left_to_merchants = _taken_off(reading) | _said_to_be_free(reading) | _captured_beside_a_release(reading)
    given_to_people = {
        str(one.fields.get("payment_id"))
        for one in reading.history.lines
        if one.fields.get("event") == "superseded.kept" and _tried(reading, str(one.fields.get("payment_id")), one.n)
    }
    cost: dict[str, int] = defaultdict(int)
    cart_of: dict[str, str] = {}
    for version in reading.history.carts:
        cost[version.id] = max(cost[version.id], total_of(version.document))
        for reference in version.document.get("paymentInfo", {}).get("payments", ()):
            cart_of[reference["id"]] = version.id
    kept: dict[str, int] = defaultdict(int)
    whose: dict[str, list[str]] = defaultdict(list)
    for name, payment in reading.history.psp_payments.items():
        ours = payment["metadata"].get("payment_id", "")
        money = payment["amount_captured"] + payment["amount_capturable"] - _once_given_back(payment)
        if money <= 0 or name in reading.history.strangers or ours in given_to_people | left_to_merchants:
            continue
        cart = cart_of.get(ours)
        if cart is None:
            yield Violation(name="M1", text=f"{name} holds {money} for Payment {ours}, which is on no cart")
            continue
        kept[cart] += money
        whose[cart].append(f"{name} {money}")
    for cart, money in kept.items():
        if money > cost[cart]:
            yield Violation(
                name="M1", text=f"cart {cart} cost {cost[cart]}, and {money} is held: {', '.join(whose[cart])}"
            )


def _tried(reading: Reading, payment_id: str, n: int) -> bool:
    """Whether it was tried so often to give the money back as was promised before it is left to a person."""
    log = log_of(reading.payment_at(payment_id, n) or {})
    tries = {
        one.get("ctpayCause")
        for one in log
        if one.get("ctpayKind") == "refusal"
        or (one.get("ctpayKind") == "reserved" and one.get("ctpayCode") in {"CancelAuthorization", "Refund"})
    }
    return len(tries) >= _TRIES


def _captured_beside_a_release(reading: Reading) -> set[str]:
    """Payments of which the PSP released less than was reckoned, and that bear a Charge that we did not make."""
    return {
        trail.payment_id
        for trail in reading.trails.values()
        if trail.kind == "Charge" and trail.ours is None and not trail.by_hand
        for one in log_of(reading.payment(trail.payment_id) or {})
        if one.get("ctpayCode") == "released-otherwise"
    }


#: What a person is told of money for which there is no cart that could be weighed.
_CART_IS_GONE: Final = "Cancel or refund it if it is not wanted."
#: The longest that a request and what is written of it may take, with every try, while a Payment is taken off its cart.
_MEANWHILE: Final = timedelta(minutes=1)


def _taken_off(reading: Reading) -> set[str]:
    """Payments that somebody else took off their cart when they held money, or of which nobody knows the cart."""
    found = {
        str(one.fields.get("payment_id"))
        for one in reading.history.lines
        if one.fields.get("event") == "late_success.on_no_cart" and one.fields.get("reason") == _CART_IS_GONE
    }
    before: dict[str, set[str]] = {}
    for version in reading.history.carts:
        now = {one["id"] for one in version.document.get("paymentInfo", {}).get("payments", ())}
        for payment_id in before.get(version.id, set()) - now:
            if not is_ours(version) and _held_by(reading, payment_id, version.at + _MEANWHILE):
                found.add(payment_id)
        before[version.id] = now
    return found


def _held_by(reading: Reading, payment_id: str, moment: datetime) -> bool:
    """Whether we had written down by then that money was held."""
    versions = (one.document for one in reading.versions.get(payment_id, ()) if one.at <= moment)
    return any(
        one["type"] == "Authorization" and state_of(one, log_of(document)) == "Success"
        for document in versions
        for one in document["transactions"]
    )


def _said_to_be_free(reading: Reading) -> set[str]:
    """Payments of which a merchant has said, by a transaction's state, that less is held than before."""
    return {
        version.id
        for version, before in reading.changes
        if before is not None and not is_ours(version) and _frees(before.document, version.document)
    }


def _frees(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a transaction has come to say that money went back, or that none came."""
    was = {one["id"]: one.get("state", "Initial") for one in before["transactions"]}
    changed = [one for one in after["transactions"] if was.get(one["id"], one["state"]) != one["state"]]
    return any(one["state"] in _FREES.get(one["type"], _GIVEN_BACK) for one in changed)


def _once_given_back(payment: Mapping[str, Any]) -> int:
    """By refunds that succeeded or may, and by disputes, whatever became of them later."""
    refunds = (one for one in payment["refunds"] if one["status"] != "failed" or one["succeeded_at"] is not None)
    return sum(one["amount"] for one in (*refunds, *payment["disputes"]))


def m2_weighed_before_it_is_asked(reading: Reading) -> Iterator[Violation]:
    """The PSP is asked for an authorization only after its Payment was put on the cart, and only if there was room.

    Room: what the cart's other payments covered ever since the version before, and it, are no more than the total. What
    they covered at first, no more for a moment, and then again (a refund that failed late) has left room.
    """
    attached = {}
    before: dict[str, Any] = {}
    for version in reading.history.carts:
        present = {one["id"] for one in version.document.get("paymentInfo", {}).get("payments", ())}
        earlier = before.get(version.id)
        old = (
            set()
            if earlier is None
            else {one["id"] for one in earlier.document.get("paymentInfo", {}).get("payments", ())}
        )
        for payment_id in present - old:
            attached.setdefault(payment_id, (version, earlier, old))
        before[version.id] = version
    seen = set()
    for call in reading.asked:
        trail = reading.trails.get(named(call))
        if trail is None or trail.kind != "Authorization" or trail.id in seen or is_completion(call):
            continue
        seen.add(trail.id)
        found = attached.get(trail.payment_id)
        if found is None or found[0].n > call.n:
            text = f"the PSP was asked for {trail} before that Payment was on a cart"
            yield Violation(name="M2", text=text, n=call.n)
            continue
        version, earlier, others = found
        if earlier is None or not is_ours(version):
            continue
        covered = sum(
            min(map(covers, reading.payment_between(one, earlier.n + 1, version.n)), default=0) for one in others
        )
        total = total_of(earlier.document)
        if covered + trail.amount > total:
            text = f"{trail} was put on cart {version.id}, which costs {total} and of which {covered} was covered"
            yield Violation(name="M2", text=text, n=version.n)


def admitted(reading: Reading, kind: str) -> Iterator[Trail]:
    """Transactions that we have reserved or claimed."""
    return (one for one in reading.trails.values() if one.kind == kind and one.ours is not None)


def admission(name: str, trail: Trail, why: str) -> Violation:
    version = trail.ours
    assert version is not None
    return Violation(name=name, text=f"{trail} was admitted in version {version.version}: {why}", n=version.n)


def _authorized(document: Mapping[str, Any]) -> int:
    """What the PSP holds as far as we know; beside an authorization of ours no other counts."""
    log = log_of(document)
    return _sum(one for one in _asked_for(document) if state_of(one, log) == "Success")


def _asked_for(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The Authorization that we reserved, where there is one: one of another amount that the PSP told of holds nothing.

    Whoever replaces its fields leaves the log, and the log says that there was one: the first.
    """
    found = [one for one in document["transactions"] if one["type"] == "Authorization"]
    ours = [one for one in found if "ctpayCommandId" in fields_of(one)]
    reserved = any(
        one.get("ctpayKind") == "reserved" and one.get("ctpayCode") == "Authorization" for one in log_of(document)
    )
    return ours[:1] or (found[:1] if reserved else found)


def _used(document: Mapping[str, Any], kind: str) -> int:
    """Amounts that are taken up: Pending, Success, and what we have reserved or claimed."""
    log = log_of(document)
    claimed = {one.get("ctpayTransactionId") for one in log if one.get("ctpayKind") == "claim"}
    return _sum(
        one
        for one in document["transactions"]
        if one["type"] == kind
        and (
            state_of(one, log) in ("Pending", "Success")
            or (_is_initial(one) and ("ctpayCommandId" in fields_of(one) or one["id"] in claimed))
        )
    )


def _reserved(document: Mapping[str, Any], kind: str) -> bool:
    """Whether something is reserved or claimed, and nothing is known of it yet."""
    claimed = {one.get("ctpayTransactionId") for one in log_of(document) if one.get("ctpayKind") == "claim"}
    return any(
        one["type"] == kind and _is_initial(one) and ("ctpayCommandId" in fields_of(one) or one["id"] in claimed)
        for one in document["transactions"]
    )


def is_capturing(document: Mapping[str, Any]) -> bool:
    """Whether a capture of ours, or one that the PSP told of, is not decided."""
    log = log_of(document)
    pending = any(one["type"] == "Charge" and state_of(one, log) == "Pending" for one in document["transactions"])
    return pending or _reserved(document, "Charge")


def is_given_up(document: Mapping[str, Any]) -> bool:
    """Whether the attempt that this Payment is was superseded."""
    log = log_of(document)
    return any(_is_superseded(one, log) for one in _asked_for(document))


def uses_charge(document: Mapping[str, Any]) -> bool:
    """Whether anything of it is captured, or being captured."""
    return _used(document, "Charge") > 0


def is_undecided(document: Mapping[str, Any]) -> bool:
    """Whether what it may cover is nothing that anybody holds yet."""
    log = log_of(document)
    return not uses_charge(document) and any(
        state_of(one, log) in ("Initial", "Pending") for one in _asked_for(document)
    )


def covers(document: Mapping[str, Any] | None) -> int:
    """What a Payment pays for, or may pay for: the least that anybody could think."""
    if document is None:
        return 0
    log = log_of(document)
    held = _sum(
        one
        for one in _asked_for(document)
        if not _is_superseded(one, log)
        and (state_of(one, log) in ("Pending", "Success") or ("ctpayCommandId" in fields_of(one) and _is_initial(one)))
    )
    taken = _used(document, "Charge")
    rest = 0 if _used(document, "CancelAuthorization") else max(held - taken, 0)
    return max(taken + rest - _used(document, "Refund") - _used(document, "Chargeback"), 0)


def covers_at_most(document: Mapping[str, Any] | None) -> int:
    """What a Payment pays for, or may pay for: the most that anybody could think. Nothing where it was given up."""
    if document is None or is_given_up(document):
        return 0
    log = log_of(document)
    reserved = any(one.get("ctpayKind") == "reserved" for one in log)
    held = _sum(
        one
        for one in _asked_for(document)
        if state_of(one, log) in ("Pending", "Success")
        or (_is_initial(one) and (reserved or "ctpayCommandId" in fields_of(one)))
    )
    is_released = any(
        one["type"] == "CancelAuthorization" and state_of(one, log) == "Success" for one in document["transactions"]
    )
    back = _sum(one for one in document["transactions"] if one["type"] == "Refund" and state_of(one, log) == "Success")
    most = max(_used(document, "Charge"), 0 if is_released else held)
    return max(most - back - _used(document, "Chargeback"), 0)


def _is_superseded(transaction: Mapping[str, Any], log: list[Any]) -> bool:
    """By its own mark, or by the log where other software has replaced that."""
    told = (one.get("ctpayTransactionId") for one in log if one.get("ctpayKind") == "superseded")
    return fields_of(transaction).get("ctpaySuperseded") is True or transaction["id"] in told


def _is_initial(transaction: Mapping[str, Any]) -> bool:
    return transaction.get("state", "Initial") == "Initial"


def _sum(transactions: Iterator[Mapping[str, Any]]) -> int:
    return sum(one["amount"]["centAmount"] for one in transactions)


def total_of(cart: Mapping[str, Any]) -> int:
    """Minor units that a cart costs."""
    taxed = cart.get("taxedPrice")
    total: int = (taxed["totalGross"] if taxed else cart["totalPrice"])["centAmount"]
    return total


def _psp_totals(reading: Reading, name: str, *, taken: str, out_of: str) -> Iterator[Violation]:
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for effect in reading.history.effects:
        undone = _UNDOES.get(effect.kind)
        totals[effect.payment, undone or effect.kind] += -effect.amount if undone else effect.amount
        used, held = totals[effect.payment, taken], totals[effect.payment, out_of]
        if effect.kind == taken and used > held:
            text = f"{taken} {effect.id} brings {effect.payment} to {used}, of {held} by {out_of}"
            yield Violation(name=name, text=text, n=effect.n)


def _unlike(trail: Trail, amount: object, currency: object, what: str, n: int) -> Iterator[Violation]:
    if type(amount) is not int or amount != trail.amount or currency not in (trail.currency, None):
        yield Violation(name="S14", text=f"{what} has {amount!r} {currency} for {trail}", n=n)
