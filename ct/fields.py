"""Our own fields in commercetools: custom types that `ctpay setup` creates and everybody else only names.

Two are needed for every payment: for transactions and for interface interactions. One is for stored payment methods.
Their field names bear our prefix because commercetools wants one definition of a field name across all the types of a
project. One, for purchase orders, is the Checkout contract's, and so are its names. A type that exists gets its missing
fields added and is never overwritten.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class FieldType(enum.StrEnum):
    """The kinds of custom field that we use."""

    STRING = "String"
    BOOLEAN = "Boolean"
    NUMBER = "Number"
    DATE_TIME = "DateTime"


class TransactionField(enum.StrEnum):
    """What we keep on a transaction that is ours."""

    #: The command that reserved it. Its presence tells our transactions from a merchant's.
    COMMAND_ID = "ctpayCommandId"
    #: Hash of what identifies the money, to notice a key that is reused for something else.
    REQUEST_HASH = "ctpayRequestHash"
    #: When the ingress accepted the command.
    ACCEPTED_AT = "ctpayAcceptedAt"
    #: Until when it may be sent to the PSP for the first time.
    SEND_BY = "ctpaySendBy"
    #: The shopper's slot: project, session, cart, method and amount, hashed.
    SLOT = "ctpaySlot"
    #: The cart whose payments were weighed, and the version of it.
    CART_ID = "ctpayCartId"
    CART_VERSION = "ctpayCartVersion"
    #: On a Refund: the Charge it is taken from.
    CHARGE_ID = "ctpayChargeId"
    #: The merchant's own name for the operation.
    MERCHANT_REFERENCE = "ctpayMerchantReference"
    #: The shopper's open action, as JSON.
    ACTION = "ctpayAction"
    #: When the action was opened.
    ACTION_AT = "ctpayActionAt"
    #: The attempt was given up: it counts no more and cannot be completed.
    SUPERSEDED = "ctpaySuperseded"
    #: Happened and was undone later: stored as Failure with this mark.
    REVERSED = "ctpayReversed"
    #: Succeeded after it was taken for failed, or while it was on no cart: whether its cart is paid for otherwise is
    #: looked at for a while.
    LATE = "ctpayLate"
    #: On what the PSP told of unasked: its name of the operation, whatever becomes of the `interactionId`.
    PSP_REFERENCE = "ctpayPspReference"


class CardField(enum.StrEnum):
    """What we keep on a stored payment method, so that its customer recognises it."""

    BRAND = "ctpayBrand"
    LAST_FOUR = "ctpayLastFour"
    EXPIRY_MONTH = "ctpayExpiryMonth"
    EXPIRY_YEAR = "ctpayExpiryYear"


class PurchaseOrderField(enum.StrEnum):
    """What a buyer tells with a purchase order or an invoice: the Checkout contract's own names."""

    NUMBER = "launchpadPurchaseOrderNumber"
    MEMO = "launchpadPurchaseOrderInvoiceMemo"


class InteractionField(enum.StrEnum):
    """What one entry of the Payment's log holds."""

    #: One of `InteractionKind`.
    KIND = "ctpayKind"
    #: The command or event that caused it.
    CAUSE = "ctpayCause"
    #: The transaction it is about.
    TRANSACTION_ID = "ctpayTransactionId"
    #: The state that the PSP told.
    STATE = "ctpayState"
    AT = "ctpayAt"
    CODE = "ctpayCode"
    MESSAGE = "ctpayMessage"
    #: Of a reservation and a refusal: what identified the money, to notice a key that is reused for something else.
    REQUEST_HASH = "ctpayRequestHash"
    #: Of an attempt's reservation: whose it is, a hash of project and session. Who may ask how it stands.
    OWNER = "ctpayOwner"


