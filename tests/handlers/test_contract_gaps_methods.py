"""The reference's weaknesses with stored methods, recurring payments, amounts and sessions: ours does not have them.

The number is that of the contract facts' list of gaps. Through the whole product, over real HTTP.
"""

from __future__ import annotations

import asyncio
import uuid

import pytest
from support.polling import eventually
from support.whole import open_whole

CUSTOMER = "customer-1"
OFFERS = {"STORED_PAYMENT_METHODS_ENABLED": "true", "ON_ACCOUNT_METHODS": "invoice,purchaseorder"}


@pytest.fixture
async def whole(monkeypatch):
    async with open_whole(monkeypatch, **OFFERS) as found:
        yield found


async def _change(whole, kind, resource_id, *actions):
    """What the merchant's own software does to a cart or a payment."""
    headers = {"Authorization": f"Bearer {await whole.token()}"}
    url = f"{whole.commercetools.url}/demo-shop/{kind}/{resource_id}"
    async with whole.http.get(url, headers=headers) as response:
        version = (await response.json())["version"]
    async with whole.http.post(url, json={"version": version, "actions": list(actions)}, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def _customer(whole, amount=4200, customer=CUSTOMER, **metadata):
    """A customer's cart and a session on it."""
    cart, session = await whole.checkout(amount, **metadata)
    await _change(whole, "carts", cart, {"action": "setCustomerId", "customerId": customer})
    return cart, session


async def _store(whole, customer=CUSTOMER):
    """A stored method of the customer's; its id."""
    before = len(_methods(whole))
    _, session = await _customer(whole, customer=customer)
    _, body = await whole.pay(session, storePaymentMethod=True)
    assert body["outcome"] == "approved", body
    await eventually(lambda: _many(whole, before + 1))
    return _methods(whole)[-1]["id"]


async def _many(whole, number):
    return len(_methods(whole)) >= number


def _methods(whole):
    return whole.commercetools.core.documents("payment-method")


async def _listed(whole, session):
    response, body = await whole.ask("GET", "/stored-payment-methods", headers={"X-Session-Id": session})
    assert response.status == 200, body
    return body["storedPaymentMethods"]


async def _transact(whole, cart, method, **more):
    body = {
        "cartId": cart, "checkoutTransactionItemId": str(uuid.uuid4()), "paymentMethodId": method, "type": "Recurring",
    } | more  # fmt: skip
    headers = {"Authorization": f"Bearer {await whole.token()}"}
    return await whole.ask("POST", "/operations/transactions", json=body, headers=headers)


def _stated(body):
    status = body["transactionStatus"]
    return status["state"], [one["code"] for one in status["errors"]]


async def _gift_card(whole, cart, amount):
    """Other software's successful payment on the cart; its id."""
    headers = {"Authorization": f"Bearer {await whole.token()}"}
    money = {"centAmount": amount, "currencyCode": "EUR"}
    draft = {
        "amountPlanned": money, "paymentMethodInfo": {"paymentInterface": "gift-cards"},
        "transactions": [{"type": "Charge", "amount": money, "state": "Success"}],
    }  # fmt: skip
    url = f"{whole.commercetools.url}/demo-shop/payments"
    async with whole.http.post(url, json=draft, headers=headers) as response:
        made = (await response.json())["id"]
    await _change(whole, "carts", cart, {"action": "addPayment", "payment": {"typeId": "payment", "id": made}})
    return made


# Recurring.


async def test_gap_2_a_repeated_idempotency_key_of_a_transaction_charges_once(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    effects = len(whole.psp.house.books.effects)
    replies = [await _transact(whole, cart, method, idempotencyKey="renewal-7") for _ in range(3)]
    assert [(response.status, _stated(body)) for response, body in replies] == [(201, ("Completed", []))] * 3
    assert len({body["paymentId"] for _, body in replies}) == 1
    assert len(whole.psp.house.books.effects) == effects + 1


async def test_gap_2_a_key_that_is_reused_for_other_money_is_refused(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    await _transact(whole, cart, method, idempotencyKey="k")
    other = {"centAmount": 700, "currencyCode": "EUR"}
    response, body = await _transact(whole, cart, method, idempotencyKey="k", amount=other)
    assert (response.status, body["errors"][0]["code"]) == (422, "IdempotencyKeyReused")


async def test_gap_2_without_a_key_two_equal_transactions_at_once_are_one_charge(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    part = {"centAmount": 500, "currencyCode": "EUR"}
    replies = await asyncio.gather(*(_transact(whole, cart, method, amount=part) for _ in range(2)))
    assert len({body["paymentId"] for _, body in replies}) == 1
    assert whole.rows(replies[0][1]["paymentId"]) == [("Authorization", "Success", 500)]


async def test_gap_3_without_a_key_an_equal_part_that_is_asked_for_after_the_first_is_another_part(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    part = {"centAmount": 500, "currencyCode": "EUR"}
    replies = [await _transact(whole, cart, method, amount=part) for _ in range(3)]
    assert [_stated(body) for _, body in replies] == [("Completed", [])] * 3
    assert len({body["paymentId"] for _, body in replies}) == 3
    _, body = await _transact(whole, cart, method, amount=part)
    assert _stated(body) == ("Failed", ["PaymentRejected"])


@pytest.mark.parametrize("key", ["order 1", "Bestellung-ä"])
async def test_gap_2_a_key_may_be_any_words(whole, key):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    replies = [await _transact(whole, cart, method, idempotencyKey=key) for _ in range(2)]
    assert [(response.status, _stated(body)) for response, body in replies] == [(201, ("Completed", []))] * 2
    assert len({body["paymentId"] for _, body in replies}) == 1


async def test_gap_2_the_future_order_number_is_stored_and_sent(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    _, body = await _transact(whole, cart, method, futureOrderNumber="order-4711")
    (payment,) = [one for one in whole.payments() if one["id"] == body["paymentId"]]
    (transaction,) = payment["transactions"]
    assert transaction["custom"]["fields"]["ctpayMerchantReference"] == "order-4711"
    assert whole.psp.house.books.payments[payment["interfaceId"]].description == "order-4711"


async def test_a_transaction_fails_in_the_contracts_shape(whole):
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    too_much = {"centAmount": 1501, "currencyCode": "EUR"}
    response, body = await _transact(whole, cart, method, amount=too_much)
    assert (response.status, _stated(body)) == (201, ("Failed", ["PaymentRejected"]))
    theirs, _ = await _customer(whole, 1500, customer="customer-2")
    response, body = await _transact(whole, theirs, method)
    assert (response.status, _stated(body)) == (201, ("Failed", ["PaymentRejected"]))
    assert "paymentId" not in body
    assert whole.cart_payments(theirs) == []
    response, body = await _transact(whole, cart, str(uuid.uuid4()))
    assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethodId")


async def test_a_stored_method_that_its_importer_has_called_otherwise_is_refused_in_the_contracts_shape(whole):
    method = await _store(whole)
    await _change(whole, "payment-methods", method, {"action": "setMethod", "method": "credit card"})
    cart, _ = await _customer(whole, 1500)
    response, body = await _transact(whole, cart, method)
    assert (response.status, _stated(body)) == (201, ("Failed", ["PaymentRejected"]))


@pytest.mark.parametrize("name", ["", "m" * 129])
async def test_a_stored_method_whose_name_no_command_could_bear_is_none(whole, name):
    method = await _store(whole)
    await _change(whole, "payment-methods", method, {"action": "setMethod", "method": name})
    cart, _ = await _customer(whole, 1500)
    response, body = await _transact(whole, cart, method)
    assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethodId")


# Stored methods.


async def test_gap_6_a_refused_request_leaves_nothing_on_the_cart(whole):
    method = await _store(whole)
    guests, session = await whole.checkout()
    response, body = await whole.pay(session, storePaymentMethod=True)
    assert (response.status, body["errors"][0]["code"]) == (400, "InvalidOperation")
    theirs, other = await _customer(whole, customer="customer-2")
    response, body = await whole.pay(other, token=None, storedPaymentMethodId=method)
    assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethod.storedPaymentMethodId")
    response, body = await whole.pay(other, token=None)
    assert (response.status, body["errors"][0]["code"]) == (400, "RequiredField")
    assert whole.cart_payments(guests) == whole.cart_payments(theirs) == []
    assert len(whole.payments()) == 1


@pytest.mark.parametrize("consent", [False, None, "absent"])
async def test_gap_8_nothing_but_true_is_consent(whole, consent):
    _, session = await _customer(whole)
    more = {} if consent == "absent" else {"storePaymentMethod": consent}
    _, body = await whole.pay(session, **more)
    assert body["outcome"] == "approved"
    assert whole.psp.house.books.stored == {}
    assert _methods(whole) == []


@pytest.mark.parametrize("consent", ["true", 1, "yes"])
async def test_gap_8_what_only_looks_like_consent_is_refused(whole, consent):
    _, session = await _customer(whole)
    response, body = await whole.pay(session, storePaymentMethod=consent)
    assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethod.storePaymentMethod")


async def test_gap_8_a_customers_21st_method_is_listed_and_pays(whole):
    first = await _store(whole)
    (document,) = _methods(whole)
    headers = {"Authorization": f"Bearer {await whole.token()}"}
    draft = {name: document[name] for name in ("customer", "method", "paymentInterface", "custom")}
    for number in range(25):
        more = {"key": f"more-{number}", "token": {"value": "pm_approved"}}
        url = f"{whole.commercetools.url}/demo-shop/payment-methods"
        async with whole.http.post(url, json=draft | more, headers=headers) as response:
            assert response.status == 201, await response.text()
    _, session = await _customer(whole)
    listed = await _listed(whole, session)
    assert len({one["id"] for one in listed}) == 26
    last = next(one["id"] for one in reversed(listed) if one["id"] != first)
    _, body = await whole.pay(session, token=None, storedPaymentMethodId=last)
    assert body["outcome"] == "approved"


async def test_gap_8_a_customer_whose_id_is_a_predicate_sees_nobodys_methods(whole):
    await _store(whole)
    _, session = await _customer(whole, customer='x") or customer(id != "x')
    assert await _listed(whole, session) == []


async def test_gap_12_a_stored_token_reaches_no_browser_no_log_and_no_payment(whole):
    await _store(whole)
    ((token, _),) = whole.psp.house.books.stored.items()
    _, session = await _customer(whole)
    response, body = await whole.ask("GET", "/stored-payment-methods", headers={"X-Session-Id": session})
    (method,) = body["storedPaymentMethods"]
    assert set(method) == {"id", "type", "isDefault", "createdAt", "displayOptions"}
    assert method["displayOptions"] == {
        "endDigits": "4242", "brand": {"key": "Visa"}, "expiryMonth": 12,
        "expiryYear": method["displayOptions"]["expiryYear"],
    }  # fmt: skip
    assert token not in f"{body}{dict(response.headers)}{whole.stream.getvalue()}{whole.payments()}"


async def test_a_deleted_method_is_gone_forgotten_by_the_psp_and_nobody_elses_business(whole):
    method = await _store(whole)
    _, theirs = await _customer(whole, customer="customer-2")
    response, _ = await whole.ask("DELETE", f"/stored-payment-methods/{method}", headers={"X-Session-Id": theirs})
    assert response.status == 404
    _, session = await _customer(whole)
    response, text = await whole.ask("DELETE", f"/stored-payment-methods/{method}", headers={"X-Session-Id": session})
    assert (response.status, text) == (200, "")
    assert await _listed(whole, session) == []

    async def forgotten():
        return whole.psp.house.books.stored == {} and _methods(whole) == []

    await eventually(forgotten)
    response, _ = await whole.ask("DELETE", f"/stored-payment-methods/{method}", headers={"X-Session-Id": session})
    assert response.status == 404


async def test_a_repeated_key_gets_the_first_answer_although_the_method_was_deleted_since(whole):
    """Whoever asks again has not heard that the first request got through. Nothing is charged again."""
    method = await _store(whole)
    cart, _ = await _customer(whole, 1500)
    _, session = await _customer(whole, 2500)
    pays = {"token": None, "storedPaymentMethodId": method, "headers": {"Idempotency-Key": "k"}}
    _, transacted = await _transact(whole, cart, method, idempotencyKey="renewal-7")
    _, paid = await whole.pay(session, **pays)
    assert paid["outcome"] == "approved"
    await whole.ask("DELETE", f"/stored-payment-methods/{method}", headers={"X-Session-Id": session})
    await eventually(lambda: _gone(whole))
    effects = len(whole.psp.house.books.effects)

    response, again = await _transact(whole, cart, method, idempotencyKey="renewal-7")
    assert (response.status, again) == (201, transacted)
    response, again = await whole.pay(session, **pays)
    assert (response.status, again) == (200, paid)
    assert len(whole.psp.house.books.effects) == effects


async def test_a_new_key_does_not_bring_a_deleted_method_back(whole):
    method = await _store(whole)
    cart, session = await _customer(whole, 1500)
    await whole.ask("DELETE", f"/stored-payment-methods/{method}", headers={"X-Session-Id": session})
    await eventually(lambda: _gone(whole))
    effects = len(whole.psp.house.books.effects)

    response, body = await _transact(whole, cart, method, idempotencyKey="new")
    assert (response.status, _stated(body)) == (201, ("Failed", ["PaymentRejected"]))
    more = {"token": None, "storedPaymentMethodId": method, "headers": {"Idempotency-Key": "new"}}
    response, body = await whole.pay(session, **more)
    assert (response.status, body["reason"]["code"]) == (400, "no-such-stored-method")
    assert whole.cart_payments(cart) == []
    assert len(whole.psp.house.books.effects) == effects


async def _gone(whole):
    return _methods(whole) == []


# Amounts.


async def test_gap_4_what_is_left_beside_a_gift_card_is_authorized_and_a_refund_leaves_more_to_pay(whole):
    cart, session = await whole.checkout(10000)
    gift = await _gift_card(whole, cart, 3000)
    _, body = await whole.pay(session)
    first = body["paymentReference"]
    assert whole.rows(first) == [("Authorization", "Success", 7000)]
    response, body = await whole.pay(session, headers={"Idempotency-Key": "again"})
    assert (response.status, body["reason"]["code"]) == (400, "nothing-to-pay")
    # A part of the gift card goes back: exactly that part is left to pay.
    refund = {"type": "Refund", "amount": {"centAmount": 1000, "currencyCode": "EUR"}, "state": "Success"}
    await _change(whole, "payments", gift, {"action": "addTransaction", "transaction": refund})
    _, body = await whole.pay(session, headers={"Idempotency-Key": "the-rest"})
    assert whole.rows(body["paymentReference"]) == [("Authorization", "Success", 1000)]
    # And one of ours: a partial refund does not make all of it unpaid.
    await whole.modify(first, "capturePayment", 7000)
    await whole.modify(first, "refundPayment", 500)
    _, body = await whole.pay(session, headers={"Idempotency-Key": "and-again"})
    assert whole.rows(body["paymentReference"]) == [("Authorization", "Success", 500)]


@pytest.mark.parametrize("paid_before", [True, False])
async def test_gap_4_a_planned_gift_card_is_left_out_whether_it_has_paid_yet_or_not(whole, paid_before):
    planned = {"centAmount": 3000, "currencyCode": "EUR"}
    cart, session = await whole.checkout(10000, giftCardPlannedAmount=planned)
    if paid_before:
        await _gift_card(whole, cart, 3000)
    _, body = await whole.pay(session)
    assert whole.rows(body["paymentReference"]) == [("Authorization", "Success", 7000)]


# Sessions.


@pytest.mark.parametrize("session_id", ["../carts/x", "%2e%2e/carts/x", "a/b", "x" * 200])
async def test_gap_9_a_session_id_leads_nowhere_else(whole, session_id):
    for method, path in (("GET", "/stored-payment-methods"), ("DELETE", "/stored-payment-methods/m")):
        with whole.calls() as made:
            response, _ = await whole.ask(method, path, headers={"X-Session-Id": session_id})
        assert (response.status, made) == (401, [])


async def test_gap_11_a_method_that_the_session_does_not_allow_is_refused_and_not_shown(whole):
    method = await _store(whole)
    cart, session = await _customer(whole, allowedPaymentMethods=["invoice"])
    response, body = await whole.pay(session)
    assert (response.status, body["errors"][0]["allowedValues"]) == (400, ["invoice"])
    response, body = await whole.pay(session, token=None, storedPaymentMethodId=method)
    assert response.status == 400
    assert whole.cart_payments(cart) == []
    assert await _listed(whole, session) == []
    _, config = await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
    assert (config["paymentMethods"], config["storedPaymentMethodsConfig"]) == (["invoice"], {"isEnabled": True})


async def test_the_sessions_return_address_goes_before_the_configured_one(monkeypatch):
    async with open_whole(monkeypatch, MERCHANT_RETURN_URL="https://shop.example/configured") as whole:
        for metadata, wanted in (({"merchantReturnUrl": "https://other.example/mine"}, "other"), ({}, "shop")):
            _, session = await whole.checkout(**metadata)
            _, body = await whole.pay(session, "tok_3ds_redirect")
            (payment,) = [one for one in whole.payments() if one["id"] == body["paymentReference"]]
            told = whole.psp.house.books.payments[payment["interfaceId"]].return_url
            path = told.split("://", 1)[1].split("/", 1)[1]
            response, _ = await whole.ask("GET", f"/{path}")
            assert response.status == 303
            assert response.headers["Location"].startswith(f"https://{wanted}.example/")


# On account.


async def test_a_purchase_order_is_a_payment_with_its_number_and_no_call_to_the_psp(whole):
    cart, session = await whole.checkout()
    asked = {"token": None, "type": "purchaseorder", "poNumber": "PO-7", "invoiceMemo": "for Ada"}
    with whole.calls() as made:
        _, body = await whole.pay(session, **asked)
    payment = body["paymentReference"]
    assert body["outcome"] == "approved"
    assert [one for one in made if "/sessions/" not in one and "/oauth/" not in one] != []
    assert len([one for one in made if "/carts" in one or "/payments" in one]) == 4
    assert whole.rows(payment) == [("Authorization", "Success", 4200)]
    (document,) = [one for one in whole.payments() if one["id"] == payment]
    assert document["custom"]["fields"] == {
        "launchpadPurchaseOrderNumber": "PO-7", "launchpadPurchaseOrderInvoiceMemo": "for Ada",
    }  # fmt: skip
    assert (whole.cart_payments(cart), list(whole.psp.house.requests)) == ([payment], [])
    # The buyer has paid: written down like any capture, by the same law.
    assert (await whole.modify(payment, "capturePayment", 4200))[1] == {"outcome": "approved"}
    assert (await whole.modify(payment, "capturePayment", 1))[1]["outcome"] == "rejected"
    assert (await whole.modify(payment, "refundPayment", 4200))[1] == {"outcome": "approved"}
    assert list(whole.psp.house.requests) == []


async def test_an_invoice_needs_nothing_and_a_purchase_order_its_number(whole):
    _, session = await whole.checkout()
    for blank in ({}, {"poNumber": ""}, {"poNumber": " "}):
        response, body = await whole.pay(session, token=None, type="purchaseorder", **blank)
        assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethod.poNumber")
    _, body = await whole.pay(session, token=None, type="invoice", poNumber=" ")
    assert body["outcome"] == "approved"
    assert "custom" not in whole.payments()[0]


async def test_a_purchase_orders_number_beside_a_card_is_tolerated_and_stands_nowhere(whole):
    _, session = await whole.checkout()
    _, body = await whole.pay(session, poNumber="PO-7", invoiceMemo="cost centre 12")
    assert body["outcome"] == "approved"
    (payment,) = whole.payments()
    assert "custom" not in payment
    assert "PO-7" not in str(payment)


async def test_what_a_merchant_does_not_offer_is_refused(monkeypatch):
    off = {"STORED_PAYMENT_METHODS_ENABLED": "false", "ON_ACCOUNT_METHODS": ""}
    async with open_whole(monkeypatch, **off) as whole:
        _, session = await whole.checkout()
        for asked in ({"type": "invoice"}, {"storePaymentMethod": True}, {"storedPaymentMethodId": "m", "token": None}):
            response, body = await whole.pay(session, **asked)
            assert response.status == 400, body
        response, _ = await whole.ask("DELETE", "/stored-payment-methods/m", headers={"X-Session-Id": session})
        assert (response.status, await _listed(whole, session)) == (400, [])
        assert whole.payments() == []
