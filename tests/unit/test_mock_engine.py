"""The mock broker's orders over time: stops, rests, hours, changes, corrections, restarts."""

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brokers.mock.margin import Refusal
from brokers.mock.market import Market
from brokers.mock.matching import Take
from brokers.mock.revisions import Revision
from services.domain.orders import OrderTerms
from services.domain.risk import TradingHours
from services.domain.words import InstrumentType, OrderStatus, OrderType, Side, TimeInForce
from tests.support.broker_orders import eventually
from tests.support.mock_books import (
    BROKER_ACCOUNT,
    CASH,
    check_the_books,
    fills_of,
    limit,
    opened,
    order,
    place,
    read_all,
    report_of,
    stop,
    tick,
    told,
)

S = OrderStatus
FIVE = Market(depth=5, levels=1)
STOCKS = InstrumentType.STOCK


@pytest.fixture
def exchange(tmp_path):
    with opened(tmp_path) as made:
        yield made
        check_the_books(made)


@pytest.fixture
def thin(tmp_path):
    with opened(tmp_path, FIVE) as made:
        yield made
        check_the_books(made)


def hours(opens_in, closes_in):
    """Hours of every day around now, in minutes from now."""
    now = datetime.now(UTC)
    opens, closes = (f"{now + timedelta(minutes=each):%H:%M}" for each in (opens_in, closes_in))
    every_day = (1, 2, 3, 4, 5, 6, 7)
    return Market(
        hours={STOCKS: TradingHours(timezone="UTC", opens=opens, closes=closes, days=every_day)}
    )


OPEN = hours(-120, 120)
CLOSED = hours(120, 240)


def test_a_stop_rests_until_its_price_and_then_fills_at_the_market(exchange):
    place(exchange, order())
    (report,) = place(exchange, stop(140, signal_id="stop"))
    assert (report.status, report.terms.stop_price) == (S.SUBMITTED, 140)
    assert tick(exchange, 141) == 0
    assert tick(exchange, "139.5") == 1
    assert report_of(exchange, stop(140, signal_id="stop")).executions[0].price == Decimal("139.5")


def test_a_triggered_stop_limit_rests_as_a_limit_and_says_so(exchange):
    guarded = stop(140, signal_id="stop", limit_price=Decimal(138)).model_copy(
        update={"order_type": OrderType.STOP_LIMIT}
    )
    place(exchange, guarded)
    tick(exchange, 137)
    report = report_of(exchange, guarded)
    assert (report.status, report.text) == (S.SUBMITTED, "triggered")
    assert told(exchange)[-1].text == "triggered"
    tick(exchange, 141)  # above its stop again: a stop goes off once
    assert report_of(exchange, guarded).executions[0].price == 141


def test_a_trailing_stop_survives_a_restart_where_it_was(tmp_path):
    trailing = order(side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_ratio=Decimal("0.1"))
    with opened(tmp_path) as exchange:
        place(exchange, trailing)
        tick(exchange, 200)
        tick(exchange, 190)
    with opened(tmp_path) as exchange:
        assert report_of(exchange, trailing).terms.stop_price == 180
        assert tick(exchange, "180.5") == 0
        assert tick(exchange, 180) == 1


def test_the_rest_of_a_large_order_fills_with_later_ticks(thin):
    tick(thin, 150)
    large = order("12")
    (report,) = place(thin, large)
    assert (report.status, report.filled_quantity) == (S.PARTIALLY_FILLED, 5)
    tick(thin, 151)
    tick(thin, 152)
    report = report_of(thin, large)
    assert report.status is S.FILLED
    assert [(each.quantity, each.price) for each in report.executions] == [
        (5, 150),
        (5, 151),
        (2, 152),
    ]
    assert len({each.execution_id for each in report.executions}) == 3


def test_what_is_gone_of_the_book_is_gone_after_a_restart_too(tmp_path):
    with opened(tmp_path, FIVE) as exchange:
        tick(exchange, 150)
        place(exchange, order("4"))
    with opened(tmp_path, FIVE) as exchange:
        (report,) = place(exchange, order("4", signal_id="b"))
        assert report.filled_quantity == 1


@pytest.mark.parametrize(("life", "filled"), [(TimeInForce.IOC, 5), (TimeInForce.FOK, 0)])
def test_what_an_immediate_order_cannot_have_is_canceled(thin, life, filled):
    tick(thin, 150)
    (report,) = place(thin, order("12", time_in_force=life))
    assert (report.status, report.filled_quantity) == (S.CANCELED, filled)
    assert tick(thin, 150) == 0


