"""The product's processes: the shipped composition root, started, killed and stopped in simulated processes."""

from __future__ import annotations

import asyncio
import contextvars
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from simulation import predicates, versions
from simulation.documents import copied
from simulation.faults import FaultKind
from simulation.logs import Crash
from simulation.loop import Life
from simulation.outside import PROJECT, PUBLISHABLE_KEY, SECRET_KEY
from simulation.street import Door
from simulation.wire import Connector

from ctpay import wiring
from ctpay.seams import Seams
from ctpay.settings import Bus, Commercetools, Health, IngressSettings, Limits, Logs, Settings, Web
from ctpay.wiring import open_ingress, open_workers
from enabler import routes as enabler_routes
from handlers import openapi
from handlers.serving import make_runner
from psp.sandbox.settings import SandboxSettings
from sandbox.commercetools import documents, predicate
from workers.runtime import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulation.faults import Bad
    from simulation.loop import SimulatedLoop
    from simulation.record import Recorder
    from simulation.street import Street
    from simulation.travel import Travel
    from simulation.wire import Wire

    from bus.port import Delivery

#: The PSP signs with the first at first, and with the second after a rotation. Ours know both.
WEBHOOK_SECRETS: Final = (
    "whsec_c2ltdWxhdGVkLXNlY3JldC1udW1iZXItb25lLTAwMDE=",
    "whsec_c2ltdWxhdGVkLXNlY3JldC1udW1iZXItdHdvLTAwMDI=",
)
CLIENT_SECRET: Final = "demo-secret"  # opens a stand-in
SHOP: Final = "https://shop.example"
#: A process that is to be killed is, before one of its first so many steps: half of all lives take 60 or more while
#: faults strike, and one in five takes more than 150.
_KILLED_WITHIN: Final = (30, 30, 60, 150)


@cache
def settings() -> IngressSettings:
    """The same in every seed: settings are frozen."""
    common = Settings(
        commercetools=Commercetools(
            project_key=PROJECT,
            client_id="demo-client",
            client_secret=SecretStr(CLIENT_SECRET),
            auth_url="http://commercetools.example",
            api_url="http://commercetools.example",
            session_url="http://commercetools.example",
        ),
        bus=Bus(google_cloud_project="simulated"),
        psp_name="sandbox",
        psp=SandboxSettings(
            url="http://psp.example",
            secret_key=SecretStr(SECRET_KEY),
            publishable_key=PUBLISHABLE_KEY,
            webhook_secrets=tuple(map(SecretStr, WEBHOOK_SECRETS)),
        ),
        # An event waits an hour for its Payment, and not a day: what follows is the same.
        # Where reconciliation passes beside the workers, then every four hours or so. It compares the last day alone:
        # each day of the past is two questions more, and there is nothing in most of them.
        limits=Limits(
            event_patience_s=3600,
            drain_s=25,
            reconcile_every_s=14_400,
            reconcile_compare_every_s=86_400,
            reconcile_compared_s=86_400,
        ),
        logs=Logs(),
        health=Health(),
    )
    return IngressSettings(
        common=common, web=Web(public_url="https://pay.example", allowed_origins=(SHOP,), merchant_return_url=SHOP)
    )


