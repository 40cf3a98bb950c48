"""Histories written by hand, for the tests of the checker: each method enters what one actor did, in order.

The ids are short and speak: Payment `P`, its Authorization `A`, its Charge `C`; at the PSP `pay`, `cap`.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulation.logs import (
    BusEntry,
    Call,
    Effect,
    Exchange,
    Fate,
    Genuine,
    Happening,
    History,
    Kept,
    LogLine,
    Peer,
    Rules,
    Version,
    Wrote,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules(
    project_key="demo",
    interface="ctpay-sandbox",
    key_lifetime=timedelta(hours=24),
    key_length_max=255,
    key_margin=timedelta(hours=1),
    authorization_send_by=timedelta(minutes=15),
    lease_max=timedelta(minutes=10),
    action_within=timedelta(hours=24),
    event_patience=timedelta(hours=12),
    skew_max=timedelta(0),
    attempts={"authorize": 90, "capture": 90, "cancel": 90, "refund": 90, "webhook": 90, "commercetools": 90},
    webhook_tolerance=timedelta(minutes=5),
)


class Book:
    """A history that is being written."""

    def __init__(self) -> None:
        self.n = 0
        self.now = START
        self.logs: dict[str, list[Any]] = {
            name: []
            for name in (
                *("effects", "calls", "payments", "carts", "bus", "exchanges", "lines", "merchants_wrote"),
                *("methods", "kept"),
            )
        }
        self.psp: dict[str, dict[str, Any]] = {}
        self.more: dict[str, Any] = {}
        self.documents: dict[str, dict[str, Any]] = {}

    def history(self) -> History:
        """What was written so far."""
        values: dict[str, Any] = {
            "seed": 0,
            "rules": RULES,
            "psp_payments": self.psp,
            "faults": (),
            "crashes": (),
            "strangers": frozenset(),
            "untrue_events": frozenset(),
            "canaries": frozenset({"sk_secret"}),
            "started_at": START,
            "faults_end": START,
            "converged_at": self.now,
            "ended_at": self.now,
            "settled": True,
        }
        return History(**(values | {name: tuple(log) for name, log in self.logs.items()} | self.more))

    def pass_(self, **time: float) -> Book:
        self.now += timedelta(**time)
        return self

    def _line(self) -> dict[str, Any]:
        self.n += 1
        return {"n": self.n, "at": self.now}

    # commercetools.

    def cart(
        self,
        *payments: str,
        total: int = 4200,
        author: str = "merchant",
        name: str = "cart",
        customer: str | None = None,
    ) -> Book:
        document: dict[str, Any] = {
            "totalPrice": {"centAmount": total, "currencyCode": "EUR"},
            "paymentInfo": {"payments": [{"typeId": "payment", "id": one} for one in payments]},
        }
        if customer is not None:
            document["customerId"] = customer
        versions = sum(one.id == name for one in self.logs["carts"])
        entry = Version(**self._line(), id=name, version=versions + 1, document=document, author=author)
        self.logs["carts"].append(entry)
        return self

    def put(self, payment: str, *rows: dict[str, Any], author: str = "w", note: str = "", **fields: Any) -> Book:
        """A version of the Payment: these transactions added or changed, and this noted as the cause."""
        old = self.documents.get(payment)
        document = copy.deepcopy(old) or {
            "id": payment,
            "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
            "transactions": [],
            "interfaceInteractions": [],
        }
        document |= fields
        for row in rows:
            known = next((one for one in document["transactions"] if one["id"] == row["id"]), None)
            if known is None:
                document["transactions"].append(row)
            else:
                known |= row
        for one in note.split("; ") if note else ():
            kind, cause, about, *code = one.split(" ")
            entry = {"ctpayKind": kind, "ctpayCause": cause, "ctpayTransactionId": about, "ctpayAt": START.isoformat()}
            document["interfaceInteractions"].append(
                {"fields": entry | {"ctpayMessage": "told", "ctpayCode": "".join(code)}}
            )
        self.documents[payment] = document
        versions = sum(one.id == payment for one in self.logs["payments"])
        entry = Version(**self._line(), id=payment, version=versions + 1, document=document, author=author)
        self.logs["payments"].append(entry)
        return self

    def method(self, name: str = "M", token: str = "pm_1", customer: str = "c-1", status: str = "Active") -> Book:
        """A version of a stored payment method; without a token it is deleted."""
        document = {
            "customer": {"typeId": "customer", "id": customer},
            "token": {"value": token},
            "paymentMethodStatus": status,
        }
        versions = sum(one.id == name for one in self.logs["methods"])
        shown = document if token else {}
        entry = Version(**self._line(), id=name, version=versions + 1, document=shown, author="w")
        self.logs["methods"].append(entry)
        return self

    # The PSP.

    def keep(self, token: str = "pm_1", customer: str = "c-1") -> Book:
        """The PSP keeps what payment `pay` was paid with."""
        self.psp["pay"]["stored_method"] = {"id": token}
        self.logs["kept"].append(Kept(**self._line(), token=token, customer=customer))
        return self

    def forget(self, token: str = "pm_1") -> Book:
        """The PSP forgets it."""
        n = self._line()["n"]
        self.logs["kept"] = [replace(one, forgotten_n=n) if one.token == token else one for one in self.logs["kept"]]
        return self

    def call(self, path: str, body: dict[str, Any] | None = None, **values: Any) -> Book:
        """A request to the PSP, and its reply: `reply`, `status`, `fate`; `effect` names what moved."""
        line = self._line()
        effect = values.pop("effect", None)
        if effect is not None:
            key = values.get("key")
            self.logs["effects"].append(
                Effect(
                    **self._line(),
                    key=key,
                    merchant_reference=None,
                    metadata=(body or {}).get("metadata", {}),
                    currency="EUR",
                    **effect,
                )
            )
        given: dict[str, Any] = {
            "process": "w",
            "peer": Peer.PSP,
            "method": "POST" if body is not None else "GET",
            "path": path,
            "key": None,
            "body": json.dumps(body).encode(),
            "document": body,
            "performed_n": line["n"],
            "performed_at": line["at"],
            "status": 201,
            "reply": None,
            "fate": Fate.ANSWERED,
            "done_at": line["at"],
            "fault": None,
        }
        done_n = self._line()["n"]
        self.logs["calls"].append(Call(**line, **(given | {"done_n": done_n} | values)))
        return self

    # The bus.

    def publish(self, name: str, topic: str, body: dict[str, Any], process: str = "i", **values: Any) -> Book:
        confirmed = values.pop("confirmed", True)
        data = values.pop("data", None) or json.dumps(body).encode()
        self._bus(Happening.PUBLISHED, name, topic, data, process=process, **values)
        if confirmed:
            self._bus(Happening.CONFIRMED, name, topic, data, process=process)
        return self

    def deliver(self, name: str, process: str = "w") -> Book:
        return self._again(Happening.DELIVERED, name, process)

    def give_back(self, name: str, process: str = "w") -> Book:
        return self._again(Happening.RETURNED, name, process)

    def ack(self, name: str, event: str = "message.done", process: str = "w", **fields: Any) -> Book:
        """The outcome line, which names what may have been caused, and the acknowledgement."""
        self.log(process=process, event=event, message_id=name, attempt=1, **(self._named(name) | fields))
        return self._again(Happening.ACKED, name, process)

    def _named(self, name: str) -> dict[str, Any]:
        first = next(one for one in self.logs["bus"] if one.message_id == name)
        try:
            body = json.loads(first.data)
        except ValueError:
            return {}
        if body.get("type") == "PspNotification":
            return {"event_id": json.loads(base64.b64decode(body["body"])).get("id")}
        return {"command_id": body.get("command_id")}

    def _again(self, happening: Happening, name: str, process: str) -> Book:
        first = next(one for one in self.logs["bus"] if one.message_id == name)
        return self._bus(
            happening, name, first.topic, first.data, process=process, attempt=1, attributes=first.attributes
        )

    def _bus(self, happening: Happening, name: str, topic: str, data: bytes, **values: Any) -> Book:
        given = {"attributes": {}, "attempt": 0} | values
        self.logs["bus"].append(
            BusEntry(**self._line(), happening=happening, message_id=name, topic=topic, data=data, **given)
        )
        return self

    def log(self, process: str = "w", **fields: Any) -> Book:
        self.logs["lines"].append(LogLine(**self._line(), process=process, fields=fields))
        return self

    # The ingress.

    def ask(self, method: str, path: str, inside: Any = None, **values: Any) -> Book:
        """A request to the ingress; `inside` enters what happens before it is answered."""
        line = self._line()
        if inside is not None:
            inside(self)
        given = {
            "actor": "shopper",
            "process": "i",
            "headers": {},
            "key": None,
            "body": b"",
            "status": 200,
            "answer": {},
            "done_at": self.now,
        }
        done = self._line()["n"]
        self.logs["exchanges"].append(Exchange(**line, method=method, path=path, **(given | {"done_n": done} | values)))
        return self

    def webhook(self, name: str, event: dict[str, Any], inside: Any = "publishes", **values: Any) -> Book:
        """The PSP sends an event, which becomes message `name`."""

        def publishes(book: Book) -> None:
            body = base64.b64encode(json.dumps(event).encode()).decode()
            book.publish(name, "webhook", {"type": "PspNotification", "event_id": f"n-{name}", "body": body})

        given = {"actor": "psp", "genuine": Genuine.YES, "body": json.dumps(event).encode()}
        act = publishes if inside == "publishes" else inside
        return self.ask("POST", "/webhooks/sandbox", act, **(given | values))

    def merchant_wrote(self, payment: str, transaction: str) -> Book:
        self.logs["merchants_wrote"].append(Wrote(payment_id=payment, transaction_id=transaction))
        return self

    def rules(self, **values: Any) -> Book:
        self.more["rules"] = replace(RULES, **values)
        return self


def row(
    name: str, kind: str, amount: int = 4200, state: str = "Initial", command: str | None = None, **more: Any
) -> Any:
    """A transaction of commercetools'."""
    fields = {} if command is None else {"ctpayCommandId": command, "ctpaySendBy": (START + _SEND_BY).isoformat()}
    custom = {"custom": {"fields": fields | more.pop("fields", {})}} if fields or "fields" in more else {}
    money = {"centAmount": amount, "currencyCode": "EUR"}
    return {"id": name, "type": kind, "amount": money, "state": state} | custom | more


