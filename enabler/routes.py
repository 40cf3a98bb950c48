"""Serves the browser library: a fixed list of files, read once at start.

No request touches the disk, so there is no path to climb out of. Every file has an ETag of its content and is asked
after again before it is used, which costs a browser one small round trip and never shows it an old version.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

PUBLIC: Final = Path(__file__).parent / "public"

#: Ending -> media type. A file that ends otherwise is not served.
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Shops on other origins are the very purpose.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file."""

    media_type: str
    body: bytes
    #: The body, compressed.
    gzipped: bytes
    #: Strong, without its quotes. The compressed form has one of its own.
    etag: str


def inventory(folder: Path) -> dict[str, Asset]:
    """Every file of a known type under the folder, by its path from there with forward slashes."""
    return {
        path.relative_to(folder).as_posix(): _asset(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }


def add_routes(
    app: web.Application,
    *,
    allowed_origins: frozenset[str],
    assets: Mapping[str, Asset] | None = None,
    prefix: str = "/enabler",
) -> None:
    """Serve the library under the prefix.

    `allowed_origins`: of the shops whose pages may load it as a module, or `*`. `assets` None: those of this package.
    """
    for name, asset in (inventory(PUBLIC) if assets is None else assets).items():
        app.router.add_get(f"{prefix}/{name}", _handler(asset, allowed_origins))


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    # Without a time in it, so that every instance has the same bytes.
    gzipped = gzip.compress(body, compresslevel=9, mtime=0)
    etag = hashlib.sha256(body).hexdigest()[:32]
    return Asset(media_type=_TYPES[path.suffix], body=body, gzipped=gzipped, etag=etag)


def _handler(asset: Asset, allowed_origins: frozenset[str]) -> Handler:
    async def send(request: web.Request) -> web.Response:
        zipped = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        etag = f"{asset.etag}-gzip" if zipped else asset.etag
        headers = {
            **_SECURITY,
            **_cors(request.headers.get(hdrs.ORIGIN), allowed_origins),
            "Cache-Control": "public, no-cache",
            "ETag": f'"{etag}"',
            "Vary": "Accept-Encoding, Origin",
        }
        if any(known.value in {etag, "*"} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = asset.media_type
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=asset.gzipped if zipped else asset.body, headers=headers)

    return send


def _cors(origin: str | None, allowed: frozenset[str]) -> Mapping[str, str]:
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": origin} if origin is not None and origin in allowed else {}
