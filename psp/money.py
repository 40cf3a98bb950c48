"""Money: an integer of minor units and a currency, never a float.

The number of minor units is ISO 4217's, which is commercetools' too. A PSP that counts differently for some currency
says so in a table of its own and converts with `to_psp_units`. A currency that is not in the table is refused: guessing
a factor of ten is how shoppers are charged ten times too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Digits after the decimal separator -> the currencies that have that many (ISO 4217, list one).
_CURRENCIES_BY_DIGITS: Final[Mapping[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
        "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
        "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
        "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
        "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG "
        "YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

#: Currency code -> digits after the decimal separator.
FRACTION_DIGITS: Final[Mapping[str, int]] = {
    code: digits for digits, codes in _CURRENCIES_BY_DIGITS.items() for code in codes.split()
}


class UnknownCurrencyError(ValueError):
    """The currency is not one of ISO 4217's. Check the code; if it is new, add it to psp/money.py."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"Unknown currency {currency[:8]!r}. Use an ISO 4217 code; a new one belongs in psp/money.py.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """An amount in minor units (cents, for the euro) of one currency."""

    #: Minor units. Negative values never travel; zero means "nothing".
    amount: int
    #: ISO 4217 code in capitals.
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in FRACTION_DIGITS:
            raise UnknownCurrencyError(self.currency)

    def __str__(self) -> str:
        """For people: `42.00 EUR`."""
        digits = FRACTION_DIGITS[self.currency]
        sign = "-" if self.amount < 0 else ""
        whole, part = divmod(abs(self.amount), 10**digits)
        return f"{sign}{whole}.{part:0{digits}d} {self.currency}" if digits else f"{sign}{whole} {self.currency}"


def to_psp_units(money: Money, *, deviations: Mapping[str, int]) -> int:
    """Minor units as a PSP counts them; `deviations` maps a currency to the PSP's own number of digits.

    Raises ValueError where the PSP's unit is coarser than the amount: a fraction cannot be paid.
    """
    shift = deviations.get(money.currency, FRACTION_DIGITS[money.currency]) - FRACTION_DIGITS[money.currency]
    factor: int = 10 ** abs(shift)
    if shift >= 0:
        return money.amount * factor
    units, rest = divmod(money.amount, factor)
    if rest:
        raise ValueError(f"{money} cannot be expressed in the PSP's unit. Charge a rounder amount.")
    return units


def from_psp_units(units: int, currency: str, *, deviations: Mapping[str, int]) -> Money:
    """The inverse of `to_psp_units`.

    Raises UnknownCurrencyError, or ValueError where the PSP's unit is finer than commercetools'.
    """
    if currency not in FRACTION_DIGITS:
        raise UnknownCurrencyError(currency)
    shift = deviations.get(currency, FRACTION_DIGITS[currency]) - FRACTION_DIGITS[currency]
    factor: int = 10 ** abs(shift)
    if shift <= 0:
        return Money(amount=units * factor, currency=currency)
    amount, rest = divmod(units, factor)
    if rest:
        raise ValueError(f"The PSP reports {units} {currency}, finer than commercetools can store. Look at it by hand.")
    return Money(amount=amount, currency=currency)
