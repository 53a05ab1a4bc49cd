"""A signal's road and its one sentence in plain English. Pure: stored values in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from services.dashboard_creator.models import OrderView, SignalRecord, Stage
from services.domain.instruments import Instrument
from services.domain.signals import Leg, Signal, plain
from services.domain.values import ZERO
from services.domain.words import Intent, OrderRole, OrderStatus, Outcome, Side, SignalStatus

#: Stage names in the order of the road, with the time of `signal_store.stages` that marks each.
STAGES = (
    ("RECEIVED", "received_at"),
    ("STANDARDIZED", "standardized_at"),
    ("DECIDED", "decided_at"),
    ("SUBMITTED", "submitted_at"),
    ("FIRST_FILL", "first_fill_at"),
    ("COMPLETED", "completed_at"),
)
#: Whose work it is that ends in a stage.
_WORK = {
    "STANDARDIZED": "ingestion, which reads what the sender wrote",
    "DECIDED": "Cerebro, which sizes it and checks every limit",
    "SUBMITTED": "execution, which writes the order down and sends it",
    "FIRST_FILL": "the broker's first fill",
    "COMPLETED": "the rest of the fills",
}
_ASKED = {
    None: "asked to",
    Intent.ENTRY: "asked to",
    Intent.EXIT: "asked to exit with",
    Intent.SCALE_IN: "asked to add with",
    Intent.SCALE_OUT: "asked to reduce with",
    Intent.CANCEL: "asked to cancel",
}
_DONE = {Side.BUY: "bought", Side.SELL: "sold"}


class Trade(NamedTuple):
    """What the orders of one leg have come to in one account."""

    account_id: str
    instrument: Instrument
    side: Side
    wanted: Decimal
    filled: Decimal
    price: Decimal | None


def road(
    received_at: datetime,
    stages: Mapping[str, datetime | None],
    waited: Mapping[str, str] | None = None,
) -> tuple[Stage, ...]:
    """The stages that a signal has passed, in the order of time.

    A stage before the arrival or out of order is shown as it is stored: brokers have clocks of
    their own.

    Args:
        received_at: when it arrived.
        stages: as they are stored.
        waited: by stage, what else it waited for on the way to it.
    """
    times = {**stages, "received_at": stages.get("received_at") or received_at}
    passed = [(name, at) for name, field in STAGES if (at := times.get(field)) is not None]
    passed.sort(key=lambda stage: stage[1])
    found: list[Stage] = []
    for name, at in passed:
        found.append(
            Stage(
                name=name,
                at=at,
                since_arrival_ms=_milliseconds(at - received_at),
                since_previous_ms=_milliseconds(at - found[-1].at) if found else None,
                waited_for=_waited(name, found, waited or {}),
            )
        )
    return tuple(found)


def _waited(name: str, before: Sequence[Stage], waited: Mapping[str, str]) -> str:
    if not before:
        return ""
    if name == "COMPLETED" and before[-1].name == "DECIDED":
        return "nothing: the decision was its end"
    work = _WORK.get(name, "")
    return f"{work}; before that {waited[name]}" if name in waited else work


def headline(record: SignalRecord, orders: Sequence[OrderView]) -> str:
    """What was asked, what became of it, and how long it took, in one sentence."""
    if record.quarantine is not None:
        why = _coded(record.quarantine.sentence, record.quarantine.code)
        return f"{record.strategy_id} sent a signal that cannot be read: {why}"
    asked = f"{record.strategy_id} {_asked(record)}"
    # Guards and the parts of an algo are not what was asked for: their legs stand for them.
    legs = [order for order in orders if order.role is OrderRole.LEG]
    return f"{asked}; {_answer(record, legs)}"


def trades(orders: Sequence[OrderView]) -> list[Trade]:
    """Orders added up by account, instrument and side; the price is volume-weighted."""
    groups: dict[tuple[str, str, Side], list[OrderView]] = {}
    for order in orders:
        key = (order.account_id, order.instrument.key, order.side)
        groups.setdefault(key, []).append(order)
    return [_trade(group) for _, group in sorted(groups.items())]


def in_words(span: timedelta) -> str:
    """A span of time as people say it: `14 ms`, `2.1 s`, `3 min`, `2 h 5 min`."""
    seconds = span.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def instrument_in_words(instrument: Instrument) -> str:
    """Symbol, and for derivatives what tells it from its siblings: `SPX 2025-12-19 5000 C`."""
    parts = [instrument.symbol, instrument.expiry, instrument.strike, instrument.right]
    return " ".join(
        plain(part) if isinstance(part, Decimal) else str(part)
        for part in parts
        if part is not None
    )


def grouped(number: Decimal) -> str:
    """Exactly, without zeros that say nothing, and with thousands apart: `90,000.5`."""
    return f"{Decimal(plain(number)):,f}"


def _asked(record: SignalRecord) -> str:
    signal = record.signal
    if signal is None:
        return "sent a signal"
    inferred = record.decision.intent if record.decision else None
    legs = _listed([_leg(leg) for leg in signal.legs])
    return f"{_ASKED[signal.intent or inferred]} {legs}{_account_of(signal)}"


def _account_of(signal: Signal) -> str:
    equity = signal.sender_equity
    return "" if equity is None else f" for a {grouped(equity)} account"


def _answer(record: SignalRecord, orders: Sequence[OrderView]) -> str:
    done = [trade for trade in trades(orders) if trade.filled]
    if not done:
        return _without_trade(record, orders)
    several = len({trade.instrument.key for trade in done}) > 1
    text = "we " + _listed([_trade_in_words(trade, several=several) for trade in done])
    first_fill_at = record.stages.get("first_fill_at")
    if first_fill_at is not None:
        which = ", the first fill " if len(done) > 1 else ", "
        text += f"{which}{in_words(first_fill_at - record.received_at)} after it arrived"
    rest = _rest(orders)
    return f"{text}; {rest}" if rest else text


def _without_trade(record: SignalRecord, orders: Sequence[OrderView]) -> str:
    decision = record.decision
    if decision is None:
        return "it has not been decided yet"
    if decision.outcome is Outcome.DENIED:
        return f"we denied it: {_coded(decision.reason, decision.code)}"
    if orders:
        return _rest(orders) or "nothing has been traded yet"
    if decision.cancels:
        return f"we asked the broker to cancel {_count(len(decision.cancels), 'order')}"
    if record.status is SignalStatus.COMPLETED:
        return (
            f"there was nothing to do: {decision.reason}" if decision.reason else "nothing was due"
        )
    return "no order has been made yet"


def _rest(orders: Sequence[OrderView]) -> str:
    """What became of the orders, or parts of orders, that have not filled."""
    unknown = [order for order in orders if order.status is OrderStatus.UNKNOWN]
    working = [order for order in orders if order.working and order not in unknown]
    said = []
    if unknown:
        where = _listed(sorted({order.account_id for order in unknown}))
        said.append(
            f"the outcome of {_count(len(unknown), 'order')} in {where} is not known, "
            "and the broker is being asked"
        )
    said += [f"we are working to {_open(order)}" for order in working]
    said += [
        _ended(order)
        for order in orders
        if not order.working and order.status is not OrderStatus.FILLED
    ]
    return "; ".join(said)


def _open(order: OrderView) -> str:
    what = f"{order.side} {grouped(order.leaves_quantity)} {instrument_in_words(order.instrument)}"
    more = " more" if order.filled_quantity else ""
    return f"{what}{more} in {order.account_id} ({order.status})"


def _ended(order: OrderView) -> str:
    what = f"{order.side} {grouped(order.leaves_quantity)} {instrument_in_words(order.instrument)}"
    who = {
        OrderStatus.REJECTED: f"{order.account_id}'s broker rejected {what}",
        OrderStatus.DENIED: f"we denied {what} in {order.account_id} before sending",
        OrderStatus.CANCELED: f"{what} in {order.account_id} was canceled",
        OrderStatus.EXPIRED: f"{what} in {order.account_id} expired",
    }
    text = who.get(order.status, f"{what} in {order.account_id} is {order.status}")
    return f"{text}: {order.text}" if order.text else text


def _trade(orders: Sequence[OrderView]) -> Trade:
    filled = sum((order.filled_quantity for order in orders), ZERO)
    priced = [order for order in orders if order.avg_fill_price is not None]
    price = None
    if filled and len(priced) == len([order for order in orders if order.filled_quantity]):
        money = sum(
            (order.filled_quantity * (order.avg_fill_price or ZERO) for order in priced), ZERO
        )
        price = money / filled
    first = orders[0]
    wanted = sum((order.quantity for order in orders), ZERO)
    return Trade(first.account_id, first.instrument, first.side, wanted, filled, price)


def _trade_in_words(trade: Trade, *, several: bool) -> str:
    part = f" of {grouped(trade.wanted)}" if trade.filled < trade.wanted else ""
    what = f" {instrument_in_words(trade.instrument)}" if several else ""
    at = "" if trade.price is None else f" at {grouped(round(trade.price, 6))}"
    return f"{_DONE[trade.side]} {grouped(trade.filled)}{part}{what} in {trade.account_id}{at}"


def _leg(leg: Leg) -> str:
    how_many = grouped(leg.quantity) if leg.quantity else "all"
    return f"{leg.side or 'close'} {how_many} {instrument_in_words(leg.instrument)}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _coded(sentence: str, code: str) -> str:
    return f"{sentence} ({code})" if code else sentence


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _milliseconds(span: timedelta) -> float:
    return span / timedelta(milliseconds=1)
