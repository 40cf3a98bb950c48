"""From a write to the notices about it: numbered, dated, and with the fields that all notices have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sandbox.commercetools.deliveries import Notice
from sandbox.commercetools.documents import Document, clone
from sandbox.commercetools.kinds import Kind
from sandbox.commercetools.state import Message, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Notices:
    """The messages and changes of one project."""

    project_key: str
    state: State
    new_id: Callable[[], str]

    def messages(
        self, kind: Kind, document: Document, messages: Iterable[tuple[int, Message]], now: str
    ) -> list[Notice]:
        """A notice for each message; with it, the version of the resource that it led to."""
        found: list[Notice] = []
        counter = (kind.type_id, document["id"])
        for version, message in messages:
            self.state.sequence[counter] += 1
            payload = {
                "notificationType": "Message",
                "projectKey": self.project_key,
                "id": self.new_id(),
                "version": 1,
                "sequenceNumber": self.state.sequence[counter],
                "resource": {"typeId": kind.type_id, "id": document["id"]},
                "resourceVersion": version,
                **_named(kind, document),
                "type": message.type,
                **clone(message.fields),
                "createdAt": now,
                "lastModifiedAt": now,
            }
            droppable = frozenset({"type", *message.fields})
            found.append(self._notice(kind, document["id"], "Message", payload, droppable=droppable))
        return found

    def change(self, kind: Kind, document: Document, what: str, now: str, **more: object) -> Notice:
        """`what`: `ResourceCreated`, `ResourceUpdated` (with `oldVersion`) or `ResourceDeleted`."""
        payload = {
            "notificationType": what,
            "projectKey": self.project_key,
            "resource": {"typeId": kind.type_id, "id": document["id"]},
            **_named(kind, document),
            "version": document["version"],
            **more,
            "modifiedAt": now,
        }
        return self._notice(kind, document["id"], what, payload)

    def _notice(
        self, kind: Kind, resource_id: str, what: str, payload: Document, *, droppable: frozenset[str] = frozenset()
    ) -> Notice:
        return Notice(
            project_key=self.project_key,
            type_id=kind.type_id,
            path=kind.path,
            resource_id=resource_id,
            notification_type=what,
            payload=payload,
            droppable=droppable,
        )


def _named(kind: Kind, document: Document) -> Document:
    named = {name: document[name] for name in kind.named_by if name in document}
    return {"resourceUserProvidedIdentifiers": named} if named else {}
