"""The last gate: entries need everything to be right, exits only something to close."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.books import Position
from services.domain.risk import LimitSet, RiskLock
from services.domain.words import (
    Intent,
    LockRule,
    OrderRole,
    OrderStatus,
    OrderType,
    Override,
    Scope,
    Side,
    TradingState,
)
from services.execution.gate import Seen, Working, judge
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_control,
    make_instrument,
    make_order,
)

ENTRY, EXIT = make_order(), make_order(intent=Intent.EXIT, side=Side.SELL)


HELD = Position(
    strategy_id=STRATEGY, account_id=ACCOUNT, instrument=make_instrument(), quantity=Decimal(100)
)


def look(order, *controls, position=HELD, **fields):
    seen = Seen(
        now=NOW, controls=controls, locks=(), limits=(), positions={}, working=(), currency="USD"
    )
    return judge(order, seen._replace(**fields), position=position)


def said(order, *controls, **more):
    return look(order, *controls, **more).code or None


def working(order, status=OrderStatus.SUBMITTED, left=None):
    return Working(order, status, order.quantity if left is None else Decimal(left))


def test_the_gate_lets_exits_through_when_reducing():
    control = make_control(trading_state=TradingState.REDUCING)
    assert said(ENTRY, control) == "TRADING_REDUCING"
    assert said(EXIT, control) is None


def test_the_gate_stops_exits_too_when_halted():
    assert said(EXIT, make_control(trading_state=TradingState.HALTED)) == "TRADING_HALTED"


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [
        (Scope.GLOBAL, ""),
        (Scope.ACCOUNT, ACCOUNT),
        (Scope.STRATEGY, STRATEGY),
        (Scope.INSTRUMENT, "AAPL"),
        (Scope.INSTRUMENT, "STOCK:AAPL:USD"),
        (Scope.ASSET_CLASS, "STOCK"),
    ],
)
def test_the_gate_honors_every_scope_of_an_order(scope, scope_id):
    control = make_control(scope, scope_id, trading_state=TradingState.HALTED)
    assert said(ENTRY, control) == "TRADING_HALTED"


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [
        (Scope.ACCOUNT, "Mock-2"),
        (Scope.STRATEGY, "Forex"),
        (Scope.INSTRUMENT, "MSFT"),
        (Scope.ASSET_CLASS, "FUTURE"),
    ],
)
def test_the_gate_ignores_what_others_are_halted_for(scope, scope_id):
    control = make_control(scope, scope_id, trading_state=TradingState.HALTED)
    assert said(ENTRY, control) is None


def test_an_override_stops_entries_when_the_switch_is_released():
    control = make_control(override=Override.REDUCE_ONLY)
    assert (said(ENTRY, control), said(EXIT, control)) == ("TRADING_REDUCING", None)


def test_the_gate_names_scope_person_and_reason():
    control = make_control(
        Scope.ACCOUNT,
        ACCOUNT,
        trading_state=TradingState.HALTED,
        set_by="olga",
        reason="margin call",
    )
    refusal = look(ENTRY, make_control(), control)
    wanted = "trading is HALTED for account Mock-1, set by olga: margin call"
    assert refusal.sentence == wanted


def test_the_gate_stops_what_has_expired():
    assert said(make_order(expires_at=NOW.replace(hour=1)), make_control()) == "SIGNAL_EXPIRED"


def other(quantity="10", side=Side.SELL, **fields):
    fields.setdefault("signal_id", "sig_other")
    fields.setdefault("intent", Intent.EXIT)
    return make_order(quantity, side=side, **fields)


def test_a_person_flattens_where_everything_is_halted():
    halted = make_control(trading_state=TradingState.HALTED)
    flatten = make_order(intent=Intent.EXIT, side=Side.SELL, role=OrderRole.FLATTEN)
    assert said(flatten, halted) is None


def test_an_exit_is_cut_to_what_is_held():
    held = HELD.model_copy(update={"quantity": Decimal(5)})
    verdict = look(EXIT, position=held)  # 17 of 5
    assert (verdict.code, verdict.order.quantity) == ("", Decimal(5))


def test_an_exit_of_nothing_is_refused():
    assert said(EXIT, position=None) == "NOTHING_TO_CLOSE"
    short = HELD.model_copy(update={"quantity": Decimal(-100)})
    assert said(EXIT, position=short) == "NOTHING_TO_CLOSE"
    # Where the other way round is held, a person has to know.
    assert look(EXIT, position=None).is_closed
    assert not look(EXIT, position=short).is_closed


@pytest.mark.parametrize(
    ("status", "leaves"),
    [(OrderStatus.SUBMITTED, 10), (OrderStatus.UNKNOWN, 10), (OrderStatus.PENDING, 17)],
)
def test_an_exit_leaves_alone_what_another_closes_already(status, leaves):
    # 100 held, 90 on their way out; what has not left does not count yet
    beside = working(other("90"), status)
    assert look(EXIT, working=(beside,)).order.quantity == leaves


@given(
    held=st.integers(-50, 50),
    asked=st.integers(1, 60),
    beside=st.lists(st.integers(1, 40), max_size=3),
    side=st.sampled_from(list(Side)),
)
def test_exits_together_never_turn_a_position_round(held, asked, beside, side):
    position = HELD.model_copy(update={"quantity": Decimal(held)})
    exits = tuple(working(other(str(n), side, signal_id=f"s{n}-{i}")) for i, n in enumerate(beside))
    verdict = look(
        make_order(str(asked), side=side, intent=Intent.EXIT), position=position, working=exits
    )
    if not verdict.code:
        closing = verdict.order.quantity + sum(n for n in beside)
        assert verdict.order.quantity <= asked
        assert closing <= abs(held)
        assert held * side.sign < 0


def guard(quantity="10", role=OrderRole.STOP_LOSS, **fields):
    return other(quantity, role=role, signal_id=f"guard-{role}", **fields)


def test_an_exit_waits_for_guards_that_would_close_the_same():
    guards = tuple(
        working(guard("100", role)) for role in (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)
    )
    verdict = look(EXIT, working=guards)
    assert (verdict.code, verdict.waits) == ("GUARDS_WORKING", True)
    # 17 of 100 and guards over 83: of each pair only one fills
    cut = tuple(working(guard("83", role)) for role in (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT))
    assert said(EXIT, working=cut) is None


def test_a_guard_does_not_wait_for_its_pair():
    assert said(guard("100"), working=(working(guard("100", OrderRole.TAKE_PROFIT)),)) is None


def test_entries_wait_until_the_account_is_reconciled_and_exits_do_not():
    why = "its books were not compared for 10 minutes"
    verdict = look(ENTRY, entries_stopped=why)
    assert (verdict.code, verdict.waits) == ("ACCOUNT_NOT_RECONCILED", True)
    assert said(EXIT, entries_stopped=why) is None


def test_a_lock_stops_entries_of_its_scope_only():
    lock = RiskLock(
        scope=Scope.STRATEGY,
        scope_id=STRATEGY,
        rule=LockRule.REPEATED_EXECUTION,
        sentence="60 orders within 60 s",
        locked_at=NOW,
    )
    assert said(ENTRY, locks=(lock,)) == "ENTRIES_LOCKED"
    assert said(EXIT, locks=(lock,)) is None
    elsewhere = lock.model_copy(update={"scope_id": "Forex"})
    assert said(ENTRY, locks=(elsewhere,)) is None


def test_books_that_differ_stop_entries_of_the_instrument_in_that_account_only():
    lock = RiskLock(
        scope=Scope.INSTRUMENT,
        scope_id=ENTRY.instrument.key,
        account_id=ENTRY.account_id,
        rule=LockRule.POSITION_MISMATCH,
        sentence="the broker holds 9, our books say 4",
        locked_at=NOW,
    )
    assert said(ENTRY, locks=(lock,)) == "ENTRIES_LOCKED"
    assert said(EXIT, locks=(lock,)) is None
    assert said(ENTRY, locks=(lock.model_copy(update={"account_id": "other"}),)) is None


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"max_order_quantity": Decimal(17)}, None),
        ({"max_order_quantity": Decimal(16)}, "ORDER_TOO_LARGE"),
        ({"max_order_notional": Decimal(2550)}, None),  # 17 × 150
        ({"max_order_notional": Decimal("2549.99")}, "ORDER_TOO_LARGE"),
    ],
)
def test_fat_fingers_are_looked_at_once_more(limit, code):
    limits = (LimitSet(scope=Scope.ACCOUNT, scope_id=ACCOUNT, **limit),)
    assert said(ENTRY, limits=limits) == code
    assert said(EXIT, limits=limits) is None


def test_an_unknown_order_holds_up_entries_of_its_instrument_only():
    unknown = working(other(side=Side.BUY, intent=Intent.ENTRY), OrderStatus.UNKNOWN)
    verdict = look(ENTRY, working=(unknown,))
    assert (verdict.code, verdict.waits) == ("OUTCOME_UNKNOWN", True)
    assert said(make_order(symbol="MSFT"), working=(unknown,)) is None
    assert said(EXIT, working=(unknown,)) is None


@pytest.mark.parametrize(
    ("side", "limit", "crosses"),
    [
        (Side.SELL, "150", False),  # sells at 150 or more; ours buys at 149
        (Side.SELL, "149", True),
        (Side.SELL, None, True),  # at the market
        (Side.BUY, None, False),
    ],
)
def test_an_entry_does_not_trade_with_our_own_order(side, limit, crosses):
    resting = other(
        side=Side.BUY, intent=Intent.ENTRY, order_type=OrderType.LIMIT, limit_price=Decimal(149)
    )
    fields = {} if limit is None else {"order_type": OrderType.LIMIT, "limit_price": Decimal(limit)}
    order = make_order(side=side, **fields)
    assert said(order, working=(working(resting),)) == ("SELF_MATCH" if crosses else None)


PARENT = make_order("100", signal_id="sig_parent")


def slice_of(quantity, number=1):
    return make_order(
        quantity,
        signal_id=f"slice-{number}",
        role=OrderRole.SLICE,
        parent_order_id=PARENT.client_order_id,
    )


@pytest.mark.parametrize(("quantity", "code"), [("50", None), ("51", "PARENT_EXCEEDED")])
def test_children_never_come_to_more_than_their_parent(quantity, code):
    # 100, of which 20 have filled, and 30 are on their way: 50 are left
    beside = working(slice_of("30"))
    parent = working(PARENT, OrderStatus.PARTIALLY_FILLED, left="80")
    assert said(slice_of(quantity, 2), working=(parent, beside)) == code


def test_a_child_of_an_ended_parent_does_not_leave():
    assert said(slice_of("1")) == "PARENT_ENDED"
