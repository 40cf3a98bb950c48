// What shoppers read, by language. Another language is another table here; a page in a language that is missing gets
// English.

const en = {
  language: "en",
  heading: "Payment",
  methods: "How would you like to pay?",
  card: "Card",
  otherCard: "Another card",
  fields: "Card details",
  safe: "Your card details go straight to the payment provider.",
  consent: "Save this card for my next purchase",
  invoice: "Invoice",
  invoiceText: "We send you an invoice with the goods.",
  purchaseOrder: "Purchase order",
  poNumber: "Purchase order number",
  poMissing: "Please enter the number of your purchase order.",
  invoiceMemo: "Note for the invoice (optional)",
  expires: "expires {date}",
  pay: "Pay now",
  paying: "Paying …",
  again: "Try again",
  paid: "Thank you. The payment is approved.",
  pending: "Thank you. The payment is under way.",
  declined: "The payment was declined. Please check the details or use another card.",
  declines: {
    insufficient_funds: "The payment was declined: there is not enough money. Please use another card.",
  } as Readonly<Record<string, string>>,
  refusals: {
    "nothing-to-pay": "This cart is paid already. Nothing more was charged.",
    "payment-under-way": "Another payment for this cart is under way, perhaps in another window. Please look there first.",
    "cart-changed": "Your cart has changed meanwhile. Please look at it again before you pay.",
    "cart-not-active": "This cart was ordered already. Nothing more was charged.",
    "cart-refused": "This cart cannot be paid as it is. Nothing was charged. Please go back to it.",
  } as Readonly<Record<string, string>>,
  failed: "The payment could not be made. Please try again.",
  expired: "This checkout has expired. Please start again from your cart.",
  busy: "Too many tries at the moment. Please wait a little and try again.",
  unknown: "We lost the connection. Please try again: you will not be charged twice.",
  checking: "We are asking how your payment ended …",
  abandoned: "You stopped the payment. You can start it again.",
  unavailable: "This way to pay is not available right now. Please reload the page.",
  challenge: "Confirm your payment",
  close: "Close",
  leave: "Stop this payment?",
  leaveText: "Your bank has not confirmed it yet.",
  stay: "Go on paying",
  stop: "Stop the payment",
  redirect: "We are taking you to your bank …",
  payWith: "Pay with {wallet}",
};

export type Texts = typeof en;

const de: Texts = {
  language: "de",
  heading: "Zahlung",
  methods: "Wie möchten Sie zahlen?",
  card: "Karte",
  otherCard: "Andere Karte",
  fields: "Kartendaten",
  safe: "Ihre Kartendaten gehen direkt an den Zahlungsanbieter.",
  consent: "Diese Karte für meinen nächsten Einkauf merken",
  invoice: "Rechnung",
  invoiceText: "Wir schicken Ihnen mit der Ware eine Rechnung.",
  purchaseOrder: "Bestellung auf Rechnung",
  poNumber: "Bestellnummer",
  poMissing: "Bitte geben Sie Ihre Bestellnummer ein.",
  invoiceMemo: "Vermerk für die Rechnung (freiwillig)",
  expires: "gültig bis {date}",
  pay: "Jetzt zahlen",
  paying: "Zahlung läuft …",
  again: "Noch einmal versuchen",
  paid: "Vielen Dank. Die Zahlung ist bestätigt.",
  pending: "Vielen Dank. Die Zahlung ist in Arbeit.",
  declined: "Die Zahlung wurde abgelehnt. Bitte prüfen Sie die Angaben oder nehmen Sie eine andere Karte.",
  declines: {
    insufficient_funds:
      "Die Zahlung wurde abgelehnt: Das Guthaben reicht nicht. Bitte nehmen Sie eine andere Karte.",
  },
  refusals: {
    "nothing-to-pay": "Dieser Warenkorb ist schon bezahlt. Es wurde nichts weiter abgebucht.",
    "payment-under-way":
      "Für diesen Warenkorb läuft schon eine Zahlung, vielleicht in einem anderen Fenster. Bitte sehen Sie zuerst dort nach.",
    "cart-changed": "Ihr Warenkorb hat sich geändert. Bitte sehen Sie ihn noch einmal an, bevor Sie zahlen.",
    "cart-not-active": "Dieser Warenkorb wurde schon bestellt. Es wurde nichts weiter abgebucht.",
    "cart-refused": "Dieser Warenkorb lässt sich so nicht bezahlen. Es wurde nichts abgebucht. Bitte gehen Sie zu ihm zurück.",
  },
  failed: "Die Zahlung war nicht möglich. Bitte versuchen Sie es noch einmal.",
  expired: "Dieser Bezahlvorgang ist abgelaufen. Bitte beginnen Sie neu im Warenkorb.",
  busy: "Gerade gab es zu viele Versuche. Bitte warten Sie kurz und versuchen Sie es noch einmal.",
  unknown: "Die Verbindung ist abgebrochen. Bitte versuchen Sie es noch einmal: Es wird nichts doppelt abgebucht.",
  checking: "Wir fragen nach, wie Ihre Zahlung ausgegangen ist …",
  abandoned: "Sie haben die Zahlung abgebrochen. Sie können sie neu beginnen.",
  unavailable: "Diese Zahlungsart ist gerade nicht verfügbar. Bitte laden Sie die Seite neu.",
  challenge: "Zahlung bestätigen",
  close: "Schließen",
  leave: "Zahlung abbrechen?",
  leaveText: "Ihre Bank hat sie noch nicht bestätigt.",
  stay: "Weiter zahlen",
  stop: "Zahlung abbrechen",
  redirect: "Wir bringen Sie zu Ihrer Bank …",
  payWith: "Mit {wallet} zahlen",
};

const ALL: Readonly<Record<string, Texts>> = { en, de };

export function textsFor(locale: string): Texts {
  const language = locale.slice(0, 2).toLowerCase();
  return (Object.hasOwn(ALL, language) ? ALL[language] : undefined) ?? en;
}
