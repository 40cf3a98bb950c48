"""Defects planted in what is weighed before money is promised, and in what takes it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from simulation.planting import Change

from ct import admission, attempts, folds, judge, ledger, messages
from ct.fields import InteractionKind
from ct.plan import Weighing
from psp.facts import Kind, State
from workers import authorize, complete, perform, reconcile, resolve, superseded


def merchants_refund_overlooked() -> list[Change]:
    return [(messages, "COMMANDED", frozenset({Kind.CHARGE, Kind.CANCEL_AUTHORIZATION}))]


def cart_not_weighed() -> list[Change]:
    return [(attempts, "_left", lambda _wish, cart, _payments: cart.total.amount)]


def others_reservations_ignored() -> list[Change]:
    def uses(transaction: Any) -> bool:
        return transaction.state in (State.PENDING, State.SUCCESS)

    return [(folds, "uses", uses), (admission, "uses", uses)]


def pending_refunds_ignored() -> list[Change]:
    def refunds_used(payment: Any, *, charge_id: str | None = None, besides: str | None = None) -> int:
        return sum(
            one.amount.amount
            for one in payment.of_kind(Kind.REFUND)
            if one.state is State.SUCCESS and one.id != besides and charge_id in (None, one.charge_id)
        )

    return [(judge, "refunds_used", refunds_used)]


def off_cart_not_weighed() -> list[Change]:
    async def weighing_of(*_: Any, **__: Any) -> Weighing:
        return Weighing.DONE

    return [(where, "weighing_of", weighing_of) for where in (perform, resolve)]


def told_and_forgotten() -> list[Change]:
    original = superseded.weigh_again

    async def weigh_again(work: Any, payment_: Any, attempt: Any, **more: Any) -> Any:
        told = any(one.kind is InteractionKind.OFF_CART for one in payment_.interactions)
        return payment_ if told else await original(work, payment_, attempt, **more)

    return [(where, "weigh_again", weigh_again) for where in (superseded, authorize)]


def cheaper_cart_given_back() -> list[Change]:
    def room_for(cart: Any, payment_: Any, attempt: Any) -> Any:
        enough = superseded._left_on(cart, payment_) >= attempt.amount.amount
        return superseded.Room.ENOUGH if enough else superseded.Room.NONE

    return [(superseded, "room_for", room_for)]


def part_given_back() -> list[Change]:
    original = superseded.room_for

    def room_for(*arguments: Any) -> Any:
        room = original(*arguments)
        return superseded.Room.NONE if room is superseded.Room.PART else room

    return [(superseded, "room_for", room_for)]


def both_late_given_back() -> list[Change]:
    return [(superseded, "_turn", lambda _payment: None)]


def moved_given_up() -> list[Change]:
    async def is_on_cart(_ledger: Any, _payment_id: str) -> bool:
        return False

    async def find_cart(_ledger: Any, _payment_id: str) -> None:
        return None

    return [(ledger.Ledger, "is_on_cart", is_on_cart), (ledger.Ledger, "find_cart", find_cart)]


def cancel_not_minded() -> list[Change]:
    return [(judge, "cancelling", lambda _payment, *, besides=None: False)]


def cancelled_during_a_capture() -> list[Change]:
    original = judge.judge_cancel

    def judge_cancel(payment_: Any) -> Any:
        known = tuple(
            one for one in payment_.transactions if one.kind is not Kind.CHARGE or one.state is not State.INITIAL
        )
        return original(replace(payment_, transactions=known))

    return [(admission, "judge_cancel", judge_cancel)]


def reversing(left_out: Kind) -> list[Change]:
    original = admission._reserved

    def reserved(request: Any, children: Any) -> Any:
        kept = children if request.kind is not None else [one for one in children if one[1] is not left_out]
        return original(request, kept)

    return [(admission, "_reserved", reserved)]


def reversed_during_a_capture() -> list[Change]:
    return [(admission, "uses", lambda _: False)]


def captured_although_given_up() -> list[Change]:
    original = judge.judge_capture

    def judge_capture(payment: Any, *arguments: Any) -> Any:
        kept = tuple(
            replace(one, superseded=False) if one.kind is Kind.AUTHORIZATION else one for one in payment.transactions
        )
        return original(replace(payment, transactions=kept), *arguments)

    return [(admission, "judge_capture", judge_capture)]


def refund_still_covers() -> list[Change]:
    original = folds.covers

    def covers(payment_: Any) -> int:
        kept = tuple(one for one in payment_.transactions if one.kind is not Kind.REFUND)
        return original(replace(payment_, transactions=kept))

    return [(where, "covers", covers) for where in (folds, attempts, superseded)]


def superseded_completed() -> list[Change]:
    original = complete._find

    async def find(work: Any, command: Any) -> Any:
        found = await original(work, command)
        return found and replace(found, transaction=replace(found.transaction, superseded=False))

    return [(complete, "_find", find)]


def superseded_kept() -> list[Change]:
    async def nothing(_work: Any, payment_: Any, *, cause: str) -> Any:
        return payment_

    everywhere = (authorize, complete, perform, reconcile, resolve, superseded)
    return [(one, "give_back_if_superseded", nothing) for one in everywhere]


def late_success_not_weighed() -> list[Change]:
    async def kept(_work: Any, payment_: Any, _attempt: Any, **_: Any) -> Any:
        return payment_

    return [(where, "weigh_again", kept) for where in (superseded, authorize)]


def shopper_not_waited_for() -> list[Change]:
    original = reconcile._has_gone

    def has_gone(work: Any, *arguments: Any) -> Any:
        return original(replace(work, limits=replace(work.limits, action_within=timedelta())), *arguments)

    return [(reconcile, "_has_gone", has_gone)]
