"""The PSP port and its vocabulary: money, facts, errors, the registry, and one folder per payment service provider.

Law: this package imports nothing of ours. Everything else may speak its vocabulary; only workers and the composition
root may hold an adapter.
"""
