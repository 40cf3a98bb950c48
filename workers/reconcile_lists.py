"""Comparing what the PSP has with what commercetools has, both ways, over a span of time.

Law: a suspicion is not a difference. Whatever the two lists disagree about is asked again by name, at the PSP and in
commercetools, and only what is still there then is told. Nothing is written but by request, and then only what the
PSP's own facts say, by the same plan as everywhere. It goes page by page, so that it can be taken up where it ended.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ct.compare import (
    Deadlines,
    Difference,
    Disagreement,
    hold,
    hold_facts,
    needs_asking,
    without_payment,
)
from ct.errors import CommercetoolsError
from ct.listing import alive_in, by_id, by_psp_reference, count, page
from psp.capabilities import Listing
from psp.errors import PspError
from psp.facts import Reference
from psp.port import Answer, ListRequest, LookupRequest
from workers.perform import settle
from workers.reason import reason_of
from workers.reconcile import AWAY_MAX, AwayError, Step, is_away, mend

if TYPE_CHECKING:
    from datetime import datetime

    from ct.payment import Payment
    from psp.capabilities import Capabilities
    from psp.facts import Fact
    from psp.port import Page
    from workers.work import Work


class Repair(enum.Enum):
    """What is done about a difference."""

    #: It is told.
    NOTHING = enum.auto()
    #: What the PSP's facts prove is written, and what is stuck is taken up.
    EVIDENT = enum.auto()


class Phase(enum.StrEnum):
    """Which list is being read."""

    #: The PSP's, each entry looked for in commercetools.
    PSP = "psp"
    #: Our Payments, each looked for among what the PSP listed.
    COMMERCETOOLS = "commercetools"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is compared, and what is done about it."""

    #: Names the run, in the Payments' logs and in ours.
    cause: str
    since: datetime
    until: datetime
    #: What changed within this may still be on its way.
    rested: timedelta
    repair: Repair


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One difference, and whether it is mended."""

    disagreement: Disagreement
    repaired: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """What came of one page."""

    phase: Phase
    #: Where the next page of this phase begins; None: the phase is over.
    cursor: str | None
    #: How many entries of the list were looked at.
    looked_at: int
    #: Ids of the transactions that the PSP listed, and of the Payments that were asked about by name.
    known: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    #: What could not be compared, and why.
    failures: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Place:
    """Where a run stands: made from the leaves that there are."""

    phase: Phase = Phase.PSP
    cursor: str | None = None
    is_over: bool = False
    known: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    told: set[Disagreement] = field(default_factory=set)

    def turn(self, leaf: Leaf) -> None:
        """Go on behind this leaf."""
        self.known.update(leaf.known)
        self.asked.update(leaf.asked)
        self.told.update(row.disagreement for row in leaf.rows)
        self.phase, self.cursor = leaf.phase, leaf.cursor
        if leaf.cursor is None:
            self.is_over = leaf.phase is Phase.COMMERCETOOLS
            self.phase = Phase.COMMERCETOOLS


class StoppedError(Exception):
    """It was told to stop. What the page in hand had found is found again."""


def is_comparable(capabilities: Capabilities) -> bool:
    """Whether this PSP tells enough of itself to be compared."""
    return capabilities.listing is Listing.BY_TIME and bool(capabilities.lookup_by)


def _never() -> bool:
    return False


async def compare(
    work: Work, job: Job, place: Place, *, is_stopped: Callable[[], bool] = _never
) -> AsyncGenerator[Leaf, None]:
    """The leaves from `place` on, which moves with them. `is_stopped` is asked between two Payments.

    Raises the kinds of PspError and the errors of `ct.errors` where a list cannot be read, AwayError and StoppedError.
    """
    run = _Run(work.for_request(job.cause), job, place, is_stopped)
    while not place.is_over:
        leaf = await (run.psp_page() if place.phase is Phase.PSP else run.commercetools_page())
        place.turn(leaf)
        yield leaf


class _Run:
    """One run: what each page needs."""

    def __init__(self, work: Work, job: Job, place: Place, is_stopped: Callable[[], bool]) -> None:
        self._work = work
        self._job = job
        self._place = place
        self._is_stopped = is_stopped
        self._away_in_a_row = 0

    def _deadlines(self) -> Deadlines:
        moment = self._work.clock() - self._job.rested
        return Deadlines(settled=moment, stuck=moment)

    async def psp_page(self) -> Leaf:
        request = ListRequest(since=self._job.since, until=self._job.until, cursor=self._place.cursor)
        listed = await self._work.psp.page(request)
        facts_of, payments, unreadable = await self._payments_of(listed)
        known: list[str] = []
        asked: list[str] = []
        rows: list[Row] = []
        failures = [*listed.unreadable, *unreadable.values()]
        deadlines = self._deadlines()
        for payment_id, facts in facts_of.items():
            payment = payments.get(payment_id)
            if payment_id in unreadable or payment_id in self._place.asked:
                continue
            if payment is None:
                gone = without_payment([fact for fact in facts if fact.at < deadlines.settled])
                rows += [Row(disagreement=one, repaired=False) for one in gone]
            elif payment.interface == self._work.ledger.interface:
                findings = hold_facts(payment, facts, deadlines)
                known += findings.known
                if findings.disagreements:
                    asked.append(payment_id)
                    rows += await self._ask(payment, facts, failures)
        return Leaf(
            phase=Phase.PSP,
            cursor=listed.cursor,
            looked_at=len(listed.facts),
            known=tuple(known),
            asked=tuple(asked),
            rows=self._untold(rows),
            failures=tuple(failures),
        )

    async def _payments_of(self, listed: Page) -> tuple[dict[str, list[Fact]], dict[str, Payment], dict[str, str]]:
        """The facts by Payment id, the Payments of a page of the PSP's list, and why some cannot be read.

        What bears no reference of ours, nor the name of a Payment of ours, is somebody else's.
        """
        facts_of: dict[str, list[Fact]] = defaultdict(list)
        unnamed: dict[str, list[Fact]] = defaultdict(list)
        for fact in listed.facts:
            name = fact.payment_reference or fact.psp_reference
            if fact.reference is not None:
                if fact.reference.project_key == self._work.project_key:
                    facts_of[fact.reference.payment_id].append(fact)
            elif name is not None:
                unnamed[name].append(fact)
        found = await by_id(self._work.ledger, list(facts_of))
        guessed = await by_psp_reference(self._work.ledger, list(unnamed))
        payments = {payment.id: payment for payment in (*found.payments, *guessed.payments)}
        for payment in guessed.payments:
            facts_of[payment.id] += unnamed[payment.interface_id or ""]
        return facts_of, payments, {**found.unreadable, **guessed.unreadable}

    async def commercetools_page(self) -> Leaf:
        condition = alive_in(since=self._job.since, until=self._job.until)
        listed = await page(self._work.ledger, condition, after=self._place.cursor)
        asked: list[str] = []
        rows: list[Row] = []
        failures = list(listed.unreadable.values())
        for payment in listed.payments:
            if payment.id in self._place.asked or not self._is_listed(payment):
                continue
            span = {"since": self._job.since, "until": self._job.until}
            if needs_asking(payment, self._place.known, self._deadlines(), **span):
                asked.append(payment.id)
                rows += await self._ask(payment, [], failures)
        return Leaf(
            phase=Phase.COMMERCETOOLS,
            cursor=listed.after,
            looked_at=len(listed.payments),
            asked=tuple(asked),
            rows=self._untold(rows),
            failures=tuple(failures),
        )

    def _is_listed(self, payment: Payment) -> bool:
        """Whether the PSP whose list is read is the one that answers for the Payment."""
        return self._work.for_payment(payment).psp.name == self._work.psp.name

    def _untold(self, rows: list[Row]) -> tuple[Row, ...]:
        return tuple({row.disagreement: row for row in rows if row.disagreement not in self._place.told}.values())

    async def _ask(self, payment: Payment, listed: list[Fact], failures: list[str]) -> list[Row]:
        """What the two still disagree about when each is asked by name. Raises AwayError, StoppedError."""
        if self._is_stopped():
            raise StoppedError
        try:
            payment = await self._work.ledger.load(payment.id)
            facts = await self._facts(payment, listed)
            found = hold(payment, facts, self._deadlines())
            rest = await self._mended(payment, facts, found, failures)
        except Exception as error:  # noqa: BLE001 - what is wrong with one Payment must hide no other
            failures.append(f"{payment.id}: {reason_of(self._work, error)}")
            self._away_in_a_row = self._away_in_a_row + 1 if is_away(error) else 0
            if self._away_in_a_row >= AWAY_MAX:
                await self._knock(failures[-1])
                self._away_in_a_row = 0
            return []
        self._away_in_a_row = 0
        return [Row(disagreement=one, repaired=_identity(one) not in rest) for one in found]

    async def _knock(self, last: str) -> None:
        """Whether both still answer at all: then it was those Payments, and the page is turned. Raises AwayError."""
        try:
            await self._work.psp.page(ListRequest(since=self._job.since, until=self._job.until, cursor=None))
            await count(self._work.ledger, alive_in(since=self._job.since, until=self._job.until))
        except (PspError, CommercetoolsError) as error:
            why = f"{self._away_in_a_row} in a row could not be asked about, the last: {last}"
            raise AwayError(why) from error

    async def _facts(self, payment: Payment, listed: list[Fact]) -> list[Fact]:
        """Everything that the PSP knows of the Payment: by its name for it, and by every other that it listed.

        By ours where these find nothing: the name may be somebody else's.
        """
        names = dict.fromkeys([payment.known_as, *(fact.payment_reference for fact in listed)])
        attempt = payment.authorization
        reference = Reference(
            project_key=self._work.project_key, payment_id=payment.id, transaction_id=attempt.id if attempt else None
        )
        by_ours = LookupRequest(reference=reference, authorization=reference, payment_reference=None)
        facts: list[Fact] = []
        for name in filter(None, names):
            facts += (await self._work.psp.lookup(replace(by_ours, payment_reference=name))).facts
        if not facts and attempt is not None:
            facts += (await self._work.psp.lookup(by_ours)).facts
        return [*facts, *listed]

    async def _mended(
        self, payment: Payment, facts: list[Fact], found: tuple[Disagreement, ...], failures: list[str]
    ) -> set[tuple[object, ...]]:
        """Which of the differences are still there after what may be done about them."""
        if self._job.repair is Repair.NOTHING or not found:
            return {_identity(one) for one in found}
        payment = await settle(self._work, payment, Answer(facts=tuple(facts)), cause=self._job.cause)
        if any(one.difference is Difference.STUCK for one in found):
            steps = await mend(self._work, payment, self._job.cause)
            failures += [f"{payment.id}: {taken.reason}" for taken in steps if taken.step in (Step.AWAY, Step.FAILED)]
            payment = await self._work.ledger.load(payment.id)
        return {_identity(one) for one in hold(payment, facts, self._deadlines())}


def _identity(one: Disagreement) -> tuple[object, ...]:
    """What stays the same of a difference that is not mended, whatever else changes."""
    return (one.difference, one.transaction_id, one.psp_reference)