def test_a_rest_can_be_canceled(thin):
    tick(thin, 150)
    place(thin, order("12"))
    (report,) = thin.cancel(BROKER_ACCOUNT, order().client_order_id)
    assert (report.status, report.filled_quantity) == (S.CANCELED, 5)
    tick(thin, 150)
    assert report_of(thin, order()).filled_quantity == 5


def test_a_rest_that_the_account_cannot_pay_any_more_is_canceled_with_the_reason(exchange):
    place(exchange, limit(100, quantity="8000"))  # 8,000 × 100 × 50 % = 400,000: it may rest
    place(exchange, order("12000", signal_id="b"))  # 900,000 of the million
    tick(exchange, 145)  # the account loses 60,000
    tick(exchange, 99)
    report = report_of(exchange, limit(100))
    assert (report.status, report.filled_quantity) == (S.CANCELED, 0)
    assert report.text.startswith("INSUFFICIENT_FUNDS: 396040.00 margin")


def test_what_reduces_fills_whatever_the_account_has(exchange):
    place(exchange, order("13000"), stop(100, quantity="13000", signal_id="stop"))
    tick(exchange, 90)  # the account has lost 780,000
    assert report_of(exchange, stop(100, signal_id="stop")).status is S.FILLED


def terms(quantity, limit_price=None, stop_price=None):
    return OrderTerms(quantity=quantity, limit_price=limit_price, stop_price=stop_price)


def modify(exchange, changed, wanted):
    return exchange.modify(BROKER_ACCOUNT, changed.client_order_id, wanted)


def test_a_change_may_make_an_order_fill(exchange):
    place(exchange, limit(149))
    assert modify(exchange, limit(149), terms(7, 148)).terms == terms(7, 148)
    assert modify(exchange, limit(149), terms(7, 150)).filled_quantity == 7


def test_a_refused_change_leaves_the_order_as_it_was(exchange):
    place(exchange, limit(149))
    before = report_of(exchange, limit(149))
    for wanted in (terms("7.5", 149), terms(7), terms(10**9, 149)):
        assert isinstance(modify(exchange, limit(149), wanted), Refusal)
    assert report_of(exchange, limit(149)) == before


def test_a_change_to_what_has_filled_ends_the_order(thin):
    tick(thin, 150)
    place(thin, limit(150, quantity="12"))
    assert modify(thin, limit(150), terms(4, 150)).code == "QUANTITY_BELOW_FILLED"
    report = modify(thin, limit(150), terms(5, 150))
    assert (report.status, report.filled_quantity) == (S.FILLED, 5)


def test_an_unknown_order_is_not_changed(exchange):
    assert modify(exchange, limit(149), terms(5, 149)).code == "UNKNOWN_ORDER"


def test_an_account_that_changes_nothing_says_so(exchange):
    exchange.set_capabilities(BROKER_ACCOUNT, {"modify": False})
    place(exchange, limit(149))
    assert modify(exchange, limit(149), terms(5, 149)).code == "UNSUPPORTED_ORDER"


def test_what_an_account_cannot_do_stays_so_over_a_restart(tmp_path):
    with opened(tmp_path) as exchange:
        exchange.set_capabilities(BROKER_ACCOUNT, {"order_types": ["MARKET", "LIMIT"]})
    with opened(tmp_path) as exchange:
        (report,) = place(exchange, stop(140))
        assert report.text.startswith("UNSUPPORTED_ORDER")
        assert exchange.capabilities("Other").order_types == frozenset(OrderType)


@pytest.mark.parametrize("wanted", [{"wings": True}, {"order_types": ["ANY"]}, {"oco": "maybe"}])
def test_nonsense_is_no_capability(exchange, wanted):
    with pytest.raises(ValueError, match="no capabilities"):
        exchange.set_capabilities(BROKER_ACCOUNT, wanted)
    assert exchange.capabilities(BROKER_ACCOUNT).oco


def test_a_day_order_expires_with_its_session_and_a_gtc_order_does_not(exchange):
    exchange.set_market(OPEN)
    place(exchange, limit(149), limit(149, signal_id="b", time_in_force=TimeInForce.GTC))
    exchange.pass_time()
    assert report_of(exchange, limit(149)).status is S.SUBMITTED
    exchange.pass_time(datetime.now(UTC) + timedelta(hours=3))
    assert report_of(exchange, limit(149)).status is S.EXPIRED
    assert report_of(exchange, limit(149, signal_id="b")).status is S.SUBMITTED


