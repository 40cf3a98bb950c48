"""A corpus of forged webhooks: whatever is changed, cut, added, repeated or made up is refused, and nothing comes of it."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest
from security.gates import open_gate, signature
from support.house import open_house

from psp.errors import UnverifiedWebhookError
from psp.signature import TOLERANCE

BODY = b'{"id":"evt_1","type":"capture.succeeded","data":{"name":"\xc3\xa9\xe2\x82\xac","amount":4200}}\n'
ID, STAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECOND = timedelta(seconds=1)


@pytest.fixture
async def gate(monkeypatch):
    async with open_gate(monkeypatch, "new", "old") as found:
        yield found


def flipped(data):
    """The bytes with each single bit flipped."""
    for place, bit in itertools.product(range(len(data)), range(8)):
        yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def text(data):
    """As aiohttp gives header values."""
    return data.decode("utf-8", "surrogateescape")


def forgeries(gate):
    """(what was done, headers as pairs, body): none may be believed."""
    good = gate.signed(BODY)
    pairs = list(good.items())

    def other(**changed):
        return list((good | {name.replace("_", "-"): value for name, value in changed.items()}).items())

    for body in flipped(BODY):
        yield "a bit of the body", pairs, body
    for name in good:
        for value in flipped(good[name].encode()):
            yield f"a bit of {name}", list((good | {name: text(value)}).items()), BODY
        for cut in range(len(good[name])):
            yield f"{name} cut", list((good | {name: good[name][:cut]}).items()), BODY
            yield f"the beginning of {name} cut", list((good | {name: good[name][cut + 1 :]}).items()), BODY
    for cut in range(len(BODY)):
        yield "the body cut", pairs, BODY[:cut]
        yield "the beginning of the body cut", pairs, BODY[cut + 1 :]
    for more in (b" ", b"\n", b"\0", b"{}", BODY):
        yield "something after the body", pairs, BODY + more
        yield "something before the body", pairs, more + BODY
    yield "the body written in another way", pairs, json.dumps(json.loads(BODY)).encode()

    for size in range(1, 4):
        for gone in itertools.combinations(good, size):
            yield f"without {gone}", [pair for pair in pairs if pair[0] not in gone], BODY
    for name in good:
        for value in ("", " ", "null", "0", "\t", "é", "\u202e1", "\udcff\udcfe", "x" * 4000, "v1," * 1000):
            yield f"{name} made up", list((good | {name: value}).items()), BODY
        for first in (good[name], "x"):
            yield f"{name} twice", [(name, first), *pairs], BODY
            yield f"{name} twice in other letters", [*pairs, (name.title(), first)], BODY

    proof = good[SIGNATURE].removeprefix("v1,")
    for scheme in ("", ",", "v0,", "v1a,", "v2,", "V1,", "v1=", "v1:", "v1, ", "sha256=", "none,", "v1"):
        yield f"scheme {scheme!r}", other(webhook_signature=f"{scheme}{proof}"), BODY
    for value in ("v1,", "v1,=", f"v1,{'A' * 43}=", "v1," + proof.lower(), "v1," + proof.rstrip("="), f"v1,{proof}="):
        yield "another signature", other(webhook_signature=value), BODY
    yield "the right signature behind ten", other(webhook_signature=" ".join(["v1,A"] * 10 + [good[SIGNATURE]])), BODY
    yield "somebody else's secret", list(gate.signed(BODY, secrets=["another's"]).items()), BODY
    yield "an event of another id", other(webhook_id="evt_2"), BODY
    yield "an empty body's signature", list(gate.signed(b"").items()), BODY

    for beyond in (SECOND, timedelta(hours=1), timedelta(days=365), timedelta(days=20_000)):
        yield "too old", list(gate.signed(BODY, later=-TOLERANCE - beyond).items()), BODY
        yield "from the future", list(gate.signed(BODY, later=TOLERANCE + beyond).items()), BODY
    stamp = good[STAMP]
    odd = (f"+{stamp}", f"{stamp}.0", f" {stamp}", f"0x{int(stamp):x}", f"{stamp}e0", "-1", "9" * 40, "nan", "١٢٣")
    for written in (*odd, f"{int(stamp) * 1000}"):
        content = f"evt_1.{written}.".encode() + BODY
        yield (
            "a time that is not plain seconds",
            other(webhook_timestamp=written, webhook_signature=signature("new", content)),
            BODY,
        )
    # The full stop parts id, time and body in what is signed, and must not be movable.
    body = f"{stamp}.rest".encode()
    moved = gate.signed(body, event_id="evt") | {ID: f"evt.{stamp}"}
    yield "the full stop moved", list(moved.items()), b"rest"


def refused(gate, headers, body):
    try:
        gate.verifier.verify({name.lower(): value for name, value in headers}, body)
    except UnverifiedWebhookError:
        return True
    return False


async def test_nothing_in_the_whole_corpus_is_believed(gate):
    corpus = list(forgeries(gate))
    gate.verifier.verify(gate.signed(BODY), BODY)
    wrongly = [
        (what, headers) for what, headers, body in corpus if "twice" not in what and not refused(gate, headers, body)
    ]
    assert wrongly == []
    assert len(corpus) > 1500


async def test_over_the_wire_a_forgery_is_a_401_and_nothing_is_published(gate):
    corpus = list(forgeries(gate))
    # The verifier has seen each of them. Of the hundreds of flips and cuts of the body, some will do here.
    of_the_body = [one for one in corpus if "the body" in one[0]]
    statuses = {}
    for what, headers, body in [one for one in corpus if "the body" not in one[0]] + of_the_body[::13]:
        statuses.setdefault(await gate.send(headers, body), set()).add(what)
    # What is no HTTP at all (a control character in a header) does not get as far as a signature.
    assert statuses.keys() == {400, 401}, statuses
    assert all(what.startswith(("a bit of webhook", "webhook")) for what in statuses[400]), statuses
    assert gate.published == []


@pytest.mark.parametrize("name", [ID, STAMP, SIGNATURE, "x-other"])
async def test_a_header_too_large_for_http_is_refused_and_nothing_is_published(gate, name):
    assert await gate.send([*gate.signed(BODY).items(), (name, "x" * 20_000)], BODY) in {400, 431}
    assert gate.published == []


async def test_only_a_post_is_a_webhook(gate):
    for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        assert await gate.send(gate.signed(BODY).items(), BODY, method=method) == 405
    assert gate.published == []


@pytest.mark.parametrize("later", [timedelta(0), TOLERANCE, -TOLERANCE, TOLERANCE - SECOND, SECOND - TOLERANCE])
async def test_a_clock_that_goes_wrong_within_the_tolerance_loses_no_event(gate, later):
    assert await gate.send(gate.signed(BODY, later=later).items(), BODY) == 200
    assert len(gate.published) == 1


async def test_other_schemes_beside_ours_are_looked_over(gate):
    headers = gate.signed(BODY)
    headers[SIGNATURE] = f"v1a,AAAA v2,BBBB {headers[SIGNATURE]} v1,CCCC"
    assert await gate.send(headers.items(), BODY) == 200


async def test_while_secrets_are_rotated_both_are_accepted_and_afterwards_the_new_one_alone(monkeypatch):
    async with (
        open_gate(monkeypatch, "old") as before,
        open_gate(monkeypatch, "new", "old") as during,
        open_gate(monkeypatch, "new") as after,
    ):
        asked = {
            name: [
                await gate.send(gate.signed(BODY, secrets=secrets).items(), BODY) for gate in (before, during, after)
            ]
            for name, secrets in {"old": ["old"], "new": ["new"], "both": ["old", "new"], "none": ["another's"]}.items()
        }
    assert asked == {
        "old": [200, 200, 401],
        "new": [401, 200, 200],
        "both": [200, 200, 200],
        "none": [401, 401, 401],
    }
    assert [len(gate.published) for gate in (before, during, after)] == [2, 3, 2]


async def test_an_event_that_is_replayed_is_accepted_each_time_and_changes_the_payment_once(monkeypatch):
    async with open_house() as house, open_gate(monkeypatch, "new", publisher=house.queue) as gate:
        gate.now = house.clock()
        payment = await house.authorized()
        await house.control(f"/payments/{payment.interface_id}/expire")
        body = json.dumps(json.loads(house.events()[-1].body)).encode()
        headers = gate.signed(body, event_id="evt_expired")
        versions = []
        for _ in range(5):
            assert await gate.send(headers.items(), body) == 200
            await house.pump()
            versions.append((await house.payment(payment.id)).version)
        assert len(set(versions)) == 1
        assert versions[0] > payment.version
        changed = await house.payment(payment.id)
        assert house.rows(changed) == [("Authorization", "Success", 4200), ("CancelAuthorization", "Success", 4200)]
        # Signed anew for every try, as the standard has it, it is still the same event.
        house.clock.pass_(hours=1)
        gate.now = house.clock()
        assert await gate.send(gate.signed(body, event_id="evt_expired").items(), body) == 200
        await house.pump()
        assert (await house.payment(payment.id)).version == versions[0]
