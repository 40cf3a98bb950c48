"""The order of states. States only rise, so any order and any repetition of facts gives one result.

commercetools enforces nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psp.facts import State

#: A late success wins over a failure; only what undoes a success ranks above one.
RANK: Final[Mapping[State, int]] = {
    State.INITIAL: 0,
    State.PENDING: 1,
    State.FAILURE: 2,
    State.SUCCESS: 3,
    State.REVERSED: 4,
}

#: commercetools has no word for "reversed": it is stored as a failure that bears a mark.
STORED: Final[Mapping[State, str]] = {
    State.INITIAL: "Initial",
    State.PENDING: "Pending",
    State.FAILURE: "Failure",
    State.SUCCESS: "Success",
    State.REVERSED: "Failure",
}

#: Not decided yet.
OPEN: Final = frozenset({State.INITIAL, State.PENDING})

#: The code of a cancel that failed only to name the amount: the PSP released what it held.
RELEASED_OTHERWISE: Final = "released-otherwise"


def rises(current: State, new: State) -> bool:
    """Whether `new` may replace `current`."""
    return RANK[new] > RANK[current]
