"""Orders, made from carts."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import carts, checks, fields
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, clone, words
from sandbox.commercetools.errors import conflict, duplicate, invalid_operation, required
from sandbox.commercetools.kinds import Action, Scalar, Tree, set_or_drop
from sandbox.commercetools.state import Desk, Message

_PAYMENT_STATE: Final = checks.one_of("BalanceDue", "Failed", "Pending", "CreditOwed", "Paid")
_ORDER_STATE: Final = checks.one_of("Open", "Confirmed", "Complete", "Cancelled")
_SHIPMENT_STATE: Final = checks.one_of(
    *("Shipped", "Delivered", "Ready", "Pending", "Delayed", "Partial", "Backorder", "Canceled")
)

DRAFT: Final = Shape(
    required={"version": checks.whole(low=1)},
    optional={
        # The deprecated way to name the cart; the SDK of some languages still has no other.
        "id": checks.NAME,
        "cart": checks.identifier("cart"),
        "orderNumber": checks.NAME,
        "purchaseOrderNumber": checks.ANY_TEXT,
        "paymentState": _PAYMENT_STATE,
        "shipmentState": _SHIPMENT_STATE,
        "orderState": _ORDER_STATE,
        "custom": checks.CUSTOM,
    },
    beyond=("state",),
)
#: What an order takes over from its cart.
_COPIED: Final = words(
    "customerId customerEmail anonymousId lineItems customLineItems totalPrice taxedPrice taxMode priceRoundingMode"
    " taxRoundingMode taxCalculationMode inventoryMode billingAddress shippingAddress shippingMode shipping"
    " itemShippingAddresses discountCodes directDiscounts refusedGifts paymentInfo country locale origin custom"
    " purchaseOrderNumber"
)

SEARCHABLE: Final[dict[str, Tree]] = {
    **{name: carts.SEARCHABLE[name] for name in ("customerId", "customerEmail", "anonymousId", "totalPrice")},
    **{name: carts.SEARCHABLE[name] for name in ("country", "paymentInfo", "customLineItems", "custom")},
    "orderNumber": Scalar.TEXT,
    "orderState": Scalar.TEXT,
    "paymentState": Scalar.TEXT,
    "shipmentState": Scalar.TEXT,
    "cart": {"typeId": Scalar.TEXT, "id": Scalar.TEXT},
}
INDEXED: Final = words("id orderNumber customerId cart.id paymentInfo.payments.id")


EXPANSIONS: Final = {**carts.EXPANSIONS, "cart": ("cart",)}


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    """An order, and its cart set to Ordered. Raises where the cart has changed, is empty or ordered already."""
    if ("id" in draft) == ("cart" in draft):
        raise required("cart")
    cart = desk.find(draft.get("cart", {"typeId": "cart", "id": draft.get("id")}))
    if draft["version"] != cart["version"]:
        raise conflict(cart["id"], expected=draft["version"], actual=cart["version"])
    carts.before_update(cart)
    if not cart["customLineItems"]:
        raise invalid_operation("The cart is empty: there is nothing to order.")
    number = draft.get("orderNumber")
    holder = desk.shelf("order").holder("orderNumber", number) if number is not None else None
    if holder is not None:
        raise duplicate("orderNumber", number, type_id="order", holder=holder)
    order = {name: clone(cart[name]) for name in _COPIED if name in cart}
    order.update({name: draft[name] for name in ("orderNumber", "purchaseOrderNumber") if name in draft})
    order.update({name: draft[name] for name in ("paymentState", "shipmentState") if name in draft})
    order.update(orderState=draft.get("orderState", "Open"), cart={"typeId": "cart", "id": cart["id"]})
    order.update(syncInfo=[], returnInfo=[])
    if "custom" in draft:
        order["custom"] = fields.resolve(draft["custom"], "order", desk)
    ordered = {**cart, "cartState": "Ordered", "version": cart["version"] + 1, "lastModifiedAt": desk.now}
    desk.beside.append(("cart", ordered, []))
    return order, []


def _change(name: str, check: checks.Check, told: str) -> Action:
    def apply(order: Document, action: Document, _: Desk) -> list[Message]:
        old = {f"old{name[0].upper()}{name[1:]}": order[name]} if name in order else {}
        set_or_drop(order, name, action[name])
        return [Message(type=told, fields={name: action[name], **old})]

    return Action(shape=Shape(required={name: check}), apply=apply)


ACTIONS: Final[dict[str, Action]] = {
    "addPayment": Action(shape=carts.PAYMENT, apply=carts.add_payment),
    "changeOrderState": _change("orderState", _ORDER_STATE, "OrderStateChanged"),
    "changePaymentState": _change("paymentState", _PAYMENT_STATE, "OrderPaymentStateChanged"),
    "changeShipmentState": _change("shipmentState", _SHIPMENT_STATE, "OrderShipmentStateChanged"),
    "removePayment": Action(shape=carts.PAYMENT, apply=carts.remove_payment),
    "setCustomField": fields.field_setter(fields.itself, also={}),
    "setCustomType": fields.type_setter("order", fields.itself, also={}),
}
