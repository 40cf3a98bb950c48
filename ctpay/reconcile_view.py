"""What a person or a program is shown of a reconciliation: a table or JSON lines, and how many of each there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from ct.compare import Difference
from workers.reconcile import Step

if TYPE_CHECKING:
    from ct.compare import Side
    from workers.reconcile import Taken
    from workers.reconcile_lists import Row

_COLOURS: Final = {
    Difference.MISSING: "red",
    Difference.EXTRA: "red",
    Difference.AMOUNT: "red",
    Difference.STATE: "yellow",
    Difference.STUCK: "yellow",
    Step.UNKNOWN: "red",
    Step.FAILED: "red",
    Step.AWAY: "yellow",
    Step.SKIPPED: "yellow",
    Step.WAITING: "dim",
}


def row_json(row: Row) -> str:
    """One difference as a JSON line."""
    one = row.disagreement
    return json.dumps(
        {
            "difference": one.difference,
            "kind": one.kind,
            "payment_id": one.payment_id,
            "transaction_id": one.transaction_id,
            "psp_reference": one.psp_reference,
            "commercetools": _side_json(one.here),
            "psp": _side_json(one.there),
            "repaired": row.repaired,
        }
    )


def taken_json(taken: Taken) -> str:
    """One step as a JSON line."""
    transaction = taken.transaction
    return json.dumps(
        {
            "step": taken.step,
            "payment_id": taken.payment_id or None,
            "transaction_id": transaction.id if transaction else None,
            "kind": transaction.kind if transaction else None,
            "state": transaction.state if transaction else None,
            "reason": taken.reason or None,
        }
    )


def rows_table(rows: Sequence[Row]) -> Table:
    """Differences, those that are left first."""
    table = Table("difference", "operation", "commercetools", "PSP", "Payment", "transaction", "PSP reference", "")
    for row in sorted(rows, key=lambda each: (each.repaired, each.disagreement.difference)):
        one = row.disagreement
        table.add_row(
            _coloured(one.difference),
            one.kind,
            _side(one.here),
            _side(one.there),
            one.payment_id or "-",
            one.transaction_id or "-",
            one.psp_reference or "-",
            Text("repaired", style="green") if row.repaired else "",
        )
    return table


def steps_table(steps: Sequence[Taken]) -> Table:
    """What came of each transaction."""
    table = Table("step", "operation", "amount", "state", "Payment", "transaction", "reason")
    for taken in sorted(steps, key=lambda each: each.step):
        one = taken.transaction
        table.add_row(
            _coloured(taken.step),
            one.kind if one else "-",
            str(one.amount) if one else "-",
            one.state if one else "-",
            taken.payment_id or "-",
            one.id if one else "-",
            taken.reason,
        )
    return table


def counted(words: Sequence[str]) -> str:
    """`3 settled, 1 unknown`; `nothing` for nothing."""
    return ", ".join(f"{count} {word}" for word, count in sorted(Counter(words).items())) or "nothing"


def _coloured(word: Difference | Step) -> Text:
    return Text(word.value, style=_COLOURS.get(word, "green"))


def _side(side: Side | None) -> str:
    return f"{side.state} {side.amount}" if side else "-"


def _side_json(side: Side | None) -> dict[str, object] | None:
    if side is None:
        return None
    return {"state": side.state, "minor_units": side.amount.amount, "currency": side.amount.currency}
