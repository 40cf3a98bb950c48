"""[X5] What would make the connector believe anybody does not start."""

from __future__ import annotations

import asyncio
import sys

import pytest

from ctpay import local
from ctpay.ports import free
from ctpay.settings import SettingsError, load_ingress

SECRETS = "SANDBOX_PSP_WEBHOOK_SECRETS"
GOOD = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
#: None: not set at all.
BAD = [None, "", " ", ",", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", f"{GOOD} whsec_", "changeme", "secret"]


@pytest.fixture
def environment():
    return local.environment(free(), {})


@pytest.mark.parametrize("value", BAD)
def test_without_a_webhook_secret_that_can_be_used_nothing_starts(monkeypatch, environment, value):
    for name, good in environment.items():
        monkeypatch.setenv(name, good)
    load_ingress()
    if value is None:
        monkeypatch.delenv(SECRETS)
    else:
        monkeypatch.setenv(SECRETS, value)
    with pytest.raises(SettingsError) as refused:
        load_ingress()
    assert set(refused.value.faults) == {SECRETS}
    # Not even a part of what was set.
    assert GOOD not in str(refused.value)
    assert "c2hvcnQ" not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (("ingress",), SECRETS),
        (("worker", "capture"), "SANDBOX_PSP_SECRET_KEY"),
    ],
)
async def test_the_process_ends_with_2_and_names_the_variable(environment, command, missing):
    left = {name: value for name, value in environment.items() if name != missing}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctpay", *command),
        env=left,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(50):
        out, errors = await process.communicate()
    assert process.returncode == 2
    assert missing.encode() in errors
    assert b"ready" not in out
    assert not any(value.encode() in errors for name, value in left.items() if "SECRET" in name)
