"""What a planted defect is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

#: (where, attribute, what stands there instead).
Change: TypeAlias = tuple[Any, str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One way to get it wrong."""

    name: str
    #: For people.
    what: str
    #: Made anew for each planting, so that no state is left over.
    changes: Callable[[], list[Change]]
