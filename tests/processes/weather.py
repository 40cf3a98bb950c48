"""What goes wrong in a round of chaos: strikes drawn from a seed. Only processes of the stack are ever signalled."""

from __future__ import annotations

import asyncio
from collections import Counter

from support.stack import ACK_DEADLINE_S, WORKERS

#: So long that every lease of a paused process runs out, and its twin works on the same messages.
PAUSE_S = (ACK_DEADLINE_S + 1, ACK_DEADLINE_S + 2)
#: Seconds between two strikes.
LULL_S = (0.3, 1.5)
#: A call to the PSP takes long enough for a strike to hit it.
USUALLY = {"kind": "delay_reply", "on": "*", "delay_s": 0.1, "times": 1_000_000}

PSP_FAULTS = (
    {"kind": "drop_before"},
    {"kind": "drop_reply"},
    {"kind": "error_before", "status": 503},
    {"kind": "error_after", "status": 500},
    {"kind": "rate_limit"},
    {"kind": "delay_before", "delay_s": 2},
    {"kind": "webhook_duplicate"},
    {"kind": "webhook_reorder", "delay_s": 3},
    {"kind": "webhook_delay", "delay_s": 3},
)
COMMERCETOOLS_FAULTS = (
    {"kind": "conflict"},
    {"kind": "rate_limit"},
    {"kind": "error_before"},
    {"kind": "error_after"},
    {"kind": "drop_before"},
    {"kind": "drop_reply"},
    {"kind": "delay", "delay_s": 2},
    {"kind": "delay_reply", "delay_s": 2},
)
#: The connector's writes alone: the people of a test are not to be struck.
OURS = {"on": "POST *", "containing": "ctpay"}


class Weather:
    """Strikes until it is told that it is over; then everybody goes on."""

    def __init__(self, stack, draw):
        self._stack = stack
        self._draw = draw
        #: Strike -> how often.
        self.struck = Counter()
        self._later = []

    async def storm(self, crowd):
        """Until the crowd has gone home."""
        await self._stack.psp_control("PUT", "/faults", [USUALLY])
        strikes = (self._kill, self._kill, self._pause, self._restart_psp, *[self._fault] * 3)
        try:
            # In every round, however short, something runs out of its lease, something dies, and the PSP is away.
            await self._pause("authorize", "webhook")
            await asyncio.wait({crowd}, timeout=LULL_S[1])
            await self._kill()
            await self._restart_psp()
            while not crowd.done():
                await asyncio.wait({crowd}, timeout=self._draw.uniform(*LULL_S))
                if not crowd.done():
                    await self._draw.choice(strikes)()
        finally:
            for pause in self._later:
                pause.cancel()
            await asyncio.gather(*self._later, return_exceptions=True)
            self._stack.resume_all()

    def _running(self):
        return sorted(name for name in self._stack.processes if name not in self._stack.paused)

    async def _kill(self):
        """kill -9 of one or of several at once, then new ones in their place."""
        names = self._running()
        victims = self._allowed(self._draw.sample(names, self._draw.randint(1, len(names) // 2)))
        if not victims:
            return
        self.struck["kill"] += len(victims)
        await self._stack.kill(*victims)
        await self._stack.start(*victims)

    def _allowed(self, names):
        """Those whose death the Pub/Sub server can stand. An ingress has a subscription of its own."""
        killed, found = Counter(self._stack.killed), []
        for name in names:
            part = name.partition(".")[0]
            if part == "ingress" or killed[part] < self._stack.kills_max:
                killed[part] += 1
                found.append(name)
        return found

    async def _pause(self, *workers):
        """SIGSTOP of a worker for longer than its leases last. Its twin is never paused: somebody must work."""
        wanted = set(workers or WORKERS) - {name.partition(".")[0] for name in self._stack.paused}
        names = [name for name in self._running() if name.partition(".")[0] in wanted]
        if not names:
            return
        name = self._draw.choice(names)
        self.struck["pause"] += 1
        self._stack.pause(name)
        self._later.append(asyncio.ensure_future(self._resume(name, self._draw.uniform(*PAUSE_S))))

    async def _resume(self, name, after_s):
        await asyncio.sleep(after_s)
        self._stack.resume(name)

    async def _restart_psp(self):
        self.struck["PSP restart"] += 1
        await self._stack.restart_psp()
        await self._stack.psp_control("PUT", "/faults", [USUALLY])

    async def _fault(self):
        """One of the stand-ins misbehaves a few times."""
        times = {"times": self._draw.randint(1, 4)}
        if self._draw.random() < 0.5:
            fault = self._draw.choice(PSP_FAULTS)
            await self._stack.psp_control("PUT", "/faults", [{"on": "*", **fault, **times}, USUALLY])
        else:
            fault = self._draw.choice(COMMERCETOOLS_FAULTS)
            await self._stack.commercetools_control("POST", "/faults", {**OURS, **fault, **times})
        self.struck[fault["kind"]] += times["times"]
