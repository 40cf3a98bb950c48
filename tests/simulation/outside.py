"""What is outside the product: commercetools and the PSP, as the stand-ins' cores behind the simulated wire."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from simulation.documents import parsed, written
from simulation.faults import FaultKind
from simulation.logs import MERCHANT, Document, Effect, Version
from simulation.record import START

from bus.topics import Topic
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE
from sandbox.commercetools.calls import Call, Probe, Reply
from sandbox.commercetools.core import Core
from sandbox.commercetools.front import Entry, Front, Visit
from sandbox.commercetools.front import Request as CtRequest
from sandbox.commercetools.shelf import Shelf
from sandbox.commercetools.tokens import demo_clients
from sandbox.psp import views
from sandbox.psp.behaviour import Manner
from sandbox.psp.books import Later
from sandbox.psp.desk import Call as PspCall
from sandbox.psp.desk import Ticket
from sandbox.psp.faults import Fault as PspFault
from sandbox.psp.faults import FaultKind as PspFaultKind
from sandbox.psp.faults import FaultPlan
from sandbox.psp.house import build
from sandbox.psp.model import RefusalError, Terms
from sandbox.psp.reply import problem, refusal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping

    from simulation.faults import Bad
    from simulation.record import Draft, Recorder
    from simulation.travel import Travel
    from simulation.wire import Request, Respond, Wire

    from sandbox.commercetools.deliveries import Notice
    from sandbox.commercetools.kinds import Kind
    from sandbox.psp.model import Effect as PspEffect
    from sandbox.psp.reply import Reply as PspReply

PROJECT: Final = "demo"
SECRET_KEY: Final = "sk_sandbox_5imulated0secret0key"  # opens a stand-in
PUBLISHABLE_KEY: Final = "pk_sandbox_simulated"
TOPIC: Final = "projects/simulated/topics/ctpay-commercetools"

_CT_FAULTS: Final = (
    FaultKind.CT_ERROR_BEFORE,
    FaultKind.CT_RATE_LIMIT,
    FaultKind.CT_ERROR_AFTER,
    FaultKind.CT_CONFLICT,
    FaultKind.CT_CONFLICT_STORM,
    FaultKind.MERCHANT_EDITS_PAYMENT,
    FaultKind.MERCHANT_REPLACES_TYPE,
    FaultKind.MERCHANT_SETS_STATE,
)
_PAYMENT: Final = re.compile(rf"/{PROJECT}/payments/([0-9a-z-]+)")
_CART: Final = re.compile(rf"/{PROJECT}/carts/[0-9a-z-]+")


@cache
def _given() -> tuple[tuple[str, Document], ...]:
    """What `ctpay setup` and the merchant have made before: type id and document. The same in every seed."""
    numbers = iter(range(1, 1000))
    core = Core(project_key=PROJECT, new_id=lambda: f"00000000-0000-4000-9000-{next(numbers):012d}")

    def make(path: str, draft: Document) -> None:
        reply = core.handle(Call(method="POST", path=f"/{PROJECT}{path}", body=json.dumps(draft).encode()), START)
        reply = reply.settle(None) if isinstance(reply, Probe) else reply
        assert reply.status == 201, reply.body

    for custom in (TRANSACTION_TYPE, INTERACTION_TYPE):
        fields = [
            {"name": str(name), "label": {"en": str(name)}, "required": False, "type": {"name": kind.value}}
            for name, kind in custom.fields.items()
        ]
        draft = {"key": custom.key, "name": {"en": custom.name}, "resourceTypeIds": [custom.resource]}
        make("/types", draft | {"fieldDefinitions": fields})
    number = {"name": "erpNumber", "label": {"en": "Number"}, "required": False, "type": {"name": "String"}}
    erp = {"key": "erp", "name": {"en": "ERP"}, "resourceTypeIds": ["transaction"], "fieldDefinitions": [number]}
    make("/types", erp)
    make(
        "/subscriptions",
        {
            "key": "ctpay",
            "destination": {"type": "GoogleCloudPubSub", "projectId": "simulated", "topic": "ctpay-commercetools"},
            "messages": [{"resourceTypeId": "payment", "types": ["PaymentTransactionAdded", "PaymentCreated"]}],
        },
    )
    return tuple((kind, document) for kind in ("type", "subscription") for document in core.state.shelves[kind])


class _Core(Core):
    """Shows a document as it stands on the shelf, where nothing is put into it: nobody here changes what they get."""

    def _shown(self, status: int, document: Document, kind: Kind, call: Call, notices: Iterable[Notice] = ()) -> Reply:
        if call.query.get("expand"):
            return super()._shown(status, document, kind, call, notices)
        return self._published(Reply(status=status, body=document, notices=tuple(notices)))


class _Shelf(Shelf):
    """Writes every version down."""

    def __init__(self, indexed: Any, *, recorder: Recorder, versions: list[Version]) -> None:
        super().__init__(indexed)
        self._recorder = recorder
        self._versions = versions

    def put(self, document: Document) -> None:
        super().put(document)
        n, at = self._recorder.stamp()
        self._versions.append(
            Version(
                n=n,
                at=at,
                id=document["id"],
                version=document["version"],
                document=document,
                author=self._recorder.author,
            )
        )


class CommercetoolsServer:
    """A merchant's project."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        bad: Bad,
        dice: random.Random,
        new_id: Callable[[], str],
        wire: Wire,
        travel: Travel,
    ) -> None:
        self._recorder = recorder
        self._bad = bad
        self._dice = dice
        self._wire = wire
        self._travel = travel
        self.core = _Core(project_key=PROJECT, new_id=new_id)
        shelves = self.core.state.shelves
        for type_id, document in _given():
            shelves[type_id].put(document)
        for type_id, versions in (("payment", recorder.payments), ("cart", recorder.carts)):
            shelves[type_id] = _Shelf(sorted(shelves[type_id].indexed), recorder=recorder, versions=versions)
        self.front = Front(self.core, demo_clients(PROJECT), new_id=new_id)
        #: The stand-in's own log of requests, which nobody reads here.
        self._entry = Entry(at="", method="", path="", query="", correlation_id=None)
        self._storm = 0
        self._stale: dict[str, Document] = {}

    def serve(self, request: Request, draft: Draft, respond: Respond) -> None:
        what = f"{request.method} {request.path}"
        is_write = request.method == "POST" and not request.path.startswith("/oauth/")
        if is_write and self._bad.strikes(FaultKind.CT_TOKEN_EXPIRED, what):
            draft.fault = draft.fault or FaultKind.CT_TOKEN_EXPIRED
            self.front.tokens.revoke_all()
        fault = self._fault(request, draft, is_write=is_write, what=what)
        if fault is FaultKind.CT_ERROR_BEFORE:
            respond(self._dice.choice((500, 502, 503)), b'{"statusCode":503,"message":"away"}', {})
            return
        if fault is FaultKind.CT_RATE_LIMIT:
            respond(429, b'{"statusCode":429,"message":"slow down"}', {"Retry-After": "1"})
            return
        arrived = CtRequest(
            method=request.method,
            path=request.path,
            query=request.query,
            body=request.body,
            authorization=request.headers.get("authorization"),
        )
        reply = self.front.answer(Visit(request=arrived, entry=self._entry, fault=None), self._recorder.now())
        assert not isinstance(reply, Probe), "the product makes no subscriptions while it runs"
        body = written(reply.body) if reply.body else b""
        self._tell(reply)
        if fault is FaultKind.CT_ERROR_AFTER:
            respond(503, b'{"statusCode":503,"message":"away"}', {})
            return
        if request.method == "GET" and reply.status == 200:
            if _PAYMENT.fullmatch(request.path):
                body = self._maybe_stale("payment", reply.body, body, draft, what)
            elif _CART.fullmatch(request.path):
                body = self._maybe_stale_within(reply.body, body, draft, what)
        respond(reply.status, body, reply.headers)

    def act(self, method: str, path: str, document: Document | None = None, *, author: str = MERCHANT) -> Document:
        """Somebody else's call, which always gets through. Raises ValueError for one that is refused."""
        self._recorder.author = author
        body = b"" if document is None else json.dumps(document).encode()
        path, _, query = path.partition("?")
        reply = self.core.handle(
            Call(method=method, path=f"/{PROJECT}{path}", query=parse_qs(query), body=body, client_id=author),
            self._recorder.now(),
        )
        assert not isinstance(reply, Probe)
        self._tell(reply)
        if reply.status >= 400:
            raise ValueError(f"{method} {path}: {reply.status} {reply.body.get('message')}")
        return reply.body

    def cart(self, cart_id: str) -> Document | None:
        """A cart as it stands; None: it was deleted."""
        return self.core.state.shelves["cart"].peek(cart_id)

    def _fault(self, request: Request, draft: Draft, *, is_write: bool, what: str) -> FaultKind | None:
        if request.path.startswith("/oauth/"):
            return self._bad.first(_CT_FAULTS[:2], what)
        named = _PAYMENT.fullmatch(request.path)
        updates = is_write and named is not None
        if updates and self._storm > 0:
            self._storm -= 1
            self._touch(named.group(1))
            return FaultKind.CT_CONFLICT_STORM
        fault = self._bad.first(_CT_FAULTS if updates else _CT_FAULTS[:3] if is_write else _CT_FAULTS[:2], what)
        if fault is not None:
            draft.fault = draft.fault or fault
        match fault:
            case FaultKind.CT_CONFLICT:
                self._touch(named.group(1) if named else "")
            case FaultKind.CT_CONFLICT_STORM:
                self._storm = self._dice.choice((3, 10, 30))
                self._touch(named.group(1) if named else "")
            case FaultKind.MERCHANT_EDITS_PAYMENT:
                self.edit(named.group(1) if named else "")
            case FaultKind.MERCHANT_REPLACES_TYPE:
                self.replace_types(named.group(1) if named else "")
            case FaultKind.MERCHANT_SETS_STATE:
                self.set_state(named.group(1) if named else "")
        return fault

    def _touch(self, payment_id: str) -> None:
        author, self._recorder.author = self._recorder.author, MERCHANT
        self.core.touch(f"/{PROJECT}/payments/{payment_id}", self._recorder.now())
        self._recorder.author = author

    def edit(self, payment_id: str) -> None:
        """A merchant writes something of their own on a Payment."""
        name = {"en": f"card {self._dice.randrange(1000)}"}
        self._by_hand(payment_id, lambda _: [{"action": "setMethodInfoName", "name": name}])

    def replace_types(self, payment_id: str) -> None:
        """Other software puts its own custom type, or none, on all transactions: our fields are gone."""
        theirs: Document = {"action": "setTransactionCustomType"}
        if self._dice.random() < 0.5:
            theirs |= {"type": {"typeId": "type", "key": "erp"}, "fields": {"erpNumber": "7"}}
        self._by_hand(
            payment_id, lambda found: [theirs | {"transactionId": one["id"]} for one in found["transactions"]]
        )

    def name_payment(self, payment_id: str) -> None:
        """An order system writes its own number where the PSP's name belongs, which can be set only once."""
        self._by_hand(payment_id, lambda _: [{"action": "setInterfaceId", "interfaceId": "ERP-4711"}])

    def set_state(self, payment_id: str) -> None:
        """A merchant says what became of a transaction, whatever did."""
        index, other = self._dice.random(), self._dice.random()

        def say(found: Document) -> list[Document]:
            one = found["transactions"][int(index * len(found["transactions"]))]
            others = [name for name in ("Pending", "Success", "Failure") if name != one.get("state")]
            state = others[int(other * len(others))]
            return [{"action": "changeTransactionState", "transactionId": one["id"], "state": state}]

        self._by_hand(payment_id, say)

    def _by_hand(self, payment_id: str, actions: Callable[[Document], list[Document]]) -> None:
        author = self._recorder.author
        found = self.core.state.shelves["payment"].peek(payment_id)
        if found is not None and (wanted := actions(found)):
            self.act("POST", f"/payments/{payment_id}", {"version": found["version"], "actions": wanted})
        self._recorder.author = author

    def _maybe_stale(self, shelf: str, document: Document, body: bytes, draft: Draft, what: str) -> bytes:
        """What was there before the last change, however long ago that was."""
        history = self.core.state.shelves[shelf]._history.get(document["id"], [])
        if len(history) < 2 or not self._bad.strikes(FaultKind.CT_STALE_READ, what):
            return body
        draft.fault = draft.fault or FaultKind.CT_STALE_READ
        return written(history[-2])

    def _maybe_stale_within(self, cart: Document, body: bytes, draft: Draft, what: str) -> bytes:
        """A cart whose newest Payment is shown as it was before the last change."""
        shown = cart.get("paymentInfo", {}).get("payments", [])
        if not shown or "obj" not in shown[-1]:
            return body
        stale = self._maybe_stale("payment", shown[-1], b"", draft, what)
        if not stale:
            return body
        payments = [*shown[:-1], {**shown[-1], "obj": parsed(stale)}]
        return written({**cart, "paymentInfo": {**cart["paymentInfo"], "payments": payments}})

    def _tell(self, reply: Reply) -> None:
        """The subscription's messages go out."""
        for delivery in reply.deliveries:
            if self._bad.strikes(FaultKind.CT_MESSAGE_NEVER, "subscription"):
                continue
            copies = 2 if self._bad.strikes(FaultKind.CT_MESSAGE_REPEATED, "subscription") else 1
            for _ in range(copies):
                self._wire.later(self._wire.latency(), self._put, delivery.data, delivery.attributes)

    def _put(self, data: bytes, attributes: Mapping[str, str]) -> None:
        self._travel.put(Topic.COMMERCETOOLS, data, attributes)


