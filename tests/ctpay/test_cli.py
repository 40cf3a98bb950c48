"""How the command line ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bus.port import NoCredentialsError
from ctpay import cli, local, ports
from ctpay.child import ChildError
from ctpay.ports import PortError
from ctpay.settings import SettingsError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError({"PSP": "is missing: set it."}), 2),
        (PortError("PORT is no port."), 2),
        (ChildError("The worker has ended."), 1),
        (NoCredentialsError("There are none: log in."), 1),
    ],
)
def test_an_error_that_a_person_can_mend_is_its_own_words_and_an_exit_code(monkeypatch, capsys, error, code):
    def fails(**_):
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == f"{error}\n"


@pytest.mark.parametrize(
    "command",
    [
        ("dead-letters", "list"),
        ("reconcile",),
        ("resolve", "p", "t", "--as", "failure", "--evidence", "ticket 4711"),
        ("worker", "capture"),
    ],
    ids=lambda command: command[0],
)
def test_without_credentials_of_googles_a_command_says_in_a_sentence_what_to_do(tmp_path, command):
    environment = local.environment(ports.free(), os.environ)
    environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "there-is-none.json")
    del environment["PUBSUB_EMULATOR_HOST"]
    ended = subprocess.run(
        [sys.executable, "-m", "ctpay", *command], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "GOOGLE_APPLICATION_CREDENTIALS" in ended.stderr


@pytest.mark.parametrize("said", cli.Said)
def test_what_became_of_a_transaction_is_said_by_its_name(said):
    assert said.value == said.name.lower()
