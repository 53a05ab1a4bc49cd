"""A kill run as an operator reads it."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.store import Store, from_document
from services.domain.books import Position
from services.domain.kills import (
    AccountKill,
    ClosingOutcome,
    KillRun,
    KillStage,
    OrderOutcome,
    RunState,
    unreached,
)
from services.domain.risk import scope_key, scopes_of
from services.domain.signals import plain
from services.domain.words import OrderStatus, Scope


def report(run: KillRun) -> Iterator[str]:
    """A run, every account of it, and what the broker said in the end."""
    yield f"{run.run_id}: {run.in_words}, by {run.by}: {run.reason}"
    yield _outcome(run)
    for account in run.accounts:
        yield f"{account.account_id}: {account.state}, {_broker(run, account)}"
        yield from _details(account)


def line(run: KillRun) -> str:
    """A run on one line."""
    left = sum(len(each.remaining) for each in run.accounts)
    remains = f"  {left} remaining" if left else ""
    took = f"  {run.took_seconds:.1f} s" if run.took_seconds is not None else ""
    when = f"{run.requested_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{run.run_id}  {run.state:<10}  {when}  {run.in_words}  by {run.by}{took}{remains}"


def _outcome(run: KillRun) -> str:
    if run.state is RunState.DONE and run.stage is not KillStage.REDUCE:
        return f"DONE: proven {run.took_seconds or 0:.1f} s after the request"
    if run.state is RunState.INCOMPLETE:
        return "INCOMPLETE: not proven in time; execution goes on working on it"
    return f"{run.state}: {run.why}" if run.why else str(run.state)


def _broker(run: KillRun, account: AccountKill) -> str:
    if account.orders_left is None or account.broker_asked_at is None:
        return unreached(account, run.requested_at)
    held = ""
    if run.stage is KillStage.FLATTEN:
        whose = " of its books" if run.scope is Scope.STRATEGY else ""
        held = f", positions = {account.positions_left}{whose}"
    when = f"{account.broker_asked_at:%H:%M:%S} UTC"
    return f"the broker says orders = {account.orders_left}{held}, as of {when}"


def _details(account: AccountKill) -> Iterator[str]:
    for order in account.orders:
        yield f"  {_became(order):<9} {_in_words(order)}"
    for closing in account.closings:
        yield f"  {_closed(closing):<9} {_in_words(closing)}{_price(closing)}"
    if account.late_exits:
        yield f"  working   {account.late_exits} exits made since, which are left to work"
    for each in account.remaining:
        yield f"  REMAINS   {each.what}: {each.why}"
    for note in account.notes:
        yield f"  note      {note}"


def _became(order: OrderOutcome) -> str:
    return "filled" if order.status is OrderStatus.FILLED else order.status.lower()


def _closed(closing: ClosingOutcome) -> str:
    return "closed" if closing.status is OrderStatus.FILLED else closing.status.lower()


def _in_words(order: OrderOutcome) -> str:
    filled = ""
    if order.filled_quantity and order.filled_quantity != order.quantity:
        filled = f", {plain(order.filled_quantity)} of it filled"
    what = f"{order.side} {plain(order.quantity)} {order.symbol} of {order.strategy_id}"
    return f"{what}{filled} (order {order.client_order_id})"


def _price(closing: ClosingOutcome) -> str:
    return f" at {plain(closing.price)}" if closing.price else ""


def held(store: Store, scope: Scope, scope_id: str) -> Iterator[str]:
    """What our books hold of a scope, a line for each position, for the question before."""
    key = scope_key(scope, scope_id)
    for row in store["positions"].find({"open": True}):
        position = from_document(Position, row)
        scopes = scopes_of(
            account_id=position.account_id,
            strategy_id=position.strategy_id,
            instruments=(position.instrument,),
        )
        if key in scopes:
            side, quantity = position.closing_side, plain(abs(position.quantity))
            what = f"{side} {quantity} {position.instrument.symbol}"
            yield f"{position.account_id}: {what} of {position.strategy_id}"
