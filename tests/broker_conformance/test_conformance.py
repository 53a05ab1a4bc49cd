"""What every adapter guarantees (brokers/broker.py), whatever the broker behind it."""

import queue
import threading
import time
from decimal import Decimal

import pytest

from brokers.errors import (
    BrokerError,
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from services.domain.words import InstrumentType, OrderStatus, Side, TimeInForce
from tests.support.broker_orders import (
    INFY,
    TCS,
    collect,
    filled_in_turn,
    limit,
    order,
    preview_leg,
    stock,
    until,
)
from tests.support.builders import make_instrument

pytestmark = pytest.mark.servers


def test_a_market_order_fills_and_is_in_every_book(broker):
    report = broker.place_order(order(1))
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal(10))
    (execution,) = report.executions
    assert (execution.price, execution.quantity) == (Decimal(150), Decimal(10))
    assert execution.client_order_id == order(1).client_order_id
    assert broker.find_order(order(1).client_order_id) == report.model_copy(
        update={"occurred_at": broker.find_order(order(1).client_order_id).occurred_at}
    )
    assert list(broker.executions()) == [execution]
    (position,) = broker.positions()
    assert (position.quantity, position.average_price) == (Decimal(10), Decimal(150))


def test_cash_and_equity_to_the_cent(broker):
    before = broker.account_state()
    broker.place_order(order(1))
    after = broker.account_state()
    # 10 × 150 and a commission of 1.00 (the minimum)
    assert before.cash - after.cash == Decimal("1501.00")
    assert before.equity - after.equity == Decimal("1.00")
    assert after.as_of > before.as_of


def test_an_unknown_order_is_none_not_an_error(broker):
    assert broker.find_order("MTNEVERSENT") is None


def test_a_rejection_says_why_and_leaves_nothing(broker):
    with pytest.raises(OrderRejected) as caught:
        broker.place_order(order(1, quantity="1000000"))
    assert "INSUFFICIENT_FUNDS" in f"{caught.value.code}: {caught.value}"
    assert list(broker.positions()) == []
    assert list(broker.executions()) == []
    assert broker.find_order(order(1).client_order_id).status is OrderStatus.REJECTED


def test_what_the_broker_cannot_do_is_refused_before_sending(broker):
    missing = sorted(set(TimeInForce) - broker.capabilities.times_in_force)
    if not missing:
        pytest.skip("this broker takes orders of every time in force")
    odd = order(1, time_in_force=missing[0])
    with pytest.raises(UnsupportedOrder):
        broker.place_order(odd)
    assert broker.find_order(odd.client_order_id) is None


def test_a_price_nobody_has_named_is_none(broker):
    assert broker.last_price(stock("NEVER")) is None


def test_the_last_price_is_the_markets(bench, broker):
    instrument = stock("M&M")
    bench.set_price(instrument, "481.25")
    first = broker.last_price(instrument)
    assert (first.instrument, first.price) == (instrument, Decimal("481.25"))
    bench.set_price(instrument, "482")
    second = broker.last_price(instrument)
    assert second.price == 482
    assert second.as_of >= first.as_of


def test_a_trade_is_a_price_as_old_as_the_trade(bench, broker):
    bench.trade_by_hand(TCS, "5", price="300")
    (execution,) = broker.executions()
    last = broker.last_price(TCS)
    assert (last.price, last.as_of) == (execution.price, execution.occurred_at)


def test_a_broker_that_is_down_is_unavailable_never_empty(bench, broker):
    bench.kill()
    for question in (broker.open_orders, broker.executions, broker.positions, broker.account_state):
        with pytest.raises(BrokerUnavailable):
            question()
    with pytest.raises(BrokerUnavailable):
        broker.last_price(INFY)
    with pytest.raises(BrokerUnavailable):
        broker.find_order("MTX")
    with pytest.raises(BrokerUnavailable):
        bench.adapter().place_order(order(1))
    assert not broker.is_connected()


