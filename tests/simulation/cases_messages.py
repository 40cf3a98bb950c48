"""Histories that keep, and histories that break, the invariants about messages, liveness, audit and secrets."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

from simulation.book import (
    Book,
    authorize_call,
    authorized,
    commanded,
    ended_by_word,
    names,
    operation_json,
    payment_json,
    reserved,
    row,
    settle,
)
from simulation.cases_money import second_payment, usual
from simulation.cases_states import disputed_and_won, failed_event, look_up, told_twice
from simulation.logs import Fate, Genuine, Happening, Peer

AUTHORIZED = {"id": "evt", "type": "payment.authorized", "data": payment_json()}


def waiting_unanswered():
    """The bus fails and the caller is told so."""
    return authorized(Book()).ask("POST", "/operations/payment-intents/P", status=503)


def promised_without_a_message():
    return authorized(Book()).ask("POST", "/operations/payment-intents/P", answer={"outcome": "received"})


def promised_before_the_bus_had_it():
    book = authorized(Book())
    body = {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"}
    return book.ask(
        "POST", "/operations/payment-intents/P", lambda one: one.publish("m-X", "cancel", body, confirmed=False)
    )


def came_back(inside=None, **values):
    """From a challenge, by the return page."""
    return authorized(Book()).ask("GET", "/payments/pay-1/return?state=s&result=r", inside, **values)


def _completes(book):
    book.publish("m-2", "authorize", {"type": "CompleteAuthorization", "operation": "pay-1", "command_id": "done-1"})
    book.deliver("m-2").ack("m-2", "message.ignored", reason="no such operation")


def sent_on():
    return came_back(_completes, status=303, answer=None)


def link_not_ours():
    """The state is not whole: nothing is promised."""
    return came_back(status=400)


def sent_on_and_forgotten():
    return came_back(status=303, answer=None)


def shown_a_page_and_forgotten():
    return came_back(status=200, answer=None)


def webhook_swallowed():
    return authorized(Book()).webhook("w1", AUTHORIZED, inside=None)


def letter(book, name, of, cause="outage", *, worker="webhook", person=False, **more):
    """The message `of` goes into the dead letters as `name`."""
    first = next(one for one in book.logs["bus"] if one.message_id == of)
    found = {"ctpay_worker": worker, "ctpay_cause": cause, "ctpay_reason": "down"} | more
    if person:
        found["ctpay_for"] = "person"
    return book.publish(name, "dead-letters", {}, process="w", data=first.data, attributes=found)


def replayed():
    """An outage buries a webhook; it replays and is done."""
    book = letter(settle(authorize_call(reserved(Book()))).webhook("w1", AUTHORIZED).deliver("w1"), "d1", "w1")
    book.ack("w1", "message.dead").deliver("d1", "d")
    data = book.logs["bus"][-1].data
    book.publish("w2", "webhook", {}, process="d", data=data).ack("d1", process="d")
    return book.deliver("w2").ack("w2").ack("m1")


def given_to_a_person():
    """Nobody can read it: a person has it."""
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.exploded", "data": {}}).deliver("w1")
    letter(book, "d1", "w1", "poison", person=True).ack("w1", "message.dead")
    return book.deliver("d1", "d").ack("d1", "message.ignored", process="d", reason="for a person")


def acknowledged_before_it_was_settled():
    return settle(authorize_call(reserved(Book()).ack("m1")))


def given_up_before_it_was_asked():
    """Reconcile closes it when it can no longer be sent."""
    book = reserved(Book()).put("P", given_up_mark(), note="superseded pay-2 A").ack("m1").pass_(minutes=26)
    look_up(book)
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact reconcile-1 A", author="reconcile#0")


def refused_without_its_cart(book, status=404):
    """Reconcile closes it when it can no longer be sent."""
    book.call("/demo/carts/cart?expand=paymentInfo.payments", peer=Peer.COMMERCETOOLS, status=status)
    book.ack("m1", "message.ignored", reason="refused: no-such-cart").pass_(minutes=26)
    look_up(book)
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact reconcile-1 A", author="reconcile#0")


def out_of_reach_without_its_cart():
    """Other software has replaced the fields by which it would be found."""
    return refused_without_its_cart(reserved(Book()).put("P", {"id": "A", "custom": None}, author="merchant"))


def out_of_reach_off_its_cart(*on):
    """... and the merchant has taken it off."""
    hidden = reserved(Book()).put("P", {"id": "A", "custom": None}, author="merchant").cart(*on)
    hidden.ack("m1", "message.ignored", reason="refused: expired").pass_(minutes=26)
    look_up(hidden)
    return hidden.put("P", {"id": "A", "state": "Failure"}, note="fact reconcile-1 A", author="reconcile#0")


def let_go_on_its_cart():
    return out_of_reach_off_its_cart("P")


def let_go_with_its_cart():
    """The worker says that it is gone, and it is there."""
    hidden = reserved(Book()).put("P", {"id": "A", "custom": None}, author="merchant")
    return refused_without_its_cart(hidden, status=200)


def let_go_without_its_cart():
    return refused_without_its_cart(reserved(Book()))


def joined_another(book, beside):
    """Other software has hidden what was reserved, so its message joins what it finds on the cart."""
    book = second_payment(book.put("P", {"id": "A", "custom": None}, author="merchant"), beside=beside)
    return book.put("P2", note="joined pay-1 A2").ack("m1")


def joined_before_its_own_was_on_the_cart():
    """Another message puts that there later, and reconcile closes it when it can no longer be sent."""
    book = joined_another(commanded(Book()).put("P", row("A", "Authorization", command="pay-1")), beside=())
    look_up(book.cart("P", "P2", author="w").pass_(minutes=26))
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact reconcile-1 A", author="reconcile#0")


def joined_although_its_own_is_on_the_cart():
    return joined_another(reserved(Book()), beside=("P",))


def given_up_after_it_was_asked():
    """Nobody knows what became of it, and its message is gone."""
    book = authorize_call(reserved(Book()), fate=Fate.RESET)
    return book.put("P", given_up_mark(), note="superseded pay-2 A").ack("m1")


def given_up_mark():
    return {"id": "A", "custom": {"fields": {"ctpayCommandId": "pay-1", "ctpaySuperseded": True}}}


def acknowledged_and_forgotten():
    return commanded(Book()).ack("m1")


def answered_to_another_operation():
    """A cancel's answer ends the Authorization too: to write that down is for the cancel's message, not for the first."""
    book = authorize_call(reserved(Book()), reply=payment_json("pending"), effect=None)
    settle(book, "Pending")
    book.publish("m-X", "cancel", {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"})
    book.deliver("m-X").put("P", row("X", "CancelAuthorization", command="ask-X"))
    done = operation_json("cancel", "succeeded", "can", 4200, "X", payment_amount_authorized=0)
    book.psp["pay"] = payment_json("canceled", cancels=[done])
    book.call("/v1/payments/pay/cancel", {"metadata": names("X")}, key="X", reply=done)
    book.ack("m1")
    book.put("P", {"id": "X", "state": "Success", "interactionId": "can"}, note="fact ask-X X")
    return book.put("P", {"id": "A", "state": "Failure"}, note="fact ask-X A").ack("m-X")


def completed_by_another_message():
    """The shopper is back before the first message is let go: the completion's answer is the completion's to write."""
    book = settle(authorize_call(reserved(Book()), reply=payment_json("requires_action"), effect=None), "Pending")
    book.publish("m-2", "authorize", {"type": "CompleteAuthorization", "operation": "pay-1", "command_id": "done-1"})
    book.deliver("m-2")
    book.psp["pay"] = payment_json()
    effect = {"kind": "authorization", "id": "pay", "payment": "pay", "amount": 4200}
    book.call("/v1/payments/pay/complete", {"result": "r"}, reply=payment_json(), effect=effect)
    return settle(book.ack("m1"), cause="done-1").ack("m-2")


def looked_up(book):
    """The message comes again, and the PSP says that what was pending has succeeded."""
    settle(authorize_call(book, reply=payment_json("pending")), "Pending").deliver("m1")
    return look_up(book, {"data": [payment_json()]})


def looked_up_by_another_delivery():
    """... to another delivery to the same process, which writes it down."""
    return settle(looked_up(reserved(Book())).ack("m1")).ack("m1")


def looked_up_and_let_go():
    """... and no delivery writes it down, but for a webhook."""
    book = looked_up(reserved(Book())).ack("m1").ack("m1")
    book.webhook("w1", AUTHORIZED).deliver("w1")
    return settle(book, cause="evt").ack("w1")


def completion_forgotten():
    """... and the completion is let go without writing it down."""
    book = settle(authorize_call(reserved(Book()), reply=payment_json("requires_action"), effect=None), "Pending")
    book.ack("m1")
    book.publish("m-2", "authorize", {"type": "CompleteAuthorization", "operation": "pay-1", "command_id": "done-1"})
    book.deliver("m-2")
    return book.call("/v1/payments/pay/complete", {"result": "r"}, reply=payment_json()).ack("m-2")


def unknown_webhook_dropped():
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.exploded", "data": {}}).deliver("w1")
    return book.ack("w1", "message.ignored", reason="nobody knows it")


def webhook_for_a_missing_payment_dropped():
    data = payment_json(metadata={"project_key": "demo", "payment_id": "gone", "transaction_id": "x"})
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.authorized", "data": data}).deliver("w1")
    return book.ack("w1", "message.ignored", reason="not there")


def somebody_elses_webhook():
    data = payment_json(name="theirs", metadata={"project_key": "other", "payment_id": "x", "transaction_id": "y"})
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.authorized", "data": data}).deliver("w1")
    return book.ack("w1", "message.ignored", reason="another project's")


def stranger(*waits):
    """An event about what no Payment of ours is known for: so many hours after each other it is looked at, and let go at last."""
    data = payment_json(name="theirs", metadata={})
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.authorized", "data": data})
    for hours in waits[:-1]:
        book.pass_(hours=hours).deliver("w1")
        why = {"reason": "the Payment is not there yet", "cause": "missing-payment"}
        book.log(event="message.again", message_id="w1", attempt=1, event_id="evt", **why).give_back("w1")
    book.pass_(hours=waits[-1]).deliver("w1")
    return book.ack("w1", "message.ignored", reason="bears no reference of ours, and no Payment of ours bears its own")


def waited_its_time():
    return stranger(0, 11, 1)


def not_waited_for():
    return stranger(0, 1)


def waited_too_long():
    return stranger(0, 11, 2, 1)


def signed(**ago):
    """A webhook that was signed so long before it came, and is taken."""
    book = authorized(Book())
    at = int((book.now - timedelta(**ago)).timestamp())
    return book.webhook("w1", AUTHORIZED, headers={"Webhook-Timestamp": str(at)}).deliver("w1").ack("w1")


def signed_in_time():
    return signed(minutes=4)


def signed_long_ago():
    return signed(minutes=6)


def signed_in_the_future():
    return signed(minutes=-6)


def letter_never_read():
    """A dead letter is acknowledged, and neither replayed nor given to a person."""
    book = letter(authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1"), "d1", "w1")
    return book.ack("w1", "message.dead").deliver("d1", "d").ack("d1", process="d")


def handed_over(days):
    """A person gets a letter that time may heal, so many days after its first death."""
    book = authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1")
    died = (book.now - timedelta(days=days)).isoformat()
    letter(book, "d1", "w1", person=True, ctpay_first_dead_at=died).ack("w1", "message.dead")
    return book.deliver("d1", "d").ack("d1", "message.ignored", process="d", reason="for a person")


def handed_over_in_time():
    return handed_over(31)


def handed_over_too_early():
    return handed_over(1)


def of_a_newer_version(**written):
    """A worker buries a webhook that only a process of the version that is being deployed can read."""

    def publishes(book):
        body = base64.b64encode(json.dumps(AUTHORIZED).encode()).decode()
        new = {"version": 2, "correlation_id": "c", "novelty": {}}
        book.publish("w1", "webhook", {"type": "PspNotification", "event_id": "n-w1", "body": body} | new)

    book = authorized(Book()).webhook("w1", AUTHORIZED, publishes).deliver("w1")
    return letter(book, "d1", "w1", **written).ack("w1", "message.dead").deliver("d1", "d")


def read_by_the_newer_version():
    book = of_a_newer_version(cause="fault")
    data = book.logs["bus"][-1].data
    book.publish("w2", "webhook", {}, process="d", data=data).ack("d1", process="d")
    return book.deliver("w2").ack("w2")


def buried_by_the_newer_version():
    return newer_version_buried("UnknownVocabularyError")


def newer_version_buried(error="MalformedMessageError"):
    book = of_a_newer_version(cause="poison", person=True, ctpay_error=error)
    return book.ack("d1", "message.ignored", process="d", reason="for a person")


def died_again(first, replays="1"):
    """A webhook replays, and is buried once more."""
    book = authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1")
    when = {"ctpay_first_dead_at": book.now.isoformat(), "ctpay_dead_at": book.now.isoformat(), "ctpay_replays": "0"}
    letter(book, "d1", "w1", **when).ack("w1", "message.dead").deliver("d1", "d").pass_(minutes=2)
    data = book.logs["bus"][-1].data
    book.publish("w2", "webhook", {}, process="d", data=data, attributes={"ctpay_replays": replays})
    book.ack("d1", process="d").deliver("w2").pass_(minutes=2)
    again_at = {"ctpay_dead_at": book.now.isoformat(), "ctpay_replays": "1"}
    letter(book, "d2", "w2", ctpay_first_dead_at=first or book.now.isoformat(), **again_at).ack("w2", "message.dead")
    book.deliver("d2", "d").publish("w3", "webhook", {}, process="d", data=data, attributes={"ctpay_replays": "2"})
    return book.ack("d2", process="d").deliver("w3").ack("w3")


def died_twice():
    return died_again(Book().now.isoformat())


def first_death_forgotten():
    return died_again("")


def replays_not_counted():
    return died_again(Book().now.isoformat(), replays="0")


def letter_without_a_reason():
    book = authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1")
    return letter(book, "d1", "w1", "poison", person=True, ctpay_reason="").ack("w1", "message.dead")


def refused_command():
    """The law refuses a command; the Payment's log says so."""
    book = usual()
    body = {"type": "CancelPayment", "command_id": "ask-X", "payment_id": "P"}
    book.ask("POST", "/operations/payment-intents/P", lambda one: one.publish("m-X", "cancel", body))
    return (
        book.deliver("m-X")
        .put("P", note="refusal ask-X -")
        .ack("m-X", "message.ignored", reason="refused: exceeds-authorization")
    )


