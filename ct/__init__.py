"""commercetools: the client, the payment ledger, and the pure planning of what is written to a Payment."""
