"""The routes that serve the browser library: what is on the list, nothing else, and with the right headers."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from enabler.inventory import LIST, PUBLIC, BrokenInventoryError, integrity_of, read_library
from enabler.routes import add_routes

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
    library = read_library()
    paths = [
        (f"{folder}{name}", asset) for name, asset in library.assets.items() for folder in ("", f"{library.release}/")
    ]
    for path, asset in paths:
        async with client.get(f"/enabler/{path}") as reply:
            assert (reply.status, reply.headers["Content-Type"]) == (200, asset.media_type)
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Referrer-Policy"] == "no-referrer"
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
    async with client.get(ENTRY, headers=accept | {"If-None-Match": f'"other", {etag}'}) as second:
        assert (second.status, await second.read(), second.headers["ETag"]) == (304, b"", etag)
    async with client.get(ENTRY, headers=accept | {"If-None-Match": '"other"'}) as third:
        assert third.status == 200


async def test_what_is_newest_is_kept_for_minutes_and_what_never_changes_for_good(client):
    release = read_library().release
    kept = {"": "public, max-age=300", f"{release}/": "public, max-age=31536000, immutable"}
    for folder, caching in kept.items():
        async with client.get(f"/enabler/{folder}connector-enabler.es.js") as reply:
            assert (reply.status, reply.headers["Cache-Control"]) == (200, caching)
    async with client.get("/enabler/0000000000000000/connector-enabler.es.js") as reply:
        assert reply.status == 404


async def test_the_inventory_gives_a_page_the_hash_and_the_reason_of_every_script(client):
    async with client.get(f"/enabler/{LIST}", headers={"Accept-Encoding": "identity"}) as reply:
        found = await reply.json()
    scripts = [one for one in found["files"] if one["name"].endswith(".js")]
    assert {one["name"] for one in scripts} == {path.name for path in PUBLIC.glob("*.js")}
    for one in found["files"]:
        url = f"/enabler/{found['release']}/{one['name']}"
        async with client.get(url, headers={"Accept-Encoding": "identity"}) as reply:
            body = await reply.read()
        assert (integrity_of(body), len(body)) == (one["integrity"], one["bytes"])
        assert len(one["reason"].split()) > 5


@pytest.mark.parametrize("harm", ["changed", "missing", "list"])
def test_a_file_that_is_not_the_one_of_the_list_stops_the_start(tmp_path, harm):
    folder = tmp_path / "public"
    shutil.copytree(PUBLIC, folder)
    match harm:
        case "changed":
            (folder / "connector-enabler.es.js").write_text("export const Enabler = null;")
        case "missing":
            (folder / "connector-enabler.umd.js").unlink()
        case "list":
            (folder / LIST).write_text('{"release": "../../etc", "files": []}')
    with pytest.raises(BrokenInventoryError, match="make enabler"):
        read_library(folder)


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


async def test_a_file_that_appears_later_or_is_not_on_the_list_is_not_served(tmp_path):
    folder = tmp_path / "public"
    shutil.copytree(PUBLIC, folder)
    (folder / "secret.js").write_text("2")
    library = read_library(folder)
    (folder / "later.js").write_text("3")
    (folder / "connector-enabler.es.js").unlink()
    app = web.Application()
    add_routes(app, allowed_origins=frozenset(), library=library, prefix="/x")
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        statuses = {}
        for name in ("connector-enabler.es.js", "later.js", "secret.js"):
            async with session.get(server.make_url(f"/x/{name}")) as reply:
                statuses[name] = reply.status
    assert statuses == {"connector-enabler.es.js": 200, "later.js": 404, "secret.js": 404}


@pytest.mark.parametrize("name", ["connector-enabler.es.js", "connector-enabler.umd.js"])
def test_each_script_is_much_smaller_than_the_reference_and_is_whole_by_itself(name):
    asset = read_library().assets[name]
    # Bytes. The reference connector's module has 23.4 kB.
    assert len(asset.gzipped) < 16_000
    assert "import" not in asset.body.decode().replace("important", "")


def test_the_library_makes_no_html_or_code_of_text_and_speaks_to_no_origin_but_the_one_it_knows():
    text = b"".join(asset.body for name, asset in read_library().assets.items() if name.endswith(".js")).decode()
    for forbidden in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ',"*")', "'*')"):
        assert forbidden not in text, forbidden
    # Nor does it have a list of test cards, or any address.
    assert not any(digits in text for digits in ("4242", "4111", "5555", "http://", "https://"))


def test_source_maps_name_our_sources_and_nothing_of_the_machine_that_built_them():
    for path in PUBLIC.glob("*.map"):
        sources = json.loads(path.read_text())["sources"]
        assert sources
        assert all(source.startswith("../src/") for source in sources)


@pytest.mark.parametrize("accepted", ["gzip;q=0", "br, gzip; q=0.000", "identity", "x-gzipped", ""])
async def test_a_browser_that_does_not_take_gzip_gets_it_plain(client, accepted):
    async with client.get(ENTRY, headers={"Accept-Encoding": accepted}) as plain:
        assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("accepted", ["gzip;q=0.1", "GZIP", "deflate;q=0, gzip;q=1.0"])
async def test_a_browser_that_takes_gzip_by_whatever_words_gets_it(client, accepted):
    async with client.get(ENTRY, headers={"Accept-Encoding": accepted}) as zipped:
        assert zipped.headers["Content-Encoding"] == "gzip"
