"""The refund worker: gives captured money back, by a command or by a Refund that a merchant put on the Payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psp.facts import Kind
from workers.modify import modify

if TYPE_CHECKING:
    from bus.messages import RefundPayment
    from bus.port import Ending
    from workers.work import Work


async def refund(work: Work, command: RefundPayment) -> Ending:
    return await modify(work, command, Kind.REFUND)
