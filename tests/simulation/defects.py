"""Defects planted on purpose: each breaks one promise of the product in a small way, and each must be caught.

`python -m simulation.detection` prints for each how often a seed finds it, and how many seeds find it in 999 runs of
1,000. A checker that no defect can wake is asleep.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias
from unittest.mock import patch

from simulation import defects_stored

from bus import consumer, letters
from bus.consumer import Consumer, Fate
from bus.port import DONE, PublishError, ignored
from ct import admission, attempts, folds, judge, ledger, messages, payment, plan, states
from ct.admission import Admitted, NothingToDo
from ct.errors import ConflictError, NotFoundError, UnavailableError
from ct.judge import Refusal
from ct.payment import parse_payment
from handlers import dispatch
from psp.errors import OutcomeUnknownError, UnknownVocabularyError
from psp.facts import Kind, Reference, State
from psp.outcome import Outcome
from psp.port import Answer, CaptureRequest
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from psp.signature import StandardWebhookVerifier
from workers import authorize, capture, complete, dead_letters, modify, perform, reconcile, runtime, superseded
from workers.work import Work

#: (where, attribute, what stands there instead).
Change: TypeAlias = tuple[Any, str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One way to get it wrong."""

    name: str
    #: For people.
    what: str
    #: Made anew for each planting, so that no state is left over.
    changes: Callable[[], list[Change]]


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with this defect, until the end of the block."""
    with ExitStack() as stack:
        for where, attribute, instead in DEFECTS[name].changes():
            stack.enter_context(patch.object(where, attribute, instead))
        yield


def plant(name: str) -> None:
    """The product with this defect, for as long as the process runs."""
    for where, attribute, instead in DEFECTS[name].changes():
        setattr(where, attribute, instead)


# Keys and requests.


def _posting(change: Callable[[dict[str, Any], str | None], tuple[dict[str, Any], str | None]]) -> list[Change]:
    original = SandboxApi.post

    async def post(self: SandboxApi, path: str, body: Any, model: Any, *, asked: str, key: str | None) -> Any:
        body, key = change(dict(body), key)
        return await original(self, path, body, model, asked=asked, key=key)

    return [(SandboxApi, "post", post)]


def _no_key() -> list[Change]:
    return _posting(lambda body, _: (body, None))


def _random_key() -> list[Change]:
    numbers = itertools.count()
    return _posting(lambda body, key: (body, key and f"try-{next(numbers)}"))


def _wrong_exponent() -> list[Change]:
    def hundredfold(body: dict[str, Any], key: str | None) -> tuple[dict[str, Any], str | None]:
        return (body | {"amount": body["amount"] * 100} if body.get("currency") == "JPY" else body), key

    return _posting(hundredfold)


def _check_then_call() -> list[Change]:
    original = modify.modify

    async def check_then_call(work: Any, command: Any, kind: Any) -> Any:
        payment = await work.ledger.load(command.payment_id)
        request = modify._request(work, command, kind)
        judged = modify.admit(payment, request, work.psp.capabilities)
        if not isinstance(judged, Admitted) or not judged.actions or request.claiming is not None:
            return await original(work, command, kind)
        name = Reference(project_key=work.project_key, payment_id=payment.id, transaction_id=command.command_id[:36])
        asked = CaptureRequest(reference=name, payment_reference=payment.interface_id or "", amount=request.amount)
        await perform.settle(work, payment, await work.psp.capture(asked), cause=command.command_id)
        return DONE

    return [(capture, "modify", check_then_call)]


def _no_send_by() -> list[Change]:
    def never(work: Any, _payment: Any, _transaction: Any) -> Any:
        return work.clock() + timedelta(days=1)

    original = authorize._begin

    async def begin(work: Any, *arguments: Any) -> Any:
        patient = replace(work.limits, authorization_send_by=timedelta(days=1))
        return await original(replace(work, limits=patient), *arguments)

    return [(perform, "send_by", never), (authorize, "send_by", never), (authorize, "_begin", begin)]


# Outcomes.


def _timeout_is_failure() -> list[Change]:
    async def failed(work: Any, payment: Any, transaction: Any) -> Answer:
        return Answer(facts=(perform._failure(work, payment, transaction, "timeout", "No answer came."),))

    return [(perform, "_look_up", failed)]


def _nothing_found_is_failure() -> list[Change]:
    original = perform._look_up

    async def looked_up(work: Any, payment: Any, transaction: Any) -> Answer:
        found = await original(work, payment, transaction)
        return found or Answer(facts=(perform._failure(work, payment, transaction, "not_found", "Unknown there."),))

    return [(perform, "_look_up", looked_up)]


def _rising(change: Callable[[State, State, bool], bool]) -> list[Change]:
    original = states.rises

    def rises(current: State, new: State) -> bool:
        return change(current, new, original(current, new))

    return [(plan, "rises", rises)]


def _late_success_ignored() -> list[Change]:
    return _rising(lambda now, new, right: right and (now, new) != (State.FAILURE, State.SUCCESS))


def _failure_overwrites_success() -> list[Change]:
    return _rising(lambda now, new, right: right or (now, new) == (State.SUCCESS, State.FAILURE))


def _last_write_wins() -> list[Change]:
    return _rising(lambda now, new, _: now != new)


# Messages.


def _acknowledged_first() -> list[Change]:
    original = Consumer._handled
    kept: set[asyncio.Task[Any]] = set()

    async def handled(self: Consumer, delivery: Any) -> Any:
        task = asyncio.get_running_loop().create_task(original(self, delivery))
        kept.add(task)
        await asyncio.sleep(0)
        return DONE

    return [(Consumer, "_handled", handled)]


def _dead_letter_forgotten() -> list[Change]:
    async def bury(_self: Consumer, _delivery: Any, _ending: Any) -> Fate:
        return Fate.ACK

    return [(Consumer, "_bury", bury)]


def _dead_letter_publish_swallowed() -> list[Change]:
    async def bury(self: Consumer, delivery: Any, ending: Any) -> Fate:
        await original(self, delivery, ending)
        return Fate.ACK

    original = Consumer._bury
    assert consumer.Consumer is Consumer
    return [(Consumer, "_bury", bury)]


def _unknown_webhook_dropped() -> list[Change]:
    def drop(reason: str, _cause: object, *, error: str) -> Any:
        return ignored(f"{error}: {reason}")

    rows = tuple(
        (kind, drop, cause) if kind is UnknownVocabularyError else (kind, react, cause)
        for kind, react, cause in runtime.REACTIONS
    )
    return [(runtime, "REACTIONS", rows)]


def _publish_error_swallowed() -> list[Change]:
    original = dispatch.publish

    async def publish(dependencies: Any, message: Any) -> None:
        try:
            await original(dependencies, message)
        except PublishError:
            return

    return [(dispatch, "publish", publish)]


def _reservation_not_resumed() -> list[Change]:
    original = modify.admit

    def admit(payment: Any, request: Any, capabilities: Any) -> Any:
        found = original(payment, request, capabilities)
        if isinstance(found, Admitted) and not found.actions:
            return NothingToDo(reason="it was admitted before", actions=[])
        return found

    return [(modify, "admit", admit)]


def _merchants_refund_overlooked() -> list[Change]:
    return [(messages, "COMMANDED", frozenset({Kind.CHARGE, Kind.CANCEL_AUTHORIZATION}))]


def _webhook_without_signature() -> list[Change]:
    return [(StandardWebhookVerifier, "verify", lambda _self, _headers, _body: None)]


# Writes.


def _blind_write() -> list[Change]:
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


def _stale_plan_resent() -> list[Change]:
    original = ledger.Ledger.change

    async def change(self: Any, payment: Any, decide: Any) -> Any:
        first: list[Any] = []

        def once(current: Any) -> Any:
            if not first:
                first.append(decide(current))
            return first[0]

        return await original(self, payment, once)

    return [(ledger.Ledger, "change", change)]


def _added_again() -> list[Change]:
    original = plan.target_of

    def target_of(payment: Any, fact: Any) -> Any:
        unasked = fact.reference is None or fact.reference.transaction_id is None
        return None if unasked and fact.kind is not Kind.AUTHORIZATION else original(payment, fact)

    return [(plan, "target_of", target_of)]


# The law.


def _cart_not_weighed() -> list[Change]:
    return [(attempts, "_left", lambda _wish, cart, _payments: cart.total.amount)]


def _others_reservations_ignored() -> list[Change]:
    def uses(transaction: Any) -> bool:
        return transaction.state in (State.PENDING, State.SUCCESS)

    return [(folds, "uses", uses), (admission, "uses", uses)]


def _pending_refunds_ignored() -> list[Change]:
    def refunds_used(payment: Any, *, charge_id: str | None = None, besides: str | None = None) -> int:
        return sum(
            one.amount.amount
            for one in payment.of_kind(Kind.REFUND)
            if one.state is State.SUCCESS and one.id != besides and charge_id in (None, one.charge_id)
        )

    return [(judge, "refunds_used", refunds_used)]


def _cancel_not_minded() -> list[Change]:
    return [(judge, "cancelling", lambda _payment, *, besides=None: False)]


def _superseded_completed() -> list[Change]:
    original = complete._find

    async def find(work: Any, command: Any) -> Any:
        found = await original(work, command)
        return found and (found[0], replace(found[1], superseded=False))

    return [(complete, "_find", find)]


def _superseded_kept() -> list[Change]:
    async def nothing(_work: Any, _payment: Any, *, cause: str) -> None:
        return None

    everywhere = (authorize, complete, perform, reconcile, superseded)
    return [(one, "give_back_if_superseded", nothing) for one in everywhere]


def _secret_written_down() -> list[Change]:
    original = authorize._draft

    def draft(work: Any, command: Any, cart: Any, **more: Any) -> Any:
        told = command.model_copy(update={"merchant_reference": work.psp._api._secret_key.get_secret_value()})
        return original(work, told, cart, **more)

    return [(authorize, "_draft", draft)]


def _fields_alone_believed() -> list[Change]:
    def resumed(payment_: Any, request: Any) -> Any:
        found = admission._own(payment_, request.command_id)
        return Admitted(commands=tuple(one.command_id for one in found), claimed=None, actions=[]) if found else None

    return [(payment, "reservations", lambda _transactions, _log: {}), (admission, "_resumed", resumed)]


def _late_success_not_weighed() -> list[Change]:
    async def kept(_work: Any, payment_: Any, _attempt: Any, *, cause: str) -> Any:
        return payment_

    return [(superseded, "_weigh_again", kept)]


def _unasked_ignored() -> list[Change]:
    original = plan._by_target

    def by_target(payment_: Any, facts: Any) -> Any:
        for target, best in original(payment_, facts):
            unasked = best.reference is None or best.reference.transaction_id is None
            if target.transaction is not None or not unasked or best.kind not in (Kind.CHARGE, Kind.REFUND):
                yield target, best

    return [(plan, "_by_target", by_target)]


# What is answered.


def _answered(right: Outcome, wrong: Outcome) -> list[Change]:
    original = Work.reply

    async def reply(self: Work, command: Any, standing: Any) -> None:
        await original(self, command, replace(standing, outcome=wrong) if standing.outcome is right else standing)

    return [(Work, "reply", reply)]


def _refusal_not_noted() -> list[Change]:
    original = admission._refused

    def refused(payment_: Any, request: Any, refusal: Any, transaction: Any = None) -> Any:
        found = original(payment_, request, refusal, transaction)
        return found if transaction is not None else replace(found, actions=[])

    return [(admission, "_refused", refused)]


def _refused_for_nothing() -> list[Change]:
    original = judge.judge_refund

    def judge_refund(payment_: Any, *arguments: Any, **named: Any) -> Any:
        if payment_.of_kind(Kind.REFUND):
            return Refusal(code="exceeds-captures", message="There was a refund before.")
        return original(payment_, *arguments, **named)

    return [(admission, "judge_refund", judge_refund)]


def _completion_forgotten() -> list[Change]:
    async def answer(work: Any, _command: Any, payment_: Any, transaction: Any, psp_reference: str) -> Answer:
        return await complete._look_up(work, payment_, transaction, psp_reference)

    return [(complete, "_answer", answer)]


def _completion_let_go() -> list[Change]:
    original = complete._answer

    async def answer(work: Any, command: Any, payment_: Any, transaction: Any, psp_reference: str) -> Answer:
        try:
            return await original(work, command, payment_, transaction, psp_reference)
        except OutcomeUnknownError:
            return await complete._look_up(work, payment_, transaction, psp_reference)

    return [(complete, "_answer", answer)]


def _gateway_believed() -> list[Change]:
    original = SandboxAdapter.lookup

    async def lookup(self: SandboxAdapter, request: Any) -> Answer:
        try:
            return await original(self, request)
        except OutcomeUnknownError as unknown:
            if "(404)" in str(unknown):
                return Answer(facts=())
            raise

    return [(SandboxAdapter, "lookup", lookup)]


def _letters_for_people() -> list[Change]:
    return [(letters, "REPLAYS", dict.fromkeys(letters.REPLAYS, 0))]


def _outage_ignored() -> list[Change]:
    original = ledger.Ledger.load

    async def load(self: Any, payment_id: str) -> Any:
        try:
            return await original(self, payment_id)
        except UnavailableError:
            raise NotFoundError("It was away, so it is not there.") from None

    return [(ledger.Ledger, "load", load)]


def _token_written_down() -> list[Change]:
    original = authorize._draft

    def draft(work: Any, command: Any, cart: Any, **more: Any) -> Any:
        text = command.token.get_secret_value() if command.token else ""
        return original(work, command, cart, **more) | {"paymentStatus": {"interfaceText": text}}

    return [(authorize, "_draft", draft)]


def _reversing(left_out: Kind) -> list[Change]:
    original = admission._reserved

    def reserved(request: Any, children: Any) -> Any:
        kept = children if request.kind is not None else [one for one in children if one[1] is not left_out]
        return original(request, kept)

    return [(admission, "_reserved", reserved)]


def _resumed_under_another_id() -> list[Change]:
    original = reconcile.command_for

    def command_for(*arguments: Any, **named: Any) -> Any:
        command = original(*arguments, **named)
        return command and command.model_copy(update={"command_id": f"again-{command.command_id}"})

    return [(reconcile, "command_for", command_for)]


def _letter_not_handed_over() -> list[Change]:
    original = letters.next_step

    def next_step(letter: Any, now: Any) -> Any:
        step = original(letter, now)
        return letters.Step.LEFT if step is letters.Step.HANDED_OVER else step

    return [(dead_letters, "next_step", next_step)]


def _replays_not_counted() -> list[Change]:
    original = letters.for_replay

    def for_replay(letter: Any) -> Any:
        return original(letter) | {"ctpay_replays": str(letter.replays)}

    return [(dead_letters, "for_replay", for_replay)]


def _shopper_not_waited_for() -> list[Change]:
    original = reconcile._has_gone

    def has_gone(work: Any, *arguments: Any) -> Any:
        return original(replace(work, limits=replace(work.limits, action_within=timedelta())), *arguments)

    return [(reconcile, "_has_gone", has_gone)]


def _nobody_told() -> list[Change]:
    async def reply(_self: Work, _command: Any, _standing: Any) -> None:
        return None

    return [(Work, "reply", reply)]


def _key_honoured_for_ever() -> list[Change]:
    original = modify._request

    def request(*arguments: Any) -> Any:
        found = original(*arguments)
        return replace(found, send_by=found.send_by + timedelta(days=9))

    return [(modify, "_request", request)]


def _refund_still_covers() -> list[Change]:
    original = folds.covers

    def covers(payment_: Any) -> int:
        kept = tuple(one for one in payment_.transactions if one.kind is not Kind.REFUND)
        return original(replace(payment_, transactions=kept))

    return [(where, "covers", covers) for where in (folds, attempts, superseded)]


def _cancelled_during_a_capture() -> list[Change]:
    original = judge.judge_cancel

    def judge_cancel(payment_: Any) -> Any:
        known = tuple(
            one for one in payment_.transactions if one.kind is not Kind.CHARGE or one.state is not State.INITIAL
        )
        return original(replace(payment_, transactions=known))

    return [(admission, "judge_cancel", judge_cancel)]


def _merchants_name_kept() -> list[Change]:
    original = plan._settled

    def settled(transaction: Any, fact: Any, *more: Any) -> Any:
        known = transaction.interaction_id is not None
        return original(transaction, replace(fact, psp_reference=None) if known else fact, *more)

    return [(plan, "_settled", settled), (plan, "_name_of", lambda fact: fact.psp_reference)]


_ALL: Final = (
    Defect(name="no-key", what="requests carry no idempotency key", changes=_no_key),
    Defect(name="random-key", what="each try has a new idempotency key", changes=_random_key),
    Defect(name="wrong-exponent", what="yen are sent with two digits too many", changes=_wrong_exponent),
    Defect(
        name="check-then-call", what="a capture is judged and sent without being reserved", changes=_check_then_call
    ),
    Defect(name="no-send-by", what="an old authorization is sent all the same", changes=_no_send_by),
    Defect(name="timeout-is-failure", what="no answer is taken for a no", changes=_timeout_is_failure),
    Defect(
        name="nothing-found-is-failure",
        what="a look-up that finds nothing is taken for a no at once",
        changes=_nothing_found_is_failure,
    ),
    Defect(name="late-success-ignored", what="a success after a failure is ignored", changes=_late_success_ignored),
    Defect(
        name="failure-overwrites-success",
        what="a failure that comes after a success replaces it",
        changes=_failure_overwrites_success,
    ),
    Defect(name="last-write-wins", what="the last fact wins, whatever it says", changes=_last_write_wins),
    Defect(name="ack-first", what="a message is acknowledged before it is handled", changes=_acknowledged_first),
    Defect(name="dead-letter-forgotten", what="what is dead is buried nowhere", changes=_dead_letter_forgotten),
    Defect(
        name="dead-letter-unconfirmed",
        what="a letter whose publish failed is let go",
        changes=_dead_letter_publish_swallowed,
    ),
    Defect(name="unknown-webhook-dropped", what="an unknown event is ignored", changes=_unknown_webhook_dropped),
    Defect(
        name="publish-error-swallowed",
        what="the ingress answers 2xx although the bus did not confirm",
        changes=_publish_error_swallowed,
    ),
    Defect(
        name="reservation-not-resumed",
        what="a run that finds its own reservation thinks that all is done",
        changes=_reservation_not_resumed,
    ),
    Defect(
        name="merchants-refund-overlooked",
        what="a Refund that a merchant puts there is carried out by nobody",
        changes=_merchants_refund_overlooked,
    ),
    Defect(
        name="webhook-unsigned", what="a webhook is believed without its signature", changes=_webhook_without_signature
    ),
    Defect(name="blind-write", what="a decision is written to whatever version there is", changes=_blind_write),
    Defect(name="stale-plan", what="after a conflict the old actions are sent again", changes=_stale_plan_resent),
    Defect(name="added-again", what="what was not asked for is added each time it is told", changes=_added_again),
    Defect(name="cart-not-weighed", what="what the cart's payments cover is not counted", changes=_cart_not_weighed),
    Defect(
        name="reservations-ignored",
        what="what another writer has reserved is free",
        changes=_others_reservations_ignored,
    ),
    Defect(name="pending-refunds-ignored", what="only done refunds count", changes=_pending_refunds_ignored),
    Defect(
        name="cancel-not-minded", what="a capture is admitted during and after a cancel", changes=_cancel_not_minded
    ),
    Defect(
        name="superseded-completed", what="an attempt that was given up is completed", changes=_superseded_completed
    ),
    Defect(name="superseded-kept", what="money on a given-up attempt is kept", changes=_superseded_kept),
    Defect(name="secret-written-down", what="the PSP's key is stored on the Payment", changes=_secret_written_down),
    Defect(
        name="token-written-down",
        what="the shopper's token stands on the Payment until it is decided",
        changes=_token_written_down,
    ),
    Defect(
        name="fields-alone-believed",
        what="what was reserved is known by fields that others can replace",
        changes=_fields_alone_believed,
    ),
    Defect(
        name="late-success-not-weighed",
        what="a late success is kept although the cart is paid for otherwise",
        changes=_late_success_not_weighed,
    ),
    Defect(
        name="unasked-ignored",
        what="captures and refunds at the PSP's dashboard are ignored",
        changes=_unasked_ignored,
    ),
    Defect(
        name="declined-told-approved",
        what="a decline is answered with approved",
        changes=lambda: _answered(Outcome.REJECTED, Outcome.APPROVED),
    ),
    Defect(
        name="approved-told-declined",
        what="a success is answered with rejected",
        changes=lambda: _answered(Outcome.APPROVED, Outcome.REJECTED),
    ),
    Defect(name="refusal-not-noted", what="a refusal stands nowhere but in its answer", changes=_refusal_not_noted),
    Defect(name="refused-for-nothing", what="a second refund is refused", changes=_refused_for_nothing),
    Defect(
        name="completion-forgotten",
        what="what the shopper brings back from a challenge is not told to the PSP",
        changes=_completion_forgotten,
    ),
    Defect(
        name="completion-let-go",
        what="a completion that the PSP has not heard is let go when the PSP can be asked",
        changes=_completion_let_go,
    ),
    Defect(
        name="gateway-believed",
        what="a gateway's own 404 is taken for the PSP's word that there is no such payment",
        changes=_gateway_believed,
    ),
    Defect(name="letters-for-people", what="no dead letter replays by itself", changes=_letters_for_people),
    Defect(
        name="outage-taken-for-absence",
        what="commercetools away is taken for a Payment that is not there",
        changes=_outage_ignored,
    ),
    Defect(
        name="reversal-keeps-captures",
        what="a reversal cancels, and does not refund",
        changes=lambda: _reversing(Kind.REFUND),
    ),
    Defect(
        name="reversal-keeps-the-rest",
        what="a reversal refunds, and does not cancel",
        changes=lambda: _reversing(Kind.CANCEL_AUTHORIZATION),
    ),
    Defect(
        name="resumed-under-another-id",
        what="reconcile publishes a lost command again under an id of its own",
        changes=_resumed_under_another_id,
    ),
    Defect(
        name="letter-not-handed-over",
        what="a letter that does not replay is let go, and no person gets it",
        changes=_letter_not_handed_over,
    ),
    Defect(name="replays-not-counted", what="a letter replays as if it never had", changes=_replays_not_counted),
    Defect(
        name="shopper-not-waited-for",
        what="reconcile gives up a challenge while its shopper is at it",
        changes=_shopper_not_waited_for,
    ),
    Defect(name="nobody-told", what="no result is ever told to the ingress that waits", changes=_nobody_told),
    Defect(
        name="second-click-refused",
        what="a second click does not join the first",
        changes=lambda: [(attempts, "_sibling_to_join", lambda *_: None)],
    ),
    Defect(
        name="second-click-gives-up",
        what="the second of two clicks gives up the challenge that the first has brought up",
        changes=lambda: [(attempts, "DOUBLE_CLICK", timedelta(0))],
    ),
    Defect(
        name="key-honoured-for-ever",
        what="a capture is sent when its idempotency key has ended",
        changes=_key_honoured_for_ever,
    ),
    Defect(
        name="refund-still-covers",
        what="what was given back pays for the cart all the same",
        changes=_refund_still_covers,
    ),
    Defect(
        name="cancelled-during-a-capture",
        what="a cancel is admitted while a capture is reserved",
        changes=_cancelled_during_a_capture,
    ),
    Defect(
        name="claim-not-judged",
        what="what a merchant puts there is carried out, whatever the law says",
        changes=lambda: [(admission, "_judge", lambda *_: None)],
    ),
    Defect(
        name="key-lifetime-overstated",
        what="the adapter says that the PSP's keys live longer than they do",
        changes=lambda: [
            (
                SandboxAdapter,
                "capabilities",
                replace(SandboxAdapter.capabilities, key_lifetime=timedelta(days=9)),
            )
        ],
    ),
    Defect(
        name="merchants-name-kept",
        what="what the PSP calls a capture does not replace a merchant's name for it",
        changes=_merchants_name_kept,
    ),
    Defect(
        name="left-to-people-at-once",
        what="money that nobody wants is left to a person, and giving it back is not tried",
        changes=lambda: [(superseded, "_TRIES_MAX", 0)],
    ),
    Defect(
        name="stored-unasked",
        what="a customer's card is kept, whether they wish it or not",
        changes=defects_stored.stored_unasked,
    ),
    Defect(
        name="stored-under-any-key",
        what="a method that was told of twice is made twice",
        changes=defects_stored.stored_under_any_key,
    ),
    Defect(
        name="noted-before-it-is-stored",
        what="that a method is on the list is noted before it is",
        changes=defects_stored.noted_before_it_is_stored,
    ),
    Defect(
        name="old-news-stores-again",
        what="an old event brings a method back that was deleted",
        changes=defects_stored.old_news_stores_again,
    ),
    Defect(
        name="deleted-and-never-forgotten",
        what="a method is deleted, and the PSP keeps the card",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "delete"),
    ),
    Defect(
        name="deleted-before-it-is-forgotten",
        what="a method is deleted before the PSP is asked to forget the card",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "delete", "forget"),
    ),
    Defect(
        name="deletion-told-first",
        what="a customer is told that a method is gone while it can be paid with",
        changes=lambda: defects_stored.deleting("reply", "deactivate", "forget", "delete"),
    ),
    Defect(
        name="forgotten-and-never-deleted",
        what="what the PSP has forgotten stays in commercetools",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "forget"),
    ),
    Defect(
        name="deleted-card-pays",
        what="a method that its customer has deleted can be paid with until the PSP has forgotten it",
        changes=defects_stored.deleted_card_pays,
    ),
    Defect(
        name="anothers-card-pays",
        what="nobody asks whose a stored method is",
        changes=defects_stored.anothers_card_pays,
    ),
    Defect(
        name="shopper-said-to-be-there",
        what="the PSP is not told that the merchant asks alone",
        changes=defects_stored.shopper_said_to_be_there,
    ),
    Defect(
        name="letter-removed-first",
        what="a person's replay removes a letter before it is sent again",
        changes=defects_stored.letter_removed_first,
    ),
    Defect(
        name="letter-let-go-first",
        what="a letter that replays by itself is let go before it is sent again",
        changes=defects_stored.letter_let_go_first,
    ),
)

#: Name -> defect.
DEFECTS: Final[Mapping[str, Defect]] = {one.name: one for one in _ALL}

#: Defect -> the operation of `simulation.crashes` that meets it without any luck, and the steps at which the workers
#: crash in it. The others are for seeds.
BY_ACT: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "no-key": ("capture", ()),
    "check-then-call": ("capture", ()),
    "reservation-not-resumed": ("capture", (4,)),
    "cancel-not-minded": ("capture after the cancel", ()),
    "pending-refunds-ignored": ("refund while another is pending", ()),
    "merchants-refund-overlooked": ("a merchant's Refund", ()),
    "cart-not-weighed": ("pay for what is paid", ()),
    "secret-written-down": ("authorize", ()),
    "ack-first": ("authorize", ()),
    "superseded-completed": ("come back to what was given up", ()),
    "superseded-kept": ("a late success after another card", ()),
    "last-write-wins": ("an old failure", ()),
    "failure-overwrites-success": ("an old failure", ()),
    "late-success-ignored": ("a late success", ()),
    "added-again": ("a dispute told twice", ()),
    "unknown-webhook-dropped": ("an unknown event", ()),
    "dead-letter-forgotten": ("an unknown event", ()),
    "token-written-down": ("authorize", ()),
    "fields-alone-believed": ("capture while our fields are replaced", (20,)),
    "late-success-not-weighed": ("a late success after another card", ()),
    "unasked-ignored": ("capture at the dashboard", ()),
    "declined-told-approved": ("authorize, declined", ()),
    "approved-told-declined": ("authorize", ()),
    "refusal-not-noted": ("capture after the cancel", ()),
    "refused-for-nothing": ("refund after a refund", ()),
    "completion-forgotten": ("complete", ()),
    "completion-let-go": ("complete, and the PSP does not hear it at first", ()),
    "gateway-believed": ("authorize, and a gateway knows nothing of it", ()),
    "reversal-keeps-captures": ("reverse", ()),
    "reversal-keeps-the-rest": ("reverse", ()),
    "resumed-under-another-id": ("a capture that reconcile takes up", ()),
    "letter-not-handed-over": ("a stray letter", ()),
    "shopper-not-waited-for": ("a challenge left open while reconcile passes", ()),
    "nobody-told": ("capture", ()),
    "second-click-refused": ("two clicks", ()),
    "second-click-gives-up": ("two clicks on a challenge", ()),
    "key-honoured-for-ever": ("a capture that comes again days later", ()),
    "refund-still-covers": ("pay again after the refund", ()),
    "cancelled-during-a-capture": ("cancel while a capture is reserved", ()),
    "claim-not-judged": ("a merchant's Charge of what is captured", ()),
    "key-lifetime-overstated": ("a capture that comes again days later", ()),
    "merchants-name-kept": ("a Charge with a name of the merchant's own", ()),
    "left-to-people-at-once": ("a late success after another card", ()),
    "stored-unasked": ("store no card", ()),
    "stored-under-any-key": ("store a card of which an event tells", (14,)),
    "noted-before-it-is-stored": ("store a card of which an event tells", (22,)),
    "old-news-stores-again": ("an old event of a card that was deleted", ()),
    "deleted-and-never-forgotten": ("delete a card", ()),
    "deleted-before-it-is-forgotten": ("delete a card", ()),
    "deletion-told-first": ("delete a card", ()),
    "forgotten-and-never-deleted": ("delete a card", ()),
    "deleted-card-pays": ("charge a card that is being deleted", ()),
    "anothers-card-pays": ("charge another customer's card", ()),
    "shopper-said-to-be-there": ("charge a stored card", ()),
    "letter-removed-first": ("letters of what was refused, replayed by a person", ()),
    "letter-let-go-first": ("a letter of a message whose readers died", ()),
}
