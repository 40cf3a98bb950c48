"""Serves the browser library, each file at two addresses.

`/enabler/<name>` is for pages that want to be served what is newest: browsers keep it for minutes. In
`/enabler/<release>/<name>` the release is a hash of the content: browsers keep it for good, and a page may pin it with
the `integrity` of the inventory. No request touches the disk, so there is no path to climb out of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from enabler.inventory import Asset, Library, read_library

#: A shopper who is on the page while we deploy gets one version or the other, never half of each: it is one file.
_NEWEST: Final = "public, max-age=300"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"

_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # Shops on other origins are the very purpose.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

#: A weight of nothing.
_FORBIDDEN: Final = re.compile(r"q=0(\.0{1,3})?")


def add_routes(
    app: web.Application,
    *,
    allowed_origins: frozenset[str],
    library: Library | None = None,
    prefix: str = "/enabler",
) -> None:
    """Serve the library under the prefix.

    `allowed_origins`: of the shops whose pages may load it as a module, or `*`. `library` None: that of this package;
    raises BrokenInventoryError where its files are not what they should be.
    """
    library = read_library() if library is None else library
    for name, asset in library.assets.items():
        app.router.add_get(f"{prefix}/{name}", _handler(asset, allowed_origins, _NEWEST))
        app.router.add_get(f"{prefix}/{library.release}/{name}", _handler(asset, allowed_origins, _FOR_GOOD))


def _handler(asset: Asset, allowed_origins: frozenset[str], caching: str) -> Handler:
    async def send(request: web.Request) -> web.Response:
        zipped = _takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        etag = f"{asset.etag}-gzip" if zipped else asset.etag
        headers = {
            **_SECURITY,
            **_cors(request.headers.get(hdrs.ORIGIN), allowed_origins),
            "Cache-Control": caching,
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


def _takes_gzip(accepted: str) -> bool:
    """Whether an `Accept-Encoding` (RFC 9110, 12.5.3) names it, and not with `q=0`, which forbids it."""
    for one in accepted.lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return _FORBIDDEN.fullmatch(weight.replace(" ", "")) is None
    return False


def _cors(origin: str | None, allowed: frozenset[str]) -> Mapping[str, str]:
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": origin} if origin is not None and origin in allowed else {}
