"""Faults on order: what is to go wrong with which request, as plain data. Whoever plans them may be random."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase


class FaultKind(enum.StrEnum):
    """What goes wrong with a request."""

    #: Everything happens `delay_s` later.
    DELAY = "delay"
    #: The effect comes at once, its reply `delay_s` later.
    DELAY_REPLY = "delay_reply"
    #: Somebody else writes to the addressed resource just before: the caller's version is stale.
    CONFLICT = "conflict"
    #: 429 with Retry-After (`delay_s`, at least one second); nothing happens.
    RATE_LIMIT = "rate_limit"
    #: A server error (`status`) before anything happens.
    ERROR_BEFORE = "error_before"
    #: A server error (`status`) after the effect.
    ERROR_AFTER = "error_after"
    #: The connection is cut before anything happens.
    DROP_BEFORE = "drop_before"
    #: The connection is cut after the effect.
    DROP_REPLY = "drop_reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing to go wrong."""

    kind: FaultKind
    #: A pattern for `METHOD /path`, such as `POST /demo/payments/*`; `*` stands for anything.
    on: str = "*"
    #: Only requests whose body has this text, such as `"addTransaction"`.
    containing: str = ""
    #: So many are let through first.
    skip: int = 0
    #: So many are struck.
    times: int = 1
    delay_s: float = 1.0
    #: The status of a server error.
    status: int = 503

    def fits(self, method: str, path: str, body: bytes) -> bool:
        return fnmatchcase(f"{method} {path}", self.on) and self.containing.encode() in body


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """Faults still to come."""

    faults: tuple[Fault, ...] = ()

    def take(self, method: str, path: str, body: bytes) -> tuple[Fault | None, FaultPlan]:
        """The fault for a request, and the plan that is left. The first that fits strikes."""
        if not self.faults:
            return None, self
        struck: Fault | None = None
        left: list[Fault] = []
        for fault in self.faults:
            if struck is not None or not fault.fits(method, path, body):
                left.append(fault)
            elif fault.skip > 0:
                left.append(replace(fault, skip=fault.skip - 1))
            else:
                struck = fault
                if fault.times > 1:
                    left.append(replace(fault, times=fault.times - 1))
        return struck, FaultPlan(faults=tuple(left))
