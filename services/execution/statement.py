"""An account's books beside the broker's figures of the last look, to be shown to a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from brokers.broker import BrokerPosition
from services.common.store import Document, Store, from_document
from services.domain.books import Position
from services.domain.comparison import Difference
from services.domain.signals import plain
from services.domain.values import ZERO, Exact, Frozen, Instant
from services.execution.reconcile import Cash


class Holding(Frozen):
    """One instrument of an account.

    Attributes:
        broker: by the broker's word at the last look; None = it was never asked.
        unrealized_pnl: of all positions, instrument currency; None = no price is known.
    """

    instrument_key: str
    symbol: str
    currency: str
    broker: Exact | None
    books: Exact
    positions: tuple[Position, ...]
    unrealized_pnl: Exact | None
    difference: Difference | None


class Statement(Frozen):
    """An account.

    Attributes:
        looked_at: when the broker was asked; None = never.
    """

    account_id: str
    looked_at: Instant | None
    holdings: tuple[Holding, ...]
    cash: Cash | None
    foreign_orders: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the broker was asked, and no difference is left."""
        differs = any(each.difference is not None for each in self.holdings)
        cash = self.cash is not None and self.cash.confirmed
        return self.looked_at is not None and not differs and not cash


def statement(store: Store, account_id: str) -> Statement:
    """The account as it stands in the store. Raises: PyMongoError."""
    row = store["reconciliations"].find_one({"_id": account_id}) or {}
    found = store["positions"].find({"account_id": account_id}).sort("_id", 1)
    ours = [from_document(Position, each) for each in found]
    looked_at = row.get("looked_at")
    theirs = [from_document(BrokerPosition, each) for each in row.get("positions", [])]
    differences = [from_document(Difference, each) for each in row.get("differences", [])]
    resting = store["foreign_orders"].find({"account_id": account_id, "status": "OPEN"})
    return Statement(
        account_id=account_id,
        looked_at=looked_at,
        holdings=_holdings(ours, theirs if looked_at else None, differences),
        cash=from_document(Cash, row["cash"]) if row.get("cash") else None,
        foreign_orders=tuple(_order_in_words(each) for each in resting.sort("_id", 1)),
    )


def _holdings(
    ours: list[Position], theirs: list[BrokerPosition] | None, differences: Iterable[Difference]
) -> tuple[Holding, ...]:
    told = {each.instrument.key: each for each in theirs or ()}
    differing = {each.instrument.key: each for each in differences}
    instruments = {each.instrument.key: each.instrument for each in (*ours, *(theirs or ()))}
    holdings = []
    for key, instrument in sorted(instruments.items()):
        positions = tuple(each for each in ours if each.instrument.key == key)
        broker = told.get(key)
        price = broker.market_price if broker else None
        unrealized = None
        if price is not None:
            unrealized = sum((each.unrealized_pnl(price) for each in positions), ZERO)
        holdings.append(
            Holding(
                instrument_key=key,
                symbol=instrument.symbol,
                currency=instrument.currency,
                broker=None if theirs is None else broker.quantity if broker else ZERO,
                books=sum((each.quantity for each in positions), ZERO),
                positions=positions,
                unrealized_pnl=unrealized,
                difference=differing.get(key),
            )
        )
    return tuple(holdings)


def _order_in_words(row: Document) -> str:
    terms = row["report"].get("terms") or {}
    quantity = f"{terms['quantity']:f} " if terms.get("quantity") else ""
    return f"{row['order_type']} {row['side']} {quantity}{row['instrument']['symbol']}"


def statement_in_words(shown: Statement, now: datetime) -> Iterable[str]:
    """One line for the account, and one for each thing in it."""
    if shown.looked_at is None:
        yield f"{shown.account_id}  the broker was not asked yet"
    else:
        age = (now - shown.looked_at).total_seconds()
        verdict = "broker and books agree" if shown.agrees else "broker and books differ"
        yield (
            f"{shown.account_id}  {verdict}, as of {shown.looked_at:%Y-%m-%d %H:%M:%S} UTC "
            f"({age:.0f} s ago)"
        )
    for holding in shown.holdings:
        yield from _holding_in_words(holding)
    if shown.cash is not None:
        yield f"  cash: {_cash_in_words(shown.cash)}"
    for order in shown.foreign_orders:
        yield f"  works at the broker, none of ours: {order}"


def _holding_in_words(holding: Holding) -> Iterable[str]:
    broker = "not asked" if holding.broker is None else f"{holding.broker:f}"
    line = f"  {holding.instrument_key}: broker {broker}, books {holding.books:f}"
    difference = holding.difference
    if difference is not None:
        state = "entries are stopped" if difference.confirmed else "looked at again in a moment"
        line += f", DIFFERS by {difference.gap:f} since {difference.since:%H:%M:%S} UTC: {state}"
    elif holding.broker is not None and holding.broker != holding.books:
        line += " (traded since the broker was asked; `reconcile` asks now)"
    if holding.unrealized_pnl is not None:
        line += f", unrealized {_money(holding.unrealized_pnl)} {holding.currency}"
    yield line
    for position in holding.positions:
        others = "".join(
            f" + {_money(paid)} {currency}"
            for currency, paid in sorted(position.other_commissions.items())
        )
        yield (
            f"    {position.strategy_id}: {position.quantity:f} at {_price(position.average_price)}"
            f", realized {_money(position.realized_pnl)}, commissions "
            f"{_money(position.commissions)}{others}"
        )


def _cash_in_words(cash: Cash) -> str:
    told = f"broker {_money(cash.broker)} {cash.currency}"
    if cash.expected is None:
        return f"{told}, {cash.note}"
    line = f"{told}, books {_money(cash.expected)}"
    return line if cash.since is None else f"{line}, DIFFERS by {_money(cash.gap)}"


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _price(price: Decimal) -> str:
    return plain(round(price, 6))
