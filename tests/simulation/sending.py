"""When a transaction could be sent to the PSP: what several predicates need to know."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from simulation.projection import log_of

if TYPE_CHECKING:
    from simulation.reading import Reading, Trail


def send_by(reading: Reading, trail: Trail) -> datetime | None:
    """Until when it may be sent for the first time, as its reservation says; None: it was never reserved.

    An authorization is never sent later than was promised after its acceptance, whatever its reservation says. A
    merchant's transaction with a type of its own counts from our claim.
    """
    if trail.ours is None:
        return None
    if "ctpaySendBy" in trail.fields:
        last = datetime.fromisoformat(trail.fields["ctpaySendBy"])
        if trail.kind == "Authorization" and "ctpayAcceptedAt" in trail.fields:
            promised = reading.history.rules.authorization_send_by
            return min(last, datetime.fromisoformat(trail.fields["ctpayAcceptedAt"]) + promised)
        return last
    claims = (one for one in log_of(trail.ours.document) if one.get("ctpayKind") == "claim")
    at = next((one["ctpayAt"] for one in claims if one.get("ctpayTransactionId") == trail.id), None)
    if at is None:
        return None
    return datetime.fromisoformat(at) + reading.history.rules.key_lifetime - reading.history.rules.key_margin
