from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from support.prose import reads_well
from support.scripted_server import Answer, Scripted, error, hanging, hanging_up, json, text

from ct.callers import Known, Session, UnknownCallerError
from ct.errors import ForbiddenError, UnavailableError
from ct.sessions import Sessions
from ct.token import Tokens
from ct.wire import Limits, Wire
from psp.money import Money

SESSION_ID = "3c1f8a9e-0000-4000-8000-000000000001"
PATH = f"/demo/sessions/{SESSION_ID}"
NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)


def document(**more: object) -> dict[str, object]:
    return {"id": SESSION_ID, "state": "ACTIVE", "activeCart": {"cartRef": {"id": "cart-1"}}, **more}


@pytest.fixture
def sessions(server: Scripted, wire: Wire, tokens: Tokens) -> Sessions:
    return Sessions(
        wire=wire,
        tokens=tokens,
        session_url=server.url,
        project_key="demo",
        clock=lambda: NOW,
        known=Known(for_s=60.0, size=10),
    )


async def test_an_active_session_gives_its_cart_and_what_the_merchant_decided(
    server: Scripted, sessions: Sessions
) -> None:
    metadata = {
        "allowedPaymentMethods": ["card", "invoice"],
        "merchantReturnUrl": "https://shop.test/done",
        "correlationId": "trace-0001",
        "giftCardPlannedAmount": {"centAmount": 500, "currencyCode": "EUR"},
        "futureOrderNumber": "A-1",
        "checkoutTransactionItemId": "item-1",
        "paymentInterface": "ctpay",
        "processorUrl": "https://pay.test",
        "applicationKey": "ours to ignore",
    }
    server.on(PATH, json(document(metadata=metadata)))

    session = await sessions.check(SESSION_ID)

    assert session == Session(
        owner=session.owner,
        cart_id="cart-1",
        allowed_payment_methods=("card", "invoice"),
        merchant_return_url="https://shop.test/done",
        correlation_id="trace-0001",
        gift_card_planned=Money(amount=500, currency="EUR"),
        future_order_number="A-1",
        checkout_transaction_item_id="item-1",
        payment_interface="ctpay",
        processor_url="https://pay.test",
    )
    (asked,) = server.of(PATH)
    assert asked.headers["authorization"] == "Bearer token-1"


async def test_an_address_may_have_a_path_of_its_own_and_end_with_a_slash(
    server: Scripted, wire: Wire, tokens: Tokens
) -> None:
    server.on(f"/X{PATH}", json(document()))
    for slash in ("", "/"):
        behind = Sessions(
            wire=wire,
            tokens=tokens,
            session_url=f"{server.url}/X{slash}",
            project_key="demo",
            clock=lambda: NOW,
            known=Known(),
        )
        assert (await behind.check(SESSION_ID)).cart_id == "cart-1"


async def test_a_gift_card_may_be_planned_to_pay_nothing(server: Scripted, sessions: Sessions) -> None:
    server.on(PATH, json(document(metadata={"giftCardPlannedAmount": {"centAmount": 0, "currencyCode": "EUR"}})))
    assert (await sessions.check(SESSION_ID)).gift_card_planned == Money(amount=0, currency="EUR")


async def test_a_session_without_metadata_leaves_everything_open(server: Scripted, sessions: Sessions) -> None:
    server.on(PATH, json(document()))
    session = await sessions.check(SESSION_ID)
    assert session.allowed_payment_methods is None
    assert session.merchant_return_url is None
    assert session.gift_card_planned is None


async def test_no_method_allowed_is_not_the_same_as_nothing_said(server: Scripted, sessions: Sessions) -> None:
    server.on(PATH, json(document(metadata={"allowedPaymentMethods": []})))
    assert (await sessions.check(SESSION_ID)).allowed_payment_methods == ()


async def test_the_owner_tells_sessions_and_projects_apart_and_not_the_session_id(
    server: Scripted, wire: Wire, tokens: Tokens
) -> None:
    owners = set()
    for project in ("demo", "other"):
        known = Known(for_s=60.0, size=10)
        checks = Sessions(
            wire=wire,
            tokens=tokens,
            session_url=server.url,
            project_key=project,
            clock=lambda: NOW,
            known=known,
        )
        for session_id in ("session-one", "session-two"):
            server.on(f"/{project}/sessions/{session_id}", json(document()))
            session = await checks.check(session_id)
            assert session_id not in repr(session)
            owners.add(session.owner)
    assert len(owners) == 4
    assert all(len(owner) == 64 for owner in owners)