# The PSP.

_ROUTES: Final = (
    (re.compile(r"/v1/payments"), "payments.create"),
    (re.compile(r"/v1/cancels"), "cancels.create"),
    (re.compile(r"/v1/payments/([^/]+)/complete"), "payments.complete"),
    (re.compile(r"/v1/payments/([^/]+)/captures"), "captures.create"),
    (re.compile(r"/v1/payments/([^/]+)/cancel"), "payments.cancel"),
    (re.compile(r"/v1/payments/([^/]+)/refunds"), "refunds.create"),
    (re.compile(r"/v1/stored_methods/forget"), "stored_methods.forget"),
)
_READ: Final = re.compile(r"/v1/payments/([^/]+)")
#: From this status on nothing has happened.
_REFUSED: Final = 300
#: From this status on it says nothing of the request: it was not looked at, or its result is lost.
_NOT_NOW: Final = 429


class _Ledger(list["PspEffect"]):
    """The PSP's list of effects, written down as it grows."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def append(self, effect: PspEffect) -> None:
        super().append(effect)
        n, at = self._recorder.stamp()
        self._recorder.effects.append(
            Effect(
                n=n,
                at=at,
                kind=effect.kind.value,
                id=effect.id,
                payment=effect.payment,
                amount=effect.amount,
                currency=effect.currency,
                key=effect.key,
                merchant_reference=effect.merchant_reference,
                metadata=dict(effect.metadata),
            )
        )


class PspServer:
    """Sandbox Pay."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        bad: Bad,
        dice: random.Random,
        new_id: Callable[[], str],
        wire: Wire,
        secrets: tuple[str, ...],
        terms: Terms,
    ) -> None:
        self._recorder = recorder
        self._bad = bad
        self._dice = dice
        self._wire = wire
        self.house = build(
            secret_key=SECRET_KEY,
            publishable_key=PUBLISHABLE_KEY,
            allowed_origins=None,
            webhook_url="https://ingress.example/webhooks/sandbox",
            webhook_secrets=secrets,
            base_url="https://psp.example",
            clock=recorder.now,
            new_id=new_id,
            terms=terms,
        )
        self.house.books.effects = _Ledger(recorder)
        #: Something may have become due.
        self.stir: Callable[[], None] = lambda: None

    def serve(self, request: Request, draft: Draft, respond: Respond) -> None:
        what = f"{request.method} {request.path}"
        if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
            self._respond(problem(401, "unauthorized", "Send your secret key as a bearer token."), respond)
            return
        if request.method == "GET":
            fault = self._bad.first((FaultKind.PSP_ERROR_BEFORE, FaultKind.PSP_RATE_LIMIT), what)
            if fault is None:
                self._respond(self._read(request), respond)
            else:
                draft.fault = draft.fault or fault
                respond(
                    500 if fault is FaultKind.PSP_ERROR_BEFORE else 429, b'{"error":{"code":"x","message":"x"}}', {}
                )
            return
        fault = next((kind for kind in _ORDERED if self._bad.draws(kind)), None)
        if fault is not None:
            self.house.desk.faults = FaultPlan(faults=(self._ordered(fault),))
        operation, payment = next(
            (name, found.group(1) if found.re.groups else "")
            for pattern, name in _ROUTES
            if (found := pattern.fullmatch(request.path))
        )
        call = PspCall(
            operation=operation, payment=payment, key=request.headers.get("idempotency-key"), body=request.body
        )
        opened = self.house.desk.open(call, self._recorder.now())
        # What is kept under its key is answered to a request whatever was ordered.
        if fault is not None and (isinstance(opened, Ticket) or opened.status >= _NOT_NOW):
            # There is something to tell of when it has succeeded.
            if fault is not FaultKind.WEBHOOK_EARLY:
                self._bad.note(fault, what)
            draft.fault = draft.fault or fault
        if not isinstance(opened, Ticket):
            self._respond(opened, respond)
        elif opened.delay_s:
            self._wire.later(opened.delay_s, self._run, opened, respond, what)
        else:
            self._run(opened, respond, what)

    def _ordered(self, fault: FaultKind) -> PspFault:
        kind, delay_s = _ORDERED[fault]
        return PspFault(kind=kind, delay_s=delay_s, status=self._dice.choice((500, 502, 503)))

    def _run(self, ticket: Ticket, respond: Respond, what: str) -> None:
        planned = self.house.books._planned
        reply = self.house.desk.run(ticket, self._recorder.now())
        self._note_what_settles_late(planned)
        if ticket.fault is not None and ticket.fault.kind is PspFaultKind.DELAY_REPLY and reply.status < _REFUSED:
            self._bad.note(FaultKind.WEBHOOK_EARLY, what)
        self.stir()
        self._respond(reply, respond)

    def _note_what_settles_late(self, planned: int) -> None:
        if not self._bad.on(FaultKind.PSP_SETTLES_LATE) or self._bad.over:
            return
        for due in self.house.books._due:
            if due.number > planned and due.what in (Later.SETTLE, Later.SETTLE_OPERATION):
                self._bad.note(FaultKind.PSP_SETTLES_LATE, due.payment)

    def _respond(self, reply: PspReply, respond: Respond) -> None:
        body = written(reply.body)
        # A reply that is held or cut comes later than anybody waits.
        wait_s = 400.0 if reply.manner in {Manner.HOLD, Manner.DROP} else reply.delay_s
        if wait_s:
            self._wire.later(wait_s, respond, reply.status, body, dict(reply.headers))
        else:
            respond(reply.status, body, dict(reply.headers))

    def _read(self, request: Request) -> PspReply:
        books = self.house.books
        try:
            if named := _READ.fullmatch(request.path):
                return _ok(views.payment(books.find(named.group(1)), base_url=books.base_url))
        except RefusalError as error:
            return refusal(error, base_url=books.base_url)
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        if "merchant_reference" in query:
            found = books.by_reference(query["merchant_reference"])
            data = [views.payment(each, base_url=books.base_url) for each in found]
            return _ok({"data": data, "next_cursor": None})
        if request.path == "/v1/ledger":
            return _ok({"data": self._listed(query), "next_cursor": None})
        return problem(404, "not_found", "The simulated PSP has no such page.")

    def _listed(self, query: Mapping[str, str]) -> list[Document]:
        """The ledger by time, on one page: a seed has few entries."""
        books = self.house.books
        since, until = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        rows: list[Document] = []
        for entry in books.journal:
            payment = books.find(entry.payment)
            operation = payment.operation(entry.operation) if entry.operation is not None else None
            if since <= entry.created < until:
                rows.append(
                    views.payment(payment, base_url=books.base_url)
                    if operation is None
                    else views.operation(payment, operation)
                )
        return rows


#: Fault -> what the desk makes of it, and seconds.
_ORDERED: Final = {
    FaultKind.PSP_ERROR_BEFORE: (PspFaultKind.ERROR_BEFORE, 0.0),
    FaultKind.PSP_ERROR_STORED: (PspFaultKind.ERROR_AFTER, 0.0),
    FaultKind.PSP_RATE_LIMIT: (PspFaultKind.RATE_LIMIT, 2.0),
    FaultKind.PSP_IN_PROGRESS: (PspFaultKind.DELAY_BEFORE, 14.0),
    FaultKind.WEBHOOK_EARLY: (PspFaultKind.DELAY_REPLY, 5.0),
}


def _ok(body: Any) -> PspReply:
    return replace(problem(200, "", ""), body=body)
