"""The browser library that takes payment details through the PSP's own fields, and the routes that serve it."""