_SEND_BY = timedelta(minutes=15)


def payment_json(status: str = "authorized", name: str = "pay", amount: int = 4200, **more: Any) -> dict[str, Any]:
    """A payment as the PSP shows it, about transaction `A` of Payment `P`."""
    held = amount if status == "authorized" else 0
    lists: dict[str, Any] = {"captures": [], "cancels": [], "refunds": [], "disputes": []}
    given = {
        "object": "payment",
        "id": name,
        "amount": amount,
        "currency": "EUR",
        "status": status,
        "metadata": {"project_key": "demo", "payment_id": "P", "transaction_id": "A"},
        "amount_authorized": held,
        "amount_captured": 0,
        "amount_refunded": 0,
        "amount_disputed": 0,
        "amount_capturable": held,
    }
    return given | lists | more


def operation_json(kind: str, status: str, name: str, amount: int, transaction: str | None = None, **more: Any) -> Any:
    """A capture, cancel, refund or dispute as the PSP shows it."""
    names = {"project_key": "demo", "payment_id": "P"}
    given = {
        "object": kind,
        "id": name,
        "payment": "pay",
        "amount": amount,
        "currency": "EUR",
        "status": status,
        "metadata": {} if transaction is None else names | {"transaction_id": transaction},
        "payment_metadata": names | {"transaction_id": "A"},
        "payment_amount_authorized": 4200,
        "succeeded_at": "2026-03-01T12:00:00Z" if status == "succeeded" else None,
    }
    return given | more


