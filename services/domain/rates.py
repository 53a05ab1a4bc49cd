"""What one currency is worth in another, by the rates that brokers have named. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Rated(Protocol):
    """An account with the rates that its broker has named."""

    @property
    def currency(self) -> str:
        """Of the account."""

    @property
    def fx_rates(self) -> Mapping[str, Decimal]:
        """By currency, what one unit of it is worth in the account's."""

    @property
    def as_of(self) -> datetime | None:
        """When the broker said so."""


def rate_to(currency: str, account: Rated, known: Sequence[Rated]) -> Decimal | None:
    """What one unit of an account's currency is worth in `currency`; None = nobody knows.

    By the account's own rate or by one of an account that is kept in `currency`, whichever its
    broker named last.

    Args:
        currency: what it is worth in.
        account: whose currency.
        known: accounts whose rates may be used.
    """
    if account.currency == currency:
        return Decimal(1)
    rates = [
        (each.as_of or _NEVER, each.fx_rates[account.currency])
        for each in known
        if each.currency == currency and account.currency in each.fx_rates
    ]
    if currency in account.fx_rates:
        rates.append((account.as_of or _NEVER, 1 / account.fx_rates[currency]))
    return max(rates, default=(_NEVER, None), key=lambda rate: rate[0])[1]
