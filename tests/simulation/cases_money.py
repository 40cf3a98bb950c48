"""Histories that keep, and histories that break, the invariants about money and sending."""

from __future__ import annotations

from dataclasses import replace

from simulation.book import (
    START,
    Book,
    authorize_call,
    authorized,
    capture,
    commanded,
    names,
    operation_json,
    payment_json,
    reserved,
    row,
    settle,
)
from simulation.logs import Fate, Peer

_A_MONTH_LATER = START.replace(month=4).isoformat()


def usual():
    """A payment and its capture."""
    return capture(authorized(Book()))


def repeated_under_its_key():
    """A reply is lost, the request is sent again under the same key, and the PSP repeats its first answer."""
    book = authorize_call(reserved(Book()), fate=Fate.RESET)
    return settle(authorize_call(book, effect=None)).ack("m1")


def two_effects():
    effect = {"kind": "authorization", "id": "pay2", "payment": "pay2", "amount": 4200}
    return settle(authorize_call(authorize_call(reserved(Book())), key="other", effect=effect)).ack("m1")


def two_effects_of_one_key():
    book = usual()
    book.logs["effects"].append(replace(book.logs["effects"][-1], n=book.n + 1, id="cap2", metadata={}))
    return book


def two_effects_of_one_command():
    """Reserved a second time, as another transaction."""
    book = capture(authorized(Book()), "C", 1000)
    book.put("P", row("D", "Charge", 1000, command="ask-C"))
    effect = {"kind": "capture", "id": "cap2", "payment": "pay", "amount": 1000}
    done = operation_json("capture", "succeeded", "cap2", 1000, "D")
    money = {"amount": 1000, "currency": "EUR"}
    return book.call("/v1/payments/pay/captures", money | {"metadata": names("D")}, key="D", reply=done, effect=effect)


def captured_in_parts():
    return capture(capture(authorized(Book()), "C", 1000), "D", 3200, "cap2")


def captured_too_much():
    return capture(capture(authorized(Book()), "C", 1000), "D", 3201, "cap2")


def captured_what_is_pending():
    """Judged on a Payment whose authorization is not decided."""
    return (
        authorized(Book())
        .put("Q", row("QA", "Authorization", state="Pending"))
        .put("Q", row("QC", "Charge", command="c"))
    )


def psp_captured_too_much():
    book = usual()
    more = replace(book.logs["effects"][-1], n=book.n + 1, id="cap2", key=None, metadata={})
    book.logs["effects"].append(more)
    return book


def refund(book, amount=1000, state="Success"):
    body = {"type": "RefundPayment", "command_id": "ask-R", "payment_id": "P"}
    book.publish("m-R", "refund", body | {"amount": {"amount": amount, "currency": "EUR"}})
    book.deliver("m-R").put("P", row("R", "Refund", amount, command="ask-R"))
    done = operation_json("refund", "succeeded", "ref", amount, "R")
    book.psp["pay"]["refunds"].append(done)
    book.psp["pay"]["amount_refunded"] += amount
    effect = {"kind": "refund", "id": "ref", "payment": "pay", "amount": amount}
    money = {"amount": amount, "currency": "EUR"}
    book.call("/v1/payments/pay/refunds", money | {"metadata": names("R")}, key="R", reply=done, effect=effect)
    book.put("P", {"id": "R", "state": state, "interactionId": "ref"}, note="fact ask-R R")
    return book.ack("m-R")


def refunded():
    return refund(usual())


def refunded_before_the_capture_failed_late():
    """What a later reversal makes of it is not the admission's fault."""
    book = refund(usual(), 4200)
    undone = operation_json("capture", "failed", "cap", 4200, "C", succeeded_at="2026-03-01T12:00:00Z")
    book.psp["pay"]["captures"] = [undone]
    book.webhook("w1", {"id": "evt", "type": "capture.failed", "data": undone}).deliver("w1")
    mark = {"custom": {"fields": {"ctpayCommandId": "ask-C", "ctpayReversed": True}}}
    return book.put("P", {"id": "C", "state": "Failure"} | mark, note="fact evt C").ack("w1")


