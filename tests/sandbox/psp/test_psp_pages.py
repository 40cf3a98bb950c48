"""The pages of Sandbox Pay: who may embed them, what they may load, and what can be put into them."""

from __future__ import annotations

from urllib.parse import urlencode

import aiohttp
import pytest
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, running_psp

from sandbox.psp.labels import LABELS
from sandbox.psp.site import origin_of

SHOP = "http://localhost:3000"


async def get(url: str, path: str, **query: str):
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}?{urlencode(query)}") as response:
        return response.status, response.headers, await response.text()


async def test_every_page_forbids_foreign_code_and_names_who_may_embed_it():
    async with running_psp() as psp:
        for path, query, parent in [
            ("/", {}, "'none'"),
            ("/cards", {}, "'none'"),
            ("/fields", {"publishable_key": PUBLISHABLE_KEY, "origin": SHOP}, SHOP),
        ]:
            status, headers, text = await get(psp.url, path, **query)
            policy = headers["Content-Security-Policy"]
            assert status == 200
            assert policy.startswith("default-src 'none';")
            assert policy.endswith(f"frame-ancestors {parent}")
            assert "unsafe" not in policy
            assert "<style" not in text
            assert " style=" not in text
            assert "onclick" not in text
            assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    [
        {"origin": SHOP},
        {"publishable_key": "pk_other", "origin": SHOP},
        {"publishable_key": PUBLISHABLE_KEY},
        {"publishable_key": PUBLISHABLE_KEY, "origin": "https://evil.test"},
        {"publishable_key": PUBLISHABLE_KEY, "origin": "https://evil.test localhost"},
        {"publishable_key": PUBLISHABLE_KEY, "origin": "javascript:alert(1)"},
        {"publishable_key": PUBLISHABLE_KEY, "origin": "http://localhost:x"},
    ],
)
async def test_the_fields_are_only_for_pages_that_may_embed_them(query):
    async with running_psp() as psp:
        assert (await get(psp.url, "/fields", **query))[0] == 403


async def test_a_list_of_allowed_origins_is_all_that_is_allowed():
    async with running_psp(allowed_origins=["https://shop.test"]) as psp:
        key = {"publishable_key": PUBLISHABLE_KEY}
        assert (await get(psp.url, "/fields", origin="https://shop.test", **key))[0] == 200
        assert (await get(psp.url, "/fields", origin=SHOP, **key))[0] == 403


async def test_a_theme_carries_colours_and_sizes_and_nothing_else():
    async with running_psp() as psp:
        theme = {"accent": "#112233", "radius": "24", "size": "99", "text": "red;}</body><script>", "font": "url(x)"}
        _, _, text = await get(psp.url, "/fields", publishable_key=PUBLISHABLE_KEY, origin=SHOP, **theme)
        assert 'data-theme="{&quot;accent&quot;: &quot;#112233&quot;, &quot;radius&quot;: &quot;24&quot;}"' in text


@pytest.mark.parametrize(("locale", "language"), [("de-AT", "de"), ("fr", "fr"), ("xx", "en"), ("", "en")])
async def test_the_fields_speak_the_shoppers_language(locale, language):
    async with running_psp() as psp:
        _, _, text = await get(psp.url, "/fields", publishable_key=PUBLISHABLE_KEY, origin=SHOP, locale=locale)
        assert f'<html lang="{language}" dir="ltr">' in text
        assert LABELS[language]["number"] in text


def test_every_language_has_every_word():
    assert {frozenset(words) for words in LABELS.values()} == {frozenset(LABELS["en"])}


async def test_a_challenge_may_be_framed_by_the_page_that_made_the_token_and_a_redirect_by_nobody():
    async with running_psp() as psp, aiohttp.ClientSession() as session:

        async def pay(token: str, key: str) -> str:
            body = {
                "amount": 1,
                "currency": "EUR",
                "token": token,
                "merchant_reference": '"><script>',
                "return_url": "https://api.shop.test:8443/return",
            }
            headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": key}
            async with session.post(f"{psp.url}/v1/payments", json=body, headers=headers) as response:
                return (await response.json())["id"]

        card = {"number": "4000000000003220", "exp_month": 1, "exp_year": 2099, "cvc": "123", "origin": SHOP}
        headers = {"Authorization": f"Bearer {PUBLISHABLE_KEY}"}
        async with session.post(f"{psp.url}/v1/tokens", json=card, headers=headers) as response:
            token = (await response.json())["id"]
        for wanted, parent in [
            (token, SHOP),
            ("tok_3ds", "https://api.shop.test:8443"),
            ("tok_3ds_redirect", "'none'"),
        ]:
            status, headers, text = await get(psp.url, f"/challenge/{await pay(wanted, wanted)}")
            assert status == 200
            assert headers["Content-Security-Policy"].endswith(f"frame-ancestors {parent}")
            assert "<script>" not in text
        assert (await get(psp.url, "/challenge/pay_none"))[0] == 404


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.test/a?b#c", "https://shop.test"),
        ("https://shop.test:443", "https://shop.test"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
        ("https://user@shop.test:99999", None),
        ("ftp://shop.test", None),
        ("https://", None),
        ("https://a;script-src *", None),
    ],
)
def test_an_origin_is_taken_from_an_address_or_not_at_all(url, origin):
    assert origin_of(url) == origin


async def test_assets_are_served_and_nothing_beside_them():
    async with running_psp() as psp:
        assert (await get(psp.url, "/assets/fields.js"))[0] == 200
        for path in ("/assets/../fields.html", "/assets/%2e%2e/fields.html", "/assets/..%2f..%2fserver.py", "/assets/"):
            assert (await get(psp.url, path))[0] in {403, 404}, path
