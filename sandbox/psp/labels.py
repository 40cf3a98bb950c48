"""The words of the card fields, by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "card": "Card details",
        "number": "Card number",
        "expiry": "Expiry date",
        "expiry_hint": "MM / YY",
        "cvc": "Security code",
        "wrong_number": "Check the card number.",
        "wrong_expiry": "Check the expiry date.",
        "wrong_cvc": "Check the security code.",
        "unavailable": "The card could not be checked. Please try again.",
    },
    "de": {
        "card": "Kartendaten",
        "number": "Kartennummer",
        "expiry": "Gültig bis",
        "expiry_hint": "MM / JJ",
        "cvc": "Prüfziffer",
        "wrong_number": "Bitte die Kartennummer prüfen.",
        "wrong_expiry": "Bitte das Ablaufdatum prüfen.",
        "wrong_cvc": "Bitte die Prüfziffer prüfen.",
        "unavailable": "Die Karte konnte nicht geprüft werden. Bitte noch einmal versuchen.",
    },
    "fr": {
        "card": "Carte bancaire",
        "number": "Numéro de carte",
        "expiry": "Date d'expiration",
        "expiry_hint": "MM / AA",
        "cvc": "Cryptogramme",
        "wrong_number": "Vérifiez le numéro de carte.",
        "wrong_expiry": "Vérifiez la date d'expiration.",
        "wrong_cvc": "Vérifiez le cryptogramme.",
        "unavailable": "La carte n'a pas pu être vérifiée. Veuillez réessayer.",
    },
    "es": {
        "card": "Datos de la tarjeta",
        "number": "Número de tarjeta",
        "expiry": "Caducidad",
        "expiry_hint": "MM / AA",
        "cvc": "Código de seguridad",
        "wrong_number": "Revise el número de tarjeta.",
        "wrong_expiry": "Revise la fecha de caducidad.",
        "wrong_cvc": "Revise el código de seguridad.",
        "unavailable": "No se ha podido comprobar la tarjeta. Inténtelo de nuevo.",
    },
}
