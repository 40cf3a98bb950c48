"""Where everything is put together: the only place that makes sessions and connectors.

What is opened here is closed here, in the opposite order, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Final

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from bus.port import Consumption, Publisher
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.topics import Names
from ct.client import Commercetools
from ct.fields import CARD_TYPE, PURCHASE_ORDER_TYPE, CustomType
from ct.ledger import Ledger
from ct.status import StatusReader
from ct.stored_reads import StoredMethods
from ct.token import Tokens
from ct.turns import Turns
from ct.wire import Limits as WireLimits
from ct.wire import Wire
from ctpay.callers import callers
from ctpay.checks import TypesCheck, results_check, status_checks
from ctpay.seams import Seams, aside, draw, new_id, now
from ctpay.settings import Common, IngressSettings, Settings
from ctpay.settings import Web as WebSettings
from enabler import routes as enabler
from handlers.app import create_app
from handlers.dependencies import Dependencies
from handlers.dependencies import Limits as IngressLimits
from handlers.draining import Draining
from handlers.replies import Replies
from psp.http import Patience
from psp.on_account import on_account
from psp.port import PspSeams
from psp.trace import carried
from workers import reconcile_schedule, runtime
from workers.reconcile_comparisons import Comparisons
from workers.reconcile_schedule import Schedule
from workers.tally import Kind
from workers.work import Limits as WorkLimits
from workers.work import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingress:
    """An ingress whose port is not open yet."""

    app: web.Application
    #: Throw it before the port is closed.
    draining: Draining
    #: Let the waiting go when time runs out.
    replies: Replies


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """Workers that take messages."""

    #: Name -> its subscription being read.
    consumptions: dict[str, Consumption]
    #: What they work with.
    work: Work

    def letters_for_person(self) -> Mapping[Kind, int]:
        """The dead letters for a person that are known of, where their worker runs here."""
        return self.work.letters.for_person()

    def letters_waiting(self) -> Mapping[Kind, int]:
        """Those that wait for their own replay at this moment."""
        return self.work.letters.waiting(self.work.clock())

    async def drain(self) -> None:
        """Finish what is in hand, all at once."""
        await asyncio.gather(*(consumption.drain() for consumption in self.consumptions.values()))

    def unwell(self) -> list[str]:
        """Names of workers that get no messages any more."""
        return [name for name, consumption in self.consumptions.items() if not consumption.healthy]


@contextlib.asynccontextmanager
async def open_ingress(settings: IngressSettings, seams: Seams | None = None) -> AsyncIterator[Ingress]:
    """Everything an ingress needs, until the end of the block. Raises PublishError where there is no bus."""
    common, web_settings, seams = settings.common, settings.web, seams or REAL
    instance = seams.new_id()
    replies, draining = Replies(instance=instance), Draining()
    origins = frozenset(web_settings.allowed_origins)
    waited_s = common.limits.commercetools_waited_s
    async with (
        open_outside(common, seams, total_s=waited_s) as outside,
        seams.bus(common) as (publisher, subscriber),
    ):
        results = await subscriber.consume_replies(instance, replies.handle)
        reads = common.psp.reads(outside.psp_seams)
        ct = common.commercetools
        known = callers(ct, common.limits, wire=outside.wire, tokens=outside.tokens, clock=seams.clock)
        app = create_app(
            Dependencies(
                publisher=publisher,
                sessions=known.sessions,
                callers=known.programs,
                merchants=known.merchants,
                session_allowance=known.session_allowance,
                caller_allowance=known.caller_allowance,
                verifiers={reads.name: common.psp.verifier(outside.psp_seams)},
                reads=reads,
                replies=replies,
                stored=StoredMethods(ledger=outside.ledger) if web_settings.stored_payment_methods_enabled else None,
                on_account=web_settings.on_account_methods,
                status=StatusReader(ledger=outside.ledger, project_key=ct.project_key),
                clock=seams.clock,
                new_id=seams.new_id,
                instance=instance,
                public_url=web_settings.public_url.rstrip("/"),
                return_secret=return_secret(ct.client_secret),
                project_key=ct.project_key,
                merchant_return_url=web_settings.merchant_return_url,
                allowed_origins=origins,
                version=version("ctpay"),
                status_checks=status_checks(outside.client, outside.tokens, ct.project_key, _types_also(web_settings)),
                checks={
                    "types": TypesCheck(outside.client, _types_also(web_settings)).check,
                    "results": results_check(results),
                },
                draining=draining,
                limits=IngressLimits(
                    payments_wait_s=common.limits.payments_wait_s,
                    intents_wait_s=common.limits.intents_wait_s,
                    return_wait_s=common.limits.return_wait_s,
                    wait_s_max=common.limits.wait_s_max,
                ),
            )
        )
        enabler.add_routes(app, allowed_origins=origins)
        try:
            yield Ingress(app=app, draining=draining, replies=replies)
        finally:
            await results.drain()


@contextlib.asynccontextmanager
async def open_workers(settings: Settings, names: Sequence[str], seams: Seams | None = None) -> AsyncIterator[Workers]:
    """These workers, taking messages until the end of the block, where they finish what they have in hand."""
    seams = seams or REAL
    async with open_outside(settings, seams) as outside, seams.bus(settings) as (publisher, subscriber):
        work = _work(settings, outside, publisher, seams)
        workers = Workers(consumptions={}, work=work)
        try:
            for name in names:
                if name == reconcile_schedule.NAME:
                    workers.consumptions.update(_reconciliation(settings, work, seams))
                    continue
                topic, handle = runtime.handler(name, work)
                workers.consumptions[name] = await subscriber.consume(topic, handle)
            yield workers
        finally:
            await workers.drain()


@contextlib.asynccontextmanager
async def open_work(settings: Settings, seams: Seams | None = None) -> AsyncIterator[Work]:
    """What a command needs that does a worker's work by a person's wish."""
    seams = seams or REAL
    async with open_outside(settings, seams) as outside, seams.bus(settings) as (publisher, _):
        yield _work(settings, outside, publisher, seams)


def _work(settings: Settings, outside: Outside, publisher: Publisher, seams: Seams) -> Work:
    limits = settings.limits
    return Work(
        ledger=outside.ledger,
        psp=settings.psp.adapter(outside.psp_seams),
        others=on_account(seams.clock),
        publisher=publisher,
        clock=seams.clock,
        project_key=settings.commercetools.project_key,
        limits=WorkLimits(
            authorization_send_by=timedelta(seconds=limits.authorization_send_by_s),
            key_margin=timedelta(seconds=limits.key_margin_s),
            lease_max=timedelta(seconds=limits.lease_s),
            event_patience=timedelta(seconds=limits.event_patience_s),
        ),
    )


def _types_also(web_settings: WebSettings) -> tuple[CustomType, ...]:
    """Types that this merchant's offer needs beyond those of every payment."""
    stored = (CARD_TYPE,) if web_settings.stored_payment_methods_enabled else ()
    return (*stored, *((PURCHASE_ORDER_TYPE,) if web_settings.on_account_methods else ()))


