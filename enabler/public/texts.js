// What shoppers read, by language. `declines`: by the reason's code, where there is more to say than no.

const TEXTS = {
  en: {
    heading: "Pay by card",
    fields: "Card details",
    safe: "Your card details go straight to the payment provider.",
    pay: "Pay now",
    paying: "Paying …",
    again: "Try again",
    paid: "Thank you. The payment is approved.",
    pending: "Thank you. The payment is under way.",
    declined: "The payment was declined. Please check the details or use another card.",
    declines: { insufficient_funds: "The payment was declined: there is not enough money. Please use another card." },
    failed: "The payment could not be made. Please try again.",
    expired: "This checkout has expired. Please start again from your cart.",
    unknown: "We lost the connection. Please try again: you will not be charged twice.",
    abandoned: "You stopped the payment. You can start it again.",
    unavailable: "Card payment is not available right now. Please reload the page.",
    challenge: "Confirm your payment",
    close: "Close",
    leave: "Stop this payment?",
    leaveText: "Your bank has not confirmed it yet.",
    stay: "Go on paying",
    stop: "Stop the payment",
    redirect: "We are taking you to your bank …",
  },
  de: {
    heading: "Mit Karte zahlen",
    fields: "Kartendaten",
    safe: "Ihre Kartendaten gehen direkt an den Zahlungsanbieter.",
    pay: "Jetzt zahlen",
    paying: "Zahlung läuft …",
    again: "Noch einmal versuchen",
    paid: "Vielen Dank. Die Zahlung ist bestätigt.",
    pending: "Vielen Dank. Die Zahlung ist in Arbeit.",
    declined: "Die Zahlung wurde abgelehnt. Bitte prüfen Sie die Angaben oder nehmen Sie eine andere Karte.",
    declines: { insufficient_funds: "Die Zahlung wurde abgelehnt: Das Guthaben reicht nicht. Bitte nehmen Sie eine andere Karte." },
    failed: "Die Zahlung war nicht möglich. Bitte versuchen Sie es noch einmal.",
    expired: "Dieser Bezahlvorgang ist abgelaufen. Bitte beginnen Sie neu im Warenkorb.",
    unknown: "Die Verbindung ist abgebrochen. Bitte versuchen Sie es noch einmal: Es wird nichts doppelt abgebucht.",
    abandoned: "Sie haben die Zahlung abgebrochen. Sie können sie neu beginnen.",
    unavailable: "Kartenzahlung ist gerade nicht möglich. Bitte laden Sie die Seite neu.",
    challenge: "Zahlung bestätigen",
    close: "Schließen",
    leave: "Zahlung abbrechen?",
    leaveText: "Ihre Bank hat sie noch nicht bestätigt.",
    stay: "Weiter zahlen",
    stop: "Zahlung abbrechen",
    redirect: "Wir bringen Sie zu Ihrer Bank …",
  },
};

export function textsFor(locale) {
  const language = (locale || "en").slice(0, 2).toLowerCase();
  const known = Object.hasOwn(TEXTS, language) ? language : "en";
  return { ...TEXTS[known], language: known };
}
