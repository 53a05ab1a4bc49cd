"""What a sender sees of a strategy, of what was loaded. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.dashboard_creator.client_dashboard import (
    client_performance,
    lags_of,
    percent,
    trade_figures,
)
from services.dashboard_creator.models import DecisionView, FillView, OrderView, SignalRecord
from services.dashboard_creator.privacy import (
    decision_of,
    private_orders,
    private_record,
    reason_of,
)
from services.dashboard_creator.road import headline, instrument_in_words, road
from services.dashboard_creator.sender_models import (
    EquityDay,
    SenderDashboard,
    SenderEquity,
    SenderFill,
    SenderLeg,
    SenderOrder,
    SenderPerformance,
    SenderPosition,
    SenderSignal,
    SenderSignalPage,
    SenderSummary,
)
from services.dashboard_creator.summary_days import Tally
from services.dashboard_creator.valuation import Marks, Place
from services.domain.books import Position
from services.domain.performance import Day, drawdowns, index_of, performance_of
from services.domain.signals import plain
from services.domain.values import ZERO
from services.domain.words import OrderRole, SignalStatus

#: The four groups that senders know, and our codes in them; whatever is in none is OTHER.
GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "NO_ALLOCATION": frozenset(
        {
            *("ALLOCATION_MISSING", "AVAILABLE_CAPITAL_EXCEEDED", "ACCOUNTS_MISSING"),
            *("STRATEGY_INACTIVE", "STRATEGY_SHADOW", "STRATEGY_UNKNOWN"),
        }
    ),
    "MARGIN_EXCEEDED": frozenset(
        {
            *("MARGIN_EXCEEDED", "MARGIN_USE_EXCEEDED", "MARGIN_UNKNOWN", "CONTENTION_EXCEEDED"),
            *("EQUITY_NOT_POSITIVE", "BROKER_SHARE_EXCEEDED"),
        }
    ),
    "RISK_LIMIT": frozenset(
        {
            *("TRADING_REDUCING", "TRADING_HALTED", "ENTRIES_LOCKED", "POSITION_MISMATCH"),
            *("EQUITY_JUMP", "RESTRICTED", "OUTSIDE_TRADING_HOURS", "DUPLICATE_ORDER"),
            *("ORDER_RATE_EXCEEDED", "REPEATED_EXECUTION", "OPEN_POSITIONS_EXCEEDED"),
            *("PYRAMIDING_EXCEEDED", "ORDER_UNRESOLVED", "PRICE_COLLAR_UNKNOWN"),
            *("PRICE_OUTSIDE_COLLAR", "ORDER_TOO_LARGE", "DAILY_LOSS_EXCEEDED"),
            *("DAILY_LOSS_UNKNOWN", "DRAWDOWN_EXCEEDED", "DRAWDOWN_UNKNOWN"),
            *("CONSECUTIVE_LOSSES", "OVERRIDE_ZERO", "POSITION_SIZE_EXCEEDED"),
            *("GROSS_EXPOSURE_EXCEEDED", "NET_EXPOSURE_EXCEEDED", "FUND_UNKNOWN"),
        }
    ),
}
_OTHER: Final = "OTHER"
_DOLLARS: Final = "USD"


class SenderFacts(NamedTuple):
    """What a strategy's page is made of.

    Attributes:
        tally: everything that it ever did.
        recent: the same of the last days, for lags.
        record: days of its own record, oldest first, as stored.
        ratio: approved share of equity; None = none.
    """

    strategy_id: str
    tally: Tally
    recent: Tally
    record: Sequence[Mapping[str, Any]]
    ratio: Decimal | None


def record_days(rows: Iterable[Mapping[str, Any]]) -> list[Day]:
    """Days of our own record; here exact ratios become floats."""
    return [
        Day(
            date.fromisoformat(row["date"]),
            None if row.get("return") is None else float(row["return"]),
        )
        for row in rows
    ]


def sender_dashboard(
    facts: SenderFacts,
    signals: Sequence[SenderSignal],
    positions: Sequence[SenderPosition],
    now: datetime,
) -> SenderDashboard:
    """All of it."""
    return SenderDashboard(
        strategy_id=facts.strategy_id,
        generated_at=now,
        summary=summary_of(facts, now.date()),
        performance=_performance(facts, now.date()),
        recent_signals=tuple(signals),
        open_positions=tuple(positions),
        rejection_breakdown=breakdown(facts.tally),
        rejection_codes=_by_count(facts.tally.refused_by),
        lag=lags_of(facts.recent),
    )


def breakdown(tally: Tally) -> dict[str, int]:
    """Refused signals by the groups that senders know."""
    groups = dict.fromkeys((*GROUPS, _OTHER), 0)
    for code, count in tally.refused_by.items():
        groups[next((name for name, codes in GROUPS.items() if code in codes), _OTHER)] += count
    return groups


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def summary_of(facts: SenderFacts, today: date) -> SenderSummary:
    """All signals since the first one."""
    tally = facts.tally
    refused = tally.denied + tally.quarantined + tally.rejected + tally.expired
    trades = trade_figures(tally)
    currency = _main_currency(facts)
    main = next((each for each in trades if each.currency == currency), None)
    dollars = tally.money.get(_DOLLARS)
    sized = dollars is not None and dollars.openings
    return SenderSummary(
        total_signals_sent=tally.received,
        signals_executed=tally.filled,
        signals_rejected=refused,
        signals_open=tally.open,
        rejection_rate_pct=_share(refused, tally.received),
        fill_rate_pct=_share(tally.filled, tally.approved + tally.resized),
        win_rate_pct=main.win_rate_pct if main else None,
        profit_factor=main.profit_factor if main else None,
        avg_position_size_usd=round(dollars.opened / dollars.openings, 2)
        if dollars is not None and sized
        else None,
        total_pnl=main.pnl if main else None,
        currency=currency,
        sharpe_ratio=performance_of(record_days(facts.record), today).sharpe,
        current_allocation_pct=None if facts.ratio is None else float(facts.ratio * 100),
        trades=trades,
    )


def _main_currency(facts: SenderFacts) -> str | None:
    """Of its own record, else that of most trades."""
    if facts.record:
        return str(facts.record[-1].get("currency", _DOLLARS))
    money = facts.tally.money
    return max(sorted(money), key=lambda name: sum(money[name].trades[:2]), default=None)


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 6) if whole else None


def _performance(facts: SenderFacts, today: date) -> SenderPerformance:
    if not facts.record:
        return SenderPerformance()
    as_of = str(facts.record[-1]["date"])
    # The record ends last night: its last day is what "daily" is of, month and year are today's.
    figures = performance_of(record_days(facts.record), today)
    shown = client_performance(figures)
    last = facts.record[-1].get("return")
    return SenderPerformance(
        daily_return_pct=percent(None if last is None else float(last)),
        mtd_return_pct=shown.mtd_return_pct,
        ytd_return_pct=shown.ytd_return_pct,
        cagr_pct=shown.cagr_pct,
        volatility_pct=shown.volatility_pct,
        max_drawdown_pct=shown.max_drawdown_pct,
        current_drawdown_pct=shown.current_drawdown_pct,
        as_of=as_of,
        days=shown.days,
    )


def sender_signal(
    record: SignalRecord, orders: Sequence[OrderView], names: Mapping[str, str]
) -> SenderSignal:
    """A signal as a line."""
    return SenderSignal(**_line(record, orders, names))


def _line(
    record: SignalRecord, orders: Sequence[OrderView], names: Mapping[str, str]
) -> dict[str, Any]:
    leg = record.signal.legs[0] if record.signal else None
    first = [each for each in orders if each.role is OrderRole.LEG]
    if leg is not None:
        first = [each for each in first if each.instrument.key == leg.instrument.key]
    filled = sum((each.filled_quantity for each in first), ZERO)
    paid = sum((each.filled_quantity * (each.avg_fill_price or ZERO) for each in first), ZERO)
    size = paid * first[0].instrument.multiplier if first else ZERO
    in_dollars = bool(first) and first[0].instrument.currency == _DOLLARS
    decision = record.decision
    quarantine = record.quarantine.sentence if record.quarantine else ""
    return {
        "signal_id": record.signal_id,
        "external_id": record.external_id,
        "timestamp": record.received_at,
        "ticker": instrument_in_words(leg.instrument) if leg else None,
        "action": str(leg.side) if leg and leg.side else None,
        "requested_quantity": leg.quantity if leg else None,
        "status": record.status,
        "actual_quantity": filled if first else None,
        "position_size_usd": round(size, 2) if in_dollars else None,
        "allocation_pct": _allocation_pct(decision),
        "execution_price": paid / filled if filled else None,
        "approval_reason": reason_of(decision, names) if decision else quarantine,
    }


def _allocation_pct(decision: DecisionView | None) -> float | None:
    """What the strategy was given when it was decided; None of an exit, which does not ask."""
    steps = decision.steps if decision else ()
    ratio = next((step.limit for step in steps if step.name == "allocation"), None)
    return None if ratio is None else float(ratio * 100)


def sender_page(
    record: SignalRecord,
    orders: Sequence[OrderView],
    fills: Sequence[FillView],
    names: Mapping[str, str],
) -> SenderSignalPage:
    """Everything of a signal that its sender may see."""
    told = private_record(record, names)
    shown = private_orders(orders, names)
    signal, decision = record.signal, record.decision
    intent = (signal.intent if signal else None) or (decision.intent if decision else None)
    symbols = {each.instrument.key: instrument_in_words(each.instrument) for each in orders}
    return SenderSignalPage(
        **_line(record, orders, names),
        intent=intent,
        sentence=headline(told, shown),
        road=road(record.received_at, record.stages),
        legs=tuple(
            SenderLeg(**{name: getattr(leg, name) for name in SenderLeg.model_fields})
            for leg in (signal.legs if signal else ())
        ),
        warnings=signal.warnings if signal else (),
        quarantine=record.quarantine if record.status is SignalStatus.QUARANTINED else None,
        decision=decision_of(decision, names) if decision else None,
        orders=tuple(
            SenderOrder(
                ticker=instrument_in_words(each.instrument),
                **{name: getattr(each, name) for name in _ORDER},
            )
            for each in shown
        ),
        fills=tuple(
            SenderFill(
                ticker=symbols.get(each.instrument_key, ""),
                **{name: getattr(each, name) for name in _FILL},
            )
            for each in fills
        ),
    )


_ORDER: Final = ("side", "quantity", "filled_quantity", "avg_fill_price", "status", "text")
_FILL: Final = ("side", "quantity", "price", "commission", "occurred_at")


def sender_positions(
    positions: Iterable[Position], marks: Mapping[Place, Marks], now: datetime
) -> list[SenderPosition]:
    """Open positions by instrument, summed over accounts."""
    groups: dict[str, list[Position]] = {}
    for each in positions:
        if each.quantity:
            groups.setdefault(each.instrument.key, []).append(each)
    return [_position(group, marks, now) for _, group in sorted(groups.items())]


def _position(
    group: Sequence[Position], marks: Mapping[Place, Marks], now: datetime
) -> SenderPosition:
    instrument = group[0].instrument
    quantity = sum((each.quantity for each in group), ZERO)
    size = sum((abs(each.quantity) for each in group), ZERO)
    entry = sum((abs(each.quantity) * each.average_price for each in group), ZERO) / size
    found = [marks.get((each.account_id, instrument.key), Marks()) for each in group]
    priced = [(mark.last_on, mark.last) for mark in found if mark.last is not None]
    gains = [
        each.unrealized_pnl(mark.last)
        for each, mark in zip(group, found, strict=True)
        if mark.last is not None
    ]
    opened = [lot.opened_at for each in group for lot in each.lots if lot.opened_at is not None]
    opened_at = min(opened, default=None)
    price_on, price = max(priced, key=lambda each: str(each[0]), default=(None, None))
    return SenderPosition(
        ticker=instrument_in_words(instrument),
        instrument=instrument,
        side="LONG" if quantity > 0 else "SHORT" if quantity < 0 else "FLAT",
        quantity=quantity,
        entry_price=Decimal(plain(round(entry, 8))),
        current_price=price,
        price_on=price_on,
        unrealized_pnl=sum(gains, ZERO) if len(gains) == len(group) else None,
        realized_pnl=sum((each.realized_pnl for each in group), ZERO),
        currency=instrument.currency,
        opened_at=opened_at,
        days_held=(now - opened_at.astimezone(UTC)).days if opened_at else None,
    )


def sender_equity(strategy_id: str, rows: Sequence[Mapping[str, Any]]) -> SenderEquity:
    """The strategy's own curve."""
    ratios = [float(row["return"]) for row in rows if row.get("return") is not None]
    whole = len(ratios) == len(rows)
    levels, fallen = (index_of(ratios), drawdowns(ratios)) if whole else ([], [])
    total, shown = ZERO, []
    for place, row in enumerate(rows):
        total += row["pnl"]
        ratio = row.get("return")
        shown.append(
            EquityDay(
                date=row["date"],
                pnl=row["pnl"],
                cumulative_pnl=total,
                return_pct=percent(None if ratio is None else float(ratio)),
                growth=levels[place] if whole else None,
                drawdown_pct=percent(fallen[place]) if whole else None,
            )
        )
    return SenderEquity(
        strategy_id=strategy_id,
        currency=str(rows[-1].get("currency", _DOLLARS)) if rows else None,
        as_of=str(rows[-1]["date"]) if rows else None,
        rows=tuple(shown),
    )
