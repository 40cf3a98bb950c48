"""OAuth 2: clients, their scopes, the tokens they get, and what a scope is good for. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.errors import RefusedError, not_found

#: The platform's default: 48 hours.
LIFETIME_S: Final = 172_800


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """An API client. Its secret is no secret: it opens a stand-in on this machine."""

    client_id: str
    secret: str
    #: With their projects, such as `manage_payments:demo`.
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What stands behind a token."""

    client_id: str
    scopes: tuple[str, ...]
    expires_at: datetime


#: For each resource: the scopes that may read, and those that may write. Managing contains viewing.
SCOPES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "payments": (("view_payments", "manage_payments"), ("manage_payments",)),
    "carts": (("view_orders", "manage_orders"), ("manage_orders",)),
    "orders": (("view_orders", "manage_orders"), ("manage_orders",)),
    "types": (("view_types", "manage_types"), ("manage_types",)),
    "states": (("view_states", "manage_states"), ("manage_states",)),
    "payment-methods": (("view_payment_methods", "manage_payment_methods"), ("manage_payment_methods",)),
    "subscriptions": (("manage_subscriptions",), ("manage_subscriptions",)),
    "sessions": (("view_sessions", "manage_sessions"), ("manage_sessions",)),
    "custom-objects": (
        (
            *("view_products", "view_orders", "view_customers", "view_key_value_documents"),
            *("manage_products", "manage_orders", "manage_customers", "manage_key_value_documents"),
        ),
        ("manage_products", "manage_orders", "manage_customers", "manage_key_value_documents"),
    ),
}
#: Everything in a project.
_ALL: Final = "manage_project"
_INTROSPECT: Final = "introspect_oauth_tokens"


def demo_clients(project_key: str) -> tuple[Client, ...]:
    """For `make run` and the tests: the connector's, a merchant's, one that may only look, and a stranger's."""
    connector = words(
        "manage_payments manage_orders manage_types view_types manage_payment_methods manage_subscriptions"
        " view_sessions view_api_clients introspect_oauth_tokens"
    )
    scopes = {
        "demo-client": tuple(f"{scope}:{project_key}" for scope in connector),
        "merchant": (f"manage_project:{project_key}", f"manage_sessions:{project_key}"),
        "limited": (f"view_payments:{project_key}",),
        "foreign": ("manage_project:other",),
    }
    return tuple(
        Client(client_id=client_id, secret="demo-secret", scopes=each)  # noqa: S106 # a published demo value
        for client_id, each in scopes.items()
    )


class Tokens:
    """Tokens given out and still remembered."""

    def __init__(self, clients: Iterable[Client], *, new_id: Callable[[], str], lifetime_s: int = LIFETIME_S) -> None:
        self._clients = {client.client_id: client for client in clients}
        self._new_id = new_id
        self._lifetime = timedelta(seconds=lifetime_s)
        self._grants: dict[str, Grant] = {}

    def issue(self, authorization: str | None, form: bytes, query: str, now: datetime) -> Document:
        """RFC 6749 section 4.4. The platform takes the parameters from the form, or from the query."""
        client = self._client(authorization)
        given = {**parse_qs(query), **parse_qs(form.decode(errors="replace"))}
        grant_type = given.get("grant_type", [""])[0]
        if grant_type != "client_credentials":
            raise oauth_error(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", f"Unsupported grant: '{grant_type}'.")
        wanted = tuple(given.get("scope", [""])[0].split()) or client.scopes
        for scope in wanted:
            if scope not in client.scopes:
                raise oauth_error(HTTPStatus.BAD_REQUEST, "invalid_scope", f"The client has no scope '{scope}'.")
        token = self._new_id()
        self._grants[token] = Grant(client_id=client.client_id, scopes=wanted, expires_at=now + self._lifetime)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self._lifetime.total_seconds()),
            "scope": " ".join(wanted),
        }

    def introspect(self, authorization: str | None, form: bytes, now: datetime) -> Document:
        """RFC 7662. The caller needs the right to ask in some project."""
        client = self._client(authorization)
        if not any(scope.partition(":")[0] == _INTROSPECT for scope in client.scopes):
            raise insufficient_scope([_INTROSPECT])
        token = parse_qs(form.decode(errors="replace")).get("token", [""])[0]
        grant = self._grants.get(token)
        if grant is None or grant.expires_at <= now:
            return {"active": False}
        return {
            "active": True,
            "scope": " ".join(grant.scopes),
            "client_id": grant.client_id,
            "exp": int(grant.expires_at.timestamp()),
        }

    def admit(self, authorization: str | None, *, method: str, resource: str, project_key: str, now: datetime) -> Grant:
        """Who calls. Raises 401 for a token that is not good, 403 for one that is not good enough."""
        scheme, _, token = (authorization or "").partition(" ")
        grant = self._grants.get(token) if scheme.lower() == "bearer" else None
        if grant is None or grant.expires_at <= now:
            raise oauth_error(HTTPStatus.UNAUTHORIZED, "invalid_token", "invalid_token")
        if resource not in SCOPES:
            raise not_found(f"URI '/{project_key}/{resource}'")
        read, write = SCOPES[resource]
        enough = [f"{scope}:{project_key}" for scope in (read if method in {"GET", "HEAD"} else write)]
        if not any(scope in grant.scopes for scope in (*enough, f"{_ALL}:{project_key}")):
            raise insufficient_scope(enough)
        return grant

    def revoke_all(self) -> None:
        """As if all tokens had expired."""
        self._grants.clear()

    def _client(self, authorization: str | None) -> Client:
        """Who authenticates by Basic. Raises 401 invalid_client."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = secret = ""
        client = self._clients.get(client_id) if scheme.lower() == "basic" else None
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise oauth_error(
                HTTPStatus.UNAUTHORIZED, "invalid_client", "Please provide valid client credentials using HTTP Basic."
            )
        return client


class OAuthError(RefusedError):
    """A refusal that says the same thing in the words of OAuth too."""

    @property
    def body(self) -> Document:
        return {**super().body, "error": self.code, "error_description": self.message}


def oauth_error(status: int, code: str, message: str) -> OAuthError:
    return OAuthError(status, code, message)


def insufficient_scope(missing: Iterable[str]) -> OAuthError:
    return oauth_error(
        HTTPStatus.FORBIDDEN,
        "insufficient_scope",
        f"Insufficient scope. One of the following scopes is missing: {', '.join(missing)}.",
    )
