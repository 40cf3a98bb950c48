"""Tokens of the Merchant Center: what is believed, what is not, and how often commercetools is asked for its keys."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import json as text_of
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.commercetools_servers import running_commercetools, wall_clock
from support.prose import reads_well
from support.scripted_server import error, hanging_up, json, text

from ct.callers import Merchant, UnknownCallerError
from ct.errors import UnavailableError
from ct.jwks import SigningKeys, Trust
from ct.merchants import Merchants, NoMerchants

PATH = "/jwks.json"
NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER = "https://mc-api.example"
CLAIMS = {"iss": ISSUER, "sub": "merchant-1", "exp": AT + 300, f"{ISSUER}/claims/project_key": "demo"}


@functools.cache
def key(name):
    bits = 1024 if name == "short" else 2048
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(name, kid=None, **more):
    found = text_of.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key()))
    found.pop("key_ops", None)
    return found | {"kid": kid or name, "use": "sig", "alg": "RS256"} | more


def token(*, signed_by="one", kid="one", algorithm="RS256", headers=None, **claims):
    found = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(found, key(signed_by), algorithm=algorithm, headers={"kid": kid, **(headers or {})})


def unsigned(header, claims=CLAIMS, signature="AAAA"):
    parts = [base64.urlsafe_b64encode(text_of.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims)]
    return ".".join([*parts, signature])


@pytest.fixture
def merchants(server, wire):
    server.on(PATH, json({"keys": [jwk("one")]}))
    keys = SigningKeys(wire=wire, url=server.url + PATH, trust=Trust(for_s=300, again_s=30))
    return Merchants(keys=keys, issuer=ISSUER, project_key="demo", clock=lambda: NOW)


async def test_a_token_that_commercetools_signed_for_our_project_names_the_person(merchants):
    assert await merchants.check(token()) == Merchant(subject="merchant-1")


async def test_the_keys_are_asked_for_under_the_request_that_needs_them(merchants, server):
    await merchants.check(token(), correlation_id="request-1")
    with pytest.raises(UnknownCallerError):
        await merchants.check(token(kid="invented"), correlation_id="request-2")
    assert [one.headers["x-correlation-id"] for one in server.of(PATH)] == ["request-1", "request-2"]
    assert {one.headers["accept"] for one in server.of(PATH)} == {"application/json"}


async def test_the_stand_ins_own_tokens_are_believed(wire):
    async with running_commercetools() as commercetools:
        url = f"http://127.0.0.1:{commercetools.port}"
        keys = SigningKeys(wire=wire, url=f"{url}/.well-known/jwks.json", trust=Trust())
        own = Merchants(keys=keys, issuer=url, project_key="demo", clock=wall_clock)
        async with wire._http.post(f"{url}/__control/jwt", json={"subject": "someone"}) as response:
            good = (await response.json())["token"]
        assert await own.check(good) == Merchant(subject="someone")


FORGED = {
    "another key under a known id": lambda: token(signed_by="two"),
    "another issuer": lambda: token(iss="https://evil.example"),
    "no issuer": lambda: token(iss=None),
    "no end": lambda: token(exp=None),
    "an end that is no time": lambda: unsigned({"alg": "RS256", "kid": "one"}, CLAIMS | {"exp": "tomorrow"}),
    "over": lambda: token(exp=AT - 10),
    "not yet": lambda: token(nbf=AT + 11),
    "a signed end that is no time": lambda: token(exp="tomorrow"),
    "a signed end that is only true": lambda: token(exp=True),
    "a signed beginning that is no time": lambda: token(nbf="yesterday"),
    "a signed beginning that is only true": lambda: token(nbf=True),
    "another project": lambda: token(**{f"{ISSUER}/claims/project_key": "other"}),
    "no project": lambda: token(**{f"{ISSUER}/claims/project_key": None}),
    "our project under another issuer's name": lambda: token(
        **{f"{ISSUER}/claims/project_key": None, "https://evil.example/claims/project_key": "demo"}
    ),
    "nobody": lambda: token(sub=None),
    "no algorithm": lambda: unsigned({"alg": "none", "kid": "one"}),
    "another algorithm of the same key": lambda: token(algorithm="RS512"),
    "PSS": lambda: token(algorithm="PS256"),
    "the public key as a shared secret": lambda: jwt.api_jws.PyJWS().encode(
        text_of.dumps(CLAIMS).encode(), "x" * 40, algorithm="HS256", headers={"kid": "one"}
    ),
    "no key id": lambda: unsigned({"alg": "RS256"}),
    "a key id that is no text": lambda: unsigned({"alg": "RS256", "kid": ["one"]}),
    "a critical extension nobody knows": lambda: token(headers={"crit": ["canary"], "canary": 1}),
    "a key of its own in the header": lambda: token(signed_by="two", headers={"jwk": jwk("two")}),
    "a changed claim": lambda: ".".join(
        [token().split(".")[0], unsigned({}, CLAIMS | {"sub": "root"}).split(".")[1], token().split(".")[2]]
    ),
    "two parts": lambda: "aaaa.bbbb",
    "not base64": lambda: "a a.b.c",
    "very long": lambda: f"{'a' * 9000}.b.c",
    "empty": lambda: "",
}


@pytest.mark.parametrize("case", FORGED)
async def test_whatever_is_not_clearly_good_is_nobodys_and_nothing_of_it_is_repeated(merchants, case):
    with pytest.raises(UnknownCallerError) as caught:
        await merchants.check(FORGED[case]())
    assert not {"canary", "evil", "other"} & set(str(caught.value).replace(".", " ").split())
    assert reads_well(caught.value)


@pytest.mark.parametrize("claims", [{"exp": AT - 9}, {"nbf": AT + 10}, {"exp": AT + 0.5}])
async def test_clocks_may_differ_a_little(merchants, claims):
    assert await merchants.check(token(**claims))


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(merchants):
    # PyJWT itself will not encode so; a forger's tool does.
    pem = key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = unsigned({"alg": "HS256", "kid": "one"}).rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(pem, head.encode(), hashlib.sha256)).rstrip(b"=").decode()
    with pytest.raises(UnknownCallerError):
        await merchants.check(f"{head}.{signature}")


async def test_the_keys_are_fetched_once_for_all_who_wait_and_then_believed(server, merchants):
    await asyncio.gather(*(merchants.check(token(sub=f"m-{n}")) for n in range(10)))
    await merchants.check(token())
    assert len(server.of(PATH)) == 1


async def test_keys_are_believed_for_their_time_and_no_longer(server, merchants, pass_time):
    await merchants.check(token())
    server.on(PATH, json({"keys": [jwk("two")]}))
    pass_time(301)
    with pytest.raises(UnknownCallerError):
        await merchants.check(token())


async def test_a_key_that_is_new_is_fetched_at_once(server, merchants):
    await merchants.check(token())
    server.on(PATH, json({"keys": [jwk("one"), jwk("two")]}))
    assert await asyncio.gather(*(merchants.check(token(signed_by="two", kid="two")) for _ in range(5)))
    assert len(server.of(PATH)) == 2
    # However many had waited, the interval runs from then on.
    with pytest.raises(UnknownCallerError):
        await merchants.check(token(kid="invented"))
    assert len(server.of(PATH)) == 2


async def test_invented_key_ids_make_us_ask_once_in_an_interval(server, merchants, pass_time):
    await merchants.check(token())
    for number in range(20):
        with pytest.raises(UnknownCallerError):
            await merchants.check(token(kid=f"invented-{number}"))
    assert len(server.of(PATH)) == 2
    pass_time(31)
    with pytest.raises(UnknownCallerError):
        await merchants.check(token(kid="invented"))
    assert len(server.of(PATH)) == 3


@pytest.mark.parametrize(("after_s", "asked"), [(29.9, 2), (30, 3)])
async def test_the_interval_is_over_when_its_last_second_is(server, merchants, at, after_s, asked):
    for moment in (0, after_s):
        at(moment)
        with pytest.raises(UnknownCallerError):
            await merchants.check(token(kid="invented"))
    assert len(server.of(PATH)) == asked


async def test_tokens_that_cannot_be_good_fetch_no_keys(server, merchants):
    for forged in (unsigned({"alg": "none", "kid": "one"}), unsigned({"alg": "RS256"}), "a.b.c"):
        with pytest.raises(UnknownCallerError):
            await merchants.check(forged)
    assert server.asked == []


@pytest.mark.parametrize("fault", [text("", status=503), hanging_up(), text("<html>"), error(404, "ResourceNotFound")])
async def test_without_keys_nobody_can_be_judged_and_that_is_not_the_callers_fault(server, merchants, fault):
    server.on(PATH, fault)
    with pytest.raises(UnavailableError, match="signing keys") as caught:
        await merchants.check(token())
    assert reads_well(caught.value)


async def test_in_an_outage_known_keys_stay_believed_and_an_unknown_one_is_in_doubt(server, merchants):
    await merchants.check(token())
    server.on(PATH, error(404, "ResourceNotFound"))
    for _ in range(3):
        with pytest.raises(UnavailableError, match="CTP_JWKS_URL") as caught:
            await merchants.check(token(signed_by="two", kid="two"))
        assert reads_well(caught.value)
    assert len(server.of(PATH)) == 2
    assert await merchants.check(token())


@pytest.mark.parametrize(
    "unfit",
    [
        jwk("short", kid="one"),
        jwk("one", use="enc"),
        jwk("one", alg="RS512"),
        {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": "AQAB"},
        jwk("one") | {"kid": 7},
        "one",
    ],
)
async def test_keys_that_are_unfit_are_left_out_and_the_others_kept(server, merchants, unfit):
    server.on(PATH, json({"keys": [unfit, jwk("two")]}))
    with pytest.raises(UnknownCallerError):
        await merchants.check(token(signed_by="short" if "short" in str(unfit) else "one"))
    assert await merchants.check(token(signed_by="two", kid="two"))


@pytest.mark.parametrize("silent", ["use", "alg"])
async def test_a_key_need_not_say_what_it_is_for(server, merchants, silent):
    said = jwk("one")
    del said[silent]
    server.on(PATH, json({"keys": [said]}))
    assert await merchants.check(token())


async def test_a_key_id_that_is_no_text_names_no_key(server, merchants):
    server.on(PATH, json({"keys": [jwk("one") | {"kid": 7}]}))
    with pytest.raises(UnknownCallerError):
        await merchants.check(token(kid="7"))


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": "one"}, {"keys": []}])
async def test_without_any_key_every_token_is_signed_with_an_unknown_one(server, merchants, document):
    server.on(PATH, json(document))
    with pytest.raises(UnknownCallerError, match="unknown key") as caught:
        await merchants.check(token())
    assert reads_well(caught.value)


@pytest.mark.parametrize(("after_s", "asked"), [(149, 1), (151, 2)])
async def test_keys_are_fetched_anew_behind_the_answer_after_half_their_time(
    server, merchants, pass_time, until, *, after_s, asked
):
    await merchants.check(token())
    pass_time(after_s)
    await merchants.check(token())
    await until(lambda: not merchants._keys._cache._flights)
    assert len(server.of(PATH)) == asked


async def test_a_connector_that_was_not_told_whom_to_believe_believes_nobody():
    with pytest.raises(UnknownCallerError, match="CTP_JWKS_URL") as caught:
        await NoMerchants().check(token())
    assert reads_well(caught.value)