def test_while_the_market_is_closed_orders_wait_for_it_to_open(exchange):
    exchange.set_market(CLOSED)
    (report,) = place(exchange, order())
    assert (report.status, report.text) == (S.SUBMITTED, "waits until the market opens")
    tick(exchange, 151)
    assert exchange.positions(BROKER_ACCOUNT) == []
    exchange.set_market(OPEN)
    assert report_of(exchange, order()).executions[0].price == 151


def test_the_clock_alone_opens_a_market(exchange):
    exchange.set_market(CLOSED)
    place(exchange, order())
    exchange._engine.market = OPEN  # as if its time had come
    exchange.start()
    assert eventually(lambda: report_of(exchange, order()).status is S.FILLED)
    exchange.stop()


@pytest.mark.parametrize("life", [TimeInForce.IOC, TimeInForce.FOK])
def test_while_the_market_is_closed_nothing_is_immediate(exchange, life):
    exchange.set_market(CLOSED)
    (report,) = place(exchange, order(time_in_force=life))
    assert report.text.startswith("MARKET_CLOSED")


def test_the_market_that_was_set_is_the_market_after_a_restart(tmp_path):
    with opened(tmp_path) as exchange:
        exchange.set_market(FIVE)
    with opened(tmp_path, Market(depth=9)) as exchange:
        assert exchange.market == FIVE


def test_a_correction_replaces_the_fill_in_every_book(exchange):
    (report,) = place(exchange, order())
    told_first = report.executions[0]
    wanted = Revision(execution_id=told_first.execution_id, price=Decimal(149))
    report = exchange.revise(BROKER_ACCOUNT, wanted)
    (corrected,) = report.executions
    assert (corrected.revision, corrected.price) == (1, 149)
    assert fills_of(exchange) == [told_first, corrected]
    # 10 × 149 and a commission of 1
    assert exchange.state(BROKER_ACCOUNT).cash == CASH - 1491
    assert exchange.positions(BROKER_ACCOUNT)[0].average_price == 149


def test_a_bust_undoes_the_fill_and_its_order_does_not_work_again(exchange):
    (report,) = place(exchange, order())
    wanted = Revision(execution_id=report.executions[0].execution_id, busted=True)
    report = exchange.revise(BROKER_ACCOUNT, wanted)
    assert (report.status, report.filled_quantity) == (S.CANCELED, 0)
    assert report.executions[0].busted
    assert exchange.state(BROKER_ACCOUNT).cash == CASH
    assert exchange.positions(BROKER_ACCOUNT) == []
    assert tick(exchange, 150) == 0


def test_a_fill_that_is_not_there_is_not_corrected(exchange):
    assert exchange.revise(BROKER_ACCOUNT, Revision(execution_id="X")).code == "UNKNOWN_EXECUTION"


def test_a_fill_by_hand_is_booked_whatever_the_order_was(exchange):
    place(exchange, limit(149))
    exchange.cancel(BROKER_ACCOUNT, limit(149).client_order_id)
    report = exchange.fill(
        BROKER_ACCOUNT, limit(149).client_order_id, Take(Decimal(149), Decimal(4))
    )
    assert (report.status, report.filled_quantity) == (S.CANCELED, 4)
    report = exchange.fill(
        BROKER_ACCOUNT, limit(149).client_order_id, Take(Decimal(149), Decimal(8))
    )
    assert (report.status, report.filled_quantity) == (S.FILLED, 12)


def test_executions_since_are_those_that_occurred_then_or_later(exchange):
    place(exchange, order(signal_id="a"))
    first = fills_of(exchange)[0].occurred_at
    assert len(exchange.executions(BROKER_ACCOUNT, first)) == 1
    assert exchange.executions(BROKER_ACCOUNT, first + timedelta(milliseconds=1)) == []


