"""The switch that is thrown before the process stops."""

from __future__ import annotations


class Draining:
    """Thrown once: not ready from then on, connections close after their reply, and requests still finish."""

    def __init__(self) -> None:
        self._begun = False

    @property
    def begun(self) -> bool:
        return self._begun

    def begin(self) -> None:
        """Throw it. Load balancers look at readiness: give them a moment before closing the port."""
        self._begun = True
