"""`ctpay resolve`: a person ends what stayed unknown. Exit codes: 0 it is ended so; 1 it is not, and why."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Final

from bus.port import PublishError
from ct.errors import CommercetoolsError, NotFoundError
from ct.payment import UnreadablePaymentError
from psp.errors import PspError
from workers.resolve import End, resolve

if TYPE_CHECKING:
    from ct.resolution import Resolution
    from workers.work import Work

_ENDS: Final = (CommercetoolsError, PspError, PublishError, UnreadablePaymentError)

_SAID: Final = {
    End.WRITTEN: "Written",
    End.AGREED: "The PSP itself says the same, so its own evidence is written",
    End.REFUSED: "Not written",
}


async def end(work: Work, payment_id: str, resolution: Resolution, *, as_json: bool) -> int:
    """Do it, say what came of it, and give the exit code."""
    try:
        ended = await resolve(work.for_request(resolution.cause), payment_id, resolution)
    except NotFoundError:
        sys.stderr.write("There is no such Payment in this project. Give the Payment's id, not its key.\n")
        return 1
    except _ENDS as error:
        sys.stderr.write(f"Not known whether it is written; run it again: {work.psp.scrub(str(error))}\n")
        return 1
    except asyncio.CancelledError:
        sys.stderr.write("Stopped. Not known whether it is written; run it again.\n")
        return 1
    said = {
        "end": ended.end,
        "payment_id": payment_id,
        "transaction_id": resolution.transaction_id,
        "state": ended.state,
        "code": ended.refusal.code if ended.refusal else None,
        "reason": ended.refusal.message if ended.refusal else None,
    }
    if as_json:
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        why = f": {ended.refusal.message}" if ended.refusal else f". The transaction is {ended.state} now."
        sys.stdout.write(f"{_SAID[ended.end]}{why}\n")
    return 1 if ended.end is End.REFUSED else 0
