"""Deposits, withdrawals and doubted equities on the real database: performance never moves."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from services.account_data.capital import Capital
from services.account_data.equity_views import days_of
from services.account_data.recording import Payment, Signed
from services.account_data.states import States, Told
from services.common.clock import utc_now
from services.common.locks import clear_lock, locks
from services.common.store import from_document
from services.domain.errors import ConfigurationError, Declined
from services.domain.marks import daily_pnl, drawdown_ratio
from services.domain.risk import EquityMarks, Fund
from services.domain.words import FlowStatus, LockRule
from tests.support.accounts import make_document, make_state

pytestmark = pytest.mark.servers
SIGNED = Signed("olga", "wire of the client")
#: An id with a point, which the database could take for a path.
NAME = "IB.1"


def _start():
    """Now, unless the hour before is of another day."""
    now = utc_now()
    return now if now.hour else now - timedelta(hours=now.hour + 2)


class Account:
    """An account at a broker that says what it is told to, a minute after the other."""

    def __init__(self, store, account_id=NAME, equity="1000", minutes_ago=50):
        unseen = {"equity": None, "cash": None, "as_of": None}
        store["trading_accounts"].insert_one(make_document(account_id, **unseen))
        self.store, self.account_id = store, account_id
        self.states = States(store, fund_currency="USD", jump_ratio=Decimal("0.1"))
        self.capital = Capital(store)
        self.at = _start() - timedelta(minutes=minutes_ago)
        self.says(equity)

    def says(self, equity, cash=None, **fields):
        """The broker's next figures; cash is the equity, where nothing else is said."""
        self.at += timedelta(minutes=1)
        amounts = {"equity": Decimal(equity), "cash": Decimal(cash or equity), "as_of": self.at}
        state = make_state(self.account_id, **amounts, **fields)
        jump = self.states.save(Told(state, []), recorded_at=utc_now())
        self.states.keep_fund(self.account_id, now=self.at)
        return jump

    def records(self, amount, flow_id="f1", **fields):
        payment = Payment(flow_id=flow_id, amount=Decimal(amount), **fields)
        return self.capital.record(self.account_id, payment, SIGNED)

    @property
    def row(self):
        return self.store["trading_accounts"].find_one({"_id": self.account_id})

    @property
    def marks(self):
        return from_document(EquityMarks, self.row["marks"])

    @property
    def fund(self):
        return from_document(Fund, self.store["funds"].find_one({"_id": "PAPER"}))

    @property
    def history(self):
        return list(self.store["equity_history"].find({"account_id": self.account_id}))


@pytest.fixture
def account(store):
    return Account(store)


def performance(marks):
    gained = daily_pnl(marks, _start())
    return gained, drawdown_ratio(marks), marks.max_drawdown_ratio


def moved(account):
    """What the marks of the account and of its fund count as gain and drawdown."""
    return performance(account.marks), performance(account.fund.marks)


def both(gained=0, lost=0):
    """The same of both; nothing, where a payment moves nothing."""
    lost = pytest.approx(lost, abs=Decimal("1e-12"))
    return ((gained, lost, lost),) * 2


def test_a_deposit_that_is_recorded_first_is_waited_for_and_moves_nothing(account):
    flow = account.records("50", effective_at=account.at)
    assert flow.status is FlowStatus.PENDING
    account.says("1002", cash="1000")
    assert performance(account.marks)[0] == 2
    account.says("1052", cash="1050")
    (flow,) = account.capital.flows(NAME)
    assert (flow.status, flow.settled_at) == (FlowStatus.SETTLED, account.row["as_of"])
    assert moved(account) == both(gained=2)
    assert account.history[-1]["flows"] == 50


def test_a_deposit_that_is_recorded_afterwards_is_found_in_the_cash_and_taken_out(account):
    account.says("990")
    account.says("1085", cash="1085")  # 95 came
    shown_at = account.row["as_of"]
    account.says("1080", cash="1085")
    assert performance(account.marks)[0] == 80
    flow = account.records("95", effective_at=account.at)
    assert (flow.status, flow.settled_at) == (FlowStatus.SETTLED, shown_at)
    # -1 % before it came, then -5 of 1085
    lost = 1 - Decimal("0.99") * (1 - Decimal(5) / 1085)
    assert moved(account) == both(gained=-15, lost=lost)
    assert sum(day["flows"] for day in account.history) == 95
    account.says("1080", cash="1085")
    assert moved(account) == both(gained=-15, lost=lost)


def test_two_deposits_that_are_recorded_late_are_both_taken_out(account):
    account.says("1050")
    account.says("1120")
    account.records("70", flow_id="second", effective_at=account.at)
    account.records("50", flow_id="first", effective_at=account.at - timedelta(minutes=1))
    assert moved(account) == both()


