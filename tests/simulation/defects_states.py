"""Defects planted in what is written to a Payment: the order of states, conflicts, names and secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulation.planting import Change

from ct import admission, ledger, payment, plan, states
from ct.admission import Admitted
from ct.errors import ConflictError
from ct.payment import parse_payment
from psp.facts import Kind, State
from workers import authorize


def _rising(change: Callable[[State, State, bool], bool]) -> list[Change]:
    original = states.rises

    def rises(current: State, new: State) -> bool:
        return change(current, new, original(current, new))

    return [(plan, "rises", rises)]


def late_success_ignored() -> list[Change]:
    return _rising(lambda now, new, right: right and (now, new) != (State.FAILURE, State.SUCCESS))


def failure_overwrites_success() -> list[Change]:
    return _rising(lambda now, new, right: right or (now, new) == (State.SUCCESS, State.FAILURE))


def last_write_wins() -> list[Change]:
    return _rising(lambda now, new, _: now != new)


def blind_write() -> list[Change]:
    async def change(self: Any, payment: Any, decide: Any) -> Any:
        decision = decide(payment)
        while decision.actions:
            now = await self.load(payment.id)
            body = {"version": now.version, "actions": [*decision.actions]}
            try:
                return parse_payment(await self.client.post(f"/payments/{payment.id}", body)), decision
            except ConflictError:
                continue
        return payment, decision

    return [(ledger.Ledger, "change", change)]


def stale_plan_resent() -> list[Change]:
    original = ledger.Ledger.change

    async def change(self: Any, payment: Any, decide: Any) -> Any:
        first: list[Any] = []

        def once(current: Any) -> Any:
            if not first:
                first.append(decide(current))
            return first[0]

        return await original(self, payment, once)

    return [(ledger.Ledger, "change", change)]


def added_again() -> list[Change]:
    original = plan.target_of

    def target_of(payment: Any, fact: Any) -> Any:
        unasked = fact.reference is None or fact.reference.transaction_id is None
        return None if unasked and fact.kind is not Kind.AUTHORIZATION else original(payment, fact)

    return [(plan, "target_of", target_of)]


def unasked_ignored() -> list[Change]:
    original = plan._by_target

    def by_target(payment_: Any, facts: Any) -> Any:
        for target, best in original(payment_, facts):
            unasked = best.reference is None or best.reference.transaction_id is None
            if target.transaction is not None or not unasked or best.kind not in (Kind.CHARGE, Kind.REFUND):
                yield target, best

    return [(plan, "_by_target", by_target)]


def merchants_name_kept() -> list[Change]:
    original = plan._settled

    def settled(transaction: Any, fact: Any, *more: Any) -> Any:
        known = transaction.interaction_id is not None
        return original(transaction, replace(fact, psp_reference=None) if known else fact, *more)

    return [(plan, "_settled", settled), (plan, "_name_of", lambda fact: fact.psp_reference)]


def secret_written_down() -> list[Change]:
    original = authorize._draft

    def draft(work: Any, command: Any, cart: Any, **more: Any) -> Any:
        told = command.model_copy(update={"merchant_reference": work.psp._api._secret_key.get_secret_value()})
        return original(work, told, cart, **more)

    return [(authorize, "_draft", draft)]


def token_written_down() -> list[Change]:
    original = authorize._draft

    def draft(work: Any, command: Any, cart: Any, **more: Any) -> Any:
        text = command.token.get_secret_value() if command.token else ""
        return original(work, command, cart, **more) | {"paymentStatus": {"interfaceText": text}}

    return [(authorize, "_draft", draft)]


def fields_alone_believed() -> list[Change]:
    def resumed(payment_: Any, request: Any) -> Any:
        found = admission._own(payment_, request.command_id)
        return Admitted(commands=tuple(one.command_id for one in found), claimed=None, actions=[]) if found else None

    return [(payment, "reservations", lambda _transactions, _log: {}), (admission, "_resumed", resumed)]
