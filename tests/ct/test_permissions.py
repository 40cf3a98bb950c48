from __future__ import annotations

import pytest
from support.scripted_server import json

from ct.permissions import NEEDED, STORING, scopes_missing

#: As the README tells merchants to give them.
ALL = ["manage_payments", "manage_orders", "view_sessions", "introspect_oauth_tokens", "view_types"]


def test_what_is_needed_is_what_merchants_are_told():
    assert [row[0] for row in NEEDED] == ALL


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        (" ".join(f"{one}:demo" for one in ALL), []),
        ("manage_project:demo", []),
        ("manage_project:other", ALL),
        ("manage_project:demo:store", ALL),
        ("manage_project:other:demo", ALL),
        ("", ALL),
        (" ".join(f"{one}:demo" for one in ALL[1:]), ALL[:1]),
        ("manage_payments:demo manage_orders:demo manage_sessions:demo manage_types:demo", ["introspect_oauth_tokens"]),
    ],
)
async def test_what_the_api_client_still_needs_is_read_off_its_token(server, tokens, scope, missing):
    server.on("/oauth/token", json({"access_token": "t", "expires_in": 100, "scope": scope}))
    assert list(await scopes_missing(tokens, "demo")) == missing
    await scopes_missing(tokens, "demo")
    assert len(server.asked) == 1


async def test_who_lets_shoppers_keep_cards_needs_one_scope_more(server, tokens):
    scope = " ".join(f"{one}:demo" for one in ALL)
    server.on("/oauth/token", json({"access_token": "t", "expires_in": 100, "scope": scope}))
    assert await scopes_missing(tokens, "demo", (STORING,)) == ("manage_payment_methods",)