def share() -> None:
    """Work out once for all seeds what depends on nothing but the code: documents about it, and files."""
    # Nobody here asks for a file.
    library = replace(enabler_routes.read_library(), assets={})
    enabler_routes.read_library = lambda: library
    release, with_document = wiring.version("ctpay"), openapi.with_document
    wiring.version = lambda _: release
    known: dict[str, Any] = {}

    def remembered(routes: Any, *, server_url: str, version: str) -> Any:
        if server_url not in known:
            known[server_url] = with_document(routes, server_url=server_url, version=version)
        return known[server_url]

    openapi.with_document = remembered
    predicate.parse = predicates.parse
    documents._clone = copied


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What all processes of a seed share."""

    loop: SimulatedLoop
    recorder: Recorder
    bad: Bad
    dice: random.Random
    wire: Wire
    street: Street
    travel: Travel
    new_id: Callable[[], str]


class Machine:
    """One place where a process runs: again and again, if it dies."""

    def __init__(self, site: Site, *, name: str, workers: Sequence[str]) -> None:
        self._site = site
        self.name = name
        #: None at all: an ingress.
        self._workers = workers
        self.life: Life | None = None
        self._incarnation = 0
        self._stop: asyncio.Event | None = None
        self._door: Door | None = None
        self._skew_s = 0.0
        #: What it begins as; and what runs.
        self._is_newer = False
        self._runs_newer = False
        #: How often it may begin with something before it is told to stop at work; None: it is not.
        self._stops_after: int | None = None

    @property
    def up(self) -> bool:
        return self.life is not None and self.life.alive

    @property
    def is_at_work(self) -> bool:
        """Whether it has a message or a request in hand."""
        if not self.up or self.life is None:
            return False
        reads = any(reader.busy for reader in self._site.travel.readers_of(self.life))
        return reads or (self._door is not None and self._door.is_asked)

    def start(self) -> None:
        """Begin an incarnation."""
        site = self._site
        self._incarnation += 1
        life = self.life = Life(id=f"{self.name}#{self._incarnation}")
        life.on_death = self._struck
        life.on_work = self._begins
        self._runs_newer = self._is_newer
        if site.bad.draws(FaultKind.PROCESS_KILLED):
            life.dies_at = 1 + site.dice.randrange(site.dice.choice(_KILLED_WITHIN))
        if site.bad.strikes(FaultKind.PROCESS_CLOCK_SKEWED, life.id):
            self._skew_s = site.dice.uniform(-120, 120)
        context = site.loop.inside(life)
        stop = self._stop = asyncio.Event()
        run = self._run_ingress if not self._workers else self._run_workers
        site.loop.create_task(run(life, stop, context), context=context)

    def kill(self, *, late_s: float = 0.0) -> None:
        """As SIGKILL does. What it had in hand comes again at the deadline, or so much later."""
        if not self.up or self.life is None:
            return
        site, life = self._site, self.life
        life.alive = False
        n, at = site.recorder.stamp()
        site.recorder.crashes.append(Crash(n=n, at=at, process=life.id, orderly=False))
        self._gone(life, late_s=late_s)

    def stop(self) -> bool:
        """As SIGTERM does; whether there was a process to hear it."""
        if not self.up or self.life is None or self._stop is None:
            return False
        site = self._site
        n, at = site.recorder.stamp()
        site.recorder.crashes.append(Crash(n=n, at=at, process=self.life.id, orderly=True))
        self._stop.set()
        return True

    def stop_at_work(self, *, after: int) -> None:
        """Tell it to stop a moment after it has begun with something, and still has it in hand; not the first times."""
        self._stops_after = after

    async def renew(self) -> None:
        """As an orchestrator does: stop it, and begin again with the newer version."""
        self._is_newer = True
        self.stop()
        while not (self.up and self._runs_newer):  # noqa: ASYNC110 # no event tells
            await asyncio.sleep(0.5)

    def _begins(self) -> None:
        """It has got a message or a request."""
        if self._stops_after is None:
            return
        if self._stops_after:
            self._stops_after -= 1
        else:
            self._site.wire.later(self._site.dice.uniform(0, 0.3), self._stop_if_at_work)

    def _stop_if_at_work(self) -> None:
        bad = self._site.bad
        if self._stops_after is None or bad.over or not self.is_at_work or not bad.budget.take():
            return
        self._stops_after = None
        self.stop()
        bad.note(FaultKind.PROCESS_STOPPED, self.name)

    def _struck(self, life: Life) -> None:
        """Before a step: whoever counts steps for other reasons has not chosen one beforehand."""
        bad = self._site.bad
        if bad.on(FaultKind.PROCESS_KILLED):
            if bad.over:
                return
            bad.note(FaultKind.PROCESS_KILLED, life.id)
        self.kill()

    def _gone(self, life: Life, *, late_s: float) -> None:
        site = self._site
        site.wire.died(life)
        if self._door is not None:
            self._door.died()
            # One that was stopping has been closed already.
            if self._door in site.street.doors:
                site.street.doors.remove(self._door)
            self._door = None
        site.travel.abandon(life, late_s=late_s)
        away_s = site.dice.choice((0.5, 3.0, 20.0, 300.0))
        site.bad.lasts(max(late_s, away_s))
        site.wire.later(away_s, self.start)

    async def _run_workers(self, life: Life, stop: asyncio.Event, _: contextvars.Context) -> None:
        of_this = self._seams(life)
        async with open_workers(settings().common, self._workers, of_this) as workers:
            await stop.wait()
            await workers.drain()
        self._ended(life)

    async def _run_ingress(self, life: Life, stop: asyncio.Event, context: contextvars.Context) -> None:
        site, drain_s = self._site, settings().common.limits.drain_s
        async with open_ingress(settings(), self._seams(life)) as parts:
            runner = make_runner(parts.app, shutdown_s=drain_s)
            await runner.setup()
            assert runner.server is not None
            self._door = Door(life=life, context=context, server=runner.server)
            site.street.doors.append(self._door)
            await stop.wait()
            # The load balancer sends nobody any more.
            site.street.doors.remove(self._door)
            parts.draining.begin()
            site.loop.call_later(drain_s / 2, parts.replies.close)
            await runner.cleanup()
        self._door = None
        self._ended(life)

    def _seams(self, life: Life) -> Seams:
        found = seams(self._site, life, skew_s=self._skew_s)
        if self._runs_newer:
            return replace(found, bus=versions.as_newer(found.bus))
        if self._site.bad.on(FaultKind.PROCESS_OLDER_VERSION):
            return replace(found, bus=versions.as_older(found.bus, unread=self._unread))
        return found

    def _unread(self, delivery: Delivery) -> None:
        # It comes again and again meanwhile: counted once.
        if delivery.attempt == 1:
            self._site.bad.note(FaultKind.PROCESS_OLDER_VERSION, f"{self.name} {delivery.message_id}")

    def _ended(self, life: Life) -> None:
        """After an orderly stop."""
        life.alive = False
        site = self._site
        site.wire.died(life)
        site.wire.later(site.dice.choice((0.5, 5.0)), self.start)


def _clock(now: Callable[[], Any], skew_s: float) -> Callable[[], Any]:
    if not skew_s:
        return now
    skew = timedelta(seconds=skew_s)
    return lambda: now() + skew


def seams(site: Site, life: Life, *, skew_s: float) -> Seams:
    """What the composition root takes in place of the world, for one process whose clock is so much ahead."""
    # Repeatable on purpose. Made when somebody draws: most processes never do.
    jitter = cache(partial(random.Random, f"{site.dice.random()} {life.id}"))
    return Seams(
        clock=_clock(site.recorder.now, skew_s),
        new_id=site.new_id,
        draw=lambda: jitter().random(),
        connector=lambda limit: Connector(site.wire, life, limit_per_host=limit),
        bus=site.travel.open,
    )


def machines(site: Site) -> list[Machine]:
    """Two ingresses, and two or three processes of workers."""
    names = list(WORKERS)
    found = [Machine(site, name=f"ingress-{number}", workers=()) for number in (1, 2)]
    found += [Machine(site, name=f"workers-{number}", workers=names) for number in (1, 2)]
    if site.dice.random() < 0.3:
        found.append(Machine(site, name="workers-3", workers=site.dice.sample(names, 4)))
    return found
