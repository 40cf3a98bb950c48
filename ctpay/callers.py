"""Those who know the callers, and how often each of them may call: put together for the ingress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct.callers import Known
from ct.introspection import Introspection
from ct.jwks import SigningKeys, Trust
from ct.merchants import Merchants, NoMerchants
from ct.sessions import Sessions
from handlers.allowance import Allowance, Rate

if TYPE_CHECKING:
    from ct.token import Tokens
    from ct.wire import Wire
    from ctpay.settings import Commercetools, Limits
    from psp.seams import Clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Callers:
    """One for each kind of caller."""

    sessions: Sessions
    programs: Introspection
    merchants: Merchants | NoMerchants
    session_allowance: Allowance
    caller_allowance: Allowance


def callers(ct: Commercetools, limits: Limits, *, wire: Wire, tokens: Tokens, clock: Clock) -> Callers:
    """As the settings say. Without the addresses of signing keys and issuer nobody comes from the Merchant Center."""
    known = Known(for_s=limits.caller_known_s)
    merchants: Merchants | NoMerchants = NoMerchants()
    if ct.jwks_url is not None and ct.jwt_issuer is not None:
        keys = SigningKeys(wire=wire, url=ct.jwks_url, trust=Trust(for_s=limits.signing_keys_known_s))
        merchants = Merchants(keys=keys, issuer=ct.jwt_issuer, project_key=ct.project_key, clock=clock)
    return Callers(
        sessions=Sessions(
            wire=wire,
            tokens=tokens,
            session_url=ct.session_url,
            project_key=ct.project_key,
            clock=clock,
            known=known,
        ),
        programs=Introspection(
            wire=wire,
            auth_url=ct.auth_url,
            client_id=ct.client_id,
            client_secret=ct.client_secret,
            project_key=ct.project_key,
            clock=clock,
            known=known,
        ),
        merchants=merchants,
        session_allowance=Allowance(
            rate=Rate(per_s=limits.session_rate_per_s, burst=limits.session_burst_max),
            clock=clock,
            size=limits.callers_max,
        ),
        caller_allowance=Allowance(
            rate=Rate(per_s=limits.caller_rate_per_s, burst=limits.caller_burst_max),
            clock=clock,
            size=limits.callers_max,
        ),
    )
