from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ctpay import settings as subject
from ctpay.settings import SettingsError, load, load_ingress

CANARY = "canary-5f1d2c"


class Front(BaseSettings):
    """Stands for what the ingress reads of a PSP's block."""

    model_config = SettingsConfigDict(env_prefix="PSP_EXAMPLE_", frozen=True)

    url: str
    retries: int = Field(default=3, ge=0)


class Block(Front):
    """Stands for a PSP's block."""

    api_key: SecretStr


GOOD = {
    "CTP_PROJECT_KEY": "shop",
    "CTP_CLIENT_ID": "client",
    "CTP_CLIENT_SECRET": CANARY,
    "CTP_AUTH_URL": "https://auth.example.com",
    "CTP_API_URL": "https://api.example.com",
    "CTP_SESSION_URL": "https://session.example.com",
    "GOOGLE_CLOUD_PROJECT": "cloud",
    "PSP": "example",
    "PSP_EXAMPLE_URL": "https://psp.example.com",
    "PSP_EXAMPLE_API_KEY": CANARY,
    "PUBLIC_URL": "https://pay.example.com",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    """Replaces the whole environment by the variables given, and the PSPs by one example."""
    monkeypatch.setattr(subject, "PSPS", {"example": Block})
    monkeypatch.setattr(subject, "FRONTS", {"example": Front})
    for name in list(os.environ):
        monkeypatch.delenv(name)

    def set_to(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


def faults(read=load_ingress) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read()
    assert CANARY not in str(caught.value)
    return caught.value.faults


def test_good_settings_are_read_and_cannot_be_changed(environment):
    environment({**GOOD, "ALLOWED_ORIGINS": "https://a.example.com, https://b.example.com", "DRAIN_S": "7"})
    settings = load_ingress()
    assert settings.common.commercetools.project_key == "shop"
    assert settings.web.allowed_origins == ("https://a.example.com", "https://b.example.com")
    assert settings.common.limits.drain_s == 7
    assert settings.common.limits.authorization_send_by_s == 900
    with pytest.raises(ValidationError):
        settings.common.limits.drain_s = 8  # type: ignore[misc] # that it is frozen is what is tested


@pytest.mark.parametrize("name", ["CTP_JWKS_URL", "CTP_JWT_ISSUER"])
def test_the_signing_keys_and_their_issuer_come_together_or_not_at_all(environment, name):
    both = {"CTP_JWKS_URL": "https://mc.example.com/jwks.json", "CTP_JWT_ISSUER": "https://mc.example.com"}
    environment({**GOOD, **{one: value for one, value in both.items() if one != name}})
    assert "CTP_JWKS_URL and CTP_JWT_ISSUER" in faults()["CTP_JWT_ISSUER"]
    environment({**GOOD, **both})
    assert load_ingress().common.commercetools.jwt_issuer == "https://mc.example.com"


def test_a_comparison_looks_back_over_a_month_and_at_least_to_the_one_before(environment):
    environment(GOOD)
    assert load().limits.reconcile_compared_s > 31 * 24 * 3600 > load().limits.reconcile_compare_every_s
    environment({**GOOD, "RECONCILE_COMPARE_EVERY_S": "7200", "RECONCILE_COMPARED_S": "7199"})
    assert "RECONCILE_COMPARE_EVERY_S" in faults()["RECONCILE_COMPARED_S"]
    environment({**GOOD, "RECONCILE_COMPARE_EVERY_S": "7200", "RECONCILE_COMPARED_S": "7200"})
    assert load().limits.reconcile_compared_s == 7200


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example/path",
        "shop.example",
        "null",
        "https://*.shop.example",
        "https://user@shop.example",
        "ftp://shop.example",
    ],
)
def test_an_origin_that_no_browser_sends_is_told_at_the_start(environment, origin):
    environment({**GOOD, "ALLOWED_ORIGINS": f"https://shop.example,{origin}"})
    assert set(faults()) == {"ALLOWED_ORIGINS"}


@pytest.mark.parametrize("origin", ["*", "https://shop.example:8443", "http://localhost:8000", "https://[::1]:80"])
def test_an_origin_as_browsers_write_it_is_taken(environment, origin):
    environment({**GOOD, "ALLOWED_ORIGINS": origin})
    assert load_ingress().web.allowed_origins == (origin,)


def test_the_ingress_neither_needs_nor_holds_what_moves_money(environment):
    environment({name: value for name, value in GOOD.items() if name != "PSP_EXAMPLE_API_KEY"})
    ingress = load_ingress()
    assert not hasattr(ingress.common.psp, "api_key")
    assert faults(load) == {"PSP_EXAMPLE_API_KEY": "is missing: set it."}
    environment(GOOD)
    assert not hasattr(load_ingress().common.psp, "api_key")
    assert load().psp.api_key.get_secret_value() == CANARY


