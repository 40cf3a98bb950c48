"""What goes wrong in a round of chaos: strikes drawn from a seed. Only processes of the stack are ever signalled."""

from __future__ import annotations

import asyncio
from collections import Counter

from simulation.logs import Happening
from support.polling import eventually
from support.stack import ACK_DEADLINE_S, LEASE_PATIENCE_S, PATIENCE_S, WORKERS

#: Who is stopped first, with work in hand.
SLEEPERS = ("authorize", "authorize.2")
#: The first calls to the PSP take so long, seconds, that who has sent one can be stopped before it hears the answer.
FIRST_S = 3
FIRST = {"kind": "delay_reply", "on": "payments.create", "delay_s": FIRST_S, "times": 10}
#: Seconds in which what a stopped process has said last is known.
SAID_S = 0.3
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
        #: Who must not be killed: another has done what it has in hand, and it does not know.
        self._spared = set()

    async def storm(self, crowd):
        """Until the crowd has gone home, and what began in any case has run its course."""
        await self._stack.psp_control("PUT", "/faults", [FIRST, USUALLY])
        strikes = (self._kill, self._kill, self._pause, self._restart_psp, *[self._fault] * 3)
        try:
            # In every round, however short, something runs out of its lease, something dies, and the PSP is away.
            oversleeping = await self._put_to_sleep()
            await asyncio.wait({crowd}, timeout=LULL_S[1])
            await self._kill()
            await self._restart_psp()
            while not crowd.done():
                await asyncio.wait({crowd}, timeout=self._draw.uniform(*LULL_S))
                if not crowd.done():
                    await self._draw.choice(strikes)()
            await oversleeping
        finally:
            for pause in self._later:
                pause.cancel()
            await asyncio.gather(*self._later, return_exceptions=True)
            self._stack.resume_all()

    def _running(self):
        return sorted(name for name in self._stack.processes if name not in self._stack.paused | self._spared)

    async def _put_to_sleep(self):
        """SIGSTOP of a worker that has a message in hand; the task that ends when that was met twice."""
        name, since = "", len(self._stack.lines)

        async def asleep():
            nonlocal name
            name = max(SLEEPERS, key=lambda one: len(self._in_hand(one)))
            if not self._in_hand(name):
                return False
            self._stack.pause(name)
            await asyncio.sleep(SAID_S)
            if not self._in_hand(name):
                self._stack.resume(name)
            return name in self._stack.paused

        await eventually(asleep, within_s=PATIENCE_S)
        self._later.append(asyncio.ensure_future(self._oversleep(name, self._in_hand(name), since)))
        return self._later[-1]

    def _in_hand(self, name):
        """The messages of its topic that a process has got and not let go."""
        journal = self._stack.watch.journal
        held = set()
        for one in journal.bus:
            if one.process == journal.lives[name] and one.topic == name.partition(".")[0]:
                (held.add if one.happening is Happening.DELIVERED else held.discard)(one.message_id)
        return held

    async def _oversleep(self, name, held, since):
        """Until another has finished one of the messages, which is after the lease; and then it finishes that too."""
        life = self._stack.watch.journal.lives[name]

        def finished():
            lines = self._stack.finished_all(since=since)
            return {(one["process"], one["message_id"]) for one in lines if one["message_id"] in held}

        async def another_has():
            return any(process != life for process, _ in finished())

        async def both_have():
            others = {message for process, message in finished() if process != life}
            return any((life, message) in finished() for message in others)

        await eventually(another_has, within_s=LEASE_PATIENCE_S, every_s=0.1)
        self._spared.add(name)
        self._stack.resume(name)
        self.struck["pause"] += 1
        await eventually(both_have, within_s=PATIENCE_S, every_s=0.1)
        self._spared.discard(name)

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

    async def _pause(self):
        """SIGSTOP of a worker for longer than its leases last. Its twin is never paused: somebody must work."""
        wanted = set(WORKERS) - {name.partition(".")[0] for name in self._stack.paused}
        names = [name for name in self._running() if name.partition(".")[0] in wanted]
        if not names:
            return
        name = self._draw.choice(names)
        self._stack.pause(name)
        self._later.append(asyncio.ensure_future(self._resume(name, self._draw.uniform(*PAUSE_S))))

    async def _resume(self, name, after_s):
        await asyncio.sleep(after_s)
        self._stack.resume(name)
        # One that ends with the weather is shorter than a lease, and none.
        self.struck["pause"] += 1

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