def test_a_failure_in_the_middle_leaves_nothing_behind(exchange, monkeypatch):
    place(exchange, limit(149))
    before = read_all(exchange)
    monkeypatch.setattr(
        exchange._journal, "add_report", lambda *_: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        tick(exchange, 148)
    monkeypatch.undo()
    assert read_all(exchange) == before
    assert exchange.prices() == {}


moves = st.one_of(
    st.tuples(st.just("tick"), st.integers(90, 110)),
    st.tuples(
        st.just("place"),
        st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing", "bracket", "combo"]),
        st.sampled_from(list(Side)),
        st.integers(1, 12),
        st.integers(90, 110),
        st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
        st.sampled_from([None, "G"]),
    ),
    st.tuples(st.sampled_from(["cancel", "modify", "bust", "correct", "fill"]), st.integers(0, 50)),
)


def perform(exchange, number, move):
    kind, *rest = move
    if kind == "tick":
        tick(exchange, rest[0])
    elif kind == "place":
        _send(exchange, number, rest)
    else:
        _disturb(exchange, kind, rest[0])


def _send(exchange, number, wanted):
    kind, side, quantity, price, life, group = wanted
    fields = {"signal_id": f"s{number}", "time_in_force": life}
    quantity, away = str(quantity), Decimal(price)
    made = {
        "market": lambda: order(quantity, side, price="100", **fields),
        "limit": lambda: limit(away, side, quantity, oco_group=group, **fields),
        "stop": lambda: stop(away, side, quantity, oco_group=group, **fields),
        "stop_limit": lambda: stop(away, side, quantity, limit_price=away, **fields).model_copy(
            update={"order_type": OrderType.STOP_LIMIT}
        ),
        "trailing": lambda: order(
            quantity, side, order_type=OrderType.TRAILING_STOP, trail_amount=Decimal(3), **fields
        ),
    }
    if kind in made:
        place(exchange, made[kind]())
        return
    entry = limit(away, side, quantity, **fields)
    other = {"quantity": quantity, "oco_group": group, "time_in_force": TimeInForce.GTC}
    guards = [
        limit(away + 4 * side.sign, side.opposite, signal_id=f"t{number}", **other),
        stop(away - 4 * side.sign, side.opposite, signal_id=f"l{number}", **other),
    ]
    if kind == "bracket":
        exchange.place_bracket(BROKER_ACCOUNT, entry, guards)
    else:
        exchange.place_combo(BROKER_ACCOUNT, [entry, guards[0]])


def _disturb(exchange, kind, place_in_list):
    found = exchange.orders(BROKER_ACCOUNT)
    if not found:
        return
    chosen, report = found[place_in_list % len(found)]
    name = chosen.client_order_id
    if kind == "cancel":
        exchange.cancel(BROKER_ACCOUNT, name)
    elif kind == "modify":
        wanted = report.terms.model_copy(update={"quantity": report.terms.quantity + 2})
        exchange.modify(BROKER_ACCOUNT, name, wanted)
    elif kind == "fill":
        exchange.fill(BROKER_ACCOUNT, name, Take(Decimal(100), Decimal(2)))
    elif report.executions:
        of = report.executions[-1].execution_id
        wanted = {"busted": True} if kind == "bust" else {"quantity": Decimal(3)}
        exchange.revise(BROKER_ACCOUNT, Revision(execution_id=of, **wanted))


@settings(max_examples=80, deadline=None)
@example(
    moves=[
        ("place", "limit", Side.SELL, 1, 90, TimeInForce.DAY, "G"),
        ("place", "combo", Side.BUY, 1, 101, TimeInForce.DAY, "G"),
    ],
    depth=None,
)
@given(moves=st.lists(moves, min_size=1, max_size=25), depth=st.sampled_from([None, 3, 8]))
def test_whatever_happens_the_books_are_the_sum_of_the_fills(moves, depth):
    market = Market(depth=depth, spread_bps=10, levels=2, slippage_bps=5)
    with tempfile.TemporaryDirectory() as path:
        with opened(path, market) as exchange:
            tick(exchange, 100)
            for number, move in enumerate(moves):
                perform(exchange, number, move)
            check_the_books(exchange)
            check_the_stream(exchange)
            before = read_all(exchange)
        with opened(path, market) as again:
            assert read_all(again) == before


def check_the_stream(exchange):
    """The last report of an order is how it stands, but for a trailing stop that moved since."""
    last = {report.broker_order_id: report for report in told(exchange)}
    for _, now in exchange.orders(BROKER_ACCOUNT):
        then = last[now.broker_order_id]
        assert (then.status, then.filled_quantity) == (now.status, now.filled_quantity)
        assert then.executions == now.executions
