"""The capture worker: takes authorized money, by a command or by a Charge that a merchant put on the Payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psp.facts import Kind
from workers.modify import modify

if TYPE_CHECKING:
    from bus.messages import CapturePayment
    from bus.port import Ending
    from workers.work import Work


async def capture(work: Work, command: CapturePayment) -> Ending:
    return await modify(work, command, Kind.CHARGE)
