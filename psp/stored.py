"""Stored means of payment: what a PSP keeps for a customer who wished it, so that they can pay with it again.

Law: the PSP's token for it is a secret that travels in messages and calls alone; browsers get ids of commercetools.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pydantic import SecretStr

from psp.facts import Instrument


class TokenKind(enum.Enum):
    """What a token stands for."""

    #: What the PSP's hosted fields gave the browser. Single use.
    FRESH = enum.auto()
    #: What the PSP keeps for the customer.
    STORED = enum.auto()


class Initiator(enum.StrEnum):
    """Who is there when the money is asked for. Card schemes and PSPs treat the two differently."""

    #: The shopper, who can be asked for something more.
    SHOPPER = "shopper"
    #: The merchant alone, by an agreement that the customer gave earlier: a renewal, for example.
    MERCHANT = "merchant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What the PSP has stored in the course of a payment, on the customer's wish."""

    token: SecretStr
    instrument: Instrument
