"""When a transaction could be sent to the PSP: what several predicates need to know."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from simulation.projection import log_of

if TYPE_CHECKING:
    from simulation.reading import Reading, Trail


def send_by(reading: Reading, trail: Trail) -> datetime | None:
    """Until when it may be sent for the first time, as its reservation says; None: it was never reserved.

    Whatever its reservation says, an authorization is never sent later than was promised after its acceptance, and all
    else never later than the key lives. A merchant's transaction with a type of its own counts from our claim.
    """
    if trail.ours is None:
        return None
    rules = reading.history.rules
    if "ctpaySendBy" in trail.fields:
        last = datetime.fromisoformat(trail.fields["ctpaySendBy"])
        if trail.kind == "Authorization" and "ctpayAcceptedAt" in trail.fields:
            promised = rules.authorization_send_by
            return min(last, datetime.fromisoformat(trail.fields["ctpayAcceptedAt"]) + promised)
        return min(last, trail.ours.at + rules.key_lifetime - rules.key_margin)
    claims = (one for one in log_of(trail.ours.document) if one.get("ctpayKind") == "claim")
    at = next((one["ctpayAt"] for one in claims if one.get("ctpayTransactionId") == trail.id), None)
    if at is None:
        return None
    return datetime.fromisoformat(at) + rules.key_lifetime - rules.key_margin
