"""Carts, filled with custom line items: enough to pay for, and to change the total of what is paid for."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks, fields
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.errors import invalid_field, invalid_operation, required
from sandbox.commercetools.kinds import CUSTOM, MONEY, REFERENCE, Action, Apply, Scalar, Tree, set_or_drop, setter
from sandbox.commercetools.state import Desk, Message

_SLUG: Final = checks.text(low=2, high=256, pattern="[A-Za-z0-9_-]+")
_ADDRESS: Final = Shape(
    optional=dict.fromkeys(
        words(
            "id key title salutation firstName lastName streetName streetNumber additionalStreetInfo postalCode city"
            " region state company department building apartment pOBox phone mobile email fax"
            " additionalAddressInfo externalId country"
        ),
        checks.ANY_TEXT,
    )
)
_LINE: Final = Shape(
    required={"name": checks.localized, "money": checks.money, "slug": _SLUG},
    optional={
        "key": checks.KEY,
        "quantity": checks.whole(),
        "priceMode": checks.one_of("Standard", "External"),
        "custom": checks.CUSTOM,
    },
    beyond=("taxCategory", "externalTaxRate", "shippingDetails", "recurrenceInfo"),
)
_COUNTRY: Final = checks.text(pattern="[A-Z]{2}")
#: Fields that are stored as they come: name, check.
_PLAIN: Final[dict[str, checks.Check]] = {
    "key": checks.KEY,
    "customerId": checks.NAME,
    "customerEmail": checks.ANY_TEXT,
    "anonymousId": checks.NAME,
    "billingAddress": _ADDRESS,
    "shippingAddress": _ADDRESS,
    "country": _COUNTRY,
    "locale": checks.ANY_TEXT,
    "deleteDaysAfterLastModification": checks.whole(low=1, high=365_250),
    "purchaseOrderNumber": checks.ANY_TEXT,
}
#: Fields with a value even where the draft has none.
_MODES: Final = {
    "taxMode": ("Platform", "External", "ExternalAmount", "Disabled"),
    "priceRoundingMode": ("HalfEven", "HalfUp", "HalfDown"),
    "taxRoundingMode": ("HalfEven", "HalfUp", "HalfDown"),
    "taxCalculationMode": ("LineItemLevel", "UnitPriceLevel"),
    "inventoryMode": ("None", "TrackOnly", "ReserveOnOrder", "ReserveOnCart"),
    "shippingMode": ("Single", "Multiple"),
    "origin": ("Customer", "Merchant"),
}
_EMPTY: Final = ("lineItems", "shipping", "itemShippingAddresses", "discountCodes", "directDiscounts", "refusedGifts")

DRAFT: Final = Shape(
    required={"currency": checks.ANY_TEXT},
    optional={
        **_PLAIN,
        **{name: checks.one_of(*values) for name, values in _MODES.items()},
        "customLineItems": checks.array(_LINE),
        "custom": checks.CUSTOM,
    },
    beyond=words(
        "customerGroup businessUnit store lineItems externalTaxRateForShippingMethod shippingMethod shippingRateInput"
        " customShipping shipping itemShippingAddresses discountCodes"
    ),
)

_PAYMENT_INFO: Final[dict[str, Tree]] = {"payments": REFERENCE}
SEARCHABLE: Final[dict[str, Tree]] = {
    "customerId": Scalar.TEXT,
    "customerEmail": Scalar.TEXT,
    "anonymousId": Scalar.TEXT,
    "cartState": Scalar.TEXT,
    "totalPrice": MONEY,
    "country": Scalar.TEXT,
    "locale": Scalar.TEXT,
    "paymentInfo": _PAYMENT_INFO,
    "customLineItems": {
        "id": Scalar.TEXT,
        "key": Scalar.TEXT,
        "slug": Scalar.TEXT,
        "name": Scalar.ANY,
        "money": MONEY,
        "quantity": Scalar.NUMBER,
        "custom": CUSTOM,
    },
    "custom": CUSTOM,
}
INDEXED: Final = words("id key customerId anonymousId paymentInfo.payments.id")


EXPANSIONS: Final = {
    "paymentInfo.payments[*]": ("paymentInfo", "payments"),
    "custom.type": ("custom", "type"),
}


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    cart: Document = {name: value for name, value in draft.items() if name in _PLAIN}
    cart.update({name: draft.get(name, values[0]) for name, values in _MODES.items()})
    cart.update({name: [] for name in _EMPTY})
    cart["cartState"] = "Active"
    cart["totalPrice"] = checks.money({"currencyCode": draft["currency"], "centAmount": 0}, "currency")
    cart["customLineItems"] = [_line(each, cart, desk) for each in draft.get("customLineItems", [])]
    if "custom" in draft:
        cart["custom"] = fields.resolve(draft["custom"], "order", desk)
    _add_up(cart)
    return cart, []


def _line(draft: Document, cart: Document, desk: Desk) -> Document:
    _same_currency(draft["money"], cart)
    line = {
        **{name: value for name, value in draft.items() if name in {"name", "key", "money", "slug"}},
        "id": desk.new_id(),
        "quantity": draft.get("quantity", 1),
        "priceMode": draft.get("priceMode", "Standard"),
        "totalPrice": draft["money"],
        **{name: [] for name in ("state", "taxedPricePortions", "perMethodTaxRate", "discountedPricePerQuantity")},
    }
    if "custom" in draft:
        line["custom"] = fields.resolve(draft["custom"], "custom-line-item", desk)
    return line


def _same_currency(money: Document, cart: Document) -> None:
    currency = cart["totalPrice"]["currencyCode"]
    if money["currencyCode"] != currency:
        raise invalid_field("money.currencyCode", money["currencyCode"], f"the cart's currency is {currency}.")


def _add_up(cart: Document) -> None:
    """Set the total from the items. Neither tax nor discounts here."""
    for line in cart["customLineItems"]:
        line["totalPrice"] = {**line["money"], "centAmount": line["money"]["centAmount"] * line["quantity"]}
    total = sum(line["totalPrice"]["centAmount"] for line in cart["customLineItems"])
    cart["totalPrice"] = {**cart["totalPrice"], "centAmount": total}


def add_payment(document: Document, action: Document, desk: Desk) -> list[Message]:
    """Put a payment on a cart or an order. It must not be on another order or active cart."""
    reference = desk.resolve(action["payment"])
    held = document.setdefault("paymentInfo", {"payments": []})["payments"]
    if reference in held:
        return []
    for type_id in ("cart", "order"):
        for holder in desk.shelf(type_id).ids("paymentInfo.payments.id", reference["id"]):
            other = desk.shelf(type_id).peek(holder)
            if holder != document["id"] and other is not None and other.get("cartState", "Active") in _HOLDING:
                raise invalid_operation(f"The payment '{reference['id']}' is on the {type_id} '{holder}' already.")
    held.append(reference)
    return [Message(type="OrderPaymentAdded", fields={"paymentRef": reference})]


#: An ordered or merged cart has let go of its payments. (An order has no cartState and holds them always.)
_HOLDING: Final = {"Active", "Frozen"}


def remove_payment(document: Document, action: Document, desk: Desk) -> list[Message]:
    reference = desk.resolve(action["payment"])
    held = document.get("paymentInfo", {}).get("payments", [])
    if reference not in held:
        raise invalid_operation(f"The payment '{reference['id']}' is not on this {document['id']}.")
    held.remove(reference)
    if not held:
        del document["paymentInfo"]
    told = {"paymentRef": reference, "removedPaymentInfo": not held}
    return [Message(type="OrderPaymentRemoved", fields=told)]


def _item(cart: Document, action: Document) -> Document:
    by = {"customLineItemId": "id", "customLineItemKey": "key"}
    given = [name for name in by if name in action]
    if len(given) != 1:
        raise required("customLineItemId")
    for line in cart["customLineItems"]:
        if line.get(by[given[0]]) == action[given[0]]:
            return line  # type: ignore[no-any-return]  # a document's lists hold documents
    raise invalid_field(given[0], action[given[0]], "the cart has no such custom line item.")


def _priced(cart: Document) -> None:
    if cart["cartState"] == "Frozen":
        raise invalid_operation("The cart is frozen: its prices cannot change. Unfreeze it first.")


def _add_item(cart: Document, action: Document, desk: Desk) -> list[Message]:
    _priced(cart)
    draft = {name: value for name, value in action.items() if name != "action"}
    cart["customLineItems"].append(_line(draft, cart, desk))
    _add_up(cart)
    return []


def _change_quantity(cart: Document, action: Document, _: Desk) -> list[Message]:
    _priced(cart)
    line = _item(cart, action)
    if action["quantity"] == 0:
        cart["customLineItems"].remove(line)
    line["quantity"] = action["quantity"]
    _add_up(cart)
    return []


def _change_money(cart: Document, action: Document, _: Desk) -> list[Message]:
    _priced(cart)
    _same_currency(action["money"], cart)
    _item(cart, action)["money"] = action["money"]
    _add_up(cart)
    return []


def _remove_item(cart: Document, action: Document, _: Desk) -> list[Message]:
    _priced(cart)
    cart["customLineItems"].remove(_item(cart, action))
    _add_up(cart)
    return []


def _freeze(cart: Document, action: Document, _: Desk) -> list[Message]:
    cart.update(cartState="Frozen", freezeStrategy=action.get("strategy", "SoftFreeze"))
    return []


def _unfreeze(cart: Document, _action: Document, _: Desk) -> list[Message]:
    cart["cartState"] = "Active"
    set_or_drop(cart, "freezeStrategy", None)
    return []


def _without_message(apply: Apply) -> Action:
    """Carts change like orders, but there are no messages about carts."""

    def quietly(cart: Document, action: Document, desk: Desk) -> list[Message]:
        apply(cart, action, desk)
        return []

    return Action(shape=PAYMENT, apply=quietly)


_WHICH: Final = {"customLineItemId": checks.NAME, "customLineItemKey": checks.NAME}
PAYMENT: Final = Shape(required={"payment": checks.identifier("payment")})

ACTIONS: Final[dict[str, Action]] = {
    "addCustomLineItem": Action(shape=_LINE, apply=_add_item),
    "addPayment": _without_message(add_payment),
    "changeCustomLineItemMoney": Action(
        shape=Shape(required={"money": checks.money}, optional=_WHICH), apply=_change_money
    ),
    "changeCustomLineItemQuantity": Action(
        shape=Shape(required={"quantity": checks.whole()}, optional=_WHICH), apply=_change_quantity
    ),
    "freezeCart": Action(shape=Shape(optional={"strategy": checks.one_of("SoftFreeze", "HardFreeze")}), apply=_freeze),
    "recalculate": Action(
        shape=Shape(optional={"updateProductData": checks.boolean}), apply=lambda _cart, _action, _desk: []
    ),
    "removeCustomLineItem": Action(shape=Shape(optional=_WHICH), apply=_remove_item),
    "removePayment": _without_message(remove_payment),
    "setAnonymousId": setter("anonymousId", checks.NAME),
    "setBillingAddress": setter("address", _ADDRESS, to="billingAddress"),
    "setCountry": setter("country", _COUNTRY),
    "setCustomField": fields.field_setter(fields.itself, also={}),
    "setCustomType": fields.type_setter("order", fields.itself, also={}),
    "setCustomerEmail": setter("email", checks.ANY_TEXT, to="customerEmail"),
    "setCustomerId": setter("customerId", checks.NAME),
    "setKey": setter("key", checks.KEY),
    "setLocale": setter("locale", checks.ANY_TEXT),
    "setShippingAddress": setter("address", _ADDRESS, to="shippingAddress"),
    "unfreezeCart": Action(shape=Shape(), apply=_unfreeze),
}


def before_update(cart: Document) -> None:
    """An ordered or merged cart takes no more changes."""
    if cart["cartState"] not in _HOLDING:
        raise invalid_operation(f"The cart is {cart['cartState']}: it cannot be changed any more.")
