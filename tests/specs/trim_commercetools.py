"""Trims the official OpenAPI file of commercetools to what our tests validate against.

    python tests/specs/trim_commercetools.py OFFICIAL.json > tests/specs/commercetools.openapi.json

Nothing is changed, only left out: descriptions, resources that we do not touch, and the branches of the discriminators
that lead to them. A schema that is left out but still named becomes `{"x-trimmed": true}`, which allows anything.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

RESOURCES = ("payments", "carts", "orders", "types", "custom-objects", "payment-methods", "subscriptions")
ROOTS = (
    *("PaymentUpdate", "CartUpdate", "OrderUpdate", "TypeUpdate", "PaymentMethodUpdate", "SubscriptionUpdate"),
    *("PaymentDraft", "CartDraft", "OrderFromCartDraft", "TypeDraft", "PaymentMethodDraft", "SubscriptionDraft"),
    *("CustomObjectDraft", "ErrorResponse", "State", "MessagePayload", "MessageDeliveryPayload"),
    *("ResourceCreatedDeliveryPayload", "ResourceUpdatedDeliveryPayload", "ResourceDeletedDeliveryPayload"),
)
#: Which branches of a discriminator stay. Those not named here keep all.
BRANCHES = {
    "MessagePayload": r"Payment(?!Method(?!Info)).*|OrderPayment.*",
    "ErrorObject": (
        "ConcurrentModification|Duplicate(Field|FieldWithConflictingResource)|EnumKeyAlreadyExists|General|Invalid.*"
        "|insufficient_scope|invalid_token|MaxResourceLimitExceeded|OverCapacity|ReferenceExists"
        "|ReferencedResourceNotFound|RequiredField|ResourceNotFound"
    ),
    "CartUpdateAction": ".*CustomLineItem(Money|Quantity)?|.*Payment|freezeCart|unfreezeCart|setCustomerId|setKey",
    "OrderUpdateAction": ".*Payment|change(Order|Payment)State",
    "Destination": "GoogleCloudPubSub",
    "Reference": "cart|customer|key-value-document|order|payment|payment-method|state|type",
    "ResourceIdentifier": "cart|customer|payment|state|type",
    "KeyReference": "",
}
#: Resources that carts and orders are made of and that we never fill in.
CUT = re.compile(
    "Customer|CustomerGroup.*|BusinessUnit.*|Store.*|LineItem|LineItemDraft|Shipping(?!Mode$).*|DirectDiscount.*|Discount.*"
    "|CartDiscount.*|RecurringOrder.*|Quote.*|Tax(Category|Rate|Portion).*|ExternalTaxRate.*|Warning.*|Approval.*"
    "|Associate.*|.*RecurrenceInfo.*|ReturnInfo|SyncInfo|CustomShippingDraft|Product.*|Channel.*|ItemShipping.*"
    "|CartLock|Attribution|MethodTax.*|TaxedItemPrice"
)


def trimmed(official: dict[str, Any]) -> dict[str, Any]:
    schemas = official["components"]["schemas"]
    paths = _paths(official["paths"])
    kept: dict[str, Any] = {}
    wanted = [*ROOTS, *_named(paths)]
    while wanted:
        name = wanted.pop()
        if name in kept:
            continue
        kept[name] = {"x-trimmed": True} if CUT.fullmatch(name) else _schema(name, schemas[name])
        wanted += _named(kept[name])
    return {
        "openapi": official["openapi"],
        "info": official["info"] | {"description": "Trimmed: see README.md beside this file."},
        "paths": paths,
        "components": {"schemas": dict(sorted(kept.items()))},
    }


def _paths(official: dict[str, Any]) -> dict[str, Any]:
    """For each operation: its scopes, and the schemas of its body and its successful replies."""
    kept: dict[str, Any] = {}
    for path, operations in official.items():
        resource = path.split("/")[2] if path.count("/") > 1 else ""
        if (
            resource not in RESOURCES
            or "edits" in path
            or path.count("/") > 4
            or re.search("merge|replicate|quotes", path)
        ):
            continue
        kept[path] = {method: _operation(each) for method, each in operations.items() if isinstance(each, dict)}
    return kept


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    """Errors are left out: all have one shape."""
    kept = {key: _bare(operation[key]) for key in ("security", "requestBody", "responses") if key in operation}
    kept["responses"] = {status: reply for status, reply in kept["responses"].items() if status.startswith("2")}
    return kept


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    bare = _bare(schema)
    for part in (bare, *bare.get("allOf", ())):
        mapping = part.get("discriminator", {}).get("mapping")
        if mapping and name in BRANCHES:
            pattern = re.compile(BRANCHES[name])
            part["discriminator"]["mapping"] = {key: to for key, to in mapping.items() if pattern.fullmatch(key)}
    return bare


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = {"example", "examples"} if "type" in value or "schema" in value else set()
        return {
            key: _bare(inner)
            for key, inner in value.items()
            if key not in dropped and not key.startswith("x-") and not (key == "description" and isinstance(inner, str))
        }
    return [_bare(each) for each in value] if isinstance(value, list) else value


def _named(value: Any) -> list[str]:
    """The schemas that are named in it, by reference or in a mapping."""
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _named(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _named(inner)]
    prefix = "#/components/schemas/"
    return [value.removeprefix(prefix)] if isinstance(value, str) and value.startswith(prefix) else []


def _write(document: dict[str, Any]) -> None:
    """One schema or path a line: small, and a change of the official file shows as a change of lines."""

    def lines(entries: dict[str, Any]) -> str:
        return ",\n".join(
            f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}" for name, entry in entries.items()
        )

    sys.stdout.write(
        f'{{"openapi": {json.dumps(document["openapi"])},\n"info": {json.dumps(document["info"])},\n'
        f'"paths": {{\n{lines(document["paths"])}\n}},\n'
        f'"components": {{"schemas": {{\n{lines(document["components"]["schemas"])}\n}}}}}}\n'
    )


if __name__ == "__main__":
    _write(trimmed(json.loads(Path(sys.argv[1]).read_text())))
