"""A strict commercetools project for one machine: payments and what lies around them.

Law: `core` and everything it imports is pure: no clock, no randomness, no sockets; time and ids come as arguments. The
wire shell (`server`, `wire`, `control`, `courier`, `signing`) adds HTTP and Pub/Sub. Where the platform is lenient
about a mistake (an unknown field, a misspelt expansion), this one refuses, so that the mistake is found here.

Not modelled, and so any id is taken for one that exists: customers, and customer groups. Products are not modelled
either: carts are filled with custom line items.
"""