def test_a_withdrawal_is_no_loss(account):
    account.says("940")
    account.records("-60", effective_at=account.at)
    assert moved(account) == both()


def test_a_reset_of_a_person_in_between_is_not_forgotten(account):
    account.says("950")
    row = {"_id": "DRAWDOWN|ACCOUNT|" + NAME, "scope": "ACCOUNT", "scope_id": NAME}
    row |= {"rule": "DRAWDOWN", "sentence": "lost", "locked_at": utc_now(), "account_id": None}
    account.store["risk_locks"].insert_one(row)
    clear_lock(account.store, row["_id"], by="olga", reason="accepted")
    moved = {"recorded_at": account.at + timedelta(seconds=1)}
    account.store["audit_log"].update_one({"what": "LOCK_CLEARED"}, {"$set": moved})
    account.says("1000")
    account.records("50", effective_at=account.at)
    # the loss of 50 is accepted, and what came afterwards was paid
    assert performance(account.marks)[1:] == (0, 0)
    assert account.marks.peak == 1000


def test_the_same_entry_again_is_the_same_payment_and_another_one_is_refused(account):
    first = account.records("50")
    assert account.records("50") == first
    with pytest.raises(Declined, match="another payment needs another flow_id"):
        account.records("51")
    assert account.store["capital_flows"].count_documents({}) == 1
    assert account.store["audit_log"].count_documents({"what": "CAPITAL_FLOW_RECORDED"}) == 1


def test_a_payment_that_never_was_is_taken_back(account):
    account.says("1050")
    account.records("50", effective_at=account.at)
    assert moved(account) == both()
    back = account.capital.reverse(NAME, "f1", SIGNED, reversal_id="r1")
    assert (back.amount, back.reverses) == (-50, "f1")
    assert moved(account) == both(gained=50)
    assert sum(day["flows"] for day in account.history) == 0
    assert account.capital.reverse(NAME, "f1", SIGNED, reversal_id="r1") == back
    with pytest.raises(Declined, match="does not count already"):
        account.capital.reverse(NAME, "f1", SIGNED, reversal_id="r2")
    account.says("1050")
    assert moved(account) == both(gained=50)


def test_a_person_may_say_when_a_payment_came_that_cash_does_not_show(account):
    account.says("1050", cash="1000")
    account.records("50", effective_at=account.at)
    account.says("1050", cash="1000")
    flow = account.capital.settle(NAME, "f1", SIGNED, at=account.at - timedelta(minutes=1))
    assert flow.status is FlowStatus.SETTLED
    assert moved(account) == both()
    with pytest.raises(Declined, match="SETTLED already"):
        account.capital.settle(NAME, "f1", SIGNED, at=account.at)


