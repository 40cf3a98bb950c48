"""Defects planted in what is answered to whoever waits, and in how a challenge is completed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulation.planting import Change

from ct import admission, judge
from ct.judge import Refusal
from psp.errors import OutcomeUnknownError
from psp.facts import Kind
from psp.outcome import Outcome
from psp.port import Answer
from workers import complete
from workers.work import Work


def answered(right: Outcome, wrong: Outcome) -> list[Change]:
    original = Work.reply

    async def reply(self: Work, command: Any, standing: Any) -> None:
        await original(self, command, replace(standing, outcome=wrong) if standing.outcome is right else standing)

    return [(Work, "reply", reply)]


def refusal_not_noted() -> list[Change]:
    original = admission._refused

    def refused(payment_: Any, request: Any, refusal: Any, transaction: Any = None) -> Any:
        found = original(payment_, request, refusal, transaction)
        return found if transaction is not None else replace(found, actions=[])

    return [(admission, "_refused", refused)]


def refused_for_nothing() -> list[Change]:
    original = judge.judge_refund

    def judge_refund(payment_: Any, *arguments: Any, **named: Any) -> Any:
        if payment_.of_kind(Kind.REFUND):
            return Refusal(code="exceeds-captures", message="There was a refund before.")
        return original(payment_, *arguments, **named)

    return [(admission, "judge_refund", judge_refund)]


def completion_forgotten() -> list[Change]:
    async def answer(work: Any, _command: Any, payment_: Any, transaction: Any, psp_reference: str) -> Answer:
        return await complete._look_up(work, payment_, transaction, psp_reference)

    return [(complete, "_answer", answer)]


def completion_let_go() -> list[Change]:
    original = complete._answer

    async def answer(work: Any, command: Any, payment_: Any, transaction: Any, psp_reference: str) -> Answer:
        try:
            return await original(work, command, payment_, transaction, psp_reference)
        except OutcomeUnknownError:
            return await complete._look_up(work, payment_, transaction, psp_reference)

    return [(complete, "_answer", answer)]


def nobody_told() -> list[Change]:
    async def reply(_self: Work, _command: Any, _standing: Any) -> None:
        return None

    return [(Work, "reply", reply)]
