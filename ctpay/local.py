"""The environment of a connector that runs against the stand-ins on this machine: addresses, and secrets made up anew.

Nothing of a person's own settings gets through, so that `make run` can never touch a real project.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Final

from ctpay.ports import HOST, VARIABLES, Ports
from ctpay.settings import Limits

#: Variables of the surroundings that a process needs, or that a developer wants to reach it.
_KEPT: Final = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "PATH",
        "SYSTEMROOT",
        "TMPDIR",
        "TZ",
        "VIRTUAL_ENV",
        "LOG_LEVEL",
        "COVERAGE_PROCESS_START",
    }
    | {name.upper() for name in Limits.model_fields}
)
PROJECT_KEY: Final = "demo-shop"


def environment(ports: Ports, surroundings: Mapping[str, str]) -> dict[str, str]:
    """For the stand-ins and the connector alike: both sides must know the same secrets."""
    commercetools = f"http://{HOST}:{ports.commercetools}"
    shops = [f"http://{host}:{ports.shop}" for host in (HOST, "localhost")]
    return {
        # A person waits at the terminal.
        "DRAIN_S": "5",
        **{name: value for name, value in surroundings.items() if name in _KEPT},
        **{VARIABLES[name]: str(getattr(ports, name)) for name in VARIABLES},
        "CTP_PROJECT_KEY": PROJECT_KEY,
        "CTP_CLIENT_ID": "ctpay-local",
        "CTP_CLIENT_SECRET": secrets.token_urlsafe(24),
        "CTP_AUTH_URL": commercetools,
        "CTP_API_URL": commercetools,
        "CTP_SESSION_URL": commercetools,
        "CTP_JWKS_URL": f"{commercetools}/.well-known/jwks.json",
        "CTP_JWT_ISSUER": commercetools,
        "GOOGLE_CLOUD_PROJECT": "ctpay-local",
        "PUBSUB_EMULATOR_HOST": f"{HOST}:{ports.pubsub}",
        "PSP": "sandbox",
        "SANDBOX_PSP_URL": f"http://{HOST}:{ports.psp}",
        "SANDBOX_PSP_SECRET_KEY": f"sk_sandbox_{secrets.token_hex(12)}",
        "SANDBOX_PSP_PUBLISHABLE_KEY": f"pk_sandbox_{secrets.token_hex(12)}",
        "SANDBOX_PSP_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        # The merchant's own API client: the shop's, and the demo's.
        "SHOP_CLIENT_ID": "merchant-local",
        "SHOP_CLIENT_SECRET": secrets.token_urlsafe(24),
        "PUBLIC_URL": f"http://{HOST}:{ports.ingress}",
        "BIND_ADDRESS": HOST,
        "ALLOWED_ORIGINS": ",".join(shops),
        # Everything that a shop can offer.
        "STORED_PAYMENT_METHODS_ENABLED": "true",
        "ON_ACCOUNT_METHODS": "invoice,purchaseorder",
    }