def notice(book, name="n1", amount=1000):
    """commercetools tells of a Charge that a merchant has put there."""
    charge = row("C", "Charge", amount)
    book.put("P", charge, author="merchant").merchant_wrote("P", "C")
    body = {"notificationType": "Message", "type": "PaymentTransactionAdded", "projectKey": "demo"}
    return book.publish(
        name, "commercetools", body | {"resource": {"typeId": "payment", "id": "P"}, "transaction": charge}, "merchant"
    )


def charge_by_hand():
    book = notice(authorized(Book()), amount=5000).deliver("n1")
    body = {"type": "CapturePayment", "command_id": "merchant-C", "payment_id": "P", "transaction_id": "C"}
    book.publish("m-C", "capture", body, process="w").ack("n1").deliver("m-C")
    book.put("P", {"id": "C", "state": "Failure"}, note="refusal merchant-C C")
    return book.ack("m-C", "message.ignored", reason="refused: exceeds-authorization")


def charge_by_hand_not_commanded():
    return notice(authorized(Book())).deliver("n1").ack("n1", "message.ignored", reason="asks nothing")


def charge_by_hand_never_told():
    """commercetools loses the message: only reconcile could find the Charge."""
    return authorized(Book()).put("P", row("C", "Charge", 1000), author="merchant").merchant_wrote("P", "C")


