"""Histories that keep, and histories that break, the invariants about states."""

from __future__ import annotations

from simulation.book import (
    Book,
    authorize_call,
    authorized,
    ended_by_word,
    names,
    operation_json,
    payment_json,
    reserved,
    row,
    settle,
)
from simulation.cases_money import refunded_before_the_capture_failed_late, usual
from simulation.logs import Fate, Genuine


def failed_event(name="evt", reference="pay"):
    return {"id": name, "type": "payment.failed", "data": payment_json("failed", name=reference)}


def declined():
    book = authorize_call(
        reserved(Book()), effect=None, status=402, reply={"error": {"payment": payment_json("failed")}}
    )
    book.psp["pay"] = payment_json("failed")
    return settle(book, "Failure").ack("m1")


def refused_by_the_psp():
    """Nothing was made of it at the PSP."""
    book = authorize_call(reserved(Book()), effect=None, status=400, reply={"error": {"code": "token_already_used"}})
    del book.psp["pay"]
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A").ack("m1")


def refused_by_the_law():
    book = reserved(Book()).put("P", {"id": "A", "state": "Failure"}, note="refusal pay-1 A")
    return book.ack("m1")


def cancel_that_released_another_amount():
    """Somebody had captured at the PSP: less was held than we had reckoned."""
    book = authorized(Book())
    book.publish("m-X", "cancel", {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"})
    book.deliver("m-X").put("P", row("X", "CancelAuthorization", command="ask-X"))
    done = operation_json("cancel", "succeeded", "can", 3200, "X")
    book.psp["pay"]["cancels"].append(done)
    effect = {"kind": "cancel", "id": "can", "payment": "pay", "amount": 3200}
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done, effect=effect)
    beside = row("X2", "CancelAuthorization", 3200, "Success", interactionId="can")
    return book.put("P", {"id": "X", "state": "Failure"}, beside, note="fact ask-X X").ack("m-X")


def released_amount_told_to_nobody():
    """... and what was released is nowhere."""
    book = authorized(Book()).put("P", row("X", "CancelAuthorization", command="ask-X"))
    done = operation_json("cancel", "succeeded", "can", 3200, "X")
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done)
    return book.put("P", {"id": "X", "state": "Failure"}, note="fact ask-X X")


def success_that_nobody_told():
    return settle(reserved(Book())).ack("m1")


def success_of_another_amount():
    return settle(authorize_call(reserved(Book()), reply=payment_json(amount=42))).ack("m1")


def success_whose_reply_was_not_heard():
    return settle(authorize_call(reserved(Book()), fate=Fate.DIED)).ack("m1")


def success_by_a_forged_webhook():
    book = reserved(Book())
    event = {"id": "evt", "type": "payment.authorized", "data": payment_json()}
    return settle(book.webhook("w1", event, genuine=Genuine.NO)).ack("m1")


def failure_that_nobody_told():
    return reserved(Book()).put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A").ack("m1")


def failure_by_a_refusal_after_it_was_sent():
    """The law's refusal proves nothing once the PSP was asked."""
    book = authorize_call(reserved(Book()))
    return book.put("P", {"id": "A", "state": "Failure"}, note="refusal pay-1 A").ack("m1")


def late_success():
    """A success that is told after the failure wins."""
    book = declined()
    event = {"id": "evt2", "type": "payment.authorized", "data": payment_json()}
    book.psp["pay"] = payment_json()
    return settle(book.webhook("w1", event).deliver("w1"), cause="evt2").ack("w1")


def merchant_lowers_a_state():
    """What a merchant writes is the merchant's."""
    return authorized(Book()).put("P", {"id": "A", "state": "Failure"}, author="merchant")


def failure_overwrites_success():
    book = authorized(Book()).webhook("w1", failed_event()).deliver("w1")
    return settle(book, "Failure", cause="evt").ack("w1")


def back_to_initial():
    return usual().put("P", {"id": "C", "state": "Initial"}, note="fact ask-C C")


def transaction_taken_away():
    book = usual()
    book.documents["P"]["transactions"] = book.documents["P"]["transactions"][:1]
    return book.put("P")


def dispute(book, name, status, message):
    one = operation_json("dispute", status, "dis", 4200)
    book.psp["pay"]["disputes"] = [one]
    happened = {"open": "opened"}.get(status, status)
    return book.webhook(message, {"id": name, "type": f"dispute.{happened}", "data": one}).deliver(message)


