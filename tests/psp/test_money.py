from __future__ import annotations

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psp.money import FRACTION_DIGITS, Money, UnknownCurrencyError, from_psp_units, to_psp_units

#: A PSP that counts some currencies otherwise, like the real ones do: finer, coarser, and by three digits.
DEVIATIONS = {"ISK": 2, "CLP": 2, "IDR": 0, "CVE": 0, "KWD": 2}


def test_every_iso_currency_has_iso_fraction_digits():
    official = {one.code: one.exponent for one in iso4217.Currency if one.exponent is not None}
    assert official == FRACTION_DIGITS


@pytest.mark.parametrize("currency", sorted(FRACTION_DIGITS))
def test_an_amount_comes_back_from_the_psp_as_it_went(currency):
    for deviations in ({}, DEVIATIONS):
        money = Money(amount=12000, currency=currency)
        assert from_psp_units(to_psp_units(money, deviations=deviations), currency, deviations=deviations) == money


@given(amount=st.integers(min_value=0, max_value=10**15), currency=st.sampled_from(sorted(FRACTION_DIGITS)))
def test_a_conversion_never_changes_the_value_silently(amount, currency):
    money = Money(amount=amount, currency=currency)
    try:
        units = to_psp_units(money, deviations=DEVIATIONS)
    except ValueError:
        return
    assert from_psp_units(units, currency, deviations=DEVIATIONS) == money


def test_the_table_is_applied_both_ways():
    assert to_psp_units(Money(amount=5, currency="ISK"), deviations=DEVIATIONS) == 500
    assert from_psp_units(500, "ISK", deviations=DEVIATIONS) == Money(amount=5, currency="ISK")
    assert to_psp_units(Money(amount=500, currency="IDR"), deviations=DEVIATIONS) == 5
    assert from_psp_units(5, "IDR", deviations=DEVIATIONS) == Money(amount=500, currency="IDR")
    # By one digit only.
    assert from_psp_units(50, "MRU", deviations={"MRU": 3}) == Money(amount=5, currency="MRU")


def test_what_a_psp_cannot_express_is_refused_and_not_rounded():
    with pytest.raises(ValueError, match="rounder amount"):
        to_psp_units(Money(amount=501, currency="IDR"), deviations=DEVIATIONS)
    with pytest.raises(ValueError, match="finer than commercetools"):
        from_psp_units(501, "ISK", deviations=DEVIATIONS)


@pytest.mark.parametrize("code", ["", "eur", "XXX", "EURO", "BTC"])
def test_an_unknown_currency_is_refused(code):
    with pytest.raises(UnknownCurrencyError):
        Money(amount=1, currency=code)
    with pytest.raises(UnknownCurrencyError):
        from_psp_units(1, code, deviations={})


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(amount=4200, currency="EUR"), "42.00 EUR"),
        (Money(amount=5, currency="EUR"), "0.05 EUR"),
        (Money(amount=-105, currency="EUR"), "-1.05 EUR"),
        (Money(amount=42, currency="JPY"), "42 JPY"),
        (Money(amount=1234, currency="KWD"), "1.234 KWD"),
    ],
)
def test_money_reads_as_people_write_it(money, text):
    assert str(money) == text