def charge_by_hand_overlooked_by_reconcile():
    return look_up(charge_by_hand_never_told(), {"data": []}, process="reconcile")


def never_delivered():
    return authorized(Book()).webhook("w1", AUTHORIZED)


def delivered_without_end():
    book = authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1").ack("w1")
    book.logs["bus"].append(replace(book.logs["bus"][-1], n=book.n + 1, attempt=200, happening=Happening.RETURNED))
    return book


def no_rest():
    book = usual()
    book.more["settled"] = False
    return book


def psp_knows_more():
    book = usual()
    book.psp["pay"]["captures"].append(operation_json("capture", "succeeded", "cap2", 100))
    return book


def psp_knows_nothing():
    book = settle(authorize_call(reserved(Book()))).ack("m1")
    del book.psp["pay"]
    return book


def left_initial():
    return authorized(Book()).put("P", row("C", "Charge", 1000, command="ask-C"))


def other_state_at_the_psp():
    book = usual()
    book.psp["pay"]["captures"] = [operation_json("capture", "failed", "cap", 4200, "C")]
    return book


def named_otherwise():
    """The Charge is there, by a name that the PSP does not know."""
    return usual().put("P", {"id": "C", "interactionId": "ERP-7"}, author="w")


def named_otherwise_beside_an_untrue_event():
    """The Charge has a merchant's name, and what an event told of with another amount has the PSP's."""
    told = operation_json("capture", "succeeded", "cap", 42, "C")
    book = usual().webhook("w1", {"id": "evt", "type": "capture.succeeded", "data": told}).deliver("w1")
    book.more["untrue_events"] = frozenset({"evt"})
    beside = row("C2", "Charge", 42, "Success", interactionId="cap")
    return book.put("P", beside, {"id": "C", "interactionId": "ERP-7"}, note="mismatch evt C").ack("w1")


