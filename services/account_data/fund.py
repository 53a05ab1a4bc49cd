"""All accounts of one type as one fund, in one currency. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.domain.accounts import AccountSnapshot
from services.domain.risk import Fund
from services.domain.values import ZERO


def fund_of(accounts: Sequence[AccountSnapshot], currency: str) -> Fund:
    """The sum of the accounts' equities; not known where one of them, or its rate, is not.

    Args:
        accounts: every active account of one type.
        currency: the fund's.
    """
    total, missing, oldest = ZERO, [], None
    for account in accounts:
        rate = rate_into(account, currency)
        if account.equity is None or account.as_of is None:
            missing.append(f"{account.account_id} has never been read")
        elif rate is None:
            name = account.account_id
            missing.append(f"no rate between {account.currency} of {name} and {currency} is known")
        else:
            total += account.equity * rate
            oldest = account.as_of if oldest is None else min(oldest, account.as_of)
    known = bool(accounts) and not missing
    return Fund(
        currency=currency,
        equity=total if known else None,
        missing="; ".join(missing) or ("" if accounts else "there is no active account"),
        as_of=oldest if known else None,
        account_ids=tuple(account.account_id for account in accounts),
    )


def rate_into(account: AccountSnapshot, currency: str) -> Decimal | None:
    """Units of `currency` for one of the account's; its broker says the other way round."""
    if account.currency == currency:
        return Decimal(1)
    rate = account.fx_rates.get(currency)
    return None if rate is None else 1 / rate
