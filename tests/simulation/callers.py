"""Callers as they are outside: whoever gets no answer asks again under the same key, or goes away."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulation.documents import parsed
from simulation.logs import PSP
from simulation.street import Got

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulation.logs import Exchange, History
    from simulation.street import Street

#: How often somebody asks, and the most seconds between two times: longer than two ingresses can be away.
_TRIES: Final = 200
_AGAIN_S_MAX: Final = 5.0
#: From this status on an answer says nothing of what was asked.
_FAULT: Final = 500
_KEY: Final = "Idempotency-Key"
_INTENTS: Final = "/operations/payment-intents/"
#: Where money is asked for, and the commands that come of it.
_ORDERS: Final = re.compile(rf"/payments|{_INTENTS}.*|/operations/transactions")
_WISHES: Final = frozenset({"AuthorizePayment", "CapturePayment", "CancelPayment", "RefundPayment", "ReversePayment"})
#: Somebody who did not wait to be told.
_GONE: Final = Got(status=499, document=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """What callers do who got no answer."""

    #: Seconds after which they ask again, and twice as many each further time; None: they go away.
    again_s: float | None


class Callers:
    """The street, of callers with this manner. Whoever orders money without a key could not ask again, so all have one."""

    def __init__(self, street: Street, manner: Manner, new_id: Callable[[], str]) -> None:
        self._street = street
        self._manner = manner
        self._new_id = new_id

    async def ask(
        self, actor: str, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b"", **more: Any
    ) -> Got:
        """The answer in the end."""
        if path.startswith(_INTENTS):
            headers = {_KEY: self._new_id(), **headers}
        again_s = self._manner.again_s
        for _ in range(_TRIES):
            got = await self._street.ask(actor, method, path, headers=headers, body=body, **more)
            if got is not None and got.status < _FAULT:
                return got
            if again_s is None:
                break
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, _AGAIN_S_MAX)
        return _GONE


def unkept(history: History, manner: Manner) -> Iterator[str]:
    """What callers with this manner were not given: an answer in the end, and one command for what they asked once."""
    last = {(one.actor, one.method, one.path, one.key, one.body): one for one in history.exchanges}
    for exchange in last.values():
        is_over = exchange.status is not None and exchange.status < _FAULT
        if not is_over and (manner.again_s is not None or exchange.actor == PSP):
            yield f"{exchange.actor} asked {exchange.method} {exchange.path}, and was never answered"
    wishes = {_wish(one) for one in history.exchanges if one.method == "POST" and _ORDERS.fullmatch(one.path)}
    commands = {
        body["command_id"]
        for one in history.bus
        if one.process.startswith("ingress") and one.attributes.get("type") in _WISHES
        if (body := parsed(one.data))
    }
    if len(commands) > len(wishes):
        yield f"{len(wishes)} wishes became {len(commands)} commands"


def _wish(exchange: Exchange) -> tuple[object, ...]:
    """What is the same where it is asked again. Without a key each is another."""
    key = parsed(exchange.body).get("idempotencyKey", exchange.key)
    return exchange.actor, exchange.path, exchange.n if key is None else key
