"""What one strategy did on one day (UTC), and sums of such days. Pure.

A row is made anew from the documents of its day, so that making it twice, late, or after a
correction leaves what a first look at everything would. A signal counts on the day it came, with
what has become of it since; a fill counts on the day it happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import Field

from services.domain.performance import Trades
from services.domain.values import ZERO, Exact, Frozen, Instant
from services.domain.words import Outcome, Side, SignalStatus

#: Upper ends of the buckets of a lag, milliseconds; what took longer is in one more.
LAG_BOUNDS_MS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
    *(1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 1.8e6, 1.44e7),
)
#: Name of a lag, and the two stages that it is between.
LAGS: Final = {
    "decision": ("received_at", "decided_at"),
    "order": ("decided_at", "submitted_at"),
    "fill": ("submitted_at", "first_fill_at"),
    "signal_to_fill": ("received_at", "first_fill_at"),
}
#: Name of what a broker refused, among the codes of what we did.
BROKER_REJECTED: Final = "REJECTED_BY_BROKER"
_COUNTED: Final = {
    SignalStatus.REJECTED: "rejected",
    SignalStatus.EXPIRED: "expired",
    SignalStatus.CANCELED: "canceled",
    SignalStatus.QUARANTINED: "quarantined",
    SignalStatus.DENIED: "denied",
    SignalStatus.COMPLETED: "completed",
}
_APPROVED: Final = {Outcome.APPROVED: "approved", Outcome.RESIZED: "resized"}


class Money(Frozen):
    """Fills in one currency.

    Attributes:
        realized_pnl: gross of commissions.
        won, lost: orders whose fills of the day closed with a gain, or a loss.
        gross_won, gross_lost: how much these came to; both 0 or above.
        openings: orders that opened or added to something, `opened` is their notional.
    """

    realized_pnl: Exact = ZERO
    commissions: Exact = ZERO
    won: int = 0
    lost: int = 0
    gross_won: Exact = ZERO
    gross_lost: Exact = ZERO
    openings: int = 0
    opened: Exact = ZERO

    def plus(self, **more: Any) -> Money:  # noqa: ANN401 - counts and amounts
        """With these added."""
        return self.model_copy(update={name: getattr(self, name) + more[name] for name in more})

    @property
    def trades(self) -> Trades:
        """The closed ones."""
        return Trades(self.won, self.lost, self.gross_won, self.gross_lost)


class Moved(Frozen):
    """What the fills of the day did with one instrument in one account.

    Attributes:
        quantity: signed.
        cash: received, less paid, commissions aside; in the instrument's currency.
        commissions: paid, by currency.
    """

    account_id: str
    instrument_key: str
    quantity: Exact
    cash: Exact
    commissions: dict[str, Exact]


class Tally(Frozen):
    """Counts and sums of signals and fills.

    Attributes:
        received: signals that came; each of them is exactly one of denied, quarantined, rejected,
            expired, canceled, completed and open.
        approved, resized: by Cerebro, whatever became of them.
        filled: signals with a fill.
        refused_by: of those denied, expired, quarantined and rejected, by code.
        fills: executions that count.
        money: by currency.
        lags: by name, how many signals took so long; buckets `LAG_BOUNDS_MS`.
    """

    received: int = 0
    approved: int = 0
    resized: int = 0
    denied: int = 0
    quarantined: int = 0
    rejected: int = 0
    expired: int = 0
    canceled: int = 0
    completed: int = 0
    open: int = 0
    filled: int = 0
    refused_by: dict[str, int] = Field(default_factory=dict)
    fills: int = 0
    money: dict[str, Money] = Field(default_factory=dict)
    lags: dict[str, tuple[int, ...]] = Field(default_factory=dict)


_COUNTS: Final = tuple(
    name for name, field in Tally.model_fields.items() if field.annotation is int
)


class StrategyDay(Tally):
    """One row of `strategy_days`.

    Attributes:
        moved: by account and instrument, in the order of their ids.
        last_signal_at: newest arrival of the day.
    """

    strategy_id: str
    date: str
    moved: tuple[Moved, ...] = ()
    last_signal_at: Instant | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not self.received and not self.fills


class StrategyMonth(Tally):
    """One row of `strategy_months`: the sum of the days of a month."""

    strategy_id: str
    month: str
    last_signal_at: Instant | None = None


class StrategyTotal(Tally):
    """One row of `strategy_totals`: the sum of all months.

    Attributes:
        last_signal_at: newest arrival of all.
    """

    strategy_id: str
    last_signal_at: Instant | None = None


class Traded(Frozen):
    """What of an instrument its fills do not say."""

    currency: str
    multiplier: Exact


def strategy_day(
    strategy_id: str,
    date: str,
    *,
    signals: Iterable[Mapping[str, Any]],
    fills: Iterable[Mapping[str, Any]],
    traded: Mapping[tuple[str, str], Traded],
) -> StrategyDay:
    """One day from its documents, in whatever order they come.

    Args:
        strategy_id: whose.
        date: ISO date.
        signals: rows of `signal_store` that came on the day.
        fills: rows of `execution_confirmations` of the day that count.
        traded: by account and instrument key; a fill of another is left out of all money.
    """
    day = _Day()
    for signal in signals:
        day.add_signal(signal)
    rows = sorted(fills, key=lambda fill: (fill["occurred_at"], fill["_id"]))
    return StrategyDay(
        strategy_id=strategy_id,
        date=date,
        **day.counts,
        refused_by=dict(sorted(day.refused_by.items())),
        lags={name: tuple(counts) for name, counts in sorted(day.lags.items())},
        last_signal_at=day.last_at,
        fills=len(rows),
        money=_money(rows, traded),
        moved=_moved(rows, traded),
    )


class _Day:
    """Counts while signals are gone through."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_COUNTS, 0)
        del self.counts["fills"]
        self.refused_by: dict[str, int] = {}
        self.lags: dict[str, list[int]] = {}
        self.last_at: datetime | None = None

    def add_signal(self, row: Mapping[str, Any]) -> None:
        status, stages = SignalStatus(row["status"]), row.get("stages") or {}
        decision = row.get("decision") or {}
        self.counts["received"] += 1
        self.counts[_COUNTED.get(status, "open")] += 1
        if (outcome := decision.get("outcome")) in _APPROVED:
            self.counts[_APPROVED[Outcome(outcome)]] += 1
        if stages.get("first_fill_at") is not None:
            self.counts["filled"] += 1
        if code := _refused_by(status, row, decision):
            self.refused_by[code] = self.refused_by.get(code, 0) + 1
        self._add_lags({**stages, "received_at": row["received_at"]})
        if self.last_at is None or row["received_at"] > self.last_at:
            self.last_at = row["received_at"]

    def _add_lags(self, stages: Mapping[str, datetime | None]) -> None:
        for name, (first, last) in LAGS.items():
            begin, end = stages.get(first), stages.get(last)
            if begin is not None and end is not None:
                counts = self.lags.setdefault(name, [0] * (len(LAG_BOUNDS_MS) + 1))
                # Brokers have clocks of their own: one that is behind ours took no time.
                counts[_bucket(max(0.0, (end - begin).total_seconds() * 1000))] += 1


