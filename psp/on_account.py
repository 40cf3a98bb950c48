"""On account: methods by which the buyer promises to pay the merchant. There is no PSP, so every promise is taken.

Law: nothing is called, nothing is held and nothing moves. What is asked for is written down as done, by the same law of
amounts as money is: a capture says that the buyer has paid, a refund that the merchant has paid back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.facts import Fact, Kind, Reference, State
from psp.money import Money
from psp.port import (
    Answer,
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    Event,
    ForgetRequest,
    ListRequest,
    LookupRequest,
    Page,
    RefundRequest,
)
from psp.seams import Clock

INVOICE: Final = "invoice"
PURCHASE_ORDER: Final = "purchaseorder"

#: The contract's types of such methods. A merchant offers them by naming them in the settings.
METHODS: Final = frozenset({INVOICE, PURCHASE_ORDER})

CAPABILITIES: Final = Capabilities(
    methods=METHODS,
    captures=CaptureSupport.MULTIPLE,
    remainder=Remainder.KEPT,
    refund_scope=RefundScope.PAYMENT,
    # Nothing is sent, so nothing can be sent too late.
    key_lifetime=timedelta(days=3650),
    key_length_max=255,
    # Whoever asks is told that nothing is known, and that is true: nothing happens anywhere but in commercetools.
    lookup_by=frozenset(LookupBy),
)


_PREFIX: Final = "on-account-"


def is_on_account(payment_reference: str | None) -> bool:
    """Whether this names a payment on account: no PSP has such names, and commercetools lets them be set only once."""
    return payment_reference is not None and payment_reference.startswith(_PREFIX)


class OnAccount:
    """Implements `PspAdapter`."""

    name = "on-account"
    capabilities = CAPABILITIES

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def authorize(self, request: AuthorizeRequest) -> Answer:
        return self._done(Kind.AUTHORIZATION, request.amount, request.reference)

    async def complete(self, _request: CompleteRequest) -> Answer:
        return Answer(facts=())

    async def capture(self, request: CaptureRequest) -> Answer:
        return self._done(Kind.CHARGE, request.amount, request.reference)

    async def cancel(self, request: CancelRequest) -> Answer:
        return self._done(Kind.CANCEL_AUTHORIZATION, request.amount, request.reference)

    async def refund(self, request: RefundRequest) -> Answer:
        return self._done(Kind.REFUND, request.amount, request.reference)

    async def forget(self, _request: ForgetRequest) -> None:
        return None

    async def lookup(self, _request: LookupRequest) -> Answer:
        return Answer(facts=())

    async def page(self, _request: ListRequest) -> Page:
        return Page(facts=(), cursor=None)

    def parse_webhook(self, _body: bytes) -> tuple[Event, ...]:
        return ()

    def scrub(self, text: str) -> str:
        return text

    def _done(self, kind: Kind, amount: Money, reference: Reference) -> Answer:
        fact = Fact(
            kind=kind,
            state=State.SUCCESS,
            amount=amount,
            at=self._clock(),
            psp_reference=reference.transaction_id,
            # Unique, and of a form that no PSP's references have.
            payment_reference=f"{_PREFIX}{reference.payment_id}",
            reference=reference,
        )
        return Answer(facts=(fact,))


def on_account(clock: Clock) -> Mapping[str, OnAccount]:
    """Each of the methods with who answers for it."""
    adapter = OnAccount(clock)
    return dict.fromkeys(METHODS, adapter)
