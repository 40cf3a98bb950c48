"""The routes that serve the browser library: what is on the list, nothing else, and with the right headers."""

from __future__ import annotations

import asyncio
import gzip
import re

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from enabler.routes import PUBLIC, add_routes, inventory

ENTRY = "/enabler/connector-enabler.es.js"
SHOP = "https://shop.test"


@pytest.fixture
async def server():
    app = web.Application()
    add_routes(app, allowed_origins=frozenset({SHOP}))
    async with TestServer(app) as running:
        yield running


@pytest.fixture
async def client(server):
    async with aiohttp.ClientSession(server.make_url("/"), auto_decompress=False) as session:
        yield session


async def test_every_file_is_served_with_its_type_and_safe_headers(client):
    for name, asset in inventory(PUBLIC).items():
        async with client.get(f"/enabler/{name}") as reply:
            assert (reply.status, reply.headers["Content-Type"]) == (200, asset.media_type)
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_a_browser_that_takes_gzip_gets_it_with_an_etag_of_its_own(client):
    async with client.get(ENTRY, headers={"Accept-Encoding": "identity"}) as plain:
        text = await plain.read()
        assert "Content-Encoding" not in plain.headers
    async with client.get(ENTRY, headers={"Accept-Encoding": "br, gzip"}) as zipped:
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await zipped.read()) == text
        assert zipped.headers["ETag"] != plain.headers["ETag"]
        assert "Accept-Encoding" in zipped.headers["Vary"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_file_that_did_not_change_is_not_sent_again(client, encoding):
    accept = {"Accept-Encoding": encoding}
    async with client.get(ENTRY, headers=accept) as first:
        etag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "public, no-cache"
    async with client.get(ENTRY, headers=accept | {"If-None-Match": f'"other", {etag}'}) as second:
        assert (second.status, await second.read(), second.headers["ETag"]) == (304, b"", etag)
    async with client.get(ENTRY, headers=accept | {"If-None-Match": '"other"'}) as third:
        assert third.status == 200


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [
        ({SHOP}, SHOP, SHOP),
        ({SHOP}, "https://other.test", None),
        ({SHOP}, None, None),
        ({"*"}, "https://other.test", "*"),
        (set(), SHOP, None),
    ],
)
async def test_only_pages_of_configured_shops_may_load_the_modules(allowed, origin, may):
    app = web.Application()
    add_routes(app, allowed_origins=frozenset(allowed))
    headers = {} if origin is None else {"Origin": origin}
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url(ENTRY), headers=headers) as reply,
    ):
        assert reply.headers.get("Access-Control-Allow-Origin") == may
        assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/enabler/",
        "/enabler/psp/",
        "/enabler/../routes.py",
        "/enabler/%2e%2e/routes.py",
        "/enabler/psp/../../routes.py",
        "/enabler/psp/..%2f..%2froutes.py",
        "/enabler//etc/passwd",
        "/enabler/%00connector-enabler.es.js",
        "/enabler/connector-enabler.es.js%00",
        "/enabler/routes.py",
        "/enabler/psp/nobody.js",
    ],
)
async def test_nothing_but_the_list_is_served(server, path):
    # Over a bare socket: clients tidy paths up before they send them.
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\n\r\n".encode())
    reply = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert reply.split(" ")[1] in {"400", "404"}
    assert "import" not in reply


async def test_a_file_that_appears_later_or_has_an_unknown_type_is_not_served(tmp_path):
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "secret.env").write_text("2")
    assets = inventory(tmp_path)
    (tmp_path / "later.js").write_text("3")
    (tmp_path / "a.js").unlink()
    app = web.Application()
    add_routes(app, allowed_origins=frozenset(), assets=assets, prefix="/x")
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        statuses = {}
        for name in ("a.js", "later.js", "secret.env"):
            async with session.get(server.make_url(f"/x/{name}")) as reply:
                statuses[name] = reply.status
    assert statuses == {"a.js": 200, "later.js": 404, "secret.env": 404}


def test_every_module_that_is_imported_is_on_the_list():
    assets = inventory(PUBLIC)
    for name, asset in assets.items():
        for imported in re.findall(r'^(?:import|export) .*? from "(.+?)";$', asset.body.decode(), re.MULTILINE):
            path = (PUBLIC / name).parent / imported
            assert path.resolve().relative_to(PUBLIC.resolve()).as_posix() in assets, f"{name} imports {imported}"


def test_the_library_makes_no_html_of_text_and_is_smaller_than_the_reference():
    assets = inventory(PUBLIC)
    for name, asset in assets.items():
        for forbidden in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", 'postMessage(message, "*")'):
            assert forbidden not in asset.body.decode(), f"{name} has {forbidden}"
    # Bytes. The reference connector's bundle has 23.4 kB.
    assert sum(len(asset.gzipped) for asset in assets.values()) < 23_400
