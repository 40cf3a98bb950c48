"""HTTP in, message out.

Handlers authenticate, validate and publish; they never call a PSP and never write to commercetools.
"""
