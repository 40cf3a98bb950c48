"""The PSPs there are. Adding one: its folder, and its line in each of the two tables.

Imported by the composition root alone, so that the ingress never holds an adapter by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from psp.port import PspFront, PspSettings
from psp.sandbox.settings import SandboxFront, SandboxSettings

#: Name in the setting `PSP` -> reads that PSP's block from the environment, or raises pydantic.ValidationError.
SETTINGS: Final[Mapping[str, Callable[[], PspSettings]]] = {
    "sandbox": SandboxSettings,
}

#: The same for the part of the block that the ingress reads.
FRONTS: Final[Mapping[str, Callable[[], PspFront]]] = {
    "sandbox": SandboxFront,
}
