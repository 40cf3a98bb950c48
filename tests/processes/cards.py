"""What is kept for the customers of the crowd: the list in commercetools, and the cards at the PSP."""

from __future__ import annotations

from dataclasses import replace

from simulation.logs import Kept, Peer
from simulation.reading import FORGET

#: It is gone, now or since an earlier request whose answer was lost.
GONE = (200, 404)


def kept_cards(psp_payments, effects, calls):
    """What the PSP has kept, and where it was first heard that it has forgotten it."""
    held = {one.payment: one for one in effects if one.kind == "authorization"}
    wished = {
        one.document["metadata"]["transaction_id"]: one.document["store_for"]
        for one in calls
        if one.peer is Peer.PSP and one.document and "store_for" in one.document
    }
    forgotten = {
        one.document["id"]: one.performed_n for one in reversed(calls) if one.path == FORGET and one.status in GONE
    }
    for name, payment in psp_payments.items():
        token = (payment["stored_method"] or {}).get("id")
        if token is not None:
            yield Kept(
                n=held[name].n, at=held[name].at, token=token,
                customer=wished.get(payment["metadata"]["transaction_id"], "nobody"), forgotten_n=forgotten.get(token),
            )  # fmt: skip


def with_their_ends(versions, calls):
    """All versions of stored methods; a request of ours that deletes one is the last."""
    gone = {}
    for call in calls:
        name = call.path.partition("?")[0].rpartition("/")[2]
        if call.peer is Peer.COMMERCETOOLS and call.method == "DELETE" and call.status in GONE:
            gone.setdefault(name, call)
    last = {one.id: one for one in versions}
    ends = [
        replace(last[name], n=call.n, at=call.at, version=last[name].version + 1, document={}, author=call.process)
        for name, call in gone.items()
        if name in last
    ]
    return [*versions, *ends]
