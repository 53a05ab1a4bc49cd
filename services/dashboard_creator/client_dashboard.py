"""The client dashboard of what was loaded. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.dashboard_creator.client_models import (
    ChartData,
    ClientAccount,
    ClientDashboard,
    ClientFund,
    ClientPerformance,
    ClientStrategy,
    ClientTrade,
    CurveDay,
    Lag,
    ReturnDay,
    TradeFigures,
)
from services.dashboard_creator.overview_page import FundDays
from services.dashboard_creator.road import instrument_in_words
from services.dashboard_creator.summary_days import LAG_BOUNDS_MS, LAGS, Tally
from services.domain.accounts import AccountSnapshot
from services.domain.instruments import Instrument
from services.domain.performance import Day, Performance, percentile, performance_of
from services.domain.rates import rate_to
from services.domain.values import ZERO
from services.domain.words import AccountType, ActiveStatus

_CHART_DAYS: Final = 400
_MARGIN: Final = ("equity", "initial_margin")


class ClientFacts(NamedTuple):
    """What the dashboard is made of.

    Attributes:
        gains: P&L of accounts by their brokers' count.
        ratios: approved share of equity by strategy.
        tallies: everything that each strategy ever did.
        records: days of each strategy's own record.
        recent: sum over all strategies of the last days, for lags.
        fills: the newest, with instruments.
    """

    account_type: AccountType
    currency: str
    accounts: Sequence[AccountSnapshot]
    gains: Mapping[str, Mapping[str, Any]]
    fund: FundDays
    ratios: Mapping[str, Decimal]
    tallies: Mapping[str, Tally]
    records: Mapping[str, Sequence[Day]]
    recent: Tally
    fills: Sequence[tuple[Mapping[str, Any], Instrument | None]]


def client_dashboard(facts: ClientFacts, now: datetime) -> ClientDashboard:
    """All of it."""
    active = [
        each
        for each in facts.accounts
        if each.status is ActiveStatus.ACTIVE and each.account_type is facts.account_type
    ]
    names = sorted(facts.ratios.keys() | facts.tallies.keys())
    return ClientDashboard(
        generated_at=now,
        account_type=facts.account_type,
        fund=_fund(active, facts),
        performance=client_performance(performance_of(facts.fund.days, now.date())),
        allocations={name: float(ratio * 100) for name, ratio in sorted(facts.ratios.items())},
        recent_trades=tuple(_trade(row, instrument) for row, instrument in facts.fills),
        chart_data=_chart(facts.fund),
        accounts=tuple(_account(each) for each in active),
        strategies=tuple(_strategy(name, facts, now.date()) for name in names),
        lag=lags_of(facts.recent),
    )


def percent(ratio: float | None) -> float | None:
    """Of 100, with as many digits as mean anything."""
    return None if ratio is None else round(ratio * 100, 6)


def client_performance(figures: Performance) -> ClientPerformance:
    """Ratios as percentages; a drawdown is above 0."""
    return ClientPerformance(
        daily_return_pct=percent(figures.daily),
        mtd_return_pct=percent(figures.mtd),
        ytd_return_pct=percent(figures.ytd),
        cagr_pct=percent(figures.cagr),
        sharpe_ratio=figures.sharpe,
        max_drawdown_pct=percent(figures.max_drawdown),
        current_drawdown_pct=percent(figures.current_drawdown),
        volatility_pct=percent(figures.volatility),
        var_95_pct=percent(figures.var_95),
        since=figures.since.isoformat() if figures.since else None,
        days=figures.days,
    )


def trade_figures(tally: Tally) -> tuple[TradeFigures, ...]:
    """Closed trades by currency; commissions in a currency without trades stand alone."""
    found = []
    for currency, money in tally.money.items():
        trades = money.trades
        found.append(
            TradeFigures(
                currency=currency,
                trades=trades.won + trades.lost,
                pnl=money.realized_pnl - money.commissions,
                commissions=money.commissions,
                win_rate_pct=percent(trades.win_rate),
                profit_factor=trades.profit_factor,
                average_win=trades.average_win,
                average_loss=trades.average_loss,
            )
        )
    return tuple(found)


def lags_of(tally: Tally) -> tuple[Lag, ...]:
    """Percentiles of the road's parts, in its order."""
    found = []
    for name in LAGS:
        counts = tally.lags.get(name, ())
        p50, p95, p99 = (percentile(counts, LAG_BOUNDS_MS, share) for share in (0.5, 0.95, 0.99))
        found.append(Lag(name=name, signals=sum(counts), p50_ms=p50, p95_ms=p95, p99_ms=p99))
    return tuple(found)