def test_a_secret_never_shows_in_the_settings_text(environment):
    environment(GOOD)
    assert CANARY not in repr(load_ingress())


def test_every_secret_of_every_block_is_known_for_masking(environment, monkeypatch):
    class Several(Block):
        others: tuple[SecretStr, ...] = (SecretStr("a"), SecretStr("b"))

    monkeypatch.setattr(subject, "PSPS", {"example": Several})
    environment(GOOD)
    assert [secret.get_secret_value() for secret in load().secrets()] == [CANARY, CANARY, "a", "b"]


def test_nothing_set_names_every_variable_that_must_be_set(environment):
    environment({})
    assert faults() == dict.fromkeys({name for name in GOOD if not name.startswith("PSP_")}, "is missing: set it.")


def test_the_chosen_psps_own_variables_are_listed_with_the_rest(environment):
    environment({"PSP": "example"})
    assert {"PSP_EXAMPLE_URL", "CTP_CLIENT_SECRET", "PUBLIC_URL"} <= faults().keys()
    assert {"PSP_EXAMPLE_URL", "PSP_EXAMPLE_API_KEY", "CTP_CLIENT_SECRET"} <= faults(load).keys()


def test_an_unknown_psp_is_refused_with_those_there_are(environment):
    environment({**GOOD, "PSP": "nobody"})
    assert "example" in faults()["PSP"]


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"PSP"}))
@pytest.mark.parametrize(
    "value",
    [
        "xxx", "changeme", "change-me", "change_me", "todo", "secret", "password", "none", "null", "undefined", "...",
        "ToDo", "", "  ",
    ],
)  # fmt: skip
def test_a_placeholder_or_nothing_is_refused_in_every_required_variable(environment, name, value):
    environment({**GOOD, name: value})
    assert faults(load if name == "PSP_EXAMPLE_API_KEY" else load_ingress).keys() == {name}


@pytest.mark.parametrize("name", [name for name in GOOD if name.endswith("_URL")])
@pytest.mark.parametrize(
    "value", ["http://example.com", "http://127.0.0.1.example.com", "http://localhost@example.com"]
)
def test_an_address_without_encryption_is_refused(environment, name, value):
    environment({**GOOD, name: value})
    assert "https://" in faults()[name]


@pytest.mark.parametrize("value", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"])
def test_an_address_on_this_machine_needs_no_encryption(environment, value):
    environment({**GOOD, "CTP_API_URL": value, "PSP_EXAMPLE_URL": value})
    assert load_ingress().common.commercetools.api_url == value


@pytest.mark.parametrize("value", ["example.com", "ftp://example.com", "https://", "/path"])
def test_what_is_no_address_is_refused(environment, value):
    environment({**GOOD, "CTP_AUTH_URL": value})
    assert "names a host" in faults()["CTP_AUTH_URL"]


def test_an_origin_without_encryption_is_refused(environment):
    environment({**GOOD, "ALLOWED_ORIGINS": "https://a.example.com,http://b.example.com"})
    assert "https://" in faults()["ALLOWED_ORIGINS"]


def test_faults_of_all_blocks_come_at_once(environment):
    environment(
        {
            **GOOD,
            "CTP_API_URL": "http://api.example.com",
            "PORT": "http",
            "DRAIN_S": "-1",
            "PSP_EXAMPLE_RETRIES": CANARY,
        }
    )
    assert faults().keys() == {"CTP_API_URL", "PORT", "DRAIN_S", "PSP_EXAMPLE_RETRIES"}


def test_a_worker_needs_no_public_address(environment):
    environment({name: value for name, value in GOOD.items() if name != "PUBLIC_URL"})
    assert load().bus.pubsub_prefix == "ctpay"


def test_an_empty_optional_variable_counts_as_absent(environment):
    environment({**GOOD, "PUBSUB_EMULATOR_HOST": "", "DRAIN_S": ""})
    assert load().bus.pubsub_emulator_host is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CTP_API_URL", "http://api.example.com"),
        ("GOOGLE_CLOUD_PROJECT", ""),
        ("PSP", "nobody"),
        ("DRAIN_S", "-1"),
        ("LOG_LEVEL", "loud"),
        ("WORKER_PORT", "http"),
    ],
)
@pytest.mark.parametrize("read", [load, load_ingress])
def test_a_fault_in_any_block_is_told_by_its_variable(environment, read, name, value):
    environment({**GOOD, name: value})
    assert faults(read).keys() == {name}
