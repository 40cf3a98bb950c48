"""`python -m processes.planted DEFECT worker capture`: the product as it is started, with a defect of the table in it."""

from __future__ import annotations

import sys

from simulation.defects import plant

from ctpay.cli import main

if __name__ == "__main__":
    plant(sys.argv.pop(1))
    main()
