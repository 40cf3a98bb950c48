"""Replies: what goes back to a caller, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.psp import views
from sandbox.psp.behaviour import Manner
from sandbox.psp.model import RefusalError


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One reply, as data."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.SEND
    #: Seconds between the effect and the reply.
    delay_s: float = 0.0


def problem(status: int, code: str, message: str, **more: object) -> Reply:
    """An error in the one shape that all errors have; what is None is left out."""
    details = {name: value for name, value in more.items() if value is not None}
    return Reply(status=status, body={"error": {"code": code, "message": message, **details}})


def refusal(error: RefusalError, *, base_url: str) -> Reply:
    """A definite no; with the payment that was declined, where there is one."""
    payment = views.payment(error.payment, base_url=base_url) if error.payment is not None else None
    return problem(error.status, error.code, error.message, decline_code=error.decline_code, payment=payment)
