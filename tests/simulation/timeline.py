"""A history for people: what happened when, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.logs import Happening
from simulation.record import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from simulation.logs import BusEntry, Call, History, Version
    from simulation.record import Recorder

_QUIET = {Happening.CONFIRMED}


def lines(history: History, recorder: Recorder | None = None) -> Iterator[str]:
    """All logs in one, in order."""
    rows: list[tuple[int, datetime, str]] = list(recorder.notes) if recorder is not None else []
    rows += [(one.n, one.at, f"FAULT    {one.kind} {one.on}") for one in history.faults]
    rows += [(one.n, one.at, f"CRASH    {one.process}{' (orderly)' if one.orderly else ''}") for one in history.crashes]
    rows += [
        (one.n, one.at, f"MONEY    {one.kind} {one.amount} {one.currency} {one.payment} {one.id} key {one.key}")
        for one in history.effects
    ]
    for call in history.calls:
        rows += _call(call)
    rows += [(one.n, one.at, _version(one)) for one in (*history.payments, *history.carts)]
    rows += [(one.n, one.at, _bus(one)) for one in history.bus if one.happening not in _QUIET]
    for one in history.exchanges:
        rows.append((one.n, one.at, f"HTTP     {one.actor} > {one.process} {one.method} {one.path}"))
        if one.done_n is not None and one.done_at is not None:
            rows.append((one.done_n, one.done_at, f"HTTP     {one.actor} < {one.status} {_short(one.answer)}"))
    rows += [(one.n, one.at, f"LOG      {one.process} {_fields(one.fields)}") for one in history.lines]
    for n, at, text in sorted(rows, key=lambda row: row[0]):
        yield f"{n:5} {_since(at):>16} {text}"


def _since(at: datetime) -> str:
    seconds = (at - START).total_seconds()
    days, rest = divmod(seconds, 86400)
    return f"{int(days)}d {int(rest // 3600):02}:{int(rest // 60) % 60:02}:{rest % 60:06.3f}"


def _call(call: Call) -> list[tuple[int, datetime, str]]:
    fault = f" [{call.fault}]" if call.fault else ""
    key = f" key {call.key}" if call.key else ""
    rows = [(call.n, call.at, f"WIRE     {call.process} > {call.peer} {call.method} {call.path}{key}{fault}")]
    if call.performed_n is not None and call.performed_at is not None:
        rows.append(
            (call.performed_n, call.performed_at, f"WIRE     {call.peer} does it: {call.status} (sent at {call.n})")
        )
    if call.done_n is not None and call.done_at is not None:
        rows.append(
            (call.done_n, call.done_at, f"WIRE     {call.process} < {call.fate} {call.status} (sent at {call.n})")
        )
    return rows


def _version(version: Version) -> str:
    document = version.document
    if "transactions" not in document:
        return f"CART     {version.id} v{version.version} by {version.author}"
    rows = ", ".join(f"{one['type']} {one['amount']['centAmount']} {one['state']}" for one in document["transactions"])
    return f"PAYMENT  {version.id} v{version.version} by {version.author}: {rows}"


def _bus(entry: BusEntry) -> str:
    cause = entry.attributes.get("ctpay_reason", "")
    kind = entry.attributes.get("type", "")
    return (
        f"BUS      {entry.process} {entry.happening} {entry.topic} #{entry.message_id} {kind} {cause} ({entry.attempt})"
    )


def _fields(fields: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in fields.items() if value is not None and name != "level")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 300 else text[:300] + "…"