def untrue_event():
    """An event with an amount that is not true is written beside, flagged, and changes nothing else."""
    data = payment_json(amount=42)
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.authorized", "data": data}).deliver("w1")
    beside = row("A2", "Authorization", 42, "Success", interactionId="pay")
    book.more["untrue_events"] = frozenset({"evt"})
    return book.put("P", beside, note="mismatch evt A").ack("w1")


def excused_by_a_letter():
    """A difference about which a dead letter waits for a person."""
    book = usual()
    more = operation_json("capture", "succeeded", "cap2", 100)
    book.psp["pay"]["captures"].append(more)
    book.webhook("w1", {"id": "evt", "type": "capture.succeeded", "data": more}).deliver("w1")
    letter(book, "d1", "w1", "refused", person=True).ack("w1", "message.dead")
    return book.deliver("d1", "d").ack("d1", "message.ignored", process="d", reason="for a person")


def promised_and_left():
    book = commanded(Book()).put("P", row("A", "Authorization", command="pay-1")).cart("P", author="w")
    return book.ack("m1")


def came_again(**how):
    """An outage buries a shopper's wish; its replay ends like this, and there is no cart any more."""
    book = letter(commanded(Book()), "d1", "m1", worker="authorize").ack("m1", "message.dead").deliver("d1", "d")
    data = book.logs["bus"][-1].data
    book.publish("m2", "authorize", {}, process="d", data=data).ack("d1", process="d")
    return book.deliver("m2").ack("m2", **how)


