"""Rows of kill runs: stored orders as values, and the orders that close positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from services.common.orders import order_document
from services.common.store import Document, from_document, to_document
from services.domain.books import position_id
from services.domain.kills import KillRun
from services.domain.orders import Order, Reservation, child_order_id_for
from services.domain.words import (
    Environment,
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from services.execution.kill_views import Close, OrderRow


def order_rows(found: Iterable[Document]) -> list[OrderRow]:
    """Stored orders, by their ids."""
    return sorted((_row(each) for each in found), key=lambda row: row.order_id)


def _row(document: Document) -> OrderRow:
    return OrderRow(
        order=from_document(Order, document["order"]),
        status=OrderStatus(document["status"]),
        filled_quantity=document["filled_quantity"],
        avg_fill_price=document["avg_fill_price"],
        text=document.get("text", ""),
        asked_to_cancel=document.get("cancel_requested_at") is not None,
    )


def outcome(row: OrderRow) -> Document:
    """Fields of an `OrderOutcome`."""
    order = row.order
    return {
        "client_order_id": row.order_id,
        "strategy_id": order.strategy_id,
        "symbol": order.instrument.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "filled_quantity": row.filled_quantity,
        "status": row.status,
        "text": row.text,
    }


def closing_documents(
    orders: Sequence[Order], *, at: datetime
) -> tuple[list[Document], list[Document]]:
    """New closing orders as they are stored, and what they hold of their positions.

    Whoever decides on exits of the same positions counts the latter.
    """
    held = [Reservation.of(order) for order in orders]
    rows = [
        order_document(order, at=at, reservation=each)
        for order, each in zip(orders, held, strict=True)
    ]
    return rows, [{"_id": each.client_order_id, **to_document(each)} for each in held]


def closing_order(
    run: KillRun, account_id: str, close: Close, *, price: Decimal | None = None
) -> Order:
    """The order that closes a position; a repeat has the same id, and collides.

    Args:
        run: what it is made for.
        account_id: where.
        close: what it closes.
        price: where the broker says that the market is; None = it does not say.
    """
    instrument = close.instrument
    parent = f"{run.run_id}|{position_id(close.strategy_id, account_id, instrument)}"
    return Order(
        client_order_id=child_order_id_for(parent, OrderRole.FLATTEN, close.number),
        signal_id=run.run_id,
        strategy_id=close.strategy_id,
        account_id=account_id,
        leg_index=0,
        intent=Intent.EXIT,
        instrument=instrument,
        side=close.side,
        quantity=close.quantity,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        reference_price=price if price and price > 0 else None,
        environment=Environment.PRODUCTION,
        role=OrderRole.FLATTEN,
    )