def _bucket(milliseconds: float) -> int:
    for place, bound in enumerate(LAG_BOUNDS_MS):
        if milliseconds <= bound:
            return place
    return len(LAG_BOUNDS_MS)


def _refused_by(
    status: SignalStatus, row: Mapping[str, Any], decision: Mapping[str, Any]
) -> str | None:
    if status is SignalStatus.QUARANTINED:
        return str((row.get("quarantine") or {}).get("code") or status)
    if status is SignalStatus.REJECTED:
        return BROKER_REJECTED
    if decision.get("outcome") == Outcome.DENIED:
        return str(decision.get("code") or status)
    return str(status) if status in {SignalStatus.DENIED, SignalStatus.EXPIRED} else None


def _money(
    fills: Iterable[Mapping[str, Any]], traded: Mapping[tuple[str, str], Traded]
) -> dict[str, Money]:
    money: dict[str, Money] = {}
    gains: dict[tuple[str, str, str], Decimal] = {}
    openings: dict[tuple[str, str, str], Decimal] = {}

    def add(currency: str, **more: Decimal | int) -> None:
        money[currency] = money.get(currency, Money()).plus(**more)

    for fill in fills:
        key = (fill["account_id"], str(fill["instrument_key"]))
        if key not in traded:
            continue
        currency, multiplier = traded[key].currency, traded[key].multiplier
        add(currency, realized_pnl=fill["realized_pnl"])
        add(fill.get("commission_currency") or currency, commissions=fill["commission"])
        # All fills of one order in one instrument are one trade; of no order, each is its own.
        order = (currency, key[1], fill.get("client_order_id") or fill["_id"])
        if fill["realized_pnl"]:
            gains[order] = gains.get(order, ZERO) + fill["realized_pnl"]
        elif not fill.get("flat"):
            notional = fill["quantity"] * fill["price"] * multiplier
            openings[order] = openings.get(order, ZERO) + notional
    for (currency, _, _), gain in sorted(gains.items()):
        if gain > 0:
            add(currency, won=1, gross_won=gain)
        elif gain < 0:
            add(currency, lost=1, gross_lost=-gain)
    for (currency, _, _), notional in sorted(openings.items()):
        add(currency, openings=1, opened=notional)
    return dict(sorted(money.items()))


