"""Each builder is held equal to what the SDK's own model serializes to, where the SDK has one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from commercetools.platform.models import (
    CartAddPaymentAction,
    CartUpdate,
    CustomerResourceIdentifier,
    CustomFieldsDraft,
    FieldContainer,
    Money,
    PaymentAddInterfaceInteractionAction,
    PaymentAddTransactionAction,
    PaymentChangeTransactionInteractionIdAction,
    PaymentChangeTransactionStateAction,
    PaymentChangeTransactionTimestampAction,
    PaymentDraft,
    PaymentMethodInfo,
    PaymentResourceIdentifier,
    PaymentSetInterfaceIdAction,
    PaymentSetMethodInfoNameAction,
    PaymentSetStatusInterfaceCodeAction,
    PaymentSetStatusInterfaceTextAction,
    PaymentSetTransactionCustomFieldAction,
    PaymentSetTransactionCustomTypeAction,
    PaymentUpdate,
    TransactionDraft,
    TransactionState,
    TransactionType,
    TypeResourceIdentifier,
)

from ct import actions
from ct.fields import PURCHASE_ORDER_TYPE, InteractionKind, PurchaseOrderField, TransactionField
from psp import money
from psp.facts import Kind, State

AT = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)
OURS = TypeResourceIdentifier(key="ctpay-transaction")
LOG = TypeResourceIdentifier(key="ctpay-interaction")


def pruned(value):
    """commercetools reads an absent field and a null alike; the SDK writes nulls."""
    if isinstance(value, dict):
        return {key: pruned(one) for key, one in value.items() if one is not None}
    return [pruned(one) for one in value] if isinstance(value, list) else value


def moments(value):
    """Moments as moments: the SDK writes `+00:00` and microseconds where we write `Z` and milliseconds."""
    if isinstance(value, dict):
        return {key: moments(one) for key, one in value.items()}
    if isinstance(value, list):
        return [moments(one) for one in value]
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value


def sdk_action(action):
    return pruned(PaymentUpdate(version=1, actions=[action]).serialize())["actions"][0]


PAIRS = {
    "addTransaction": (
        actions.add_transaction(
            actions.transaction_draft(
                kind=Kind.CHARGE,
                amount=money.Money(amount=42, currency="EUR"),
                state=State.INITIAL,
                at=AT,
                interaction_id="cap-1",
                fields={TransactionField.COMMAND_ID: "c1"},
            )
        ),
        PaymentAddTransactionAction(
            transaction=TransactionDraft(
                type=TransactionType.CHARGE,
                amount=Money(cent_amount=42, currency_code="EUR"),
                state=TransactionState.INITIAL,
                timestamp=AT,
                interaction_id="cap-1",
                custom=CustomFieldsDraft(type=OURS, fields=FieldContainer({"ctpayCommandId": "c1"})),
            )
        ),
    ),
    "changeTransactionState": (
        actions.change_transaction_state("t", State.REVERSED),
        PaymentChangeTransactionStateAction(transaction_id="t", state=TransactionState.FAILURE),
    ),
    "changeTransactionTimestamp": (
        actions.change_transaction_timestamp("t", AT),
        PaymentChangeTransactionTimestampAction(transaction_id="t", timestamp=AT),
    ),
    "changeTransactionInteractionId": (
        actions.change_transaction_interaction_id("t", "i"),
        PaymentChangeTransactionInteractionIdAction(transaction_id="t", interaction_id="i"),
    ),
    "setTransactionCustomType": (
        actions.set_transaction_custom_type("t", {TransactionField.REVERSED: True}),
        PaymentSetTransactionCustomTypeAction(
            transaction_id="t", type=OURS, fields=FieldContainer({"ctpayReversed": True})
        ),
    ),
    "setTransactionCustomField": (
        actions.set_transaction_custom_field("t", TransactionField.SUPERSEDED, value=True),
        PaymentSetTransactionCustomFieldAction(transaction_id="t", name="ctpaySuperseded", value=True),
    ),
    "setTransactionCustomField: removal": (
        actions.set_transaction_custom_field("t", TransactionField.ACTION, value=None),
        PaymentSetTransactionCustomFieldAction(transaction_id="t", name="ctpayAction"),
    ),
    "setInterfaceId": (actions.set_interface_id("p"), PaymentSetInterfaceIdAction(interface_id="p")),
    "setStatusInterfaceCode": (
        actions.set_status_interface_code("51"),
        PaymentSetStatusInterfaceCodeAction(interface_code="51"),
    ),
    "setStatusInterfaceText": (
        actions.set_status_interface_text("no"),
        PaymentSetStatusInterfaceTextAction(interface_text="no"),
    ),
    "setMethodInfoName": (
        actions.set_method_info_name("Visa"),
        PaymentSetMethodInfoNameAction(name={"en": "Visa"}),
    ),
    "addInterfaceInteraction": (
        actions.add_interaction(kind=InteractionKind.FACT, cause="e", at=AT, transaction_id="t", code="c", message="m"),
        PaymentAddInterfaceInteractionAction(
            type=LOG,
            fields=FieldContainer(
                {
                    "ctpayKind": "fact",
                    "ctpayCause": "e",
                    "ctpayAt": "2026-03-01T12:30:15.123Z",
                    "ctpayTransactionId": "t",
                    "ctpayCode": "c",
                    "ctpayMessage": "m",
                }
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_builder_makes_what_the_sdk_makes(name):
    ours, theirs = PAIRS[name]
    assert moments(ours) == moments(sdk_action(theirs))


def test_the_cart_action_is_the_sdks():
    theirs = CartUpdate(version=1, actions=[CartAddPaymentAction(payment=PaymentResourceIdentifier(id="p"))])
    assert actions.add_payment("p") == pruned(theirs.serialize())["actions"][0]


def test_the_payment_draft_is_the_sdks():
    transaction = actions.transaction_draft(
        kind=Kind.AUTHORIZATION, amount=money.Money(amount=42, currency="EUR"), state=State.INITIAL, at=AT
    )
    ours = actions.payment_draft(
        key="k",
        planned=money.Money(amount=42, currency="EUR"),
        interface="ctpay-test",
        method="card",
        customer_id="cust",
        anonymous_id=None,
        transaction=transaction,
    )
    theirs = PaymentDraft(
        key="k",
        amount_planned=Money(cent_amount=42, currency_code="EUR"),
        payment_method_info=PaymentMethodInfo(payment_interface="ctpay-test", method="card"),
        customer=CustomerResourceIdentifier(id="cust"),
        transactions=[
            TransactionDraft(
                type=TransactionType.AUTHORIZATION,
                amount=Money(cent_amount=42, currency_code="EUR"),
                state=TransactionState.INITIAL,
                timestamp=AT,
            )
        ],
    )
    assert moments(ours) == moments(pruned(theirs.serialize()))


def test_an_anonymous_shopper_and_a_log_entry_go_into_the_draft():
    entry = actions.interaction_draft(kind=InteractionKind.REFUSAL, cause="c", at=AT)
    draft = actions.payment_draft(
        key="k",
        planned=money.Money(amount=42, currency="EUR"),
        interface="i",
        method="card",
        customer_id=None,
        anonymous_id="anon",
        transaction={},
        interactions=(entry,),
    )
    assert (draft["anonymousId"], draft["interfaceInteractions"]) == ("anon", [entry])


def test_a_long_text_of_the_psp_is_cut():
    entry = actions.add_interaction(kind=InteractionKind.FACT, cause="e", at=AT, message="x" * 9999)
    assert len(entry["fields"]["ctpayMessage"]) == actions.TEXT_LENGTH_MAX


def test_a_purchase_orders_fields_are_a_custom_type_of_the_payment():
    ours = actions.payment_draft(
        key="k",
        planned=money.Money(amount=42, currency="EUR"),
        interface="i",
        method="purchaseorder",
        customer_id=None,
        anonymous_id=None,
        transaction={},
        purchase_order={PurchaseOrderField.NUMBER: "PO-7"},
    )
    theirs = PaymentDraft(
        amount_planned=Money(cent_amount=42, currency_code="EUR"),
        custom=CustomFieldsDraft(
            type=TypeResourceIdentifier(key=PURCHASE_ORDER_TYPE.key),
            fields=FieldContainer({PurchaseOrderField.NUMBER.value: "PO-7"}),
        ),
    )
    assert ours["custom"] == pruned(theirs.serialize())["custom"]
