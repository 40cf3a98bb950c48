"""The cancel worker: releases what is left of an authorization, or reverses the whole Payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psp.facts import Kind
from workers.modify import modify

if TYPE_CHECKING:
    from bus.messages import CancelPayment, ReversePayment
    from bus.port import Ending
    from workers.work import Work


async def cancel(work: Work, command: CancelPayment) -> Ending:
    return await modify(work, command, Kind.CANCEL_AUTHORIZATION)


async def reverse(work: Work, command: ReversePayment) -> Ending:
    """Cancel what is left and refund what was captured, all reserved in one write."""
    return await modify(work, command, None)
