from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from pydantic import SecretStr

from ct.errors import ForbiddenError, NotFoundError, UnavailableError
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE
from ctpay.checks import TypesCheck
from ctpay.seams import draw, new_id, now
from ctpay.wiring import return_secret


def test_all_instances_derive_one_return_secret_that_tells_nothing_of_the_client_secret():
    one, other = (return_secret(SecretStr("client-secret")) for _ in range(2))
    assert one == other
    assert one != return_secret(SecretStr("client-secret-2"))
    assert "client-secret" not in one.get_secret_value()
    assert len(one.get_secret_value()) == 64


def test_the_seams_are_real():
    assert now().tzinfo is UTC
    assert now() - now() < timedelta(seconds=1)
    assert len({new_id() for _ in range(100)}) == 100
    assert len(new_id()) <= 36
    assert all(0 <= draw() < 1 for _ in range(100))


class Project:
    """Answers for types, or raises."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    async def get(self, path: str) -> dict[str, object]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer


TYPES = [
    {"fieldDefinitions": [{"name": str(name)} for name in wanted.fields]}
    for wanted in (TRANSACTION_TYPE, INTERACTION_TYPE)
]


async def test_missing_types_make_it_unready_until_setup_has_run_and_are_not_asked_for_again_after_that():
    check = TypesCheck(Project(NotFoundError("no"), NotFoundError("no"), *TYPES))  # type: ignore[arg-type] # a part of it
    assert "ctpay setup" in (await check.check() or "")
    assert await check.check() is None
    assert await check.check() is None


async def test_an_outage_of_commercetools_does_not_make_it_unready():
    check = TypesCheck(Project(UnavailableError("down"), NotFoundError("no"), NotFoundError("no")))  # type: ignore[arg-type] # a part of it
    assert await check.check() is None
    assert await check.check() is not None


async def test_credentials_that_commercetools_refuses_make_it_unready():
    check = TypesCheck(Project(ForbiddenError("scope")))  # type: ignore[arg-type] # a part of it
    with pytest.raises(ForbiddenError):
        await check.check()
