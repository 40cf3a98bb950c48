"""The kinds of resources of a project: one table."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import (
    carts,
    custom_objects,
    custom_types,
    orders,
    payment_actions,
    payment_methods,
    payment_states,
    payments,
    subscriptions,
)
from sandbox.commercetools.errors import invalid_input
from sandbox.commercetools.kinds import Kind
from sandbox.commercetools.query import Parameters

#: By their name in the URL.
KINDS: Final = {
    kind.path: kind
    for kind in (
        Kind(
            path="payments",
            type_id="payment",
            draft=payments.DRAFT,
            create=payments.create,
            actions=payment_actions.ACTIONS,
            indexed=payments.INDEXED,
            searchable=payments.SEARCHABLE,
            expansions={"paymentStatus.state": ("paymentStatus", "state"), "custom.type": ("custom", "type")},
        ),
        Kind(
            path="carts",
            type_id="cart",
            draft=carts.DRAFT,
            create=carts.create,
            actions=carts.ACTIONS,
            indexed=carts.INDEXED,
            searchable=carts.SEARCHABLE,
            expansions=carts.EXPANSIONS,
            before_update=carts.before_update,
        ),
        Kind(
            path="orders",
            type_id="order",
            draft=orders.DRAFT,
            create=orders.create,
            actions=orders.ACTIONS,
            indexed=orders.INDEXED,
            searchable=orders.SEARCHABLE,
            expansions=orders.EXPANSIONS,
            url_key="order-number",
            url_index="orderNumber",
            named_by=("orderNumber",),
        ),
        Kind(
            path="types",
            type_id="type",
            draft=custom_types.DRAFT,
            create=custom_types.create,
            actions=custom_types.ACTIONS,
            indexed=custom_types.INDEXED,
            searchable=custom_types.SEARCHABLE,
            before_delete=custom_types.before_delete,
        ),
        Kind(
            path="payment-methods",
            type_id="payment-method",
            draft=payment_methods.DRAFT,
            create=payment_methods.create,
            actions=payment_methods.ACTIONS,
            indexed=payment_methods.INDEXED,
            searchable=payment_methods.SEARCHABLE,
        ),
        Kind(
            path="states",
            type_id="state",
            draft=payment_states.DRAFT,
            create=payment_states.create,
            indexed=payment_states.INDEXED,
            searchable=payment_states.SEARCHABLE,
        ),
        Kind(
            path="subscriptions",
            type_id="subscription",
            draft=subscriptions.DRAFT,
            create=subscriptions.create,
            actions=subscriptions.ACTIONS,
            indexed=subscriptions.INDEXED,
            searchable=subscriptions.SEARCHABLE,
        ),
        Kind(
            path=custom_objects.PATH,
            type_id="key-value-document",
            indexed=custom_objects.INDEXED,
            searchable=custom_objects.SEARCHABLE,
            named_by=(),
        ),
    )
}
BY_TYPE_ID: Final = {kind.type_id: kind for kind in KINDS.values()}

_PARAMETERS: Final = frozenset({"where", "sort", "limit", "offset", "withTotal", "expand", "version", "dataErasure"})


def check_parameters(parameters: Parameters) -> None:
    """The platform ignores a misspelt parameter; here it is found."""
    for name in parameters:
        if name not in _PARAMETERS and not name.startswith("var."):
            raise invalid_input(f"Malformed parameter: '{name}' is not a query parameter of this resource.")


def check_expansions(kind: Kind, parameters: Parameters) -> None:
    for path in parameters.get("expand", ()):
        if path not in kind.expansions:
            raise invalid_input(f"Malformed parameter: expand: '{path}' is not a reference of {kind.path}.")
