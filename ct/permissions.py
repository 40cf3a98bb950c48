"""May our API client do what we need? Read off the scopes of the token that is in use, so nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ct.token import Tokens

#: What we need; of each row one scope is enough, and the first is the one to ask for.
NEEDED: Final[tuple[tuple[str, ...], ...]] = (
    ("manage_payments",),
    # Adding a Payment to its cart.
    ("manage_orders",),
    ("view_sessions", "manage_sessions"),
    ("introspect_oauth_tokens",),
    ("view_types", "manage_types"),
)
#: Everything in a project.
_ALL: Final = "manage_project"


#: What storing payment methods needs besides.
STORING: Final = ("manage_payment_methods",)


async def scopes_missing(tokens: Tokens, project_key: str, also: tuple[tuple[str, ...], ...] = ()) -> tuple[str, ...]:
    """Scopes that the API client still has to be given for the whole project. Raises as `Tokens.get` does.

    `also`: rows like those of `NEEDED`, for what this merchant offers.
    """
    granted = {scope.partition(":")[0] for scope in await tokens.scopes() if scope.partition(":")[2] == project_key}
    return tuple(row[0] for row in (*NEEDED, *also) if granted.isdisjoint({*row, _ALL}))
