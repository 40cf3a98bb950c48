"""What capture, cancel and refund share: read, admit in one guarded write, ask the PSP, settle. Three calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bus.messages import ReversePayment
from bus.port import DONE, Cause, Ending, again, ignored
from ct.admission import Admitted, Answered, KeyReused, NothingToDo, Refused, Request, admit
from ct.errors import NotFoundError
from ct.standing import standing_of
from ct.states import RELEASED_OTHERWISE
from psp.facts import Kind, State
from psp.outcome import Outcome, Reason, Standing
from psp.port import CancelRequest, CaptureRequest, RefundRequest
from workers.perform import is_over, look_up, may_be_sent, perform, reference_to, settle

if TYPE_CHECKING:
    from bus.messages import CancelPayment, CapturePayment, RefundPayment
    from ct.payment import Payment, Transaction
    from psp.port import Answer
    from workers.work import Work

    Modification: TypeAlias = CapturePayment | CancelPayment | RefundPayment | ReversePayment

#: Of several operations carried out together, the first of these that one of them has is what became of all.
_WORST_FIRST = (Outcome.REJECTED, Outcome.PENDING, Outcome.APPROVED)


async def modify(work: Work, command: Modification, kind: Kind | None) -> Ending:
    """Carry the command out, or refuse it with a reason that a person finds on the Payment."""
    try:
        payment = await work.ledger.load(command.payment_id)
    except NotFoundError:
        gone = Reason(code="no-such-payment", message="There is no such Payment.")
        await work.reply(command, Standing(outcome=Outcome.NOT_FOUND, reason=gone))
        return ignored("no such payment")
    if payment.interface != work.ledger.interface:
        theirs = Reason(code="not-our-payment", message="The Payment belongs to another payment interface.")
        await work.reply(command, Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=theirs))
        return ignored("another payment interface's payment")
    work = work.for_payment(payment)
    request = _request(work, command, kind)
    payment, admission = await work.ledger.change(
        payment, lambda current: admit(current, request, work.psp.capabilities)
    )
    if isinstance(admission, Admitted):
        return await _carry_out(work, command, payment, admission)
    if command.transaction_id is not None and payment.transaction(command.transaction_id) is None:
        # A transaction is never taken off a Payment: what was read is older than what we were told.
        return again("the transaction is not there yet", Cause.MISSING_PAYMENT)
    standing, ending = _no(payment, admission)
    if standing is not None:
        await work.reply(command, standing)
    return ending


def _no(payment: Payment, admission: Refused | Answered | KeyReused | NothingToDo) -> tuple[Standing | None, Ending]:
    """What is said, and how the message ends, where nothing is to be carried out."""
    match admission:
        case Refused(refusal=refusal):
            why = Reason(code=refusal.code, message=refusal.message)
            standing = Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=why)
            return standing, ignored(f"refused: {refusal.code}")
        case Answered(standing=standing):
            return standing, ignored("refused by an earlier run")
        case KeyReused():
            why = Reason(code="key-reused", message="The idempotency key was used for another request.")
            standing = Standing(outcome=Outcome.KEY_REUSED, payment_reference=payment.id, reason=why)
            return standing, ignored("idempotency key reused")
        case NothingToDo(reason=reason):
            return None, ignored(reason)


def _request(work: Work, command: Modification, kind: Kind | None) -> Request:
    """The command as the law judges it."""
    now = work.clock()
    return Request(
        command_id=command.command_id,
        kind=kind,
        accepted_at=command.accepted_at,
        now=now,
        send_by=now + work.psp.capabilities.key_lifetime - work.limits.key_margin,
        amount=getattr(command, "amount", None),
        claiming=command.transaction_id,
        charge_id=getattr(command, "charge_id", None),
        merchant_reference=command.merchant_reference,
        request_hash=command.request_hash,
    )


async def _carry_out(work: Work, command: Modification, payment: Payment, admitted: Admitted) -> Ending:
    hidden = False
    for reserved in admitted.transactions(payment):
        if reserved.state is not State.INITIAL:
            continue
        if may_be_sent(reserved) or is_over(work, payment, reserved):
            payment = await _carry_out_one(work, command, payment, reserved)
        elif (known := await look_up(work, payment, reserved)) is not None:
            payment = await settle(work, payment, known, cause=command.command_id)
        else:
            hidden = True
    await work.reply(command, _worst([_standing(command, payment, one) for one in admitted.transactions(payment)]))
    # A day of redeliveries would find nothing else: reconcile asks until it can be closed.
    return ignored("left to reconcile: other software has replaced our fields") if hidden else DONE


def _standing(command: Modification, payment: Payment, transaction: Transaction) -> Standing:
    """A cancel that released another amount has done what it was for; a reversal has perhaps more to give back."""
    told = payment.last_word(transaction.id)
    if isinstance(command, ReversePayment) and told is not None and told.code == RELEASED_OTHERWISE:
        message = "The PSP held another amount than was reckoned. If something was captured meanwhile, reverse again."
        reason = Reason(code=RELEASED_OTHERWISE, message=message)
        return Standing(outcome=Outcome.REJECTED, payment_reference=payment.id, reason=reason)
    return standing_of(payment, transaction)


async def _carry_out_one(work: Work, command: Modification, payment: Payment, transaction: Transaction) -> Payment:
    async def call() -> Answer:
        return await _ask(work, command, payment, transaction)

    return await perform(work, payment, transaction, call, cause=command.command_id)


async def _ask(work: Work, command: Modification, payment: Payment, transaction: Transaction) -> Answer:
    reference = reference_to(work, payment, transaction)
    if transaction.kind is Kind.CANCEL_AUTHORIZATION:
        authorization = payment.authorization or transaction
        return await work.psp.cancel(
            CancelRequest(
                reference=reference,
                authorization=reference_to(work, payment, authorization),
                payment_reference=payment.known_as,
                amount=transaction.amount,
                merchant_reference=command.merchant_reference,
            )
        )
    assert payment.known_as is not None, "an authorization that succeeded has told us the PSP's reference"
    if transaction.kind is Kind.CHARGE:
        return await work.psp.capture(
            CaptureRequest(
                reference=reference,
                payment_reference=payment.known_as,
                amount=transaction.amount,
                merchant_reference=command.merchant_reference,
            )
        )
    charge = payment.transaction(transaction.charge_id) if transaction.charge_id else None
    return await work.psp.refund(
        RefundRequest(
            reference=reference,
            payment_reference=payment.known_as,
            amount=transaction.amount,
            capture_reference=charge.interaction_id if charge else None,
            merchant_reference=command.merchant_reference,
        )
    )


def _worst(standings: list[Standing]) -> Standing:
    return next((one for outcome in _WORST_FIRST for one in standings if one.outcome is outcome), standings[0])
