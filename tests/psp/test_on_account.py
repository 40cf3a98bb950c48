"""On account: every promise is taken at once, under our own names, and there is nobody to ask."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from psp.facts import Fact, Kind, Reference, State
from psp.money import Money
from psp.on_account import OnAccount, is_on_account, on_account
from psp.port import (
    Answer,
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    ForgetRequest,
    ListRequest,
    LookupRequest,
    Page,
    RefundRequest,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = Reference(project_key="demo", payment_id="p-1", transaction_id="t-1")
AUTHORIZATION = Reference(project_key="demo", payment_id="p-1", transaction_id="t-0")
AMOUNT = Money(amount=4200, currency="EUR")
NAME = "on-account-p-1"


@pytest.fixture
def adapter():
    return OnAccount(lambda: NOW)


ASKED = {
    Kind.AUTHORIZATION: lambda adapter: adapter.authorize(
        AuthorizeRequest(reference=OURS, amount=AMOUNT, method="invoice", token=None, return_url="https://shop.test")
    ),
    Kind.CHARGE: lambda adapter: adapter.capture(CaptureRequest(reference=OURS, payment_reference=NAME, amount=AMOUNT)),
    Kind.CANCEL_AUTHORIZATION: lambda adapter: adapter.cancel(
        CancelRequest(reference=OURS, authorization=AUTHORIZATION, payment_reference=NAME, amount=AMOUNT)
    ),
    Kind.REFUND: lambda adapter: adapter.refund(RefundRequest(reference=OURS, payment_reference=NAME, amount=AMOUNT)),
}


@pytest.mark.parametrize("kind", ASKED)
async def test_whatever_is_asked_for_is_done_at_once_and_bears_our_own_names(adapter, kind):
    done = Fact(
        kind=kind,
        state=State.SUCCESS,
        amount=AMOUNT,
        at=NOW,
        psp_reference="t-1",
        payment_reference=NAME,
        reference=OURS,
    )
    assert await ASKED[kind](adapter) == Answer(facts=(done,))


async def test_nothing_happens_anywhere_else_so_there_is_nothing_to_tell(adapter):
    span = ListRequest(since=NOW, until=NOW)
    named = {"reference": OURS, "payment_reference": NAME}
    assert await adapter.complete(CompleteRequest(**named)) == Answer(facts=())
    assert await adapter.lookup(LookupRequest(**named, authorization=AUTHORIZATION)) == Answer(facts=())
    assert await adapter.page(span) == Page(facts=(), cursor=None)
    assert await adapter.forget(ForgetRequest(token=SecretStr("pm_1"))) is None
    assert adapter.parse_webhook(b"anything") == ()
    assert adapter.scrub("anything") == "anything"


@pytest.mark.parametrize(
    ("payment_reference", "ours"), [(NAME, True), ("pay_1", False), ("pay-on-account-1", False), (None, False)]
)
def test_its_payments_are_told_from_a_psps_by_their_names(payment_reference, ours):
    assert is_on_account(payment_reference) is ours


async def test_each_of_its_methods_has_the_same_one_to_answer_for_it():
    adapters = on_account(lambda: NOW)
    assert set(adapters) == {"invoice", "purchaseorder"}
    (adapter,) = set(adapters.values())
    assert (await ASKED[Kind.CHARGE](adapter)).facts[0].at == NOW
