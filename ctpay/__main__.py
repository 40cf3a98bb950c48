"""`python -m ctpay`: the command line, for whoever starts it by the interpreter's path."""

from __future__ import annotations

from ctpay.cli import main

main()
