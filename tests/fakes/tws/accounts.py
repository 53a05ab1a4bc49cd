"""The account window: rows of tag, value and currency, as TWS names them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.broker import AccountState

Row = tuple[str, object, str]
_LEDGER = "$LEDGER"


def rows(state: AccountState) -> list[Row]:
    """What an account is worth and has to keep, in its own currency."""
    money = state.currency
    return [
        ("AccountCode", state.account_id, ""),
        ("AccountType", "INDIVIDUAL", ""),
        ("AccountReady", "true", ""),
        ("NetLiquidation", state.equity, money),
        ("EquityWithLoanValue", state.equity, money),
        ("TotalCashValue", state.cash, money),
        ("SettledCash", state.cash, money),
        ("AvailableFunds", state.available_funds, money),
        ("ExcessLiquidity", state.equity - state.maintenance_margin, money),
        ("BuyingPower", state.buying_power, money),
        ("InitMarginReq", state.initial_margin, money),
        ("MaintMarginReq", state.maintenance_margin, money),
        ("FullInitMarginReq", state.initial_margin, money),
        ("FullMaintMarginReq", state.maintenance_margin, money),
    ]


def ledger(state: AccountState) -> list[Row]:
    """By currency: cash and what one unit of it is worth; BASE is the account's own."""
    found: list[Row] = []
    rates = {"BASE": Decimal(1), state.currency: Decimal(1), **state.fx_rates}
    for currency, rate in rates.items():
        own = currency in {"BASE", state.currency}
        cash = state.cash if own else Decimal(0)
        found += [
            ("Currency", currency, currency),
            ("CashBalance", cash, currency),
            ("TotalCashBalance", cash, currency),
            ("NetLiquidationByCurrency", state.equity if own else Decimal(0), currency),
            ("ExchangeRate", rate, currency),
        ]
    return found


def summary(state: AccountState, tags: Iterable[str]) -> list[Row]:
    """The rows of some tags; `$LEDGER`, `$LEDGER:ALL`, `$LEDGER:EUR` stand for those by currency.

    `$LEDGER` alone is the account's own currency.
    """
    by_tag = {row[0]: row for row in rows(state)}
    found = []
    for tag in tags:
        if tag in by_tag:
            found.append(by_tag[tag])
        elif tag.startswith(_LEDGER):
            wanted = tag.partition(":")[2] or "BASE"
            found += [row for row in ledger(state) if wanted in {"ALL", row[2]}]
    return found
