"""Faults on order: what is to go wrong, as plain data. Nothing here is random; whoever plans them may be."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class FaultKind(enum.StrEnum):
    """What goes wrong. The first seven are about calls, the last four about webhooks."""

    #: The effect, and so the reply, comes `delay_s` later; meanwhile the key is in progress.
    DELAY_BEFORE = "delay_before"
    #: The effect comes at once, its reply `delay_s` later.
    DELAY_REPLY = "delay_reply"
    #: The connection is cut before anything happens.
    DROP_BEFORE = "drop_before"
    #: The connection is cut after the effect.
    DROP_REPLY = "drop_reply"
    #: A server error before anything happens; the key stays unused.
    ERROR_BEFORE = "error_before"
    #: A server error after the effect, kept as the key's result.
    ERROR_AFTER = "error_after"
    #: 429 with Retry-After (`delay_s`, at least one second); nothing happens.
    RATE_LIMIT = "rate_limit"
    #: The webhook is delivered twice.
    WEBHOOK_DUPLICATE = "webhook_duplicate"
    #: The webhook waits until a later one has been sent, or `delay_s`.
    WEBHOOK_REORDER = "webhook_reorder"
    #: The webhook comes `delay_s` later.
    WEBHOOK_DELAY = "webhook_delay"
    #: The webhook never comes.
    WEBHOOK_DROP = "webhook_drop"


WEBHOOK_FAULTS = frozenset(kind for kind in FaultKind if kind.startswith("webhook_"))
CALL_FAULTS = frozenset(FaultKind) - WEBHOOK_FAULTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing to go wrong."""

    kind: FaultKind
    #: The operation (`payments.create`) or event type (`capture.succeeded`) it strikes; `*`: any.
    on: str = "*"
    #: So many are let through first.
    skip: int = 0
    #: So many are struck.
    times: int = 1
    delay_s: float = 1.0
    #: The status of a server error.
    status: int = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """Faults still to come. `take` gives the fault for the next call or event, and the plan that is left."""

    faults: tuple[Fault, ...] = ()

    def take(self, on: str, kinds: frozenset[FaultKind]) -> tuple[Fault | None, FaultPlan]:
        """The first fault that fits strikes; every fault that fits counts down its `skip`."""
        if not self.faults:
            return None, self
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
