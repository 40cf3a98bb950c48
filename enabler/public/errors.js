// What goes wrong, in a form a storefront can act on.

export class EnablerError extends Error {
  // `code`: one of ours ("configuration", "unavailable", "unreachable", "fields", "abandoned") or the processor's.
  // `uncertain`: the payment may have been made; the component keeps the attempt, and paying again resumes it.
  constructor(code, message, { uncertain = false, status, paymentReference, shown } = {}) {
    super(message);
    this.name = "EnablerError";
    this.code = code;
    this.uncertain = uncertain;
    this.status = status;
    this.paymentReference = paymentReference;
    this.shown = shown; // The shopper has seen it already, in the PSP's fields.
  }
}
