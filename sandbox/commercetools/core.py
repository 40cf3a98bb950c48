"""A project behind its API: one pure function of a call, the time and the state. No HTTP, no clock, no randomness.

Versions: one more for each action that changes something; the platform may count otherwise, and clients must use the
version that they are given. An action that changes nothing leaves version and messages as they were; a stale version
is refused all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import unquote

from sandbox.commercetools import catalogue, custom_objects, query, updates
from sandbox.commercetools.calls import Call, Probe, Reply
from sandbox.commercetools.deliveries import PAYLOAD_BYTES_MAX, Notice, address, deliveries
from sandbox.commercetools.documents import Document, at, clone, timestamp
from sandbox.commercetools.errors import RefusedError, conflict, duplicate, invalid_input, invalid_json, not_found
from sandbox.commercetools.kinds import Kind
from sandbox.commercetools.notices import Notices
from sandbox.commercetools.query import Parameters
from sandbox.commercetools.sessions import Sessions
from sandbox.commercetools.state import Desk, Message, State
from sandbox.commercetools.updates import UPDATE


class Core:
    """One project. `new_id` gives ids, each a new one."""

    def __init__(
        self, *, project_key: str, new_id: Callable[[], str], payload_bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> None:
        self.project_key = project_key
        self.state = State({kind.type_id: kind.indexed for kind in catalogue.KINDS.values()})
        self._notices = Notices(project_key=project_key, state=self.state, new_id=new_id)
        self.sessions = Sessions(new_id=new_id)
        self._new_id = new_id
        self._payload_bytes_max = payload_bytes_max

    def handle(self, call: Call, now: datetime) -> Reply | Probe:
        """Answer a call; refusals are replies too."""
        try:
            return self._dispatch(call, now)
        except RefusedError as error:
            return Reply(status=error.status, body=error.body)

    def history(self, resource_id: str) -> list[Document]:
        """Every version of a resource that there ever was, oldest first."""
        found = (shelf.history(resource_id) for shelf in self.state.shelves.values())
        return next((versions for versions in found if versions), [])

    def documents(self, type_id: str) -> list[Document]:
        """Copies of all documents of a kind, oldest first."""
        return [clone(document) for document in self.state.shelves[type_id]]

    def touch(self, path: str, now: datetime) -> None:
        """Somebody else writes to the resource at a path: its version rises and nothing else. For fault plans."""
        place = self._place(path)
        found = self._find(place) if place.name else None
        if found is not None:
            desk = self._desk(now)
            self._store(place.kind, {**found, "version": found["version"] + 1, "lastModifiedAt": desk.now})

    def subscription(self, subscription_id: str) -> Document | None:
        """A copy, for the deliverer."""
        return clone(self.state.shelves["subscription"].peek(subscription_id))

    def set_status(self, subscription_id: str, status: str) -> None:
        """The health of a subscription, as the deliverer finds it."""
        shelf = self.state.shelves["subscription"]
        found = shelf.peek(subscription_id)
        if found is not None and found["status"] != status:
            shelf.put({**found, "status": status})

    def _desk(self, now: datetime) -> Desk:
        return Desk(state=self.state, now=timestamp(now), new_id=self._new_id)

    def _dispatch(self, call: Call, now: datetime) -> Reply | Probe:
        parts = call.path.removeprefix(f"/{self.project_key}/").split("/")
        if not call.path.startswith(f"/{self.project_key}/"):
            raise not_found(f"URI '{call.path}'")
        if parts[0] == "sessions":
            return self._sessions(call, parts[1:], now)
        if parts[0] == custom_objects.PATH:
            return self._custom_objects(call, [unquote(part) for part in parts[1:]], now)
        if parts[0] == "subscriptions" and parts[2:] == ["health"]:
            return self._health(call, parts[1])
        place = self._place(call.path)
        catalogue.check_parameters(call.query)
        route = (call.method, "one" if place.name else "all")
        handlers: dict[tuple[str, str], Callable[[Call, _Place, datetime], Reply | Probe]] = {
            ("GET", "all"): self._list,
            ("HEAD", "all"): self._exists,
            ("POST", "all"): self._create,
            ("GET", "one"): self._get,
            ("HEAD", "one"): self._get,
            ("POST", "one"): self._update,
            ("DELETE", "one"): self._delete,
        }
        if route not in handlers:
            raise _wrong_method(call)
        return handlers[route](call, place, now)

    def _place(self, path: str) -> _Place:
        parts = path.removeprefix(f"/{self.project_key}/").split("/")
        kind = catalogue.KINDS.get(parts[0])
        if kind is None or len(parts) > 2 or parts[-1] == "":  # noqa: PLR2004 # `{resources}/{id}`
            raise not_found(f"URI '{path}'")
        return _Place(kind=kind, name=parts[1] if len(parts) > 1 else "")

    def _find(self, place: _Place) -> Document | None:
        """The document at a place: look, do not touch."""
        shelf = self.state.shelves[place.kind.type_id]
        by, equals, value = place.name.partition("=")
        if not equals:
            return shelf.peek(unquote(place.name))
        if by != place.kind.url_key:
            return None
        found = shelf.holder(place.kind.url_index, unquote(value))
        return shelf.peek(found) if found is not None else None

    def _demand(self, place: _Place) -> Document:
        found = self._find(place)
        if found is None:
            raise not_found(f"ID '{unquote(place.name)}'")
        return found

    def _list(self, call: Call, place: _Place, _: datetime) -> Reply:
        catalogue.check_expansions(place.kind, call.query)
        page = query.run(place.kind, self.state.shelves[place.kind.type_id], call.query)
        for document in page["results"]:
            self._expand(document, place.kind, call.query)
        return Reply(status=HTTPStatus.OK, body=page)

    def _exists(self, call: Call, place: _Place, _: datetime) -> Reply:
        page = query.run(place.kind, self.state.shelves[place.kind.type_id], call.query)
        if not page["results"]:
            raise not_found("this predicate")
        return Reply(status=HTTPStatus.OK, body={})

    def _get(self, call: Call, place: _Place, _: datetime) -> Reply:
        return self._shown(HTTPStatus.OK, self._demand(place), place.kind, call)

    def _create(self, call: Call, place: _Place, now: datetime) -> Reply | Probe:
        kind = place.kind
        if kind.draft is None or kind.create is None:
            raise _wrong_method(call)
        catalogue.check_expansions(kind, call.query)
        desk = self._desk(now)
        made, messages = kind.create(kind.draft(_json(call.body), ""), desk)
        by = _client(call)
        common = {"id": self._new_id(), "version": 1, "createdAt": desk.now, "lastModifiedAt": desk.now}
        document = {**common, **made, **({"createdBy": by, "lastModifiedBy": by} if by else {})}
        self._check_key(kind, document)
        if kind.type_id == "subscription":
            return self._probe(document, lambda: self._created(call, kind, document, messages, desk))
        return self._created(call, kind, document, messages, desk)

    def _created(self, call: Call, kind: Kind, document: Document, messages: list[Message], desk: Desk) -> Reply:
        self._check_key(kind, document)
        self._store(kind, document)
        if messages and kind.type_id == "payment":
            messages = [Message(type="PaymentCreated", fields={"payment": document})]
        notices = [
            *self._notices.messages(kind, document, [(document["version"], each) for each in messages], desk.now),
            self._notices.change(kind, document, "ResourceCreated", desk.now),
            *self._beside(desk),
        ]
        return self._shown(HTTPStatus.CREATED, document, kind, call, notices)

    def _update(self, call: Call, place: _Place, now: datetime) -> Reply | Probe:
        kind = place.kind
        catalogue.check_expansions(kind, call.query)
        update = UPDATE(_json(call.body))
        old = self._demand(place)
        if update["version"] != old["version"]:
            raise conflict(old["id"], expected=update["version"], actual=old["version"])
        if kind.before_update is not None:
            kind.before_update(old)
        desk = self._desk(now)
        new, messages = updates.apply(kind, old, update["actions"], desk)
        if new["version"] == old["version"]:
            return self._shown(HTTPStatus.OK, old, kind, call)
        new["lastModifiedAt"] = desk.now
        if by := _client(call):
            new["lastModifiedBy"] = by
        moved = any(action["action"] == "changeDestination" for action in update["actions"])
        if kind.type_id == "subscription" and moved:
            return self._probe(new, lambda: self._updated(call, kind, (old, new), messages, desk))
        return self._updated(call, kind, (old, new), messages, desk)

    def _updated(
        self,
        call: Call,
        kind: Kind,
        versions: tuple[Document, Document],
        messages: list[tuple[int, Message]],
        desk: Desk,
    ) -> Reply:
        old, new = versions
        present = self.state.shelves[kind.type_id].peek(old["id"])
        if present is None or present["version"] != old["version"]:
            raise conflict(old["id"], expected=old["version"], actual=present["version"] if present else 0)
        self._check_key(kind, new)
        self._store(kind, new)
        notices = [
            *self._notices.messages(kind, new, messages, desk.now),
            self._notices.change(kind, new, "ResourceUpdated", desk.now, oldVersion=old["version"]),
            *self._beside(desk),
        ]
        return self._shown(HTTPStatus.OK, new, kind, call, notices)

    def _delete(self, call: Call, place: _Place, now: datetime) -> Reply:
        kind, found, desk = place.kind, self._demand(place), self._desk(now)
        version = _version(call)
        if version != found["version"]:
            raise conflict(found["id"], expected=version, actual=found["version"])
        if kind.before_delete is not None:
            kind.before_delete(found, desk)
        self.state.shelves[kind.type_id].remove(found["id"])
        return self._shown(
            HTTPStatus.OK, found, kind, call, [self._notices.change(kind, found, "ResourceDeleted", desk.now)]
        )

    def _store(self, kind: Kind, document: Document) -> None:
        self.state.shelves[kind.type_id].put(document)

    def _check_key(self, kind: Kind, document: Document) -> None:
        key = document.get("key")
        holder = self.state.shelves[kind.type_id].holder("key", key, other_than=document["id"]) if key else None
        if holder is not None:
            raise duplicate("key", key, type_id=kind.type_id, holder=holder)

    def _probe(self, subscription: Document, settled: Callable[[], Reply]) -> Probe:
        """The test notification first; the subscription after it."""
        kind = catalogue.KINDS["subscriptions"]
        # Not named by its key: the platform's test notification has the id alone.
        nameless = {name: value for name, value in subscription.items() if name != "key"}
        notice = self._notices.change(kind, nameless, "ResourceCreated", subscription["lastModifiedAt"])

        def settle(failure: str | None) -> Reply:
            try:
                if failure is not None:
                    raise invalid_input(f"The destination cannot be reached, so nothing has been changed: {failure}")
                return settled()
            except RefusedError as error:
                return Reply(status=error.status, body=error.body)

        return Probe(delivery=address(notice, subscription, bytes_max=self._payload_bytes_max), settle=settle)

    def _beside(self, desk: Desk) -> list[Notice]:
        """Store what the request changed in other places too."""
        found: list[Notice] = []
        for type_id, document, messages in desk.beside:
            kind = catalogue.BY_TYPE_ID[type_id]
            self._store(kind, document)
            found += self._notices.messages(
                kind, document, [(document["version"], each) for each in messages], desk.now
            )
            found.append(
                self._notices.change(kind, document, "ResourceUpdated", desk.now, oldVersion=document["version"] - 1)
            )
        return found

    def _shown(self, status: int, document: Document, kind: Kind, call: Call, notices: Iterable[Notice] = ()) -> Reply:
        """A reply with a copy of the document, and with everything that is to be published."""
        shown = clone(document)
        self._expand(shown, kind, call.query)
        return self._published(Reply(status=status, body=shown, notices=tuple(notices)))

    def _published(self, reply: Reply) -> Reply:
        if not reply.notices:
            return reply
        subscriptions = self.state.shelves["subscription"]
        outgoing = tuple(deliveries(reply.notices, subscriptions, bytes_max=self._payload_bytes_max))
        return Reply(status=reply.status, body=reply.body, notices=reply.notices, deliveries=outgoing)

    def _expand(self, document: Document, kind: Kind, parameters: Parameters) -> None:
        catalogue.check_expansions(kind, parameters)
        for path in parameters.get("expand", ()):
            for reference in at(document, kind.expansions[path]):
                shelf = self.state.shelves.get(reference["typeId"])
                found = shelf.peek(reference["id"]) if shelf is not None else None
                if found is not None:
                    reference["obj"] = clone(found)

    def _health(self, call: Call, subscription_id: str) -> Reply:
        """Anybody may ask."""
        if call.method != "GET":
            raise _wrong_method(call)
        found = self.state.shelves["subscription"].peek(unquote(subscription_id))
        if found is None:
            raise not_found(f"ID '{unquote(subscription_id)}'")
        status = {
            "Healthy": HTTPStatus.OK,
            "ConfigurationError": HTTPStatus.BAD_REQUEST,
            "ConfigurationErrorDeliveryStopped": HTTPStatus.BAD_REQUEST,
        }
        return Reply(status=status.get(found["status"], HTTPStatus.SERVICE_UNAVAILABLE), body={})

    def _sessions(self, call: Call, parts: list[str], now: datetime) -> Reply:
        if call.method == "POST" and not parts:
            body = self.sessions.create(_json(call.body), self._desk(now), now)
            return Reply(status=HTTPStatus.CREATED, body=body)
        if call.method == "GET" and len(parts) == 1:
            return Reply(status=HTTPStatus.OK, body=self.sessions.get(unquote(parts[0]), now))
        raise _wrong_method(call)

    def _custom_objects(self, call: Call, parts: list[str], now: datetime) -> Reply:
        """An upsert by container and key instead of updates."""
        catalogue.check_parameters(call.query)
        kind, desk = catalogue.KINDS[custom_objects.PATH], self._desk(now)
        shelf = self.state.shelves[kind.type_id]
        match call.method, len(parts):
            case "GET", 0 | 1:
                body = query.run(kind, custom_objects.within(shelf, *parts), call.query)
                return Reply(status=HTTPStatus.OK, body=body)
            case "GET", 2:
                return Reply(status=HTTPStatus.OK, body=clone(custom_objects.find(shelf, *parts)))
            case "DELETE", 2:
                found = custom_objects.find(shelf, *parts)
                if "version" in call.query and _version(call) != found["version"]:
                    raise conflict(found["id"], expected=_version(call), actual=found["version"])
                shelf.remove(found["id"])
                return self._shown(
                    HTTPStatus.OK, found, kind, call, [self._notices.change(kind, found, "ResourceDeleted", desk.now)]
                )
            case "POST", 0:
                old, new = custom_objects.upsert(_json(call.body), desk)
                shelf.put(new)
                if old is None:
                    notice = self._notices.change(kind, new, "ResourceCreated", desk.now)
                    return self._shown(HTTPStatus.CREATED, new, kind, call, [notice])
                notice = self._notices.change(kind, new, "ResourceUpdated", desk.now, oldVersion=old["version"])
                return self._shown(HTTPStatus.OK, new, kind, call, [notice])
        raise _wrong_method(call)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """What a path means."""

    kind: Kind
    #: An id, or `key=…`; empty: all of the kind.
    name: str


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise invalid_json(str(error)) from None


def _version(call: Call) -> int:
    text = (call.query.get("version") or [""])[-1]
    if not text.isascii() or not text.isdecimal():
        raise invalid_input("The query parameter 'version' is required and must be a number.")
    return int(text)


def _client(call: Call) -> Document | None:
    return {"clientId": call.client_id} if call.client_id is not None else None


def _wrong_method(call: Call) -> RefusedError:
    return RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "InvalidInput", f"{call.method} is not possible here.")
