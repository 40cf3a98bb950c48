"""States: they rise, they rest on what the PSP said, and nothing is written down twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from simulation.projection import RANK, log_of, state_of
from simulation.reading import Violation, is_ours, is_refusal, is_unknown
from simulation.sending import send_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.logs import Version
    from simulation.reading import Reading, Trail


def s5_no_state_without_evidence(reading: Reading) -> Iterator[Violation]:
    """Every state that we write was told before by a reply, a look-up or a verified event, with the same amount.

    A person's word is one, where the same version says in the Payment's log who said so of this transaction: `ctpay resolve` wrote it.
    A Failure may also be the law's own refusal, where nothing was asked of the PSP, or the proof that nothing reached
    it, or that a cancel released another amount, which then stands beside it. What a merchant wrote needs no evidence; failures after an unknown outcome are S8's.
    """
    for trail in reading.trails.values():
        for version, state in trail.steps:
            if not is_ours(version) or state == "Initial" or is_somebodys_word(trail, version, state):
                continue
            if state == "Failure":
                if not _unknown_before(reading, trail, version) and why_failed(reading, trail, version) is None:
                    text = f"{trail} became Failure in version {version.version}, and nobody has said so"
                    yield Violation(name="S5", text=text, n=version.n)
            elif not _was_told(reading, trail, version, state):
                text = f"{trail} became {state} in version {version.version}, and the PSP has not said so"
                yield Violation(name="S5", text=text, n=version.n)


def s6_states_only_rise(reading: Reading) -> Iterator[Violation]:
    """No version that we write lowers a state (Initial < Pending < Failure < Success < Reversed), or takes one away."""
    for version, before in reading.changes:
        if before is None or not is_ours(version):
            continue
        log, old_log = log_of(version.document), log_of(before.document)
        now = {one["id"]: one for one in version.document["transactions"]}
        for old in before.document["transactions"]:
            new = now.get(old["id"])
            if new is old:
                continue
            if new is None or new["amount"] != old["amount"] or new["type"] != old["type"]:
                text = f"version {version.version} of Payment {version.id} took away or changed transaction {old['id']}"
                yield Violation(name="S6", text=text, n=version.n)
                continue
            was, is_now = state_of(old, old_log), state_of(new, log)
            if RANK[is_now] < RANK[was]:
                text = f"{old['type']} {old['id']} of Payment {version.id} fell from {was} to {is_now}"
                yield Violation(name="S6", text=text, n=version.n)


def s7_nothing_is_there_twice(reading: Reading) -> Iterator[Violation]:
    """However often and in whatever order it was told, each movement of money is on the Payment once.

    That any order gives the same Payment is proved by trying them all (`simulation.orders`).
    """
    merchants = {one.transaction_id for one in reading.history.merchants_wrote}
    for payment_id in reading.versions:
        rows = Counter(
            (one.kind, one.reference, one.amount, one.currency)
            for one in reading.trails_of(payment_id)
            if one.reference is not None and one.id not in merchants
        )
        for (kind, reference, amount, currency), count in rows.items():
            if count > 1:
                text = f"Payment {payment_id} has {count} times {kind} {reference} of {amount} {currency}"
                yield Violation(name="S7", text=text)


def s8_a_timeout_is_no_failure(reading: Reading) -> Iterator[Violation]:
    """Where a request ended in a timeout, a reset or a server error, Failure needs evidence from the PSP.

    Evidence: the PSP says failed; it refuses the same request; or a look-up finds nothing after send-by and the longest
    lease. A person has evidence of another kind.
    """
    for trail in reading.trails.values():
        for version, state in trail.steps:
            if state != "Failure" or not is_ours(version) or not _unknown_before(reading, trail, version):
                continue
            if is_somebodys_word(trail, version, state):
                continue
            if why_failed(reading, trail, version) not in ("told", "released", "refused", "absent"):
                unknown = [one for one in reading.asked_for[trail.id] if one.n < version.n and is_unknown(one)]
                text = f"{trail} became Failure in version {version.version} after {unknown[-1].fate} of its request"
                yield Violation(name="S8", text=text, n=version.n)


def why_failed(reading: Reading, trail: Trail, version: Version) -> str | None:
    """By what a Failure is proved: `told`, `released`, `refused`, `law` or `absent`; None: by nothing."""
    if _was_told(reading, trail, version, "Failure"):
        return "told"
    if _released_otherwise(reading, trail, version):
        return "released"
    asked = [one for one in reading.asked_for.get(trail.id, ()) if one.n < version.n]
    if any(is_refusal(one) and (one.done_n or 0) < version.n for one in asked):
        return "refused"
    if not asked and _refused_by_law(trail, version):
        return "law"
    return "absent" if _absent(reading, trail, version) else None


def is_somebodys_word(trail: Trail, version: Version, state: str) -> bool:
    """Whether a person's command wrote this version, in whose log somebody ends the transaction so."""
    return version.author.startswith("resolve") and any(
        (one.get("ctpayKind"), one.get("ctpayTransactionId"), one.get("ctpayState")) == ("resolved", trail.id, state)
        for one in log_of(version.document)
    )


def _was_told(reading: Reading, trail: Trail, version: Version, state: str) -> bool:
    # What we did not ask for was added because it was told, by whatever name: then the reference and the amount count.
    names = (trail.id, trail.reference, version.document.get("interfaceId"))
    return any(
        one.n < version.n
        and one.row.kind == trail.kind
        and one.row.state == state
        and (one.row.amount, one.row.currency) == (trail.amount, trail.currency)
        and (one.row.transaction in (trail.id, None) or trail.ours is None)
        for name in names
        if name is not None
        for one in reading.told_of.get(name, ())
    )


def _released_otherwise(reading: Reading, trail: Trail, version: Version) -> bool:
    """Whether the PSP has told that this cancel released another amount, which is then on the Payment by itself."""
    return trail.kind == "CancelAuthorization" and any(
        one.n < version.n
        and (one.row.kind, one.row.state, one.row.transaction) == (trail.kind, "Success", trail.id)
        and any(
            (other["amount"]["centAmount"], other["state"]) == (one.row.amount, "Success")
            for other in version.document["transactions"]
            if other["type"] == trail.kind and other["id"] != trail.id
        )
        for one in reading.told_of.get(trail.id, ())
    )


def _unknown_before(reading: Reading, trail: Trail, version: Version) -> bool:
    return any(one.n < version.n and is_unknown(one) for one in reading.asked_for.get(trail.id, ()))


def _refused_by_law(trail: Trail, version: Version) -> bool:
    """Whether the Payment's log says that the law forbade it."""
    return any(
        one.get("ctpayKind") == "refusal"
        and (one.get("ctpayTransactionId") == trail.id or one.get("ctpayCause") == trail.command_id)
        for one in log_of(version.document)
    )


def _absent(reading: Reading, trail: Trail, version: Version) -> bool:
    """Whether the PSP was asked when nothing could be under way any more, and knew nothing of it."""
    last = send_by(reading, trail)
    if last is None:
        return False
    from_then = last + reading.history.rules.lease_max - reading.history.rules.skew_max
    if version.at < from_then:
        return False
    told = {one.n for one in reading.told_of.get(trail.id, ())}
    name = version.document.get("interfaceId")
    # What the PSP has never told of is somebody else's name: that it finds nothing under that proves nothing.
    names = [trail.payment_id, *([name] if reading.told_of.get(name) else [])]
    return any(
        call.done_n is not None
        and call.done_n < version.n
        and call.at >= from_then - reading.history.rules.lease_max
        and call.done_n not in told
        and any(one in call.path for one in names)
        for call in reading.looked_up
    )
