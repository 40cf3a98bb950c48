from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr
from support.prose import reads_well
from support.scripted_server import Answer, Scripted, error, hanging_up, json, text

from ct.callers import Caller, Known, NotAllowedError, UnknownCallerError
from ct.errors import ForbiddenError, UnavailableError
from ct.introspection import Introspection
from ct.wire import Wire

PATH = "/oauth/introspect"
NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
ENDS = int(NOW.timestamp())


def active(scope: str, **more: object) -> Answer:
    return json({"active": True, "client_id": "oms", "scope": scope, **more})


@pytest.fixture
def introspection(server: Scripted, wire: Wire) -> Introspection:
    return Introspection(
        wire=wire,
        auth_url=server.url,
        client_id="client",
        client_secret=SecretStr("canary-secret"),
        project_key="demo",
        clock=lambda: NOW,
        known=Known(for_s=60.0, size=10),
    )


async def test_an_active_token_gives_its_client_and_authorities(server: Scripted, introspection: Introspection) -> None:
    server.on(PATH, active("manage_project:demo view_types:demo"))
    caller = await introspection.check("bearer-1")
    assert caller == Caller(client_id="oms", authorities=frozenset({"manage_project", "view_types"}))
    (asked,) = server.asked
    assert asked.method == "POST"
    assert parse_qs(asked.body) == {"token": ["bearer-1"]}
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"client:canary-secret"


@pytest.mark.parametrize(
    "scope",
    [
        "manage_project:other",
        "manage_project",
        "manage_project:",
        "manage_project:demo2",
        "manage_project:DEMO",
        "manage_project:demo:store-1",
        "manage_project:other:demo",
        "x:manage_project:demo",
        ":demo",
    ],
)
async def test_a_scope_that_is_not_for_our_whole_project_gives_no_authority(
    server: Scripted, introspection: Introspection, scope: str
) -> None:
    server.on(PATH, active(scope))
    caller = await introspection.check("bearer-1")
    with pytest.raises(NotAllowedError, match="manage_project, manage_checkout_payment_intents") as caught:
        caller.require("manage_project", "manage_checkout_payment_intents")
    assert caught.value.needed == ("manage_project", "manage_checkout_payment_intents")


async def test_one_of_the_authorities_is_enough(server: Scripted, introspection: Introspection) -> None:
    server.on(PATH, active("manage_project:other manage_checkout_payment_intents:demo"))
    caller = await introspection.check("bearer-1")
    caller.require("manage_project", "manage_checkout_payment_intents")
    with pytest.raises(NotAllowedError):
        caller.require("manage_project")


@pytest.mark.parametrize(
    "answer",
    [
        json({"active": False}),
        json({"active": "true", "client_id": "oms", "scope": "manage_project:demo"}),
        json({"active": True, "client_id": "oms"}),
        json({"active": True, "client_id": "oms", "scope": ""}),
        json({"active": True, "scope": "manage_project:demo"}),
        json({}),
    ],
)
async def test_a_token_that_is_not_clearly_active_is_nobodys(
    server: Scripted, introspection: Introspection, answer: Answer
) -> None:
    server.on(PATH, answer)
    with pytest.raises(UnknownCallerError) as caught:
        await introspection.check("canary-bearer")
    assert "canary" not in str(caught.value)
    assert reads_well(caught.value)


@pytest.mark.parametrize("malformed", ["", "a b", "a\r\nb", "é", "a&active=true", "a" * 5000, '"a"'])
async def test_a_malformed_token_never_reaches_commercetools(
    server: Scripted, introspection: Introspection, malformed: str
) -> None:
    with pytest.raises(UnknownCallerError, match="malformed") as caught:
        await introspection.check(malformed)
    assert reads_well(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("fault", [text("", status=503), hanging_up(), text("not json")])
async def test_an_outage_is_not_blamed_on_the_caller(
    server: Scripted, introspection: Introspection, fault: Answer
) -> None:
    server.on(PATH, fault)
    with pytest.raises(UnavailableError, match="POST /oauth/introspect") as caught:
        await introspection.check("canary-bearer")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_credentials_of_ours_are_not_blamed_on_the_caller(
    server: Scripted, introspection: Introspection, status: int
) -> None:
    server.on(PATH, error(status, "invalid_client"))
    with pytest.raises(ForbiddenError, match="CTP_CLIENT_ID") as caught:
        await introspection.check("bearer-1")
    assert "POST /oauth/introspect" in str(caught.value)
    assert reads_well(caught.value)


async def test_a_known_caller_is_not_asked_about_again_and_thirty_at_once_ask_once(
    server: Scripted, introspection: Introspection
) -> None:
    server.on(PATH, active("manage_project:demo"), json({"active": False}))
    await asyncio.gather(*(introspection.check("bearer-1") for _ in range(30)))
    await introspection.check("bearer-1")
    assert len(server.asked) == 1


async def test_two_tokens_are_two_callers(server: Scripted, introspection: Introspection) -> None:
    server.on(PATH, active("manage_project:demo"), json({"active": False}))
    await introspection.check("bearer-1")
    with pytest.raises(UnknownCallerError):
        await introspection.check("bearer-2")


async def test_a_revoked_token_is_noticed_within_the_time_it_is_known(
    server: Scripted, introspection: Introspection, pass_time: Callable[[float], None]
) -> None:
    server.on(PATH, active("manage_project:demo"), json({"active": False}))
    await introspection.check("bearer-1")
    pass_time(61)
    with pytest.raises(UnknownCallerError):
        await introspection.check("bearer-1")


@pytest.mark.parametrize(
    ("exp", "asked"),
    [
        (ENDS + 10, 2),
        (ENDS + 600, 1),
        (ENDS - 5, 2),
        ((ENDS + 10) * 1000, 2),
        ((ENDS + 600) * 1000, 1),
        # The least that counts milliseconds: in the year 1973.
        (100_000_000_000, 2),
        (99_999_999_999, 1),
        ("soon", 1),
    ],
)
async def test_a_token_is_not_believed_beyond_its_own_end_in_either_unit(
    server: Scripted,
    introspection: Introspection,
    pass_time: Callable[[float], None],
    exp: object,
    asked: int,
) -> None:
    server.on(PATH, active("manage_project:demo", exp=exp))
    await introspection.check("bearer-1")
    pass_time(20)
    await introspection.check("bearer-1")
    assert len(server.asked) == asked


@pytest.mark.parametrize(("after_s", "asked"), [(29, 1), (31, 2)])
async def test_a_known_caller_is_asked_about_anew_behind_the_answer_after_half_the_time(
    server: Scripted,
    introspection: Introspection,
    pass_time: Callable[[float], None],
    until: Callable[[Callable[[], object]], Awaitable[None]],
    *,
    after_s: float,
    asked: int,
) -> None:
    server.on(PATH, active("manage_project:demo"))
    await introspection.check("bearer-1")
    pass_time(after_s)
    await introspection.check("bearer-1")
    await until(lambda: not introspection._cache._flights)
    assert len(server.asked) == asked


async def test_what_is_known_of_callers_does_not_hold_their_tokens(
    server: Scripted, introspection: Introspection
) -> None:
    server.on(PATH, active("manage_project:demo"))
    await introspection.check("canary-bearer")
    assert "canary" not in repr(vars(introspection._cache))


async def test_the_question_bears_the_correlation_id_of_the_request_that_needs_it(
    server: Scripted, introspection: Introspection
) -> None:
    server.on(PATH, active("manage_project:demo"))
    await introspection.check("bearer-1", correlation_id="oms-42")
    assert server.asked[0].headers["x-correlation-id"] == "oms-42"
