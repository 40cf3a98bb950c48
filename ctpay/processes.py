"""The product's processes: the ingress and the workers, from ready to drained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from bus.pubsub_shelf import PubsubShelf
from bus.topics import Topic
from ctpay.lifecycle import announce, stopping
from ctpay.metrics import CONTENT_TYPE, Metrics
from ctpay.settings import IngressSettings, Settings
from ctpay.wiring import Workers, names_of, open_ingress, open_workers
from handlers.serving import make_runner
from workers.dead_letters import keep_counting
from workers.tally import Kind

#: Of the time to drain, the part for which the port stays open: load balancers learn that we are not ready, requests
#: that are on their way arrive, and each answer closes its connection.
_NOTICE: Final = 0.2
#: Of the time to drain, the part after which requests that still wait for a result are answered without one.
_PATIENCE: Final = 0.5
#: For closing connections after what was in hand is finished; then the process ends as it is.
_CLOSING_S: Final = 5.0
#: Letters that a worker has in memory to count them: a process is small, and a letter may be large.
_COUNTED_AT_A_TIME: Final = 10
#: Where a platform's probes and monitors find what is for them alone.
_HEALTH_HOST: Final = "0.0.0.0"  # noqa: S104 - they come from outside the container; the routes tell nothing

_log = structlog.stdlib.get_logger(__name__)


async def ingress(settings: IngressSettings, metrics: Metrics) -> int:
    """Serve until told to stop. Then: not ready, soon no new connections, finish the requests in hand."""
    drain_s = settings.common.limits.drain_s
    with stopping(within_s=drain_s + _CLOSING_S) as stop:
        async with open_ingress(settings) as parts:
            runner = make_runner(parts.app, shutdown_s=drain_s * (1 - _NOTICE))
            await runner.setup()
            monitored = await _serve_metrics(metrics, settings.web.metrics_port)
            try:
                site = web.TCPSite(runner, settings.web.bind_address, settings.web.port)
                await site.start()
                port = runner.addresses[0][1]
                _log.info("ingress.started", port=port)
                announce("ingress", port=port)
                await stop.wait()
                _log.info("ingress.stopping")
                parts.draining.begin()
                asyncio.get_running_loop().call_later(drain_s * _PATIENCE, parts.replies.close)
                await asyncio.sleep(drain_s * _NOTICE)
            finally:
                await runner.cleanup()
                await monitored.cleanup()
    _log.info("ingress.stopped")
    return 0


async def workers(settings: Settings, names: Sequence[str], metrics: Metrics) -> int:
    """Take messages until told to stop. Then: not ready, no new messages, finish those in hand and acknowledge them."""
    with stopping(within_s=settings.limits.drain_s + _CLOSING_S) as stop:
        async with open_workers(settings, names) as parts:
            metrics.tell_letters(for_person=parts.letters_for_person, waiting=parts.letters_waiting)
            health = await _serve_health(parts, stop, metrics, settings.health.port)
            counting = asyncio.create_task(_count_letters(settings, parts))
            try:
                _log.info("workers.started", count=len(names))
                announce("workers", names=list(names))
                await stop.wait()
                _log.info("workers.stopping")
                # Here and not at the end of the block, so that the health routes say so meanwhile.
                await parts.drain()
            finally:
                counting.cancel()
                await asyncio.wait({counting})
                await health.cleanup()
    _log.info("workers.stopped")
    return 0


async def _count_letters(settings: Settings, parts: Workers) -> None:
    """Let health and metrics tell of the dead letters that were there before this process was."""
    if Topic.DEAD_LETTERS in parts.consumptions:
        await keep_counting(parts.work, partial(PubsubShelf, names=names_of(settings), batch=_COUNTED_AT_A_TIME))


async def _serve_health(parts: Workers, stop: asyncio.Event, metrics: Metrics, port: int | None) -> web.AppRunner:
    """`/health/live`, `/health/ready` and `/metrics`, if they are asked for."""

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_request: web.Request) -> web.Response:
        if stop.is_set():
            return web.json_response({"status": "draining", "failed": []}, status=503)
        unwell = parts.unwell()
        status = "not ready" if unwell else "ready"
        # Told, and no reason to be not ready: a person has to act, or time, and no other instance could do better.
        said = {
            "status": status,
            "failed": unwell,
            "dead_letters_for_a_person": _listed(parts.letters_for_person()),
            "dead_letters_waiting": _listed(parts.letters_waiting()),
        }
        return web.json_response(said, status=503 if unwell else 200)

    app = _monitored(metrics)
    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    return await _serve(app, port, "health.started")


def _listed(letters: Mapping[Kind, int]) -> list[dict[str, str | int]]:
    return [{"worker": worker, "cause": cause, "count": count} for (worker, cause), count in letters.items()]


async def _serve_metrics(metrics: Metrics, port: int | None) -> web.AppRunner:
    """`/metrics` of an ingress, if they are asked for."""
    return await _serve(_monitored(metrics), port, "metrics.started")


def _monitored(metrics: Metrics) -> web.Application:
    async def tell(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", tell)
    return app


async def _serve(app: web.Application, port: int | None, event: str) -> web.AppRunner:
    runner = make_runner(app, shutdown_s=_CLOSING_S)
    await runner.setup()
    if port is not None:
        await web.TCPSite(runner, _HEALTH_HOST, port).start()
        _log.info(event, port=runner.addresses[0][1])
    return runner
