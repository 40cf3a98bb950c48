"""Local stand-ins for everything outside: Pub/Sub, commercetools, a PSP and a demo shop.

Law: nothing here imports the product, and the product imports nothing from here. Each stand-in is a pure core and a
thin wire shell around it.
"""