def refunded_too_much():
    return refund(usual(), 4201)


def refunded_what_is_disputed():
    book = usual()
    book.put("P", row("B", "Chargeback", 4000, "Pending", interactionId="dis"), author="merchant")
    return refund(book, 1000)


def cancel(book, state="Success"):
    book.publish("m-X", "cancel", {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"})
    book.deliver("m-X").put("P", row("X", "CancelAuthorization", command="ask-X"))
    done = operation_json("cancel", "succeeded", "can", 4200, "X")
    book.psp["pay"]["cancels"].append(done)
    book.psp["pay"] |= {"amount_capturable": 0}
    effect = {"kind": "cancel", "id": "can", "payment": "pay", "amount": 4200}
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done, effect=effect)
    book.put("P", {"id": "X", "state": state, "interactionId": "can"}, note="fact ask-X X")
    return book.ack("m-X")


def cancelled():
    return cancel(authorized(Book()))


def captured_after_the_cancel():
    return capture(cancel(authorized(Book())))


def admitted_during_the_cancel():
    book = authorized(Book()).put("P", row("X", "CancelAuthorization", command="ask-X"))
    return book.put("P", row("C", "Charge", 1000, command="ask-C"))


def cancelled_during_a_capture():
    return cancel(authorized(Book()).put("P", row("C", "Charge", 1000, command="ask-C")))


def asked_before_reserved():
    return authorize_call(commanded(Book()))


def asked_for_another_kind():
    book = authorized(Book()).put("P", row("X", "CancelAuthorization", command="ask-X"))
    return book.call("/v1/payments/pay/captures", {"amount": 4200, "metadata": names("X")}, key="X")


def asked_for_an_unclaimed_transaction():
    book = authorized(Book()).put("P", row("C", "Charge", 1000), author="merchant")
    return book.call("/v1/payments/pay/captures", {"amount": 1000, "metadata": names("C")}, key="C")


def claimed_and_captured():
    """A merchant's Charge is claimed by an entry in the log before the PSP is asked."""
    book = authorized(Book()).put("P", row("C", "Charge", 1000), author="merchant").merchant_wrote("P", "C")
    body = {"type": "CapturePayment", "command_id": "merchant-C", "payment_id": "P", "transaction_id": "C"}
    book.publish("m-C", "capture", body).deliver("m-C").put("P", note="claim merchant-C C")
    done = operation_json("capture", "succeeded", "cap", 1000, "C")
    book.psp["pay"]["captures"].append(done)
    effect = {"kind": "capture", "id": "cap", "payment": "pay", "amount": 1000}
    asked = {"amount": 1000, "currency": "EUR", "metadata": names("C")}
    book.call("/v1/payments/pay/captures", asked, key="C", reply=done, effect=effect)
    note = "fact merchant-C C"
    return book.put("P", {"id": "C", "state": "Success", "interactionId": "cap"}, note=note).ack("m-C")


def no_key():
    return settle(authorize_call(reserved(Book()), key=None)).ack("m1")


def long_key():
    return settle(authorize_call(reserved(Book()), key="A" * 65)).ack("m1")


def two_keys():
    return settle(authorize_call(authorize_call(reserved(Book())), key="A2", effect=None)).ack("m1")


def another_body():
    book = authorize_call(reserved(Book()), fate=Fate.RESET)
    other = {"amount": 4200, "currency": "EUR", "return_url": "elsewhere", "metadata": names("A")}
    return settle(book.call("/v1/payments", other, key="A", reply=payment_json())).ack("m1")


def another_token():
    book = authorize_call(reserved(Book()), fate=Fate.RESET)
    other = {"amount": 4200, "currency": "EUR", "token": "tok_2", "metadata": names("A")}
    return settle(book.call("/v1/payments", other, key="A", reply=payment_json())).ack("m1")


def sent_just_in_time():
    return settle(authorize_call(reserved(Book()).pass_(minutes=15, seconds=30))).ack("m1")


def sent_too_late():
    return settle(authorize_call(reserved(Book()).pass_(minutes=17))).ack("m1")


def sent_later_than_was_promised():
    """Its reservation says a month, and fifteen minutes were promised."""
    fields = {"ctpaySendBy": _A_MONTH_LATER, "ctpayAcceptedAt": START.isoformat()}
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1", fields=fields)).cart("P", author="w")
    return settle(authorize_call(book.pass_(hours=1))).ack("m1")


def sent_when_its_key_has_ended():
    """Its reservation says a month, and the key lives for a day."""
    book = authorized(Book()).put("P", row("C", "Charge", command="ask-C", fields={"ctpaySendBy": _A_MONTH_LATER}))
    body = {"amount": 4200, "currency": "EUR", "metadata": names("C")}
    return book.pass_(hours=24).call("/v1/payments/pay/captures", body, key="C")


def repeated_too_late():
    fields = {"ctpaySendBy": _A_MONTH_LATER}
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1", fields=fields)).cart("P", author="w")
    authorize_call(book, fate=Fate.GONE).pass_(hours=24)
    return settle(authorize_call(book, effect=None)).ack("m1")


def asked_for_less():
    body = {"amount": 42, "currency": "EUR", "metadata": names("A")}
    return settle(reserved(Book()).call("/v1/payments", body, key="A", reply=payment_json())).ack("m1")


def asked_in_another_currency():
    body = {"amount": 4200, "currency": "JPY", "metadata": names("A")}
    return settle(reserved(Book()).call("/v1/payments", body, key="A", reply=payment_json())).ack("m1")


def commanded_otherwise():
    book = usual()
    body = {"type": "CapturePayment", "command_id": "ask-C", "payment_id": "P"}
    return book.publish("m-C2", "capture", body | {"amount": {"amount": 42.0, "currency": "EUR"}}).deliver("m-C2")


def second_payment(book, total=4200, beside=("P",)):
    """Another Payment of the same cart, held at the PSP as well."""
    book.publish("m2", "authorize", {"type": "AuthorizePayment", "command_id": "pay-2", "cart_id": "cart"})
    book.deliver("m2").put("P2", row("A2", "Authorization", command="pay-2"))
    book.cart(*beside, "P2", author="w", total=total)
    held = payment_json(name="pay2", metadata=names("A2", "P2"))
    book.psp["pay2"] = held
    effect = {"kind": "authorization", "id": "pay2", "payment": "pay2", "amount": 4200}
    body = {"amount": 4200, "currency": "EUR", "metadata": names("A2", "P2")}
    book.call("/v1/payments", body, key="A2", reply=held, effect=effect)
    done = {"id": "A2", "state": "Success", "interactionId": "pay2"}
    return book.put("P2", done, note="fact pay-2 A2", interfaceId="pay2").ack("m2")


def paid_twice():
    return second_payment(authorized(Book()))


def captured_beside_a_release(code="released-otherwise"):
    """Somebody captures at the dashboard while we cancel, and we hear of it after the shopper has paid again."""
    book = authorized(Book())
    book.publish("m-X", "cancel", {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"})
    book.deliver("m-X").put("P", row("X", "CancelAuthorization", command="ask-X"))
    done = operation_json("cancel", "succeeded", "can", 3200, "X")
    taken = operation_json("capture", "succeeded", "cap", 1000)
    book.psp["pay"] |= {"cancels": [done], "captures": [taken], "amount_captured": 1000, "amount_capturable": 0}
    effect = {"kind": "cancel", "id": "can", "payment": "pay", "amount": 3200}
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done, effect=effect)
    beside = row("X2", "CancelAuthorization", 3200, "Success", interactionId="can")
    book.put("P", {"id": "X", "state": "Failure"}, beside, note=f"fact ask-X X {code}").ack("m-X")
    second_payment(book).webhook("w1", {"id": "evt", "type": "capture.succeeded", "data": taken}).deliver("w1")
    return book.put("P", row("C", "Charge", 1000, "Success", interactionId="cap"), note="fact evt C").ack("w1")


def captured_beside_a_release_that_nobody_was_told_of():
    return captured_beside_a_release(code="released")


def left_to_a_person(tries):
    """The first is not wanted, and the log says that it cannot be given back after so many tries."""
    refusals = "; ".join(f"refusal superseded-A-{number} -" for number in range(tries))
    return paid_twice().put("P", note=refusals).log(event="superseded.kept", payment_id="P", transaction_id="A")


def left_to_a_person_too_early():
    return left_to_a_person(4)


def paid_in_two_parts():
    """The cart became dearer, and the rest was paid by another payment."""
    return second_payment(authorized(Book()).cart("P", total=8400), total=8400)


def paid_again_after_the_cancel():
    return second_payment(cancelled())


def paid_again_because_a_merchant_said_it_was_cancelled():
    """By hand, in commercetools; the PSP knows of no cancel."""
    book = authorized(Book()).put("P", row("X", "CancelAuthorization"), author="merchant")
    return second_payment(book.put("P", {"id": "X", "state": "Success"}, author="merchant"))


def paid_again_before_the_refund_failed_late():
    """A bank undoes a refund after the shopper has paid again: nobody's fault here."""
    return refund_failed_late(second_payment(refund(usual(), 4200)))


def paid_again_while_the_refund_failed_late():
    """The same, after there was room for the second payment and before it was put on the cart."""
    return second_payment(refund_failed_late(refund(usual(), 4200)))


def refund_failed_late(book):
    undone = operation_json("refund", "failed", "ref", 4200, "R", succeeded_at="2026-03-01T12:00:00Z")
    book.psp["pay"]["refunds"], book.psp["pay"]["amount_refunded"] = [undone], 0
    book.webhook("w1", {"id": "evt", "type": "refund.failed", "data": undone}).deliver("w1")
    mark = {"custom": {"fields": {"ctpayCommandId": "ask-R", "ctpayReversed": True}}}
    return book.put("P", {"id": "R", "state": "Failure"} | mark, note="fact evt R").ack("w1")


def taken_off_when_it_was_paid():
    return second_payment(authorized(Book()).cart())


def taken_off_while_it_is_asked_for():
    return second_payment(settle(authorize_call(reserved(Book())).cart()).ack("m1"))


def comes_off_its_cart(author="merchant"):
    """The money comes when the Payment has been off its cart for long."""
    book = authorize_call(reserved(Book())).cart(author=author).pass_(minutes=2)
    return second_payment(settle(book).ack("m1"))


def comes_off_its_cart_and_is_told(reason="Cancel or refund it if it is not wanted."):
    """... by which nobody can find its cart any more."""
    return comes_off_its_cart().log(event="late_success.on_no_cart", payment_id="P", reason=reason)


def comes_off_its_cart_and_is_forgotten():
    """A person is told when there was room for it, and nobody looks again when there is none."""
    return comes_off_its_cart_and_is_told("Put it on its cart, or cancel it.")


def taken_off_by_us():
    return second_payment(authorized(Book()).cart(author="w"))


def held_for_no_cart():
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1"))
    return settle(authorize_call(book)).ack("m1")


def asked_before_it_was_on_the_cart():
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1"))
    return settle(authorize_call(book).cart("P", author="w")).ack("m1")


def challenge(book):
    """A challenge is open."""
    open_ = payment_json("requires_action")
    authorize_call(book, effect=None, reply=open_)
    book.psp["pay"] = open_
    return settle(book, "Pending").ack("m1")


def completion(book, operation="pay-1"):
    body = {"type": "CompleteAuthorization", "command_id": "back", "operation": operation, "cart_id": "cart"}
    body |= {"parameters": {"result": "res"}}
    return book.publish("m9", "authorize", body)


def given_up(book):
    fields = {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}
    return book.put("P", {"id": "A", "custom": {"fields": fields}})


def complete_call(book):
    book.psp["pay"] = payment_json()
    book.call("/v1/payments/pay/complete", {"result": "res"}, reply=payment_json())
    return settle(book, cause="back").ack("m9")


def completed():
    return complete_call(completion(challenge(reserved(Book()))).deliver("m9"))


def given_up_while_it_is_completed():
    return complete_call(given_up(completion(challenge(reserved(Book()))).deliver("m9")))


def completed_although_given_up():
    return complete_call(completion(given_up(challenge(reserved(Book())))).deliver("m9"))


def completed_by_what_was_shown(fault="ct-stale-read"):
    """The attempt is given up a moment before the shopper comes back, and the cart shows it as it was; it goes back then."""
    book = read_cart(completion(given_up(challenge(reserved(Book())))).deliver("m9"), fault)
    complete_call(book)
    book.publish("m-V", "cancel", {"type": "ReversePayment", "command_id": "superseded-A-0", "payment_id": "P"})
    book.deliver("m-V").put("P", row("X", "CancelAuthorization", command="superseded-A-0:cancel"))
    done = operation_json("cancel", "succeeded", "can", 4200, "X")
    book.psp["pay"] |= {"cancels": [done], "amount_capturable": 0}
    effect = {"kind": "cancel", "id": "can", "payment": "pay", "amount": 4200}
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done, effect=effect)
    note = "fact superseded-A-0 X"
    return book.put("P", {"id": "X", "state": "Success", "interactionId": "can"}, note=note).ack("m-V")


def completed_although_it_was_shown():
    return completed_by_what_was_shown(fault=None)


def captured_although_given_up():
    return capture(given_up(authorized(Book())))


def given_up_although_captured():
    return given_up(capture(authorized(Book())))


def given_up_and_let_go():
    return completion(given_up(challenge(reserved(Book())))).deliver("m9").ack("m9")


def decided_and_let_go():
    """The webhook was faster."""
    return decided_by_webhook(challenge(reserved(Book())))


def decided_and_let_go_beside_another():
    """A second click has joined the attempt; the PSP has told of another one, which is open then and fails later."""
    book = challenge(reserved(Book()))
    told = payment_json("requires_action", amount=4100)
    book.webhook("w0", {"id": "evt-0", "type": "payment.action_required", "data": told}).deliver("w0")
    book.put("P", row("B", "Authorization", 4100, "Pending", interactionId="pay"), note="fact evt-0 B").ack("w0")
    decided_by_webhook(book.put("P", note="joined pay-2 A"), "pay-2")
    failed = payment_json("failed", amount=4100)
    book.webhook("w2", {"id": "evt-2", "type": "payment.failed", "data": failed}).deliver("w2")
    return book.put("P", {"id": "B", "state": "Failure"}, note="fact evt-2 B").ack("w2")


def joined_off_its_cart():
    """A second click has joined the attempt, and the merchant takes it off its cart: there alone it would be met."""
    book = challenge(reserved(Book())).put("P", note="joined pay-2 A").cart(author="merchant")
    return completion(book, "pay-2").deliver("m9").ack("m9", "message.ignored", reason="no such operation")


def joined_and_its_cart_deleted(status=404):
    book = challenge(reserved(Book())).put("P", note="joined pay-2 A")
    book = completion(book, "pay-2").deliver("m9")
    book.call("/demo/carts/cart?expand=paymentInfo.payments", peer=Peer.COMMERCETOOLS, status=status)
    return book.ack("m9", "message.ignored", reason="no such operation")


def joined_and_let_go():
    """Its cart is there, and it is on it."""
    return joined_and_its_cart_deleted(status=200)


def joined_and_shown(*faults):
    """A second click has joined the attempt. Each delivery of its completion reads the cart; the last lets it go."""
    book = completion(challenge(reserved(Book())).put("P", note="joined pay-2 A"), "pay-2").deliver("m9")
    for fault in faults[:-1]:
        read_cart(book, fault).give_back("m9").deliver("m9")
    return read_cart(book, faults[-1]).ack("m9", "message.ignored", reason="no such operation")


def read_cart(book, fault):
    path = "/demo/carts/cart?expand=paymentInfo.payments"
    return book.call(path, peer=Peer.COMMERCETOOLS, status=200, fault=fault)


def joined_and_shown_the_past():
    """... as it was before that, each time."""
    return joined_and_shown(*("ct-stale-read",) * 5)


def joined_and_given_up_too_early():
    return joined_and_shown(*("ct-stale-read",) * 4)


def joined_and_overlooked():
    """... but for one delivery."""
    return joined_and_shown(*("ct-stale-read",) * 4, None, "ct-stale-read")


def begun_off_its_cart():
    """... and the shopper comes back by what began it, which can be found."""
    book = challenge(reserved(Book())).cart(author="merchant")
    return completion(book).deliver("m9").ack("m9", "message.ignored", reason="no such operation")


def decided_by_webhook(book, operation="pay-1"):
    book.psp["pay"] = payment_json()
    book.webhook("w1", {"id": "evt", "type": "payment.authorized", "data": payment_json()}).deliver("w1")
    return completion(settle(book, cause="evt").ack("w1"), operation).deliver("m9").ack("m9")


def let_go_unheard():
    """The shopper has passed the challenge, and the PSP waits for ever."""
    return completion(challenge(reserved(Book()))).deliver("m9").ack("m9")


def decided_too_late_to_be_let_go():
    return settle(let_go_unheard(), cause="evt")


def told(book, word, path="/payments/pay-1"):
    """A shopper asks, and is answered with this word."""
    return book.ask("GET", path, answer={"outcome": word, "paymentReference": "P", "operation": "pay-1"})


def approved_and_told():
    return told(authorized(Book()), "approved")


def told_before_it_was_so():
    return settle(authorize_call(told(reserved(Book()), "approved"))).ack("m1")


def told_the_opposite():
    return told(authorized(Book()), "rejected")


def asked_to_capture(book, amount, note):
    """A capture that is refused; `note` is written into the Payment's log."""
    body = {"type": "CapturePayment", "command_id": "ask-C", "payment_id": "P"}
    money = {"amount": {"amount": amount, "currency": "EUR"}}

    def refused(book):
        book.publish("m-C", "capture", body | money).deliver("m-C")
        if note:
            book.put("P", note="refusal ask-C none exceeds-authorization")
        book.ack("m-C", "message.ignored", reason="refused: exceeds-authorization")

    return book.ask("POST", "/operations/payment-intents/P", refused, actor="merchant", answer={"outcome": "rejected"})


def sent_on(book, query):
    """Back from a challenge, by the return page."""
    body = {"type": "CompleteAuthorization", "operation": "pay-1", "command_id": "done-1"}

    def completes(book):
        book.publish("m-R", "authorize", body).deliver("m-R").ack("m-R")

    values = {"status": 303, "answer": None, "location": f"https://shop.example/thanks?basket=7&{query}"}
    return book.ask("GET", "/payments/pay-1/return?state=s&result=r", completes, **values)


def sent_on_as_it_stands():
    return sent_on(usual(), "paymentReference=P&outcome=approved")


def sent_on_without_a_payment():
    """There is none: a browser is told so in the word for a no."""
    return sent_on(usual(), "outcome=rejected")


def sent_on_from_what_was_given_up():
    return sent_on(given_up_and_let_go(), "paymentReference=P&outcome=rejected")


def sent_on_with_a_no():
    return sent_on(usual(), "paymentReference=P&outcome=rejected")


def sent_on_with_nobodys_yes():
    return sent_on(usual(), "outcome=approved")


def refused_for_its_amount():
    return asked_to_capture(authorized(Book()), 4201, "noted")


def refused_and_noted_nowhere():
    return asked_to_capture(authorized(Book()), 4201, "")


def refused_although_allowed():
    return asked_to_capture(authorized(Book()), 4200, "noted")


def refused_to_a_shopper(book):
    """The command is ended by a Payment that is there to tell why."""
    book.put(
        "P", row("A", "Authorization", state="Failure", command="pay-1"), note="refusal pay-1 A nothing-to-pay"
    ).cart("P", author="w")
    return book.ack("m1", "message.ignored", reason="refused: nothing-to-pay")


def refused_with_something_to_pay():
    return refused_to_a_shopper(commanded(Book()))


def refused_with_nothing_to_pay():
    return refused_to_a_shopper(commanded(Book().put("Q", row("QA", "Authorization", state="Pending")).cart("Q")))


#: Invariant -> (histories that keep it, and all others too; histories that break it).
def others(author="merchant"):
    """A gift card's Payment, on which other software captures."""
    theirs = {"paymentMethodInfo": {"paymentInterface": "gift-cards"}, "interfaceId": "card"}
    book = usual().put("G", row("GA", "Authorization", 1000, "Success"), author="merchant", **theirs)
    return book.put("G", row("GC", "Charge", 1000), author=author)


def others_refused_to_a_merchant():
    """The answer says no, and nothing of it is written down."""
    body = {"type": "CapturePayment", "command_id": "ask-G", "payment_id": "G"}
    path = "/operations/payment-intents/G"
    return others().ask(
        "POST",
        path,
        lambda one: (
            one.publish("m-G", "capture", body)
            .deliver("m-G")
            .ack("m-G", "message.ignored", reason="another payment interface's payment")
        ),
        answer={"outcome": "rejected"},
    )


def others_taken_on():
    return others(author="w")


def others_told_to_the_psp():
    return others().call("/v1/payments?merchant_reference=G.GA")


CASES = {
    "S1": ((usual, repeated_under_its_key), (two_effects, two_effects_of_one_key, two_effects_of_one_command)),
    "S2": ((captured_in_parts,), (captured_too_much, captured_what_is_pending, psp_captured_too_much)),
    "S3": (
        (refunded, refunded_before_the_capture_failed_late),
        (refunded_too_much, refunded_what_is_disputed),
    ),
    "S4": (
        (usual, claimed_and_captured),
        (asked_before_reserved, asked_for_another_kind, asked_for_an_unclaimed_transaction),
    ),
    "S9": ((cancelled,), (captured_after_the_cancel, admitted_during_the_cancel, cancelled_during_a_capture)),
    "S12": ((repeated_under_its_key, another_token), (no_key, long_key, two_keys, another_body)),
    "S13": (
        (sent_just_in_time,),
        (sent_too_late, sent_later_than_was_promised, sent_when_its_key_has_ended, repeated_too_late),
    ),
    "S14": ((usual,), (asked_for_less, asked_in_another_currency, commanded_otherwise)),
    "S16": (
        (
            approved_and_told,
            sent_on_as_it_stands,
            sent_on_without_a_payment,
            sent_on_from_what_was_given_up,
            refused_for_its_amount,
            others_refused_to_a_merchant,
        ),
        (
            told_before_it_was_so,
            told_the_opposite,
            sent_on_with_a_no,
            sent_on_with_nobodys_yes,
            refused_and_noted_nowhere,
        ),
    ),
    "S17": ((refused_for_its_amount,), (refused_although_allowed, refused_with_something_to_pay)),
    "S22": ((usual, others, others_refused_to_a_merchant), (others_taken_on, others_told_to_the_psp)),
    "M1": (
        (
            usual,
            paid_in_two_parts,
            paid_again_after_the_cancel,
            paid_again_because_a_merchant_said_it_was_cancelled,
            paid_again_before_the_refund_failed_late,
            taken_off_when_it_was_paid,
            taken_off_while_it_is_asked_for,
            comes_off_its_cart_and_is_told,
            captured_beside_a_release,
        ),
        (
            paid_twice,
            held_for_no_cart,
            captured_beside_a_release_that_nobody_was_told_of,
            left_to_a_person_too_early,
            comes_off_its_cart,
            comes_off_its_cart_and_is_forgotten,
            taken_off_by_us,
        ),
    ),
    "M2": (
        (usual, paid_in_two_parts, paid_again_while_the_refund_failed_late),
        (asked_before_it_was_on_the_cart, paid_twice),
    ),
    "M3": (
        (completed, given_up_while_it_is_completed, given_up_although_captured, completed_by_what_was_shown),
        (completed_although_given_up, captured_although_given_up, completed_although_it_was_shown),
    ),
    "M4": (
        (
            completed,
            given_up_and_let_go,
            decided_and_let_go,
            decided_and_let_go_beside_another,
            joined_off_its_cart,
            joined_and_its_cart_deleted,
            joined_and_shown_the_past,
        ),
        (
            let_go_unheard,
            decided_too_late_to_be_let_go,
            begun_off_its_cart,
            joined_and_let_go,
            joined_and_given_up_too_early,
            joined_and_overlooked,
        ),
    ),
}