@pytest.mark.parametrize(
    "malformed",
    ["", "../carts/c1", "..", "a/b", "a%2Fb", "a?x=1", "a#b", "a b", "a\n", "é", "a" * 129, "a.b", "a\x00"],
)
async def test_a_malformed_session_id_never_reaches_commercetools(
    server: Scripted, sessions: Sessions, malformed: str
) -> None:
    with pytest.raises(UnknownCallerError, match="malformed") as caught:
        await sessions.check(malformed)
    assert reads_well(caught.value)
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        error(404, "ResourceNotFound"),
        json(document(state="EXPIRED")),
        json({"activeCart": {"cartRef": {"id": "c"}}}),
        json(document(activeCart=None)),
        json(document(activeCart={"cartRef": {"id": None}})),
        json(document(activeCart={"cartRef": "c"})),
    ],
)
async def test_a_session_that_is_not_active_or_has_no_cart_is_nobody(
    server: Scripted, sessions: Sessions, answer: Answer
) -> None:
    server.on(PATH, answer)
    with pytest.raises(UnknownCallerError, match=r"[Ss]tart a") as caught:
        await sessions.check(SESSION_ID)
    assert SESSION_ID not in str(caught.value)
    assert reads_well(caught.value)


@pytest.mark.parametrize(
    "metadata",
    [
        {"allowedPaymentMethods": "card"},
        {"allowedPaymentMethods": ["card", 7]},
        {"giftCardPlannedAmount": {"centAmount": "5", "currencyCode": "EUR"}},
        {"giftCardPlannedAmount": {"centAmount": True, "currencyCode": "EUR"}},
        {"giftCardPlannedAmount": {"centAmount": -5, "currencyCode": "EUR"}},
        {"giftCardPlannedAmount": {"centAmount": 5}},
        {"giftCardPlannedAmount": {"centAmount": 5, "currencyCode": "XXX"}},
        {"merchantReturnUrl": 7},
    ],
)
async def test_a_decision_of_the_merchant_that_cannot_be_read_is_not_ignored(
    server: Scripted, sessions: Sessions, metadata: dict[str, object]
) -> None:
    server.on(PATH, json(document(metadata=metadata)))
    with pytest.raises(UnknownCallerError, match=f"unreadable {next(iter(metadata))}") as caught:
        await sessions.check(SESSION_ID)
    assert reads_well(caught.value)


@pytest.mark.parametrize("status", [401, 403])
async def test_our_token_is_renewed_once_when_the_session_service_refuses_it(
    server: Scripted, sessions: Sessions, status: int
) -> None:
    server.on("/oauth/token", *(json({"access_token": f"token-{n}", "expires_in": 1000}) for n in (1, 2)))
    server.on(PATH, error(status, "invalid_token"), json(document()))
    assert (await sessions.check(SESSION_ID)).cart_id == "cart-1"
    assert [one.headers["authorization"] for one in server.of(PATH)] == ["Bearer token-1", "Bearer token-2"]


async def test_a_missing_scope_of_ours_is_not_blamed_on_the_shopper(server: Scripted, sessions: Sessions) -> None:
    server.on(PATH, error(403, "insufficient_scope"))
    with pytest.raises(ForbiddenError, match=r"GET /sessions/….*scope") as caught:
        await sessions.check(SESSION_ID)
    assert SESSION_ID not in str(caught.value)


@pytest.mark.parametrize(
    "fault", [text("", status=500), text("", status=503), text("<html>", status=404), hanging_up(), text("not json")]
)
async def test_an_outage_of_the_session_service_is_not_blamed_on_the_shopper(
    server: Scripted, sessions: Sessions, fault: Answer
) -> None:
    server.on(PATH, fault)
    with pytest.raises(UnavailableError, match="GET /sessions/…") as caught:
        await sessions.check(SESSION_ID)
    assert SESSION_ID not in str(caught.value)


