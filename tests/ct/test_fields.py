"""Our own names in commercetools. Payments of years ago bear them, so changing one loses what they say."""

from __future__ import annotations

from ct.fields import TYPES, InteractionKind
from ct.setup import Result

#: As `ctpay setup` makes them in a merchant's project.
TYPES_AS_STORED = [
    {
        "key": "ctpay-transaction",
        "resource": "transaction",
        "fields": {
            "ctpayCommandId": "String",
            "ctpayRequestHash": "String",
            "ctpayAcceptedAt": "DateTime",
            "ctpaySendBy": "DateTime",
            "ctpaySlot": "String",
            "ctpayCartId": "String",
            "ctpayCartVersion": "Number",
            "ctpayChargeId": "String",
            "ctpayMerchantReference": "String",
            "ctpayAction": "String",
            "ctpayActionAt": "DateTime",
            "ctpaySuperseded": "Boolean",
            "ctpayReversed": "Boolean",
            "ctpayLate": "Boolean",
            "ctpayPspReference": "String",
        },
    },
    {
        "key": "ctpay-interaction",
        "resource": "payment-interface-interaction",
        "fields": {
            "ctpayKind": "String",
            "ctpayCause": "String",
            "ctpayTransactionId": "String",
            "ctpayState": "String",
            "ctpayAt": "DateTime",
            "ctpayCode": "String",
            "ctpayMessage": "String",
            "ctpayRequestHash": "String",
            "ctpayOwner": "String",
        },
    },
    {
        "key": "ctpay-payment-method",
        "resource": "payment-method",
        "fields": {
            "ctpayBrand": "String",
            "ctpayLastFour": "String",
            "ctpayExpiryMonth": "Number",
            "ctpayExpiryYear": "Number",
        },
    },
    {
        "key": "payment-launchpad-purchase-order",
        "resource": "payment",
        "fields": {"launchpadPurchaseOrderNumber": "String", "launchpadPurchaseOrderInvoiceMemo": "String"},
    },
]
#: What the members mean is in the enum; these are the words in the logs of Payments.
KINDS_AS_STORED = {
    "FACT": "fact",
    "RESERVED": "reserved",
    "CLAIM": "claim",
    "REFUSAL": "refusal",
    "JOINED": "joined",
    "MISMATCH": "mismatch",
    "REVERSED": "reversed",
    "SUPERSEDED": "superseded",
    "LATE": "late",
    "OFF_CART": "off-cart",
    "UNKNOWN": "unknown",
    "STORED": "stored",
    "NAMED": "named",
    "RESOLVED": "resolved",
}


def test_the_types_that_setup_makes_keep_their_names_and_the_order_of_their_fields():
    made = [
        {
            "key": one.key,
            "resource": one.resource,
            "fields": [(str(name), str(kind)) for name, kind in one.fields.items()],
        }
        for one in TYPES
    ]
    assert made == [{**one, "fields": list(one["fields"].items())} for one in TYPES_AS_STORED]


def test_each_field_is_called_by_what_it_holds():
    """A mix-up of two members would agree with itself in every other test, and not with what is stored already."""
    for type_, stored in zip(TYPES, TYPES_AS_STORED, strict=True):
        for field, name in zip(type_.fields, stored["fields"], strict=True):
            words = field.name.replace("_", "").lower()
            assert name.lower().removeprefix("ctpay").removeprefix("launchpadpurchaseorder").endswith(words)


def test_the_kinds_of_log_entry_keep_their_words():
    assert {one.name: one.value for one in InteractionKind} == KINDS_AS_STORED


def test_what_setup_did_is_told_in_words_that_stay():
    """Whoever reads the JSON of `ctpay setup` goes by them."""
    assert [one.value for one in Result] == ["created", "extended", "unchanged"]
