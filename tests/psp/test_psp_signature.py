"""Webhook signatures: what is signed is believed, for a while, and nothing else ever is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from psp.errors import UnverifiedWebhookError
from psp.signature import TOLERANCE, StandardWebhookVerifier, key_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
STAMP = int(NOW.timestamp())
OLD, NEW, OTHER = (
    "whsec_" + base64.b64encode(name.ljust(24, b".")).decode() for name in (b"old", b"new", b"somebody else's")
)
BODY = b'{ "id" : "evt_1", "name": "\xc3\xa9\xe2\x82\xac" }\n'


def verifier(*secrets: str) -> StandardWebhookVerifier:
    return StandardWebhookVerifier(secrets=[SecretStr(each) for each in secrets or (NEW,)], clock=lambda: NOW)


def sign(secret: str, content: bytes) -> str:
    """Written down again, so that a mistake in the verifier is not repeated here."""
    key = base64.b64decode(secret[len("whsec_") :])
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signed(body: bytes = BODY, *, secrets: Sequence[str] = (NEW,), stamp: int = STAMP, event_id: str = "evt_1"):
    content = f"{event_id}.{stamp}.".encode() + body
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(sign(each, content) for each in secrets),
    }


def believed(headers: dict[str, str], body: bytes = BODY, *, secrets: Sequence[str] = (NEW,)) -> bool:
    try:
        verifier(*secrets).verify(headers, body)
    except UnverifiedWebhookError:
        return False
    return True


def test_the_example_of_the_standard_is_believed():
    # From the specification's test vectors; everything about it is public.
    check = StandardWebhookVerifier(
        secrets=[SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        clock=lambda: datetime.fromtimestamp(1614265330, UTC),
    )
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    check.verify(headers, b'{"test": 2432232314}')


def test_raw_bytes_are_believed_as_they_are_and_not_as_they_could_be_written():
    assert believed(signed())
    assert believed(signed(b""), b"")
    assert not believed(signed(), BODY.strip())
    assert not believed(signed(), BODY.replace(b" ", b""))


@given(position=st.integers(min_value=0, max_value=len(BODY) * 8 - 1))
def test_one_flipped_bit_of_the_body_is_noticed(position):
    changed = bytearray(BODY)
    changed[position // 8] ^= 1 << position % 8
    assert not believed(signed(), bytes(changed))


@given(data=st.data())
def test_one_flipped_bit_of_a_header_is_noticed(data):
    headers = signed()
    name = data.draw(st.sampled_from(sorted(headers)))
    value = bytearray(headers[name].encode())
    position = data.draw(st.integers(min_value=0, max_value=len(value) * 8 - 1))
    value[position // 8] ^= 1 << position % 8
    headers[name] = value.decode("utf-8", "surrogateescape")
    assert not believed(headers)


@given(length=st.integers(min_value=0, max_value=len(BODY) - 1))
def test_a_body_cut_short_is_noticed(length):
    assert not believed(signed(), BODY[:length])


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (timedelta(0), True),
        (TOLERANCE, True),
        (-TOLERANCE, True),
        (TOLERANCE + timedelta(seconds=1), False),
        (-TOLERANCE - timedelta(seconds=1), False),
        (timedelta(days=10_000), False),
    ],
)
def test_what_is_too_old_or_from_the_future_is_not_believed(age, accepted):
    assert believed(signed(stamp=STAMP - int(age.total_seconds()))) is accepted


def test_during_a_rotation_either_secret_will_do_and_a_retired_one_will_not():
    assert believed(signed(secrets=[OLD]), secrets=[NEW, OLD])
    assert believed(signed(secrets=[NEW]), secrets=[OLD, NEW])
    assert believed(signed(secrets=[OLD, NEW]), secrets=[NEW])
    assert not believed(signed(secrets=[OLD]), secrets=[NEW])
    assert not believed(signed(secrets=[OTHER]), secrets=[OLD, NEW])


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", " ", "\udcff", "x" * 10_000])
def test_a_header_that_is_missing_or_nonsense_is_not_believed(name, value):
    headers = signed()
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    assert not believed(headers)


@pytest.mark.parametrize("stamp", ["-1", "+1893456000", "1893456000.0", "1e9", "١٨٩٣٤٥٦٠٠٠", "9" * 13, f" {STAMP}"])
def test_a_time_that_is_not_plain_seconds_is_not_believed_even_if_signed(stamp):
    content = f"evt_1.{stamp}.".encode() + BODY
    headers = {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": sign(NEW, content)}
    assert not believed(headers)


def test_one_good_signature_is_enough_wherever_it_stands():
    good, bad = sign(NEW, f"evt_1.{STAMP}.".encode() + BODY), sign(NEW, b"something else")
    for signatures in (f"{good} {bad}", f"{bad} {good}"):
        assert believed(signed() | {"webhook-signature": signatures})


def test_only_our_scheme_counts():
    signature = signed()["webhook-signature"]
    for other in ("v1a", "v2", "V1", ""):
        assert not believed({**signed(), "webhook-signature": signature.replace("v1", other, 1)})
    assert not believed({**signed(), "webhook-signature": signature.removeprefix("v1,")})
    assert believed({**signed(), "webhook-signature": f"v1a,AAAA {signature}"})


def test_a_refusal_tells_nothing():
    with pytest.raises(UnverifiedWebhookError) as caught:
        verifier().verify({}, BODY)
    assert str(caught.value) == ""


def test_the_line_between_id_and_time_and_body_cannot_be_moved():
    body = f"{STAMP}.rest".encode()
    headers = signed(body, event_id="evt")
    assert believed(headers, body)
    moved = {**headers, "webhook-id": f"evt.{STAMP}", "webhook-timestamp": str(STAMP)}
    assert not believed(moved, b"rest")


def test_a_flood_of_signatures_is_not_worked_through():
    flood = " ".join(["v1,AAAA"] * 10)
    assert not believed({**signed(), "webhook-signature": f"{flood} {signed()['webhook-signature']}"})


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", "whsec_é"])
def test_a_secret_that_cannot_be_used_is_refused_without_being_told(secret):
    with pytest.raises(ValueError, match="webhook secret") as caught:
        key_of(SecretStr(secret))
    assert "c2hvcnQ" not in str(caught.value)


def test_without_a_secret_there_is_no_verifier():
    with pytest.raises(ValueError, match="At least one"):
        StandardWebhookVerifier(secrets=[], clock=lambda: NOW)
