"""Histories that keep, and histories that break, the invariants about commands: reversals, clicks, and who is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from simulation.book import (
    Book,
    authorize_call,
    authorized,
    commanded,
    names,
    operation_json,
    payment_json,
    reserved,
    row,
    settle,
)
from simulation.cases_messages import charge_by_hand
from simulation.cases_money import CASES as MONEY
from simulation.cases_money import (
    cancelled,
    challenge,
    refused_to_a_shopper,
    second_payment,
    taken_off_when_it_was_paid,
    usual,
)
from simulation.logs import Fault


def refused_although_given_back():
    """All of another payment went back, and the shopper is told that the cart is paid for."""
    taken = (row("QC", "Charge", state="Success"), row("QR", "Refund", state="Success"))
    other = row("QA", "Authorization", state="Success", fields={"ctpayCartId": "cart"})
    return refused_to_a_shopper(commanded(Book().put("Q", other, *taken)))


def ordered_back(book, *parts):
    """A reversal that reserves these parts, all in one write."""
    body = {"type": "ReversePayment", "command_id": "ask-V", "payment_id": "P"}
    book.publish("m-V", "cancel", body).deliver("m-V")
    return book.put("P", *parts)


def given_back():
    """Nothing was captured: all of it is cancelled."""
    book = ordered_back(authorized(Book()), row("X", "CancelAuthorization", command="ask-V:cancel"))
    done = operation_json("cancel", "succeeded", "can", 4200, "X")
    book.psp["pay"]["cancels"].append(done)
    book.psp["pay"] |= {"amount_capturable": 0}
    effect = {"kind": "cancel", "id": "can", "payment": "pay", "amount": 4200}
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done, effect=effect)
    return book.put("P", {"id": "X", "state": "Success", "interactionId": "can"}, note="fact ask-V X").ack("m-V")


def given_back_but_for_a_part():
    return ordered_back(usual(), row("R", "Refund", 1000, command="ask-V:refund-0"))


def given_back_and_still_held():
    book = authorized(Book()).put("P", row("C", "Charge", 1000, "Success", command="ask-C", interactionId="cap"))
    return ordered_back(book, row("R", "Refund", 1000, command="ask-V:refund-0"))


def given_back_during_a_capture():
    book = authorized(Book()).put("P", row("C", "Charge", 1000, "Pending", command="ask-C", interactionId="cap"))
    return ordered_back(book, row("X", "CancelAuthorization", 3200, command="ask-V:cancel"))


def refused_to_give_back():
    """Something was captured, and the log says that there is nothing to reverse."""
    book = ordered_back(usual()).put("P", note="refusal ask-V none nothing-to-reverse")
    return book.ack("m-V", "message.ignored", reason="refused: nothing-to-reverse")


def taken_up_again():
    """A worker publishes what is reserved once more, under its own id: it is decided already."""
    money = {"amount": 4200, "currency": "EUR"}
    body = {"type": "CapturePayment", "command_id": "ask-C", "payment_id": "P", "amount": money, "again": 1}
    return usual().publish("m2", "capture", body, process="w").deliver("m2").ack("m2")


def taken_up_under_another_id():
    body = {"type": "CapturePayment", "command_id": "again-C", "payment_id": "P"}
    return usual().publish("m2", "capture", body, process="w")


def clicked(second, *, later_s=0.2):
    """A shopper clicks twice; the first is answered with Payment `P`."""
    book = authorized(Book())
    start = book.now
    first = book.logs["exchanges"][0]
    answer = {"outcome": "approved", "paymentReference": "P", "operation": "pay-1"}
    book.logs["exchanges"][0] = replace(first, status=200, done_n=book.n + 1, answer=answer)
    book.n += 1
    book.now = start
    book.pass_(seconds=later_s)
    body = {"type": "AuthorizePayment", "command_id": "pay-2", "cart_id": "cart"}

    def inside(book):
        book.publish("m2", "authorize", body).deliver("m2").put("P", note="joined pay-2 A").ack("m2")

    return book.ask("POST", "/payments", inside, **second)


def clicked_and_joined():
    return clicked({"answer": {"outcome": "approved", "paymentReference": "P", "operation": "pay-2"}})


def clicked_again_much_later():
    """The cart is paid by then, and says so."""
    return clicked({"status": 400, "answer": {"errors": [{"code": "InvalidOperation"}]}}, later_s=60)


def clicked_and_refused():
    return clicked({"status": 400, "answer": {"errors": [{"code": "InvalidOperation"}]}})


def clicked_and_refused_since_others_pay():
    """... meanwhile, so that the cart lacks another amount than the first click was for."""
    book = clicked_and_refused()
    book.more["faults"] = (Fault(n=1, at=book.now, kind="foreign-payment", on="P9"),)
    return book


def clicked_and_charged_otherwise():
    return clicked({"answer": {"outcome": "pending", "paymentReference": "P9", "operation": "pay-2"}})


def clicked_and_taken_up_the_other_way_round(book):
    """The click that was asked second is taken up first, with Payment `P`, and the other one later, with `P2`."""
    book = second_payment(book)
    told = {"P2": "pay-2", "P": "pay-1"}
    answers = [{"outcome": "approved", "paymentReference": one, "operation": told[one]} for one in told]
    first = book.logs["exchanges"][0]
    done = {"status": 200, "done_n": book.n, "done_at": book.now}
    book.n += 1
    book.logs["exchanges"][0:1] = [replace(first, **done, answer=one) for one in answers]
    return book


def clicked_and_given_back_meanwhile():
    """What was taken up first is cancelled by the merchant before the other is taken up."""
    return clicked_and_taken_up_the_other_way_round(cancelled())


def clicked_and_charged_twice():
    return clicked_and_taken_up_the_other_way_round(authorized(Book()))


def waited(*, seconds, settled=True):
    """A shopper waits while the payment is carried out, and is answered that it is pending so long after that."""

    def inside(book):
        book.publish("m1", "authorize", {"type": "AuthorizePayment", "command_id": "pay-1", "cart_id": "cart"})
        book.deliver("m1").put("P", row("A", "Authorization", command="pay-1")).cart("P", author="w")
        authorize_call(book)
        if settled:
            settle(book).ack("m1")
        book.pass_(seconds=seconds)

    answer = {"outcome": "pending", "operation": "pay-1"}
    book = Book().cart().ask("POST", "/payments", inside, status=202, answer=answer)
    return book if settled else settle(book).ack("m1")


def answered_before_it_was_known():
    return waited(seconds=10, settled=False)


def answered_at_that_moment():
    return waited(seconds=0.1)


def told_in_a_newer_version():
    """... by a worker that is of a newer version than the ingress, as there are while one is deployed."""
    book = waited(seconds=10)
    n, at = book.logs["bus"][-1].n, book.now
    book.more["faults"] = (Fault(n=n, at=at, kind="process-older-version", on="ingress-1 7"),)
    return book


def not_told():
    return waited(seconds=10)


def gone(hours):
    """A challenge is open for so long, and reconcile gives it up."""
    book = challenge(reserved(Book())).pass_(hours=hours)
    fields = {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}
    mark = {"id": "A", "custom": {"fields": fields}}
    return book.put("P", mark, note="superseded reconcile-1 A", author="reconcile#0")


def gone_for_a_day():
    return gone(25)


def gone_for_an_hour():
    return gone(1)


def gone_since_nobody_knows_when():
    """Reserved long ago and asked an hour ago, and other software has hidden when."""
    open_ = payment_json("requires_action")
    book = authorize_call(reserved(Book()), effect=None, reply=open_).pass_(hours=24)
    book.psp["pay"] = open_
    settle(book, "Pending").ack("m1").put("P", {"id": "A", "custom": None}, author="merchant").pass_(hours=1)
    return book.put("P", note="superseded reconcile-1 A", author="reconcile#0")


_KEEP, _BREAK = MONEY["S17"]


def given_up_by_another_click(later):
    """A challenge is open when the shopper pays again, so long after the first time."""
    book = challenge(reserved(Book()))
    for command, at in (("pay-1", book.now), ("pay-2", book.now + later)):
        body = {"type": "AuthorizePayment", "command_id": command, "cart_id": "cart", "accepted_at": at.isoformat()}
        book.publish(f"m-{command}", "authorize", body)
    fields = {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}
    mark = {"id": "A", "custom": {"fields": fields}}
    book.put("P", mark, note="superseded pay-2 A; joined pay-2 A")
    for command in ("pay-1", "pay-2"):
        book.deliver(f"m-{command}").ack(f"m-{command}")
    return book


def given_up_for_another_card():
    return given_up_by_another_click(timedelta(seconds=30))


def given_up_by_the_second_click():
    return given_up_by_another_click(timedelta(seconds=0.5))


def given_up_although_it_has_succeeded(book):
    fields = {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}
    return book.put("P", {"id": "A", "custom": {"fields": fields}}, note="superseded evt A")


def given_up_since_it_is_paid_otherwise():
    return given_up_although_it_has_succeeded(taken_off_when_it_was_paid())


def given_up_before_it_was_on_its_cart(name="cart"):
    """A merchant says that it succeeded before it is put there, and another Payment pays for a cart."""
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1"))
    book.put("P", {"id": "A", "state": "Success"}, author="merchant")
    book.put("P2", row("C2", "Charge", 4200, "Success"), author="merchant").cart("P2", name=name)
    return given_up_although_it_has_succeeded(book).ack("m1")


def given_up_since_another_cart_is_paid():
    return given_up_before_it_was_on_its_cart(name="another")


def given_up_since_the_cart_is_cheaper():
    return given_up_although_it_has_succeeded(authorized(Book()).cart("P", total=4000))


def given_up(book, payment, transaction, command):
    fields = {"ctpayCommandId": command, "ctpaySuperseded": True}
    return book.put(payment, {"id": transaction, "custom": {"fields": fields}}, note=f"superseded evt {transaction}")


def given_up_both():
    """Each because of the other."""
    book = second_payment(authorized(Book()))
    return given_up(given_up(book, "P", "A", "pay-1"), "P2", "A2", "pay-2")


def given_up_beside_one_that_gave_way():
    """The one beside it was given up long before, and its money is not back yet."""
    book = given_up(second_payment(authorized(Book())), "P2", "A2", "pay-2").pass_(minutes=10)
    return given_up(book, "P", "A", "pay-1")


def given_up_beside_a_part(*, declined=False, left=1000):
    """A gift card pays for a part of a cart that costs less by then."""
    book = authorized(Book())
    if declined:
        book.put("P", {"id": "A", "state": "Failure"}, author="merchant")
        book.put("P", {"id": "A", "state": "Success"}, author="merchant")
    card = row("G", "Authorization", 3000 - left, "Success")
    book.put("P9", card, author="merchant", paymentMethodInfo={"paymentInterface": "gift-cards"})
    return given_up(book.cart("P", "P9", total=3000), "P", "A", "pay-1")


def given_up_beside_a_part_although_declined_before():
    return given_up_beside_a_part(declined=True)


def given_up_beside_all():
    return given_up_beside_a_part(left=0)


def given_up_after_the_other_went_back(minutes=10):
    """What paid for its cart is refunded so long before."""
    theirs = {"paymentInterface": "gift-cards"}
    book = authorized(Book()).put(
        "P9", row("G", "Charge", 4200, "Success"), author="merchant", paymentMethodInfo=theirs
    )
    book.cart("P", "P9").put("P9", row("R", "Refund", 4200, "Success"), author="merchant")
    return given_up(book.pass_(minutes=minutes), "P", "A", "pay-1")


def given_up_while_the_other_went_back():
    return given_up_after_the_other_went_back(minutes=1)


def given_up_by_what_was_shown():
    """... and the Payment is shown as it was before that."""
    book = given_up_after_the_other_went_back()
    book.more["faults"] = (Fault(n=1, at=book.now, kind="ct-stale-read", on="P9"),)
    return book


def given_up_beside_a_part_by(command):
    """It has succeeded just now."""
    book = authorized(Book())
    card = row("G", "Authorization", 2000, "Success")
    book.put("P9", card, author="merchant", paymentMethodInfo={"paymentInterface": "gift-cards"}).cart("P", "P9")
    body = {"type": "AuthorizePayment", "command_id": command, "cart_id": "cart"}
    book.publish("m-again", "authorize", body).deliver("m-again")
    fields = {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}
    book.put("P", {"id": "A", "custom": {"fields": fields}}, note=f"superseded {command} A")
    return book.ack("m-again")


def given_up_beside_a_part_by_its_own_request():
    return given_up_beside_a_part_by("pay-1")


def given_up_beside_what_is_left_of_it():
    """It was told as declined, most of it went back, and another payment pays for that: what is left is needed."""
    book = authorized(Book())
    book.put("P", {"id": "A", "state": "Failure"}, author="merchant")
    book.put("P", {"id": "A", "state": "Success"}, author="merchant")
    book.put("P", row("R", "Refund", 3200, "Success"), author="merchant")
    card = row("G", "Authorization", 3200, "Success")
    book.put("P9", card, author="merchant", paymentMethodInfo={"paymentInterface": "gift-cards"})
    return given_up(book.cart("P", "P9"), "P", "A", "pay-1")


def given_up_although_captured():
    """It was told as declined, then captured; others pay for a part."""
    book = authorized(Book())
    book.put("P", {"id": "A", "state": "Failure"}, author="merchant")
    book.put("P", {"id": "A", "state": "Success"}, row("C", "Charge", 4200, "Success"), author="merchant")
    card = row("G", "Authorization", 1000, "Success")
    book.put("P9", card, author="merchant", paymentMethodInfo={"paymentInterface": "gift-cards"})
    return given_up(book.cart("P", "P9"), "P", "A", "pay-1")


def given_up_for_what_is_undecided():
    """Another Payment of the cart is pending, and may be declined."""
    card = row("G", "Authorization", 4200, "Pending")
    book = authorized(Book())
    book.put("P9", card, author="merchant", paymentMethodInfo={"paymentInterface": "gift-cards"})
    return given_up(book.cart("P", "P9"), "P", "A", "pay-1")


def given_up_for_what_was_undecided():
    """... and is decided at about that moment."""
    book = given_up_for_what_is_undecided()
    return book.put("P9", {"id": "G", "state": "Success"}, author="merchant")


def given_up_on_another_cart():
    """The shop has moved it, and its first cart is paid for by another."""
    book = second_payment(authorized(Book()).cart().cart("P", name="another"), beside=()).pass_(minutes=10)
    return given_up(book, "P", "A", "pay-1")


CASES = {
    "S17": (_KEEP, (*_BREAK, refused_to_give_back, refused_although_given_back)),
    "S18": ((given_back, usual), (given_back_but_for_a_part, given_back_and_still_held, given_back_during_a_capture)),
    "S19": ((charge_by_hand, taken_up_again), (taken_up_under_another_id,)),
    "S20": (
        (
            clicked_and_joined,
            clicked_again_much_later,
            clicked_and_given_back_meanwhile,
            clicked_and_refused_since_others_pay,
        ),
        (clicked_and_refused, clicked_and_charged_otherwise, clicked_and_charged_twice),
    ),
    "S21": ((answered_before_it_was_known, answered_at_that_moment, told_in_a_newer_version), (not_told,)),
    "M5": (
        (
            gone_for_a_day,
            gone_since_nobody_knows_when,
            given_up_for_another_card,
            given_up_since_it_is_paid_otherwise,
            given_up_before_it_was_on_its_cart,
            given_up_beside_all,
            given_up_for_what_was_undecided,
            given_up_while_the_other_went_back,
            given_up_by_what_was_shown,
            given_up_beside_a_part_by_its_own_request,
            given_up_beside_a_part_although_declined_before,
        ),
        (
            gone_for_an_hour,
            given_up_by_the_second_click,
            given_up_since_another_cart_is_paid,
            given_up_since_the_cart_is_cheaper,
            given_up_both,
            given_up_beside_what_is_left_of_it,
            given_up_although_captured,
            given_up_for_what_is_undecided,
            given_up_after_the_other_went_back,
            given_up_beside_one_that_gave_way,
            given_up_beside_a_part,
            given_up_on_another_cart,
        ),
    ),
}
