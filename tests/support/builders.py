"""Small builders of domain values: every test says only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.decision.exposure import FxUnknown, exposures, holdings_of, reserved
from services.decision.margin import Line, MarginRules
from services.domain.accounts import (
    AccountContext,
    AccountSnapshot,
    DecisionContext,
    MarketPrice,
    PreviewLeg,
    RiskLimits,
    Strategy,
    StrategyAccount,
)
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.lots import Lot
from services.domain.orders import Execution, Order, Reservation, client_order_id_for
from services.domain.risk import Control, EquityMarks, Fund, LimitSet
from services.domain.signals import Leg, Signal
from services.domain.words import (
    Environment,
    InstrumentType,
    Intent,
    OrderType,
    Scope,
    Side,
    TradingState,
)

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
STRATEGY = "SPX_1-D_Opt"
ACCOUNT = "Mock-1"


def make_instrument(symbol="AAPL", kind=InstrumentType.STOCK, **fields):
    return Instrument(instrument_type=kind, symbol=symbol, **fields)


def make_line(quantity, price, symbol="AAPL", *, fx_rate="1", **fields):
    amounts = [Decimal(each) for each in (quantity, price, fx_rate)]
    return Line(make_instrument(symbol, **fields), *amounts)


def make_leg(symbol="AAPL", quantity="10", price="150", side=Side.BUY, **fields):
    fields.setdefault("instrument", make_instrument(symbol))
    fields.setdefault("leg_index", 0)
    return Leg(
        side=side,
        quantity=None if quantity is None else Decimal(quantity),
        reference_price=Decimal(price) if price is not None else None,
        **fields,
    )


def make_signal(*legs, intent=Intent.ENTRY, sender_equity="500000", **fields):
    fields.setdefault("signal_id", "sig_1")
    fields.setdefault("received_at", NOW)
    return Signal(
        strategy_id=STRATEGY,
        intent=intent,
        legs=legs or (make_leg(),),
        sender_equity=Decimal(sender_equity) if sender_equity is not None else None,
        **fields,
    )


def make_account(equity="1000000", age_seconds=1, **fields):
    fields.setdefault("available_funds", Decimal(equity) if equity is not None else None)
    fields.setdefault("account_id", ACCOUNT)
    return AccountSnapshot(
        broker="MOCK",
        equity=Decimal(equity) if equity is not None else None,
        as_of=None if age_seconds is None else NOW - timedelta(seconds=age_seconds),
        **fields,
    )


def make_position(quantity="18", price="150", symbol="AAPL", **fields):
    fields.setdefault("strategy_id", STRATEGY)
    fields.setdefault("account_id", ACCOUNT)
    fields.setdefault("instrument", make_instrument(symbol))
    return Position(quantity=Decimal(quantity), average_price=Decimal(price), **fields)


def make_lot(entry="sig_entry", quantity="10", sender="10", **fields):
    return Lot(
        entry_signal_id=entry,
        quantity=Decimal(quantity),
        sender_quantity=None if sender is None else Decimal(sender),
        **fields,
    )


def make_reservation(capital="0", quantity="1", symbol="AAPL", **fields):
    fields.setdefault("client_order_id", "MTRESERVED")
    fields.setdefault("strategy_id", STRATEGY)
    return Reservation(
        account_id=ACCOUNT,
        instrument_key=make_instrument(symbol).key,
        capital=Decimal(capital),
        quantity=Decimal(quantity),
        **fields,
    )


def make_market_price(price="150.25", age_seconds=1, **fields):
    moment = NOW - timedelta(seconds=age_seconds)
    known = {"wanted_at": moment, "answered_at": moment, "as_of": moment}
    return MarketPrice(**{**known, "price": Decimal(price) if price else None, **fields})


def make_account_context(
    account=None, ratio="0.8935793382849425", positions=(), reservations=(), **fields
):
    """`positions` and `reservations` of every strategy, as the store has them."""
    account = account or make_account()
    try:
        holdings = holdings_of(account, positions, MarginRules()) + reserved(reservations)
    except FxUnknown as error:
        holdings = []
        fields.setdefault("unknown", str(error))
    keys = {key for each in holdings for key in each.scopes}
    return AccountContext(
        account=account,
        allocation_ratio=Decimal(ratio) if ratio is not None else None,
        positions=tuple(each for each in positions if each.strategy_id == STRATEGY),
        reservations=tuple(each for each in reservations if each.strategy_id == STRATEGY),
        exposures=exposures(holdings, keys),
        reserved_margin=sum((each.margin for each in reservations), Decimal(0)),
        **fields,
    )


def make_context(*accounts, limits=None, strategy=None, state=TradingState.ACTIVE, **fields):
    accounts = accounts or (make_account_context(),)
    return DecisionContext(
        now=NOW,
        controls=(make_control(trading_state=state), *fields.pop("controls", ())),
        strategy=strategy or make_strategy(*[each.account.account_id for each in accounts]),
        accounts=accounts,
        limits=limits or make_limits(),
        **fields,
    )


def make_strategy(*account_ids, **fields):
    """Each account by its id, or by id and weight."""
    rows = [each if isinstance(each, tuple) else (each, "1") for each in account_ids]
    accounts = tuple(StrategyAccount(account_id=name, weight_ratio=weight) for name, weight in rows)
    return Strategy(strategy_id=STRATEGY, accounts=accounts, **fields)


def make_preview_leg(quantity="10", side=Side.BUY, instrument=None):
    return PreviewLeg(
        instrument=instrument or make_instrument(), side=side, quantity=Decimal(quantity)
    )


def make_fund(equity="1000000", age_seconds=1, **fields):
    return Fund(
        currency="USD",
        equity=Decimal(equity) if equity is not None else None,
        as_of=NOW - timedelta(seconds=age_seconds),
        **fields,
    )


def make_marks(start="1000000", low=None, last=None, peak=None, **fields):
    low = low or start
    return EquityMarks(
        day=f"{NOW:%Y-%m-%d}",
        day_start=Decimal(start),
        day_low=Decimal(low),
        last=Decimal(last or low),
        peak=Decimal(peak or start),
        **fields,
    )


def make_limit_set(scope=Scope.ACCOUNT, scope_id="*", **fields):
    return LimitSet(scope=scope, scope_id=scope_id, **fields)


def make_limits(position="1", broker="10", age="60"):
    return RiskLimits(
        max_position_ratio=Decimal(position),
        max_broker_allocation_ratio=Decimal(broker),
        account_max_age_seconds=Decimal(age),
    )


def make_order(quantity="17", side=Side.BUY, intent=Intent.ENTRY, symbol="AAPL", **fields):
    fields.setdefault("signal_id", "sig_1")
    fields.setdefault("account_id", ACCOUNT)
    fields.setdefault("order_type", OrderType.MARKET)
    return Order(
        client_order_id=client_order_id_for(fields["signal_id"], 0, fields["account_id"], 1),
        strategy_id=STRATEGY,
        leg_index=0,
        intent=intent,
        instrument=make_instrument(symbol),
        side=side,
        quantity=Decimal(quantity),
        reference_price=Decimal("150"),
        environment=Environment.STAGING,
        **fields,
    )


def make_control(scope=Scope.GLOBAL, scope_id="", **fields):
    return Control(scope=scope, scope_id=scope_id, **fields)


def make_execution(quantity="17", price="150", side=Side.BUY, execution_id="X1", **fields):
    order = fields.pop("order", None) or make_order()
    return Execution(
        execution_id=execution_id,
        client_order_id=order.client_order_id,
        instrument=order.instrument,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        occurred_at=fields.pop("occurred_at", NOW),
        **fields,
    )
