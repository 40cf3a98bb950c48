"""What is no HTTP at all, sent to the ingress as it is deployed: refused, and not one byte of it in the log."""

from __future__ import annotations

import asyncio

import pytest
from support.polling import eventually
from support.stack import PATIENCE_S

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]

CANARY = "canary4f7a"
GARBAGE = {
    "method": f"\x01{CANARY} / HTTP/1.1\r\n\r\n",
    "version": f"GET / HTTP/{CANARY}\r\n\r\n",
    "path": f"GET /payments/{CANARY}\x00 HTTP/1.1\r\n\r\n",
    "header name": f"GET / HTTP/1.1\r\nX {CANARY}: 1\r\n\r\n",
    "header value": f"GET / HTTP/1.1\r\nX-Session-Id: {CANARY}\x00\r\n\r\n",
    "long header": f"GET / HTTP/1.1\r\nX-Session-Id: {CANARY * 2000}\r\n\r\n",
    "length": f"POST /payments HTTP/1.1\r\nContent-Length: {CANARY}\r\n\r\n",
    "chunk": f"POST /payments HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
    "no HTTP": f"{CANARY}\r\n\r\n",
}


async def test_what_is_no_http_leaves_no_trace_of_itself_in_the_log(stack):
    before = len(stack.lines)
    host, port = stack.environment["PUBLIC_URL"].removeprefix("http://").split(":")
    for name, sent in GARBAGE.items():
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent.encode("latin-1"))
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            reply = await reader.read()
        writer.close()
        assert not reply or reply.split(b" ", 2)[1] in {b"400", b"401", b"404", b"431"}, (name, reply)

    # The last line that the ingress writes is that of a request that is well-formed.
    await stack.ask("GET", "/health/live")

    async def told():
        return any(one["event"] == "request.done" and one["route"] == "/health/live" for one in stack.lines[before:])

    await eventually(told, within_s=PATIENCE_S)
    assert CANARY not in str(stack.lines[before:]) + str(stack.strays)