class InteractionKind(enum.StrEnum):
    """Why an entry was written."""

    #: The PSP told something that changed a transaction.
    FACT = "fact"
    #: A command reserved a transaction: of the kind in the code, under the command id in the message. So it stays told
    #: when other software replaces the transaction's custom type, and our fields with it.
    RESERVED = "reserved"
    #: We took on a transaction that a merchant had put there; of a Refund, the message is the Charge it is taken from.
    CLAIM = "claim"
    #: The law forbade a command.
    REFUSAL = "refusal"
    #: A repeated request was answered with this Payment.
    JOINED = "joined"
    #: The PSP told of an amount that is not the transaction's. A person should look.
    MISMATCH = "mismatch"
    #: A transaction happened and was undone.
    REVERSED = "reversed"
    #: The attempt was given up.
    SUPERSEDED = "superseded"
    #: Success came where the transaction was taken for failed, by whomever; or where the Payment was on no cart.
    LATE = "late"
    #: The money is on no cart, or its cart bears only a part of it; and that is not known to be paid for otherwise. A
    #: person should look.
    OFF_CART = "off-cart"
    #: The outcome at the PSP is not known and the PSP cannot tell. A person should look.
    UNKNOWN = "unknown"
    #: The means of payment was put on the customer's list of stored methods.
    STORED = "stored"
    #: The PSP told what it calls the payment, in the message, where somebody had set another `interfaceId` already.
    NAMED = "named"
    #: A person has ended what stayed unknown: who in the cause, why in the message.
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomType:
    """A custom type as `ctpay setup` makes it."""

    key: str
    #: For people in the Merchant Center.
    name: str
    #: commercetools' resource type id of what it extends.
    resource: str
    fields: Mapping[str, FieldType]


TRANSACTION_TYPE: Final = CustomType(
    key="ctpay-transaction",
    name="ctpay: transaction",
    resource="transaction",
    fields={
        TransactionField.COMMAND_ID: FieldType.STRING,
        TransactionField.REQUEST_HASH: FieldType.STRING,
        TransactionField.ACCEPTED_AT: FieldType.DATE_TIME,
        TransactionField.SEND_BY: FieldType.DATE_TIME,
        TransactionField.SLOT: FieldType.STRING,
        TransactionField.CART_ID: FieldType.STRING,
        TransactionField.CART_VERSION: FieldType.NUMBER,
        TransactionField.CHARGE_ID: FieldType.STRING,
        TransactionField.MERCHANT_REFERENCE: FieldType.STRING,
        TransactionField.ACTION: FieldType.STRING,
        TransactionField.ACTION_AT: FieldType.DATE_TIME,
        TransactionField.SUPERSEDED: FieldType.BOOLEAN,
        TransactionField.REVERSED: FieldType.BOOLEAN,
        TransactionField.LATE: FieldType.BOOLEAN,
        TransactionField.PSP_REFERENCE: FieldType.STRING,
    },
)

INTERACTION_TYPE: Final = CustomType(
    key="ctpay-interaction",
    name="ctpay: interaction",
    resource="payment-interface-interaction",
    fields={
        InteractionField.KIND: FieldType.STRING,
        InteractionField.CAUSE: FieldType.STRING,
        InteractionField.TRANSACTION_ID: FieldType.STRING,
        InteractionField.STATE: FieldType.STRING,
        InteractionField.AT: FieldType.DATE_TIME,
        InteractionField.CODE: FieldType.STRING,
        InteractionField.MESSAGE: FieldType.STRING,
        InteractionField.REQUEST_HASH: FieldType.STRING,
        InteractionField.OWNER: FieldType.STRING,
    },
)

CARD_TYPE: Final = CustomType(
    key="ctpay-payment-method",
    name="ctpay: stored payment method",
    resource="payment-method",
    fields={
        CardField.BRAND: FieldType.STRING,
        CardField.LAST_FOUR: FieldType.STRING,
        CardField.EXPIRY_MONTH: FieldType.NUMBER,
        CardField.EXPIRY_YEAR: FieldType.NUMBER,
    },
)

PURCHASE_ORDER_TYPE: Final = CustomType(
    key="payment-launchpad-purchase-order",
    name="Purchase order",
    resource="payment",
    fields={
        PurchaseOrderField.NUMBER: FieldType.STRING,
        PurchaseOrderField.MEMO: FieldType.STRING,
    },
)

#: Everything that `ctpay setup` makes and readiness asks for.
TYPES: Final = (TRANSACTION_TYPE, INTERACTION_TYPE, CARD_TYPE, PURCHASE_ORDER_TYPE)
