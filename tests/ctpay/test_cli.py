"""How the command line ends."""

from __future__ import annotations

import pytest

from ctpay import cli
from ctpay.child import ChildError
from ctpay.ports import PortError
from ctpay.settings import SettingsError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError({"PSP": "is missing: set it."}), 2),
        (PortError("PORT is no port."), 2),
        (ChildError("The worker has ended."), 1),
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


@pytest.mark.parametrize("said", cli.Said)
def test_what_became_of_a_transaction_is_said_by_its_name(said):
    assert said.value == said.name.lower()
