from __future__ import annotations

import os

import pytest

from ctpay.local import environment
from ctpay.ports import USUAL
from ctpay.settings import load_ingress

SURROUNDINGS = {
    "PATH": "/usr/bin",
    "CTP_API_URL": "https://api.example.com",
    "CTP_CLIENT_SECRET": "real-secret",
    "PUBSUB_PREFIX": "production",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
    "HTTPS_PROXY": "http://proxy.example.com",
    "PSP": "stripe",
    "DRAIN_S": "3",
}


def test_the_local_environment_starts_a_connector(monkeypatch: pytest.MonkeyPatch):
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment(USUAL, SURROUNDINGS).items():
        monkeypatch.setenv(name, value)
    settings = load_ingress()
    assert settings.common.psp_name == "sandbox"
    assert settings.common.limits.drain_s == 3
    assert settings.web.bind_address == "127.0.0.1"


def test_nothing_of_a_real_project_gets_through():
    text = str(environment(USUAL, SURROUNDINGS))
    for name in ("real-secret", "example.com", "production", "key.json", "stripe"):
        assert name not in text


def test_secrets_are_new_every_time():
    one, other = environment(USUAL, {}), environment(USUAL, {})
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {
        "CTP_CLIENT_SECRET",
        "SANDBOX_PSP_PUBLISHABLE_KEY",
        "SANDBOX_PSP_SECRET_KEY",
        "SANDBOX_PSP_WEBHOOK_SECRETS",
        "SHOP_CLIENT_SECRET",
    }


def test_what_a_process_needs_of_its_surroundings_and_what_reaches_it_gets_through():
    kept = {
        name: f"its {name}"
        for name in (
            "HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR", "TZ", "VIRTUAL_ENV", "LOG_LEVEL",
            "COVERAGE_PROCESS_START", "DRAIN_S", "AUTHORIZATION_SEND_BY_S",
        )
    }  # fmt: skip
    assert kept.items() <= environment(USUAL, kept).items()
