"""States of the project's own making, for `paymentStatus.state`: only their creation and reading."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.kinds import Scalar, Tree
from sandbox.commercetools.state import Desk, Message

DRAFT: Final = Shape(
    required={"key": checks.KEY, "type": checks.one_of("PaymentState", "OrderState", "LineItemState")},
    optional={
        "name": checks.localized,
        "description": checks.localized,
        "initial": checks.boolean,
        "transitions": checks.array(checks.identifier("state")),
    },
    beyond=("roles",),
)
SEARCHABLE: Final[dict[str, Tree]] = {"type": Scalar.TEXT, "initial": Scalar.BOOLEAN, "builtIn": Scalar.BOOLEAN}
INDEXED: Final = words("id key")


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    """No `transitions`: any state may follow; an empty list: none."""
    made = {"initial": True, **draft, "builtIn": False}
    if "transitions" in draft:
        made["transitions"] = [desk.resolve(each) for each in draft["transitions"]]
    return made, []
