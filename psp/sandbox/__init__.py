"""Sandbox Pay, the PSP of `make run`, of the demo and of tests. It has no SDK: its API is small and plain HTTP."""
