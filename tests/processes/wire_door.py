"""The doorways of HTTP: what our processes ask of the PSP and of commercetools, and what is asked of our ingress.

What comes by is written down and passed on as it is; a connection that breaks on one side breaks on the other.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from processes.journal import read
from simulation.logs import MERCHANT, PSP, SHOPPER, Exchange, Fate, Genuine, Peer
from simulation.record import Draft
from yarl import URL

from ctpay.ports import HOST

#: Of one connection alone (RFC 9110, section 7.6.1), or told anew.
_OWN = {"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Host", "Accept-Encoding"}


class WireDoor:
    """Two servers: one in the place of the ingress, and one in the place of both stand-ins."""

    def __init__(self, journal, origins, http):
        self._journal = journal
        #: Peer -> its address; the ingress's under None.
        self._origins = origins
        self._http = http
        self._shoppers = {}

    async def call(self, request):
        """`/{process}/{peer}/...`: one of our processes asks."""
        process, peer = request.match_info["process"], Peer(request.match_info["peer"])
        path = request.raw_path.split("/", 3)[3]
        n, at = self._journal.stamp()
        draft = Draft(
            n=n, at=at, process=process, peer=peer, method=request.method, path=f"/{path}",
            key=request.headers.get("Idempotency-Key"), body=await request.read(),
        )  # fmt: skip
        self._journal.calls.append(draft)
        sent = self._journal.stamp()
        answer = await self._pass_on(request, self._origins[peer], draft.path, draft.body)
        if answer is None:
            draft.fate = Fate.RESET
        else:
            # It arrived for certain.
            draft.performed_n, draft.performed_at = sent
            draft.status, draft.reply = answer.status, answer.body
            draft.fate = Fate.GONE if _is_gone(request) else Fate.ANSWERED
        draft.done_n, draft.done_at = self._journal.stamp()
        return answer or _cut(request)

    async def request(self, request):
        """Somebody asks the ingress."""
        body, path = await request.read(), request.raw_path
        process = self._journal.lives.get("ingress", "")
        n, at = self._journal.stamp()
        answer = await self._pass_on(request, self._origins[None], path, body)
        status = None if answer is None or _is_gone(request) else answer.status
        done_n, done_at = (None, None) if status is None else self._journal.stamp()
        is_webhook = path.startswith("/webhooks/")
        self._journal.exchanged(
            Exchange(
                n=n, at=at, actor=PSP if is_webhook else self._actor(request), process=process, method=request.method,
                path=path, headers=dict(request.headers), key=request.headers.get("Idempotency-Key"), body=body,
                status=status, answer=None if answer is None else read(answer.body), done_n=done_n, done_at=done_at,
                genuine=Genuine.YES if is_webhook else None,
                location=None if answer is None else answer.headers.get("Location"),
            )
        )  # fmt: skip
        return answer or _cut(request)

    def _actor(self, request):
        session = request.headers.get("X-Session-Id")
        if session is None:
            return MERCHANT
        return f"{SHOPPER} {self._shoppers.setdefault(session, len(self._shoppers) + 1)}"

    async def _pass_on(self, request, origin, path, body):
        """The answer; None: the connection broke."""
        headers = [(name, value) for name, value in request.headers.items() if name.title() not in _OWN]
        url = URL(f"{origin}{path}", encoded=True)
        try:
            async with self._http.request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                found = [(name, value) for name, value in answer.headers.items() if name.title() not in _OWN]
                return web.Response(status=answer.status, body=await answer.read(), headers=found)
        except aiohttp.ClientError:
            return None


@asynccontextmanager
async def wire_door(journal, origins):
    """Both servers; the addresses of the one in front of the ingress and of the one in front of the stand-ins."""
    # A connection for each request: one that idles may break just when it is used, which nobody has planned.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as http:
        door = WireDoor(journal, origins, http)
        in_front_of_us, in_front_of_them = (
            web.Application(client_max_size=2**30),
            web.Application(client_max_size=2**30),
        )
        in_front_of_us.router.add_route("*", "/{path:.*}", door.request)
        in_front_of_them.router.add_route("*", "/{process}/{peer}/{path:.*}", door.call)
        async with _serving(in_front_of_us) as front, _serving(in_front_of_them) as back:
            yield front, back


@asynccontextmanager
async def _serving(app):
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _is_gone(request):
    return request.transport is None or request.transport.is_closing()


def _cut(request):
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