def _reconciliation(settings: Settings, work: Work, seams: Seams) -> dict[str, Consumption]:
    """Side by side: what is stuck must not wait until a long look back is over."""
    limits = settings.limits
    passes = Schedule(
        work=work,
        draw=seams.draw,
        new_id=seams.new_id,
        every_s=limits.reconcile_every_s,
        rested_s=limits.reconcile_rested_s,
        drain_within_s=limits.drain_s,
    )
    comparisons = Comparisons(
        work=work,
        draw=seams.draw,
        new_id=seams.new_id,
        every_s=limits.reconcile_compare_every_s,
        compared_s=limits.reconcile_compared_s,
        rested_s=limits.reconcile_rested_s,
        drain_within_s=limits.drain_s,
    )
    return {reconcile_schedule.NAME: passes, f"{reconcile_schedule.NAME}-comparisons": comparisons}


def return_secret(client_secret: SecretStr) -> SecretStr:
    """Signs return URLs: derived, so that all ingress instances agree without one more setting."""
    key = client_secret.get_secret_value().encode()
    return SecretStr(hmac.new(key, b"ctpay return url", hashlib.sha256).hexdigest())


@contextlib.asynccontextmanager
async def _bus(settings: Common) -> AsyncIterator[tuple[PubsubPublisher, PubsubSubscriber]]:
    """Both ends of the bus. The subscriber is drained by whoever reads from it, before the publisher goes."""
    limits = settings.limits
    names = names_of(settings)
    publisher = PubsubPublisher(names=names, confirm_within_s=limits.publish_s)
    try:
        subscriber = PubsubSubscriber(
            names=names,
            dead_letters=publisher,
            clock=now,
            aside=aside,
            ack_deadline_s_max=limits.ack_deadline_s_max,
            in_flight_max=limits.in_flight_max,
            drain_within_s=limits.drain_s,
        )
        try:
            yield publisher, subscriber
        finally:
            await subscriber.close()
    finally:
        await publisher.close()


def names_of(settings: Common) -> Names:
    """The names of our topics and subscriptions."""
    return Names(project=settings.bus.google_cloud_project, prefix=settings.bus.pubsub_prefix)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """The way to commercetools and to the PSP."""

    wire: Wire
    tokens: Tokens
    client: Commercetools
    ledger: Ledger
    psp_seams: PspSeams


@contextlib.asynccontextmanager
async def open_outside(
    settings: Common, seams: Seams | None = None, *, total_s: float | None = None
) -> AsyncIterator[Outside]:
    """The way out, until the end of the block. `total_s`: of a call to commercetools, where it is not as usual."""
    ct, limits, seams = settings.commercetools, settings.limits, seams or REAL
    async with (
        _session(seams.connector(limits.connections_max)) as to_commercetools,
        _session(seams.connector(limits.connections_max)) as to_psp,
    ):
        wire = Wire(
            http=to_commercetools,
            draw=seams.draw,
            limits=WireLimits(
                timeout_s=limits.commercetools_s,
                tries=limits.commercetools_tries,
                total_s=limits.commercetools_total_s if total_s is None else total_s,
            ),
        )
        tokens = Tokens(wire=wire, auth_url=ct.auth_url, client_id=ct.client_id, client_secret=ct.client_secret)
        client = Commercetools(wire=wire, tokens=tokens, api_url=ct.api_url, project_key=ct.project_key)
        yield Outside(
            wire=wire,
            tokens=tokens,
            client=client,
            ledger=Ledger(
                client=client,
                interface=f"ctpay-{settings.psp_name}",
                turns=Turns(),
                draw=seams.draw,
                conflicts_within_s=limits.conflicts_s,
            ),
            psp_seams=PspSeams(
                session=to_psp,
                clock=seams.clock,
                draw=seams.draw,
                project_key=ct.project_key,
                patience=Patience(try_s=limits.psp_timeout_s, tries=limits.psp_tries, total_s=limits.psp_total_s),
            ),
        )


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """No cookies: the answer to one request has no business in another, which may be about another payment."""
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(_trace,))


async def _trace(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Whatever goes out says for which trace."""
    request.headers.update(carried())
    return await send(request)


def _connector(limit_per_host: int) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0, limit_per_host=limit_per_host)


#: What `ctpay` runs on.
REAL: Final = Seams(clock=now, new_id=new_id, draw=draw, connector=_connector, bus=_bus)
