"""What is kept for customers, written down as it changes: cards at the PSP, and the lists in commercetools."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from simulation.logs import Kept, Version
from simulation.processes import settings

from ct.fields import CARD_TYPE
from sandbox.commercetools.shelf import Shelf

if TYPE_CHECKING:
    from simulation.actors import Stage
    from simulation.logs import Document
    from simulation.record import Recorder

    from ctpay.settings import IngressSettings
    from sandbox.psp.model import StoredMethod


@cache
def with_stored_methods() -> IngressSettings:
    """The usual settings, of a merchant whose customers may have a card kept."""
    usual = settings()
    web = usual.web.model_copy(update={"stored_payment_methods_enabled": True})
    return replace(usual, web=web)


@dataclass(kw_only=True, slots=True)
class Notebook:
    """What was written down of one run."""

    methods: list[Version] = field(default_factory=list)
    #: By token.
    kept: dict[str, Kept] = field(default_factory=dict)

    def watch(self, stage: Stage) -> None:
        """Begin, and make the type that `ctpay setup` makes for such a merchant."""
        core, books = stage.commercetools.core, stage.psp.house.books
        fields = [
            {"name": str(name), "label": {"en": str(name)}, "required": False, "type": {"name": kind.value}}
            for name, kind in CARD_TYPE.fields.items()
        ]
        draft = {"key": CARD_TYPE.key, "name": {"en": CARD_TYPE.name}, "resourceTypeIds": [CARD_TYPE.resource]}
        stage.commercetools.act("POST", "/types", draft | {"fieldDefinitions": fields})
        shelves = core.state.shelves
        shelves["payment-method"] = _List(sorted(shelves["payment-method"].indexed), stage.recorder, self.methods)
        books.stored = _Safe(stage.recorder, self.kept)


class _List(Shelf):
    """The stored payment methods in commercetools."""

    def __init__(self, indexed: list[str], recorder: Recorder, versions: list[Version]) -> None:
        super().__init__(indexed)
        self._recorder = recorder
        self._versions = versions

    def put(self, document: Document) -> None:
        super().put(document)
        self._note(document["id"], document["version"], document)

    def remove(self, resource_id: str) -> None:
        found = self.peek(resource_id)
        super().remove(resource_id)
        if found is not None:
            self._note(resource_id, found["version"] + 1, {})

    def _note(self, resource_id: str, version: int, document: Document) -> None:
        n, at = self._recorder.stamp()
        author = self._recorder.author
        self._versions.append(Version(n=n, at=at, id=resource_id, version=version, document=document, author=author))


class _Safe(dict[str, "StoredMethod"]):
    """What the PSP keeps."""

    def __init__(self, recorder: Recorder, kept: dict[str, Kept]) -> None:
        super().__init__()
        self._recorder = recorder
        self._kept = kept

    def __setitem__(self, token: str, stored: StoredMethod) -> None:
        super().__setitem__(token, stored)
        n, at = self._recorder.stamp()
        self._kept[token] = Kept(n=n, at=at, token=token, customer=stored.customer)
        self._recorder.canaries.add(token)

    def pop(self, token: str, *default: Any) -> Any:
        if token in self:
            n, _ = self._recorder.stamp()
            self._kept[token] = replace(self._kept[token], forgotten_n=n)
        return super().pop(token, *default)
