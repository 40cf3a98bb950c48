"""What the ingress may ask of Sandbox Pay: where browsers find its fields, and whether it is up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import aiohttp

from psp.capabilities import Capabilities, CaptureSupport, Dropin, Listing, LookupBy, RefundScope, Remainder
from psp.port import PspHealth

NAME: Final = "sandbox"

CAPABILITIES: Final = Capabilities(
    methods=frozenset({"card"}),
    captures=CaptureSupport.MULTIPLE,
    remainder=Remainder.KEPT,
    refund_scope=RefundScope.PAYMENT,
    key_lifetime=timedelta(hours=24),
    key_length_max=255,
    lookup_by=frozenset({LookupBy.PSP_REFERENCE, LookupBy.OUR_REFERENCE}),
    dropins=frozenset({Dropin.EMBEDDED}),
    express=frozenset({"wallet"}),
    storable=frozenset({"card"}),
    listing=Listing.BY_TIME,
)

_HEALTH_TIMEOUT_S: Final = 2.0
_OK: Final = 200


class SandboxReads:
    """Implements `PspReads`."""

    name = NAME
    capabilities = CAPABILITIES

    def __init__(self, *, session: aiohttp.ClientSession, url: str, public_url: str, publishable_key: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._public_url = public_url.rstrip("/")
        self._publishable_key = publishable_key

    def client_configuration(self) -> Mapping[str, str]:
        """`fieldsUrl` and `walletUrl`, for the iframes with card fields and wallet; their `publishableKey`."""
        return {
            "environment": NAME,
            "fieldsUrl": f"{self._public_url}/fields",
            "walletUrl": f"{self._public_url}/wallet",
            "publishableKey": self._publishable_key,
        }

    async def health(self) -> PspHealth:
        """Asks once, without a key and with little patience."""
        timeout = aiohttp.ClientTimeout(total=_HEALTH_TIMEOUT_S)
        try:
            async with self._session.get(f"{self._url}/v1/health", timeout=timeout, allow_redirects=False) as response:
                return PspHealth(up=response.status == _OK, details=f"GET /v1/health: {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            return PspHealth(up=False, details=f"GET /v1/health: {type(error).__name__}")