def test_accepted_without_an_answer_is_unknown_and_found_once(bench):
    broker = bench.connected(timeout_seconds=0.5)
    bench.break_next("ACCEPT_THEN_SILENCE", seconds=2)
    with pytest.raises(OrderStateUnknown):
        broker.place_order(order(1))
    found = broker.find_order(order(1).client_order_id)
    assert found.status is OrderStatus.FILLED
    assert len(broker.executions()) == 1


def test_lost_before_it_was_accepted_is_unknown_and_not_found(bench):
    broker = bench.connected(timeout_seconds=0.5)
    bench.break_next("DROP_BEFORE_ACCEPT", seconds=2)
    with pytest.raises(OrderStateUnknown):
        broker.place_order(order(1))
    assert broker.find_order(order(1).client_order_id) is None


def test_two_orders_of_one_id_are_seen_not_hidden(broker):
    broker.place_order(order(1))
    broker.place_order(order(1))
    assert len(broker.executions()) == 2
    assert len({each.execution_id for each in broker.executions()}) == 2
    with pytest.raises(OrderStateUnknown):
        broker.find_order(order(1).client_order_id)


def test_a_limit_order_rests_until_its_price_comes(bench, broker):
    resting = limit(1, "149")
    report = broker.place_order(resting)
    assert report.status is OrderStatus.SUBMITTED
    assert [each.report.client_order_id for each in broker.open_orders()] == [
        resting.client_order_id
    ]
    bench.set_price(resting.instrument, "148.50")
    found = broker.find_order(resting.client_order_id)
    assert (found.status, found.executions[0].price) == (OrderStatus.FILLED, Decimal("148.50"))
    assert list(broker.open_orders()) == []


def test_an_immediate_limit_does_not_rest(broker):
    report = broker.place_order(limit(1, "149", time_in_force=TimeInForce.IOC))
    assert (report.status, report.filled_quantity) == (OrderStatus.CANCELED, 0)


def test_cancel_ends_a_resting_order(broker):
    resting = limit(1, "149")
    broker.place_order(resting)
    assert broker.cancel_order(resting).status is OrderStatus.CANCELED
    assert list(broker.open_orders()) == []


def test_cancel_of_a_filled_order_reports_the_fill(broker):
    broker.place_order(order(1))
    report = broker.cancel_order(order(1))
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal(10))


def test_the_stream_tells_every_fill_in_order_from_any_cursor(bench, broker):
    arrived = collect(broker)
    for number in range(3):
        broker.place_order(order(number))
    sent = [order(number).client_order_id for number in range(3)]
    cursors = {}
    while sent[2] not in cursors:
        report, cursor = arrived.get(timeout=10)
        if report.status is OrderStatus.FILLED:
            cursors.setdefault(report.client_order_id, cursor)
    assert list(cursors) == sent
    again = filled_in_turn(collect(bench.connected(), after=cursors[sent[0]]), order(2))
    assert [each for each in again if each != sent[0]] == sent[1:]


def test_a_stream_that_resumes_exactly_tells_each_report_once(bench, broker):
    if not bench.resumes_exactly:
        pytest.skip("this broker's stream may tell again what was told")
    arrived = collect(broker)
    for number in range(3):
        broker.place_order(order(number))
    got = [arrived.get(timeout=10) for _ in range(3)]
    sent = [order(number).client_order_id for number in range(3)]
    assert [report.client_order_id for report, _ in got] == sent
    again = collect(bench.connected(), after=got[0][1])
    rest = [again.get(timeout=10)[0].client_order_id for _ in range(2)]
    assert rest == sent[1:]
    time.sleep(0.2)
    assert arrived.empty()
    assert again.empty()


def test_a_report_whose_handler_failed_comes_again(broker):
    seen = queue.Queue()
    failures = [RuntimeError("first time")]

    def handler(report, _cursor):
        seen.put(report.client_order_id)
        if failures:
            raise failures.pop()

    broker.stream_reports(handler, after=None)
    broker.place_order(order(1))
    assert seen.get(timeout=10) == seen.get(timeout=10) == order(1).client_order_id