def _fund(active: Sequence[AccountSnapshot], facts: ClientFacts) -> ClientFund:
    missing = [each for each in active if each.equity is None or _rate(each, active, facts) is None]
    equity, margin = (_sum(active, facts, name) for name in _MARGIN)
    times = [each.as_of for each in active if each.as_of is not None]
    return ClientFund(
        currency=facts.currency,
        total_equity=equity,
        total_cash=_sum(active, facts, "cash"),
        total_margin_used=margin,
        total_unrealized_pnl=_gain(active, facts, "unrealized_pnl"),
        total_realized_pnl=_gain(active, facts, "realized_pnl"),
        margin_utilization_pct=percent(float(margin / equity))
        if margin is not None and equity
        else None,
        num_brokers=len({each.broker for each in active}),
        num_accounts=len(active),
        as_of=min(times) if len(times) == len(active) and times else None,
        missing=tuple(each.account_id for each in missing),
    )


def _rate(
    account: AccountSnapshot, active: Sequence[AccountSnapshot], facts: ClientFacts
) -> Decimal | None:
    return rate_to(facts.currency, account, active)


def _sum(active: Sequence[AccountSnapshot], facts: ClientFacts, name: str) -> Decimal | None:
    """Over the accounts whose equity is known; None where one of those lacks it."""
    counted = [each for each in active if each.equity is not None]
    return _added((getattr(each, name), _rate(each, active, facts)) for each in counted)


def _gain(active: Sequence[AccountSnapshot], facts: ClientFacts, name: str) -> Decimal | None:
    counted = [each for each in active if each.equity is not None]
    return _added(
        (facts.gains.get(each.account_id, {}).get(name), _rate(each, active, facts))
        for each in counted
    )


def _added(amounts: Iterable[tuple[Decimal | None, Decimal | None]]) -> Decimal | None:
    total, any_known = ZERO, False
    for amount, rate in amounts:
        if rate is None:
            continue  # the account is named as missing
        if amount is None:
            return None
        total, any_known = total + amount * rate, True
    return total if any_known else None


def _chart(fund: FundDays) -> ChartData:
    rows, days = fund.rows[-_CHART_DAYS:], fund.days[-_CHART_DAYS:]
    return ChartData(
        equity_curve=tuple(CurveDay(date=row["date"], equity=row["close"]) for row in rows),
        daily_returns=tuple(
            ReturnDay(date=day.on.isoformat(), return_pct=percent(day.ratio)) for day in days
        ),
    )


def _account(account: AccountSnapshot) -> ClientAccount:
    return ClientAccount(
        account_id=account.account_id,
        broker=account.broker,
        currency=account.currency,
        equity=account.equity,
        cash=account.cash,
        margin_used=account.initial_margin,
        as_of=account.as_of,
    )


def _trade(row: Mapping[str, Any], instrument: Instrument | None) -> ClientTrade:
    at: datetime = row["occurred_at"]
    return ClientTrade(
        date=f"{at:%Y-%m-%d}",
        time=f"{at:%H:%M:%S}",
        symbol=instrument_in_words(instrument) if instrument else str(row["instrument_key"]),
        side=row["side"],
        quantity=row["quantity"],
        price=row["price"],
        pnl=row["realized_pnl"],
        currency=instrument.currency if instrument else str(row.get("commission_currency", "")),
        strategy=row["strategy_id"],
    )


def _strategy(name: str, facts: ClientFacts, today: date) -> ClientStrategy:
    tally = facts.tallies.get(name, Tally())
    figures = performance_of(facts.records.get(name, ()), today)
    ratio = facts.ratios.get(name)
    return ClientStrategy(
        strategy_id=name,
        allocation_pct=None if ratio is None else float(ratio * 100),
        signals=tally.received,
        sharpe_ratio=figures.sharpe,
        max_drawdown_pct=percent(figures.max_drawdown),
        ytd_return_pct=percent(figures.ytd),
        trades=trade_figures(tally),
    )