def test_a_payment_of_before_all_that_is_kept_leaves_marks_as_they_are(account):
    before = account.marks
    flow = account.records("50", effective_at=account.at - timedelta(days=30), shown=True)
    assert flow.status is FlowStatus.SETTLED
    assert account.marks == before
    account.says("1001")
    assert moved(account) == both(gained=1)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 0}, "ZERO_AMOUNT"),
        ({"amount": 5, "currency": "JPY"}, "WRONG_CURRENCY"),
        ({"amount": 5, "effective_at": utc_now() + timedelta(days=1)}, "FLOW_IN_FUTURE"),
        ({"amount": 1001}, "FLOW_TOO_LARGE"),
        ({"amount": -1001}, "FLOW_TOO_LARGE"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_there(account, fields, code):
    amount = fields.pop("amount")
    with pytest.raises(Declined) as refused:
        account.records(amount, **fields)
    assert refused.value.code == code
    for name in ("capital_flows", "audit_log"):
        assert account.store[name].count_documents({}) == 0


def test_a_large_payment_is_taken_where_it_is_meant(account):
    assert account.records(1001, confirm_large=True).amount == 1001


def test_an_unknown_account_and_nobody_are_refused(account):
    with pytest.raises(Declined, match="there is no account named 'Nobody'"):
        account.capital.record("Nobody", Payment(flow_id="f", amount=Decimal(1)), SIGNED)
    with pytest.raises(ConfigurationError, match="by must name"):
        account.capital.record(NAME, Payment(flow_id="f", amount=Decimal(1)), Signed("", "why"))


def test_a_jump_is_shown_and_holds_the_entries_of_its_account_only(store, account):
    other = Account(store, "B")
    jump = account.says("1200")
    assert account.row["equity"] == 1200
    assert performance(account.marks) == (0, 0, 0)
    (lock,) = locks(store, utc_now())
    assert (lock.rule, lock.scope_id) == (LockRule.EQUITY_JUMP, NAME)
    incident = store["incidents"].find_one({"_id": f"EQUITY_JUMP|{NAME}"})
    assert (incident["status"], incident["sentence"]) == ("OPEN", jump.sentence)
    # the fund believes neither the gain nor, for its sizes, more than there was
    assert (account.fund.equity, account.fund.marks.last) == (2000, 2000)
    assert other.says("1005") is None
    assert performance(account.fund.marks)[0] == 5


def test_a_broker_that_answers_zero_wipes_nothing(account):
    account.says("1010")
    account.says("0")
    account.says("0")
    assert (account.marks.peak, account.marks.last) == (1010, 1010)
    assert (account.row["equity"], account.fund.equity, account.fund.marks.last) == (0, 0, 1010)
    account.says("1008")
    assert account.row["jump"] is not None
    account.capital.confirm(NAME, account.row["jump"]["jump_id"], Signed("olga", "it was down"))
    assert performance(account.marks)[0] == 8
    assert account.marks.max_drawdown_ratio == pytest.approx(Decimal(2) / 1010)
    assert account.row["jump"] is None
    assert locks(account.store, utc_now()) == ()
    assert account.store["incidents"].find_one({})["status"] == "CLEARED"


def test_doubted_figures_are_no_part_of_the_curve(account):
    account.says("0")
    assert account.history[-1]["low"] == 1000
    assert min(row["equity"] for row in account.store["equity_points"].find()) == 1000


def test_a_jump_that_was_real_moves_the_marks(account):
    jump = account.says("700")
    sentence = account.capital.confirm(NAME, jump.jump_id, SIGNED)
    assert "gain or a loss" in sentence
    account.says("700")
    assert moved(account) == both(gained=-300, lost=Decimal("0.3"))


def test_a_jump_that_was_a_deposit_moves_nothing(account):
    jump = account.says("1510")
    payment = Payment(flow_id="f1", amount=Decimal(500))
    account.capital.confirm(NAME, jump.jump_id, SIGNED, payment=payment)
    account.says("1510")
    assert moved(account) == both(gained=10)
    (flow,) = account.capital.flows(NAME)
    assert (flow.status, flow.settled_at) == (FlowStatus.SETTLED, jump.seen_at)
    act = account.store["audit_log"].find_one({"what": "EQUITY_CONFIRMED"})
    assert (act["by"], act["facts"]["meaning"]) == ("olga", "FLOW")


def test_a_payment_must_explain_the_jump(account):
    jump = account.says("2000")
    payment = Payment(flow_id="f1", amount=Decimal(500))
    with pytest.raises(Declined, match=r"leaves \+500 unexplained"):
        account.capital.confirm(NAME, jump.jump_id, SIGNED, payment=payment)
    assert account.store["capital_flows"].count_documents({}) == 0
    assert account.row["jump"] is not None


def test_only_the_jump_that_was_seen_can_be_confirmed(account):
    first = account.says("1200")
    account.says("5000")
    with pytest.raises(Declined, match="jump_id must be that of now"):
        account.capital.confirm(NAME, first.jump_id, SIGNED)
    with pytest.raises(Declined, match="confirm that first"):
        account.records("200")
    account.capital.confirm(NAME, account.row["jump"]["jump_id"], SIGNED)
    with pytest.raises(Declined, match="is not doubted"):
        account.capital.confirm(NAME, first.jump_id, SIGNED)


def test_the_lock_of_a_jump_is_not_reset_but_explained_and_comes_back(store, account):
    account.says("1200")
    (lock,) = locks(store, utc_now())
    with pytest.raises(ConfigurationError, match=r"scripts/cash\.py confirm"):
        clear_lock(store, lock.key, by="olga", reason="no")
    store["risk_locks"].delete_many({})
    account.says("1200")
    assert [each.key for each in locks(store, utc_now())] == [lock.key]


def test_losses_are_not_counted_anew_from_an_equity_that_nobody_believes(store, account):
    account.says("0")
    row = {"_id": "DRAWDOWN|ACCOUNT|" + NAME, "scope": "ACCOUNT", "scope_id": NAME}
    row |= {"rule": "DRAWDOWN", "sentence": "lost", "locked_at": utc_now(), "account_id": None}
    store["risk_locks"].insert_one(row)
    with pytest.raises(ConfigurationError, match="confirm comes first"):
        clear_lock(store, row["_id"], by="olga", reason="accepted")
    assert account.marks.peak == 1000


def test_two_at_once_enter_one_payment(account):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(account.records("50"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert {each.recorded_at for each in found} == {account.capital.flows(NAME)[0].recorded_at}
    assert account.store["audit_log"].count_documents({}) == 1


def test_who_joins_after_a_flow_brings_no_flow_with_it(store, account):
    account.says("1050")
    account.records("50", effective_at=account.at)
    Account(store, "B", minutes_ago=48)
    account.says("1050")
    assert performance(account.fund.marks) == (0, 0, 0)
    account.records("20", flow_id="f2")
    account.says("1070")
    assert performance(account.fund.marks) == (0, 0, 0)


def test_a_payment_that_came_while_equity_was_doubted_is_no_gain(account):
    account.records("50", effective_at=account.at)
    account.says("0")
    account.says("1050")
    sentence = account.capital.confirm(NAME, account.row["jump"]["jump_id"], SIGNED)
    assert "f1 has come (50)" in sentence
    assert account.capital.flows(NAME)[0].status is FlowStatus.SETTLED
    account.says("1050")
    assert moved(account) == both()


@pytest.mark.parametrize("entered", ["CONFIRMED", "LATE"])
def test_a_payment_still_waits_after_another_one_came_that_nobody_waited_for(account, entered):
    account.records("9", flow_id="waits", effective_at=account.at)
    entered_at = {"$set": {"recorded_at": account.at}}  # the broker of the test lives in the past
    account.store["capital_flows"].update_one({}, entered_at)
    came = "500" if entered == "CONFIRMED" else "50"
    equity = 1000 + int(came)
    jump = account.says(str(equity))
    if jump is not None:
        payment = Payment(flow_id="f1", amount=Decimal(came))
        account.capital.confirm(NAME, jump.jump_id, SIGNED, payment=payment)
    else:
        account.records(came, effective_at=account.at)
    account.says(str(equity + 9))
    assert [each.status for each in account.capital.flows(NAME)] == [FlowStatus.SETTLED] * 2
    assert moved(account) == both()


def test_a_fund_made_anew_knows_when_it_believed_a_payment(account):
    account.says("1500")
    account.says("1500")
    jump_id = account.row["jump"]["jump_id"]
    payment = Payment(flow_id="f1", amount=Decimal(500))
    account.capital.confirm(NAME, jump_id, SIGNED, payment=payment)
    account.says("1500")
    account.says("1505")
    account.records("5", flow_id="late", effective_at=account.at)
    assert moved(account) == both()
    assert account.fund.marks.day_low == account.fund.marks.day_start


def test_a_doubt_in_another_currency_than_the_figures_of_now_holds_nothing(store, account):
    account.says("0")
    account.says("90000", currency="INR")
    assert account.row["jump"] is None
    assert locks(store, utc_now()) == ()


# Returns of days


def returns(account, *, fund=False):
    """Of each day, as the curve shows it."""
    currency = {"currency": "USD"}
    rows = account.store["fund_history"].find({}) if fund else account.history
    rows = sorted(rows, key=lambda row: row["date"])
    return [each.return_ratio for each in days_of([currency | row for row in rows])][1:]


def test_a_large_deposit_in_the_middle_of_a_day_is_no_part_of_its_return(store):
    account = Account(store, minutes_ago=24 * 60 + 20)
    account.at = _start() - timedelta(minutes=20)
    account.says("1100")
    account.records("2200", effective_at=account.at, confirm_large=True)
    account.says("3300", cash="3300")
    account.says("3630", cash="3300")
    account.says("3930", cash="3600")
    account.records("300", flow_id="late", effective_at=account.at)
    # 10 % before the first came and 10 % after: not (3930 - 2500 - 1000) / 1000
    gained = [pytest.approx(Decimal("0.21"))]
    assert returns(account) == returns(account, fund=True) == gained
    account.capital.reverse(NAME, "late", SIGNED, reversal_id="r1")
    assert returns(account) == [pytest.approx(Decimal("1.21") * 3930 / 3630 - 1)]


def test_an_account_that_joins_or_leaves_is_no_return_of_its_fund(store):
    account = Account(store, minutes_ago=24 * 60 + 20)
    account.at = _start() - timedelta(minutes=20)
    account.says("1010")
    Account(store, "B", equity="5000", minutes_ago=18)
    assert returns(account, fund=True) == [pytest.approx(Decimal("0.01"))]
    account.store["trading_accounts"].update_one({"_id": NAME}, {"$set": {"status": "INACTIVE"}})
    account.states.keep_fund("B", now=account.at + timedelta(minutes=1))
    assert returns(account, fund=True) == [pytest.approx(Decimal("0.01"))]


def test_a_payment_of_a_day_without_a_look_is_no_gain_of_the_next(store):
    account = Account(store, minutes_ago=5 * 24 * 60)
    account.at = _start() - timedelta(minutes=20)
    account.says("1050")
    paid_at = account.at - timedelta(days=2)
    account.records("50", effective_at=paid_at, shown=True)
    assert account.history[-1]["flows"] == 50
    assert returns(account) == [0]