def names(transaction: str, payment: str = "P") -> dict[str, str]:
    """Our reference as the PSP gets it."""
    return {"project_key": "demo", "payment_id": payment, "transaction_id": transaction}


# The usual story, in parts.


def commanded(book: Book) -> Book:
    """A shopper has asked; the command is with worker `w`."""
    body = {"type": "AuthorizePayment", "command_id": "pay-1", "cart_id": "cart"}
    book.cart()
    book.ask(
        "POST", "/payments", lambda b: b.publish("m1", "authorize", body), status=202, answer={"operation": "pay-1"}
    )
    return book.deliver("m1")


def reserved(book: Book) -> Book:
    """... whose Payment is on the cart."""
    return commanded(book).put("P", row("A", "Authorization", command="pay-1")).cart("P", author="w")


def authorize_call(book: Book, **values: Any) -> Book:
    """... for which the PSP is asked."""
    body = {"amount": 4200, "currency": "EUR", "token": "tok", "metadata": names("A")}
    effect = {"kind": "authorization", "id": "pay", "payment": "pay", "amount": 4200}
    given = {"key": "A", "effect": effect, "reply": payment_json()}
    book.psp["pay"] = payment_json()
    return book.call("/v1/payments", body, **(given | values))


def settle(book: Book, state: str = "Success", cause: str = "pay-1") -> Book:
    return book.put("P", {"id": "A", "state": state, "interactionId": "pay"}, note=f"fact {cause} A", interfaceId="pay")


def ended_by_word(
    book: Book, state: str = "Success", *, author: str = "resolve#0", about: str = "A", said: str | None = None
) -> Book:
    """A person ends the authorization, and the Payment's log says about which transaction, and how."""
    named = {"interactionId": "pay"} if state == "Success" else {}
    book.put("P", {"id": "A", "state": state, **named}, author=author, note=f"resolved Ada {about}; fact resolve-1 A")
    book.documents["P"]["interfaceInteractions"][-2]["fields"]["ctpayState"] = said or state
    return book


def authorized(book: Book) -> Book:
    """The whole story of one payment."""
    return settle(authorize_call(reserved(book))).ack("m1")


def capture(book: Book, name: str = "C", amount: int = 4200, cap: str = "cap", **values: Any) -> Book:
    """A capture by payment intent, from the request to the acknowledgement."""
    command, message = f"ask-{name}", f"m-{name}"
    money = {"amount": amount, "currency": "EUR"}
    body = {"type": "CapturePayment", "command_id": command, "payment_id": "P", "amount": money}
    book.ask("POST", "/operations/payment-intents/P", lambda b: b.publish(message, "capture", body))
    book.deliver(message).put("P", row(name, "Charge", amount, command=command))
    done = operation_json("capture", "succeeded", cap, amount, name)
    book.psp["pay"]["captures"].append(done)
    book.psp["pay"]["amount_captured"] += amount
    book.psp["pay"]["amount_capturable"] -= amount
    given = {
        "key": name,
        "reply": done,
        "effect": {"kind": "capture", "id": cap, "payment": "pay", "amount": amount},
    }
    book.call("/v1/payments/pay/captures", money | {"metadata": names(name)}, **(given | values))
    book.put("P", {"id": name, "state": "Success", "interactionId": cap}, note=f"fact {command} {name}")
    return book.ack(message)
