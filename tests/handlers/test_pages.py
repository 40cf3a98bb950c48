"""What our pages say, to whom, in which language: each sentence in its own place."""

from __future__ import annotations

import re

import pytest

from handlers.errors import Fault, Problem
from handlers.pages import outcome_page, problem_page

ENGLISH = {
    "approved": "The payment is approved.",
    "rejected": "The payment was not accepted.",
    "action": "The payment needs one more step in the shop.",
    "pending": "The payment is under way.",
}
GERMAN = {
    "approved": "Die Zahlung ist bestätigt.",
    "rejected": "Die Zahlung wurde nicht angenommen.",
    "action": "Für die Zahlung fehlt noch ein Schritt im Shop.",
    "pending": "Die Zahlung wird bearbeitet.",
}
BACK = {
    "en": ("Payment", "You can close this page and go back to the shop."),
    "de": ("Zahlung", "Sie können diese Seite schließen und zum Shop zurückkehren."),
}


def read(response):
    """Language, title, heading, and the paragraphs as text."""
    found = re.search(r'<html lang="(.+)">', response.text)[1], *re.findall(r"<(?:title|h1)>(.+)</", response.text)
    return *found, *(re.sub("<.+?>", "", each) for each in re.findall(r"<p>(.+)</p>", response.text))


@pytest.mark.parametrize(
    ("language", "outcome", "text"),
    [(language, *row) for language, texts in (("en", ENGLISH), ("de", GERMAN)) for row in texts.items()],
)
def test_a_shopper_without_a_shop_page_reads_what_became_of_the_payment(language, outcome, text):
    response = outcome_page(outcome, languages=language)
    title, back = BACK[language]
    assert (response.status, *read(response)) == (200, language, title, text, back)


#: Language -> title, what is wrong and what to do for a link that never works and for what passes by itself, and the mark.
PROBLEMS = {
    "en": (
        "Payment",
        "This link does not lead anywhere.",
        "It is not whole, or not one of ours. Go back to the shop: it knows how your payment stands.",
        "This did not work just now.",
        "Load this page again in a moment. You will not pay twice.",
        "For the shop's support: the-visit",
    ),
    "de": (
        "Zahlung",
        "Dieser Link führt nirgendwohin.",
        "Er ist unvollständig oder nicht von uns. Im Shop sehen Sie, wie es um Ihre Zahlung steht.",
        "Das hat gerade nicht geklappt.",
        "Laden Sie diese Seite gleich noch einmal. Sie zahlen nicht doppelt.",
        "Für den Kundendienst des Shops: the-visit",
    ),
}


@pytest.mark.parametrize("language", PROBLEMS)
@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_a_dead_link_sends_back_to_the_shop_and_what_passes_by_itself_may_be_loaded_again(status, language):
    title, dead, to_shop, passing, again, mark = PROBLEMS[language]
    told = (passing, again) if status in {429, 500, 503} else (dead, to_shop)
    problem = Problem(status=status, faults=(Fault(code="Any", message="Any."),), headers={})
    response = problem_page(problem, languages=language, correlation_id="the-visit")
    assert (response.status, *read(response)) == (status, language, title, *told, mark)