def _moved(
    fills: Iterable[Mapping[str, Any]], traded: Mapping[tuple[str, str], Traded]
) -> tuple[Moved, ...]:
    found: dict[tuple[str, str], tuple[Decimal, Decimal, dict[str, Decimal]]] = {}
    for fill in fills:
        key = (fill["account_id"], str(fill["instrument_key"]))
        if key not in traded:
            continue
        quantity, cash, paid = found.get(key, (ZERO, ZERO, {}))
        signed = fill["quantity"] * Side(fill["side"]).sign
        currency = fill.get("commission_currency") or traded[key].currency
        if fill["commission"]:
            paid = {**paid, currency: paid.get(currency, ZERO) + fill["commission"]}
        cash -= signed * fill["price"] * traded[key].multiplier
        found[key] = (quantity + signed, cash, paid)
    return tuple(
        Moved(account_id=key[0], instrument_key=key[1], quantity=q, cash=cash, commissions=paid)
        for key, (q, cash, paid) in sorted(found.items())
    )


def summed(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    counts = dict.fromkeys(_COUNTS, 0)
    refused_by: dict[str, int] = {}
    money: dict[str, Money] = {}
    lags: dict[str, tuple[int, ...]] = {}
    for each in tallies:
        for name in _COUNTS:
            counts[name] += getattr(each, name)
        for code, count in each.refused_by.items():
            refused_by[code] = refused_by.get(code, 0) + count
        for currency, amounts in each.money.items():
            money[currency] = money.get(currency, Money()).plus(**amounts.model_dump())
        for name, buckets in each.lags.items():
            before = lags.get(name, (0,) * len(buckets))
            lags[name] = tuple(a + b for a, b in zip(before, buckets, strict=True))
    return Tally(
        **counts,
        refused_by=dict(sorted(refused_by.items())),
        money=dict(sorted(money.items())),
        lags=dict(sorted(lags.items())),
    )


def strategy_month(strategy_id: str, month: str, days: Iterable[StrategyDay]) -> StrategyMonth:
    """The sum of a month's days."""
    rows = list(days)
    return StrategyMonth(
        strategy_id=strategy_id,
        month=month,
        last_signal_at=_newest(rows),
        **dict(summed(rows)),
    )


def strategy_total(strategy_id: str, months: Iterable[StrategyMonth]) -> StrategyTotal:
    """The sum of all months."""
    rows = list(months)
    return StrategyTotal(
        strategy_id=strategy_id, last_signal_at=_newest(rows), **dict(summed(rows))
    )


def _newest(rows: Iterable[StrategyDay | StrategyMonth]) -> datetime | None:
    return max((row.last_signal_at for row in rows if row.last_signal_at), default=None)
