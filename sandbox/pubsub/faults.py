"""Faults on order: what is to go wrong between publisher and reader, as plain data. Who plans them may be random."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class FaultKind(enum.StrEnum):
    """What goes wrong."""

    #: The publish fails before anything is stored.
    PUBLISH_REFUSE = "publish_refuse"
    #: The messages are stored, and the publisher hears of a failure.
    PUBLISH_DROP_REPLY = "publish_drop_reply"
    #: The message is delivered twice, under two ack ids.
    DELIVERY_DUPLICATE = "delivery_duplicate"
    #: The message comes `delay_s` later, and so after others.
    DELIVERY_DELAY = "delivery_delay"
    #: The stream breaks, and what was on its way is lost with it until the deadline.
    STREAM_KILL = "stream_kill"
    #: The acknowledgement never arrives.
    ACK_DROP = "ack_drop"


PUBLISH_FAULTS = frozenset({FaultKind.PUBLISH_REFUSE, FaultKind.PUBLISH_DROP_REPLY})
DELIVERY_FAULTS = frozenset({FaultKind.DELIVERY_DUPLICATE, FaultKind.DELIVERY_DELAY})
STREAM_FAULTS = frozenset({FaultKind.STREAM_KILL})
ACK_FAULTS = frozenset({FaultKind.ACK_DROP})


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing to go wrong."""

    kind: FaultKind
    #: The topic (publish) or subscription (all others) it strikes, by full name; `*`: any.
    on: str = "*"
    #: So many are let through first.
    skip: int = 0
    #: So many are struck.
    times: int = 1
    delay_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """Faults still to come."""

    faults: tuple[Fault, ...] = ()

    def take(self, on: str, kinds: frozenset[FaultKind]) -> tuple[Fault | None, FaultPlan]:
        """The fault that strikes now, if any, and the plan that is left. Faults after it are left as they are."""
        struck: Fault | None = None
        left: list[Fault] = []
        for fault in self.faults:
            if fault.kind not in kinds or fault.on not in {"*", on} or struck is not None:
                left.append(fault)
            elif fault.skip > 0:
                left.append(replace(fault, skip=fault.skip - 1))
            else:
                struck = fault
                if fault.times > 1:
                    left.append(replace(fault, times=fault.times - 1))
        return struck, FaultPlan(faults=tuple(left))


class FaultPort:
    """Where the core asks whether something goes wrong now. Change `plan` at any time."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.plan = plan or FaultPlan()

    def strike(self, on: str, kinds: frozenset[FaultKind]) -> Fault | None:
        """The fault for this event; it is used up."""
        if not self.plan.faults:
            return None
        struck, self.plan = self.plan.take(on, kinds)
        return struck
