"""The IBKR adapter's own record of orders: whatever comes in whatever order, it says what is so."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ibkr.api import ComboLeg, CommissionReport, Contract, Execution
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.book import Book, Moment
from brokers.ibkr.codes import Meaning, meaning_of
from brokers.ibkr.contracts import instrument_of
from brokers.ibkr.reports import all_executions, open_orders_of, report_of, reports_of
from brokers.ibkr.tracks import Refusal, split_exec_id
from services.domain.words import OrderStatus, OrderType, Side

S = OrderStatus
AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
INFY = Contract(secType="STK", conId=7, symbol="INFY", exchange="NSE", currency="INR")
MINE, LEG_A, LEG_B = (f"MT{letter * 18}" for letter in "XAB")


def moment(seconds=0.0):
    return Moment(AT + timedelta(seconds=seconds), seconds)


def ib_order(quantity=10.0, **fields):
    known = {"orderId": 5, "clientId": 1, "permId": 900, "account": "DU1", "orderRef": MINE}
    known |= {"action": "BUY", "orderType": "LMT", "lmtPrice": 149.0}
    return IbOrder(**{**known, "totalQuantity": quantity, **fields})


def execution(number, shares=4.0, *, revision=1, price=149.0, **fields):
    known = {"acctNumber": "DU1", "permId": 900, "clientId": 1, "orderId": 5, "orderRef": MINE}
    return Execution(
        execId=f"0001.{number:04d}.01.{revision:02d}",
        time=AT + timedelta(seconds=number),
        side="BOT",
        shares=shares,
        price=price,
        **{**known, **fields},
    )


class Told:
    """A book, and the events that it can be given."""

    def __init__(self):
        self.book = Book("DU1", client_id=1)

    def show(self, word="Submitted", *, listed=False, now=None, contract=INFY, **fields):
        return self.book.opened(contract, ib_order(**fields), word, now or moment(), listed=listed)

    def state(self, word, filled=0.0, *, listed=False):
        return self.book.stated(
            perm_id=900,
            client_id=1,
            order_id=5,
            word=word,
            filled=filled,
            held="",
            now=moment(),
            listed=listed,
        )

    def fill(self, told, contract=INFY):
        return self.book.executed(contract, told, moment(), listed=False)

    def pay(self, told, amount=1.0):
        report = CommissionReport(execId=told.execId, commission=amount, currency="INR")
        return self.book.paid(report, moment())

    def err(self, code, text="said"):
        track = self.book.own(5)
        self.book.errored(track, meaning_of(code), Refusal(code, text), moment())

    def report(self, now=0.0):
        (track,) = self.book.of(MINE)
        return report_of(track, track.parts()[0], instrument_of, now)


@pytest.fixture
def told():
    return Told()


FILLS = [
    execution(1),
    execution(2),
    execution(2, revision=2, price=148.5),
    execution(3, shares=2.0),
]
EVENTS = [
    lambda told: told.show(),
    lambda told: told.show("PreSubmitted"),
    lambda told: told.state("PreSubmitted"),
    lambda told: told.state("Submitted", 4.0),
    lambda told: told.state("Filled", 10.0),
    lambda told: told.show("Filled"),
    *(lambda told, each=each: told.fill(each) for each in FILLS),
    *(lambda told, each=each: told.pay(each) for each in FILLS),
]


@given(st.permutations(range(len(EVENTS))), st.lists(st.integers(0, len(EVENTS) - 1), max_size=12))
def test_in_whatever_order_and_however_often_events_come_the_end_is_the_same(order, again):
    told = Told()
    told.show("PendingSubmit")  # the only one that must come first: what is not shown has no id
    for number in [*order, *again]:
        EVENTS[number](told)
    report = told.report()
    assert (report.status, report.filled_quantity) == (S.FILLED, 10)
    fills = [(each.execution_id, each.revision, each.price) for each in report.executions]
    assert fills == [
        ("0001.0001.01", 0, 149),
        ("0001.0002.01", 2, Decimal("148.5")),
        ("0001.0003.01", 0, 149),
    ]
    assert {each.commission for each in report.executions} == {1}
    every = all_executions(told.book.shown(), instrument_of, 0.0)
    assert len(every) == len({(each.execution_id, each.revision) for each in every}) == 4


@given(st.lists(st.sampled_from([*range(90, 600), *range(1100, 1400), *range(10000, 10400)])))
def test_no_number_ends_an_order_that_was_accepted_but_202(codes):
    told = Told()
    told.show()
    for code in codes:
        told.err(code)
    ended = 202 in codes
    assert told.report().status is (S.CANCELED if ended else S.SUBMITTED)


@pytest.mark.parametrize("code", [201, 203, 388, 434, 10289, 10293])
def test_a_refusal_before_it_was_accepted_is_a_reject(told, code):
    told.book.expect(5, INFY, ib_order(permId=0), moment())
    told.err(code, "no")
    assert (told.report().status, told.report().text) == (S.REJECTED, f"{code}: no")


def test_a_refusal_of_what_worked_is_a_reject_only_once_the_order_ends(told):
    told.show()
    told.err(201, "margin")
    assert told.report().status is S.SUBMITTED
    told.state("Cancelled")
    assert told.report().status is S.REJECTED


def test_a_refused_change_is_not_held_against_the_order(told):
    track = told.show()
    track.changing = True
    told.err(201, "margin")
    track.changing = False
    told.state("Cancelled")
    assert (told.report().status, told.report().text) == (S.CANCELED, "")


def test_a_fill_after_the_end_is_told_and_the_end_stays(told):
    told.show()
    told.state("Cancelled")
    told.fill(execution(1))
    told.pay(execution(1))
    report = told.report()
    assert (report.status, report.filled_quantity, len(report.executions)) == (S.CANCELED, 4, 1)


def test_an_order_that_only_filled_is_there_without_ever_being_shown(told):
    told.fill(execution(1))
    told.pay(execution(1))
    report = told.report()
    assert (report.status, report.filled_quantity, report.terms) == (
        S.PARTIALLY_FILLED,
        4,
        told.report().terms,
    )
    assert report.executions[0].side is Side.BUY
    assert told.book.doubtful()  # the order itself must be asked for


def test_a_word_that_comes_late_does_not_bring_an_order_back_but_a_list_does(told):
    told.show()
    told.state("Cancelled")
    told.state("Submitted")
    assert told.report().status is S.CANCELED
    told.show("Submitted", listed=True)
    assert told.report().status is S.SUBMITTED


def test_a_busted_fill_counts_for_nothing(told):
    told.show()
    told.fill(execution(1))
    told.pay(execution(1))
    told.fill(execution(1, shares=0.0, revision=2))
    (fill,) = told.report().executions
    assert (fill.busted, fill.revision, fill.quantity) == (True, 2, 4)
    assert told.report().filled_quantity == 0


def test_a_fill_waits_for_its_cost_and_not_for_ever(told):
    told.show()
    told.fill(execution(1))
    assert told.report(now=0.5).executions == ()
    assert told.report(now=0.5).filled_quantity == 4
    (bare,) = told.report(now=1.5).executions
    assert (bare.commission, bare.revision) == (0, 0)
    told.pay(execution(1))
    (paid,) = told.report(now=1.6).executions
    assert (paid.commission, paid.revision) == (1, 1)
    told.pay(execution(1))
    assert told.report(now=1.7).executions == (paid,)


def test_a_correction_is_newer_than_a_late_commission_also_after_a_restart(told):
    told.show()
    told.fill(execution(1))
    (bare,) = told.report(now=1.5).executions
    told.pay(execution(1))
    (paid,) = told.report(now=1.6).executions
    after = Told()  # IB tells the fill with its commission now, and then corrects it
    after.show()
    for revision, price in ((1, 149.0), (2, 148.5)):
        after.fill(execution(1, revision=revision, price=price))
        after.pay(execution(1, revision=revision))
    (corrected,) = after.report().executions
    assert corrected.price == Decimal("148.5")
    assert bare.revision < paid.revision < corrected.revision


def test_commissions_of_fills_that_are_not_ours_are_not_kept_for_ever(told):
    for number in range(3000):
        told.pay(execution(number))
    assert len(told.book._commissions) <= 1000
    last = execution(2999)
    told.show()
    told.fill(last)
    assert told.report().executions[0].commission == 1


def test_a_number_of_todays_fills_is_not_given_again(told):
    told.fill(execution(1, orderId=41))
    told.fill(execution(2, orderId=99, clientId=2, permId=901))
    assert told.book.highest_id == 41


def test_a_refusal_of_the_rest_of_what_has_filled_in_part_is_a_cancel(told):
    told.show()
    told.fill(execution(1))
    told.err(201, "margin")
    told.state("Cancelled", 4.0)
    report = told.report(now=2)
    assert (report.status, report.filled_quantity, report.text) == (S.CANCELED, 4, "201: margin")


@pytest.mark.parametrize("amount", [-1.0, 1.7976931348623157e308])
def test_a_cost_that_is_not_known_yet_is_not_zero(told, amount):
    told.show()
    told.fill(execution(1))
    told.pay(execution(1), amount)
    assert told.report(now=0.5).executions == ()


def test_orders_and_fills_of_another_account_are_not_ours(told):
    assert told.show(account="DU2") is None
    assert told.fill(execution(1, acctNumber="DU2")) is None
    assert told.book.shown() == []


def test_ended_orders_are_told_without_a_number_and_are_the_same_order(told):
    told.show()
    told.fill(execution(1, shares=10.0))
    told.pay(execution(1, shares=10.0))
    ended = ib_order(0.0, orderId=0, clientId=0, filledQuantity=10.0)
    told.book.completed(INFY, ended, "Filled", moment())
    report = told.report()
    assert (report.status, report.filled_quantity, len(report.executions)) == (S.FILLED, 10, 1)
    assert report.terms.quantity == 10


def test_an_order_whose_number_was_not_told_while_it_worked_is_not_two(told):
    told.show(permId=0)
    told.book.completed(INFY, ib_order(orderId=0, clientId=0), "Cancelled", moment())
    assert told.report().status is S.CANCELED
    assert told.book.own(5) is told.book.of(MINE)[0]


def test_a_fill_whose_order_nobody_shows_is_asked_for_once_and_is_not_open(told):
    told.fill(execution(1))
    assert told.book.doubtful()
    told.book.begin_look()
    told.book.executed(INFY, execution(1), moment(), listed=True)
    told.book.end_look(moment(10))
    assert not told.book.doubtful()
    assert not told.book.of(MINE)[0].works
    assert (told.report(9).status, told.report(9).filled_quantity) == (S.PARTIALLY_FILLED, 4)
    told.show("Submitted", listed=True)  # and then it is there after all
    assert told.book.of(MINE)[0].works


def test_what_was_refused_while_we_were_away_is_a_reject(told):
    told.book.completed(INFY, ib_order(), "Inactive", moment())
    assert told.report().status is S.REJECTED


def test_an_order_with_somebody_elses_reference_has_no_id_of_ours(told):
    track = told.show(orderRef="my hedge")
    assert [each.client_order_id for each in reports_of(track, instrument_of, 0.0)] == [""]


def test_two_orders_of_one_id_are_two(told):
    told.show()
    told.show(orderId=6, permId=901)
    assert len(told.book.of(MINE)) == 2


def test_what_a_look_does_not_show_any_more_is_forgotten_unless_it_had_ended(told):
    told.show()
    told.show("Cancelled", orderId=6, permId=901, orderRef=LEG_B)
    told.book.begin_look()
    assert told.book.doubtful()
    told.book.end_look(moment(10))
    assert told.book.of(MINE) == []
    assert len(told.book.of(LEG_B)) == 1


def test_what_was_said_a_moment_ago_is_not_forgotten(told):
    told.show(now=moment(9))
    told.book.begin_look()
    told.book.end_look(moment(10))
    assert len(told.book.of(MINE)) == 1


def test_ended_orders_are_forgotten_after_their_day(told):
    told.show("Cancelled")
    told.book.begin_look()
    told.book.end_look(moment(40 * 3600))
    assert told.book.shown() == []


def test_an_order_of_which_nothing_was_said_is_not_shown(told):
    told.book.expect(5, INFY, ib_order(permId=0), moment())
    told.err(99999)
    told.err(399)
    assert told.book.of(MINE) == []


BAG = Contract(
    secType="BAG",
    symbol="INFY,TCS",
    currency="INR",
    exchange="NSE",
    comboLegs=[
        ComboLeg(conId=7, ratio=5, action="BUY", exchange="NSE"),
        ComboLeg(conId=8, ratio=3, action="SELL", exchange="NSE"),
    ],
)
LEGS = {"quantity": 2.0, "orderRef": f"{LEG_A}.{LEG_B}", "orderType": "LMT"}


def test_legs_of_a_combo_are_orders_of_their_own_and_its_sum_is_not_told(told):
    track = told.show(contract=BAG, **LEGS)
    ref = {"orderRef": f"{LEG_A}.{LEG_B}"}
    for number, con_id, shares in ((1, 7, 10.0), (2, 8, 6.0), (3, 0, 2.0)):
        leg = execution(number, shares, **ref)
        contract = Contract(secType="STK", conId=con_id, currency="INR", exchange="NSE")
        told.fill(leg, contract if con_id else BAG)
        told.pay(leg)
    told.state("Filled", 2.0)
    one, other = reports_of(track, instrument_of, 0.0)
    assert (one.client_order_id, one.status, one.filled_quantity) == (LEG_A, S.FILLED, 10)
    assert (other.client_order_id, other.status, other.filled_quantity) == (LEG_B, S.FILLED, 6)
    assert [len(each.executions) for each in (one, other)] == [1, 1]
    assert one.terms.quantity == 10


def test_a_resting_combo_is_two_open_orders(told):
    track = told.show(contract=BAG, **LEGS)
    rows = open_orders_of(track, instrument_of, 0.0)
    assert [(each.side, each.order_type) for each in rows] == [
        (Side.BUY, OrderType.LIMIT),
        (Side.SELL, OrderType.LIMIT),
    ]


def test_a_combo_by_hand_has_no_ids_of_ours(told):
    track = told.show(contract=BAG, **{**LEGS, "orderRef": ""})
    assert [each.client_order_id for each in reports_of(track, instrument_of, 0.0)] == ["", ""]


@pytest.mark.parametrize(
    ("exec_id", "parts"),
    [
        ("0001f4e8.65a1.01.01", ("0001f4e8.65a1.01", 0)),
        ("0001f4e8.65a1.01.03", ("0001f4e8.65a1.01", 2)),
        ("0001f4e8.65a1.01.00", ("0001f4e8.65a1.01", 0)),
        ("strange", ("strange", 0)),
        ("a.b", ("a.b", 0)),
    ],
)
def test_the_last_part_of_an_execution_counts_its_corrections(exec_id, parts):
    assert split_exec_id(exec_id) == parts


def test_an_unknown_number_has_no_meaning():
    assert meaning_of(123456) is Meaning.UNKNOWN
    assert meaning_of(2150) is Meaning.NOTE