def refused_when_it_came_again():
    return came_again(event="message.ignored", reason="refused: no-such-cart")


def left_when_it_came_again():
    return came_again()


def webhook_lost_after_its_answer():
    """The message was published and let go, and the Payment does not say what it told."""
    book = authorized(Book())
    lost = operation_json("capture", "succeeded", "cap2", 100)
    event = {"id": "evt", "type": "capture.succeeded", "data": lost}
    return book.webhook("w1", event).deliver("w1").ack("w1", "message.ignored", reason="no")


def reconciled():
    return look_up(usual(), {"data": []})


def reconciled_and_different():
    book = excused_by_a_letter()
    return book.call("/v1/payments?merchant_reference=P.A", reply={"data": []}, process="reconcile")


def forged_and_refused():
    return usual().webhook("w1", failed_event(), inside=None, genuine=Genuine.NO, status=401)


def forged_and_taken():
    book = usual().webhook("w1", failed_event(), genuine=Genuine.NO).deliver("w1")
    return book.ack("w1", "message.ignored", reason="no")


def genuine_and_answered(status):
    return usual().webhook("w1", AUTHORIZED, inside=None, status=status)


def genuine_and_turned_away():
    return genuine_and_answered(401)


def genuine_and_not_understood():
    return genuine_and_answered(400)


def genuine_and_too_large():
    """It is as large whenever it comes."""
    return genuine_and_answered(413)


def genuine_and_too_slow():
    """Whoever sends it does so again."""
    return genuine_and_answered(408)


def genuine_and_the_bus_away():
    return genuine_and_answered(503)


def effective_twice():
    book = disputed_and_won()
    return book.put("P", note="fact evt2 B").put("P", note="fact evt2 B")


def secret_in_a_log():
    return usual().log(event="psp.failed", reason="Bearer sk_secret was refused")


def secret_in_a_payment():
    return usual().put("P", note="fact ask-C C", paymentStatus={"interfaceText": "sk_secret"})


def secret_on_a_letter():
    book = authorized(Book()).webhook("w1", AUTHORIZED).deliver("w1")
    return letter(book, "d1", "w1", "poison", person=True, ctpay_reason="sk_secret").ack("w1", "message.dead")