async def test_a_session_service_that_does_not_answer_in_time_is_unavailable(
    server: Scripted, http, tokens: Tokens
) -> None:
    sessions = Sessions(
        wire=Wire(http=http, draw=lambda: 0.0, limits=Limits(timeout_s=0.05, tries=1)),
        tokens=tokens,
        session_url=server.url,
        project_key="demo",
        clock=lambda: NOW,
        known=Known(),
    )
    await tokens.get()
    server.on(PATH, hanging())
    with pytest.raises(UnavailableError, match="TimeoutError"):
        await sessions.check(SESSION_ID)


async def test_a_known_shopper_is_not_asked_about_again_and_thirty_at_once_ask_once(
    server: Scripted, sessions: Sessions
) -> None:
    server.on(PATH, json(document()), error(404, "ResourceNotFound"))
    await asyncio.gather(*(sessions.check(SESSION_ID) for _ in range(30)))
    await sessions.check(SESSION_ID)
    assert len(server.of(PATH)) == 1


async def test_a_known_shopper_is_let_in_at_once_while_commercetools_is_down(
    server: Scripted, sessions: Sessions, pass_time: Callable[[float], None]
) -> None:
    server.on(PATH, json(document()), text("", status=503))
    await sessions.check(SESSION_ID)
    pass_time(45)
    assert (await sessions.check(SESSION_ID)).cart_id == "cart-1"


@pytest.mark.parametrize(("after_s", "asked"), [(29, 1), (31, 2)])
async def test_a_known_shopper_is_asked_about_anew_behind_the_answer_after_half_the_time(
    server: Scripted,
    sessions: Sessions,
    pass_time: Callable[[float], None],
    until: Callable[[Callable[[], object]], Awaitable[None]],
    *,
    after_s: float,
    asked: int,
) -> None:
    server.on(PATH, json(document()))
    await sessions.check(SESSION_ID)
    pass_time(after_s)
    await sessions.check(SESSION_ID)
    await until(lambda: not sessions._cache._flights)
    assert len(server.of(PATH)) == asked


async def test_a_session_that_ended_is_noticed_within_the_time_it_is_known(
    server: Scripted, sessions: Sessions, pass_time: Callable[[float], None]
) -> None:
    server.on(PATH, json(document()), json(document(state="INACTIVE")))
    await sessions.check(SESSION_ID)
    pass_time(61)
    with pytest.raises(UnknownCallerError):
        await sessions.check(SESSION_ID)


async def test_an_unknown_session_is_asked_about_every_time(server: Scripted, sessions: Sessions) -> None:
    server.on(PATH, error(404, "ResourceNotFound"), json(document()))
    with pytest.raises(UnknownCallerError):
        await sessions.check(SESSION_ID)
    assert (await sessions.check(SESSION_ID)).cart_id == "cart-1"


@pytest.mark.parametrize(("ends_in_s", "asked"), [(10, 2), (600, 1)])
async def test_a_session_is_not_believed_beyond_its_own_end(
    server: Scripted, sessions: Sessions, pass_time: Callable[[float], None], ends_in_s: int, asked: int
) -> None:
    ends_at = (NOW + timedelta(seconds=ends_in_s)).isoformat().replace("+00:00", "Z")
    server.on(PATH, json(document(expiryAt=ends_at)))
    await sessions.check(SESSION_ID)
    pass_time(20)
    await sessions.check(SESSION_ID)
    assert len(server.of(PATH)) == asked


@pytest.mark.parametrize("odd", ["soon", "2026-01-01T10:00:00", 7, None])
async def test_an_end_that_cannot_be_read_does_not_matter(server: Scripted, sessions: Sessions, odd: object) -> None:
    server.on(PATH, json(document(expiryAt=odd)))
    assert (await sessions.check(SESSION_ID)).cart_id == "cart-1"


async def test_the_question_bears_the_correlation_id_of_the_request_that_needs_it(
    server: Scripted, sessions: Sessions
) -> None:
    server.on(PATH, json(document()))
    await sessions.check(SESSION_ID, correlation_id="shop-42")
    assert server.of(PATH)[0].headers["x-correlation-id"] == "shop-42"