def disputed_and_won():
    book = dispute(usual(), "evt1", "open", "w1")
    book.put("P", row("B", "Chargeback", 4200, "Pending", interactionId="dis"), note="fact evt1 B").ack("w1")
    dispute(book, "evt2", "won", "w2")
    return book.put("P", {"id": "B", "state": "Failure"}, note="reversed evt2 B").ack("w2")


def told_twice():
    """The same event twice, in two messages, and one transaction."""
    book = disputed_and_won()
    won = operation_json("dispute", "won", "dis", 4200)
    return book.webhook("w3", {"id": "evt2", "type": "dispute.won", "data": won}).deliver("w3").ack("w3")


def added_twice():
    book = dispute(usual(), "evt1", "open", "w1")
    for one in ("B", "B2"):
        book.put("P", row(one, "Chargeback", 4200, "Pending", interactionId="dis"), note=f"fact evt1 {one}")
    return book.ack("w1")


def timeout(**values):
    return authorize_call(reserved(Book()), effect=None, fate=Fate.GONE, status=None, reply=None, **values)


def look_up(book, reply=None, status=200, **values):
    return book.call("/v1/payments?merchant_reference=P.A", status=status, reply=reply or {"data": []}, **values)


def nothing_found_in_time():
    book = timeout().pass_(minutes=26)
    del book.psp["pay"]
    return look_up(book).put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A").ack("m1")


def timeout_then_the_truth():
    return settle(look_up(timeout(), {"data": [payment_json()]})).ack("m1")


def timeout_then_declined():
    book = look_up(timeout(), {"data": [payment_json("failed")]})
    book.psp["pay"] = payment_json("failed")
    return settle(book, "Failure").ack("m1")


def timeout_taken_as_failure():
    return settle(timeout(), "Failure").ack("m1")


def server_error_taken_as_failure():
    book = authorize_call(reserved(Book()), status=500, reply={"error": {"code": "internal_error"}})
    return settle(book, "Failure").ack("m1")


def nothing_found_too_early():
    book = look_up(timeout().pass_(minutes=16))
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A").ack("m1")


def nothing_found_under_somebody_elses_name():
    """A merchant's number, which the PSP has never told of."""
    book = timeout().pass_(minutes=26)
    book.call("/v1/payments/4711", status=404, reply={"error": {"code": "payment_not_found"}})
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A", interfaceId="4711").ack("m1")


def nobody_looked():
    return timeout().pass_(hours=2).put("P", {"id": "A", "state": "Failure"}, note="fact pay-1 A").ack("m1")


def success_by_word():
    return ended_by_word(authorize_call(reserved(Book()), fate=Fate.DIED)).ack("m1")


def failure_by_word_after_a_timeout():
    book = timeout()
    del book.psp["pay"]
    return ended_by_word(book, "Failure").ack("m1")


def word_of_a_worker():
    """Only a person's command may say so."""
    return ended_by_word(authorize_call(reserved(Book()), fate=Fate.DIED), author="w").ack("m1")


def word_about_another():
    return ended_by_word(authorize_call(reserved(Book()), fate=Fate.DIED), about="B").ack("m1")


def word_of_the_contrary():
    return ended_by_word(timeout(), "Failure", said="Success").ack("m1")


CASES = {
    "S5": (
        (
            usual,
            success_by_word,
            declined,
            refused_by_the_psp,
            refused_by_the_law,
            refunded_before_the_capture_failed_late,
            cancel_that_released_another_amount,
        ),
        (
            success_that_nobody_told,
            released_amount_told_to_nobody,
            success_of_another_amount,
            success_whose_reply_was_not_heard,
            success_by_a_forged_webhook,
            failure_that_nobody_told,
            failure_by_a_refusal_after_it_was_sent,
            word_of_a_worker,
            word_about_another,
        ),
    ),
    "S6": (
        (late_success, merchant_lowers_a_state, disputed_and_won),
        (failure_overwrites_success, back_to_initial, transaction_taken_away),
    ),
    "S7": ((disputed_and_won, told_twice), (added_twice,)),
    "S8": (
        (nothing_found_in_time, timeout_then_the_truth, timeout_then_declined, failure_by_word_after_a_timeout),
        (
            timeout_taken_as_failure,
            server_error_taken_as_failure,
            nothing_found_too_early,
            nothing_found_under_somebody_elses_name,
            nobody_looked,
            word_of_the_contrary,
        ),
    ),
}