def secret_in_an_answer():
    return usual().ask("GET", "/payments/pay-1", answer={"reason": "sk_secret"})


def secret_in_an_address():
    return came_back(_completes, status=303, answer=None, location="https://shop.example/?reason=sk_secret")


def secret_in_a_message():
    """Messages carry tokens."""
    book = usual()
    book.more["canaries"] = frozenset({"AuthorizePayment"})
    return book


def change_without_a_cause():
    return authorized(Book()).put("P", {"id": "A", "state": "Failure"})


def change_by_nobody_known():
    return settle(authorize_call(reserved(Book())), cause="nobody").ack("m1")


def change_by_word():
    """A person's command names who said so."""
    return ended_by_word(authorize_call(reserved(Book()), fate=Fate.DIED)).ack("m1")


def change_by_a_worker_in_somebodys_name():
    return ended_by_word(authorize_call(reserved(Book()), fate=Fate.DIED), author="w").ack("m1")


def two_outcomes():
    return usual().log(event="message.done", message_id="m1", attempt=1)


def no_outcome():
    book = usual()
    book.logs["lines"] = [one for one in book.logs["lines"] if one.fields["message_id"] != "m1"]
    return book


CASES = {
    "S10": (
        (usual, waiting_unanswered, sent_on, link_not_ours),
        (
            promised_without_a_message,
            promised_before_the_bus_had_it,
            webhook_swallowed,
            sent_on_and_forgotten,
            shown_a_page_and_forgotten,
        ),
    ),
    "S11": (
        (
            usual,
            replayed,
            given_to_a_person,
            somebody_elses_webhook,
            charge_by_hand,
            answered_to_another_operation,
            completed_by_another_message,
            given_up_before_it_was_asked,
            out_of_reach_without_its_cart,
            out_of_reach_off_its_cart,
            joined_before_its_own_was_on_the_cart,
            looked_up_by_another_delivery,
        ),
        (
            looked_up_and_let_go,
            let_go_without_its_cart,
            let_go_with_its_cart,
            let_go_on_its_cart,
            given_up_after_it_was_asked,
            joined_although_its_own_is_on_the_cart,
            completion_forgotten,
            acknowledged_before_it_was_settled,
            acknowledged_and_forgotten,
            unknown_webhook_dropped,
            webhook_for_a_missing_payment_dropped,
            letter_never_read,
            charge_by_hand_not_commanded,
        ),
    ),
    "S15": (
        (usual, given_to_a_person, waited_its_time),
        (never_delivered, delivered_without_end, no_rest, not_waited_for, waited_too_long),
    ),
    "L1": (
        (usual, untrue_event, named_otherwise_beside_an_untrue_event, excused_by_a_letter),
        (psp_knows_more, psp_knows_nothing, left_initial, other_state_at_the_psp, named_otherwise),
    ),
    "L2": (
        (refused_command, refused_when_it_came_again, charge_by_hand, charge_by_hand_never_told),
        (
            promised_and_left,
            left_when_it_came_again,
            charge_by_hand_not_commanded,
            charge_by_hand_overlooked_by_reconcile,
        ),
    ),
    "L3": ((told_twice, replayed), (webhook_lost_after_its_answer, unknown_webhook_dropped)),
    "L4": (
        (replayed, handed_over_in_time, died_twice, read_by_the_newer_version, buried_by_the_newer_version),
        (
            letter_never_read,
            letter_without_a_reason,
            handed_over_too_early,
            first_death_forgotten,
            replays_not_counted,
            newer_version_buried,
        ),
    ),
    "L5": ((reconciled,), (reconciled_and_different,)),
    "X2": (
        (forged_and_refused, told_twice, genuine_and_too_slow, genuine_and_the_bus_away, signed_in_time),
        (
            signed_long_ago,
            signed_in_the_future,
            forged_and_taken,
            genuine_and_turned_away,
            genuine_and_not_understood,
            genuine_and_too_large,
            effective_twice,
        ),
    ),
    "X3": (
        (secret_in_a_message,),
        (secret_in_a_log, secret_in_a_payment, secret_on_a_letter, secret_in_an_answer, secret_in_an_address),
    ),
    "A1": (
        (usual, change_by_word),
        (
            change_without_a_cause,
            change_by_nobody_known,
            change_by_a_worker_in_somebodys_name,
            two_outcomes,
            no_outcome,
        ),
    ),
}