def test_no_report_is_delivered_after_close(bench, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    arrived.get(timeout=10)
    broker.close()
    other = bench.connected()
    other.place_order(order(2))
    time.sleep(0.5)
    told = [arrived.get()[0].client_order_id for _ in range(arrived.qsize())]
    assert order(2).client_order_id not in told
    assert not broker.is_connected()


def test_a_stream_outlives_a_restart_of_the_broker(bench, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    bench.kill()
    bench.start()
    bench.connected().place_order(order(2))
    told = filled_in_turn(arrived, order(2))
    assert told == [order(1).client_order_id, order(2).client_order_id]


def test_an_idle_connection_that_died_sends_no_order_twice(bench, broker):
    broker.place_order(order(1))  # leaves a kept-alive connection behind
    bench.kill()
    bench.start()
    try:
        broker.place_order(order(2))
    except BrokerUnavailable:
        assert broker.find_order(order(2).client_order_id) is None
    except OrderStateUnknown:
        broker.find_order(order(2).client_order_id)  # raises where there are two
    else:
        assert broker.find_order(order(2).client_order_id).filled_quantity == 10


def test_many_threads_at_once_leave_books_that_agree(bench, broker):
    """Orders, cancels and moves of a thin market from eight threads, and a stream beside them."""
    instrument = order(0).instrument
    bench.set_price(instrument, "150")
    bench.make_thin("7")
    arrived = collect(broker)

    def trade(part):
        for number in range(part * 100, part * 100 + 12):
            side = Side.BUY if number % 2 else Side.SELL
            sent = limit(number, "150", side=side)
            broker.place_order(sent)
            if number % 3 == 0:
                broker.cancel_order(sent)
            if number % 4 == 0:
                bench.set_price(instrument, str(149 + number % 3))

    threads = [threading.Thread(target=trade, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    fills = broker.executions()
    assert len({each.execution_id for each in fills}) == len(fills) > 0
    signed = sum(each.quantity * each.side.sign for each in fills)
    assert sum(each.quantity for each in broker.positions()) == signed
    paid = sum(each.quantity * each.side.sign * each.price + each.commission for each in fills)
    assert broker.account_state().cash == 1_000_000 - paid
    ids = [
        limit(part * 100 + number, "150").client_order_id
        for part in range(8)
        for number in range(12)
    ]
    stand = broker.find_orders(ids)
    assert len(stand) == 96
    assert sum(each.filled_quantity for each in stand.values()) == sum(
        each.quantity for each in fills
    )
    left = {key: (each.status, each.filled_quantity) for key, each in stand.items()}
    while left:  # the last report of each is how it stands
        report, _ = arrived.get(timeout=20)
        if left.get(report.client_order_id) == (report.status, report.filled_quantity):
            del left[report.client_order_id]


def test_a_crash_in_the_middle_of_orders_keeps_every_answered_one_once(bench):
    """And one that never left is not there; only unknown ones may be either way."""
    broker = bench.connected()
    outcomes = {}

    def send():
        for number in range(2000):
            sent = order(number, quantity="1")
            try:
                outcomes[sent.client_order_id] = broker.place_order(sent)
            except BrokerError as error:
                outcomes[sent.client_order_id] = error
                return

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.5)
    bench.kill()
    sender.join(timeout=30)
    bench.start()
    after = bench.connected()
    answered = {key: each for key, each in outcomes.items() if not isinstance(each, BrokerError)}
    assert answered
    booked = [each.client_order_id for each in after.executions()]
    assert len(booked) == len(set(booked))
    assert set(answered) <= set(booked)
    assert {each for each in booked if each not in answered} <= {
        key for key, each in outcomes.items() if isinstance(each, OrderStateUnknown)
    }
    (position,) = after.positions()
    assert position.quantity == len(booked)
    # each fill: 1 × 150 and a commission of 1
    assert after.account_state().cash == 1_000_000 - 151 * len(booked)


def test_a_crash_of_the_broker_loses_nothing(bench, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    broker.place_order(limit(2, "149"))
    cursor = [arrived.get(timeout=10) for _ in range(2)][-1][1]
    before = (broker.find_order(order(1).client_order_id), broker.positions(), broker.executions())
    cash = broker.account_state().cash
    bench.kill()
    bench.start()
    after = bench.reopened(broker)
    assert (
        after.find_order(order(1).client_order_id),
        after.positions(),
        after.executions(),
    ) == before
    assert after.account_state().cash == cash
    assert len(after.open_orders()) == 1
    later = collect(after, after=cursor)
    after.place_order(order(3))
    wanted = order(3).client_order_id
    if bench.resumes_exactly:
        told = until(later, lambda each: each.status is OrderStatus.FILLED)
        assert told.client_order_id == wanted
    else:
        until(later, lambda each: (each.client_order_id, each.status) == (wanted, "FILLED"))


def test_closing_a_position_needs_no_margin(broker):
    broker.place_order(order(1, quantity="13000"))  # 975,000 of the million it starts with
    report = broker.place_order(order(2, quantity="13000", side=Side.SELL))
    assert report.status is OrderStatus.FILLED
    assert list(broker.positions()) == []


def test_connecting_changes_nothing(bench, broker):
    broker.place_order(order(1))
    before = (broker.positions(), broker.account_state().cash)
    other = bench.connected()
    other.close()
    assert (broker.positions(), broker.account_state().cash) == before


@pytest.fixture
def previewer(bench, broker):
    """A connected adapter of a broker that previews margin, and INFY at 150."""
    if not broker.capabilities.margin_preview:
        pytest.skip("this broker previews no margin")
    bench.set_price(INFY, "150")
    return broker


def margins(broker):
    state = broker.account_state()
    return state.initial_margin, state.maintenance_margin


@pytest.mark.parametrize("side", list(Side))
def test_a_preview_is_what_the_order_then_uses(previewer, side):
    quote = previewer.preview_margin([preview_leg("10", side)])
    before = margins(previewer)
    previewer.place_order(order(1, "10", side))
    after = margins(previewer)
    assert quote.initial_margin == after[0] - before[0] > 0
    assert quote.maintenance_margin == after[1] - before[1] > 0


def test_a_preview_changes_nothing(previewer):
    previewer.place_order(order(1))
    before = previewer.account_state()
    previewer.preview_margin([preview_leg("1000")])
    assert previewer.account_state().model_dump(exclude={"as_of"}) == before.model_dump(
        exclude={"as_of"}
    )
    assert len(previewer.executions()) == 1
    assert list(previewer.open_orders()) == []


def test_a_preview_is_of_all_legs_together(previewer):
    legs = [preview_leg("10"), preview_leg("10", Side.SELL)]
    quote = previewer.preview_margin(legs)
    assert (quote.initial_margin, quote.maintenance_margin) == (0, 0)


def test_a_preview_of_what_closes_a_position_frees_its_margin(previewer):
    previewer.place_order(order(1))
    used = previewer.account_state().initial_margin
    quote = previewer.preview_margin([preview_leg("10", Side.SELL)])
    assert quote.initial_margin == -used


def test_a_preview_of_what_has_no_price_says_so(previewer):
    with pytest.raises(BrokerError, match="NEVER"):
        previewer.preview_margin([preview_leg(instrument=stock("NEVER"))])


def test_a_preview_that_cannot_be_asked_is_unavailable(bench, previewer):
    bench.kill()
    with pytest.raises(BrokerUnavailable):
        previewer.preview_margin([preview_leg()])


@pytest.mark.parametrize(
    ("pair", "price", "rate"), [("USD/INR", "80", "80"), ("INR/JPY", "1.6", "0.625")]
)
def test_rates_are_units_of_the_account_currency(bench, broker, pair, price, rate):
    if not bench.names_rates:
        pytest.skip("this broker's accounts know one currency")
    base, quoted = pair.split("/")
    (other,) = {base, quoted} - {broker.account_state().currency}
    assert other not in broker.account_state().fx_rates  # unknown is not there, and never 1
    bench.set_price(make_instrument(base + quoted, InstrumentType.FOREX, currency=quoted), price)
    assert broker.account_state().fx_rates[other] == Decimal(rate)
