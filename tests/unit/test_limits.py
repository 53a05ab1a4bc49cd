"""Every stored limit: what passes just below it, what is cut or stopped above it, and who says so.

Equity 1,000,000, allocation 50 %, the sender's equity 500,000: quantities go as they were sent.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.checks import is_open
from services.decision.decide import decide
from services.domain.accounts import Exposure, RecentEntry, StrategyRecord
from services.domain.risk import RiskLock, TradingHours, scope_key
from services.domain.words import (
    AccountType,
    ActiveStatus,
    Environment,
    InstrumentType,
    Intent,
    LockRule,
    Outcome,
    Override,
    Scope,
    Side,
    StrategyMode,
    TradingState,
)
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_account,
    make_account_context,
    make_context,
    make_control,
    make_fund,
    make_instrument,
    make_leg,
    make_limit_set,
    make_limits,
    make_market_price,
    make_marks,
    make_position,
    make_reservation,
    make_signal,
    make_strategy,
)

AAPL = make_leg().instrument
WIDE = make_limits(position="100", broker="100")


def entered(*limit_sets, legs=(), account=None, snapshot=None, **fields):
    """An entry of 100 AAPL at 100 (notional 10,000, margin 5,000), or of `legs`."""
    signal_fields = fields.pop("signal", {})
    account = make_account_context(
        make_account(**(snapshot or {})), ratio=fields.pop("ratio", "0.5"), **(account or {})
    )
    fields.setdefault("limits", WIDE)
    context = make_context(account, limit_sets=limit_sets, **fields)
    legs = legs or (make_leg(quantity="100", price="100"),)
    return decide(make_signal(*legs, **signal_fields), context)


def quantities(decision):
    return [order.quantity for order in decision.orders]


def bound(decision):
    return next(each for each in decision.steps if each.bound)


# Caps: resized to what is left


CAPS = [
    # limit, value, what it leaves of 100 shares at 100
    ("max_position_ratio", "0.008", 80, "POSITION_SIZE_BOUND"),  # 8,000 capital
    ("max_broker_allocation_ratio", "0.007", 70, "BROKER_SHARE_BOUND"),
    ("max_gross_exposure_ratio", "0.006", 60, "GROSS_EXPOSURE_BOUND"),
    ("max_net_exposure_ratio", "0.005", 50, "NET_EXPOSURE_BOUND"),
    ("max_margin_ratio", "0.002", 40, "MARGIN_USE_BOUND"),  # 2,000 of 5,000 margin
]
SCOPES = [
    (Scope.ACCOUNT, "*"),
    (Scope.ACCOUNT, ACCOUNT),
    (Scope.STRATEGY, STRATEGY),
    (Scope.INSTRUMENT, AAPL.key),
    (Scope.INSTRUMENT, "AAPL"),
    (Scope.ASSET_CLASS, "STOCK"),
]


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES)
@pytest.mark.parametrize(("name", "value", "left", "code"), CAPS)
def test_a_cap_leaves_what_fits_in_every_scope(scope, scope_id, name, value, left, code):
    decision = entered(make_limit_set(scope, scope_id, **{name: value}))
    assert (quantities(decision), decision.code) == ([left], code)
    assert bound(decision).rule == f"{name} of {scope_key(scope, scope_id)}"


@pytest.mark.parametrize(("name", "value", "left", "code"), CAPS)
def test_a_cap_of_the_fund_is_measured_in_the_funds_currency(name, value, left, code):
    # The fund's equity is 2,000,000 EUR; one EUR is 2 USD, so 100 shares are 5,000 EUR.
    ratio = Decimal(value) / 4
    decision = entered(
        make_limit_set(Scope.GLOBAL, "", **{name: ratio}),
        snapshot={"fx_rates": {"EUR": Decimal(2)}},
        fund=make_fund("2000000").model_copy(update={"currency": "EUR"}),
        fund_exposures={},
    )
    assert (quantities(decision), decision.code) == ([left], code)


def test_the_fund_not_being_known_stops_what_is_limited_by_it():
    decision = entered(make_limit_set(Scope.GLOBAL, "", max_gross_exposure_ratio="5"))
    assert decision.code == "FUND_UNKNOWN"


@pytest.mark.parametrize(("name", "value", "left", "code"), CAPS)
def test_an_accounts_own_limit_replaces_the_one_of_every_account(name, value, left, code):
    every = make_limit_set(Scope.ACCOUNT, "*", **{name: "0.0001"})
    own = make_limit_set(Scope.ACCOUNT, ACCOUNT, **{name: value})
    assert quantities(entered(every, own)) == [left]


def test_limits_of_other_scopes_do_not_matter():
    others = [
        make_limit_set(scope, "other", max_position_ratio="0.000001", restricted=True)
        for scope in (Scope.ACCOUNT, Scope.STRATEGY, Scope.INSTRUMENT, Scope.ASSET_CLASS)
    ]
    assert quantities(entered(*others)) == [100]


def test_what_is_held_and_on_its_way_counts():
    held = make_position("20", "100")  # 2,000
    sent = make_reservation(
        capital="3000", quantity="30", margin=Decimal(1500), notional=Decimal(3000)
    )
    decision = entered(
        make_limit_set(max_gross_exposure_ratio="0.01"),  # 10,000 in all
        account={"positions": (held,), "reservations": (sent,)},
    )
    assert quantities(decision) == [50]


def test_other_strategies_count_in_the_account_but_not_in_the_strategy():
    other = make_position("95", "100", strategy_id="other")  # 9,500
    account = {"positions": (other,)}
    in_account = make_limit_set(max_gross_exposure_ratio="0.01")
    in_strategy = make_limit_set(Scope.STRATEGY, STRATEGY, max_gross_exposure_ratio="0.01")
    assert quantities(entered(in_account, account=account)) == [5]
    assert quantities(entered(in_strategy, account=account)) == [100]


def test_a_short_leaves_room_for_net_exposure_and_a_long_takes_it():
    limit = make_limit_set(max_net_exposure_ratio="0.005")  # 5,000
    short = make_position("-40", "100", symbol="MSFT")
    long = make_position("40", "100", symbol="MSFT")
    assert quantities(entered(limit, account={"positions": (short,)})) == [90]
    assert quantities(entered(limit, account={"positions": (long,)})) == [10]


def test_nothing_left_is_denied_by_the_rule_that_left_nothing():
    held = make_position("100", "100")
    decision = entered(make_limit_set(max_position_ratio="0.01"), account={"positions": (held,)})
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "POSITION_SIZE_EXCEEDED")


# Yes or no


def test_a_fat_finger_is_denied_with_what_would_have_passed():
    decision = entered(make_limit_set(max_order_quantity="60"))
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "ORDER_TOO_LARGE")
    assert [each.quantity for each in decision.passable] == [60]
    assert decision.reason.endswith("at most 60 AAPL in Mock-1 would have passed")
    decision = entered(make_limit_set(max_order_notional="2500"))
    assert [each.quantity for each in decision.passable] == [25]


def test_what_would_have_passed_passes():
    limit = make_limit_set(max_order_notional="2550")
    (most,) = entered(limit).passable
    legs = (make_leg(quantity=str(most.quantity), price="100"),)
    assert quantities(entered(limit, legs=legs)) == [25]


def test_a_strategy_can_refuse_to_be_made_too_small():
    strategy = make_strategy(ACCOUNT, min_size_ratio="0.5")
    limit = make_limit_set(max_position_ratio="0.004")
    decision = entered(limit, strategy=strategy)
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "POSITION_SIZE_EXCEEDED")
    assert [each.quantity for each in decision.passable] == [40]


@pytest.mark.parametrize(("scope", "scope_id"), [*SCOPES, (Scope.GLOBAL, "")])
def test_a_restricted_scope_takes_no_entries(scope, scope_id):
    decision = entered(make_limit_set(scope, scope_id, restricted=True))
    assert decision.code == "RESTRICTED"


def test_open_positions_are_counted_without_the_one_that_grows():
    held = tuple(make_position("1", "100", symbol=f"S{n}") for n in range(2))
    limit = make_limit_set(max_open_positions=2)
    assert entered(limit, account={"positions": held}).code == "OPEN_POSITIONS_EXCEEDED"
    assert quantities(entered(limit, account={"positions": (*held[1:], make_position("1"))}))
    assert quantities(entered(limit, account={"positions": held[1:]}))


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES)
def test_pyramiding_counts_what_was_added_on_the_same_side(scope, scope_id):
    limit = make_limit_set(scope, scope_id, max_pyramiding=1)
    held = {"positions": (make_position("10", "100"),)}
    assert quantities(entered(limit, account=held))
    added = {**held, "reservations": (make_reservation(quantity="1"),)}
    assert entered(limit, account=added).code == "PYRAMIDING_EXCEEDED"
    short = {"positions": (make_position("-10", "100"),)}
    assert quantities(entered(limit, account=short))


def recent(seconds, **fields):
    like = {"side": Side.BUY, "quantity": 100, "price": 100, "instrument_key": AAPL.key}
    moment = NOW - timedelta(seconds=seconds)
    return RecentEntry(**{"signal_id": "sig_0", "decided_at": moment, **like, **fields})


@pytest.mark.parametrize(
    ("like", "code"),
    [
        (recent(9), "DUPLICATE_ORDER"),
        (recent(10), ""),
        (recent(9, quantity=99), ""),
        (recent(9, side=Side.SELL), ""),
        (recent(9, price=101), ""),
        (recent(9, instrument_key="other"), ""),
        (recent(9, signal_id="sig_1"), ""),  # itself, decided once more
    ],
)
def test_a_like_entry_within_the_window_is_a_duplicate(like, code):
    limit = make_limit_set(Scope.STRATEGY, STRATEGY, duplicate_window_seconds="10")
    assert entered(limit, recent=(like,)).code == code


@pytest.mark.parametrize("scope", [(Scope.GLOBAL, ""), (Scope.STRATEGY, STRATEGY)])
def test_orders_a_minute_count_this_one_too(scope):
    limit = make_limit_set(*scope, max_orders_per_minute=3)
    key = limit.key
    assert quantities(entered(limit, orders_last_minute={key: 2}))
    assert entered(limit, orders_last_minute={key: 3}).code == "ORDER_RATE_EXCEEDED"
    assert entered(limit).code == "ORDER_RATE_EXCEEDED"  # not known


def test_orders_a_minute_of_an_account():
    limit = make_limit_set(max_orders_per_minute=3)
    assert quantities(entered(limit, account={"orders_last_minute": 2}))
    assert entered(limit, account={"orders_last_minute": 3}).code == "ORDER_RATE_EXCEEDED"


def test_a_strategy_that_enters_too_often_is_stopped_until_a_person_resets_it():
    limit = make_limit_set(Scope.STRATEGY, STRATEGY, max_entries=5, entries_window_seconds="60")
    assert quantities(entered(limit, entries_in_window=4))
    decision = entered(limit, entries_in_window=5)
    assert decision.code == "REPEATED_EXECUTION"
    (lock,) = decision.locks
    assert (lock.rule, lock.scope_id, lock.expires_at) == (
        LockRule.REPEATED_EXECUTION,
        STRATEGY,
        None,
    )
    assert entered(limit).code == "REPEATED_EXECUTION"  # not known


def test_an_instrument_with_an_order_of_unknown_outcome_takes_no_entry():
    assert entered(account={"unresolved": (AAPL.key,)}).code == "ORDER_UNRESOLVED"
    assert quantities(entered(account={"unresolved": ("other",)}))


def test_an_expired_contract_is_not_entered():
    gold = AAPL.model_copy(
        update={"instrument_type": InstrumentType.FUTURE, "expiry": NOW.date() - timedelta(days=1)}
    )
    assert entered(legs=(make_leg(instrument=gold),)).code == "INSTRUMENT_EXPIRED"


def test_a_signal_from_the_future_is_not_believed():
    for ahead, code in ((60, ""), (61, "SIGNAL_FROM_FUTURE")):
        moment = NOW + timedelta(seconds=ahead)
        assert entered(signal={"occurred_at": moment}).code == code


# Price collar


def test_a_price_within_the_collar_passes_and_one_outside_does_not():
    limit = make_limit_set(price_collar_ratio="0.05")
    for market, code in (("105", ""), ("95.3", ""), ("106", "PRICE_OUTSIDE_COLLAR")):
        prices = {AAPL.key: make_market_price(market)}
        assert entered(limit, account={"prices": prices}).code == code


def test_a_collar_without_the_brokers_price_denies_and_asks_for_it():
    limit = make_limit_set(price_collar_ratio="0.05")
    old = {AAPL.key: make_market_price("100", age_seconds=16)}
    for prices in ({}, old):
        decision = entered(limit, account={"prices": prices})
        assert decision.code == "PRICE_COLLAR_UNKNOWN"
        assert [each.instrument for each in decision.questions] == [AAPL]


# Losses


def test_a_daily_loss_stops_entries_until_midnight():
    limit = make_limit_set(max_daily_loss_ratio="0.03")
    assert quantities(entered(limit, snapshot={"marks": make_marks(low="970001")}))
    decision = entered(limit, snapshot={"marks": make_marks(low="970000", last="1000000")})
    assert decision.code == "DAILY_LOSS_EXCEEDED"  # although it has come back since
    (lock,) = decision.locks
    assert lock.expires_at == datetime(2026, 11, 21, tzinfo=UTC)
    assert (lock.scope, lock.scope_id) == (Scope.ACCOUNT, ACCOUNT)


def test_a_drawdown_stops_entries_until_a_person_resets_it():
    limit = make_limit_set(max_drawdown_ratio="0.1")
    marks = make_marks(max_drawdown_ratio=Decimal("0.0999"))
    assert quantities(entered(limit, snapshot={"marks": marks}))
    marks = make_marks(max_drawdown_ratio=Decimal("0.1"))
    decision = entered(limit, snapshot={"marks": marks})
    assert (decision.code, decision.locks[0].expires_at) == ("DRAWDOWN_EXCEEDED", None)


def test_losses_of_the_fund_stop_entries_in_every_account():
    for name, marks in (
        ("max_daily_loss_ratio", make_marks(low="900000")),
        ("max_drawdown_ratio", make_marks(max_drawdown_ratio=Decimal("0.2"))),
    ):
        decision = entered(
            make_limit_set(Scope.GLOBAL, "", **{name: "0.05"}), fund=make_fund(marks=marks)
        )
        assert decision.outcome is Outcome.DENIED
        assert decision.locks[0].scope is Scope.GLOBAL


def test_losses_of_a_strategy_are_of_its_allocation():
    limit = make_limit_set(Scope.STRATEGY, STRATEGY, max_daily_loss_ratio="0.02")
    for pnl, code in (("-9999", ""), ("-10000", "DAILY_LOSS_EXCEEDED"), ("10000", "")):
        record = StrategyRecord(day_pnl=Decimal(pnl))  # of 500,000
        assert entered(limit, account={"record": record}).code == code


def test_losses_in_a_row_stop_a_strategy():
    limit = make_limit_set(Scope.STRATEGY, STRATEGY, max_consecutive_losses=3)
    for losses, code in ((2, ""), (3, "CONSECUTIVE_LOSSES")):
        record = StrategyRecord(consecutive_losses=losses)
        decision = entered(limit, account={"record": record})
        assert decision.code == code
        assert len(decision.locks) == bool(code)


@pytest.mark.parametrize(
    ("scope", "limit", "code"),
    [
        ((Scope.ACCOUNT, "*"), {"max_daily_loss_ratio": "0.1"}, "DAILY_LOSS_UNKNOWN"),
        ((Scope.ACCOUNT, "*"), {"max_drawdown_ratio": "0.1"}, "DRAWDOWN_UNKNOWN"),
        ((Scope.GLOBAL, ""), {"max_daily_loss_ratio": "0.1"}, "DAILY_LOSS_UNKNOWN"),
        ((Scope.STRATEGY, STRATEGY), {"max_daily_loss_ratio": "0.1"}, "DAILY_LOSS_UNKNOWN"),
        ((Scope.STRATEGY, STRATEGY), {"max_drawdown_ratio": "0.1"}, "DRAWDOWN_UNKNOWN"),
        ((Scope.STRATEGY, STRATEGY), {"max_consecutive_losses": 3}, "CONSECUTIVE_LOSSES"),
    ],
)
def test_a_loss_that_is_not_known_denies(scope, limit, code):
    assert entered(make_limit_set(*scope, **limit)).code == code


def test_marks_of_another_day_are_not_known_today():
    marks = make_marks().model_copy(update={"day": "2026-11-19"})
    limit = make_limit_set(max_daily_loss_ratio="0.1")
    assert entered(limit, snapshot={"marks": marks}).code == "DAILY_LOSS_UNKNOWN"


def lock(scope, scope_id, **fields):
    fields = {"sentence": "lost too much", "locked_at": NOW, **fields}
    return RiskLock(scope=scope, scope_id=scope_id, rule=LockRule.DRAWDOWN, **fields)


@pytest.mark.parametrize(("scope", "scope_id"), [*SCOPES[1:], (Scope.GLOBAL, "")])
def test_a_lock_stops_entries_of_its_scope_and_says_until_when(scope, scope_id):
    decision = entered(locks=(lock(scope, scope_id),))
    assert decision.code == "ENTRIES_LOCKED"
    assert decision.reason == "lost too much, until reset"
    until = datetime(2026, 11, 21, tzinfo=UTC)
    decision = entered(locks=(lock(scope, scope_id, expires_at=until),))
    assert decision.reason == "lost too much, until 2026-11-21 00:00 UTC"


def differing(account_id=ACCOUNT, symbol="AAPL"):
    sentence = f"{account_id}, {symbol}: the broker holds 9, our books say 4"
    return RiskLock(
        scope=Scope.INSTRUMENT,
        scope_id=make_instrument(symbol).key,
        account_id=account_id,
        rule=LockRule.POSITION_MISMATCH,
        sentence=sentence,
        locked_at=NOW,
    )


def test_books_that_differ_from_the_broker_stop_entries_until_they_agree():
    decision = entered(locks=(differing(),))
    assert decision.code == "POSITION_MISMATCH"
    wanted = "Mock-1, AAPL: the broker holds 9, our books say 4, until books and broker agree"
    assert wanted in decision.reason


def test_books_that_differ_stop_that_instrument_in_that_account_only():
    assert quantities(entered(locks=(differing("other"), differing(symbol="MSFT"))))
    assert differing("other").key != differing().key


def doubted(account_id=ACCOUNT):
    return RiskLock(
        scope=Scope.ACCOUNT,
        scope_id=account_id,
        rule=LockRule.EQUITY_JUMP,
        sentence=f"equity of account {account_id} went from 100 to 0",
        locked_at=NOW,
    )


def test_an_equity_that_nothing_explains_stops_the_entries_of_its_account_by_name():
    decision = entered(locks=(doubted(),))
    assert decision.code == "EQUITY_JUMP"
    assert "from 100 to 0, until a person confirms what it was" in decision.reason
    assert quantities(entered(locks=(doubted("other"),)))


def test_an_equity_that_nothing_explains_stops_no_exit():
    account = make_account_context(positions=(make_position("18"),))
    leave = make_signal(make_leg(side=Side.SELL), intent=Intent.EXIT)
    assert quantities(decide(leave, make_context(account, locks=(doubted(),)))) == [18]


def test_books_that_differ_stop_no_exit():
    account = make_account_context(positions=(make_position("18"),))
    leave = make_signal(make_leg(side=Side.SELL), intent=Intent.EXIT)
    assert quantities(decide(leave, make_context(account, locks=(differing(),)))) == [18]


def test_a_lock_that_has_ended_or_is_of_another_scope_stops_nothing():
    ended = lock(Scope.GLOBAL, "", expires_at=NOW)
    assert quantities(entered(locks=(ended, lock(Scope.ACCOUNT, "other"))))


# Switches and overrides


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES[1:])
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trading_state": TradingState.REDUCING}, "TRADING_REDUCING"),
        ({"trading_state": TradingState.HALTED}, "TRADING_HALTED"),
        ({"override": Override.REDUCE_ONLY}, "TRADING_REDUCING"),
        ({"override": Override.NO_TRADE}, "TRADING_HALTED"),
        ({"scale_ratio": Decimal(0)}, "OVERRIDE_ZERO"),
    ],
)
def test_a_switch_or_override_stops_entries_of_its_scope(scope, scope_id, fields, code):
    control = make_control(scope, scope_id, set_by="olga", reason="typo", **fields)
    decision = entered(controls=(control,))
    assert decision.code == code
    assert "olga" in decision.reason


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES[1:])
def test_an_override_scales_entries_of_its_scope(scope, scope_id):
    decision = entered(controls=(make_control(scope, scope_id, scale_ratio=Decimal("0.3")),))
    assert (quantities(decision), decision.code) == ([30], "OVERRIDE_BOUND")


@pytest.mark.parametrize(("scope", "scope_id"), SCOPES[1:])
def test_reducing_lets_exits_pass_in_every_scope_and_halted_does_not(scope, scope_id):
    account = make_account_context(positions=(make_position("10"),))
    signal = make_signal(make_leg(side=Side.SELL), intent=Intent.EXIT)
    for state, count in ((TradingState.REDUCING, 1), (TradingState.HALTED, 0)):
        control = make_control(scope, scope_id, trading_state=state)
        decision = decide(signal, make_context(account, controls=(control,)))
        assert len(decision.orders) == count


def test_without_the_global_switch_nothing_goes():
    context = make_context().model_copy(update={"controls": ()})
    assert decide(make_signal(), context).code == "TRADING_HALTED"


# Exits pass whatever stops entries


def test_no_limit_stops_an_exit():
    limits = [
        make_limit_set(
            scope,
            scope_id,
            restricted=True,
            max_order_quantity="1",
            max_orders_per_minute=0,
            max_daily_loss_ratio="0.01",
            max_position_ratio="0.0001",
            price_collar_ratio="0.01",
            duplicate_window_seconds="1000",
        )
        for scope, scope_id in [*SCOPES, (Scope.GLOBAL, "")]
    ]
    account = make_account_context(
        make_account(None, age_seconds=9000, status=ActiveStatus.INACTIVE),
        ratio=None,
        positions=(make_position("10"),),
        unresolved=(AAPL.key,),
    )
    context = make_context(
        account,
        strategy=make_strategy(ACCOUNT, status=ActiveStatus.INACTIVE),
        limit_sets=tuple(limits),
        locks=(lock(Scope.GLOBAL, ""),),
        controls=(make_control(Scope.ACCOUNT, ACCOUNT, scale_ratio=Decimal(0)),),
    )
    decision = decide(make_signal(make_leg(side=Side.SELL), intent=Intent.EXIT), context)
    assert quantities(decision) == [10]


# Routing


def test_paper_strategies_and_staging_signals_never_reach_a_live_account():
    live = {"snapshot": {"account_type": AccountType.LIVE}}
    production = {"environment": Environment.PRODUCTION}
    of_live = make_strategy(ACCOUNT, mode=StrategyMode.LIVE)
    assert quantities(entered(strategy=of_live, signal=production, **live))
    assert entered(strategy=of_live, **live).code == "ROUTING_STAGING_TO_LIVE"
    assert entered(signal=production, **live).code == "ROUTING_PAPER_TO_LIVE"


def test_an_account_takes_only_its_asset_classes():
    only = {"instrument_types": (InstrumentType.FUTURE, InstrumentType.ETF)}
    assert entered(snapshot=only).code == "INSTRUMENT_TYPE_NOT_IN_ACCOUNT"
    assert quantities(entered(snapshot={"instrument_types": (InstrumentType.STOCK,)}))


# Trading hours

NEW_YORK = TradingHours(timezone="America/New_York", opens="09:30", closes="16:00")
OVERNIGHT = TradingHours(timezone="America/New_York", opens="18:00", closes="17:00", days=(7, 1))


@pytest.mark.parametrize(
    ("hours", "moment", "is_it_open"),
    [
        (NEW_YORK, "2026-11-20T14:30:00Z", True),  # Friday 09:30
        (NEW_YORK, "2026-11-20T14:29:59Z", False),
        (NEW_YORK, "2026-11-20T20:59:59Z", True),
        (NEW_YORK, "2026-11-20T21:00:00Z", False),
        (NEW_YORK, "2026-11-21T15:00:00Z", False),  # Saturday
        (NEW_YORK, "2026-07-10T13:30:00Z", True),  # summer time
        (OVERNIGHT, "2026-11-22T23:00:00Z", True),  # Sunday 18:00
        (OVERNIGHT, "2026-11-23T21:59:00Z", True),  # Monday 16:59, opened on Sunday
        (OVERNIGHT, "2026-11-23T22:30:00Z", False),  # Monday 17:30
        (OVERNIGHT, "2026-11-24T21:00:00Z", True),  # Tuesday 16:00, opened on Monday
        (OVERNIGHT, "2026-11-25T21:00:00Z", False),  # Wednesday: Tuesday does not open
    ],
)
def test_trading_hours(hours, moment, is_it_open):
    assert is_open(hours, datetime.fromisoformat(moment)) is is_it_open


def test_entries_outside_trading_hours_are_denied():
    closed = TradingHours(timezone="Asia/Kolkata", opens="09:15", closes="15:30")
    for scope, scope_id in SCOPES[1:]:
        limit = make_limit_set(scope, scope_id, trading_hours=closed)
        assert entered(limit).code == "OUTSIDE_TRADING_HOURS"  # NOW is 21:00 there


# All at once


ratio_or_none = st.none() | st.decimals("0.0001", "0.05", places=4)


@given(
    limits=st.lists(
        st.tuples(
            st.sampled_from([*SCOPES]),
            st.fixed_dictionaries({name: ratio_or_none for name, *_ in CAPS}),
        ),
        max_size=4,
    ),
    held=st.decimals("0", "20000", places=2),
    quantity=st.decimals("0.01", "500", places=2),
    free=st.decimals("0", "20000", places=2),
)
def test_no_limit_of_any_scope_is_ever_exceeded(limits, held, quantity, free):
    limit_sets = {}
    for (scope, scope_id), values in limits:
        chosen = make_limit_set(scope, scope_id, **values)
        limit_sets[chosen.key] = chosen
    account = {}
    exposure = Exposure(capital=held, gross=held, net=held, margin=held / 2, instruments=1)
    account["exposures"] = {scope_key(scope, scope_id): exposure for scope, scope_id in SCOPES[1:]}
    context = make_context(
        make_account_context(make_account(available_funds=free), ratio="0.5").model_copy(
            update=account
        ),
        limit_sets=tuple(limit_sets.values()),
        limits=WIDE,
    )
    decision = decide(make_signal(make_leg(quantity=str(quantity), price="17")), context)
    equity = Decimal(1_000_000)
    added = sum((order.quantity * 17 for order in decision.orders), Decimal(0))
    if not added:
        assert decision.outcome is Outcome.DENIED
        return
    assert added <= quantity * 17
    assert added / 2 <= free
    own = limit_sets.get(scope_key(Scope.ACCOUNT, ACCOUNT))
    every = limit_sets.get(scope_key(Scope.ACCOUNT, "*"))
    for limits_of in limit_sets.values():
        for name, *_ in CAPS:
            value = getattr(limits_of, name)
            if value is None or (limits_of is every and own and getattr(own, name) is not None):
                continue
            used = held + added if name != "max_margin_ratio" else (held + added) / 2
            assert used <= equity * value
