"""An answer of a broker: prices and payments explain it, or a person does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.broker import AccountState, BrokerPosition, CurrencyBalance
from services.account_data.accepting import Answer, Known, accept, needs_fills
from services.account_data.held import gain, held, marks_of, realized_pnl, unrealized_pnl
from services.account_data.payments import Point, came_at, is_near, unexplained_cash
from services.domain.capital import CapitalFlow
from services.domain.instruments import Instrument
from services.domain.marks import daily_pnl, drawdown_ratio, marked
from services.domain.orders import Execution
from services.domain.words import FlowStatus, InstrumentType, Side
from tests.support.accounts import NOW

LIMIT = Decimal("0.1")
LATER = NOW + timedelta(seconds=30)
SPY = Instrument(instrument_type=InstrumentType.ETF, symbol="SPY")
ES = Instrument(instrument_type=InstrumentType.FUTURE, symbol="ES", multiplier=Decimal(50))
DAX = Instrument(instrument_type=InstrumentType.STOCK, symbol="SAP", currency="EUR")


def holding(quantity, price, instrument=SPY, rates=None, cost=100):
    position = BrokerPosition(
        instrument=instrument,
        quantity=Decimal(quantity),
        average_price=Decimal(cost),
        market_price=None if price is None else Decimal(price),
    )
    return held([position], "USD", rates or {})


def fill(side, quantity, price, instrument=SPY, at=NOW + timedelta(seconds=5)):
    return Execution(
        execution_id=f"{side}{quantity}{price}",
        client_order_id="",
        instrument=instrument,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        occurred_at=at,
    )


def flow(amount, *, cash_before="0", flow_id="f1"):
    return CapitalFlow(
        flow_id=flow_id,
        account_id="A",
        amount=Decimal(amount),
        currency="USD",
        account_amount=Decimal(amount),
        effective_at=NOW,
        recorded_at=NOW,
        by="olga",
        reason="wire",
        cash_before=None if cash_before is None else Decimal(cash_before),
    )


def known(equity="1000", **fields):
    marks = marked(None, Decimal(equity), NOW)
    return Known("A", marks=marks, equity=Decimal(equity), as_of=NOW, **fields)


def answered(equity, **fields):
    return Answer(Decimal(equity), LATER, **fields)


def test_the_first_answer_begins_the_marks_whatever_it_is():
    accepted = accept(Known("A"), answered("0"), (), LIMIT)
    assert (accepted.marks.peak, accepted.jump) == (0, None)


@pytest.mark.parametrize("equity", ["1100", "900", "1099.99"])
def test_a_move_within_the_limit_is_believed(equity):
    accepted = accept(known(), answered(equity), (), LIMIT)
    assert (accepted.jump, accepted.marks.last) == (None, Decimal(equity))


@pytest.mark.parametrize("equity", ["1100.01", "899.99", "10000", "0", "-5"])
def test_what_nothing_explains_is_doubted_and_leaves_the_marks(equity):
    before = known()
    accepted = accept(before, answered(equity), (), LIMIT)
    assert accepted.marks == before.marks
    assert accepted.jump.unexplained == Decimal(equity) - 1000
    assert "until a person says what it was" in accepted.jump.sentence


def test_a_loss_that_prices_explain_is_believed_at_once():
    # 10 SPY fall from 100 to 60: 400 of 1000
    before = known(positions=holding(10, 100))
    accepted = accept(before, answered("600", positions=holding(10, 60)), (), LIMIT)
    assert accepted.jump is None
    assert drawdown_ratio(accepted.marks) == Decimal("0.4")


def test_all_figures_zero_after_a_restart_are_doubted_whatever_was_held():
    before = known(positions=holding(10, 100))
    assert accept(before, answered("0", positions=()), (), LIMIT).jump is not None


def test_the_price_that_closed_a_position_explains_too():
    # 10 SPY were worth 100 each, and are sold at 80
    before = known(positions=holding(10, 100))
    answer = answered("800", positions=())
    assert needs_fills(before, answer, LIMIT)
    accepted = accept(before, answer, [fill(Side.SELL, 10, 80)], LIMIT)
    assert (accepted.jump, accepted.marks.last) == (None, 800)


def test_prices_explain_in_the_accounts_currency_and_by_the_multiplier():
    euro = {"EUR": Decimal("1.1")}
    # 2 ES by 10 points: 1000; 10 SAP by 5 EUR at 1.1: 55
    before = (*holding(2, 5000, ES), *holding(10, 200, DAX, euro))
    after = (*holding(2, 5010, ES), *holding(10, 205, DAX, euro))
    assert gain(before, after, ()) == Decimal(1055)


def test_what_was_bought_since_gains_from_its_own_price():
    # 10 held from 100 to 103, and 5 bought at 101
    assert gain(holding(10, 100), holding(15, 103), [fill(Side.BUY, 5, 101)]) == 40


def test_what_has_no_price_or_no_rate_explains_nothing():
    assert gain(holding(10, None), holding(10, 60), ()) == 0
    assert gain(holding(10, 100, DAX), holding(10, 60, DAX), ()) == 0


def test_a_recorded_deposit_is_neither_gain_nor_doubt():
    before = known(pending=[flow("500", cash_before="200")])
    accepted = accept(before, answered("1510", cash=Decimal("700")), (), LIMIT)
    assert accepted.jump is None
    assert (daily_pnl(accepted.marks, LATER), drawdown_ratio(accepted.marks)) == (10, 0)
    (settled,) = accepted.flows
    assert (settled.status, settled.settled_at, accepted.flow) == (FlowStatus.SETTLED, LATER, 500)


def test_a_withdrawal_is_no_loss():
    before = known(pending=[flow("-500", cash_before="800")])
    accepted = accept(before, answered("490", cash=Decimal("300")), (), LIMIT)
    assert daily_pnl(accepted.marks, LATER) == -10
    # 10 of 500 that were left
    assert drawdown_ratio(accepted.marks) == Decimal("0.02")


def test_a_payment_that_has_not_come_waits():
    before = known(pending=[flow("500", cash_before="200")])
    accepted = accept(before, answered("1005", cash=Decimal("205")), (), LIMIT)
    assert (accepted.flows, accepted.flow, daily_pnl(accepted.marks, LATER)) == ((), 0, 5)


def test_of_two_payments_the_one_that_came_is_taken_and_the_other_waits_from_there():
    pending = [flow("500", cash_before="0"), flow("300", cash_before="0", flow_id="f2")]
    accepted = accept(known(pending=pending), answered("1300", cash=Decimal(300)), (), LIMIT)
    came, waits = accepted.flows
    assert (came.flow_id, came.status) == ("f2", FlowStatus.SETTLED)
    assert (waits.flow_id, waits.cash_before) == ("f1", 300)


def test_two_payments_that_came_together_are_both_taken():
    pending = [flow("500", cash_before="0"), flow("300", cash_before="0", flow_id="f2")]
    accepted = accept(known(pending=pending), answered("1800", cash=Decimal(800)), (), LIMIT)
    assert [each.status for each in accepted.flows] == [FlowStatus.SETTLED] * 2
    assert (accepted.flow, accepted.marks.last) == (800, 1800)


def test_a_deposit_and_a_withdrawal_that_cancel_out_have_not_come_while_nothing_moves():
    pending = [flow("500"), flow("-499", flow_id="f2")]
    for moved in ("0", "1"):
        accepted = accept(known(pending=pending), answered("1000", cash=Decimal(moved)), (), LIMIT)
        assert accepted.flows == ()


def test_a_large_payment_is_seen_in_the_equity_where_cash_tells_nothing():
    before = known(pending=[flow("500", cash_before=None)])
    accepted = accept(before, answered("1505"), (), LIMIT)
    assert (accepted.flow, daily_pnl(accepted.marks, LATER)) == (500, 5)


def test_a_loss_that_drifts_through_cash_never_passes_for_a_withdrawal():
    # a future that loses: its gains are cash, and at -95 before there is a step of 5 only
    before = known(pending=[flow("-100")], cash=Decimal(-95))
    accepted = accept(before, answered("995", cash=Decimal(-100)), (), LIMIT)
    assert (accepted.flow, daily_pnl(accepted.marks, LATER)) == (0, -5)


def test_a_loss_beside_cash_that_stands_still_never_passes_for_a_withdrawal():
    before = known(pending=[flow("-50", cash_before="200")], cash=Decimal(200))
    accepted = accept(before, answered("950", cash=Decimal(200)), (), LIMIT)
    assert (accepted.flow, daily_pnl(accepted.marks, LATER)) == (0, -50)


def test_what_prices_do_while_equity_is_doubted_is_explained():
    before = known(positions=holding(10, 50))
    jump = accept(before, answered("1500", positions=holding(10, 50)), (), LIMIT).jump
    doubted = before._replace(jump=jump, equity=Decimal(1500), as_of=LATER)
    meanwhile = accept(doubted, answered("1560", positions=holding(10, 56)), (), LIMIT)
    assert (meanwhile.jump.explained, meanwhile.jump.jump_id) == (60, jump.jump_id)


def test_a_payment_recorded_before_anything_was_known_waits_from_the_next_figure():
    accepted = accept(known(pending=[flow("5", cash_before=None)]), answered("1000"), (), LIMIT)
    assert accepted.flows == ()
    seen = accept(
        known(pending=[flow("5", cash_before=None)]), answered("1000", cash=Decimal(7)), (), LIMIT
    )
    assert [each.cash_before for each in seen.flows] == [7]


def test_doubted_figures_stay_doubted_even_when_they_come_back():
    before = known()
    jump = accept(before, answered("0"), (), LIMIT).jump
    doubted = before._replace(jump=jump, equity=Decimal(0), as_of=LATER)
    again = accept(doubted, answered("0"), (), LIMIT)
    assert (again.jump, again.began, again.marks) == (jump, False, before.marks)
    back = accept(doubted, answered("1000"), (), LIMIT)
    assert back.jump is not None
    assert back.marks == before.marks


def test_another_jump_on_top_is_another_to_confirm():
    before = known()
    jump = accept(before, answered("2000"), (), LIMIT).jump
    doubted = before._replace(jump=jump, equity=Decimal(2000), as_of=LATER)
    answer = Answer(Decimal(5000), LATER + timedelta(seconds=30))
    more = accept(doubted, answer, (), LIMIT)
    assert more.began
    assert more.jump.jump_id != jump.jump_id
    assert (more.jump.before, more.jump.equity, more.jump.unexplained) == (1000, 5000, 4000)


amounts = st.decimals(min_value=-900, max_value=100_000, places=2)
gains = st.decimals(min_value=-90, max_value=90, places=2)


@given(amounts.filter(bool), gains)
def test_a_payment_never_moves_the_days_gain_nor_makes_a_drawdown(amount, gained):
    before = known(pending=[flow(amount)])
    answer = answered(1000 + amount + gained, cash=amount)
    accepted = accept(before, answer, (), LIMIT)
    if accepted.jump is None:
        assert daily_pnl(accepted.marks, LATER) == gained
        lost = max(-gained, 0) / (1000 + amount)
        assert abs(accepted.marks.max_drawdown_ratio - lost) < Decimal("1e-12")


def test_cash_that_fills_explain_is_taken_off_at_the_rate_of_its_currency():
    moved = {"USD": Decimal(-100), "EUR": Decimal(-10)}
    rates = {"EUR": Decimal("1.1")}
    assert unexplained_cash(Decimal(900), "USD", moved, rates) == Decimal(1011)
    assert unexplained_cash(Decimal(900), "USD", moved, {}) is None
    assert unexplained_cash(Decimal(900), "USD", {"EUR": Decimal(0)}, {}) == 900


def test_when_a_payment_came_is_the_first_look_that_has_it():
    looks = ["100", "100", "103", "603", "600"]
    points = [Point(NOW + timedelta(minutes=i), Decimal(cash)) for i, cash in enumerate(looks)]
    assert came_at(Decimal(500), points) == 2  # 600 less 100, seen last in the second look
    assert came_at(Decimal(900), points) is None
    assert came_at(Decimal(500), points[3:]) is None


def test_a_bank_may_keep_half_a_percent():
    assert is_near(Decimal(995), Decimal(1000))
    assert not is_near(Decimal("994.9"), Decimal(1000))


def test_positions_are_valued_and_what_has_no_price_is_unknown_not_zero():
    (spy,) = holding(10, 103)
    assert (spy.market_value, spy.unrealized_pnl, spy.fx_rate) == (1030, 30, 1)
    (unknown,) = holding(10, None)
    assert (unknown.market_value, unknown.unrealized_pnl) == (None, None)
    assert unrealized_pnl([spy]) == 30
    assert unrealized_pnl([spy, unknown]) is None
    assert unrealized_pnl([]) == 0


def test_realized_gains_of_all_currencies_are_one_sum_or_unknown():
    def state(**balances):
        zero = dict.fromkeys(
            ("equity", "cash", "initial_margin", "maintenance_margin"), Decimal(0)
        ) | {"available_funds": Decimal(0), "buying_power": Decimal(0)}
        rates = {"EUR": Decimal("1.1")}
        return AccountState(
            account_id="A", currency="USD", as_of=NOW, balances=balances, fx_rates=rates, **zero
        )

    def balance(amount):
        return CurrencyBalance(cash=Decimal(0), realized_pnl=amount)

    assert realized_pnl(state(USD=balance(Decimal(5)), EUR=balance(Decimal(10)))) == 16
    assert realized_pnl(state(USD=balance(None))) is None
    assert realized_pnl(state(CHF=balance(Decimal(1)))) is None
    assert realized_pnl(state()) is None


def test_the_last_price_of_a_day_is_also_that_of_the_fill_that_closed():
    marks = marks_of(holding(10, 100), (), [fill(Side.SELL, 4, 99), fill(Side.SELL, 6, 98)])
    assert [(each.instrument, each.price) for each in marks] == [(SPY, 98)]
    assert marks_of(holding(10, 100), (), ()) == ()
    assert marks_of((), holding(10, None), ()) == ()
